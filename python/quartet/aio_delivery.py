"""
Emits on their way to the listeners of a program of coroutines.

What always holds: a listener gets emits in the order in which they came; at most `waiting_limit`
wait, and where one more comes the oldest is dropped and counted in `lost` of the next.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final

from .delivery import lost_with, noticed, waiting_limit
from .events import Noticed
from .messages import Emitted
from .topics import Listeners

Listener = Callable[[Any, Emitted], Any]
"""A function, or a coroutine function: then the next emit waits for it."""

_log: Final = logging.getLogger("quartet")


class Delivery:
    """Runs listeners."""

    def __init__(self) -> None:
        self.listeners: Listeners[Listener] = Listeners()
        self._waiting: deque[Emitted | Noticed] = deque()
        self._lost = 0
        self._task: asyncio.Task[None] | None = None

    def put(self, emitted: Emitted | Noticed) -> None:
        """An emit or a notice of a block has come."""
        if len(self._waiting) >= waiting_limit:
            self._lost += lost_with(self._waiting.popleft())
        self._waiting.append(emitted)
        if self._task is None:
            self._task = asyncio.create_task(self._run(), name="quartet-listeners")

    async def _run(self) -> None:
        while self._waiting:
            emitted = self._waiting.popleft()
            if self._lost and isinstance(emitted, Emitted):
                emitted = replace(emitted, lost=emitted.lost + self._lost)
                self._lost = 0
            if isinstance(emitted, Noticed):
                heard = [(listener, (notice,)) for listener, notice in noticed(emitted)]
            else:
                arguments = (emitted.payload, emitted)
                heard = [(listener, arguments) for listener in self.listeners.of(emitted)]
            for listener, words in heard:
                try:
                    told = listener(*words)
                    if asyncio.iscoroutine(told):
                        await told
                except Exception:
                    _log.exception("a listener failed")
        self._task = None
