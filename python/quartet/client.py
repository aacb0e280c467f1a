"""
The blocking client: an app in a program of threads.

What always holds: one thread receives, a bounded pool of threads works, and one calls the
listeners; whatever waits has a deadline; what the program set up holds again after a reconnect.
"""

from __future__ import annotations

import logging
import signal
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from types import TracebackType
from typing import Any, Final, TypeVar, Unpack

from .address import Address
from .calls import Pending, Stream
from .delivery import Listener
from .desk import explained, flagged
from .engine import Engine
from .errors import PoolsError
from .handling import Work
from .messages import Emit
from .options import AppOptions, Behind, CallChoices, CallOptions, Offer, OfferChoices, State, Topic
from .pool import Pool
from .topics import Listening
from .tried import heard, working

drain_seconds: Final = 10.0
_log: Final = logging.getLogger("quartet")
_Kept = TypeVar("_Kept", bound=Work)


class App:
    """A connected app. Made by `quartet.connect`; any thread may use it."""

    def __init__(self, address: Address, options: AppOptions, workers: int) -> None:
        self.id = options.app
        self._engine = Engine(address, options, workers)

    @property
    def state(self) -> State:
        """ "connecting", "ready", "away" (it comes back by itself), "draining" or "closed"."""
        return self._engine.core.state

    @property
    def name(self) -> str:
        """The id with which others reach this connection: `resize#2` of several instances."""
        return self._engine.core.name

    def start(self) -> None:
        """Connects. Raises PoolsError. For `quartet.connect`."""
        self._engine.runner.start()

    def handle(
        self, trigger: str, *, pool: str = "default", **choices: Unpack[OfferChoices]
    ) -> Callable[[_Kept], _Kept]:
        """
        Makes a function the handler of a trigger: it gets the payload and the `Call`. What it
        returns is the result, what it raises the error; a generator's parts are streamed. Raises
        PoolsError.
        """

        def register(work: _Kept) -> _Kept:
            offer = Offer(pool, trigger, choices)
            with working(self._engine.works, (pool, trigger), work):
                self._engine.request(lambda now: self._engine.desk.register(offer, now))
            return work

        return register

    def unhandle(self, trigger: str, *, pool: str = "default") -> None:
        """Handles a trigger no more."""
        # First the work: a call that is on its way is declined, and goes to another handler.
        self._engine.works.pop((pool, trigger), None)
        self._engine.request(lambda now: self._engine.desk.unregister(pool, trigger, now))

    def call(
        self,
        trigger: str,
        payload: Any = None,
        *,
        input: Iterable[Any] | None = None,
        **options: Unpack[CallChoices],
    ) -> Any:
        """
        Calls a trigger and waits for the result. `ttl` and `wait` are seconds; `input` is streamed
        to the handler. Raises PoolsError; what interrupts the waiting cancels the call.
        """
        pending = self.submit(trigger, payload, input=input, **options)
        try:
            return pending.result()
        except PoolsError:
            raise
        except BaseException:
            pending.cancel()
            raise

    def submit(
        self,
        trigger: str,
        payload: Any = None,
        *,
        input: Iterable[Any] | None = None,
        **options: Unpack[CallChoices],
    ) -> Pending:
        """Begins a call without waiting: `result()` waits, `cancel()` cancels."""
        return self._engine.submit_within(None, (trigger, payload), options, input)

    def stream(
        self,
        trigger: str,
        payload: Any = None,
        *,
        credit: int = 16,
        input: Iterable[Any] | None = None,
        **options: Unpack[CallChoices],
    ) -> Stream:
        """
        Calls a trigger whose result comes in parts; `credit` are so many on their way at a time.
        """
        return self._engine.stream_within(None, (trigger, payload, credit), options, input)

    def emit(
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
        Tells whoever listens. With `ack` it waits, and gives how many it `reached` and how many
        `lost` it.
        """
        said = flagged(flags, ack=ack, retain=retain, exclude_self=exclude_self)
        emit = Emit(None, pool, name, payload, said)
        if ack:
            return self._engine.request(lambda now: self._engine.desk.emit(emit, now))
        self._engine.act(lambda _: self._engine.desk.emit(emit, time.monotonic()))
        return None

    def on(
        self,
        pattern: str,
        listener: Listener,
        *,
        pool: str = "default",
        group: str | None = None,
        behind: Behind | None = None,
        depth: int | None = None,
    ) -> Callable[[], None]:
        """
        Listens: `listener` gets payload and `Emitted`, in a thread of the client. `*` is one token
        of a name, `>` all further ones. Gives its undo. Raises PoolsError.
        """
        listening = Listening(pool, pattern, listener)
        listeners = self._engine.delivery.listeners
        topic = Topic(pool, pattern, group, behind, depth)
        with heard(listeners, listening):
            self._engine.request(lambda now: self._engine.desk.subscribe(topic, now))

        def undo() -> None:
            if listeners.remove(listening) and self.state != "closed":
                self._engine.request(lambda now: self._engine.desk.unsubscribe(pool, pattern, now))

        return undo

    def pool(self, name: str) -> Pool:
        """A pool, by its name."""
        return Pool(self._engine, name)

    def explain(self, trigger: str, payload: Any = None, **options: Unpack[CallChoices]) -> Any:
        """Who would get a call, and why. Nothing is called."""
        return self.admin("explain", trigger, explained(payload, CallOptions(**options)))

    def admin(
        self, operation: str, target: str | None = None, params: Mapping[str, Any] | None = None
    ) -> Any:
        """Asks what administrators ask: "list_apps", "server_status" and others."""
        return self._engine.request(
            lambda now: self._engine.desk.admin(operation, target, params, now)
        )

    def drain(self, timeout: float = drain_seconds) -> None:
        """
        Takes no new calls and waits, at most `timeout` seconds, until those it holds are answered.
        """
        pending = self._engine.begin_request(
            lambda now: self._engine.core.drain(now + timeout, now), timeout
        )
        try:
            pending.result()
        except PoolsError as error:
            _log.debug("draining ended early: %s", error)

    def close(self, timeout: float = drain_seconds) -> None:
        """
        Drains, at most `timeout` seconds, and ends the connection for good. Harmless when it is
        over.
        """
        if self.state != "closed":
            self.drain(timeout)
            self._engine.act(lambda core: core.part())
            self._engine.finish(None)
        self._engine.runner.join()

    def run(self) -> None:
        """
        Serves until the app is closed, here or by the server. Control-C and SIGTERM drain and close
        it. Raises PoolsError when the server wants it to stay away.
        """
        is_main = threading.current_thread() is threading.main_thread()
        before = signal.signal(signal.SIGTERM, _leave) if is_main else None
        try:
            self._engine.closed.wait()
        except (KeyboardInterrupt, _Leaving):
            self.close()
        finally:
            if is_main:
                signal.signal(signal.SIGTERM, before or signal.SIG_DFL)
        if self._engine.cause is not None:
            raise self._engine.cause.again()

    def __enter__(self) -> App:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


class _Leaving(BaseException):
    """SIGTERM has come."""


def _leave(*_: object) -> None:
    raise _Leaving
