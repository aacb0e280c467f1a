"""
Calls that a program of threads has made: `Pending` waits for one answer, `Stream` for many parts.

What always holds: each ends exactly once; a stream gives its handler credit only for what the
program has taken, so what waits here is bounded by the credit.
"""

from __future__ import annotations

from collections.abc import Iterator
from queue import SimpleQueue
from types import TracebackType
from typing import Any, Protocol

from .events import Event, Failed, Part
from .messages import Answered, CancelMode

Box = SimpleQueue[Event]


class Asker(Protocol):
    """Whose calls they are."""

    def take(self, box: Box, deadline: float) -> Event:
        """The next event of a call."""
        ...

    def cancel(self, id: int, mode: CancelMode) -> None:
        """Asks for the end of a call."""
        ...

    def credit(self, id: int, count: int) -> None:
        """Its handler may send more."""
        ...

    def abandon(self, id: int) -> None:
        """Nobody holds this call any more; may be called from anywhere, even within a lock."""
        ...


class Pending:
    """A call that was begun, and its answer to come."""

    def __init__(self, asker: Asker, id: int, box: Box, deadline: float) -> None:
        self._asker = asker
        self._box = box
        self._deadline = deadline
        self._ended: Answered | Failed | None = None
        self.id = id

    def result(self) -> Any:
        """
        Waits for the answer. Raises PoolsError; waits no longer than the call's `ttl` and a little.
        """
        while self._ended is None:
            event = self._asker.take(self._box, self._deadline)
            if isinstance(event, (Answered, Failed)):
                self._ended = event
        if isinstance(self._ended, Failed):
            raise self._ended.error.again()
        return self._ended.result

    def cancel(self, mode: CancelMode = "killnowait") -> None:
        """
        Asks for its end: "skip" tells the handler nothing, "killnowait" tells it and answers at
        once, "kill" answers when it has stopped. `result` then raises CANCELLED, unless the answer
        came first.
        """
        self._asker.cancel(self.id, mode)

    @property
    def repeated(self) -> bool:
        """Whether the answer is that of an earlier call with the same idempotency key."""
        return isinstance(self._ended, Answered) and self._ended.repeated


class Stream:
    """
    The parts of a streamed result, in order. Iterate it once; leaving early cancels the call.

    When it is over `result` is what the handler returned.
    """

    def __init__(self, asker: Asker, id: int, box: Box, deadline: float, credit: int) -> None:
        self._asker = asker
        self._box = box
        self._deadline = deadline
        self._step = max(1, credit // 2)
        self._taken = 0
        self._is_over = False
        self.id = id
        self.result: Any = None
        """What the handler returned; None while parts are to come."""

    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> Any:
        if self._is_over:
            raise StopIteration
        while True:
            event = self._asker.take(self._box, self._deadline)
            if isinstance(event, Part):
                self._taken += 1
                if self._taken >= self._step:
                    self._asker.credit(self.id, self._taken)
                    self._taken = 0
                return event.payload
            if isinstance(event, Answered):
                self._is_over = True
                self.result = event.result
                raise StopIteration
            if isinstance(event, Failed):
                self._is_over = True
                raise event.error.again()

    def cancel(self, mode: CancelMode = "killnowait") -> None:
        """Asks for its end. The next part asked for then raises CANCELLED."""
        if not self._is_over:
            self._asker.cancel(self.id, mode)

    def close(self) -> None:
        """Ends it here and there. Harmless when it is over."""
        if not self._is_over:
            self._is_over = True
            self._asker.cancel(self.id, "killnowait")

    def __enter__(self) -> Stream:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def __del__(self) -> None:
        if not self._is_over:
            self._asker.abandon(self.id)
