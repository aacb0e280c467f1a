"""
Arguments that are streamed to a handler, each call's in a thread of its own.

What always holds: a chunk is taken from the program only when its handler has credit for it; a call
without streamed arguments tells a handler that asks for some that there are none.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterable
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from .engine import Engine

_log: Final = logging.getLogger("quartet")


class Inputs:
    """The arguments of calls under way."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        # None in a queue: the call is over.
        self._open: dict[int, tuple[Iterable[Any], SimpleQueue[int | None]]] = {}
        self._running: set[int] = set()

    def add(self, id: int, items: Iterable[Any]) -> None:
        """A call has these."""
        self._open[id] = (items, SimpleQueue())

    def want(self, id: int, count: int) -> None:
        """A handler takes so many more."""
        found = self._open.get(id)
        if found is None:
            self._open[id] = found = ((), SimpleQueue())
        items, credits = found
        credits.put(count)
        if id not in self._running:
            self._running.add(id)
            threading.Thread(
                target=self._pump, args=(id, items, credits), name="quartet-input", daemon=True
            ).start()

    def end(self, id: int) -> None:
        """The call is over."""
        found = self._open.pop(id, None)
        self._running.discard(id)
        if found is not None:
            found[1].put(None)

    def _pump(self, id: int, items: Iterable[Any], credits: SimpleQueue[int | None]) -> None:
        credit = 0
        iterator = iter(items)
        while True:
            while credit == 0:
                more = credits.get()
                if more is None:
                    return
                credit += more
            try:
                item = next(iterator)
                self._engine.act(lambda core, item=item: core.asks.argument(id, item))
            except StopIteration:
                return self._engine.act(lambda core: core.asks.argument(id, None, last=True))
            except Exception:
                _log.exception("the arguments of a call failed: it is cancelled")
                return self._engine.cancel(id, "killnowait")
            credit -= 1
