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

from .events import Event, Part
from .messages import CancelMode
from .outcome import Outcome, Parts

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


class Pending(Outcome):
    """A call that was begun, and its answer to come."""

    def __init__(self, asker: Asker, id: int, box: Box, deadline: float) -> None:
        super().__init__(id)
        self._asker = asker
        self._box = box
        self._deadline = deadline

    def result(self) -> Any:
        """
        Waits for the answer. Raises PoolsError; waits no longer than the call's `ttl` and a little.
        """
        while self._ended is None:
            self._hear(self._asker.take(self._box, self._deadline))
        return self._result()

    def cancel(self, mode: CancelMode = "killnowait") -> None:
        """
        Asks for its end: "skip" tells the handler nothing, "killnowait" tells it and answers at
        once, "kill" answers when it has stopped. `result` then raises CANCELLED, unless the answer
        came first.
        """
        self._asker.cancel(self.id, mode)


class Stream(Parts):
    """
    The parts of a streamed result, in order. Iterate it once; leaving early cancels the call.

    When it is over `result` is what the handler returned.
    """

    def __init__(self, asker: Asker, id: int, box: Box, deadline: float, credit: int) -> None:
        super().__init__(id, credit)
        self._asker = asker
        self._box = box
        self._deadline = deadline

    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> Any:
        while not self._is_over:
            event = self._asker.take(self._box, self._deadline)
            if isinstance(event, Part):
                count = self._taken.one()
                if count:
                    self._asker.credit(self.id, count)
                return event.payload
            self._hear(event)
        raise StopIteration

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
