"""
What becomes of a call that a program has made: one end, and parts before it where it streams.

What always holds: each ends exactly once; credit is given back only for what the program has taken.
"""

from __future__ import annotations

from typing import Any

from .events import Event, Failed
from .messages import Answered


class Outcome:
    """One answer to come."""

    def __init__(self, id: int) -> None:
        self.id = id
        self._ended: Answered | Failed | None = None

    @property
    def repeated(self) -> bool:
        """Whether the answer is that of an earlier call with the same idempotency key."""
        return isinstance(self._ended, Answered) and self._ended.repeated

    def _hear(self, event: Event) -> None:
        if isinstance(event, (Answered, Failed)):
            self._ended = event

    def _result(self) -> Any:
        """Raises what it failed with."""
        if isinstance(self._ended, Failed):
            raise self._ended.error.again()
        return None if self._ended is None else self._ended.result


class Parts:
    """Many parts, and an answer behind them."""

    def __init__(self, id: int, credit: int) -> None:
        self.id = id
        self.result: Any = None
        """What the handler returned; None while parts are to come."""
        self._taken = Taken(credit)
        self._is_over = False

    def _hear(self, event: Event) -> None:
        """Takes the end, where this is it. Raises what it failed with."""
        if isinstance(event, Answered):
            self._is_over = True
            self.result = event.result
        elif isinstance(event, Failed):
            self._is_over = True
            raise event.error.again()


class Taken:
    """Counts what was taken of so much credit, and says when to give some back: by the half."""

    def __init__(self, credit: int) -> None:
        self._step = max(1, credit // 2)
        self._count = 0

    def one(self) -> int:
        """One more was taken. Gives how much credit goes back now; most of the time 0."""
        self._count += 1
        if self._count < self._step:
            return 0
        count, self._count = self._count, 0
        return count
