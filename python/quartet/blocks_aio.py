"""
Blocks of shared memory, as a program of coroutines sees them. The names of `quartet`, awaited.

    block = await app.pool("default").attach("frame")
    snapshot = await block.read()

What always holds: a block that is mapped here and one that is not give the same results and the
same errors; a read of a mapped block does not wait.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Generator
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
Listener = Callable[[BlockNotice], Any]
"""A function, or a coroutine function: then the next notice waits for it."""
_idle_wait: Final = 0.25


class BlockAsker(Protocol):
    """Whoever asks the server."""

    desk: Desk

    async def request(self, ask: Callable[[float], int | None]) -> Any:
        """Asks, and waits for the answer. Raises PoolsError."""
        ...

    def table(self) -> Table:
        """The attachments of the app."""
        ...


async def done(asker: BlockAsker, steps: Steps[_T]) -> _T:
    """Does these steps, one after another. Raises PoolsError."""
    told: Any = None
    while True:
        try:
            step = steps.throw(told) if isinstance(told, PoolsError) else steps.send(told)
        except StopIteration as over:
            return over.value
        told = None
        if isinstance(step, Pause):
            await asyncio.sleep(step.seconds)
            continue
        try:
            told = await asker.request(lambda now, step=step: asker.desk.block(step, now))
        except PoolsError as refused:
            told = refused


class Pinned(blocks_shapes.Pinned):
    """A generation that stays as it is until it is released: `data` is a view of it."""

    def __init__(
        self, viewed: tuple[memoryview, Snapshot], release: Callable[[], Awaitable[None]]
    ) -> None:
        super().__init__(*viewed)
        self._release = release

    async def release(self) -> None:
        """Lets it be overwritten. What `data` shows then is not said."""
        await self._release()

    async def __aenter__(self) -> Pinned:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.release()


class Lock(blocks_shapes.Lock):
    """A lock that is held until its end, or until it is lost."""

    def __init__(self, block: Attachment, held: Held, asker: BlockAsker) -> None:
        super().__init__(held)
        self._block = block
        self._asker = asker

    async def unlock(self) -> None:
        """Lets it go. Raises PoolsError LOCK_LOST where it was lost before."""
        await done(self._asker, self._block.unlock(self._held))


class Locking:
    """A lock to come: awaited, or entered with `async with`."""

    def __init__(self, ask: Callable[[], Awaitable[Lock]]) -> None:
        self._ask = ask
        self._lock: Lock | None = None

    def __await__(self) -> Generator[Any, None, Lock]:
        return self._ask().__await__()

    async def __aenter__(self) -> Lock:
        self._lock = await self._ask()
        return self._lock

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        try:
            if self._lock is not None:
                await self._lock.unlock()
        except PoolsError:
            if error is None:
                raise


class _Part(Attached):
    """The ends of a block or ring."""

    def __init__(self, asker: BlockAsker, attachment: Attachment) -> None:
        super().__init__(attachment)
        self._asker = asker

    async def detach(self) -> None:
        """Lets it go. Views of it stay what they are."""
        if self._is_open:
            self._is_open = False
            await done(self._asker, self._asker.table().leaving(self._at))

    async def destroy(self) -> None:
        """Ends it, for everybody."""
        await done(self._asker, self._at.destroying())
        await self.detach()

    async def __aexit__(self, *_: object) -> None:
        await self.detach()


class Block(_Part):
    """A named piece of shared memory. Attached again after a return of the connection."""

    @property
    def uuid(self) -> str:
        """Never changes, whatever its file is."""
        return self._at.uuid

    async def read(
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
        return await done(self._asker, self._at.read(Part(offset, length, generation)))

    async def write(
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
        return await done(self._asker, self._at.write(new, fence))

    async def pin(self) -> Pinned:
        """Keeps the newest generation as it is until it is released; one at a time."""
        viewed = await done(self._asker, self._at.pin())
        return Pinned(viewed, lambda: done(self._asker, self._at.unpin()))

    async def seal(self, length: int | None = None) -> tuple[int, str]:
        """
        Makes it immutable; gives its generation and SHA-256 in base64url. `length`: of a block that
        was filled, if it is not full.
        """
        return await done(self._asker, self._at.seal(length))

    def lock(self, mode: LockMode, *, timeout: float = 5.0, lease: float = 10.0) -> Locking:
        """
        Waits for a lock, at most `timeout` seconds; awaited, or in an `async with`. It is renewed
        until it is let go, and ends `lease` seconds after this app was last heard of. Raises
        PoolsError LOCKED.
        """

        async def ask() -> Lock:
            held = await done(self._asker, self._at.lock(mode, timeout, lease))
            return Lock(self._at, held, self._asker)

        return Locking(ask)

    async def subscribe(
        self, listener: Listener, *, data: bool = False
    ) -> Callable[[], Awaitable[None]]:
        """Hears of new generations, with `data` of their content too. Gives its undo."""

        # One of its own, so that a listener given twice is told twice.
        def own(notice: BlockNotice) -> Any:
            return listener(notice)

        await done(self._asker, self._at.follow(own, data=data))
        return lambda: done(self._asker, self._at.unfollow(own))

    async def notify(self, payload: Any) -> None:
        """Tells subscribers something of this app's own, up to 4 KiB."""
        await done(self._asker, self._at.telling(payload))

    async def ref(
        self, *, generation: int | None = None, offset: int = 0, length: int = 0
    ) -> BlockRef:
        """A generation or a piece of it, to be sent as a payload in its stead."""
        return await done(self._asker, self._at.ref(Part(offset, length, generation)))

    async def __aenter__(self) -> Block:
        return self


class Ring(_Part):
    """One end of a ring of records."""

    def __init__(self, asker: BlockAsker, attachment: Attachment) -> None:
        super().__init__(asker, attachment)
        self._steps = RingSteps(attachment)

    async def send(self, data: Bytes, *, content_type: str | None = None) -> None:
        """
        Puts a record behind all others, at most an eighth of the ring. Raises PoolsError RING_FULL
        where a consumer is behind for 100 ms.
        """
        record = memoryview(data).cast("B")
        await done(self._asker, self._steps.send(record, kind_of(content_type)))

    async def next(self) -> RingRecord | None:
        """The next record, if there is one now."""
        return await done(self._asker, self._steps.next())

    async def receive(self, *, timeout: float | None = None) -> AsyncIterator[RingRecord]:
        """Records as they come; for ever, or until none has come for `timeout` seconds."""
        more = asyncio.Event()

        def own(_: BlockNotice) -> None:
            more.set()

        await done(self._asker, self._at.follow(own, data=False))
        loop = asyncio.get_running_loop()
        try:
            until = None if timeout is None else loop.time() + timeout
            while True:
                more.clear()
                record = await self.next()
                if record is not None:
                    yield record
                    until = None if timeout is None else loop.time() + timeout
                elif until is not None and loop.time() >= until:
                    return
                else:
                    try:
                        async with asyncio.timeout(_idle_wait):
                            await more.wait()
                    except TimeoutError:
                        pass
        finally:
            await done(self._asker, self._at.unfollow(own))

    async def __aenter__(self) -> Ring:
        return self


async def create(
    asker: BlockAsker, name: tuple[str, str], size: int, choices: BlockChoices, mode: Mode
) -> Block:
    """Makes a block. Raises PoolsError BLOCK_EXISTS, NO_SPACE, TOO_LARGE."""
    at = asker.table().enter(name, mode)
    await done(asker, at.create({"size": size, **choices}))
    return Block(asker, at)


async def attach(asker: BlockAsker, name: tuple[str, str], mode: Mode) -> Block:
    """Attaches to a block. Raises PoolsError NO_BLOCK, FORBIDDEN, WRITER_EXISTS."""
    at = asker.table().enter(name, mode)
    await done(asker, at.ready())
    return Block(asker, at)


async def ring(
    asker: BlockAsker, name: tuple[str, str], size: int, side: Side, choices: RingChoices
) -> Ring:
    """One end of a ring; it is made where there is none. Raises PoolsError."""
    at = asker.table().enter(name, "write" if side == "send" else "read", is_ring=True)
    await done(asker, at.create_or_attach({"size": size, "ring": "block", **choices}))
    return Ring(asker, at)
