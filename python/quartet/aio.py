"""
The asyncio client: an app in a program of coroutines. The names of `quartet`, awaited.

    app = await quartet.aio.connect("tcp://127.0.0.1:45227", app="web")
    await app.call("resize", {"w": 100}, ttl=5.0)

What always holds: everything runs in the event loop that connected; whatever waits has a deadline;
what the program set up holds again after a reconnect.
"""

from __future__ import annotations

import asyncio
import logging
import signal
import ssl
from collections.abc import Awaitable, Callable, Generator, Iterable, Mapping, Sequence
from types import TracebackType
from typing import Any, Final, Literal, TypeVar, Unpack

from .address import Address, parsed
from .aio_calls import Call, Pending, Stream
from .aio_delivery import Delivery, Listener
from .aio_engine import Arguments, Engine
from .aio_pool import Pool
from .aio_work import Work
from .desk import explained, flagged
from .errors import PoolsError
from .messages import Emit
from .options import (
    AppOptions,
    Behind,
    CallChoices,
    CallOptions,
    Offer,
    OfferChoices,
    Signer,
    State,
    Topic,
)
from .topics import Listening
from .tried import heard, working

drain_seconds: Final = 10.0
_log: Final = logging.getLogger("quartet")
_Kept = TypeVar("_Kept", bound=Work)


class Handling:
    """
    A trigger to be handled: awaited with its work, or the decorator of it. As a decorator it
    registers beside the program, and `run` raises what came of it.
    """

    def __init__(self, app: App, offer: Offer, work: Work | None) -> None:
        self._app = app
        self._offer = offer
        self._work = work

    def __call__(self, work: _Kept) -> _Kept:
        self._app.begin(self._register(work))
        return work

    def __await__(self) -> Generator[Any, None, None]:
        if self._work is None:
            raise TypeError("awaited, it needs its work: await app.handle(trigger, work)")
        return self._register(self._work).__await__()

    async def _register(self, work: Work) -> None:
        await self._app.register(self._offer, work)


class App:
    """A connected app. Made by `quartet.aio.connect`."""

    def __init__(self, address: Address, options: AppOptions) -> None:
        self.id = options.app
        self._engine = Engine(address, options)
        self._delivery = Delivery()
        self._engine.on_emit = self._delivery.put
        self._begun: list[asyncio.Task[None]] = []

    @property
    def state(self) -> State:
        """ "connecting", "ready", "away" (it comes back by itself), "draining" or "closed"."""
        return self._engine.core.state

    @property
    def name(self) -> str:
        """The id with which others reach this connection: `resize#2` of several instances."""
        return self._engine.core.name

    async def start(self) -> None:
        """Connects. Raises PoolsError. For `connect`."""
        await self._engine.start()

    def handle(
        self,
        trigger: str,
        work: Work | None = None,
        *,
        pool: str = "default",
        **choices: Unpack[OfferChoices],
    ) -> Handling:
        """
        Makes a function the handler of a trigger: `await app.handle("resize", resize)`, or as a
        decorator. It gets the payload and the `Call`. A coroutine runs in the loop, a plain
        function in a thread; parts of a generator are streamed. Raises PoolsError.
        """
        return Handling(self, Offer(pool, trigger, choices), work)

    async def unhandle(self, trigger: str, *, pool: str = "default") -> None:
        """Handles a trigger no more."""
        # First the work: a call that is on its way is declined, and goes to another handler.
        self._engine.works.pop((pool, trigger), None)
        await self._engine.request(lambda now: self._engine.desk.unregister(pool, trigger, now))

    async def call(
        self,
        trigger: str,
        payload: Any = None,
        *,
        input: Arguments | None = None,
        **options: Unpack[CallChoices],
    ) -> Any:
        """
        Calls a trigger and waits for the result. `ttl` and `wait` are seconds; `input` is streamed
        to the handler. Raises PoolsError; a task that is cancelled here cancels the call.
        """
        return await self.submit(trigger, payload, input=input, **options).result()

    def submit(
        self,
        trigger: str,
        payload: Any = None,
        *,
        input: Arguments | None = None,
        **options: Unpack[CallChoices],
    ) -> Pending:
        """
        Begins a call without waiting: `await pending.result()` waits, `pending.cancel()` cancels.
        """
        return self._engine.begin_call((trigger, payload), options, input=input)

    def stream(
        self,
        trigger: str,
        payload: Any = None,
        *,
        credit: int = 16,
        input: Arguments | None = None,
        **options: Unpack[CallChoices],
    ) -> Stream:
        """
        Calls a trigger whose result comes in parts; `credit` are so many on their way at a time.
        """
        return self._engine.begin_stream((trigger, payload, credit), options, input=input)

    async def emit(
        self,
        name: str,
        payload: Any = None,
        *,
        pool: str = "default",
        retain: bool = False,
        exclude_self: bool = False,
        ack: bool = False,
        flags: Iterable[str] = (),
    ) -> dict[str, int] | None:
        """
        Tells whoever listens. With `ack` it gives how many it `reached` and how many `lost` it.
        """
        said = flagged(flags, ack=ack, retain=retain, exclude_self=exclude_self)
        emit = Emit(None, pool, name, payload, said)
        await self._engine.settle()
        return await self._engine.request(lambda now: self._engine.desk.emit(emit, now))

    async def on(
        self,
        pattern: str,
        listener: Listener,
        *,
        pool: str = "default",
        group: str | None = None,
        behind: Behind | None = None,
        depth: int | None = None,
    ) -> Callable[[], Awaitable[None]]:
        """
        Listens: `listener`, a function or a coroutine function, gets payload and `Emitted`. `*` is
        one token of a name, `>` all further ones. Gives its undo, to be awaited. Raises PoolsError.
        """
        listening = Listening(pool, pattern, listener)
        listeners = self._delivery.listeners
        topic = Topic(pool, pattern, group, behind, depth)
        with heard(listeners, listening):
            await self._engine.request(lambda now: self._engine.desk.subscribe(topic, now))

        async def undo() -> None:
            if listeners.remove(listening) and self.state != "closed":
                await self._engine.request(
                    lambda now: self._engine.desk.unsubscribe(pool, pattern, now)
                )

        return undo

    def pool(self, name: str) -> Pool:
        """A pool, by its name."""
        return Pool(self._engine, name)

    async def explain(
        self, trigger: str, payload: Any = None, **options: Unpack[CallChoices]
    ) -> Any:
        """Who would get a call, and why. Nothing is called."""
        return await self.admin("explain", trigger, explained(payload, CallOptions(**options)))

    async def admin(
        self, operation: str, target: str | None = None, params: Mapping[str, Any] | None = None
    ) -> Any:
        """Asks what administrators ask: "list_apps", "server_status" and others."""
        return await self._engine.request(
            lambda now: self._engine.desk.admin(operation, target, params, now)
        )

    async def drain(self, timeout: float = drain_seconds) -> None:
        """
        Takes no new calls and waits, at most `timeout` seconds, until those it holds are answered.
        """
        pending = self._engine.begin_request(
            lambda now: self._engine.core.drain(now + timeout, now)
        )
        try:
            await pending.result()
        except PoolsError as error:
            _log.debug("draining ended early: %s", error)

    async def close(self, timeout: float = drain_seconds) -> None:
        """
        Drains, at most `timeout` seconds, and ends the connection for good. Harmless when it is
        over.
        """
        if self.state != "closed":
            await self.drain(timeout)
            self._engine.act(lambda core: core.part())
            self._engine.finish(None)
        await self._engine.join()

    async def run(self) -> None:
        """
        Serves until the app is closed, here or by the server. SIGTERM drains and closes it. Raises
        PoolsError when the server wants it to stay away, or refused what a decorator registered.
        """
        loop = asyncio.get_running_loop()
        leaving = asyncio.Event()
        loop.add_signal_handler(signal.SIGTERM, leaving.set)
        try:
            await asyncio.gather(*self._begun)
            waits = [asyncio.create_task(each.wait()) for each in (self._engine.closed, leaving)]
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
            for each in waits:
                each.cancel()
        finally:
            loop.remove_signal_handler(signal.SIGTERM)
        if leaving.is_set():
            await self.close()
        elif self._engine.cause is not None:
            raise self._engine.cause.again()

    async def __aenter__(self) -> App:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    def begin(self, registering: Any) -> None:
        """Registers beside the program. For `Handling`."""
        self._begun.append(asyncio.ensure_future(registering))

    async def register(self, offer: Offer, work: Work) -> None:
        """Registers, and waits for the answer. For `Handling`."""
        with working(self._engine.works, (offer.pool, offer.name), work):
            await self._engine.request(lambda now: self._engine.desk.register(offer, now))


async def connect(
    address: str,
    *,
    app: str,
    pools: Sequence[str] = ("default",),
    key: Signer | None = None,
    token: str | Callable[[], str] | None = None,
    instances: bool = False,
    rehydrate: bool = False,
    metadata: Mapping[str, Any] | None = None,
    features: Sequence[str] = ("compact", "mixed"),
    tls: ssl.SSLContext | None = None,
    patient: bool = False,
    map: Literal["auto", "off"] = "auto",
) -> App:
    """
    Connects an app and waits until the server has acknowledged it. As `quartet.connect`, awaited.
    """
    options = AppOptions(
        app, tuple(pools), key, token, instances, rehydrate, metadata, tuple(features), tls, patient,
        map,
    )
    made = App(parsed(address), options)
    await made.start()
    return made


__all__ = ["App", "Call", "Handling", "Pending", "Pool", "Stream", "connect"]
