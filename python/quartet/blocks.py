"""
Blocks of shared memory, as a program of threads sees them.

    block = app.pool("default").create_block("frame", 1 << 20)
    block.write(pixels)

What always holds: a block that is mapped here and one that is not give the same results and the
same errors; any thread may use it.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Any, Final, Protocol, TypeVar

from . import blocks_shapes
from .blocks_messages import BlockNotice, BlockRef
from .blocks_seat import Held, Pause, Steps
from .blocks_shapes import (
    Attached,
    BlockChoices,
    LockMode,
    Mode,
    RingChoices,
    Side,
    glance,
    kind_of,
    writing,
)
from .blocks_slots import Bytes, Part, Snapshot, Written
from .blocks_steps import Attachment
from .blocks_table import Table
from .desk import Desk
from .errors import PoolsError
from .ring import RingRecord, RingSteps

_T = TypeVar("_T")
Listener = Callable[[BlockNotice], object]
_idle_wait: Final = 0.25


class BlockAsker(Protocol):
    """Whoever asks the server."""

    desk: Desk

    def ask(self, ask: Callable[[float], int | None], seconds: float) -> Any:
        """Asks, and waits so long for the answer. Raises PoolsError."""
        ...

    def table(self) -> Table:
        """The attachments of the app."""
        ...


def done(asker: BlockAsker, steps: Steps[_T]) -> _T:
    """Does these steps, one after another. Raises PoolsError."""
    told: Any = None
    while True:
        try:
            step = steps.throw(told) if isinstance(told, PoolsError) else steps.send(told)
        except StopIteration as over:
            return over.value
        told = None
        if isinstance(step, Pause):
            time.sleep(step.seconds)
            continue
        try:
            told = asker.ask(lambda now, step=step: asker.desk.block(step, now), step.seconds)
        except PoolsError as refused:
            told = refused


class Pinned(blocks_shapes.Pinned):
    """A generation that stays as it is until it is released: `data` is a view of it."""

    def __init__(self, viewed: tuple[memoryview, Snapshot], release: Callable[[], None]) -> None:
        super().__init__(*viewed)
        self._release = release

    def release(self) -> None:
        """Lets it be overwritten. What `data` shows then is not said."""
        self._release()

    def __enter__(self) -> Pinned:
        return self

    def __exit__(self, *_: object) -> None:
        self.release()


class Lock(blocks_shapes.Lock):
    """A lock that is held until its end, or until it is lost."""

    def __init__(self, block: Attachment, held: Held, asker: BlockAsker) -> None:
        super().__init__(held)
        self._block = block
        self._asker = asker

    def unlock(self) -> None:
        """Lets it go. Raises PoolsError LOCK_LOST where it was lost before."""
        done(self._asker, self._block.unlock(self._held))

    def __enter__(self) -> Lock:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        try:
            self.unlock()
        except PoolsError:
            if error is None:
                raise


class _Part(Attached):
    """The ends of a block or ring."""

    def __init__(self, asker: BlockAsker, attachment: Attachment) -> None:
        super().__init__(attachment)
        self._asker = asker

    def detach(self) -> None:
        """Lets it go. Views of it stay what they are."""
        if self._is_open:
            self._is_open = False
            done(self._asker, self._asker.table().leaving(self._at))

    def destroy(self) -> None:
        """Ends it, for everybody."""
        done(self._asker, self._at.destroying())
        self.detach()

    def __exit__(self, *_: object) -> None:
        self.detach()


class Block(_Part):
    """A named piece of shared memory. Attached again after a return of the connection."""

    @property
    def uuid(self) -> str:
        """Never changes, whatever its file is."""
        return self._at.uuid

    def read(
        self, *, offset: int = 0, length: int | None = None, generation: int | None = None
    ) -> Snapshot:
        """
        One whole generation, or a piece of it. Generation 0: nothing was written yet. Raises
        PoolsError GENERATION_GONE, INTEGRITY.
        """
        if offset == 0 and length is None and generation is None:
            found = glance(self._at)
            if found is not None:
                return found
        return done(self._asker, self._at.read(Part(offset, length, generation)))

    def write(
        self,
        data: Bytes,
        *,
        offset: int | None = None,
        if_generation: int | None = None,
        fence: int | None = None,
        content_type: str | None = None,
    ) -> Written:
        """
        Makes a new generation: the data is its content, with `offset` it patches the newest from
        there. Raises PoolsError CONFLICT where `if_generation` is not the newest, LOCK_LOST,
        BLOCK_SEALED, PINNED, OUT_OF_RANGE.
        """
        new = writing(data, offset=offset, onto=if_generation, content_type=content_type)
        return done(self._asker, self._at.write(new, fence))

    def pin(self) -> Pinned:
        """Keeps the newest generation as it is until it is released; one at a time."""
        viewed = done(self._asker, self._at.pin())
        return Pinned(viewed, lambda: done(self._asker, self._at.unpin()))

    def seal(self, length: int | None = None) -> tuple[int, str]:
        """
        Makes it immutable; gives its generation and SHA-256 in base64url. `length`: of a block that
        was filled, if it is not full.
        """
        return done(self._asker, self._at.seal(length))

    def lock(self, mode: LockMode, *, timeout: float = 5.0, lease: float = 10.0) -> Lock:
        """
        Waits for a lock, at most `timeout` seconds; to be used in a `with`. It is renewed until it
        is let go, and ends `lease` seconds after this app was last heard of. Raises PoolsError
        LOCKED.
        """
        held = done(self._asker, self._at.lock(mode, timeout, lease))
        return Lock(self._at, held, self._asker)

    def subscribe(self, listener: Listener, *, data: bool = False) -> Callable[[], None]:
        """
        Hears of new generations, in a thread of the client, with `data` of their content too. Gives
        its undo.
        """
        # One of its own, so that a listener given twice is told twice.
        def own(notice: BlockNotice) -> object:
            return listener(notice)

        done(self._asker, self._at.follow(own, data=data))
        return lambda: done(self._asker, self._at.unfollow(own))

    def notify(self, payload: Any) -> None:
        """Tells subscribers something of this app's own, up to 4 KiB."""
        done(self._asker, self._at.telling(payload))

    def ref(self, *, generation: int | None = None, offset: int = 0, length: int = 0) -> BlockRef:
        """A generation or a piece of it, to be sent as a payload in its stead."""
        return done(self._asker, self._at.ref(Part(offset, length, generation)))

    def __enter__(self) -> Block:
        return self


class Ring(_Part):
    """One end of a ring of records."""

    def __init__(self, asker: BlockAsker, attachment: Attachment) -> None:
        super().__init__(asker, attachment)
        self._steps = RingSteps(attachment)

    def send(self, data: Bytes, *, content_type: str | None = None) -> None:
        """
        Puts a record behind all others, at most an eighth of the ring. Raises PoolsError RING_FULL
        where a consumer is behind for 100 ms.
        """
        record = memoryview(data).cast("B")
        done(self._asker, self._steps.send(record, kind_of(content_type)))

    def next(self) -> RingRecord | None:
        """The next record, if there is one now."""
        return done(self._asker, self._steps.next())

    def receive(self, *, timeout: float | None = None) -> Iterator[RingRecord]:
        """Records as they come; for ever, or until none has come for `timeout` seconds."""
        more = threading.Event()

        def own(_: BlockNotice) -> None:
            more.set()

        done(self._asker, self._at.follow(own, data=False))
        try:
            until = None if timeout is None else time.monotonic() + timeout
            while True:
                more.clear()
                record = self.next()
                if record is not None:
                    yield record
                    until = None if timeout is None else time.monotonic() + timeout
                elif until is not None and time.monotonic() >= until:
                    return
                else:
                    left = _idle_wait if until is None else until - time.monotonic()
                    more.wait(max(0.0, min(_idle_wait, left)))
        finally:
            done(self._asker, self._at.unfollow(own))

    def __enter__(self) -> Ring:
        return self


def create(
    asker: BlockAsker, name: tuple[str, str], size: int, choices: BlockChoices, mode: Mode
) -> Block:
    """Makes a block. Raises PoolsError BLOCK_EXISTS, NO_SPACE, TOO_LARGE."""
    at = asker.table().enter(name, mode)
    done(asker, at.create({"size": size, **choices}))
    return Block(asker, at)


def attach(asker: BlockAsker, name: tuple[str, str], mode: Mode) -> Block:
    """Attaches to a block. Raises PoolsError NO_BLOCK, FORBIDDEN, WRITER_EXISTS."""
    at = asker.table().enter(name, mode)
    done(asker, at.ready())
    return Block(asker, at)


def ring(
    asker: BlockAsker,
    name: tuple[str, str],
    size: int,
    side: Side,
    choices: RingChoices,
) -> Ring:
    """One end of a ring; it is made where there is none. Raises PoolsError."""
    at = asker.table().enter(name, "write" if side == "send" else "read", is_ring=True)
    done(asker, at.create_or_attach({"size": size, "ring": "block", **choices}))
    return Ring(asker, at)


__all__ = ["Block", "BlockChoices", "Lock", "Pinned", "Ring", "RingChoices"]
