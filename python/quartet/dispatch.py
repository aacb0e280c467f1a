"""
Where each event of the core goes, in a program of threads and in one of coroutines.

What always holds: what comes of one call goes to the one who waits for it and to nobody else; the
last event of a call is the last that its box is given. It has no lock: what it does to boxes and
calls does not wait.
"""

from __future__ import annotations

import logging
from typing import Final, Generic, Protocol, TypeVar

from .errors import PoolsError
from .events import (
    Argument,
    Closed,
    Event,
    Failed,
    Handed,
    Held,
    MoreCredit,
    Noticed,
    Part,
    Ready,
    Remark,
    Stopped,
    Wanted,
)
from .messages import Answered, Emitted

_log: Final = logging.getLogger("quartet")


class Working(Protocol):
    """A call whose work is under way."""

    def stop(self) -> None:
        """It is to stop."""
        ...

    def move(self) -> None:
        """Its caller takes more parts."""
        ...

    def take(self, argument: Argument) -> None:
        """A chunk of its arguments has come."""
        ...


class Box(Protocol):
    """Where somebody waits for the events of one call."""

    def put_nowait(self, item: Event) -> None:
        """One more."""
        ...


class Streams(Protocol):
    """The arguments that are streamed to handlers."""

    def want(self, id: int, count: int) -> None:
        """A handler takes so many more."""
        ...

    def end(self, id: int) -> None:
        """The call is over."""
        ...


class Places(Protocol):
    """Whoever knows where all else belongs."""

    def hand(self, held: Held) -> None:
        """A call is to be handled."""
        ...

    def deliver(self, event: Emitted | Noticed) -> None:
        """Listeners are to hear this."""
        ...

    def ready(self) -> None:
        """Everything holds."""
        ...

    def end(self, cause: PoolsError | None) -> None:
        """It is over for good."""
        ...


_Box = TypeVar("_Box", bound=Box)
_Call = TypeVar("_Call", bound=Working)


class Dispatch(Generic[_Box, _Call]):
    """The boxes of calls that were made, and the calls that are handled."""

    def __init__(self, places: Places, inputs: Streams) -> None:
        self.boxes: dict[int, _Box] = {}
        self.handling: dict[Held, _Call] = {}
        self._places = places
        self._inputs = inputs

    def put(self, event: Event) -> None:
        """An event has come."""
        if isinstance(event, (Answered, Failed)):
            self._ended(event)
        elif isinstance(event, Part):
            box = self.boxes.get(event.id)
            if box is not None:
                box.put_nowait(event)
        elif isinstance(event, Handed):
            self._places.hand(event.held)
        elif isinstance(event, (Emitted, Noticed)):
            self._places.deliver(event)
        elif isinstance(event, Wanted):
            self._inputs.want(event.id, event.count)
        elif isinstance(event, (Stopped, MoreCredit, Argument)):
            self._tell(event)
        elif isinstance(event, Remark):
            _log.warning("told: %s", event.error)
        elif isinstance(event, Ready):
            self._places.ready()
        elif isinstance(event, Closed):
            self._places.end(event.error)

    def _ended(self, event: Answered | Failed) -> None:
        box = self.boxes.pop(event.id, None)
        self._inputs.end(event.id)
        if box is not None:
            box.put_nowait(event)
        elif isinstance(event, Failed):
            _log.warning("what held before is not restored: %s", event.error)

    def _tell(self, event: Stopped | MoreCredit | Argument) -> None:
        call = self.handling.get(event.held)
        if call is None:
            return
        if isinstance(event, Stopped):
            call.stop()
        elif isinstance(event, MoreCredit):
            call.move()
        else:
            call.take(event)
