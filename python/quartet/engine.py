"""
What an app in a program of threads runs on: the core under a lock, and where its events go.

What always holds: the core is touched under one lock only, and bytes leave in the order in which it
made them; no callback of the program runs under a lock; each call's events come out of its own box.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from queue import Empty, SimpleQueue
from typing import Any, Final

from .address import Address
from .blocks_map import is_near
from .blocks_table import Table
from .calls import Box, Pending, Stream
from .core import Core
from .delivery import Delivery
from .desk import Desk, request_seconds
from .dispatch import Dispatch
from .errors import PoolsError
from .events import Event, Held, Noticed
from .handling import Call, Work
from .inputs import Inputs
from .messages import Answer, Answered, CancelMode, Emitted
from .options import AppOptions, CallChoices, CallOptions
from .runner import Runner

_margin: Final = 0.05
_log: Final = logging.getLogger("quartet")


class Engine:
    """Asks, waits, and hands calls to threads."""

    def __init__(self, address: Address, options: AppOptions, workers: int) -> None:
        self.core = Core(options)
        if options.map == "auto":
            self.core.blocks.sees = is_near
        self.desk = Desk(self.core)
        self.works: dict[tuple[str, str], Work] = {}
        self.delivery = Delivery()
        self.closed = threading.Event()
        self.cause: PoolsError | None = None
        """Why it is over, where the program did not end it."""
        self.runner = Runner(self, address, options)
        self._lock = threading.Lock()
        self._inputs = Inputs(self)
        self._events: Dispatch[Box, Call] = Dispatch(self, self._inputs)
        self._abandoned: SimpleQueue[int] = SimpleQueue()
        self._threads = ThreadPoolExecutor(workers, "quartet-worker")

    def act(self, act: Callable[[Core], object]) -> None:
        """Has the core do something, and sends what came of it."""
        with self._lock:
            act(self.core)
        self._flush()

    def step(self, step: Callable[[Core], list[Event]]) -> list[Event]:
        """The same where events come of it, which go where they belong. Gives them, too."""
        with self._lock:
            events = step(self.core)
        self._flush()
        for event in events:
            self._events.put(event)
        return events

    def finish(self, cause: PoolsError | None) -> None:
        """It is over for good."""
        self.step(lambda core: core.close(cause))

    def submit_within(
        self,
        parent: Held | None,
        start: tuple[str, Any],
        options: CallChoices,
        input: Iterable[Any] | None = None,
    ) -> Pending:
        """Begins a call, as a part of another where there is one."""
        id, box, deadline = self._begin(start, CallOptions(**options), parent, None, input)
        return Pending(self, id, box, deadline)

    def stream_within(
        self,
        parent: Held | None,
        start: tuple[str, Any, int],
        options: CallChoices,
        input: Iterable[Any] | None = None,
    ) -> Stream:
        """Begins a streamed call, as a part of another where there is one."""
        trigger, payload, credit = start
        id, box, deadline = self._begin(
            (trigger, payload), CallOptions(**options), parent, credit, input
        )
        return Stream(self, id, box, deadline, credit)

    def take(self, box: Box, deadline: float) -> Event:
        """The next event of a call."""
        while True:
            left = deadline - time.monotonic()
            try:
                return box.get(timeout=max(left, 0.0) + _margin)
            except Empty:
                self.step(lambda core: core.tick(time.monotonic()))

    def cancel(self, id: int, mode: CancelMode) -> None:
        """Asks for the end of a call."""
        self.step(lambda core: core.asks.cancel(id, mode))

    def credit(self, id: int, count: int) -> None:
        """The handler of a call may send more."""
        self.act(lambda core: core.asks.credit(id, count))

    def abandon(self, id: int) -> None:
        """Nobody holds this call any more. Takes no lock: it may be the collector that calls."""
        self._abandoned.put(id)

    def sweep(self) -> None:
        """Cancels what was abandoned."""
        while not self._abandoned.empty():
            self.cancel(self._abandoned.get(), "killnowait")

    def request(self, ask: Callable[[float], int | None]) -> Any:
        """Asks for what has an id, and waits for the answer. Raises PoolsError."""
        return self.begin_request(ask, request_seconds).result()

    def ask(self, ask: Callable[[float], int | None], seconds: float) -> Any:
        """The same for what may take longer or less long."""
        return self.begin_request(ask, seconds).result()

    def table(self) -> Table:
        """The attachments to blocks."""
        return self.core.blocks

    def begin_request(self, ask: Callable[[float], int | None], seconds: float) -> Pending:
        """Asks without waiting. What has no id is answered with None."""
        box: Box = SimpleQueue()
        now = time.monotonic()
        with self._lock:
            id = ask(now)
            if id is None:
                box.put(Answered(0, None))
            else:
                self._events.boxes[id] = box
        self._flush()
        return Pending(self, id or 0, box, now + seconds)

    def hand(self, held: Held) -> None:
        """A call is to be handled. For `Dispatch`, as all below."""
        called = held.called
        work = self.works.get((called.pool, called.trigger))
        call = Call(self, held)
        try:
            if work is None:
                raise RuntimeError(f"{called.trigger} is not handled here")
            self._events.handling[held] = call
            self._threads.submit(self._work, call, held, work)
        except RuntimeError as error:  # Also what a pool of threads says that takes no more.
            self._events.handling.pop(held, None)
            refusal = Answer(called.id, error=str(error), is_unavailable=True)
            self.act(lambda core: core.holding.answer(held, refusal))

    def deliver(self, event: Emitted | Noticed) -> None:
        """Listeners are to hear this."""
        self.delivery.put(event)

    def ready(self) -> None:
        """Everything holds."""
        self.runner.ready()

    def end(self, cause: PoolsError | None) -> None:
        """It is over for good."""
        self.cause = cause
        self.delivery.close()
        self.runner.end()
        self._threads.shutdown(wait=False, cancel_futures=True)
        self.closed.set()

    def _begin(
        self,
        start: tuple[str, Any],
        options: CallOptions,
        parent: Held | None,
        credit: int | None,
        input: Iterable[Any] | None,
    ) -> tuple[int, Box, float]:
        box: Box = SimpleQueue()
        now = time.monotonic()
        with self._lock:
            if parent is not None and not self.core.holding.holds(parent):
                raise PoolsError("CANCELLED", "the call that it is a part of is over")
            id, deadline = self.desk.call(
                start, options, now, credit=credit, parent=parent, has_input=input is not None
            )
            self._events.boxes[id] = box
            if input is not None:
                self._inputs.add(id, input)
        self._flush()
        return id, box, deadline

    def _flush(self) -> None:
        self.runner.flush(self._take)

    def _take(self) -> bytes:
        with self._lock:
            return self.core.take()

    def _work(self, call: Call, held: Held, work: Work) -> None:
        try:
            call.work(work)
        except Exception:
            _log.exception("a call of %s was not answered", call.trigger)
        finally:
            self._events.handling.pop(held, None)
