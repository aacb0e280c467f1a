"""
The thread that keeps a connection: opens it, receives, and opens it again when it is lost.

What always holds: at most one connection lives at a time; after each that ended the core was told
so before the next is opened; who is told to stay away does not come back.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from .address import Address, Pace
from .core import Core
from .errors import PoolsError
from .events import Away, Broken, Event
from .link import Link, open_link
from .options import AppOptions

if TYPE_CHECKING:
    from .engine import Engine

connect_seconds: Final = 10.0
first_seconds: Final = 30.0
"""How long the first connection may take in all, unless its program is patient."""
_glance: Final = 0.25
_log: Final = logging.getLogger("quartet")


class Runner:
    """Connections of one app, one after another."""

    def __init__(self, engine: Engine, address: Address, options: AppOptions) -> None:
        self._engine = engine
        self._address = address
        self._options = options
        self._link: Link | None = None
        self._pace = Pace()
        self._sending = threading.Lock()
        self._over = threading.Event()
        self._first = threading.Event()
        self._thread = threading.Thread(target=self._run, name="quartet-reader", daemon=True)

    def start(self) -> None:
        """Connects for the first time. Raises PoolsError when that comes to nothing."""
        self._thread.start()
        try:
            if not self._first.wait(None if self._options.patient else first_seconds):
                self._engine.finish(PoolsError("CONNECTION_LOST", "the server does not answer"))
        except BaseException:
            self._engine.finish(None)
            raise
        if self._engine.core.state == "closed":
            cause = self._engine.cause or PoolsError("CONNECTION_LOST", "the app is closed")
            raise cause.again()

    def flush(self, take: Callable[[], bytes]) -> None:
        """Sends what `take` gives."""
        with self._sending:
            data = take()
            link = self._link
            if not data or link is None:
                return
            try:
                link.send(data)
            except OSError:
                link.close()  # Whoever receives is told of the end.

    def ready(self) -> None:
        """The connection works."""
        self._pace.ready(time.monotonic())
        self._first.set()

    def end(self) -> None:
        """There will be no other connection."""
        self._over.set()
        self._first.set()
        link = self._link
        if link is not None:
            link.close()

    def join(self) -> None:
        """Waits until its thread has ended, unless it is that thread that asks."""
        if threading.current_thread() is not self._thread and self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        while not self._over.is_set():
            wait = self._connection()
            until = time.monotonic() + wait
            while not self._over.is_set() and (left := until - time.monotonic()) > 0:
                self._over.wait(min(left, _glance))
                self._engine.step(_tick)

    def _connection(self) -> float:
        """One connection from its opening to its end. Gives how long to wait before the next."""
        error: PoolsError | None = None
        try:
            token = self._options.token
            shown = token() if callable(token) else token
        except Exception as failed:
            return self._lost(PoolsError("CONNECTION_LOST", f"there is no token: {failed}"))
        try:
            self._link = open_link(self._address, self._options.tls, connect_seconds)
            self._engine.step(lambda core: _open(core, shown))
            self._receive(self._link)
        except OSError as failed:
            error = PoolsError("CONNECTION_LOST", f"no connection: {failed}")
        except _Unusable as broken:
            error = broken.error
        finally:
            if self._link is not None:
                self._link.close()
        return self._lost(error)

    def _receive(self, link: Link) -> None:
        while not self._over.is_set():
            data = link.receive()
            if data == b"":
                return
            self._engine.sweep()
            now = time.monotonic()
            if data is None:
                self._step(_tick)
            else:
                self._step(lambda core, data=data, now=now: core.receive(data, now))

    def _step(self, step: Callable[[Core], list[Event]]) -> None:
        for event in self._engine.step(step):
            if isinstance(event, Broken):
                raise _Unusable(event.error)

    def _lost(self, error: PoolsError | None) -> float:
        self._link = None
        at_least = 0.0
        for event in self._engine.step(lambda core: core.lost(error)):
            if isinstance(event, Away):
                at_least = event.at_least
                _log.info("away: %s", event.error)
        return max(self._pace.wait(time.monotonic()), at_least)


class _Unusable(Exception):
    """The connection is of no use any more."""

    def __init__(self, error: PoolsError) -> None:
        super().__init__()
        self.error = error


def _tick(core: Core) -> list[Event]:
    return core.tick(time.monotonic())


def _open(core: Core, token: str | None) -> list[Event]:
    core.opened(time.monotonic(), token)
    return []
