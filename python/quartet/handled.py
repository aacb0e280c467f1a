"""
A call that is handled, whatever its work runs on: what it was called with, and how it is answered.

What always holds: work that declines has done nothing; a caller is told of a failure its text and
the handler's own code, no stack.
"""

from __future__ import annotations

import time
from typing import Any, Final, NoReturn

from .blocks_messages import BlockRef
from .errors import PoolsError
from .events import Argument, Held
from .messages import Answer

input_credit: Final = 16
"""Chunks of arguments that a handler has on their way at a time."""
gathered_limit: Final = 10_000
"""Parts that are gathered for a caller who did not ask for a stream."""
sentence_limit: Final = 4_096
_code_limit: Final = 128


class Unavailable(Exception):
    """Raised by work that has done nothing: the call goes to another handler."""


class Handled:
    """
    A call that is being handled.

    `origin` is the app that made it, `identity` how that app proved itself ("none", "token", "key",
    "certificate"), `attempt` 2 or more when an earlier handler was lost.
    """

    def __init__(self, held: Held) -> None:
        called = held.called
        self.pool = called.pool
        self.trigger = called.trigger
        self.origin = called.origin
        self.identity = called.identity
        self.attempt = called.attempt
        self.flags = called.flags
        self.traceparent = called.traceparent
        self.tracestate = called.tracestate
        self.held = held

    @property
    def cancelled(self) -> bool:
        """Whether nobody waits for its answer any more: stop as soon as that is easy."""
        return self.held.stopped is not None

    @property
    def remaining(self) -> float:
        """Seconds until its deadline; 0 when that has passed."""
        return max(0.0, self.held.deadline - time.monotonic())

    def unavailable(self, why: str = "declined") -> NoReturn:
        """Declines the call, having done nothing: another handler gets it."""
        raise Unavailable(why)

    def checked(self, argument: Argument | None) -> Argument:
        """A chunk of its arguments. Raises PoolsError CANCELLED when the call is stopped."""
        if argument is None or self.cancelled:
            raise PoolsError("CANCELLED", f"the call was stopped: {self.held.stopped}")
        return argument


def answer_of(id: int, result: Any) -> Answer:
    """A result, or where it lies in a block."""
    return Answer(id, block=result) if isinstance(result, BlockRef) else Answer(id, result)


def stopped_before(id: int) -> Answer:
    """Of work that was to stop before it began."""
    return Answer(id, error="stopped before it began", is_unavailable=True)


def failed(id: int, error: Exception) -> Answer:
    """Of work that has raised: what its caller is told."""
    if isinstance(error, Unavailable):
        return Answer(id, error=_sentence(error), is_unavailable=True)
    return Answer(id, error=_sentence(error), handler_code=_code_of(error))


def unsendable(id: int, error: Exception) -> Answer:
    """Of work whose result no frame can hold."""
    return Answer(id, error=f"the result cannot be sent: {error}")


def too_many_parts() -> ValueError:
    """What becomes of work with more parts than are gathered."""
    return ValueError(f"it streams more than {gathered_limit} parts: call it as a stream")


def _sentence(error: Exception) -> str:
    text = error.message if isinstance(error, PoolsError) else str(error)
    return text[:sentence_limit] or type(error).__name__


def _code_of(error: Exception) -> str | None:
    code = getattr(error, "code", None)
    text = str(code) if isinstance(code, (str, int)) else ""
    return text if 0 < len(text) <= _code_limit else None
