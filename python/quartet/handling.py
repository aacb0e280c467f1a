"""
The calls that a program of threads handles: what its work is given, and how its answer leaves.

What always holds: a call is answered once; parts of a result leave only as their caller takes them;
work that was told to stop is answered for as soon as it ends, whatever it gives.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Generator, Iterator
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any, Final, Unpack, cast

from .calls import Pending, Stream
from .errors import PoolsError
from .events import Argument, Held
from .handled import (
    Handled,
    Unavailable,
    answer_of,
    failed,
    gathered_limit,
    input_credit,
    stopped_before,
    too_many_parts,
    unsendable,
)
from .messages import Answer
from .options import CallChoices
from .outcome import Taken

if TYPE_CHECKING:
    from .engine import Engine

Work = Callable[[Any, "Call"], Any]

_log: Final = logging.getLogger("quartet")


class Call(Handled):
    """A call that is being handled; its work runs in a thread of its own."""

    def __init__(self, engine: Engine, held: Held) -> None:
        super().__init__(held)
        self._engine = engine
        self._moved = threading.Event()
        self._stopped = threading.Event()
        self._arguments: SimpleQueue[Argument | None] = SimpleQueue()

    def wait_cancelled(self, timeout: float | None = None) -> bool:
        """Waits until it is told to stop, at most `timeout` seconds. Gives whether it was."""
        return self._stopped.wait(timeout)

    @property
    def input(self) -> Iterator[Any]:
        """
        What its caller streams to it, once. Raises PoolsError CANCELLED when the call is stopped.
        """
        taken, wanted = Taken(input_credit), input_credit
        while True:
            if wanted:
                self._engine.act(lambda core, count=wanted: core.holding.wants(self.held, count))
            argument = self.checked(self._arguments.get())
            if not argument.last or argument.payload is not None:
                yield argument.payload
            if argument.last:
                return
            wanted = taken.one()

    def call(self, trigger: str, payload: Any = None, **options: Unpack[CallChoices]) -> Any:
        """Calls another as a part of this one: it ends with it, and has no more time than it."""
        return self._engine.submit_within(self.held, (trigger, payload), options).result()

    def submit(self, trigger: str, payload: Any = None, **options: Unpack[CallChoices]) -> Pending:
        """The same without waiting."""
        return self._engine.submit_within(self.held, (trigger, payload), options)

    def stream(
        self, trigger: str, payload: Any = None, *, credit: int = 16, **options: Unpack[CallChoices]
    ) -> Stream:
        """The same for a streamed result."""
        return self._engine.stream_within(self.held, (trigger, payload, credit), options)

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
        held, id = self.held, self.held.called.id
        answer = stopped_before(id) if self.cancelled else self._outcome(id, work)
        try:
            self._engine.act(lambda core: core.holding.answer(held, answer))
        except (TypeError, ValueError) as error:
            instead = unsendable(id, error)
            self._engine.act(lambda core: core.holding.answer(held, instead))

    def _outcome(self, id: int, work: Work) -> Answer:
        try:
            result = work(self._engine.table().payload(self.held.called), self)
            if isinstance(result, Iterator):
                result = self._parts(cast("Iterator[Any]", result))
            return answer_of(id, result)
        except Exception as error:
            if not isinstance(error, Unavailable):
                _log.debug("work for %s failed", self.trigger, exc_info=True)
            return failed(id, error)

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
                    self._engine.act(lambda core, part=part: core.holding.part(self.held, part))
                elif len(gathered) < gathered_limit:
                    gathered.append(part)
                else:
                    raise too_many_parts()
        finally:
            if isinstance(parts, Generator):
                parts.close()
        raise PoolsError("CANCELLED", "stopped")

    def _has_credit(self) -> bool:
        """Waits until a part may leave; False when the call is stopped."""
        while not self.cancelled:
            # Cleared before the look: what comes between the two sets it again.
            self._moved.clear()
            if self.held.credit > 0:
                return True
            if not self.cancelled:
                self._moved.wait()
        return False
