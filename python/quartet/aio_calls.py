"""
Calls of a program of coroutines: those it makes, `Pending` and `Stream`, and those it handles,
`Call`.

What always holds: each ends exactly once; what waits here is bounded by credit; parts of a result
leave only as their caller takes them.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from types import TracebackType
from typing import TYPE_CHECKING, Any, Unpack

from .errors import PoolsError
from .events import Argument, Event, Held, Part
from .handled import Handled, gathered_limit, input_credit, too_many_parts
from .messages import CancelMode
from .options import CallChoices
from .outcome import Outcome, Parts, Taken

if TYPE_CHECKING:
    from .aio_engine import Engine

Box = asyncio.Queue[Event]


class Pending(Outcome):
    """A call that was begun, and its answer to come."""

    def __init__(self, engine: Engine, id: int, box: Box) -> None:
        super().__init__(id)
        self._engine = engine
        self._box = box

    async def result(self) -> Any:
        """
        Waits for the answer. Raises PoolsError. A task that is cancelled here cancels the call.
        """
        try:
            while self._ended is None:
                self._hear(await self._box.get())
        except asyncio.CancelledError:
            self.cancel()
            raise
        return self._result()

    def cancel(self, mode: CancelMode = "killnowait") -> None:
        """
        Asks for its end, as with threads: `result` then raises CANCELLED, unless an answer came
        first.
        """
        if self._ended is None:
            self._engine.step(lambda core: core.asks.cancel(self.id, mode))


class Stream(Parts):
    """
    The parts of a streamed result, in order. Iterate it once; `async with` cancels the call when it
    is left early. When it is over `result` is what the handler returned.
    """

    def __init__(self, engine: Engine, id: int, box: Box, credit: int) -> None:
        super().__init__(id, credit)
        self._engine = engine
        self._box = box

    def __aiter__(self) -> AsyncIterator[Any]:
        return self

    async def __anext__(self) -> Any:
        while not self._is_over:
            try:
                event = await self._box.get()
            except asyncio.CancelledError:
                self.close()
                raise
            if isinstance(event, Part):
                count = self._taken.one()
                if count:
                    self._engine.act(lambda core: core.asks.credit(self.id, count))
                return event.payload
            self._hear(event)
        raise StopAsyncIteration

    def cancel(self, mode: CancelMode = "killnowait") -> None:
        """Asks for its end. The next part asked for then raises CANCELLED."""
        if not self._is_over:
            self._engine.step(lambda core: core.asks.cancel(self.id, mode))

    def close(self) -> None:
        """Ends it here and there. Harmless when it is over."""
        if not self._is_over:
            self._is_over = True
            self._engine.step(lambda core: core.asks.cancel(self.id, "killnowait"))

    async def __aenter__(self) -> Stream:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def __del__(self) -> None:
        if not self._is_over:
            self._engine.abandon(self.id)


class Call(Handled):
    """A call that is being handled; as with threads, awaited."""

    def __init__(self, engine: Engine, held: Held) -> None:
        super().__init__(held)
        self._engine = engine
        self._stopped = asyncio.Event()
        self._moved = asyncio.Event()
        # Bounded by the credit that `input` gives.
        self._arguments: asyncio.Queue[Argument | None] = asyncio.Queue()

    @property
    def payload(self) -> Any:
        """What it brings. Raises PoolsError GENERATION_GONE. For the client."""
        return self._engine.table().payload(self.held.called)

    async def wait_cancelled(self, timeout: float | None = None) -> bool:
        """Waits until it is told to stop, at most `timeout` seconds. Gives whether it was."""
        try:
            await asyncio.wait_for(self._stopped.wait(), timeout)
        except TimeoutError:
            pass
        return self.cancelled

    @property
    async def input(self) -> AsyncIterator[Any]:
        """
        What its caller streams to it, once. Raises PoolsError CANCELLED when the call is stopped.
        """
        taken, wanted = Taken(input_credit), input_credit
        while True:
            if wanted:
                count = wanted
                self._engine.act(lambda core: core.holding.wants(self.held, count))
            argument = self.checked(await self._arguments.get())
            if not argument.last or argument.payload is not None:
                yield argument.payload
            if argument.last:
                return
            wanted = taken.one()

    async def call(self, trigger: str, payload: Any = None, **options: Unpack[CallChoices]) -> Any:
        """Calls another as a part of this one: it ends with it, and has no more time than it."""
        return await self._engine.begin_call((trigger, payload), options, parent=self.held).result()

    def submit(self, trigger: str, payload: Any = None, **options: Unpack[CallChoices]) -> Pending:
        """The same without waiting."""
        return self._engine.begin_call((trigger, payload), options, parent=self.held)

    def stream(
        self, trigger: str, payload: Any = None, *, credit: int = 16, **options: Unpack[CallChoices]
    ) -> Stream:
        """The same for a streamed result."""
        return self._engine.begin_stream((trigger, payload, credit), options, parent=self.held)

    def stop(self) -> None:
        """Tells the work that it is to stop. For the client."""
        self._stopped.set()
        self._moved.set()
        self._arguments.put_nowait(None)

    def move(self) -> None:
        """Its caller takes more parts. For the client."""
        self._moved.set()

    def take(self, argument: Argument) -> None:
        """A chunk of its arguments has come. For the client."""
        self._arguments.put_nowait(argument)

    async def parts(self, parts: AsyncIterator[Any]) -> Any:
        """Sends what comes; gathers it for who wants no stream. For the client."""
        if "stream" not in self.flags:
            return await _gathered(parts)
        while await self._has_credit():
            try:
                part = await anext(parts)
            except StopAsyncIteration:
                return None
            except Returned as returned:
                return returned.value
            self._engine.act(lambda core, part=part: core.holding.part(self.held, part))
        raise PoolsError("CANCELLED", "stopped")

    async def _has_credit(self) -> bool:
        while not self.cancelled:
            self._moved.clear()
            if self.held.credit > 0:
                return True
            await self._moved.wait()
        return False


async def _gathered(parts: AsyncIterator[Any]) -> list[Any]:
    gathered: list[Any] = []
    try:
        async for part in parts:
            gathered.append(part)
            if len(gathered) > gathered_limit:
                raise too_many_parts()
    except Returned:
        pass  # Who wants no stream gets its parts.
    return gathered


class Returned(Exception):
    """What a plain generator returned."""

    def __init__(self, value: Any) -> None:
        super().__init__()
        self.value = value


async def awaited(parts: Iterator[Any], *, in_thread: bool) -> AsyncIterator[Any]:
    """A plain iterator as an asynchronous one; what a generator returns is raised as `Returned`."""
    done = object()
    returned: list[Any] = []

    def step() -> Any:
        try:
            return next(parts)
        except StopIteration as end:
            returned.append(end.value)
            return done

    while True:
        part = await asyncio.to_thread(step) if in_thread else step()
        if part is done:
            raise Returned(returned[0])
        yield part
