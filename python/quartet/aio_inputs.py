"""
Arguments that are streamed to a handler, each call's in a task of its own.

What always holds: a chunk leaves only when its handler has credit for it; a call without streamed
arguments tells a handler that asks for some that there are none.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterable, AsyncIterator, Iterable
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from .aio_engine import Engine

Arguments = AsyncIterable[Any] | Iterable[Any]

_log: Final = logging.getLogger("quartet")


class Inputs:
    """The arguments of calls under way."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._open: dict[int, tuple[Arguments, asyncio.Queue[int]]] = {}
        self._pumps: dict[int, asyncio.Task[None]] = {}

    def add(self, id: int, items: Arguments) -> None:
        """A call has these."""
        self._open[id] = (items, asyncio.Queue())

    def want(self, id: int, count: int) -> None:
        """A handler takes so many more."""
        items, credits = self._open.setdefault(id, ((), asyncio.Queue()))
        credits.put_nowait(count)
        if id not in self._pumps:
            self._pumps[id] = self._engine.keep(self._pump(id, items, credits))

    def end(self, id: int) -> None:
        """The call is over."""
        self._open.pop(id, None)
        pump = self._pumps.pop(id, None)
        if pump is not None and pump is not asyncio.current_task():
            pump.cancel()

    async def _pump(self, id: int, items: Arguments, credits: asyncio.Queue[int]) -> None:
        credit = 0
        try:
            async for item in _each(items):
                while credit == 0:
                    credit += await credits.get()
                self._engine.act(lambda core, item=item: core.asks.argument(id, item))
                credit -= 1
                await self._engine.settle()
            if credit == 0:
                await credits.get()
            self._engine.act(lambda core: core.asks.argument(id, None, last=True))
        except Exception:
            _log.exception("the arguments of a call failed: it is cancelled")
            self._engine.step(lambda core: core.asks.cancel(id, "killnowait"))


async def _each(items: Arguments) -> AsyncIterator[Any]:
    if isinstance(items, AsyncIterable):
        async for item in items:
            yield item
        return
    for item in items:
        yield item
