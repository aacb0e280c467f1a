"""
Emits on their way to a program's listeners, in a thread of their own.

What always holds: a listener gets emits in the order in which they came; at most `waiting_limit`
wait, and where one more comes the oldest is dropped and counted in `lost` of the next.
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final

from .blocks_messages import BlockNotice
from .events import Noticed
from .messages import Emitted
from .topics import Listeners

Listener = Callable[[Any, Emitted], object]

waiting_limit: Final = 1_024
_log: Final = logging.getLogger("quartet")


class Delivery:
    """Runs listeners."""

    def __init__(self) -> None:
        self.listeners: Listeners[Listener] = Listeners()
        self._waiting: deque[Emitted | Noticed] = deque()
        self._lost = 0
        self._is_over = False
        self._more = threading.Condition()
        self._thread: threading.Thread | None = None

    def put(self, emitted: Emitted | Noticed) -> None:
        """An emit or a notice of a block has come. Does not wait."""
        with self._more:
            if self._is_over:
                return
            if len(self._waiting) >= waiting_limit:
                self._lost += lost_with(self._waiting.popleft())
            self._waiting.append(emitted)
            if self._thread is None:
                self._thread = threading.Thread(
                    target=self._run, name="quartet-listeners", daemon=True
                )
                self._thread.start()
            self._more.notify()

    def close(self) -> None:
        """Nothing more is delivered."""
        with self._more:
            self._is_over = True
            self._more.notify()

    def _run(self) -> None:
        while True:
            with self._more:
                while not self._waiting and not self._is_over:
                    self._more.wait()
                if self._is_over:
                    return
                emitted = self._waiting.popleft()
                if self._lost and isinstance(emitted, Emitted):
                    emitted = replace(emitted, lost=emitted.lost + self._lost)
                    self._lost = 0
            if isinstance(emitted, Noticed):
                told = [(listener, (notice,)) for listener, notice in noticed(emitted)]
            else:
                arguments = (emitted.payload, emitted)
                told = [(listener, arguments) for listener in self.listeners.of(emitted)]
            for listener, words in told:
                try:
                    listener(*words)
                except Exception:
                    _log.exception("a listener failed")


def lost_with(dropped: Emitted | Noticed) -> int:
    """How many emits are lost where this one is. Of a block only the newest notice matters."""
    return 1 + dropped.lost if isinstance(dropped, Emitted) else 0


def noticed(event: Noticed) -> list[tuple[Callable[[BlockNotice], Any], BlockNotice]]:
    """Who hears what of a notice of a block."""
    notice = event.block.counted(event.notice)
    return [(listener, notice) for listener in list(event.block.listeners)]
