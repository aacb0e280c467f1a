"""
Compact frames: twelve bytes that every frame has, then what its kind has.

    b1 06 00 00  00 00 00 00 00 00 00 01  00 00 00 10    credit, call 1, sixteen more

What always holds: a frame is read to its last byte or refused; an unknown extra below 128, or one
that stands there twice, is refused; payloads are copied as they are.
"""

from __future__ import annotations

import struct
from typing import Any, Final
from uuid import UUID

from .blocks_messages import Asked, BlockNotice, BlockRef, Notified, Stored
from .errors import PoolsError, code_of_number
from .messages import (
    Answer,
    Answered,
    Called,
    Cancel,
    Chunk,
    Credit,
    Emit,
    Emitted,
    Incoming,
    Outgoing,
    Ping,
    Plain,
    Refused,
    Start,
)
from .payload import name_of, no_content, packed, unpacked

mark: Final = 0xB1
_head: Final = struct.Struct(">BBBBQ")
_u16: Final = struct.Struct(">H")
_u32: Final = struct.Struct(">I")
_u64: Final = struct.Struct(">Q")
_extra_head: Final = struct.Struct(">BH")
_status: Final = struct.Struct(">BBH")
_memory_head: Final = struct.Struct(">BBHIQI")
_reference: Final = struct.Struct(">16sQQQ")

_trigger, _response, _emit, _memory, _chunk, _credit, _cancel = range(1, 8)
_ping, _pong = 9, 10
_idempotent, _stream, _detach, _exclude_self, _ack, _retain, _last, _to_handler = (
    1 << n for n in range(8)
)
_flag_bits: Final = {
    "idempotent": _idempotent,
    "stream": _stream,
    "detach": _detach,
    "exclude_self": _exclude_self,
    "ack": _ack,
    "retain": _retain,
}
_call_flags: Final = ((_idempotent, "idempotent"), (_stream, "stream"), (_detach, "detach"))
_identities: Final = ("none", "token", "key", "certificate")
_reasons: Final = ("", "caller", "deadline", "lost", "parent")
_modes: Final = ("killnowait", "kill", "skip")
_last_tag: Final = 25
_no_flags: Final[frozenset[str]] = frozenset()


def write(message: Outgoing) -> bytes | None:
    """The frame's body; None where a compact frame cannot say it."""
    if isinstance(message, Start):
        kind, payload = packed(message.payload)
        head = _head.pack(mark, _trigger, _bits(message.flags), kind, message.id)
        names = _u32.pack(min(message.ttl_ms, 0xFFFF_FFFF)) + _text(message.pool) + _text(
            message.trigger
        )
        return head + names + _start_extras(message) + payload
    if isinstance(message, Answer):
        return _write_answer(message)
    if isinstance(message, Emit):
        kind, payload = packed(message.payload)
        head = _head.pack(mark, _emit, _bits(message.flags), kind, message.id or 0)
        extras = _trace(message.traceparent, message.tracestate) + _app_flags(message.flags)
        names = _text(message.pool) + _text(message.trigger)
        return head + names + _u16.pack(len(extras)) + extras + payload
    if isinstance(message, Chunk):
        kind, payload = packed(message.payload)
        bits = _toward(message.toward) | (_last if message.last else 0)
        head = _head.pack(mark, _chunk, bits, kind, message.id)
        return head + _u32.pack(message.seq) + b"\0\0" + payload
    if isinstance(message, Credit):
        return _head.pack(mark, _credit, _toward(message.toward), 0, message.id) + _u32.pack(
            message.count
        )
    if isinstance(message, Cancel):
        mode = _modes.index(message.mode)
        return _head.pack(mark, _cancel, 0, 0, message.id) + bytes((mode, 0))
    assert isinstance(message, (Asked, Plain))
    return None


def pong(id: int) -> bytes:
    """The answer to a compact ping."""
    return _head.pack(mark, _pong, 0, 0, id)


def read(body: bytes) -> Incoming | None:
    """What the server says; None for a pong. Raises PoolsError BAD_MESSAGE for a wrong layout."""
    try:
        return _read(body)
    except (struct.error, IndexError, UnicodeDecodeError):
        raise PoolsError("BAD_MESSAGE", "a compact frame ends too early or holds no text") from None


def _read(body: bytes) -> Incoming | None:
    _, kind, flags, content, id = _head.unpack_from(body)
    at = _head.size
    if kind == _response:
        return _read_response(body, content, id)
    if kind == _trigger:
        return _read_call(body, (flags, content), id)
    if kind == _emit:
        pool, at = _read_text(body, at)
        name, at = _read_text(body, at)
        extras, at = _extras(body, at)
        return Emitted(
            name,
            pool,
            unpacked(content, body[at:]),
            extras.get(1, b"").decode(),
            _whole(extras.get(21)),
            _whole(extras.get(20)),
            23 in extras,
        )
    if kind == _chunk:
        (seq,) = _u32.unpack_from(body, at)
        _, at = _extras(body, at + 4)
        toward = "handler" if flags & _to_handler else "caller"
        return Chunk(id, toward, seq, unpacked(content, body[at:]), bool(flags & _last))
    if kind == _credit:
        (count,) = _u32.unpack_from(body, at)
        return Credit(id, "handler" if flags & _to_handler else "caller", count)
    if kind == _cancel:
        return Cancel(id, _modes[body[at]], _reasons[body[at + 1]])
    if kind == _memory:
        return _read_notice(body, content)
    if kind == _ping:
        return Ping(id, is_compact=True)
    if kind == _pong:
        return None
    raise PoolsError("BAD_MESSAGE", f"there are no compact frames of kind {kind}")


def _read_call(body: bytes, head: tuple[int, int], id: int) -> Called:
    bits, content = head
    (ttl,) = _u32.unpack_from(body, _head.size)
    pool, at = _read_text(body, _head.size + 4)
    name, at = _read_text(body, at)
    extras, at = _extras(body, at)
    flags = frozenset(word for bit, word in _call_flags if bits & bit) if bits else _no_flags
    if 25 in extras:
        flags |= frozenset(extras[25].decode().split(","))
    return Called(
        id,
        pool,
        name,
        unpacked(content, body[at:]),
        extras.get(1, b"").decode(),
        ttl,
        flags,
        _whole(extras[8]) if 8 in extras else None,
        _whole(extras.get(10)) or 1,
        _identities[_whole(extras.get(11))],
        _read_trace(extras[5]) if 5 in extras else None,
        extras[6].decode() if 6 in extras else None,
        extras.get(13),
        block=_read_reference(extras[12]) if 12 in extras else None,
    )


def _read_response(body: bytes, content: int, id: int) -> Answered | Refused:
    status, _, number = _status.unpack_from(body, _head.size)
    extras, at = _extras(body, _head.size + 4)
    if status == 0 and 18 in extras:
        return Answered(id, Stored(content, body[at:], _whole(extras[18])))
    if status == 0:
        return Answered(id, unpacked(content, body[at:]), 24 in extras)
    error = PoolsError(
        code_of_number.get(number, f"ERROR_{number}"),
        extras.get(14, b"").decode(errors="replace"),
        retry_after_ms=_whole(extras[16]) if 16 in extras else None,
        execution_uncertain=17 in extras,
        handler_code=extras[15].decode(errors="replace") if 15 in extras else None,
    )
    return Refused(id, error)


def _write_answer(answer: Answer) -> bytes:
    if answer.error is None:
        kind, payload = packed(answer.result)
        extras = b"" if answer.block is None else _written_reference(answer.block)
        head = _head.pack(mark, _response, 0, kind, answer.id) + b"\0\0\0\0"
        return head + _u16.pack(len(extras)) + extras + payload
    extras = _extra(14, answer.error.encode(errors="replace"))
    if answer.handler_code is not None:
        extras += _extra(15, answer.handler_code.encode())
    number = 37 if answer.is_unavailable else 32
    head = _head.pack(mark, _response, 0, no_content, answer.id)
    return head + _status.pack(1, 0, number) + _u16.pack(len(extras)) + extras


def _read_notice(body: bytes, content: int) -> Notified:
    _, _, _, attachment, _, length = _memory_head.unpack_from(body, _head.size)
    extras, at = _extras(body, _head.size + _memory_head.size)
    writer = extras.get(1, b"").decode()
    counts = (_whole(extras.get(18)), length, writer, _whole(extras.get(20)))
    if content == no_content:
        return Notified(attachment, BlockNotice(*counts))
    return Notified(attachment, BlockNotice(*counts, body[at:], name_of(content)))


def _written_reference(ref: BlockRef) -> bytes:
    uuid = bytes.fromhex(ref.block.replace("-", ""))
    return _extra(12, _reference.pack(uuid, ref.generation, ref.offset, ref.length))


def _read_reference(value: bytes) -> BlockRef:
    uuid, generation, offset, length = _reference.unpack(value)
    return BlockRef(str(UUID(bytes=uuid)), generation, offset, length)


def _start_extras(start: Start) -> bytes:
    extras = _trace(start.traceparent, start.tracestate) + _app_flags(start.flags)
    if start.destination is not None:
        extras += _extra(2, start.destination.encode())
    if start.affinity is not None:
        extras += _extra(3, start.affinity.encode())
    if start.idempotency_key is not None:
        extras += _extra(4, start.idempotency_key.encode())
    if start.parent is not None:
        extras += _extra(7, _u64.pack(start.parent))
    if start.credit is not None:
        extras += _extra(8, _u16.pack(start.credit))
    if start.wait_ms > 0:
        extras += _extra(9, _u32.pack(start.wait_ms))
    if start.block is not None:
        extras += _written_reference(start.block)
    if start.talk is not None:
        extras += _extra(13, start.talk.nonce)
    return _u16.pack(len(extras)) + extras


def _extra(tag: int, value: bytes) -> bytes:
    return _extra_head.pack(tag, len(value)) + value


def _extras(body: bytes, at: int) -> tuple[dict[int, bytes], int]:
    """By tag, and where they end."""
    (length,) = _u16.unpack_from(body, at)
    at += 2
    end = at + length
    found: dict[int, bytes] = {}
    while at < end:
        tag, size = _extra_head.unpack_from(body, at)
        at += _extra_head.size + size
        if tag in found or _last_tag < tag < 128:
            raise PoolsError("BAD_MESSAGE", f"extra {tag} stands there twice or is unknown")
        found[tag] = body[at - size : at]
    if at != end or end > len(body):
        raise PoolsError("BAD_MESSAGE", "an extra is longer than the extras")
    return found, end


def _text(text: str) -> bytes:
    encoded = text.encode()
    if len(encoded) > 255:
        raise PoolsError("BAD_MESSAGE", "a name has at most 255 bytes")
    return bytes((len(encoded),)) + encoded


def _read_text(body: bytes, at: int) -> tuple[str, int]:
    end = at + 1 + body[at]
    if end > len(body):
        raise PoolsError("BAD_MESSAGE", "a compact frame ends too early")
    return body[at + 1 : end].decode(), end


def _whole(value: bytes | None) -> int:
    return 0 if value is None else int.from_bytes(value, "big")


def _bits(flags: tuple[str, ...]) -> int:
    return sum(_flag_bits.get(flag, 0) for flag in flags)


def _app_flags(flags: tuple[str, ...]) -> bytes:
    ours = ",".join(flag for flag in flags if flag.startswith("x-"))
    return _extra(25, ours.encode()) if ours else b""


def _toward(toward: str) -> int:
    return _to_handler if toward == "handler" else 0


def _trace(traceparent: str | None, tracestate: str | None) -> bytes:
    written = b"" if traceparent is None else _extra(5, bytes.fromhex(traceparent.replace("-", "")))
    return written if tracestate is None else written + _extra(6, tracestate.encode())


def _read_trace(value: bytes) -> str:
    digits: Any = value.hex()
    return "-".join((digits[:2], digits[2:34], digits[34:50], digits[50:]))
