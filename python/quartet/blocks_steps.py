"""
Operations on a block, for both clients: what is done in the mapping, and what the server is asked.

What always holds: the same calls give the same results and errors with the block mapped and
without; a block that has another file now is attached to again before anything is returned of it.
"""

from __future__ import annotations

import base64
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any, Final

from . import layout
from .blocks_messages import BlockNotice, BlockRef, Stored
from .blocks_seat import Held, Pause, Seat, Steps
from .blocks_slots import Part, Slots, Snapshot, Writing, Written
from .errors import PoolsError
from .payload import type_of

_attempts: Final = 8
"""How often an operation is begun again where the block moves under it."""
_wait_seconds: Final = 0.1
"""How long a writer waits for a slot that nobody pins: writeWaitMs of the server."""
_pause: Final = 0.001


class Attachment(Seat):
    """What may be done with one block."""

    def __init__(self, name: tuple[str, str], mode: str, *, near: Callable[[], bool]) -> None:
        super().__init__(name, mode, near=near)
        self._turn = threading.Lock()
        self._filled = 0
        self._is_pinned = False

    def read(self, part: Part, verify: layout.Verify = "never") -> Steps[Snapshot]:
        """The newest generation, the one asked for, or a part of it."""
        for _ in range(_attempts):
            slots = yield from self.ready()
            self.check_range(part.offset, part.length or 0)
            if slots is not None and self.state != "filling":
                found = slots.read(part, verify)
                if isinstance(found, Snapshot):
                    return found
                if found == "gone":
                    sentence = f"generation {part.generation} has been overwritten"
                    raise PoolsError("GENERATION_GONE", sentence)
                if found == "damaged":
                    raise PoolsError("INTEGRITY", "the block's checksum is wrong")
                if found == "retired":
                    self.leave(slots)
                    continue
            ask = self.asked(
                "read", offset=part.offset or None, length=part.length, generation=part.generation
            )
            try:
                return snapshot_of((yield ask), part.offset)
            except PoolsError as error:
                self.look_at(error)
        raise PoolsError("BUSY", "the block moves faster than it can be read", retry_after_ms=10)

    def write(self, writing: Writing, given: int | None) -> Steps[Written]:
        """A new generation. `given` is the fence of the lock that it rests on."""
        until = time.monotonic() + _wait_seconds
        while True:
            slots = yield from self.ready()
            if slots is not None and self.is_away:
                # Over the socket it could come while a thread here writes into the mapping again.
                yield from self.attach()
                continue
            self._check_write(writing)
            fence = self.fence_shown(given)
            try:
                if slots is not None and self.writes_here(slots):
                    self.check_fence(slots, fence)
                    written = self._put(slots, writing)
                    if slots.is_watched:
                        yield self.asked("notify", **written._asdict())
                    return written
                return (yield from self._write_far(writing, fence))
            except PoolsError as error:
                if error.code == "PINNED" and time.monotonic() < until:
                    yield Pause(_pause)
                elif error.code == "BLOCK_RETIRED" and slots is not None:
                    self.leave(slots)
                else:
                    self.look_at(error)

    def lock(self, mode: str, timeout: float, lease: float) -> Steps[Held]:
        """A lock, as soon as it is free."""
        yield from self.ready()
        ask = self.asked(
            "lock", mode=mode, timeout=round(timeout * 1000), lease_ms=round(lease * 1000)
        )
        ask.seconds += timeout
        answer = yield ask
        held = self.locks.get(str(answer["lock_id"]))
        if held is None:
            raise PoolsError("LOCK_LOST", "the lock was lost as soon as it was granted")
        return held

    def unlock(self, held: Held) -> Steps[None]:
        """Lets a lock go. Raises PoolsError LOCK_LOST where it was lost before."""
        if held.error is not None:
            raise PoolsError("LOCK_LOST", held.error.message)
        if self.locks.pop(held.name, None) is not None:
            yield self.asked("unlock", lock_id=held.name)

    def pin(self) -> Steps[tuple[memoryview, Snapshot]]:
        """The newest generation, that stays as it is until `unpin`; without a copy where mapped."""
        if self._is_pinned:
            raise PoolsError("PINNED", "this block is pinned here already: release it first")
        for _ in range(_attempts):
            slots = yield from self.ready()
            generation = 0
            try:
                if self.state != "sealed":
                    generation = int((yield self.asked("pin"))["generation"])
                if slots is None:
                    found = snapshot_of((yield self.asked("read", generation=generation or None)))
                    viewed = memoryview(found.data), found
                else:
                    viewed = slots.viewed(generation or slots.newest())
            except PoolsError as error:
                self.look_at(error)
                continue
            if viewed is not None:
                self._is_pinned = generation != 0
                return viewed
            if slots is not None:
                self.leave(slots)
        raise PoolsError("BUSY", "the block moves faster than it can be pinned", retry_after_ms=10)

    def unpin(self) -> Steps[None]:
        """Lets the pinned generation go."""
        if self._is_pinned:
            self._is_pinned = False
            yield self.asked("unpin")

    def seal(self, length: int | None) -> Steps[tuple[int, str]]:
        """Makes it immutable; gives its generation and SHA-256."""
        yield from self.ready()
        if self.state == "filling":
            length = self._filled if length is None else length
            # Nothing may be stored behind the server's back once it says that it never changes.
            self.slots = None
            answer = yield self.asked("seal", length=length)
        else:
            answer = yield self.asked("seal")
        return int(answer["generation"]), str(answer["sha256"])

    def follow(self, listener: Callable[[BlockNotice], Any], *, data: bool) -> Steps[None]:
        """Is told of new generations from now on."""
        yield from self.ready()
        is_news = not self.listeners or (data and not self.wants_data)
        self.wants_data = self.wants_data or data
        # First the listener, then the question: nothing that is told is missed.
        self.listeners.append(listener)
        if is_news:
            try:
                yield self.following()
            except PoolsError:
                self.listeners.remove(listener)
                raise

    def unfollow(self, listener: Callable[[BlockNotice], Any]) -> Steps[None]:
        """Is told no more."""
        if listener not in self.listeners:
            return
        self.listeners.remove(listener)
        if not self.listeners and self.told is not None:
            self.wants_data = False
            yield self.asked("unsubscribe")

    def telling(self, payload: Any) -> Steps[None]:
        """Tells subscribers something."""
        yield from self.ready()
        ask = self.asked("notify")
        ask.fields["payload"] = payload
        yield ask

    def destroying(self) -> Steps[None]:
        """Ends the block."""
        yield self.asked("destroy")
        self.forget()

    def ref(self, part: Part) -> Steps[BlockRef]:
        """A part of a generation, to be sent in its stead."""
        found = yield from self.read(Part(generation=part.generation, length=min(1, self.capacity)))
        if found.generation == 0:
            raise PoolsError("GENERATION_GONE", "nothing has been written yet")
        return BlockRef(self.uuid, found.generation, part.offset, part.length or 0)

    def _put(self, slots: Slots, writing: Writing) -> Written:
        """Writes into the mapping. One thread at a time."""
        told: Mapping[str, Any] = self.told or {}
        if told.get("state") == "filling":
            slots.fill(writing.offset or 0, writing.data)
            return self._has_filled(writing)
        mine = (int(told.get("attachment", 0)), int(told.get("fence", 0)))
        with self._turn:
            return slots.write(
                Writing(writing.data, writing.offset, writing.type, writing.onto, *mine)
            )

    def _write_far(self, writing: Writing, fence: int | None) -> Steps[Written]:
        is_filling = self.state == "filling"
        ask = self.asked(
            "write",
            offset=writing.offset,
            whole=True if writing.offset is None and not is_filling else None,
            if_generation=writing.onto,
            fence=fence,
        )
        ask.data, ask.content_type = writing.data, writing.type
        answer = yield ask
        if is_filling:
            return self._has_filled(writing)
        return Written(int(answer["generation"]), int(answer["length"]))

    def _has_filled(self, writing: Writing) -> Written:
        self._filled = max(self._filled, (writing.offset or 0) + len(writing.data))
        return Written(0, len(writing.data))

    def _check_write(self, writing: Writing) -> None:
        if self.mode != "write":
            raise PoolsError("FORBIDDEN", "attach with mode write first")
        if self.state == "sealed":
            raise PoolsError("BLOCK_SEALED", "the block is sealed")
        self.check_range(writing.offset or 0, len(writing.data))


def snapshot_of(answer: Any, offset: int = 0) -> Snapshot:
    """The answer to a read, in whatever form it came."""
    if isinstance(answer, Stored):
        return Snapshot(answer.data, answer.generation, answer.type, answer.time, offset)
    data, kind = base64.b64decode(answer["data"]), type_of(answer.get("content_type"))
    return Snapshot(data, int(answer["generation"]), kind, int(answer["time"]), offset)
