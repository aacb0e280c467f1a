"""
The encrypted pools of one app, over one connection after another: ways in, and what goes through.

What always holds: a pool is entered by proofs made for the connection that is there, and what the
program set up in it is asked for behind them; a way in ends exactly once; whatever the server says
of keys is taken at once, before the next message is looked at.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final, Literal, cast

from .asks import Ask, gone
from .errors import PoolsError
from .events import Event, Failed, Remark
from .keys import Keyring
from .messages import Answered, Emit, Incoming, Plain, Refused, Start
from .proof import decode64
from .sealed import Seals
from .sealed_entry import Door, Fields, Way, asking, enter, is_ending, notice
from .sealed_heard import Ground, Heard

ways_limit: Final = 1_000
"""Ways in that are on their way; one more is BUSY."""
_look_seconds: Final = 60.0
_way_seconds: Final = 30.0


@dataclass(eq=False, slots=True)
class Entry:
    """One way into a pool, or another exchange about its keys."""

    id: int
    pool: str
    ring: Keyring
    deadline: float
    walk: Callable[[Door], Way[Fields]]
    why: Literal["asked", "restored", "renewed"] = "asked"
    joins: bool = True
    """Whether it makes the app a member."""
    epoch: int = 0
    """The newest when it began."""
    is_behind: bool = False
    """Something to be proven came while it was on its way."""
    steps: Way[Fields] | None = None
    behind: list[Callable[[], None]] = field(default_factory=lambda: [])
    """What asks for the rest once it is in."""
    repeats: list[tuple[int, PoolsError]] = field(default_factory=lambda: [])
    """Asks that are to be sent again then, and why they were refused."""


@dataclass(frozen=True, slots=True)
class Entering:
    """What a program asks for that enters a pool."""

    pool: str
    ring: Keyring
    certificate: bytes | None
    deadline: float


class SealedPools:
    """Ways in, and messages on their way in and out."""

    def __init__(self, ground: Ground) -> None:
        self.seals = Seals()
        self._heard = Heard(self.seals, ground)
        self._ground = ground
        self._session = b""
        self._entries: list[Entry] = []
        self._steps: dict[int, Entry] = {}
        self._certificates: dict[str, bytes] = {}
        self._looked = 0.0

    def opened(self, session: object) -> None:
        """A connection is acknowledged, with this session."""
        id = cast("Fields", session).get("id") if isinstance(session, dict) else None
        try:
            self._session = decode64(id) if isinstance(id, str) else b""
        except ValueError:
            self._session = b""  # Only a server that has no encrypted pools.

    def enter(self, way: Entering, *, goes: bool) -> int:
        """
        A way in, at once or with the next connection. From now on all of this pool is sealed.
        Raises BUSY when there are too many.
        """
        self.seals.put(way.pool, way.ring)
        if way.certificate is not None:
            self._certificates[way.pool] = way.certificate
        entry = self.add(self._way(way.pool, way.ring, way.deadline, "asked"))
        if goes:
            self.begin(entry)
        return entry.id

    def walk(self, asked: tuple[str, str, Fields], deadline: float, *, goes: bool) -> int:
        """
        An operation of a pool that is about its keys, behind what is on its way there. Raises
        NOT_MEMBER where the program has given none.
        """
        pool, operation, fields = asked
        ring, id = self.seals.needed(pool), self._ground.next_id()

        def walk(_: Door) -> Way[Fields]:
            return asking(operation, fields)

        entry = self.add(Entry(id, pool, ring, deadline, walk, joins=False))
        if goes:
            self.begin(entry)
        return id

    def add(self, entry: Entry) -> Entry:
        """One more, which begins when it is told to. Raises BUSY when there are too many."""
        if len(self._entries) >= ways_limit:
            raise PoolsError("BUSY", f"at most {ways_limit} pools are entered at a time")
        self._entries.append(entry)
        return entry

    def begin(self, entry: Entry) -> list[Event]:
        """
        Walks it, over the connection that is there; behind another way into this pool, whose nonce
        it would take.
        """
        if any(each.steps is not None for each in self._of(entry.pool)):
            return []
        entry.epoch = entry.ring.epoch
        entry.is_behind = False
        entry.steps = entry.walk(Door(self._ground.app_id, self._session))
        return self._on(entry, None, 0.0)

    def begin_waiting(self) -> list[Event]:
        """The app is ready: what waited for that begins."""
        waiting = [entry for entry in self._entries if entry.steps is None]
        return [event for entry in waiting for event in self.begin(entry)]

    def restores(self, request: Fields, now: float, later: Callable[[], None]) -> bool:
        """
        Takes what is to hold again in an encrypted pool: `later` comes behind the proofs. False
        where it is no business of this.
        """
        pool = str(request.get("pool"))
        ring = self.seals.ring(pool)
        found = next((e for e in self._entries if e.pool == pool and e.why == "restored"), None)
        if found is not None:
            found.behind.append(later)
        elif ring is not None and request.get("operation") == "join":
            entry = self.add(self._way(pool, ring, now + _way_seconds, "restored"))
            self._ground.restoring.add(entry.id)
            self.begin(entry)
        else:
            return False
        return True

    def resend(self, ask: Ask, now: float) -> list[Event]:
        """Sends what waited for this connection, sealed anew where that is no other call."""
        message = ask.message
        try:
            if isinstance(message, (Start, Emit)):
                self.seals.again(message, now, anew=False)
        except PoolsError as error:
            return self._ground.asks.fail(message.id, error) if isinstance(message, Start) else []
        self._ground.write(ask.sent(now))
        return []

    def hear(self, message: Incoming, now: float, events: list[Event]) -> Incoming | None:
        """Opens what came, or takes it; gives what the core goes on with."""
        if isinstance(message, (Answered, Refused)) and message.id in self._steps:
            entry = self._steps.pop(message.id)
            result = message.error if isinstance(message, Refused) else message.result
            events += self._on(entry, result, now)
            return None
        try:
            return self._heard.open(message)
        except PoolsError as error:
            events += self._heard.refuse(message, error)
            return None

    def refused(self, refused: Refused, now: float) -> list[Event] | None:
        """
        STALE_EPOCH: takes the newer epoch and repeats, once. None where it is not for this.
        """
        if refused.error.code != "STALE_EPOCH" or refused.id is None:
            return None
        ask = self._ground.asks.find(refused.id)
        if ask is None or not isinstance(ask.message, (Start, Emit)):
            return None
        talk = ask.message.talk
        if talk is None or talk.was_repeated:
            return None
        # It has not run: when the connection ends meanwhile it is sent on the next one.
        ask.is_sent = False
        talk.was_repeated = True
        entry, events = self._renewed(ask.message.pool, talk.ring, now)
        if entry is None:
            return None
        entry.repeats.append((refused.id, refused.error))
        return events

    def told(self, fields: Fields, now: float) -> list[Event]:
        """The server tells the members of a pool something."""
        pool = str(fields.get("pool"))
        ring = self.seals.ring(pool)
        if ring is None:
            return []
        try:
            noticed = notice(ring, fields)
        except PoolsError as error:
            return [Remark(error)]
        if noticed == "enter":
            walked = [each for each in self._of(pool) if each.joins and each.steps is not None]
            for entry in walked:
                entry.is_behind = True
            return [] if walked else self._renewed(pool, ring, now)[1]
        if noticed == "left-out":
            left = f"pool {pool} has a new epoch that this app is left out of"
            return [Remark(PoolsError("STALE_EPOCH", left))]
        return []

    def cut(self) -> list[Event]:
        """The connection has ended. What the program asked for begins anew on the next one."""
        self._session = b""
        self._steps.clear()
        self._entries = [entry for entry in self._entries if entry.why == "asked"]
        for entry in self._entries:
            entry.steps = None
        return []

    def finish(self, cause: PoolsError | None) -> list[Event]:
        """There will be no other connection."""
        asked = [entry for entry in self._entries if entry.why == "asked"]
        self._entries = []
        self._steps.clear()
        return [Failed(entry.id, gone(cause, was_sent=False)) for entry in asked]

    def expire(self, now: float, *, is_ready: bool) -> list[Event]:
        """Ends what is past its deadline, and renews certificates of one's own that end soon."""
        events: list[Event] = []
        for entry in [each for each in self._entries if now >= each.deadline]:
            self._steps = {id: each for id, each in self._steps.items() if each is not entry}
            late = PoolsError("TIMEOUT", f"the server does not let this app into {entry.pool}")
            events += self._end(entry, late, now)
        if is_ready and now >= self._looked + _look_seconds:
            self._looked = now
            for pool in self._ground.standing.joined:
                ring = self.seals.ring(pool)
                if ring is not None and is_ending(ring):
                    events += self._renewed(pool, ring, now)[1]
        return events

    def _way(
        self, pool: str, ring: Keyring, deadline: float,
        why: Literal["asked", "restored", "renewed"],
    ) -> Entry:
        def walk(door: Door) -> Way[Fields]:
            return enter(ring, door, self._certificates.get(pool))

        return Entry(self._ground.next_id(), pool, ring, deadline, walk, why)

    def _renewed(
        self, pool: str, ring: Keyring, now: float
    ) -> tuple[Entry | None, list[Event]]:
        """The way in that is being walked, or another one."""
        entry = next((each for each in self._of(pool) if each.joins), None)
        if entry is not None:
            return entry, []
        if len(self._entries) >= ways_limit:
            return None, []
        entry = self.add(self._way(pool, ring, now + _way_seconds, "renewed"))
        return entry, self.begin(entry)

    def _on(self, entry: Entry, told: Any, now: float) -> list[Event]:
        """The next step, with what came of the last: an answer, a refusal, or None at first."""
        steps = entry.steps
        if steps is None:
            return []
        try:
            if isinstance(told, PoolsError):
                operation, fields = steps.throw(told)
            elif told is None:
                operation, fields = next(steps)
            else:
                answer = cast("Fields", told) if isinstance(told, dict) else {}
                operation, fields = steps.send(answer)
        except StopIteration as end:
            return self._end(entry, end.value, now)
        except PoolsError as refused:
            return self._end(entry, refused, now)
        id = self._ground.next_id()
        self._steps[id] = entry
        request = {"type": "pool", "id": str(id), "operation": operation, "pool": entry.pool}
        self._ground.write(Plain(request | fields))
        return []

    def _end(self, entry: Entry, outcome: Fields | PoolsError, now: float) -> list[Event]:
        entry.steps = None
        error = outcome if isinstance(outcome, PoolsError) else None
        # Another epoch came meanwhile: what was proven is over already, or could not be.
        is_old = entry.is_behind or (error is not None and entry.ring.epoch != entry.epoch)
        if entry.joins and is_old and now < entry.deadline:
            return self.begin(entry)
        self._entries.remove(entry)
        ground, events = self._ground, cast("list[Event]", [])
        if entry.why == "asked":
            if error is None and entry.joins:
                ground.standing.join(entry.pool)
            ended = Answered(entry.id, outcome) if error is None else Failed(entry.id, error)
            events.append(ended)
        elif error is not None:
            events.append(Remark(error))
        if entry.why == "restored":
            for later in entry.behind if error is None else []:
                later()
            ground.restored(entry.id, now, events)
        for id, refusal in entry.repeats:
            # What it was refused for says more than why that cannot be mended.
            events += self._repeat(id, refusal, now, goes=error is None)
        if self._session:
            following = next(iter(self._of(entry.pool)), None)
            events += [] if following is None else self.begin(following)
        return events

    def _of(self, pool: str) -> list[Entry]:
        return [entry for entry in self._entries if entry.pool == pool]

    def _repeat(self, id: int, refusal: PoolsError, now: float, *, goes: bool) -> list[Event]:
        ask = self._ground.asks.find(id)
        if ask is None or not isinstance(ask.message, (Start, Emit)):
            return []
        if not goes:
            return self._ground.asks.fail(id, refusal)
        try:
            self.seals.again(ask.message, now, anew=True)
        except PoolsError as error:
            return self._ground.asks.fail(id, error)
        self._ground.write(ask.sent(now))
        return []
