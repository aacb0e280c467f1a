"""
Emits on their way to a program's listeners, in a thread of their own.

What always holds: one listener runs at a time; one that fails is logged, and the next is told.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import Any, Final

from .backlog import Backlog
from .events import Noticed
from .messages import Emitted

Listener = Callable[[Any, Emitted], object]

_log: Final = logging.getLogger("quartet")


class Delivery:
    """Runs listeners."""

    def __init__(self) -> None:
        self._waiting: Backlog[Listener] = Backlog()
        self.listeners = self._waiting.listeners
        self._is_over = False
        self._more = threading.Condition()
        self._thread: threading.Thread | None = None

    def put(self, emitted: Emitted | Noticed) -> None:
        """An emit or a notice of a block has come. Does not wait."""
        with self._more:
            if self._is_over:
                return
            self._waiting.put(emitted)
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
                emitted = self._waiting.next()
            for listener, words in self._waiting.heard(emitted):
                try:
                    listener(*words)
                except Exception:
                    _log.exception("a listener failed")
