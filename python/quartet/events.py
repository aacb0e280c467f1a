"""
What the protocol core tells the client around it.

What always holds: an event of an ask comes only while that ask is open, and one of them ends it; an
event of a held call comes only while this app holds it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

from .blocks_messages import BlockNotice
from .errors import PoolsError
from .messages import Answered, Called, Emitted


@dataclass(slots=True, eq=False)
class Held:
    """A call that this app handles. Who has it may answer it, until it is stopped or answered."""

    called: Called
    deadline: float
    """On the clock that the core is told."""
    credit: int
    """How many chunks of result may be sent."""
    next_seq: int = 0
    stopped: str | None = None
    """Why it was told to stop: "caller", "deadline", "lost", "parent"; None while it may go on."""


@dataclass(slots=True)
class Ready:
    """The handshake is acknowledged and everything restored."""


@dataclass(slots=True)
class Away:
    """The connection has ended. It comes back after `at_least` seconds or more."""

    error: PoolsError
    at_least: float = 0.0


@dataclass(slots=True)
class Closed:
    """It is over for good: closed by its program, or the server wants it to stay away."""

    error: PoolsError | None


@dataclass(slots=True)
class Broken:
    """The connection is of no use any more: it is to be closed."""

    error: PoolsError


@dataclass(slots=True)
class Remark:
    """An error of the server that belongs to none of our requests and ends nothing."""

    error: PoolsError


@dataclass(slots=True)
class Draining:
    """The server goes within this many seconds."""

    within: float


@dataclass(slots=True)
class Failed:
    """An ask has failed."""

    id: int
    error: PoolsError


@dataclass(slots=True)
class Part:
    """A chunk of the result of one of our calls."""

    id: int
    payload: Any


@dataclass(slots=True)
class Wanted:
    """The handler of one of our calls takes this many more chunks of arguments."""

    id: int
    count: int


@dataclass(slots=True)
class Handed:
    """A call to handle."""

    held: Held


@dataclass(slots=True)
class Stopped:
    """A call that we hold is to stop; `held.stopped` says why."""

    held: Held


@dataclass(slots=True)
class MoreCredit:
    """`held.credit` has grown."""

    held: Held


@dataclass(slots=True)
class Argument:
    """A chunk of the arguments of a call that we hold."""

    held: Held
    payload: Any = None
    last: bool = field(default=False)


@dataclass(slots=True)
class Told:
    """The server tells the members of a pool something: `destroyed`, `removed`."""

    operation: str
    pool: str
    fields: dict[str, Any]


class Listened(Protocol):
    """Whoever has listeners for notices of a block."""

    listeners: list[Callable[[BlockNotice], Any]]

    def counted(self, notice: BlockNotice) -> BlockNotice:
        """The notice, with what was lost since the last that was counted."""
        ...


@dataclass(slots=True)
class Noticed:
    """The server tells something of a block."""

    block: Listened
    notice: BlockNotice


Event = (
    Ready
    | Away
    | Closed
    | Broken
    | Remark
    | Draining
    | Answered
    | Failed
    | Part
    | Wanted
    | Handed
    | Stopped
    | MoreCredit
    | Argument
    | Emitted
    | Noticed
    | Told
)
