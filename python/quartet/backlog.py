"""
Emits and notices of blocks on their way to a program's listeners.

What always holds: a listener gets emits in the order in which they came; at most `waiting_limit`
wait, and where one more comes the oldest is dropped and counted in `lost` of the next.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final, Generic, TypeVar

from .events import Noticed
from .messages import Emitted
from .topics import Listeners

waiting_limit: Final = 1_024
_Listener = TypeVar("_Listener", bound=Callable[..., object])


class Backlog(Generic[_Listener]):
    """What waits, and for whom. Whoever has several threads holds a lock around `put` and `next`."""

    def __init__(self) -> None:
        self.listeners: Listeners[_Listener] = Listeners()
        self._waiting: deque[Emitted | Noticed] = deque()
        self._lost = 0

    def __bool__(self) -> bool:
        return bool(self._waiting)

    def put(self, event: Emitted | Noticed) -> None:
        """One more has come."""
        if len(self._waiting) >= waiting_limit:
            dropped = self._waiting.popleft()
            # Of a block only the newest notice matters.
            self._lost += 1 + dropped.lost if isinstance(dropped, Emitted) else 0
        self._waiting.append(event)

    def next(self) -> Emitted | Noticed:
        """The oldest that waits. Raises IndexError where none does."""
        event = self._waiting.popleft()
        if self._lost and isinstance(event, Emitted):
            event = replace(event, lost=event.lost + self._lost)
            self._lost = 0
        return event

    def heard(self, event: Emitted | Noticed) -> list[tuple[Callable[..., Any], tuple[Any, ...]]]:
        """Who hears of it, and what they are given."""
        if isinstance(event, Noticed):
            notice = event.block.counted(event.notice)
            return [(listener, (notice,)) for listener in list(event.block.listeners)]
        return [(listener, (event.payload, event)) for listener in self.listeners.of(event)]
