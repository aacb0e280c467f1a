"""Encrypted pools over a real server, in threads; a line between is read, and bent."""

from __future__ import annotations

import base64
import importlib.util
import itertools
import unittest
from queue import Queue
from threading import Event
from typing import Any

from .places import eventually, serve, wait_seconds
from .tap import Tap

import quartet
from quartet import Keyring, PoolKeys

has_cryptography = importlib.util.find_spec("cryptography") is not None
secret = "a secret that nobody reads"
_numbers = itertools.count(1)


def lent(owner: quartet.App, pool: str, grade: Any) -> Keyring:
    """The keyring of another app, certified where it may write."""
    ring = Keyring(PoolKeys.of(owner.pool(pool).keys.lend(grade)))
    if grade == "shard":
        owner.pool(pool).keys.certify(ring.writer_key)
    return ring


def flipped(frame: bytes) -> bytes:
    """A bit of an envelope's last byte changed, where a compact frame ends with one."""
    return frame if b"QTE1" not in frame else frame[:-1] + bytes((frame[-1] ^ 1,))


@unittest.skipUnless(has_cryptography, "the package cryptography is missing")
class Threads(unittest.TestCase):
    """PL124 to PL131 and PL141, as programs of threads see them."""

    @classmethod
    def setUpClass(cls) -> None:
        cls.server = serve(cls)

    def setUp(self) -> None:
        self.pool = f"vault-{next(_numbers)}"

    def app(self, name: str, address: str = "", **options: Any) -> quartet.App:
        app = quartet.connect(address or self.server.unix, app=name, **options)
        self.addCleanup(app.close, 0)
        return app

    def tap(self) -> Tap:
        tap = Tap(self.server.socket)
        self.addCleanup(tap.close)
        return tap

    def found(self, address: str = "", **options: Any) -> quartet.App:
        """The owner of a new encrypted pool."""
        owner = self.app("owner", address, **options)
        made = Keyring.create()
        owner.pool(self.pool).create(encrypted=made)
        told = owner.pool(self.pool).join(made[1])
        self.assertIn("admin", told["rights"])
        return owner

    def member(
        self, owner: quartet.App, name: str, address: str = "", grade: str = "shard", **options: Any
    ) -> quartet.App:
        app = self.app(name, address, **options)
        app.pool(self.pool).join(lent(owner, self.pool, grade))
        return app

    def fails(self, code: str, work: Any) -> quartet.PoolsError:
        with self.assertRaises(quartet.PoolsError) as failed:
            work()
        self.assertEqual(failed.exception.code, code, str(failed.exception))
        return failed.exception

    def test_calls_streams_and_emits_pass_sealed_in_each_form(self) -> None:
        tap = self.tap()
        owner = self.found()
        bob = self.member(owner, "bob", tap.address)
        bob.handle("echo", pool=self.pool)(lambda payload, call: payload)
        bob.handle("sum", pool=self.pool)(lambda payload, call: [secret, sum(call.input)])

        @bob.handle("tail", pool=self.pool)
        def tail(payload: Any, call: quartet.Call) -> Any:
            for number in range(payload):
                yield f"{secret} {number}"
            return secret

        heard: Queue[Any] = Queue()
        bob.on("log.*", lambda payload, emit: heard.put((payload, emit.name)), pool=self.pool)
        for features in ((), ("mixed",), ("compact", "mixed")):
            ada = self.member(owner, "ada", tap.address, features=features)
            for payload in (None, {secret: [1, "ü"]}, secret, secret.encode(), 0, False):
                self.assertEqual(ada.call("echo", payload, pool=self.pool), payload)
            content = quartet.Content(200, secret.encode())
            self.assertEqual(ada.call("echo", content, pool=self.pool), content)
            stream = ada.stream("tail", 40, credit=3, pool=self.pool)
            self.assertEqual(list(stream), [f"{secret} {number}" for number in range(40)])
            self.assertEqual(stream.result, secret)
            got = ada.call("sum", input=iter(range(50)), pool=self.pool)
            self.assertEqual(got, [secret, sum(range(50))])
            self.assertEqual(ada.call("sum", pool=self.pool), [secret, 0])
            self.assertEqual(ada.emit("log.web", secret, pool=self.pool, ack=True)["reached"], 1)
            ada.emit("log.web", secret, pool=self.pool)
            for _ in range(2):
                self.assertEqual(heard.get(timeout=wait_seconds), (secret, "log.web"))
            ada.explain("echo", secret, pool=self.pool)
            ada.close(0)
        self.assertGreater(tap.seen.count(b"QTE1"), 10)
        self.assertNotIn(secret.encode(), tap.seen)
        for offset in range(3):
            # What JSON would spell of it, wherever it stands.
            spelled = base64.b64encode(secret.encode()[offset:])[:-4]
            self.assertNotIn(spelled, tap.seen)

    def test_what_a_handler_says_of_a_failure_stays_with_it(self) -> None:
        tap = self.tap()
        owner = self.found()
        bob = self.member(owner, "bob", tap.address)

        @bob.handle("fail", pool=self.pool)
        def fail(_: Any, __: quartet.Call) -> None:
            error = ValueError(secret)
            error.code = "E1"  # type: ignore[attr-defined]
            raise error

        bob.handle("shy", pool=self.pool)(lambda payload, call: call.unavailable(secret))
        error = self.fails("HANDLER_ERROR", lambda: owner.call("fail", pool=self.pool))
        self.assertEqual((error.message, error.handler_code), ("the handler failed", "E1"))
        self.fails("UNAVAILABLE", lambda: owner.call("shy", pool=self.pool))
        self.assertNotIn(secret.encode(), tap.seen)

    def test_plain_triggers_are_open_and_nothing_else_is(self) -> None:
        owner = self.found()
        eve = self.member(owner, "eve", grade="sigil")
        eve.handle("hello", pool=self.pool, plain=True)(lambda payload, call: [payload, "hi"])
        self.assertEqual(owner.call("hello", 1, pool=self.pool, plain=True), [1, "hi"])
        self.assertEqual(eve.call("hello", 2, pool=self.pool, plain=True), [2, "hi"])
        self.fails("FORBIDDEN", lambda: eve.call("hello", 3, pool=self.pool))
        error = self.fails("HANDLER_ERROR", lambda: owner.call("hello", 4, pool=self.pool))
        self.assertEqual(error.handler_code, "INTEGRITY")
        owner.handle("sealed", pool=self.pool)(lambda payload, call: payload)
        self.fails(
            "NOT_ENCRYPTED", lambda: owner.call("sealed", 5, pool=self.pool, plain=True)
        )
        # Who has keys that also open what is sealed handles both.
        owner.handle("both", pool=self.pool, plain=True)(lambda payload, call: payload)
        self.assertEqual(owner.call("both", 6, pool=self.pool), 6)
        self.assertEqual(owner.call("both", 7, pool=self.pool, plain=True), 7)

    def test_what_the_line_has_changed_is_told_as_integrity(self) -> None:
        tap = self.tap()
        owner = self.found()
        bob = self.member(owner, "bob")
        ada = self.member(owner, "ada", tap.address)
        calls: Queue[Any] = Queue()
        bob.handle("echo", pool=self.pool)(lambda payload, call: payload)
        bob.handle("tail", pool=self.pool)(lambda payload, call: iter(payload))
        ada.handle("mine", pool=self.pool)(lambda payload, call: calls.put(payload))
        heard: Queue[Any] = Queue()
        ada.on("log.*", lambda payload, emit: heard.put(payload), pool=self.pool)
        self.assertEqual(ada.call("echo", secret, pool=self.pool), secret)
        tap.bend = flipped
        error = self.fails("INTEGRITY", lambda: ada.call("echo", secret, pool=self.pool))
        self.assertTrue(error.execution_uncertain)
        self.fails("INTEGRITY", lambda: list(ada.stream("tail", [1, 2], pool=self.pool)))
        error = self.fails("HANDLER_ERROR", lambda: owner.call("mine", 1, pool=self.pool))
        self.assertEqual(error.handler_code, "INTEGRITY")
        bent = Event()

        def watched(frame: bytes) -> bytes:
            if b"log.a" in frame:
                bent.set()
            return flipped(frame)

        tap.bend = watched
        # That it has left the server is not yet that it went through the line.
        owner.emit("log.a", "bent", pool=self.pool, ack=True)
        self.assertTrue(bent.wait(wait_seconds))
        tap.bend = lambda frame: frame
        owner.emit("log.a", "whole", pool=self.pool, ack=True)
        self.assertEqual(heard.get(timeout=wait_seconds), "whole")
        self.assertTrue(calls.empty())
        self.assertEqual(ada.call("echo", secret, pool=self.pool), secret)

    def test_a_message_is_taken_once(self) -> None:
        tap = self.tap()
        owner = self.found()
        ada = self.member(owner, "ada", tap.address)
        heard: Queue[Any] = Queue()
        ada.on("log.*", lambda payload, emit: heard.put(payload), pool=self.pool)
        emits: list[bytes] = []

        def keep(frame: bytes) -> bytes:
            if b"log.a" in frame and b"QTE1" in frame:
                emits.append(frame)
                return emits[0]
            return frame

        tap.bend = keep
        for number in range(3):
            owner.emit("log.a", number, pool=self.pool, ack=True)
        eventually(lambda: len(emits) == 3)
        tap.bend = lambda frame: frame
        owner.emit("log.a", "end", pool=self.pool, ack=True)
        got = [heard.get(timeout=wait_seconds) for _ in range(2)]
        self.assertEqual(got, [0, "end"])

    def test_a_new_epoch_holds_nothing_up_and_leaves_out_who_is_not_named(self) -> None:
        owner = self.found()
        bob, eve = (self.member(owner, name) for name in ("bob", "eve"))
        bob.handle("echo", pool=self.pool)(lambda payload, call: payload)
        keys = owner.pool(self.pool).keys
        mine = bob.pool(self.pool).keys
        kept = keys.rotate([(mine.member_key or b"", "shard")], [mine.writer_key])
        self.assertEqual((keys.epoch, kept.epoch), (2, 2))
        eventually(lambda: mine.ring.certified_until(2))
        self.assertEqual(owner.call("echo", secret, pool=self.pool), secret)
        self.assertEqual(bob.call("echo", secret, pool=self.pool), secret)
        # Who was left out is in while the old epoch has its grace, and gets nothing new.
        self.assertEqual(eve.pool(self.pool).keys.epoch, 1)
        self.fails("INTEGRITY", lambda: eve.call("echo", "old", pool=self.pool))

    def test_a_revoked_writer_is_refused_at_once(self) -> None:
        owner = self.found()
        bob, eve = (self.member(owner, name) for name in ("bob", "eve"))
        bob.handle("echo", pool=self.pool)(lambda payload, call: payload)
        self.assertEqual(eve.call("echo", 1, pool=self.pool), 1)
        owner.pool(self.pool).keys.revoke(eve.pool(self.pool).keys.writer_key)
        self.fails("FORBIDDEN", lambda: eve.call("echo", 2, pool=self.pool))

    def test_a_repeat_by_its_key_is_the_same_call(self) -> None:
        owner = self.found()
        bob = self.member(owner, "bob")
        runs: list[Any] = []
        bob.handle("once", pool=self.pool)(lambda payload, call: [runs.append(payload), len(runs)])
        for _ in range(3):
            got = owner.call("once", secret, pool=self.pool, idempotency_key="k")
            self.assertEqual(got, [None, 1])
        self.fails(
            "IDEMPOTENCY_MISMATCH",
            lambda: owner.call("once", "else", pool=self.pool, idempotency_key="k"),
        )
        self.assertEqual(runs, [secret])

    def test_nothing_leaves_open_once_keys_were_given(self) -> None:
        tap = self.tap()
        owner = self.found()
        ada = self.member(owner, "ada", tap.address)
        ada.pool(self.pool).leave()
        self.fails("NOT_MEMBER", lambda: ada.call("echo", secret, pool=self.pool))
        self.fails("NOT_MEMBER", lambda: ada.emit("log", secret, pool=self.pool, ack=True))
        self.assertNotIn(secret.encode(), tap.seen)
        self.fails("NOT_ENCRYPTED", lambda: ada.pool(self.pool).join())
        eve = self.app("eve")
        self.fails("NOT_ENCRYPTED", lambda: eve.pool(self.pool).join())
        self.fails("NOT_MEMBER", lambda: owner.pool("other").keys.certify(bytes(32)))

    def test_blocks_hold_envelopes_mapped_and_over_the_line(self) -> None:
        for how in ("auto", "off"):
            self.setUp()
            self.blocks(how)

    def blocks(self, how: str) -> None:
        """One writes, mapped or not; another reads over the line."""
        tap = self.tap()
        owner = self.found(map=how)
        bob = self.member(owner, "bob", tap.address, map="off")
        vault = owner.pool(self.pool)
        block = vault.create_block("frame", 100)
        self.assertEqual(block.capacity, 100)
        far = bob.pool(self.pool).attach("frame")
        self.assertEqual(far.read().generation, 0)
        notices: Queue[Any] = Queue()
        far.subscribe(notices.put, data=True)
        for number in range(1, 4):
            content = f"{secret} {number}".encode()
            self.assertEqual(block.write(content, content_type="text"), (number, len(content)))
            notice = notices.get(timeout=wait_seconds)
            self.assertEqual(notice.generation, number)
            self.assertIn(notice.data, (content, None))
            for each in (block, far):
                found = each.read()
                self.assertEqual((found.data, found.generation, found.type), (content, number, 2))
                self.assertEqual(each.read(offset=2, length=6).data, b"secret")
        with far.pin() as pinned:
            self.assertEqual(bytes(pinned.data), content)
        block.write(bytes(100))
        self.fails("OUT_OF_RANGE", lambda: block.write(bytes(101)))
        self.fails("UNAVAILABLE", lambda: block.write(b"x", offset=1))
        self.fails("UNAVAILABLE", lambda: vault.ring("ring", 1 << 12, side="send"))
        self.fails("NOT_ENCRYPTED", lambda: block.notify(secret))
        self.fails("CONFLICT", lambda: block.write(b"x", if_generation=1))
        self.assertNotIn(secret.encode(), tap.seen)
        tap.bend = lambda frame: (
            frame.replace(b"QTE1", b"QTE2") if b"QTE1" in frame else frame
        )
        self.fails("INTEGRITY", far.read)
        tap.bend = lambda frame: frame
        self.assertEqual(far.read().data, bytes(100))
        self.assertIn(b"QTE1", tap.seen)
        owner.close(0)
        bob.close(0)

    def test_a_cut_line_comes_back_with_its_proofs(self) -> None:
        tap = self.tap()
        owner = self.found(tap.address)
        bob = self.member(owner, "bob", tap.address)
        bob.handle("echo", pool=self.pool)(lambda payload, call: payload)
        heard: Queue[Any] = Queue()
        bob.on("log.*", lambda payload, emit: heard.put(payload), pool=self.pool)
        for turn in range(3):
            tap.cut()
            eventually(lambda: bob.state == "ready" and owner.state == "ready")
            got = owner.call("echo", turn, pool=self.pool, wait=wait_seconds, idempotent=True)
            self.assertEqual(got, turn)
            owner.emit("log.a", turn, pool=self.pool, ack=True)
            self.assertEqual(heard.get(timeout=wait_seconds), turn)


if __name__ == "__main__":
    unittest.main()
