"""
How a coroutine program's work is done: whatever it is, one answer comes of it.

What always holds: coroutines and asynchronous generators run in the loop; plain functions and plain
generators run in threads, so they hold up nobody.
"""

from __future__ import annotations

import asyncio
import inspect
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any, Final, cast

from .aio_calls import Call, awaited
from .handled import Unavailable, answer_of, failed, stopped_before
from .messages import Answer

Work = Callable[[Any, Call], Any]
_log: Final = logging.getLogger("quartet")


async def answered(call: Call, work: Work) -> Answer:
    """Does the work and gives the answer. Raises nothing."""
    id = call.held.called.id
    if call.cancelled:
        return stopped_before(id)
    try:
        return answer_of(id, await _result(call, work))
    except asyncio.CancelledError:
        return Answer(id, error="the work was cancelled")
    except Exception as error:
        if not isinstance(error, Unavailable):
            _log.debug("work for %s failed", call.trigger, exc_info=True)
        return failed(id, error)


async def _result(call: Call, work: Work) -> Any:
    payload = call.payload
    if inspect.iscoroutinefunction(work) or inspect.isasyncgenfunction(work):
        result = work(payload, call)
    else:
        result = await asyncio.to_thread(work, payload, call)
    if isinstance(result, Awaitable):
        result = await cast("Awaitable[Any]", result)
    if isinstance(result, AsyncIterator):
        return await call.parts(cast("AsyncIterator[Any]", result))
    if isinstance(result, Iterator):
        return await call.parts(awaited(cast("Iterator[Any]", result), in_thread=True))
    return result
