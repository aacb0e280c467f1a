"""
The calls that a program of threads handles: what its work is given, and how its answer leaves.

What always holds: a call is answered once; parts of a result leave only as their caller takes them;
work that was told to stop is answered for as soon as it ends, whatever it gives.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Generator, Iterator
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any, Final, NoReturn, Unpack, cast

from .blocks_messages import BlockRef
from .calls import Pending, Stream
from .errors import PoolsError
from .events import Argument, Held
from .messages import Answer
from .options import CallChoices

if TYPE_CHECKING:
    from .engine import Engine

Work = Callable[[Any, "Call"], Any]

input_credit: Final = 16
gathered_limit: Final = 10_000
"""Parts that are gathered for a caller who did not ask for a stream."""
sentence_limit: Final = 4_096
_log: Final = logging.getLogger("quartet")


class Unavailable(Exception):
    """Raised by work that has done nothing: the call goes to another handler."""


class Call:
    """
    A call that is being handled.

    `origin` is the app that made it, `identity` how that app proved itself ("none", "token", "key",
    "certificate"), `attempt` 2 or more when an earlier handler was lost.
    """

    def __init__(self, engine: Engine, held: Held) -> None:
        called = held.called
        self.pool = called.pool
        self.trigger = called.trigger
        self.origin = called.origin
        self.identity = called.identity
        self.attempt = called.attempt
        self.flags = called.flags
        self.traceparent = called.traceparent
        self.tracestate = called.tracestate
        self._engine = engine
        self._held = held
        self._moved = threading.Event()
        self._stopped = threading.Event()
        self._arguments: SimpleQueue[Argument | None] = SimpleQueue()

    @property
    def cancelled(self) -> bool:
        """Whether nobody waits for its answer any more: stop as soon as that is easy."""
        return self._held.stopped is not None

    @property
    def remaining(self) -> float:
        """Seconds until its deadline; 0 when that has passed."""
        return max(0.0, self._held.deadline - time.monotonic())

    def wait_cancelled(self, timeout: float | None = None) -> bool:
        """Waits until it is told to stop, at most `timeout` seconds. Gives whether it was."""
        return self._stopped.wait(timeout)

    @property
    def input(self) -> Iterator[Any]:
        """
        What its caller streams to it, once. Raises PoolsError CANCELLED when the call is stopped.
        """
        step = input_credit // 2
        wanted, taken = input_credit, 0
        while True:
            if wanted:
                self._engine.act(lambda core, count=wanted: core.holding.wants(self._held, count))
            argument = self._arguments.get()
            if argument is None or self.cancelled:
                raise PoolsError("CANCELLED", f"the call was stopped: {self._held.stopped}")
            if not argument.last or argument.payload is not None:
                yield argument.payload
            if argument.last:
                return
            taken += 1
            wanted, taken = (taken, 0) if taken >= step else (0, taken)

    def call(self, trigger: str, payload: Any = None, **options: Unpack[CallChoices]) -> Any:
        """Calls another as a part of this one: it ends with it, and has no more time than it."""
        return self._engine.submit_within(self._held, (trigger, payload), options).result()

    def submit(self, trigger: str, payload: Any = None, **options: Unpack[CallChoices]) -> Pending:
        """The same without waiting."""
        return self._engine.submit_within(self._held, (trigger, payload), options)

    def stream(
        self, trigger: str, payload: Any = None, *, credit: int = 16, **options: Unpack[CallChoices]
    ) -> Stream:
        """The same for a streamed result."""
        return self._engine.stream_within(self._held, (trigger, payload, credit), options)

    def unavailable(self, why: str = "declined") -> NoReturn:
        """Declines the call, having done nothing: another handler gets it."""
        raise Unavailable(why)

    def stop(self) -> None:
        """Tells the work that it is to stop. For the client."""
        self._stopped.set()
        self._moved.set()
        self._arguments.put(None)

    def move(self) -> None:
        """Its caller takes more parts. For the client."""
        self._moved.set()

    def take(self, argument: Argument) -> None:
        """A chunk of its arguments has come. For the client."""
        self._arguments.put(argument)

    def work(self, work: Work) -> None:
        """Does the work and answers. For the client."""
        held = self._held
        if held.stopped is not None:
            answer = Answer(held.called.id, error="stopped before it began", is_unavailable=True)
        else:
            answer = self._outcome(work)
        try:
            self._engine.act(lambda core: core.holding.answer(held, answer))
        except (TypeError, ValueError) as error:
            failed = Answer(held.called.id, error=f"the result cannot be sent: {error}")
            self._engine.act(lambda core: core.holding.answer(held, failed))

    def _outcome(self, work: Work) -> Answer:
        id = self._held.called.id
        try:
            result = work(self._engine.table().payload(self._held.called), self)
            if isinstance(result, Iterator):
                result = self._parts(cast("Iterator[Any]", result))
            return answer_of(id, result)
        except Unavailable as declined:
            return Answer(id, error=sentence(declined), is_unavailable=True)
        except Exception as error:
            _log.debug("work for %s failed", self.trigger, exc_info=True)
            return Answer(id, error=sentence(error), handler_code=code_of(error))

    def _parts(self, parts: Iterator[Any]) -> Any:
        """
        Sends what comes and gives what a generator returns; gathers it for who wants no stream.
        """
        gathered: list[Any] | None = None if "stream" in self.flags else []
        try:
            while gathered is not None or self._has_credit():
                try:
                    part = next(parts)
                except StopIteration as end:
                    return end.value if gathered is None else gathered
                if gathered is None:
                    self._engine.act(lambda core, part=part: core.holding.part(self._held, part))
                elif len(gathered) < gathered_limit:
                    gathered.append(part)
                else:
                    raise ValueError(
                        f"it streams more than {gathered_limit} parts: call it as a stream"
                    )
        finally:
            if isinstance(parts, Generator):
                parts.close()
        raise PoolsError("CANCELLED", "stopped")

    def _has_credit(self) -> bool:
        """Waits until a part may leave; False when the call is stopped."""
        while not self.cancelled:
            # Cleared before the look: what comes between the two sets it again.
            self._moved.clear()
            if self._held.credit > 0:
                return True
            if not self.cancelled:
                self._moved.wait()
        return False


def sentence(error: BaseException) -> str:
    """What a caller is told of a failure: its text, no stack."""
    text = error.message if isinstance(error, PoolsError) else str(error)
    return text[:sentence_limit] or type(error).__name__


def code_of(error: BaseException) -> str | None:
    """The handler's own code, where the error has one."""
    code = getattr(error, "code", None)
    text = str(code) if isinstance(code, (str, int)) else ""
    return text if 0 < len(text) <= 128 else None


def answer_of(id: int, result: Any) -> Answer:
    """A result, or where it lies in a block."""
    return Answer(id, block=result) if isinstance(result, BlockRef) else Answer(id, result)
