"""Frames: cut at every byte, the bytes of the manual, and every message in each form."""

from __future__ import annotations

import random
import re
import unittest

from .places import root

from quartet.errors import PoolsError
from quartet.frames import FrameReader, prefixed
from quartet.messages import (
    Answer,
    Answered,
    Called,
    Cancel,
    Chunk,
    Credit,
    Emit,
    Emitted,
    Outgoing,
    Ping,
    Plain,
    Refused,
    Start,
)
from quartet.payload import Content
from quartet.wire import Form, decode, encode, uuid_of


def framed(text: str) -> bytes:
    """The bytes of hex, without the length in front."""
    data = bytes.fromhex(re.sub(r"\s", "", text))
    (body,) = FrameReader(1 << 20).push(data)
    return body


def as_json(text: str) -> bytes:
    """A frame's body as JSON."""
    return text.encode()


class Cutting(unittest.TestCase):
    """PL1, PL2, PL3: frames on a stream."""

    def test_cut_at_every_byte_the_same_frames_come_out(self) -> None:
        bodies = [b"{}", b"\xb1" + bytes(11), b"x" * 300]
        data = b"".join(map(prefixed, bodies))
        for at in range(len(data) + 1):
            reader = FrameReader(1 << 20)
            self.assertEqual([*reader.push(data[:at]), *reader.push(data[at:])], bodies)
        reader = FrameReader(1 << 20)
        one_by_one = [body for byte in data for body in reader.push(bytes((byte,)))]
        self.assertEqual(one_by_one, bodies)

    def test_a_length_of_nothing_or_too_much_is_refused(self) -> None:
        with self.assertRaises(PoolsError) as refused:
            list(FrameReader(10).push(bytes(4)))
        self.assertEqual(refused.exception.code, "BAD_FRAME")
        with self.assertRaises(PoolsError) as refused:
            list(FrameReader(10).push(b"\0\0\0\x0b"))
        self.assertEqual(refused.exception.code, "TOO_LARGE")

    def test_what_begins_with_no_known_byte_is_refused(self) -> None:
        for body in (b"x", b"\x01{}", b"[]"):
            with self.assertRaises(PoolsError):
                decode(body)


class Manual(unittest.TestCase):
    """PL1, PL25: the bytes that the protocol shows."""

    def test_a_trigger_in_both_forms(self) -> None:
        start = Start(1, "default", "add", {"x": 1}, 30_000)
        wanted = """b1 01 00 01 00 00 00 00 00 00 00 01 00 00 75 30 07 64 65 66 61 75 6c 74 03 61 64 64
            00 00 7b 22 78 22 3a 31 7d"""
        self.assertEqual(encode(start, Form(compact=True)), bytes.fromhex(wanted.replace("\n", "")))
        shown = b'{"type":"trigger","id":"1","trigger":"add","payload":{"x":1},"pool":"default","ttl":30000}'
        self.assertEqual(encode(start, Form()), shown)

    def test_the_frames_of_the_manual_are_framed(self) -> None:
        manual = (root / "docs/protocol/pools.md").read_text()
        shown = re.findall(r"```frame\n(.*?)```", manual, re.DOTALL)
        self.assertGreaterEqual(len(shown), 3)
        for text in shown:
            self.assertIn(framed(text)[0], (0x7B, 0xB1))

    def test_a_call_to_its_handler(self) -> None:
        text = """00 00 00 2b b1 01 00 01 00 00 00 00 00 00 00 09 00 00 75 2e 07 64 65 66 61 75 6c 74 03 61 64
            64 00 06 01 00 03 61 64 61 7b 22 78 22 3a 31 7d"""
        called = decode(framed(text))
        assert isinstance(called, Called)
        self.assertEqual((called.id, called.ttl_ms, called.origin), (9, 29_998, "ada"))
        self.assertEqual(
            (called.pool, called.trigger, called.payload), ("default", "add", {"x": 1})
        )

    def test_an_answer(self) -> None:
        text = "00 00 00 1b b1 02 00 01 00 00 00 00 00 00 00 01 00 00 00 00 00 00 7b 22 73 75 6d 22 3a 32 7d"
        self.assertEqual(decode(framed(text)), Answered(1, {"sum": 2}))

    def test_an_error(self) -> None:
        text = """00 00 00 27 b1 02 00 00 00 00 00 00 00 00 00 01 02 00 00 1e 00 15 0e 00 12 6e 6f 20 68 61 6e
            64 6c 65 72 20 66 6f 72 20 61 64 64"""
        refused = decode(framed(text))
        assert isinstance(refused, Refused)
        self.assertEqual((refused.id, refused.error.code), (1, "NO_HANDLER"))
        self.assertEqual(
            (refused.error.retry, refused.error.message), ("later", "no handler for add")
        )

    def test_an_emit(self) -> None:
        text = """00 00 00 20 b1 03 00 02 00 00 00 00 00 00 00 00 07 64 65 66 61 75 6c 74 07 6c 6f 67 2e 77 65
            62 00 00 68 69"""
        self.assertEqual(decode(framed(text)), Emitted("log.web", "default", "hi", "", 0))

    def test_credit(self) -> None:
        body = framed("00 00 00 10 b1 06 00 00 00 00 00 00 00 00 00 01 00 00 00 10")
        self.assertEqual(decode(body), Credit(1, "caller", 16))
        self.assertEqual(encode(Credit(1, "caller", 16), Form(compact=True)), body)


class Forms(unittest.TestCase):
    """PL4, PL25, PL52: what comes in means the same in JSON and in compact frames."""

    def test_what_apps_send_is_json_with_the_servers_names(self) -> None:
        given = uuid_of(7)
        said: list[tuple[Outgoing, str]] = [
            (
                Answer(7, 3),
                f'{{"type":"response","correlation_id":"{given}","status":"success","result":3}}',
            ),
            (
                Answer(7, error="no", handler_code="E1"),
                f'{{"type":"response","correlation_id":"{given}","status":"error","error":"no","handler_code":"E1"}}',
            ),
            (
                Answer(7, error="busy", is_unavailable=True),
                f'{{"type":"response","correlation_id":"{given}","status":"error","error":"busy",'
                '"error_code":"UNAVAILABLE"}',
            ),
            (
                Chunk(7, "caller", 2, "a"),
                f'{{"type":"chunk","correlation_id":"{given}","to":"caller","seq":2,"payload":"a"}}',
            ),
            (
                Chunk(3, "handler", 0, None, True),
                '{"type":"chunk","correlation_id":"3","to":"handler","seq":0,"last":true}',
            ),
            (
                Credit(3, "handler", 4),
                '{"type":"credit","correlation_id":"3","to":"handler","count":4}',
            ),
            (Cancel(3, "kill"), '{"type":"cancel","correlation_id":"3","mode":"kill"}'),
            (
                Emit(None, "p", "n", b"\0\xff", ("retain", "x-mine")),
                '{"type":"emit","pool":"p","trigger":"n","payload":"AP8=","content_type":"bytes",'
                '"flags":["retain","x-mine"]}',
            ),
        ]
        for message, shown in said:
            self.assertEqual(encode(message, Form()).decode(), shown)

    def test_bytes_go_raw_in_mixed_and_compact_frames(self) -> None:
        every = bytes(range(256))
        emit = Emit(None, "p", "n", every)
        for form in (Form(mixed=True), Form(compact=True)):
            self.assertTrue(encode(emit, form).endswith(every))
        own = encode(Emit(None, "p", "n", Content(200, every)), Form(mixed=True))
        self.assertIn(b'"content_type":"app:200","size":256', own)

    def test_what_is_heard_means_the_same_in_json_and_mixed(self) -> None:
        text = as_json(
            '{"type":"response","correlation_id":"1","status":"success",'
            '"result":"AP8=","content_type":"bytes"}'
        )
        self.assertEqual(decode(text), Answered(1, b"\0\xff"))
        header = b'{"type":"response","correlation_id":"1","status":"success","size":2}'
        self.assertEqual(
            decode(b"\0" + len(header).to_bytes(4, "big") + header + b"\0\xff"),
            Answered(1, b"\0\xff"),
        )

    def test_what_is_not_the_json_its_sender_said_comes_as_bytes(self) -> None:
        frame = bytes.fromhex("b10200010000000000000001000000000000") + b"{no"
        self.assertEqual(decode(frame), Answered(1, b"{no"))

    def test_every_field_of_an_error_is_told(self) -> None:
        refused = decode(
            as_json(
                '{"type":"error","correlation_id":"4","status":"error","error":"s","error_code":"BUSY","field":"/a",'
                '"reason":"r","retry_after_ms":5,"execution_uncertain":true,"detail":{"x":1},"close":"conn"}'
            )
        )
        assert isinstance(refused, Refused)
        error = refused.error
        self.assertEqual((refused.id, refused.close), (4, "conn"))
        self.assertEqual((error.code, error.retry, error.message), ("BUSY", "later", "s"))
        self.assertEqual((error.field, error.reason, error.retry_after_ms), ("/a", "r", 5))
        self.assertEqual(
            (error.execution_uncertain, error.detail, error.handler_code), (True, {"x": 1}, None)
        )

    def test_pings_are_heard_in_both_forms(self) -> None:
        self.assertEqual(decode(as_json('{"type":"ping","id":"a"}')), Ping("a"))
        self.assertEqual(decode(bytes.fromhex("b10900000000000000000005")), Ping(5, True))

    def test_what_cannot_be_spelled_is_refused_where_it_is_written(self) -> None:
        for value in (object(), {"x": float("nan")}, {1, 2}):
            for form in (Form(), Form(compact=True)):
                with self.assertRaises((TypeError, ValueError)):
                    encode(Emit(None, "p", "n", value), form)


class Hostile(unittest.TestCase):
    """PL15: whatever a server sends is a message or a PoolsError."""

    def test_mutated_frames_never_raise_anything_else(self) -> None:
        chance = random.Random(5)
        whole = [
            encode(
                Start(1, "p", "add", {"x": 1}, 30_000, ("stream",), "bob", "a", "k", 5, 16, 9),
                Form(compact=True),
            ),
            bytes.fromhex("b10200000000000000000001020000001e0015") + bytes(30),
            as_json('{"type":"trigger","id":"00000000-0000-4000-8000-000000000001","trigger":"t","flags":[]}'),
            as_json('{"type":"chunk","correlation_id":"1","to":"caller","seq":0,"payload":"a"}'),
            encode(Plain({"type": "handshake_ack"}), Form()),
        ]
        for _ in range(20_000):
            frame = bytearray(chance.choice(whole))
            for _ in range(chance.randrange(4)):
                frame[chance.randrange(len(frame))] = chance.randrange(256)
            body = bytes(frame[: chance.randrange(1, len(frame) + 1)])
            try:
                decode(body)
            except PoolsError:
                pass


if __name__ == "__main__":
    unittest.main()
