"""
The messages of pools as the code has them, whatever form they came in or leave in.

What always holds: payloads are values of Python; the ids of one's own requests are whole numbers,
those that the server gave to calls it handed over are others, in a space of their own.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from .blocks_messages import Asked, BlockRef, Notified
from .errors import PoolsError

if TYPE_CHECKING:
    from .sealed import Talk

Toward = Literal["caller", "handler"]
CancelMode = Literal["killnowait", "kill", "skip"]


@dataclass(slots=True)
class Start:
    """A call, as its caller asks for it. Times are ms."""

    id: int
    pool: str
    trigger: str
    payload: Any
    ttl_ms: int
    flags: tuple[str, ...] = ()
    destination: str | None = None
    affinity: str | None = None
    idempotency_key: str | None = None
    wait_ms: int = 0
    credit: int | None = None
    parent: int | None = None
    traceparent: str | None = None
    tracestate: str | None = None
    plain: bool = False
    """Goes open in an encrypted pool, too."""
    talk: Talk | None = None
    """What it is sealed with; None for what goes open."""
    block: BlockRef | None = None
    """What the payload is, where it lies in a block."""


@dataclass(slots=True)
class Called:
    """A call, as its handler gets it."""

    id: int
    pool: str
    trigger: str
    payload: Any
    origin: str
    ttl_ms: int
    flags: frozenset[str]
    credit: int | None
    attempt: int
    identity: str
    traceparent: str | None
    tracestate: str | None
    nonce: bytes | None = None
    """Of a call that its caller sealed."""
    talk: Talk | None = None
    """What it was opened with; None for what came open."""
    block: BlockRef | None = None
    """Where the payload lies, if it is in a block that this app has mapped."""


@dataclass(slots=True)
class Answer:
    """What a handler answers: `error` is None for a result. UNAVAILABLE: it has done nothing."""

    id: int
    result: Any = None
    error: str | None = None
    handler_code: str | None = None
    is_unavailable: bool = False
    block: BlockRef | None = None


@dataclass(slots=True)
class Answered:
    """The answer to one of our requests."""

    id: int
    result: Any
    repeated: bool = False


@dataclass(slots=True)
class Refused:
    """The error that ends one of our requests; without an id it belongs to none."""

    id: int | None
    error: PoolsError
    close: str | None = None


@dataclass(slots=True)
class Emit:
    """What goes to whoever listens. With an id it asks to be answered."""

    id: int | None
    pool: str
    trigger: str
    payload: Any
    flags: tuple[str, ...] = ()
    traceparent: str | None = None
    tracestate: str | None = None
    talk: Talk | None = None


@dataclass(frozen=True, slots=True)
class Emitted:
    """
    What an app emitted, as a listener gets it.

    `seq` counts the emits of the pool; `lost` is how many this app missed before it; `retained`
    says that it is older than the subscription.
    """

    name: str
    pool: str
    payload: Any
    origin: str
    seq: int
    lost: int = 0
    retained: bool = False


@dataclass(slots=True)
class Chunk:
    """A part of a result (towards the caller) or of arguments (towards the handler)."""

    id: int
    toward: Toward
    seq: int
    payload: Any
    last: bool = False


@dataclass(slots=True)
class Credit:
    """Towards the handler: more results may be sent. Towards the caller: more arguments."""

    id: int
    toward: Toward
    count: int


@dataclass(slots=True)
class Cancel:
    """To the server it names one of our own calls, from it one that we handle."""

    id: int
    mode: CancelMode = "killnowait"
    reason: str = ""


@dataclass(slots=True)
class Ping:
    """Asks for a pong with the same id."""

    id: str | int | None
    is_compact: bool = False


@dataclass(slots=True)
class Plain:
    """Any other message, as its fields."""

    fields: dict[str, Any]


Incoming = (
    Called | Answered | Refused | Emitted | Chunk | Credit | Cancel | Ping | Notified | Plain
)
Outgoing = Start | Answer | Emit | Chunk | Credit | Cancel | Asked | Plain
