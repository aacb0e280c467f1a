"""
What a program chooses: for its app, for a call, for a handler, for a subscription.

What always holds: times are seconds here and ms on the wire; what is not said is not sent, so the
server's own defaults hold.
"""

from __future__ import annotations

import ssl
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, TypedDict

from .messages import CancelMode

Policy = Literal["round_robin", "random", "first", "last", "least_pending", "latency", "hash"]
Behind = Literal["drop_oldest", "conflate", "disconnect"]
State = Literal["connecting", "ready", "away", "draining", "closed"]


class Signer(Protocol):
    """Whoever can sign for an app id: `quartet.AppKey`, or a key that lives elsewhere."""

    @property
    def public_key(self) -> bytes:
        """Ed25519, 32 bytes."""
        ...

    def sign(self, message: bytes) -> bytes:
        """Its signature of 64 bytes."""
        ...


@dataclass(frozen=True, slots=True)
class AppOptions:
    """An app: its id, its pools, and how it proves to be itself."""

    app: str
    pools: Sequence[str] = ("default",)
    key: Signer | None = None
    token: str | Callable[[], str] | None = None
    """A token, or what gives a fresh one for each connection."""
    instances: bool = False
    rehydrate: bool = False
    metadata: Mapping[str, Any] | None = None
    features: Sequence[str] = ("compact", "mixed")
    """The forms to ask for besides JSON."""
    tls: ssl.SSLContext | None = None
    patient: bool = False
    """Keeps trying where the first connection does not come about."""
    map: Literal["auto", "off"] = "auto"
    """ "off": blocks are never mapped, though the server is on this machine."""


class CallChoices(TypedDict, total=False):
    """What `call`, `stream` and `submit` take besides trigger and payload. Seconds."""

    pool: str
    ttl: float
    wait: float
    to: str | None
    idempotency_key: str | None
    idempotent: bool
    affinity: str | None
    detach: bool
    plain: bool
    flags: Sequence[str]
    traceparent: str | None
    tracestate: str | None


@dataclass(frozen=True, slots=True)
class CallOptions:
    """How a call is made. `ttl` and `wait` are seconds; `flags` are the apps' own, `x-…`."""

    pool: str = "default"
    ttl: float = 30.0
    wait: float = 0.0
    to: str | None = None
    idempotency_key: str | None = None
    idempotent: bool = False
    affinity: str | None = None
    detach: bool = False
    plain: bool = False
    """To a plain trigger of an encrypted pool: it goes open."""
    flags: Sequence[str] = ()
    traceparent: str | None = None
    tracestate: str | None = None

    @property
    def wire_flags(self) -> tuple[str, ...]:
        """The flags as messages carry them."""
        ours = (("idempotent", self.idempotent), ("detach", self.detach))
        return tuple(name for name, is_set in ours if is_set) + tuple(self.flags)


class OfferChoices(TypedDict, total=False):
    """What `handle` takes besides a trigger and its pool."""

    concurrency: int
    queue: int
    policy: Policy
    weight: int
    idempotent: bool
    plain: bool
    version: str
    input: Any
    output: Any
    description: str


@dataclass(frozen=True, slots=True)
class Offer:
    """A trigger that this app handles in one pool."""

    pool: str
    name: str
    choices: OfferChoices = field(default_factory=lambda: OfferChoices())

    def spelled(self) -> str | dict[str, Any]:
        """As messages name it: its name alone where nothing else is said."""
        return {"name": self.name, **self.choices} if self.choices else self.name


@dataclass(frozen=True, slots=True)
class Topic:
    """A pattern that this app listens to in one pool."""

    pool: str
    pattern: str
    group: str | None = None
    behind: Behind | None = None
    depth: int | None = None

    def spelled(self) -> str | dict[str, Any]:
        """As messages name it: its pattern alone where nothing else is said."""
        named = {"group": self.group, "behind": self.behind, "depth": self.depth}
        said = {name: value for name, value in named.items() if value is not None}
        return {"pattern": self.pattern, **said} if said else self.pattern


__all__ = [
    "AppOptions",
    "Behind",
    "CallChoices",
    "CallOptions",
    "CancelMode",
    "Offer",
    "OfferChoices",
    "Policy",
    "Signer",
    "State",
    "Topic",
]
