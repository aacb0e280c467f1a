"""Encrypted pools in coroutines, over returns, and piece by piece without a server."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import tempfile
import unittest
from typing import Any

from .places import RealServer, root, serve, wait_seconds
from .tap import Tap
from .test_sealed import flipped, has_cryptography, lent, secret

import quartet
from quartet import Keyring, PoolKeys, aio
from quartet.messages import Called, Start
from quartet.sealed import Seals, Talk, inside


@unittest.skipUnless(has_cryptography, "the package cryptography is missing")
class Coroutines(unittest.IsolatedAsyncioTestCase):
    """The same, awaited."""

    @classmethod
    def setUpClass(cls) -> None:
        cls.server = serve(cls)

    async def app(self, name: str, address: str = "") -> aio.App:
        app = await aio.connect(address or self.server.unix, app=name)
        self.addAsyncCleanup(app.close, 0)
        return app

    async def test_all_of_it_awaited(self) -> None:
        tap = Tap(self.server.socket)
        self.addCleanup(tap.close)
        owner, bob = await self.app("owner"), await self.app("bob", tap.address)
        vault = owner.pool("vault")
        made = Keyring.create()
        await vault.create(encrypted=made)
        await vault.join(made[1])
        ring = Keyring(PoolKeys.of(vault.keys.lend("shard")))
        await vault.keys.certify(ring.writer_key)
        await bob.pool("vault").join(ring)

        async def count(most: int, call: aio.Call) -> Any:
            for number in range(most):
                yield [secret, number]

        async def total(payload: Any, call: aio.Call) -> Any:
            return [payload, sum([each async for each in call.input])]

        async def fail(payload: Any, call: aio.Call) -> None:
            raise ValueError(payload)

        for name, work in (("count", count), ("total", total), ("fail", fail)):
            await bob.handle(name, work, pool="vault")
        heard: asyncio.Queue[Any] = asyncio.Queue()
        await bob.on("log.>", lambda payload, emit: heard.put_nowait(payload), pool="vault")
        stream = owner.stream("count", 30, credit=4, pool="vault")
        self.assertEqual([part async for part in stream], [[secret, n] for n in range(30)])
        got = await owner.call("total", secret, input=range(20), pool="vault")
        self.assertEqual(got, [secret, 190])
        with self.assertRaises(quartet.PoolsError) as failed:
            await owner.call("fail", secret, pool="vault")
        self.assertEqual(failed.exception.message, "the handler failed")
        await owner.emit("log.a.b", secret, pool="vault", ack=True)
        self.assertEqual(await asyncio.wait_for(heard.get(), wait_seconds), secret)
        await vault.keys.rotate([(ring.member_key or b"", "shard")], [ring.writer_key])
        self.assertEqual(await owner.call("total", secret, pool="vault"), [secret, 0])
        await asyncio.to_thread(tap.cut)
        again = await owner.call("total", secret, pool="vault", wait=wait_seconds, idempotent=True)
        self.assertEqual(again, [secret, 0])
        tap.bend = flipped
        # What bob cannot open it does not answer as if it could.
        with self.assertRaises(quartet.PoolsError) as failed:
            await owner.call("total", secret, pool="vault")
        self.assertEqual(failed.exception.handler_code, "INTEGRITY")
        tap.bend = lambda frame: frame
        await vault.keys.revoke(ring.writer_key)
        with self.assertRaises(quartet.PoolsError) as failed:
            await bob.call("total", secret, pool="vault")
        self.assertEqual(failed.exception.code, "FORBIDDEN")
        self.assertNotIn(secret.encode(), tap.seen)


@unittest.skipUnless(has_cryptography, "the package cryptography is missing")
class Returning(unittest.TestCase):
    """PL141: a server that was killed, with its store."""

    def test_all_holds_again_after_the_server_was_killed(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        server = RealServer(settings={"SQLITE_URI": os.path.join(folder.name, "pools.db")})
        self.addCleanup(server.stop)
        owner = quartet.connect(server.unix, app="owner")
        self.addCleanup(owner.close, 0)
        bob = quartet.connect(server.unix, app="bob")
        self.addCleanup(bob.close, 0)
        made = Keyring.create()
        owner.pool("vault").create(encrypted=made)
        owner.pool("vault").join(made[1])
        ring = lent(owner, "vault", "shard")
        bob.pool("vault").join(ring)
        bob.handle("echo", pool="vault")(lambda payload, call: payload)
        server.kill()
        server.start()
        got = owner.call("echo", secret, pool="vault", wait=wait_seconds, idempotent=True)
        self.assertEqual(got, secret)
        # A program that comes back with what it keeps, and nothing else.
        kept = bob.pool("vault").keys.kept
        bob.close(0)
        again = quartet.connect(server.unix, app="bob")
        self.addCleanup(again.close, 0)
        again.pool("vault").join(kept)
        again.handle("echo", pool="vault")(lambda payload, call: payload)
        self.assertEqual(owner.call("echo", secret, pool="vault", wait=wait_seconds), secret)


@unittest.skipUnless(has_cryptography, "the package cryptography is missing")
class Parts(unittest.TestCase):
    """PL126: the chunks of one call."""

    def test_parts_come_in_their_order_over_salts(self) -> None:
        record, keys = Keyring.create()
        ring = Keyring(keys)
        ring.take(record)
        ring.add_certificate(ring.certify())
        nonce = bytes(range(16))

        def said() -> list[bytes]:
            return [ring.seal("chunk-to-caller", "tail", inside(n), nonce) for n in range(3)]

        first = said()
        ring.renew()
        second = said()
        talk = Talk(ring, "tail", nonce)

        def part(envelope: Any) -> Any:
            return talk.part("chunk-to-caller", envelope)

        def refuses(envelope: Any) -> None:
            with self.assertRaisesRegex(quartet.PoolsError, "INTEGRITY"):
                part(envelope)

        self.assertEqual(part(first[0]), 0)
        self.assertEqual(part(first[2]), 2)
        refuses(first[1])
        refuses(first[2])
        self.assertEqual(part(second[0]), 0)
        refuses(first[1])
        self.assertEqual(part(second[1]), 1)
        refuses("open")
        refuses(ring.seal("response", "tail", inside(1), nonce))
        refuses(ring.seal("chunk-to-caller", "other", inside(1), nonce))
        refuses(ring.seal("chunk-to-caller", "tail", inside(1), bytes(16)))


@unittest.skipUnless(has_cryptography, "the package cryptography is missing")
class Epochs(unittest.TestCase):
    """PL129: a rotation holds nothing up."""

    def test_a_writer_seals_for_the_old_epoch_until_it_may_write_in_the_new_one(self) -> None:
        clock = [1_700_000_000_000]
        record, keys = Keyring.create(now=lambda: clock[0])
        owner = Keyring(keys, now=lambda: clock[0])
        owner.take(record)
        lent_keys = PoolKeys.of(owner.lend("shard"))
        rings = [Keyring(lent_keys, now=lambda: clock[0]) for _ in range(2)]
        certified, late = rings
        certificate = owner.certify(late.writer_key)
        rotated, _ = owner.rotate([(late.member_key or b"", "shard")])
        owner.take(rotated)
        for ring in rings:
            ring.take(record)
            ring.add_certificate(certificate)
            ring.take(rotated)

        def epochs() -> list[int]:
            sealed = [ring.seal("emit", "log", inside(1)) for ring in rings]
            return [int.from_bytes(envelope[36:40], "big") for envelope in sealed]

        self.assertEqual(epochs(), [1, 1])
        certified.add_certificate(owner.certify(late.writer_key))
        self.assertEqual(epochs(), [2, 1])
        clock[0] += 60_000 + 60_000  # The grace, and the tolerance.
        self.assertEqual(epochs(), [2, 2])


@unittest.skipUnless(has_cryptography, "the package cryptography is missing")
class Open(unittest.TestCase):
    """PL125: what comes open where it must not, from a server that lets it through."""

    def test_nothing_open_is_taken_for_sealed(self) -> None:
        record, keys = Keyring.create()
        ring = Keyring(keys)
        ring.take(record)
        seals = Seals()
        seals.put("vault", ring)
        seals.offer("vault", "hello", plain=True)

        def called(name: str, nonce: bytes | None, pool: str = "vault") -> Called:
            common = ("eve", 1_000, frozenset[str](), None, 1, "none", None, None)
            return Called(1, pool, name, {"x": 1}, *common, nonce=nonce)

        for name, nonce in (("add", None), ("add", bytes(16)), ("add", b""), ("hello", bytes(16))):
            with self.assertRaisesRegex(quartet.PoolsError, "INTEGRITY"):
                seals.call(called(name, nonce))
        for name, pool in (("hello", "vault"), ("add", "default")):
            open_call = called(name, None, pool)
            seals.call(open_call)
            self.assertEqual((open_call.payload, open_call.talk), ({"x": 1}, None))
        with self.assertRaisesRegex(quartet.PoolsError, "INTEGRITY"):
            seals.emitted(quartet.Emitted("log", "vault", {"x": 1}, "eve", 1))
        start = Start(1, "vault", "add", secret, 1_000)
        seals.seal(start)
        self.assertIn(b"QTE1", start.payload)
        with self.assertRaisesRegex(quartet.PoolsError, "INTEGRITY"):
            seals.answered(start, secret)


class Without(unittest.TestCase):
    """PL124: where the package `cryptography` is missing."""

    def test_it_is_said_once_and_all_else_works(self) -> None:
        server = serve(self)
        program = f"""
import sys
sys.modules["cryptography"] = None
import quartet
key = bytes(32)
with quartet.connect({server.unix!r}, app="ada") as app:
    try:
        app.pool("vault").join(quartet.PoolKeys(key[:16], key, 1, "shard", key, key))
    except RuntimeError as error:
        print(error)
    app.handle("echo")(lambda payload, call: payload)
    print(app.call("echo", 1))
"""
        environment = {**os.environ, "PYTHONPATH": str(root / "python")}
        done = subprocess.run(
            [sys.executable, "-c", program], env=environment, capture_output=True, text=True
        )
        needs = "encrypted pools need the package cryptography: pip install 'quartet[keys]'"
        self.assertEqual(done.stdout.splitlines(), [needs, "1"], done.stderr)


if __name__ == "__main__":
    unittest.main()
