"""Blocks of shared memory against a real server: mapped and over the socket, the same bodies."""

from __future__ import annotations

import asyncio
import hashlib
import os
import shutil
import signal
import tempfile
import unittest
import zlib
from collections.abc import Callable
from queue import Queue
from typing import Any

from .places import RealServer, eventually, serve, wait_seconds

import quartet
from quartet import layout
from quartet.blocks_map import is_near, mapped
from quartet.blocks_slots import Part
from quartet.proof import encode64

maps = layout.can_map and os.path.isdir("/dev/shm")


class Bodies(unittest.TestCase):
    """PL97 to PL113 and PL121: what holds whichever way a block is reached."""

    map: Any = "auto"
    via = "map"
    server: RealServer

    def setUp(self) -> None:
        self.apps: dict[str, quartet.App] = {}

    @classmethod
    def setUpClass(cls) -> None:
        cls.server = serve(cls)

    def app(self, name: str, **options: Any) -> quartet.App:
        app = quartet.connect(self.server.unix, app=name, **{"map": self.map, **options})
        self.addCleanup(app.close, 0)
        self.apps[name] = app
        return app

    def again(self, write: Callable[[], quartet.Written]) -> quartet.Written:
        """What is under way when a connection is cut may fail: then it is done once more."""
        try:
            return write()
        except quartet.PoolsError as error:
            self.assertEqual(error.code, "CONNECTION_LOST")
            return write()

    def pools(self, *names: str) -> list[quartet.Pool]:
        return [self.app(name).pool("default") for name in names or ("ada", "bob")]

    def pair(self, size: int = 100, **choices: Any) -> tuple[quartet.Block, quartet.Block]:
        """A block of its own to write, and to read."""
        ada, bob = self.pools()
        writer = ada.create_block(self.id(), size, **choices)
        return writer, bob.attach(self.id())

    def refuses(self, code: str) -> Any:
        test = self

        class Refuses:
            def __enter__(self) -> None:
                pass

            def __exit__(self, _: object, error: object, __: object) -> bool:
                test.assertIsInstance(error, quartet.PoolsError, f"no {code}")
                assert isinstance(error, quartet.PoolsError)
                test.assertEqual(error.code, code, str(error))
                return True

        return Refuses()

    def test_a_read_gives_what_was_written_last(self) -> None:
        writer, reader = self.pair()
        self.assertEqual((writer.via, reader.via, reader.capacity), (self.via, self.via, 100))
        self.assertEqual(reader.read()[:2], (b"", 0))
        self.assertEqual(writer.write(b"hello"), (1, 5))
        self.assertEqual(reader.read()[:2], (b"hello", 1))
        self.assertEqual(writer.write(b"\xff\0", content_type="app:200"), (2, 2))
        found = reader.read()
        self.assertEqual(found[:2], (b"\xff\0", 2))
        self.assertEqual(found.content_type, "app:200")
        self.assertEqual(reader.read(generation=1).data, b"hello")
        self.assertEqual(reader.read(offset=1, length=3, generation=1)[:2], (b"ell", 1))
        for _ in range(4):
            writer.write(b"x")
        with self.refuses("GENERATION_GONE"):
            reader.read(generation=1)
        with self.refuses("FORBIDDEN"):
            reader.write(b"x")
        with self.refuses("OUT_OF_RANGE"):
            reader.read(offset=90, length=20)
        with self.refuses("OUT_OF_RANGE"):
            writer.write(bytes(101))
        with self.refuses("NO_BLOCK"):
            self.pools("eve")[0].attach("nowhere")

    def test_a_patch_keeps_what_it_does_not_touch(self) -> None:
        writer, reader = self.pair()
        writer.write(b"hello", content_type="text")
        writer.write(b"J", offset=0)
        self.assertEqual((reader.read().data, reader.read().content_type), (b"Jello", "text"))
        self.assertEqual(writer.write(b"!", offset=7), (3, 8))
        self.assertEqual(reader.read().data, b"Jello\0\0!")
        writer.write(memoryview(b"short")[1:])
        self.assertEqual(reader.read().data, b"hort")

    def test_a_write_onto_another_generation_is_refused(self) -> None:
        writer, reader = self.pair()
        writer.write(b"a", if_generation=0)
        with self.refuses("CONFLICT"):
            writer.write(b"b", if_generation=0)
        writer.write(b"b", if_generation=1)
        self.assertEqual(reader.read()[:2], (b"b", 2))

    def test_one_writes_and_many_take_turns(self) -> None:
        writer, _ = self.pair()
        writer.write(b"a")
        (eve,) = self.pools("eve")
        with self.refuses("WRITER_EXISTS"):
            eve.attach(self.id(), mode="write")
        many = self.pools("ada2")[0].create_block(self.id() + "many", 100, writers="many")
        other = eve.attach(self.id() + "many", mode="write")
        wrote = [each.write(b"%d" % at)[0] for at, each in enumerate((many, other, many), 1)]
        self.assertEqual(wrote, [1, 2, 3])
        self.assertEqual(other.read().data, b"3")
        many.destroy()

    def test_a_lock_is_waited_for_and_its_fence_shown(self) -> None:
        writer, reader = self.pair(lock="required")
        with self.refuses("LOCK_LOST"):
            writer.write(b"x")
        with writer.lock("exclusive") as lock:
            writer.write(b"mine")
            writer.write(b"mine", fence=lock.fence)
            with self.refuses("LOCKED"):
                reader.lock("read", timeout=0.05)
        with reader.lock("read") as other:
            self.assertGreater(other.fence, lock.fence)
        with self.refuses("LOCK_LOST"):
            writer.write(b"late", fence=lock.fence)
        with self.refuses("LOCK_LOST"):
            writer.write(b"late")
        self.assertEqual(reader.read().data, b"mine")

    def test_subscribers_hear_of_the_newest(self) -> None:
        writer, reader = self.pair()
        heard: Queue[quartet.BlockNotice] = Queue()
        undo = reader.subscribe(heard.put, data=True)
        writer.write(b"one")
        first = heard.get(timeout=wait_seconds)
        self.assertEqual((first.generation, first.length, first.writer), (1, 3, "ada"))
        self.assertEqual((first.data, first.content_type, first.lost), (b"one", "bytes", 0))
        for number in range(10):
            writer.write(b"%d" % number)
        told = first.generation
        while told < 11:
            notice = heard.get(timeout=wait_seconds)
            self.assertEqual(notice.generation, told + notice.lost + 1)
            told = notice.generation
        writer.notify({"hello": 1})
        self.assertEqual(heard.get(timeout=wait_seconds).payload, {"hello": 1})
        undo()
        writer.write(b"unheard")
        self.assertTrue(heard.empty())

    def test_a_pinned_generation_stays(self) -> None:
        writer, reader = self.pair()
        writer.write(b"still")
        pinned = reader.pin()
        for number in range(9):
            writer.write(b"%d" % number)
        self.assertEqual((bytes(pinned.data), pinned.generation), (b"still", 1))
        others: list[quartet.Pinned] = []
        for name in ("eve", "carol"):
            writer.write(name.encode())
            others.append(self.pools(name)[0].attach(self.id()).pin())
        writer.write(b"the last free slot")
        with self.refuses("PINNED"):
            writer.write(b"no slot is free")
        self.assertEqual([bytes(each.data) for each in others], [b"eve", b"carol"])
        pinned.release()
        self.assertEqual(writer.write(b"now").length, 3)
        for each in others:
            each.release()

    def test_a_sealed_block_never_changes(self) -> None:
        writer, reader = self.pair()
        writer.write(b"for ever")
        before = reader.read().generation
        generation, digest = writer.seal()
        self.assertGreater(generation, before)
        found = hashlib.sha256(b"for ever").digest()
        self.assertEqual(encode64(found), digest)
        with self.refuses("BLOCK_SEALED"):
            writer.write(b"x")
        self.assertEqual(reader.read()[:2], (b"for ever", generation))
        with reader.pin() as pinned:
            self.assertEqual(bytes(pinned.data), b"for ever")
            with self.assertRaises(TypeError):
                pinned.data[0] = 0

    def test_a_block_is_filled_and_then_sealed(self) -> None:
        ada, bob = self.pools()
        block = ada.create_block(self.id(), 10_000, filling=True)
        with self.refuses("FORBIDDEN"):
            bob.attach(self.id())
        block.write(b"a" * 5_000)
        block.write(b"b" * 1_000, offset=5_000)
        generation, _ = block.seal()
        found = bob.attach(self.id()).read()
        self.assertEqual(found[:2], (b"a" * 5_000 + b"b" * 1_000, generation))

    def test_a_block_that_is_gone_is_gone_and_one_made_again_is_found(self) -> None:
        writer, reader = self.pair()
        writer.write(b"old")
        writer.destroy()
        with self.refuses("NO_BLOCK"):
            reader.read()
        again = self.pools("carol")[0].create_block(self.id(), 100)
        again.write(b"new")
        self.assertEqual(reader.read().data, b"new")
        again.destroy()

    def test_who_is_overruled_does_not_write_and_all_move_over(self) -> None:
        """PL102: the app's connection is cut while it may be writing: it gets another file."""
        writer, reader = self.pair()
        writer.write(b"first")
        link = self.apps["ada"]._engine.runner._link  # type: ignore[reportPrivateUsage]
        assert link is not None
        link.close()
        self.assertGreater(self.again(lambda: writer.write(b"second")).generation, 1)
        self.assertEqual(reader.read().data, b"second")
        self.assertEqual((writer.via, reader.via), (self.via, self.via))

    def test_a_reference_is_the_payload(self) -> None:
        ada, bob = self.app("ada"), self.app("bob")
        block = ada.pool("default").create_block(self.id(), 100)
        seen = bob.pool("default").attach(self.id())
        self.assertEqual(seen.via, self.via)
        bob.handle("length")(lambda payload, call: [len(payload), payload.decode()])
        bob.handle("give")(lambda payload, call: seen.ref())
        block.write(b"hello")
        self.assertEqual(ada.call("length", block.ref()), [5, "hello"])
        self.assertEqual(ada.call("length", block.ref(offset=1, length=3)), [3, "ell"])
        self.assertEqual(ada.call("give"), b"hello")

    def test_a_ring_brings_every_record_in_order(self) -> None:
        ada, bob = self.pools()
        producer = ada.ring(self.id(), 4096, side="send")
        first = bob.ring(self.id(), 4096)
        second = self.pools("eve")[0].ring(self.id(), 4096)
        self.assertEqual((producer.via, first.via), (self.via, self.via))
        sent = [bytes([number % 256]) * (number * 37 % 500) for number in range(300)]
        taken: list[list[bytes]] = [[], []]
        lost = 0
        for data in sent:
            producer.send(data, content_type="app:130")
            for box, consumer in zip(taken, (first, second), strict=True):
                record = consumer.next()
                assert record is not None
                box.append(record.data)
                lost += record.lost
                self.assertEqual(record.content_type, "app:130")
        self.assertEqual((taken, lost), ([sent, sent], 0))
        self.assertIsNone(first.next())
        with self.refuses("RING_FULL"):
            for _ in range(9):
                producer.send(bytes(512))
        with self.refuses("OUT_OF_RANGE"):
            producer.send(bytes(513))
        self.assertEqual(len(list(first.receive(timeout=0.2))), 7)
        producer.destroy()

    def test_a_ring_that_overwrites_tells_what_was_lost(self) -> None:
        ada, bob = self.pools()
        producer = ada.ring(self.id(), 4096, side="send", ring="overwrite")
        consumer = bob.ring(self.id(), 4096, ring="overwrite")
        producer.send(b"0")
        record = consumer.next()
        assert record is not None
        for number in range(1, 400):
            producer.send(b"%d" % number * 20)
        self.assertIsNone(consumer.next())
        producer.send(b"400")
        record = consumer.next()
        assert record is not None
        self.assertEqual((record.data, record.number, record.lost), (b"400", 400, 399))
        producer.destroy()

    def test_two_parts_of_an_app_share_an_attachment(self) -> None:
        writer, reader = self.pair()
        app = self.app("carol")
        first, second = app.pool("default").attach(self.id()), app.pool("default").attach(self.id())
        first.detach()
        first.detach()
        writer.write(b"x")
        self.assertEqual(second.read().data, b"x")
        second.detach()
        self.assertEqual(reader.read().data, b"x")


@unittest.skipUnless(maps, "blocks are mapped on Linux only")
class OverTheMapping(Bodies):
    """PL97: the server's memory is this machine's."""

    def test_what_only_reads_maps_it_for_reading(self) -> None:
        ada = self.app("ada")
        block = ada.pool("default").create_block(self.id(), 100, checksum=True)
        block.write(b"sum")
        reader = self.pools("bob")[0].attach(self.id())
        slots = reader._at.settled()  # type: ignore[reportPrivateUsage]
        assert slots is not None
        self.assertTrue(slots.mapped.view.readonly)
        found = slots.read(Part(), "always")
        self.assertEqual(found[0], b"sum")
        record = slots.mapped.words[layout.records + layout.record_words + 4]
        self.assertEqual(record, zlib.crc32(b"sum"))
        block.destroy()

    def test_nobody_is_asked_while_nobody_listens(self) -> None:
        """PL109: with the server standing still, a block is written and read."""
        writer, reader = self.pair()
        writer.write(b"first")
        reader.read()
        process = self.server._process  # type: ignore[reportPrivateUsage]
        assert process is not None
        process.send_signal(signal.SIGSTOP)
        try:
            for number in range(100):
                writer.write(b"%d" % number)
                self.assertEqual(reader.read().data, b"%d" % number)
        finally:
            process.send_signal(signal.SIGCONT)

    def test_a_file_that_is_not_the_block_is_not_mapped(self) -> None:
        self.assertFalse(is_near({"dir": "/nowhere", "probe": "AAAA"}))
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "b")
            with open(path, "wb") as file:
                file.write(bytes(8192))
            told = {"path": path, "file_bytes": 8192, "uuid": "0" * 32}
            for wrong in (told, told | {"file_bytes": 4096}, told | {"path": 1}):
                with self.assertRaises(ValueError):
                    mapped(wrong, writes=False)
            os.symlink(path, path + "l")
            with self.assertRaises(OSError):
                mapped(told | {"path": path + "l"}, writes=False)


class OverTheSocket(Bodies):
    """PL121: the same without mapping."""

    map = "off"
    via = "socket"


class Returning(unittest.TestCase):
    """PL141: attachments and what they follow hold again, without the program's doing."""

    def test_a_durable_block_is_there_again(self) -> None:
        folder = tempfile.mkdtemp(prefix="quartet-blocks-")
        self.addCleanup(shutil.rmtree, folder, True)
        settings = {"DATA_DIR": folder, "SQLITE_URI": os.path.join(folder, "quartet.db")}
        server = RealServer(settings=settings)
        self.addCleanup(server.stop)
        ada = quartet.connect(server.unix, app="ada")
        bob = quartet.connect(server.unix, app="bob", map="off")
        self.addCleanup(ada.close, 0)
        self.addCleanup(bob.close, 0)
        writer = ada.pool("default").create_block("kept", 100, durable=True)
        reader = bob.pool("default").attach("kept")
        heard: Queue[quartet.BlockNotice] = Queue()
        reader.subscribe(heard.put)
        lock = writer.lock("write")
        before = writer.write(b"kept").generation
        process = server._process  # type: ignore[reportPrivateUsage]
        assert process is not None
        process.send_signal(signal.SIGTERM)
        process.wait(wait_seconds)
        server.start()
        found = reader.read()
        self.assertEqual(found.data, b"kept")
        self.assertGreater(found.generation, before)
        self.assertIsNotNone(lock.error)
        with self.assertRaisesRegex(quartet.PoolsError, "LOCK_LOST"):
            lock.unlock()
        self.assertEqual(writer.write(b"more").generation, found.generation + 1)
        eventually(lambda: heard.get(timeout=wait_seconds).generation == found.generation + 1)


class Awaited(unittest.IsolatedAsyncioTestCase):
    """The same names, awaited."""

    async def test_blocks_and_rings_of_a_program_of_coroutines(self) -> None:
        server = serve(self)
        hows: tuple[Any, ...] = ("auto", "off")
        for how in hows:
            async with (
                await quartet.aio.connect(server.unix, app="ada") as ada,
                await quartet.aio.connect(server.unix, app="bob", map=how) as bob,
            ):
                await self.together(ada.pool("default"), bob.pool("default"), how)

    async def together(self, ada: Any, bob: Any, how: str) -> None:
        writer = await ada.create_block("b", 100)
        reader = await bob.attach("b")
        self.assertEqual(reader.via, "map" if how == "auto" and maps else "socket")
        heard: asyncio.Queue[quartet.BlockNotice] = asyncio.Queue()
        undo = await reader.subscribe(heard.put)
        await writer.write(b"hello")
        async with asyncio.timeout(wait_seconds):
            self.assertEqual((await heard.get()).generation, 1)
        await undo()
        self.assertEqual((await reader.read()).data, b"hello")
        async with writer.lock("write") as lock:
            await writer.write(b"locked", fence=lock.fence)
        await (await reader.lock("read")).unlock()
        async with await reader.pin() as pinned:
            self.assertEqual(bytes(pinned.data), b"locked")
        with self.assertRaisesRegex(quartet.PoolsError, "CONFLICT"):
            await writer.write(b"x", if_generation=1)
        self.assertEqual((await writer.ref()).generation, 2)
        await writer.seal()
        self.assertEqual((await reader.read()).data, b"locked")
        producer = await ada.ring("r", 4096, side="send")
        consumer = await bob.ring("r", 4096)
        for number in range(5):
            await producer.send(b"%d" % number)
        taken = [record.data async for record in consumer.receive(timeout=0.2)]
        self.assertEqual(taken, [b"0", b"1", b"2", b"3", b"4"])
        await producer.destroy()
        await writer.destroy()


del Bodies

if __name__ == "__main__":
    unittest.main()
