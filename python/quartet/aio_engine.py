"""
What an app in a program of coroutines runs on: the core, its one connection, and where events go.

What always holds: all of it runs in one event loop; at most one connection lives at a time; every
task that was begun is kept until it has ended.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable, Coroutine
from typing import Any, Final

from .address import Address, Pace
from .aio_calls import Box, Call, Pending, Stream
from .aio_inputs import Arguments, Inputs
from .aio_link import Link, open_link
from .aio_work import Work, answered
from .blocks_map import is_near
from .blocks_table import Table
from .core import Core
from .desk import Desk
from .dispatch import Dispatch
from .errors import PoolsError
from .events import Away, Broken, Event, Held, Noticed
from .handled import unsendable
from .messages import Answer, Answered, Emitted
from .options import AppOptions, CallChoices, CallOptions

connect_seconds: Final = 10.0
_glance: Final = 0.25
_log: Final = logging.getLogger("quartet")


class Engine:
    """Asks, waits, and hands calls to tasks."""

    def __init__(self, address: Address, options: AppOptions) -> None:
        self.core = Core(options)
        if options.map == "auto":
            self.core.blocks.sees = is_near
        self.desk = Desk(self.core)
        self.works: dict[tuple[str, str], Work] = {}
        self.cause: PoolsError | None = None
        self.closed = asyncio.Event()
        self.on_emit: Callable[[Emitted | Noticed], None] = lambda _: None
        self._first = asyncio.Event()
        self._address = address
        self._options = options
        self._pace = Pace()
        self._link: Link | None = None
        self._inputs = Inputs(self)
        self._events: Dispatch[Box, Call] = Dispatch(self, self._inputs)
        self._tasks: set[asyncio.Task[None]] = set()
        self._abandoned: deque[int] = deque()
        self._runner: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Connects for the first time. Raises PoolsError when that comes to nothing."""
        self._runner = asyncio.create_task(self._run(), name="quartet-connection")
        try:
            await self._first.wait()
        except asyncio.CancelledError:
            self.finish(None)
            raise
        if self.core.state == "closed":
            raise (self.cause or PoolsError("CONNECTION_LOST", "the app is closed")).again()

    async def join(self) -> None:
        """Waits until the connection has ended, unless it is a handler that asks."""
        if self._runner is not None and asyncio.current_task() not in self._tasks:
            await asyncio.gather(self._runner, return_exceptions=True)

    def act(self, act: Callable[[Core], object]) -> None:
        """Has the core do something, and sends what came of it."""
        act(self.core)
        self._flush()

    def step(self, step: Callable[[Core], list[Event]]) -> list[Event]:
        """The same where events come of it, which go where they belong. Gives them, too."""
        events = step(self.core)
        self._flush()
        for event in events:
            self._events.put(event)
        return events

    def finish(self, cause: PoolsError | None) -> None:
        """It is over for good."""
        self.step(lambda core: core.close(cause))

    def begin_call(
        self,
        start: tuple[str, Any],
        options: CallChoices,
        *,
        parent: Held | None = None,
        input: Arguments | None = None,
    ) -> Pending:
        """Begins a call, as a part of another where there is one."""
        id, box = self._begin(start, CallOptions(**options), None, parent, input)
        return Pending(self, id, box)

    def begin_stream(
        self,
        start: tuple[str, Any, int],
        options: CallChoices,
        *,
        parent: Held | None = None,
        input: Arguments | None = None,
    ) -> Stream:
        """Begins a streamed call."""
        trigger, payload, credit = start
        id, box = self._begin((trigger, payload), CallOptions(**options), credit, parent, input)
        return Stream(self, id, box, credit)

    def begin_request(self, ask: Callable[[float], int | None]) -> Pending:
        """Asks for what has an id; what has none is answered with None."""
        box: Box = asyncio.Queue()
        id = ask(time.monotonic())
        if id is None:
            box.put_nowait(Answered(0, None))
        else:
            self._events.boxes[id] = box
        self._flush()
        return Pending(self, id or 0, box)

    async def request(self, ask: Callable[[float], int | None]) -> Any:
        """Asks, and waits for the answer. Raises PoolsError."""
        return await self.begin_request(ask).result()

    def table(self) -> Table:
        """The attachments to blocks."""
        return self.core.blocks

    async def settle(self) -> None:
        """Waits while more is unsent than the line takes."""
        if self._link is not None:
            await self._link.writable.wait()

    def abandon(self, id: int) -> None:
        """Nobody holds this call any more; may be called from anywhere."""
        self._abandoned.append(id)

    def _begin(
        self,
        start: tuple[str, Any],
        options: CallOptions,
        credit: int | None,
        parent: Held | None,
        input: Arguments | None,
    ) -> tuple[int, Box]:
        if parent is not None and not self.core.holding.holds(parent):
            raise PoolsError("CANCELLED", "the call that it is a part of is over")
        now = time.monotonic()
        id, _ = self.desk.call(
            start, options, now, credit=credit, parent=parent, has_input=input is not None
        )
        # Bounded by the credit that the call gives.
        box: Box = asyncio.Queue()
        self._events.boxes[id] = box
        if input is not None:
            self._inputs.add(id, input)
        self._flush()
        return id, box

    def _flush(self) -> None:
        if self._link is not None:
            data = self.core.take()
            if data:
                self._link.send(data)

    def keep(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Does this beside, and keeps its task until it has ended."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def hand(self, held: Held) -> None:
        """A call is to be handled. For `Dispatch`, as all below."""
        called = held.called
        work = self.works.get((called.pool, called.trigger))
        if work is None:
            refusal = Answer(
                called.id, error=f"{called.trigger} is not handled here", is_unavailable=True
            )
            return self.act(lambda core: core.holding.answer(held, refusal))
        call = self._events.handling[held] = Call(self, held)
        self.keep(self._work(call, work))

    async def _work(self, call: Call, work: Work) -> None:
        held = call.held
        try:
            answer = await answered(call, work)
            try:
                self.act(lambda core: core.holding.answer(held, answer))
            except (TypeError, ValueError) as error:
                instead = unsendable(held.called.id, error)
                self.act(lambda core: core.holding.answer(held, instead))
        finally:
            self._events.handling.pop(held, None)

    def deliver(self, event: Emitted | Noticed) -> None:
        """Listeners are to hear this."""
        self.on_emit(event)

    def ready(self) -> None:
        """Everything holds."""
        self._pace.ready(time.monotonic())
        self._first.set()

    def end(self, cause: PoolsError | None) -> None:
        """It is over for good."""
        self.cause = cause
        self._first.set()
        self.closed.set()
        if self._link is not None:
            self._link.close()

    async def _run(self) -> None:
        while not self.closed.is_set():
            until = time.monotonic() + await self._connection()
            while not self.closed.is_set() and (left := until - time.monotonic()) > 0:
                await _at_most(self.closed, min(left, _glance))
                self.step(_tick)

    async def _connection(self) -> float:
        """One connection from its opening to its end. Gives how long to wait before the next."""
        error: PoolsError | None = None
        token = self._options.token
        try:
            shown = token() if callable(token) else token
        except Exception as failed:
            return self._lost(PoolsError("CONNECTION_LOST", f"there is no token: {failed}"))
        try:
            async with asyncio.timeout(connect_seconds):
                link = self._link = await open_link(self._address, self._options.tls, self._receive)
            self.act(lambda core: core.opened(time.monotonic(), shown))
            while not link.ended.is_set():
                await _at_most(link.ended, _glance)
                self._sweep()
                self._step(_tick)
            error = link.error
        except OSError as failed:
            error = PoolsError(
                "CONNECTION_LOST", f"no connection: {failed or type(failed).__name__}"
            )
        finally:
            if self._link is not None:
                self._link.close()
        return self._lost(error)

    def _receive(self, data: bytes) -> None:
        self._step(lambda core: core.receive(data, time.monotonic()))

    def _step(self, step: Callable[[Core], list[Event]]) -> None:
        for event in self.step(step):
            if isinstance(event, Broken) and self._link is not None:
                self._link.give_up(event.error)

    def _sweep(self) -> None:
        while self._abandoned:
            id = self._abandoned.popleft()
            self.step(lambda core, id=id: core.asks.cancel(id, "killnowait"))

    def _lost(self, error: PoolsError | None) -> float:
        self._link = None
        at_least = 0.0
        for event in self.step(lambda core: core.lost(error)):
            if isinstance(event, Away):
                at_least = event.at_least
                _log.info("away: %s", event.error)
        return max(self._pace.wait(time.monotonic()), at_least)


def _tick(core: Core) -> list[Event]:
    return core.tick(time.monotonic())


async def _at_most(event: asyncio.Event, seconds: float) -> None:
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        pass
