"""The blocking client against a real server."""

from __future__ import annotations

import gc
import importlib.util
import os
import signal
import subprocess
import sys
import threading
import unittest
from queue import Queue
from typing import Any

from .places import eventually, root, serve, wait_seconds

import quartet

has_cryptography = importlib.util.find_spec("cryptography") is not None


class Calls(unittest.TestCase):
    """PL14, PL43 to PL67 and PL78 to PL85, between apps of one server."""

    @classmethod
    def setUpClass(cls) -> None:
        cls.server = serve(cls)

    def app(self, name: str, **options: Any) -> quartet.App:
        app = quartet.connect(self.server.unix, app=name, **options)
        self.addCleanup(app.close, 0)
        return app

    def pair(self, **options: Any) -> tuple[quartet.App, quartet.App]:
        return self.app("ada", **options), self.app("bob")

    def test_a_call_is_answered_in_each_form(self) -> None:
        bob = self.app("bob")
        bob.handle("echo")(lambda payload, call: payload)
        for features in ((), ("mixed",), ("compact",), ("compact", "mixed")):
            ada = quartet.connect(self.server.unix, app="ada", features=features)
            for payload in (
                None,
                {"x": [1, "ü", None]},
                "text",
                b"\0\xff",
                [],
                0,
                False,
                quartet.Content(200, b"x"),
            ):
                self.assertEqual(ada.call("echo", payload), payload)
            ada.close()

    def test_each_error_is_told_with_its_fields(self) -> None:
        ada, bob = self.pair()

        @bob.handle("fail")
        def fail(_: Any, __: quartet.Call) -> None:
            error = ValueError("no")
            error.code = "E1"  # type: ignore[attr-defined]
            raise error

        with self.assertRaises(quartet.PoolsError) as failed:
            ada.call("fail")
        self.assertEqual(
            (failed.exception.code, failed.exception.handler_code), ("HANDLER_ERROR", "E1")
        )
        self.assertEqual((failed.exception.message, failed.exception.retry), ("no", "fix"))
        with self.assertRaises(quartet.PoolsError) as failed:
            ada.call("nobody")
        self.assertEqual((failed.exception.code, failed.exception.retry), ("NO_HANDLER", "later"))
        with self.assertRaises(TypeError):
            ada.call("fail", object())
        bob.handle("strange")(lambda payload, call: object())
        with self.assertRaises(quartet.PoolsError) as failed:
            ada.call("strange")
        self.assertEqual(failed.exception.code, "HANDLER_ERROR")

    def test_a_call_may_wait_for_its_handler(self) -> None:
        ada, bob = self.pair()
        pending = ada.submit("late", 1, wait=wait_seconds, ttl=wait_seconds)
        bob.handle("late")(lambda payload, call: payload + 1)
        self.assertEqual(pending.result(), 2)

    def test_a_handler_that_declines_leaves_the_call_to_another(self) -> None:
        ada, bob = self.pair()
        eve = self.app("eve")
        bob.handle("work", policy="first")(lambda payload, call: call.unavailable("not now"))
        eve.handle("work", policy="first")(lambda payload, call: "eve")
        self.assertEqual(ada.call("work"), "eve")
        self.assertEqual(ada.call("work", to="eve"), "eve")

    def test_a_stream_comes_only_as_it_is_taken(self) -> None:
        ada, bob = self.pair()
        made: list[int] = []

        @bob.handle("count")
        def count(most: int, _: quartet.Call) -> Any:
            for number in range(most):
                made.append(number)
                yield number
            return "counted"

        stream = ada.stream("count", 40, credit=2)
        eventually(lambda: len(made) == 2)
        # A call behind it has come and gone: whoever would make more had the time.
        bob.handle("echo")(lambda payload, call: payload)
        ada.call("echo")
        self.assertEqual(len(made), 2)
        self.assertEqual(list(stream), list(range(40)))
        self.assertEqual(stream.result, "counted")
        self.assertEqual(ada.call("count", 3), [0, 1, 2])

    def test_leaving_a_stream_cancels_it(self) -> None:
        ada, bob = self.pair()
        ended: Queue[str] = Queue()

        @bob.handle("tail")
        def tail(_: Any, call: quartet.Call) -> Any:
            try:
                while True:
                    yield 1
            finally:
                ended.put("cancelled" if call.cancelled else "other")

        for _ in ada.stream("tail"):
            break
        gc.collect()
        self.assertEqual(ended.get(timeout=wait_seconds), "cancelled")
        with ada.stream("tail") as stream:
            next(iter(stream))
        self.assertEqual(ended.get(timeout=wait_seconds), "cancelled")

    def test_arguments_may_be_streamed(self) -> None:
        ada, bob = self.pair()
        bob.handle("sum")(lambda payload, call: sum(call.input))
        self.assertEqual(ada.call("sum", input=iter(range(100))), 4950)
        self.assertEqual(ada.call("sum"), 0)

    def test_a_cancelled_call_tells_its_handler(self) -> None:
        ada, bob = self.pair()
        begun: Queue[bool] = Queue()
        seen: Queue[bool] = Queue()

        @bob.handle("slow")
        def slow(_: Any, call: quartet.Call) -> str:
            begun.put(True)
            seen.put(call.wait_cancelled(wait_seconds))
            return "stopped"

        pending = ada.submit("slow")
        begun.get(timeout=wait_seconds)
        pending.cancel()
        with self.assertRaises(quartet.PoolsError) as failed:
            pending.result()
        self.assertEqual(failed.exception.code, "CANCELLED")
        self.assertTrue(seen.get(timeout=wait_seconds))
        pending = ada.submit("slow")
        begun.get(timeout=wait_seconds)
        pending.cancel("kill")
        try:
            self.assertEqual(pending.result(), "stopped")
        except quartet.PoolsError as error:  # The grace of `kill` is over on a busy machine.
            self.assertEqual(error.code, "CANCELLED")

    def test_the_deadline_passes_for_both_ends(self) -> None:
        ada, bob = self.pair()
        stopped: Queue[bool] = Queue()
        bob.handle("slow")(lambda payload, call: stopped.put(call.wait_cancelled(wait_seconds)))
        with self.assertRaises(quartet.PoolsError) as failed:
            ada.call("slow", ttl=0.3)
        self.assertEqual(
            (failed.exception.code, failed.exception.execution_uncertain), ("TIMEOUT", True)
        )
        self.assertTrue(stopped.get(timeout=wait_seconds))

    def test_a_part_of_a_call_has_no_more_time_than_it(self) -> None:
        ada, bob = self.pair()
        left: list[float] = []
        bob.handle("outer")(lambda payload, call: call.call("inner", payload, ttl=500.0))

        @bob.handle("inner")
        def inner(payload: Any, call: quartet.Call) -> Any:
            left.append(call.remaining)
            return payload

        self.assertEqual(ada.call("outer", 5, ttl=20.0), 5)
        self.assertLessEqual(left[0], 20.0)

    def test_a_lost_handler_is_told_and_what_may_run_twice_runs_elsewhere(self) -> None:
        ada, bob = self.pair()
        eve = self.app("eve")
        begun: Queue[str] = Queue()

        def work(payload: Any, call: quartet.Call) -> str:
            if call.attempt == 1:
                begun.put("begun")
                call.wait_cancelled(wait_seconds)
            return f"attempt {call.attempt}"

        bob.handle("once", policy="first")(work)
        pending = ada.submit("once")
        begun.get(timeout=wait_seconds)
        eve.handle("once", policy="first")(work)
        again = ada.submit("once", idempotency_key="k")
        begun.get(timeout=wait_seconds)
        bob._engine.finish(None)
        with self.assertRaises(quartet.PoolsError) as failed:
            pending.result()
        self.assertEqual(
            (failed.exception.code, failed.exception.execution_uncertain), ("HANDLER_LOST", True)
        )
        self.assertEqual(again.result(), "attempt 2")
        self.assertEqual(ada.call("once", idempotency_key="k"), "attempt 2")

    def test_emits_reach_who_listens_in_their_order(self) -> None:
        ada, bob = self.pair()
        heard: Queue[tuple[Any, str, str]] = Queue()
        ada.emit("log.kept", "old", retain=True, ack=True)
        undo = bob.on("log.*", lambda payload, emit: heard.put((payload, emit.name, emit.origin)))
        self.assertEqual(heard.get(timeout=wait_seconds), ("old", "log.kept", "ada"))
        for number in range(50):
            ada.emit("log.web", number)
        got = [heard.get(timeout=wait_seconds) for _ in range(50)]
        self.assertEqual(got, [(number, "log.web", "ada") for number in range(50)])
        self.assertEqual(ada.emit("log.web", ack=True), {"reached": 1, "lost": 0})
        undo()
        self.assertEqual(ada.emit("log.web", ack=True), {"reached": 0, "lost": 0})
        ada.emit("log.kept", retain=True, ack=True)

    def test_pools_have_members_and_rights(self) -> None:
        ada, bob = self.pair()
        ada.pool("vip").create(rights={"read": ["ada"]}, description="few")
        ada.pool("vip").join()
        members = ada.pool("vip").members()["members"]
        self.assertEqual([each["app_id"] for each in members], ["ada"])
        with self.assertRaises(quartet.PoolsError) as failed:
            bob.pool("vip").join()
        self.assertEqual(
            (failed.exception.code, failed.exception.detail["right"]), ("FORBIDDEN", "read")
        )
        ada.pool("vip").destroy(force=True)
        with self.assertRaises(quartet.PoolsError) as failed:
            ada.pool("vip").join()
        self.assertEqual(failed.exception.code, "NO_POOL")

    def test_explain_calls_nobody(self) -> None:
        ada, bob = self.pair()
        bob.handle("work")(lambda payload, call: self.fail("it was called"))
        self.assertEqual(ada.explain("work")["chosen"], "bob")

    def test_closing_waits_for_what_is_under_way(self) -> None:
        ada, bob = self.pair()
        begun, go = threading.Event(), threading.Event()

        @bob.handle("slow")
        def slow(_: Any, __: quartet.Call) -> str:
            begun.set()
            go.wait(wait_seconds)
            return "done"

        pending = ada.submit("slow")
        begun.wait(wait_seconds)
        closing = threading.Thread(target=bob.close, args=(wait_seconds,))
        closing.start()
        eventually(lambda: bob.state == "draining")
        go.set()
        self.assertEqual(pending.result(), "done")
        closing.join(wait_seconds)
        self.assertEqual(bob.state, "closed")
        with self.assertRaises(quartet.PoolsError) as failed:
            bob.call("slow")
        self.assertEqual(
            (failed.exception.code, failed.exception.execution_uncertain),
            ("CONNECTION_LOST", False),
        )

    def test_nobody_there_is_told_at_once(self) -> None:
        with self.assertRaises(quartet.PoolsError) as failed:
            quartet.connect(self.server.unix + ".not", app="ada")
        self.assertEqual(failed.exception.code, "CONNECTION_LOST")

    def test_an_id_that_is_live_is_taken(self) -> None:
        self.app("ada")
        with self.assertRaises(quartet.PoolsError) as failed:
            self.app("ada")
        self.assertEqual((failed.exception.code, failed.exception.retry), ("APP_ID_TAKEN", "later"))

    def test_instances_share_an_id(self) -> None:
        names = {self.app("many", instances=True).name for _ in range(2)}
        self.assertEqual(len(names), 2)

    @unittest.skipUnless(has_cryptography, "the package cryptography is missing")
    def test_a_key_binds_an_id(self) -> None:
        key = quartet.AppKey.generate()
        first = quartet.connect(self.server.unix, app="keyed", key=key)
        first.close()
        with self.assertRaises(quartet.PoolsError) as failed:
            quartet.connect(self.server.unix, app="keyed")
        self.assertEqual(failed.exception.code, "UNAUTHENTICATED")
        second = self.app("keyed", key=quartet.AppKey(key.seed))
        # Whoever proves to be the app takes the place of the one before, which stays away.
        self.app("keyed", key=key)
        eventually(lambda: second.state == "closed")
        with self.assertRaises(quartet.PoolsError) as failed:
            second.run()
        self.assertEqual(failed.exception.code, "REPLACED")


class Coming(unittest.TestCase):
    """PL1, PL68, PL140, PL141: connections that end."""

    def test_all_holds_again_after_the_server_was_killed(self) -> None:
        server = serve(self)
        heard: Queue[Any] = Queue()
        bob = quartet.connect(server.unix, app="bob")
        self.addCleanup(bob.close, 0)
        begun = threading.Event()

        @bob.handle("work")
        def work(payload: Any, call: quartet.Call) -> Any:
            begun.set()
            return call.wait_cancelled(wait_seconds) if payload == "hold" else payload

        bob.on("log.*", lambda payload, _: heard.put(payload))
        ada = quartet.connect(server.unix, app="ada")
        self.addCleanup(ada.close, 0)
        lost = ada.submit("work", "hold")
        begun.wait(wait_seconds)
        server.kill()
        with self.assertRaises(quartet.PoolsError) as failed:
            lost.result()
        self.assertEqual(
            (failed.exception.code, failed.exception.execution_uncertain), ("CONNECTION_LOST", True)
        )
        eventually(lambda: ada.state == "away")
        waiting = ada.submit("work", "later", ttl=wait_seconds, wait=wait_seconds)
        server.start()
        self.assertEqual(waiting.result(), "later")
        ada.emit("log.web", "hit", ack=True)
        self.assertEqual(heard.get(timeout=wait_seconds), "hit")

    def test_tcp_and_a_patient_app(self) -> None:
        server = serve(self, with_tcp=True)
        app = quartet.connect(server.tcp, app="ada")
        app.handle("echo")(lambda payload, call: payload)
        big = os.urandom(3 << 20)
        self.assertEqual(app.call("echo", big), big)
        app.close()
        server.kill()
        starting = threading.Timer(0.3, server.start)
        starting.start()
        patient = quartet.connect(server.unix, app="ada", patient=True)
        starting.join()
        patient.close()

    def test_a_worker_drains_when_it_is_told_to_end(self) -> None:
        server = serve(self)
        program = (
            "import signal, threading, time, quartet\n"
            "def tell():\n"
            "    while signal.getsignal(signal.SIGTERM) is signal.SIG_DFL: time.sleep(0.01)\n"
            "    print('ready', flush=True)\n"
            f"app = quartet.connect({server.unix!r}, app='worker')\n"
            "app.handle('echo')(lambda payload, call: payload)\n"
            "threading.Thread(target=tell).start()\n"
            "app.run()\n"
            "print(app.state, flush=True)\n"
        )
        environment = {**os.environ, "PYTHONPATH": str(root / "python")}
        words = [sys.executable, "-c", program]
        pipe = subprocess.PIPE
        with subprocess.Popen(words, stdout=pipe, text=True, env=environment) as worker:
            self.addCleanup(worker.kill)
            assert worker.stdout is not None
            self.assertEqual(worker.stdout.readline(), "ready\n")
            worker.send_signal(signal.SIGTERM)
            self.assertEqual(worker.stdout.readline(), "closed\n")
            self.assertEqual(worker.wait(wait_seconds), 0)


if __name__ == "__main__":
    unittest.main()
