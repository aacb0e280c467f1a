"""
Emits on their way to the listeners of a program of coroutines.

What always holds: one listener runs at a time; one that fails is logged, and the next is told.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Any, Final

from .backlog import Backlog
from .events import Noticed
from .messages import Emitted

Listener = Callable[[Any, Emitted], Any]
"""A function, or a coroutine function: then the next emit waits for it."""

_log: Final = logging.getLogger("quartet")


class Delivery:
    """Runs listeners."""

    def __init__(self) -> None:
        self._waiting: Backlog[Listener] = Backlog()
        self.listeners = self._waiting.listeners
        self._task: asyncio.Task[None] | None = None

    def put(self, emitted: Emitted | Noticed) -> None:
        """An emit or a notice of a block has come."""
        self._waiting.put(emitted)
        if self._task is None:
            self._task = asyncio.create_task(self._run(), name="quartet-listeners")

    async def _run(self) -> None:
        while self._waiting:
            emitted = self._waiting.next()
            for listener, words in self._waiting.heard(emitted):
                try:
                    told = listener(*words)
                    if asyncio.iscoroutine(told):
                        await told
                except Exception:
                    _log.exception("a listener failed")
        self._task = None
