"""The protocol core: a clock turned by hand, bytes in, events and bytes out."""

from __future__ import annotations

import json
import unittest
from typing import Any

from . import places

from quartet.address import Address, Pace, parsed
from quartet.asks import waiting_limit
from quartet.core import Core
from quartet.errors import PoolsError, codes
from quartet.events import Away, Broken, Closed, Event, Failed, Handed, Ready, Remark, Stopped
from quartet.frames import FrameReader, prefixed
from quartet.messages import Answer, Answered, Emit, Plain, Start
from quartet.options import AppOptions
from quartet.proof import claim
from quartet.topics import matches

ack = {
    "type": "handshake_ack", "status": "success", "heartbeat_ms": 1000, "session": {"resume": "r"}
}


def said(core: Core) -> list[dict[str, Any]]:
    """What it has to send, as JSON."""
    return [json.loads(body) for body in FrameReader(1 << 20).push(core.take())]


def hears(core: Core, *messages: dict[str, Any], now: float = 0.0) -> list[Event]:
    """What comes of these."""
    return core.receive(b"".join(prefixed(json.dumps(each).encode()) for each in messages), now)


def ready(**options: Any) -> Core:
    """A core that has shaken hands at 0."""
    core = Core(AppOptions("ada", **options))
    core.opened(0.0)
    hears(core, ack)
    core.take()
    return core


def work(core: Core, now: float = 0.0, ttl: float = 5.0, *, repeats: bool = False) -> int:
    """A call."""
    return core.ask(Start(0, "default", "work", None, 0), now + ttl, now, repeats=repeats)


class Shaking(unittest.TestCase):
    """PL19, PL140, PL141: what goes when."""

    def test_nothing_but_the_handshake_goes_before_its_acknowledgement(self) -> None:
        core = Core(AppOptions("ada"))
        core.opened(0.0)
        work(core)
        core.emit(Emit(None, "default", "note", 1))
        self.assertEqual([each["type"] for each in said(core)], ["handshake"])
        events = hears(core, ack)
        self.assertIsInstance(events[-1], Ready)
        self.assertEqual([each["type"] for each in said(core)], ["trigger", "emit"])

    def test_what_is_sent_again_has_the_time_that_is_left(self) -> None:
        core = ready()
        id = work(core, repeats=True)
        lost = work(core)
        core.take()
        events = core.lost()
        self.assertEqual([event.id for event in events if isinstance(event, Failed)], [lost])
        core.opened(2.0)
        core.take()
        hears(core, ack, now=2.0)
        (again,) = said(core)
        self.assertEqual((again["id"], again["ttl"]), (str(id), 3000))

    def test_what_has_no_time_left_is_not_sent_again(self) -> None:
        core = ready()
        id = work(core, ttl=1.0, repeats=True)
        core.lost()
        (failed,) = core.tick(1.0)
        assert isinstance(failed, Failed)
        self.assertEqual((failed.id, failed.error.code), (id, "TIMEOUT"))

    def test_what_waits_for_a_connection_is_bounded(self) -> None:
        core = ready()
        core.lost()
        for _ in range(waiting_limit):
            work(core)
        with self.assertRaises(PoolsError) as refused:
            work(core)
        self.assertEqual((refused.exception.code, refused.exception.retry), ("BUSY", "later"))

    def test_emits_that_are_never_sent_are_told_of(self) -> None:
        core = ready()
        core.lost()
        core.emit(Emit(None, "default", "note", 1))
        remark = core.close()[0]
        assert isinstance(remark, Remark)
        self.assertIn("1 emits", remark.error.message)

    def test_a_signature_covers_only_what_the_protocol_asks_for(self) -> None:
        good = {"nonce": "A" * 43, "session_id": "A" * 22}
        self.assertEqual(len(claim("ada", good)), 15 + 32 + 16 + 2 + 3)
        for wrong in ({}, good | {"nonce": "AA"}, good | {"session_id": "*"}):
            with self.assertRaises(PoolsError):
                claim("ada", wrong)

    def test_who_was_never_in_does_not_come_back_unless_it_is_patient(self) -> None:
        hasty, patient = Core(AppOptions("ada")), Core(AppOptions("ada", patient=True))
        self.assertIsInstance(hasty.lost()[-1], Closed)
        self.assertIsInstance(patient.lost()[-1], Away)

    def test_who_is_told_to_stay_away_does(self) -> None:
        core = ready()
        error = {
            "type": "error",
            "correlation_id": None,
            "error": "s",
            "error_code": "REPLACED",
            "close": "stay",
        }
        hears(core, error)
        closed = core.lost()[-1]
        assert isinstance(closed, Closed) and closed.error is not None
        self.assertEqual(closed.error.code, "REPLACED")
        with self.assertRaises(PoolsError):
            work(core)


class Holding(unittest.TestCase):
    """PL53, PL141: calls that an app holds."""

    def call(self, core: Core) -> Handed:
        given = "00000000-0000-4000-8000-000000000001"
        (handed,) = hears(
            core,
            {"type": "trigger", "id": given, "trigger": "work", "ttl": 1000, "pool": "default"},
        )
        assert isinstance(handed, Handed)
        return handed

    def test_work_of_an_ended_connection_never_answers_a_call_of_the_next(self) -> None:
        core = ready()
        old = self.call(core).held
        events = core.lost()
        self.assertIsInstance(events[0], Stopped)
        core.opened(1.0)
        hears(core, ack, now=1.0)
        core.take()
        new = self.call(core).held
        core.holding.answer(old, Answer(1, "old"))
        self.assertEqual(said(core), [])
        core.holding.answer(new, Answer(1, "new"))
        self.assertEqual([each["result"] for each in said(core)], ["new"])

    def test_a_call_is_answered_once(self) -> None:
        core = ready()
        held = self.call(core).held
        core.holding.answer(held, Answer(1, 1))
        core.holding.answer(held, Answer(1, 2))
        self.assertEqual([each["result"] for each in said(core)], [1])


class Watching(unittest.TestCase):
    """PL41: a server that says nothing."""

    def test_a_silent_server_is_asked_and_then_given_up(self) -> None:
        core = ready()
        self.assertEqual(core.tick(0.9), [])
        self.assertEqual(said(core), [])
        core.tick(1.1)
        self.assertEqual([each["type"] for each in said(core)], ["ping"])
        core.tick(1.2)
        self.assertEqual(said(core), [])
        self.assertIsInstance(core.tick(3.1)[0], Broken)

    def test_a_handshake_without_an_answer_is_given_up(self) -> None:
        core = Core(AppOptions("ada"))
        core.opened(0.0)
        self.assertEqual(core.tick(9.0), [])
        self.assertIsInstance(core.tick(11.0)[0], Broken)

    def test_what_cannot_be_read_ends_the_connection_and_nothing_else(self) -> None:
        core = ready()
        id = work(core)
        answer = prefixed(b'{"type":"response","correlation_id":"%d","status":"success"}' % id)
        events = core.receive(answer + prefixed(b"nonsense"), 1.0)
        self.assertIsInstance(events[0], Answered)
        self.assertIsInstance(events[1], Broken)

    def test_an_acknowledgement_of_strange_shape_breaks_nothing(self) -> None:
        core = Core(AppOptions("ada"))
        core.opened(0.0)
        strange = {"features": 5, "session": [], "assigned": "x", "heartbeat_ms": "y"}
        hears(core, {"type": "handshake_ack", **strange})
        self.assertEqual((core.state, core.name), ("ready", "ada"))

    def test_an_answer_without_a_late_one(self) -> None:
        core = ready()
        id = work(core)
        answer = {"type": "response", "correlation_id": str(id), "status": "success", "result": 1}
        self.assertEqual(len(hears(core, answer, answer)), 1)


class Paces(unittest.TestCase):
    """
    PL140: full jitter, from 100 ms doubling to 30 s, over again after a minute of good connection.
    """

    def test_waits_double_up_to_the_longest(self) -> None:
        pace = Pace(lambda: 1.0)
        waits = [pace.wait(0.0) for _ in range(12)]
        self.assertEqual(waits[:4], [0.1, 0.2, 0.4, 0.8])
        self.assertEqual(waits[-1], 30.0)

    def test_chance_takes_all_of_the_span(self) -> None:
        self.assertEqual(Pace(lambda: 0.0).wait(0.0), 0.0)
        self.assertEqual(Pace(lambda: 0.5).wait(0.0), 0.05)

    def test_only_a_good_connection_starts_the_waits_over(self) -> None:
        pace = Pace(lambda: 1.0)
        for _ in range(5):
            pace.wait(0.0)
        pace.ready(100.0)
        self.assertEqual(pace.wait(159.0), 3.2)
        pace.ready(200.0)
        self.assertEqual(pace.wait(260.0), 0.1)


class Words(unittest.TestCase):
    """PL79, and addresses."""

    def test_patterns(self) -> None:
        cases = {
            ("log.*", "log.web"): True,
            ("log.*", "log.web.a"): False,
            ("log.>", "log.web.a"): True,
            ("log.>", "log"): False,
            (">", "a"): True,
            ("*.b", "a.b"): True,
            ("log", "log"): True,
            ("log", "logs"): False,
        }
        for (pattern, name), wanted in cases.items():
            self.assertEqual(matches(pattern, name), wanted, (pattern, name))

    def test_addresses(self) -> None:
        self.assertEqual(parsed("tcp://127.0.0.1"), Address("tcp", "127.0.0.1", 45_227))
        self.assertEqual(parsed("tls://[::1]:9"), Address("tls", "::1", 9))
        self.assertEqual(parsed("unix:/run/q.sock"), Address("unix", path="/run/q.sock"))
        for wrong in ("http://a", "a:1", "unix:", "tcp://"):
            with self.assertRaises(ValueError):
                parsed(wrong)

    def test_every_error_of_the_manual_is_known(self) -> None:
        manual = (places.root / "docs/protocol/pools.md").read_text()
        rows = [line.split("|")[1:4] for line in manual.splitlines() if line.startswith("| ")]
        cells = [[cell.strip() for cell in row] for row in rows if len(row) == 3]
        errors = [row for row in cells if row[0].isdigit() and row[1].isupper()]
        listed = {word: (int(number), advice) for number, word, advice in errors}
        self.assertEqual(listed, codes)


class Drains(unittest.TestCase):
    """PL68, PL69."""

    def test_closing_while_away_is_over_at_once(self) -> None:
        core = ready()
        core.lost()
        self.assertIsNone(core.drain(1.0, 0.0))
        self.assertIsInstance(core.lost()[-1], Closed)

    def test_a_request_that_was_under_way_at_the_end_may_have_been_done(self) -> None:
        core = ready()
        core.ask(Plain({"type": "pool", "operation": "create", "pool": "p"}), 30.0, 0.0)
        (failed, _) = core.close()
        assert isinstance(failed, Failed)
        self.assertEqual(
            (failed.error.code, failed.error.execution_uncertain), ("CONNECTION_LOST", True)
        )


class Leases(unittest.TestCase):
    """PL104: a lock is kept while the app lives. The clock is turned by hand."""

    def setUp(self) -> None:
        self.core = ready()
        at = self.core.blocks.enter(("default", "b"), "write")
        told = {"attachment": 7, "size": 10, "uuid": "u", "via": "socket", "state": "live"}
        self.answer(self.core.ask(at.attaching(), 30.0, 0.0), told)
        asked = at.asked("lock", mode="write", lease_ms=9_000)
        granted = {"lock_id": "l1", "fence": 1, "lease_ms": 9_000}
        self.answer(self.core.ask(asked, 30.0, 0.0), granted)
        said(self.core)
        self.held = at.locks["l1"]

    def answer(self, id: int, result: object, now: float = 0.0) -> None:
        response = {"type": "response", "correlation_id": str(id), "status": "success"}
        hears(self.core, response | {"result": result}, now=now)

    def renewals(self, now: float) -> list[Any]:
        self.core.tick(now)
        return [each for each in said(self.core) if each.get("operation") == "renew"]

    def test_it_is_renewed_in_time_and_once(self) -> None:
        [first] = self.renewals(0.1)
        self.assertEqual(first["lock_id"], "l1")
        self.assertEqual(self.renewals(0.2), [])
        self.answer(first["id"], {"lock_id": "l1", "fence": 1, "lease_ms": 9_000}, 0.3)
        # It counts from when it was asked, not from when it was answered.
        self.assertEqual(self.held.until, 9.1)
        self.assertEqual(self.renewals(3.0), [])
        self.assertEqual(len(self.renewals(3.2)), 1)

    def test_one_that_is_lost_says_so(self) -> None:
        [first] = self.renewals(0.1)
        refusal = {"type": "error", "correlation_id": first["id"], "status": "error"}
        hears(self.core, refusal | {"error": "no", "error_code": "LOCK_LOST"})
        assert self.held.error is not None
        self.assertEqual(self.held.error.code, "LOCK_LOST")
        self.assertEqual(self.renewals(9.0), [])


if __name__ == "__main__":
    unittest.main()
