"""
The protocol of one app without I/O, for both clients: bytes in, events out, bytes to send.

What always holds: nothing but the handshake is sent before its acknowledgement, and nothing new
before all that held holds again; bytes leave in the order in which they were asked for; there is
nothing to send while there is no connection. The clock and all waiting are outside: times are
seconds on that clock. It is not made for several threads.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from .arrival import Arrival
from .asks import Ask, Asks, gone, grace_seconds, waiting_limit
from .blocks_messages import Asked, Notified
from .blocks_table import Table
from .errors import PoolsError
from .events import Away, Broken, Closed, Draining, Event, Ready, Remark, Told
from .frames import FrameReader, prefixed
from .heartbeat import Heartbeat
from .holding import Holding
from .messages import Answered, Called, Cancel, Chunk, Credit, Emit, Emitted, Incoming, Outgoing
from .messages import Ping, Plain, Refused, Start
from .options import AppOptions, State
from .restoring import Standing
from .sealed_heard import Ground
from .sealed_pools import SealedPools
from .wire import Form, decode, encode, pong

frame_limit_bytes: Final = 64 * 1024 * 1024
"""Above what any server sends: its own limit is 16 MiB unless it is raised."""


class Core:
    """One app, over one connection after another."""

    def __init__(self, options: AppOptions) -> None:
        self.state: State = "connecting"
        self.standing = Standing(options)
        self.asks = Asks(self._write)
        self.holding = Holding(self._write)
        self.blocks = Table()
        self.name = options.app
        """The id with which the server knows this connection: `resize#2` of several instances."""
        self._options = options
        self._form = Form()
        self._reader = FrameReader(frame_limit_bytes)
        # Invariant: empty whenever there is no connection.
        self._out: list[bytes] = []
        # As JSON, which every server reads: what waits for a connection.
        self._emits: list[bytes] = []
        self._last_id = 0
        self._arrival = Arrival(options, self.standing, self._write, self._next_id)
        self.sealed = SealedPools(
            Ground(
                *(options.app, self.standing, self.asks, self.holding),
                *(self._write, self._next_id, self._arrival.restoring, self._restored),
            )
        )
        self.blocks.keys = self.sealed.seals.ring
        self._ending: PoolsError | None = None
        self._stays_away = False
        self._was_ready = False
        self._is_leaving = False
        self._heartbeat = Heartbeat()

    def opened(self, now: float, token: str | None = None) -> None:
        """A connection is there: the handshake is to be sent."""
        self._reader = FrameReader(frame_limit_bytes)
        self._form = Form()
        self._out = []
        self._heartbeat.heard(now)
        self._ending = None
        self._arrival.begin(now, token)

    def take(self) -> bytes:
        """What is to be sent now."""
        out = self._out
        if not out:
            return b""
        self._out = []
        return out[0] if len(out) == 1 else b"".join(out)

    def receive(self, data: bytes, now: float) -> list[Event]:
        """Takes the next bytes. After `Broken` the connection is of no use."""
        self._heartbeat.heard(now)
        events: list[Event] = []
        try:
            for body in self._reader.push(data):
                message = decode(body)
                if message is not None:
                    self._hear(message, now, events)
        except PoolsError as error:
            events.append(Broken(error))
        return events

    def lost(self, error: PoolsError | None = None) -> list[Event]:
        """
        The connection has ended, or none came about. Without `error` it is told as CONNECTION_LOST.
        """
        self._out = []
        self._arrival.cut()
        self.blocks.lost()
        if self.state == "closed":
            return []
        cause = self._ending or error or PoolsError("CONNECTION_LOST", "the connection has ended")
        events = self.holding.drop() + self.sealed.cut() + self.asks.cut()
        # Who was in once comes back: a pool that is missing may be made again, an id be free again.
        may_return = self._was_ready or self._options.patient
        if self._stays_away or not may_return:
            return events + self.close(cause)
        if self._is_leaving:
            return events + self.close()
        self.state = "away"
        return [*events, Away(cause, (cause.retry_after_ms or 0) / 1000)]

    def close(self, error: PoolsError | None = None) -> list[Event]:
        """It is over for good: what waits fails."""
        if self.state == "closed":
            return []
        self.state = "closed"
        self._ending = error
        events = self.holding.drop() + self.sealed.finish(error) + self.asks.finish(error)
        if self._emits:
            unsent = f"{len(self._emits)} emits waited for a connection and were not sent"
            events.append(Remark(PoolsError("CONNECTION_LOST", unsent)))
        return [*events, Closed(error)]

    def tick(self, now: float) -> list[Event]:
        """Time has passed: to be called about every second, with a connection and without."""
        events = self.asks.expire(now) + self.sealed.expire(now, is_ready=self.is_connected)
        if self._arrival.is_late(now):
            sentence = "the server does not answer the handshake"
            events.append(Broken(PoolsError("CONNECTION_LOST", sentence)))
        elif self.state in ("ready", "draining"):
            for renewal in self.blocks.due(now):
                self.ask(renewal, now + renewal.seconds, now)
            if self._heartbeat.is_silent(now):
                events.append(Broken(PoolsError("CONNECTION_LOST", "the server is silent")))
            elif self._heartbeat.is_due(now):
                self._write(Plain({"type": "ping", "id": str(self._next_id())}))
        return events

    @property
    def is_connected(self) -> bool:
        """Whether what is asked for is sent at once."""
        # What a server that goes would refuse waits for the next one.
        return self.state == "ready" or (self.state == "draining" and self._is_leaving)

    def ask(
        self,
        message: Start | Emit | Asked | Plain,
        deadline: float,
        now: float,
        *,
        repeats: bool = False,
        done: Callable[[], None] | None = None,
    ) -> int:
        """
        Sends a request, or keeps it until there is a connection; gives the id that it now has.

        Raises PoolsError when all is over, or there are too many; TypeError or ValueError for a
        payload that JSON cannot spell.
        """
        self.check_open()
        self.asks.check_room(is_connected=self.is_connected)
        id = self._next_id()
        if isinstance(message, Plain):
            message.fields = {"type": message.fields["type"], "id": str(id), **message.fields}
        else:
            message.id = id
        if isinstance(message, (Start, Emit)):
            self.sealed.seals.seal(message, now)
        ask = Ask(message, deadline, repeats, done)
        if self.is_connected:
            self._write(ask.sent(now))
        else:
            encode(message, Form())  # What cannot be spelled is told here, to whoever asks.
        self.asks.add(id, ask)
        return id

    def emit(self, emit: Emit) -> None:
        """
        Sends an emit that is not answered, or keeps it until there is a connection. Raises
        PoolsError when all is over, BUSY when too many wait.
        """
        self.check_open()
        self.sealed.seals.seal(emit)
        if self.is_connected:
            return self._write(emit)
        if len(self._emits) >= waiting_limit:
            sentence = f"at most {waiting_limit} emits wait for a connection"
            raise PoolsError("BUSY", sentence, retry_after_ms=1_000)
        self._emits.append(encode(emit, Form()))

    def check_open(self) -> None:
        """Raises PoolsError when all is over."""
        if self.state == "closed":
            raise gone(self._ending, was_sent=False)

    def part(self) -> None:
        """Lets go of all blocks that are written: the program ends."""
        for asked in self.blocks.partings():
            self.tell(asked)

    def tell(self, asked: Asked) -> None:
        """Says what is not answered, if there is a connection."""
        if self.is_connected:
            self._write(asked)

    def drain(self, deadline: float, now: float) -> int | None:
        """
        Asks for no new calls; answered when the last is done. None where there is nobody to ask.
        """
        self._is_leaving = True
        if not self.is_connected:
            return None
        # Whoever leaves waits no longer than it said.
        id = self.ask(Plain({"type": "drain"}), deadline - grace_seconds, now)
        self.state = "draining"
        return id

    def _next_id(self) -> int:
        self._last_id += 1
        return self._last_id

    def _write(self, message: Outgoing) -> None:
        self._out.append(prefixed(encode(message, self._form)))

    def _hear(self, heard: Incoming, now: float, events: list[Event]) -> None:
        message = self.sealed.hear(heard, now, events)
        if message is None:
            return
        if isinstance(message, Answered):
            ask = self.asks.end(message.id)
            if ask is not None:
                if ask.done is not None:
                    ask.done()
                if isinstance(ask.message, Asked):
                    self.blocks.answered(ask.message, message.result, now)
                events.append(message)
            elif message.id in self._arrival.restoring:
                self.blocks.restored(message.id, message.result)
                self._restored(message.id, now, events)
        elif isinstance(message, Called):
            events += self.holding.hand(message, now)
        elif isinstance(message, Emitted):
            events.append(message)
        elif isinstance(message, Refused):
            self._refused(message, now, events)
        elif isinstance(message, Chunk):
            is_ours = message.toward == "caller"
            events += self.asks.take(message) if is_ours else self.holding.take_argument(message)
        elif isinstance(message, Credit):
            is_ours = message.toward == "caller"
            events += self.asks.wanted(message) if is_ours else self.holding.take_credit(message)
        elif isinstance(message, Cancel):
            events += self.holding.stop(message.id, message.reason)
        elif isinstance(message, Notified):
            events += self.blocks.hear(message)
        elif isinstance(message, Ping):
            self._out.append(prefixed(pong(message)))
        else:
            self._plain(message.fields, now, events)

    def _refused(self, refused: Refused, now: float, events: list[Event]) -> None:
        if refused.close is not None or self._arrival.is_handshake(refused.id):
            self._turned_away(refused.error, refused.close)
        elif refused.id is None or refused.id in self._arrival.restoring:
            events.append(Remark(refused.error))
            self.blocks.restored(refused.id or 0, None)
            self._restored(refused.id, now, events)
        else:
            ask = self.asks.find(refused.id)
            if ask is not None and isinstance(ask.message, Asked):
                self.blocks.refused(ask.message, refused.error)
            repeated = self.sealed.refused(refused, now)
            fails = repeated is None
            events += self.asks.fail(refused.id, refused.error) if fails else repeated

    def _turned_away(self, error: PoolsError, close: str | None) -> None:
        """
        The connection ends, and this is why. Raises it where the server does not close by itself.
        """
        advice = close if close in ("stay", "conn") else error.retry
        self._ending = error
        self._stays_away = advice == "stay"
        if close is None:
            raise error

    def _plain(self, fields: dict[str, Any], now: float, events: list[Event]) -> None:
        kind = fields.get("type")
        if kind == "handshake_ack" and self._arrival.is_shaking:
            self._acknowledged(fields, now)
            self._restored(None, now, events)
        elif kind == "challenge" and self._arrival.is_shaking:
            self._prove(fields)
        elif kind == "drain":
            self.state = "draining"
            within = fields.get("within_ms")
            events.append(Draining(within / 1000 if isinstance(within, int) else 0.0))
        elif kind == "pool":
            pool, operation = str(fields.get("pool")), str(fields.get("operation"))
            if operation in ("destroyed", "removed"):
                self.standing.leave(pool)
            events += self.sealed.told(fields, now)
            events.append(Told(operation, pool, fields))

    def _prove(self, challenge: dict[str, Any]) -> None:
        error = self._arrival.prove(challenge)
        if error is not None:
            self._turned_away(error, None)

    def _acknowledged(self, fields: dict[str, Any], now: float) -> None:
        welcome = self._arrival.acknowledged(fields)
        self._form = welcome.form
        self._heartbeat.seconds = welcome.heartbeat
        self.name = welcome.name or self.name
        self.sealed.opened(welcome.session)
        self.blocks.connected(welcome.shm)
        for request in self.standing.requests():
            self._restore(request, request, now)
        for asked in self.blocks.requests():
            self._restore(asked, {"pool": asked.block.pool}, now)

    def _restore(self, request: dict[str, Any] | Asked, of: dict[str, Any], now: float) -> None:
        """Asks for it again: at once, or behind the proofs of the encrypted pool that it is of."""

        def ask() -> None:
            self._arrival.restore(request)
            if isinstance(request, Asked):
                self.blocks.awaits(request)

        if not self.sealed.restores(of, now, ask):
            ask()

    def _restored(self, id: int | None, now: float, events: list[Event]) -> None:
        """One answer to what is to hold again; behind the last all that waits is sent."""
        self._arrival.restoring.discard(id or 0)
        if not self._arrival.is_over or self.state in ("ready", "draining"):
            return
        self.state = "ready"
        self._was_ready = True
        for ask in self.asks.waiting(now):
            events += self.sealed.resend(ask, now)
        self._out += map(prefixed, self._emits)
        self._emits.clear()
        events += [*self.sealed.begin_waiting(), Ready()]
