"""
Addresses of a server, and the pace at which one comes back to it.

What always holds: an address is `tcp://host:port`, `tls://host:port` or `unix:/path`; waits have
full jitter, so apps that lost one server together do not return together.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Literal
from urllib.parse import urlsplit

pools_port: Final = 45_227
first_wait: Final = 0.1
longest_wait: Final = 30.0
good_seconds: Final = 60.0
"""After a connection that lasted this long the waits start over."""


@dataclass(frozen=True, slots=True)
class Address:
    """Where a server listens. `path` is that of a unix socket, else empty."""

    kind: Literal["tcp", "tls", "unix"]
    host: str = ""
    port: int = pools_port
    path: str = ""


def parsed(text: str) -> Address:
    """The address that a text spells. Raises ValueError for one that is none."""
    if text.startswith("unix:"):
        path = text.removeprefix("unix:")
        path = path.removeprefix("//") if path.startswith("///") else path
        if path:
            return Address("unix", path=path)
    parts = urlsplit(text)
    if parts.scheme in ("tcp", "tls") and parts.hostname:
        kind: Literal["tcp", "tls"] = "tls" if parts.scheme == "tls" else "tcp"
        return Address(kind, parts.hostname, parts.port or pools_port)
    raise ValueError(f"an address is tcp://host:port, tls://host:port or unix:/path, not {text!r}")


class Pace:
    """How long to wait before the next connection."""

    __slots__ = ("_begun", "_chance", "_tries")

    def __init__(self, chance: Callable[[], float] = random.random) -> None:
        """`chance` gives numbers from 0 up to 1."""
        self._chance = chance
        self._tries = 0
        self._begun: float | None = None

    def ready(self, now: float) -> None:
        """A connection works."""
        self._begun = now

    def wait(self, now: float) -> float:
        """The connection has ended, or none came about: seconds to wait."""
        if self._begun is not None and now - self._begun >= good_seconds:
            self._tries = 0
        self._begun = None
        longest = min(longest_wait, first_wait * 2.0 ** min(self._tries, 16))
        self._tries += 1
        return self._chance() * longest
