"""
The calls that an app holds: handed over by the server, and to be answered by it alone.

What always holds: only what is held is answered or sent chunks of, so nothing of an ended
connection reaches a call of the next one that has the same number.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final

from .errors import PoolsError
from .events import Argument, Event, Handed, Held, MoreCredit, Stopped
from .messages import Answer, Called, Chunk, Credit, Outgoing

held_limit: Final = 65_536
"""Calls that an app holds; one more is answered UNAVAILABLE."""


class Holding:
    """The held calls, by the id that the server gave each."""

    __slots__ = ("_held", "_write")

    def __init__(self, write: Callable[[Outgoing], None]) -> None:
        self._held: dict[int, Held] = {}
        self._write = write

    def hand(self, called: Called, now: float) -> list[Event]:
        """One more call; refused as UNAVAILABLE where there are too many."""
        if len(self._held) >= held_limit:
            sentence = f"this app holds at most {held_limit} calls"
            self._write(Answer(called.id, error=sentence, is_unavailable=True))
            return []
        held = Held(called, now + called.ttl_ms / 1000, called.credit or 0)
        self._held[called.id] = held
        return [Handed(held)]

    def find(self, id: int) -> Held | None:
        """The held call of this id."""
        return self._held.get(id)

    def stop(self, id: int, reason: str) -> list[Event]:
        """The server wants it to stop."""
        held = self._held.get(id)
        if held is None or held.stopped is not None:
            return []
        held.stopped = reason or "caller"
        return [Stopped(held)]

    def drop(self) -> list[Event]:
        """The connection has ended: none of them can be answered."""
        dropped = list(self._held.values())
        self._held.clear()
        for held in dropped:
            held.stopped = "lost"
        return [Stopped(held) for held in dropped]

    def take_credit(self, credit: Credit) -> list[Event]:
        """Its caller takes more results."""
        held = self._held.get(credit.id)
        if held is None:
            return []
        held.credit += credit.count
        return [MoreCredit(held)]

    def take_argument(self, chunk: Chunk) -> list[Event]:
        """A chunk of its arguments."""
        held = self._held.get(chunk.id)
        return [] if held is None else [Argument(held, chunk.payload, chunk.last)]

    def wants(self, held: Held, count: int) -> None:
        """Its caller may send more arguments."""
        if self.holds(held):
            self._write(Credit(held.called.id, "caller", count))

    def part(self, held: Held, payload: Any) -> None:
        """Sends a chunk of its result. Its credit must have been looked at."""
        if self.holds(held):
            talk = held.called.talk
            said = payload if talk is None else talk.seal("chunk-to-caller", payload)
            self._write(Chunk(held.called.id, "caller", held.next_seq, said))
            held.next_seq += 1
            held.credit -= 1

    def answer(self, held: Held, answer: Answer) -> None:
        """Answers it; what is not held any more is nobody's business."""
        if self.holds(held):
            self._write(_sealed(held, answer))
            del self._held[held.called.id]

    def holds(self, held: Held) -> bool:
        """Whether it may still be answered."""
        return self._held.get(held.called.id) is held


def _sealed(held: Held, answer: Answer) -> Answer:
    """The answer as it leaves: that of a sealed call is sealed, and says of a failure no text."""
    talk = held.called.talk
    if talk is None:
        return answer
    if answer.error is not None:
        return replace(answer, error="declined" if answer.is_unavailable else "the handler failed")
    try:
        return replace(answer, result=talk.seal("response", answer.result))
    except PoolsError as error:
        return Answer(answer.id, error="its answer cannot be sealed", handler_code=error.code)
