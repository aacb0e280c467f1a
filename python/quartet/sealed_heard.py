"""
What an app hears, opened where it belongs to an encrypted pool.

What always holds: of what cannot be opened the program is given nothing but INTEGRITY; the call
that it belongs to ends with it, at both ends.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from .asks import Asks
from .errors import PoolsError
from .events import Event, Remark, Stopped
from .holding import Holding
from .messages import Answer, Answered, Called, Cancel, Chunk, Emitted, Incoming, Outgoing, Start
from .restoring import Standing
from .sealed import Seals


@dataclass(frozen=True, slots=True)
class Ground:
    """What the core lends."""

    app_id: str
    standing: Standing
    asks: Asks
    holding: Holding
    write: Callable[[Outgoing], None]
    next_id: Callable[[], int]
    restoring: set[int]
    """What is waited for before the app is ready."""
    restored: Callable[[int, float, list[Event]], None]
    """This is waited for no more."""


class Heard:
    """Messages on their way in."""

    def __init__(self, seals: Seals, ground: Ground) -> None:
        self._seals = seals
        self._ground = ground

    def open(self, message: Incoming) -> Incoming:
        """A message as it was meant. Raises INTEGRITY."""
        seals, ground = self._seals, self._ground
        if isinstance(message, Answered):
            ask = ground.asks.find(message.id)
            if ask is not None and isinstance(ask.message, Start):
                message.result = seals.answered(ask.message, message.result)
        elif isinstance(message, Called):
            seals.call(message)
        elif isinstance(message, Emitted):
            return seals.emitted(message)
        elif isinstance(message, Chunk) and message.toward == "caller":
            ask = ground.asks.find(message.id)
            talk = ask.message.talk if ask and isinstance(ask.message, Start) else None
            if talk is not None:
                message.payload = talk.part("chunk-to-caller", message.payload)
        elif isinstance(message, Chunk):
            held = ground.holding.find(message.id)
            if held is not None and held.called.talk is not None:
                message.payload = held.called.talk.part("chunk-to-handler", message.payload)
        return message

    def refuse(self, message: Incoming, error: PoolsError) -> list[Event]:
        """What becomes of a message that is not what it should be."""
        ground = self._ground
        error.execution_uncertain = isinstance(message, (Answered, Chunk))
        if isinstance(message, Answered):
            return ground.asks.fail(message.id, error)
        if isinstance(message, Called):
            ground.write(_refusal(message.id, error))
        elif isinstance(message, Chunk) and message.toward == "caller":
            ground.write(Cancel(message.id))
            return ground.asks.fail(message.id, error)
        elif isinstance(message, Chunk):
            held = ground.holding.find(message.id)
            if held is not None:
                ground.holding.answer(held, _refusal(message.id, error))
                held.stopped = "integrity"
                return [Stopped(held), Remark(error)]
        return [Remark(error)]


def _refusal(id: int, error: PoolsError) -> Answer:
    return Answer(id, error=error.message, handler_code=error.code)
