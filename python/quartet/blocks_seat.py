"""
What one app has of one block: what the server told of it, its mapping, its locks and listeners.

What always holds: what the server tells is taken in the order in which it comes; a mapping is of
the file that was told last; with the connection every lock is lost.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final, TypeVar

from . import layout
from .blocks_map import mapped, process_started
from .blocks_messages import Asked, BlockNotice
from .blocks_slots import Slots
from .errors import PoolsError

_T = TypeVar("_T")
_attempts: Final = 8
"""How often a block is attached to again where it moves under that."""
_leaving_seconds: Final = 2.0
"""How long the server may take to find out what became of a writer whose connection ended."""
_leaving_pause: Final = 0.05
_log: Final = logging.getLogger("quartet")


@dataclass(frozen=True, slots=True)
class Pause:
    """Wait so many seconds, then go on."""

    seconds: float


Steps = Generator[Asked | Pause, Any, _T]
"""An operation: it yields what to ask, or how long to wait, and gets the answer."""


@dataclass(eq=False, slots=True)
class Held:
    """A lock that was granted."""

    name: str
    mode: str
    fence: int
    lease: float
    until: float
    """On the clock of the core. Never later than the server's own."""
    error: PoolsError | None = None
    """Why it is held no more."""
    is_renewing: bool = False


class Seat:
    """Shared by all parts of an app that attached to the block."""

    is_sealed = False
    """Whether its contents are envelopes, made and opened here."""

    def __init__(self, name: tuple[str, str], mode: str, *, near: Callable[[], bool]) -> None:
        self.pool, self.id = name
        self.mode = mode
        self.told: Mapping[str, Any] | None = None
        """What the server says of it; None where it has to be asked again."""
        self.slots: Slots | None = None
        self.users = 0
        self.listeners: list[Callable[[BlockNotice], Any]] = []
        self.wants_data = False
        self.generation_told = 0
        self.locks: dict[str, Held] = {}
        self.is_ring = False
        self.capacity = 0
        self.uuid = ""
        self._near = near
        self._may_map = True
        self._unmappable: str | None = None
        self.is_away = False

    @property
    def number(self) -> int | None:
        """The server's number of it; None where it has none that this connection knows."""
        told = None if self.is_away else self.told
        return None if told is None else int(told["attachment"])

    @property
    def key(self) -> tuple[str, ...]:
        """Of a ring an app may have two: one that produces, one that consumes."""
        return (self.pool, self.id, self.mode) if self.is_ring else (self.pool, self.id)

    @property
    def via(self) -> str:
        """ "map" or "socket"."""
        return "socket" if self.settled() is None else "map"

    @property
    def state(self) -> str:
        """ "live", "filling", "sealed"."""
        return str((self.told or {}).get("state", "live"))

    def take(self, told: Mapping[str, Any]) -> None:
        """The server has told of it, asked or not."""
        self.slots = None
        self.told = told
        self.capacity, self.uuid = int(told["size"]), str(told["uuid"])
        self.is_away = False

    def hear(self, notice: BlockNotice) -> None:
        """The server tells of an event."""
        if notice.event in ("replaced", "sealed") and self.told is not None:
            self.take({**self.told, **notice.more})
        elif notice.event in ("retired", "detached"):
            self.forget()

    def lost(self) -> None:
        """The connection has ended. What is mapped can still be read."""
        self.is_away = True
        for held in self.locks.values():
            sentence = "the connection that held the lock has ended"
            held.error = PoolsError("CONNECTION_LOST", sentence)
        self.locks.clear()

    def forget(self) -> None:
        """It has to be attached to again."""
        self.told = None
        self.slots = None

    def leave(self, slots: Slots) -> None:
        """What is mapped is retired: unless the server has told of another file, it is asked."""
        if self.slots is slots:
            self.forget()

    def attaching(self) -> Asked:
        """The question for this attachment, again or for the first time."""
        return Asked("attach", self, {"mode": self.mode, **self._how()})

    def creating(self, fields: Mapping[str, Any]) -> Asked:
        """The question for a new block."""
        said = {name: value for name, value in fields.items() if value is not None}
        return Asked("create", self, {"mode": self.mode, **said, **self._how()})

    def following(self) -> Asked:
        """The question to be told of new generations."""
        return Asked("subscribe", self, {"data": True} if self.wants_data else {})

    def asked(self, operation: str, **fields: Any) -> Asked:
        """Any other question."""
        said = {name: value for name, value in fields.items() if value is not None}
        return Asked(operation, self, said)

    def settled(self) -> Slots | None:
        """The mapping, made now if it can be; None: over the socket."""
        slots, told = self.slots, self.told
        if slots is not None or told is None or told.get("via") != "map":
            return slots
        try:
            slots = Slots(mapped(told, writes=self._stores))
        except (OSError, ValueError) as error:
            _log.warning("block %s is not mapped: %s", self.id, error)
            # Another file may have taken its place; what fails twice goes over the socket.
            self._may_map, self._unmappable = self._unmappable != told["path"], told["path"]
            if self.told is told:
                self.told = None
            return None
        if self.told is told:
            self.slots = slots
        return slots

    def attach(self) -> Steps[None]:
        """Attaches, again or for the first time."""
        until = time.monotonic() + _leaving_seconds
        while True:
            try:
                yield self.attaching()
                break
            except PoolsError as error:
                # The writer that is still there is this app itself, as the server knew it before.
                is_own = error.code == "WRITER_EXISTS" and self.uuid != ""
                if not is_own or time.monotonic() > until:
                    raise
            yield Pause(_leaving_pause)
        if self.listeners:
            yield self.following()

    def ready(self) -> Steps[Slots | None]:
        """Attaches where that has to be, and gives the mapping."""
        for _ in range(_attempts):
            if self.told is None:
                yield from self.attach()
            slots = self.settled()
            if slots is not None or self.told is not None:
                return slots
        raise PoolsError("BUSY", "the block moves faster than it can be attached to")

    def create(self, fields: Mapping[str, Any]) -> Steps[None]:
        """Makes the block."""
        yield self.creating(fields)
        self.settled()

    def create_or_attach(self, fields: Mapping[str, Any]) -> Steps[None]:
        """Makes the block where there is none."""
        try:
            yield self.creating(fields)
        except PoolsError as error:
            if error.code != "BLOCK_EXISTS":
                raise
        yield from self.ready()

    def counted(self, notice: BlockNotice) -> BlockNotice:
        """The notice, with what was lost since the last that was counted."""
        if notice.event is not None or notice.payload is not None or self.is_ring:
            return notice
        lost = max(0, notice.generation - self.generation_told - 1)
        self.generation_told = notice.generation
        return replace(notice, lost=lost)

    def fence_shown(self, given: int | None) -> int | None:
        """That of a lock which is held is shown unasked."""
        if given is not None:
            return given
        fences = (held.fence for held in list(self.locks.values()) if held.mode != "read")
        return max(fences, default=None)

    def check_fence(self, slots: Slots, fence: int | None) -> None:
        """Raises PoolsError LOCK_LOST for a write without the lock that it needs or names."""
        if fence is None and not slots.mapped.header.has(layout.lock_required):
            return
        now = time.monotonic()
        held = list(self.locks.values())
        if not any(each.fence == fence and each.until > now for each in held):
            sentence = "the lock is somebody else's now, or is needed and not shown"
            raise PoolsError("LOCK_LOST", sentence)

    def check_range(self, offset: int, length: int) -> None:
        """Raises PoolsError OUT_OF_RANGE, as the server would."""
        if offset + length > self.capacity:
            sentence = f"offset {offset} and length {length} go beyond the capacity"
            detail = {"capacity": self.capacity}
            raise PoolsError("OUT_OF_RANGE", f"{sentence}, {self.capacity}", detail=detail)

    def look_at(self, error: PoolsError) -> None:
        """Attaches again where that may help, else raises the error."""
        if error.code not in ("BLOCK_RETIRED", "NO_BLOCK"):
            raise error
        self.forget()

    def writes_here(self, slots: Slots) -> bool:
        """Whether this app writes into the mapping itself."""
        header = slots.mapped.header
        if header.has(layout.encrypted) and not self.is_sealed:
            raise PoolsError("NOT_ENCRYPTED", "the block takes envelopes only")
        return not header.has(layout.many_writers) and not slots.mapped.view.readonly

    @property
    def _stores(self) -> bool:
        if self.is_ring and self.mode == "read":
            return True  # Its own place in the ring.
        return self.mode == "write" and layout.stores_in_order and self.state != "sealed"

    def _how(self) -> dict[str, Any]:
        if not self._may_map or not self._near():
            return {}
        started = process_started() if self.mode == "write" else None
        program = {} if started is None else {"pid": os.getpid(), "started": started}
        return {"via": "map", **program}
