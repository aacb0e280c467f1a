"""
The steps of a story, done by the blocking client and by the asyncio one.

What always holds: what takes time is begun in the order of the file and goes on beside it, under
its label; what a story waits for comes within `wait_seconds` or fails it.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from queue import Empty, Queue
from typing import Any

from .places import eventually, wait_seconds

import quartet
from quartet import aio
from quartet.address import parsed
from quartet.options import AppOptions


def options_of(fields: dict[str, Any]) -> dict[str, Any]:
    """Names and times as the package has them."""
    return {
        name: value / 1000 if name in ("ttl", "wait") else value for name, value in fields.items()
    }


def failing(error: quartet.PoolsError) -> Callable[[], Any]:
    """The outcome of what could not even be asked."""

    def outcome() -> Any:
        raise error.again()

    return outcome


def app_options(name: str, fields: dict[str, Any]) -> AppOptions:
    """What `connect` takes in a story."""
    key = quartet.AppKey(bytes.fromhex(fields["key"])) if "key" in fields else None
    names = ("token", "instances", "rehydrate", "metadata")
    known = {each: fields[each] for each in names if each in fields}
    pools = tuple(fields.get("pools", ("default",)))
    return AppOptions(name, pools, key, **known)


class HandlerFailure(Exception):
    """A failure with a code of its own."""

    def __init__(self, message: str, code: str | None) -> None:
        super().__init__(message)
        self.code = code


class Holds:
    """Calls that wait to be released, and how many began and were stopped."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._open: dict[str, list[Queue[Any]]] = {}
        self.begun: dict[str, int] = {}
        self.stopped: dict[str, int] = {}

    def count(self, which: dict[str, int], trigger: str) -> None:
        with self._lock:
            which[trigger] = which.get(trigger, 0) + 1

    def hold(self, trigger: str) -> Queue[Any]:
        held: Queue[Any] = Queue()
        with self._lock:
            self._open.setdefault(trigger, []).append(held)
        return held

    def drop(self, trigger: str, held: Queue[Any]) -> None:
        with self._lock:
            if held in self._open.get(trigger, []):
                self._open[trigger].remove(held)

    def release(self, trigger: str, value: Any) -> None:
        eventually(lambda: self._open.get(trigger))
        with self._lock:
            self._open[trigger].pop(0).put(value)


class _Driver:
    """What both have in common. `act` of `_begin` gives what it has come to, or what to await."""

    app: Any

    def __init__(self, holds: Holds) -> None:
        self._holds = holds
        self._connecting: Future[None] = Future()
        self._results: dict[str, Callable[[], Any]] = {}
        self._calls: dict[str, tuple[Any, str]] = {}
        self._heard: dict[str, Queue[dict[str, Any]]] = {}
        self._undo: dict[str, Callable[[], Any]] = {}

    def _begin(self, label: str, act: Callable[[], Any]) -> None:
        raise NotImplementedError

    def refused(self) -> BaseException | None:
        return self._connecting.exception(wait_seconds)

    def state(self) -> str:
        return self.app.state

    def emit(self, label: str, name: str, fields: dict[str, Any]) -> None:
        self._begin(label, lambda: self.app.emit(name, fields.pop("payload", None), **fields))

    def undo(self, label: str) -> None:
        self._begin(f"undo {label}", self._undo[label])

    def hears(self, label: str) -> dict[str, Any]:
        return self._heard[label].get(timeout=wait_seconds)

    def pool(self, label: str, operation: str, name: str, fields: dict[str, Any]) -> None:
        pool = self.app.pool(name)
        self._begin(label, lambda: getattr(pool, operation)(**fields))

    def admin(self, label: str, operation: str, fields: dict[str, Any]) -> None:
        self._begin(label, lambda: self.app.admin(operation, **fields))

    def explain(self, label: str, trigger: str, fields: dict[str, Any]) -> None:
        self._begin(label, lambda: self.app.explain(trigger, **options_of(fields)))

    def drain(self, label: str) -> None:
        self._begin(label, self.app.drain)

    def close(self, label: str) -> None:
        self._begin(label, self.app.close)

    def outcome(self, label: str) -> Any:
        return self._results[label]()

    def _unhandles(self, label: str, trigger: str, fields: dict[str, Any]) -> None:
        pool = fields.get("pool", "default")
        self._undo[label] = lambda: self.app.unhandle(trigger, pool=pool)

    def _listener(self, label: str) -> Callable[[Any, quartet.Emitted], None]:
        heard = self._heard[label] = Queue()

        def listen(payload: Any, emitted: quartet.Emitted) -> None:
            names = ("name", "pool", "origin", "retained", "lost", "seq")
            heard.put({"payload": payload} | {each: getattr(emitted, each) for each in names})

        return listen


_more = object()


def _at_once(work: str, payload: Any, call: quartet.Call | aio.Call) -> Any:
    """What comes of work that waits for nobody; `_more` of any other."""
    if work == "echo":
        return payload
    if work == "fail":
        raise HandlerFailure(payload["message"], payload.get("code"))
    if work == "decline":
        call.unavailable()
    return _counting(payload) if work == "count" else _more


def _counting(most: int) -> Any:
    yield from range(1, most + 1)
    return "counted"


class Blocking(_Driver):
    """One app of the blocking client."""

    def __init__(self, address: str, name: str, fields: dict[str, Any], holds: Holds) -> None:
        super().__init__(holds)
        self.app = quartet.App(parsed(address), app_options(name, fields), 32)
        self._beside = ThreadPoolExecutor(32)
        self._connecting = self._beside.submit(self.app.start)

    def call(self, label: str, trigger: str, fields: dict[str, Any]) -> None:
        mode = fields.pop("cancel", "killnowait")
        try:
            pending = self.app.submit(trigger, fields.pop("payload", None), **options_of(fields))
        except quartet.PoolsError as error:
            self._results[label] = failing(error)
            return
        self._calls[label] = (pending, mode)
        self._results[label] = pending.result

    def stream(self, label: str, trigger: str, fields: dict[str, Any]) -> None:
        mode = fields.pop("cancel", "killnowait")
        stream = self.app.stream(trigger, fields.pop("payload", None), **options_of(fields))
        self._calls[label] = (stream, mode)
        self._results[label] = lambda: [list(stream), stream.result][1]

    def cancel(self, label: str) -> None:
        call, mode = self._calls[label]
        call.cancel(mode)

    def next(self, label: str) -> tuple[Any, ...]:
        for part in self._calls[label][0]:
            return (part,)
        return ()

    def handle(self, label: str, trigger: str, work: str, fields: dict[str, Any]) -> None:
        done = self._work(trigger, work)
        self._unhandles(label, trigger, fields)
        self._begin(label, lambda: self.app.handle(trigger, **fields)(done) and None)

    def on(self, label: str, pattern: str, fields: dict[str, Any]) -> None:
        listen = self._listener(label)

        def begin() -> None:
            self._undo[label] = self.app.on(pattern, listen, **fields)

        self._begin(label, begin)

    def end(self) -> None:
        self.app.close(0)
        self._beside.shutdown(wait=False, cancel_futures=True)

    def _begin(self, label: str, act: Callable[[], Any]) -> None:
        # The next line may be said only when this has been: it asks, or it is over already.
        asked = self.app._engine.core._last_id
        begun = threading.Event()

        def begin() -> Any:
            begun.set()
            return act()

        future: Future[Any] = self._beside.submit(begin)
        self._results[label] = lambda: future.result(wait_seconds)
        begun.wait(wait_seconds)
        # One that does neither, such as a close that waits for calls, is left alone after this.
        until = time.monotonic() + 2
        while not future.done() and self.app._engine.core._last_id == asked:
            if time.monotonic() > until:
                return
            time.sleep(0.001)

    def _work(self, trigger: str, work: str) -> Callable[[Any, quartet.Call], Any]:
        holds = self._holds

        def done(payload: Any, call: quartet.Call) -> Any:
            holds.count(holds.begun, trigger)
            known = _at_once(work, payload, call)
            if known is not _more:
                return known
            if work == "gather":
                return list(call.input)
            if work.startswith("ask:"):
                return call.call(work.removeprefix("ask:"), payload)
            held = holds.hold(trigger)
            while not call.wait_cancelled(0.01):
                try:
                    return held.get_nowait()
                except Empty:
                    continue
            holds.drop(trigger, held)
            holds.count(holds.stopped, trigger)
            raise HandlerFailure("stopped", None)

        return done


class Awaiting(_Driver):
    """One app of the asyncio client, in a loop of its own."""

    def __init__(self, address: str, name: str, fields: dict[str, Any], holds: Holds) -> None:
        super().__init__(holds)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self.app = self._now(lambda: aio.App(parsed(address), app_options(name, fields)))
        self._connecting = asyncio.run_coroutine_threadsafe(self.app.start(), self._loop)

    def call(self, label: str, trigger: str, fields: dict[str, Any]) -> None:
        mode = fields.pop("cancel", "killnowait")
        payload = fields.pop("payload", None)
        try:
            pending = self._now(lambda: self.app.submit(trigger, payload, **options_of(fields)))
        except quartet.PoolsError as error:
            self._results[label] = failing(error)
            return
        self._calls[label] = (pending, mode)
        self._results[label] = lambda: self._wait(pending.result())

    def stream(self, label: str, trigger: str, fields: dict[str, Any]) -> None:
        mode = fields.pop("cancel", "killnowait")
        payload = fields.pop("payload", None)
        stream = self._now(lambda: self.app.stream(trigger, payload, **options_of(fields)))
        self._calls[label] = (stream, mode)

        async def result() -> Any:
            async for _ in stream:
                pass
            return stream.result

        self._results[label] = lambda: self._wait(result())

    def cancel(self, label: str) -> None:
        call, mode = self._calls[label]
        self._now(lambda: call.cancel(mode))

    def next(self, label: str) -> tuple[Any, ...]:
        async def take() -> tuple[Any, ...]:
            async for part in self._calls[label][0]:
                return (part,)
            return ()

        return self._wait(take())

    def handle(self, label: str, trigger: str, work: str, fields: dict[str, Any]) -> None:
        self._unhandles(label, trigger, fields)

        async def register() -> None:
            await self.app.handle(trigger, self._work(trigger, work), **fields)

        self._begin(label, register)

    def on(self, label: str, pattern: str, fields: dict[str, Any]) -> None:
        listen = self._listener(label)

        async def begin() -> None:
            self._undo[label] = await self.app.on(pattern, listen, **fields)

        self._begin(label, begin)

    def end(self) -> None:
        self._wait(self.app.close(0))
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _begin(self, label: str, act: Callable[[], Any]) -> None:
        future = asyncio.run_coroutine_threadsafe(act(), self._loop)
        self._results[label] = lambda: future.result(wait_seconds)
        # Two turns of the loop: the first begins it, and then it has asked.
        self._wait(asyncio.sleep(0))
        self._wait(asyncio.sleep(0))

    def _wait(self, work: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(wait_seconds)

    def _now(self, act: Callable[[], Any]) -> Any:
        async def run() -> Any:
            return act()

        return self._wait(run())

    def _work(self, trigger: str, work: str) -> Callable[[Any, aio.Call], Any]:
        holds = self._holds

        async def done(payload: Any, call: aio.Call) -> Any:
            holds.count(holds.begun, trigger)
            known = _at_once(work, payload, call)
            if known is not _more:
                return known
            if work == "gather":
                return [each async for each in call.input]
            if work.startswith("ask:"):
                return await call.call(work.removeprefix("ask:"), payload)
            held = holds.hold(trigger)
            while not await call.wait_cancelled(0.01):
                try:
                    return held.get_nowait()
                except Empty:
                    continue
            holds.drop(trigger, held)
            holds.count(holds.stopped, trigger)
            raise HandlerFailure("stopped", None)

        return done
