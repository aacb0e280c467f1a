"""
What an app has asked for and not heard of yet: calls, requests, emits that want an answer.

What always holds: an ask ends exactly once, with an answer or an error. What was under way when a
connection ended fails with CONNECTION_LOST, unless it may run twice and its caller has seen nothing
of it: then it is sent again, with the time that is left.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final

from .blocks_messages import Asked
from .errors import PoolsError, codes
from .events import Event, Failed, Part, Wanted
from .messages import Cancel, CancelMode, Chunk, Credit, Emit, Outgoing, Plain, Start

asks_limit: Final = 65_536
"""Asks that wait for an answer; one more is BUSY. The server's own limit of calls in flight."""
waiting_limit: Final = 1_000
"""Of these, without a connection; one more is BUSY."""
grace_seconds: Final = 3.0
"""
How long after its deadline an answer may still come: a tick, the grace of `kill`, a slow line.
"""


@dataclass(slots=True)
class Ask:
    """One request."""

    message: Start | Emit | Asked | Plain
    deadline: float
    repeats: bool
    """Whether it may be sent again on another connection."""
    done: Callable[[], None] | None = None
    """What holds from now on when it was answered well."""
    is_sent: bool = False
    next_seq: int = 0
    """Of the next chunk of its arguments."""

    def sent(self, now: float) -> Start | Emit | Asked | Plain:
        """The message to send now, with the time that is left."""
        self.is_sent = True
        if isinstance(self.message, Start):
            # A millionth of a ms is what the clock's own rounding adds.
            self.message.ttl_ms = max(0, math.ceil((self.deadline - now) * 1000 - 1e-6))
        elif isinstance(self.message, Asked):
            self.message.sent_at = now
        return self.message


class Asks:
    """The open asks, by id, in the order in which they were made."""

    __slots__ = ("_open", "_write")

    def __init__(self, write: Callable[[Outgoing], None]) -> None:
        self._open: dict[int, Ask] = {}
        self._write = write

    def check_room(self, *, is_connected: bool) -> None:
        """Raises PoolsError BUSY when there are too many."""
        if len(self._open) >= asks_limit:
            sentence = f"at most {asks_limit} requests wait for an answer"
            raise PoolsError("BUSY", sentence, retry_after_ms=100)
        if not is_connected and len(self._open) >= waiting_limit:
            sentence = f"at most {waiting_limit} requests wait for a connection"
            raise PoolsError("BUSY", sentence, retry_after_ms=1_000)

    def add(self, id: int, ask: Ask) -> None:
        """One more."""
        self._open[id] = ask

    def find(self, id: int) -> Ask | None:
        """The open ask of this id."""
        return self._open.get(id)

    def end(self, id: int) -> Ask | None:
        """The ask of this id, which is open no more."""
        return self._open.pop(id, None)

    def fail(self, id: int, error: PoolsError) -> list[Event]:
        """Ends an ask with an error."""
        return [] if self._open.pop(id, None) is None else [Failed(id, error)]

    def cancel(self, id: int, mode: CancelMode) -> list[Event]:
        """Ends a call. In mode "kill" it ends when its handler has stopped."""
        ask = self._open.get(id)
        if ask is None:
            return []
        if ask.is_sent:
            # A call that is to end is not begun again on another connection.
            ask.repeats = False
            self._write(Cancel(id, mode))
            if mode == "kill":
                return []
        sentence = "cancelled by its caller"
        error = PoolsError("CANCELLED", sentence, execution_uncertain=ask.is_sent)
        return self.fail(id, error)

    def credit(self, id: int, count: int) -> None:
        """The handler of a call may send so many more results."""
        ask = self._open.get(id)
        if ask is not None and ask.is_sent:
            self._write(Credit(id, "handler", count))

    def argument(self, id: int, payload: Any, *, last: bool = False) -> None:
        """A chunk of arguments of a call, or their end."""
        ask = self._open.get(id)
        if ask is not None and ask.is_sent:
            talk = ask.message.talk if isinstance(ask.message, Start) else None
            said = payload if talk is None else talk.seal("chunk-to-handler", payload)
            self._write(Chunk(id, "handler", ask.next_seq, said, last))
            ask.next_seq += 1
            ask.repeats = False

    def take(self, chunk: Chunk) -> list[Event]:
        """A chunk of the result of a call, which its caller thereby has seen something of."""
        ask = self._open.get(chunk.id)
        if ask is None:
            return []
        ask.repeats = False
        return [Part(chunk.id, chunk.payload)]

    def wanted(self, credit: Credit) -> list[Event]:
        """The handler of a call takes more arguments."""
        return [Wanted(credit.id, credit.count)] if credit.id in self._open else []

    def cut(self) -> list[Event]:
        """The connection has ended."""
        events: list[Event] = []
        for id, ask in list(self._open.items()):
            # What it is a part of is lost with the connection, sent or not.
            is_part = isinstance(ask.message, Start) and ask.message.parent is not None
            if is_part or (ask.is_sent and not ask.repeats):
                sentence = "the connection ended with this under way"
                error = PoolsError("CONNECTION_LOST", sentence, execution_uncertain=ask.is_sent)
                events += self.fail(id, error)
            ask.is_sent = False
        return events

    def finish(self, cause: PoolsError | None) -> list[Event]:
        """There will be no other connection."""
        events: list[Event] = []
        for id, ask in list(self._open.items()):
            events += self.fail(id, gone(cause, was_sent=ask.is_sent))
        return events

    def expire(self, now: float) -> list[Event]:
        """
        Ends what is past its deadline: at once what was not sent, all else after `grace_seconds`.
        """
        events: list[Event] = []
        for id, ask in list(self._open.items()):
            if now >= ask.deadline + (grace_seconds if ask.is_sent else 0.0):
                sentence = "the deadline has passed"
                events += self.fail(
                    id, PoolsError("TIMEOUT", sentence, execution_uncertain=ask.is_sent)
                )
        return events

    def waiting(self, now: float) -> Iterator[Ask]:
        """What was not sent yet and still has time."""
        return (ask for ask in self._open.values() if not ask.is_sent and now < ask.deadline)


def gone(cause: PoolsError | None, *, was_sent: bool) -> PoolsError:
    """What becomes of an ask when all is over. What was never sent has not run."""
    if cause is not None and cause.code in codes and not was_sent:
        return cause.again()
    return PoolsError("CONNECTION_LOST", "the app is closed", execution_uncertain=was_sent)
