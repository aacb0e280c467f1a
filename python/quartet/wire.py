"""
Messages of pools to frames' bodies and back: JSON, mixed and compact are one protocol.

What always holds: compact and mixed frames are written only where the server agreed to them; a
message means the same in each form. An id of our own is digits in JSON and their number in a
compact frame; one that the server gave is written in the shape of a UUID.
"""

from __future__ import annotations

import json
import struct
from dataclasses import dataclass
from typing import Any, Final, cast

from . import compact
from .blocks_messages import Asked
from .errors import PoolsError, told
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
    Toward,
)
from .payload import Content, json_text, packed, raw, spelled, unspelled
from .proof import decode64, encode64
from .wire_blocks import answered, asked_fields, notified, ref_fields, ref_in

_given: Final = "00000000-0000-4000-8000-"
_mixed_mark: Final = 0
_u32: Final = struct.Struct(">I")


@dataclass(frozen=True, slots=True)
class Form:
    """What the server agreed to hear besides JSON."""

    compact: bool = False
    mixed: bool = False


def encode(message: Outgoing, form: Form) -> bytes:
    """A frame's body. Raises TypeError or ValueError for a payload that JSON cannot spell."""
    if form.compact:
        frame = compact.write(message)
        if frame is not None:
            return frame
    if isinstance(message, Asked):
        fields, data = asked_fields(message, "raw" if form.mixed else "base64")
        return json_text(fields).encode() if data is None else _beside(fields, data)
    payload = _payload_of(message)
    if form.mixed and isinstance(payload, (bytes, bytearray, memoryview, Content)):
        return _mixed(message, payload)
    return json_text(_fields(message, {"with_payload": True})).encode()


def decode(body: bytes) -> Incoming | None:
    """
    What the server says; None for what asks for nothing. Raises PoolsError for what cannot be read.
    """
    first = body[0]
    if first == compact.mark:
        return compact.read(body)
    if first == _mixed_mark:
        end = 5 + _u32.unpack_from(body, 1)[0] if len(body) >= 5 else len(body) + 1
        if end > len(body):
            raise PoolsError("BAD_FRAME", "a mixed frame is shorter than its JSON")
        return _read(_object(body[5:end]), body[end:])
    if first in b"{ \t\r\n":
        return _read(_object(body), None)
    raise PoolsError("BAD_FRAME", f"no frame begins with the byte {first}")


def pong(ping: Ping) -> bytes:
    """The answer to a ping, in its own form."""
    if ping.is_compact and isinstance(ping.id, int):
        return compact.pong(ping.id)
    return json_text({"type": "pong"} | _present({"id": ping.id})).encode()


def uuid_of(id: int) -> str:
    """An id that the server gave, as JSON writes it."""
    return f"{_given}{id:012x}"


def _payload_of(message: Outgoing) -> Any:
    if isinstance(message, (Start, Emit, Chunk)):
        return message.payload
    return message.result if isinstance(message, Answer) else None


def _mixed(message: Outgoing, payload: Any) -> bytes:
    kind, data = packed(payload)
    fields = _fields(message, {"with_payload": False})
    if isinstance(payload, Content):
        fields["content_type"] = f"app:{kind}"
    return _beside(fields, data)


def _beside(fields: dict[str, Any], data: bytes | bytearray | memoryview) -> bytes:
    header = json_text(fields | {"size": memoryview(data).nbytes}).encode()
    return b"".join((bytes((_mixed_mark,)), _u32.pack(len(header)), header, data))


def _fields(message: Outgoing, how: dict[str, bool]) -> dict[str, Any]:
    """The message as JSON has it, its payload where that goes along."""
    carries = how["with_payload"]
    if isinstance(message, Plain):
        return message.fields
    if isinstance(message, Start):
        fields: dict[str, Any] = {
            "type": "trigger", "id": str(message.id), "trigger": message.trigger
        }
        fields |= spelled(message.payload, "payload") if carries else {}
        fields |= {"pool": message.pool, "ttl": message.ttl_ms}
        optional = {
            "flags": list(message.flags) or None,
            "destination": message.destination,
            "affinity": message.affinity,
            "idempotency_key": message.idempotency_key,
            "wait_ms": message.wait_ms or None,
            "credit": message.credit,
            "parent": None if message.parent is None else uuid_of(message.parent),
            "traceparent": message.traceparent,
            "tracestate": message.tracestate,
            "call_nonce": message.talk and encode64(message.talk.nonce),
            "block_ref": ref_fields(message.block),
        }
        return fields | _present(optional)
    if isinstance(message, Answer):
        fields = {"type": "response", "correlation_id": uuid_of(message.id)}
        if message.error is None:
            fields |= {"status": "success"} | _present({"block_ref": ref_fields(message.block)})
            return fields | (spelled(message.result, "result") if carries else {})
        code = "UNAVAILABLE" if message.is_unavailable else None
        own = _present({"error_code": code, "handler_code": message.handler_code})
        return fields | {"status": "error", "error": message.error} | own
    if isinstance(message, Emit):
        fields = {"type": "emit"} | _present(
            {"id": None if message.id is None else str(message.id)}
        )
        fields |= {"pool": message.pool, "trigger": message.trigger}
        fields |= spelled(message.payload, "payload") if carries else {}
        flags = list(message.flags) or None
        trace = {"traceparent": message.traceparent, "tracestate": message.tracestate}
        return fields | _present({"flags": flags, **trace})
    if isinstance(message, Chunk):
        fields = {"type": "chunk", **_toward(message.id, message.toward), "seq": message.seq}
        fields |= spelled(message.payload, "payload") if carries else {}
        return fields | ({"last": True} if message.last else {})
    if isinstance(message, Credit):
        return {"type": "credit", **_toward(message.id, message.toward), "count": message.count}
    assert isinstance(message, Cancel)
    return {"type": "cancel", "correlation_id": str(message.id), "mode": message.mode}


def _toward(id: int, toward: Toward) -> dict[str, Any]:
    # What goes to the caller belongs to a call that was handed to us.
    return {"correlation_id": uuid_of(id) if toward == "caller" else str(id), "to": toward}


def _present(fields: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None}


def _object(data: bytes) -> dict[str, Any]:
    try:
        value = json.loads(data)
    except (ValueError, RecursionError):
        raise PoolsError("BAD_MESSAGE", "a message is not JSON") from None
    if not isinstance(value, dict):
        raise PoolsError("BAD_MESSAGE", "a message is one JSON object")
    return cast("dict[str, Any]", value)


def _read(fields: dict[str, Any], beside: bytes | None) -> Incoming | None:
    kind = fields.get("type")
    if kind == "response":
        return _read_response(fields, beside)
    if kind == "trigger":
        return _read_call(fields, beside)
    if kind == "emit":
        payload = _value(fields, "payload", beside)
        names = (_str(fields, "trigger"), _str(fields, "pool"))
        counts = (_int(fields, "seq"), _int(fields, "lost"))
        return Emitted(
            *names, payload, _str(fields, "origin"), *counts, fields.get("retained") is True
        )
    if kind == "error":
        return Refused(_own(fields), told(fields, "INTERNAL"), _str(fields, "close") or None)
    if kind == "chunk":
        toward, id = _whose(fields)
        payload = _value(fields, "payload", beside)
        return Chunk(id, toward, _int(fields, "seq"), payload, fields.get("last") is True)
    if kind == "credit":
        toward, id = _whose(fields)
        return Credit(id, toward, _int(fields, "count"))
    if kind == "cancel":
        return Cancel(_given_id(fields, "correlation_id"), reason=_str(fields, "reason"))
    if kind == "ping":
        return Ping(_str(fields, "id") or None)
    if kind == "memory":
        return notified(fields, beside)
    return None if kind == "pong" else Plain(fields)


def _read_response(fields: dict[str, Any], beside: bytes | None) -> Answered | Refused:
    id = _own(fields)
    if fields.get("status") == "error":
        return Refused(id, told(fields, "HANDLER_ERROR"))
    if id is None:
        raise PoolsError("BAD_MESSAGE", "an answer belongs to none of our requests")
    stored = answered(fields, beside)
    if stored is not None:
        return Answered(id, stored)
    return Answered(id, _value(fields, "result", beside), fields.get("repeated") is True)


def _read_call(fields: dict[str, Any], beside: bytes | None) -> Called:
    flags = fields.get("flags")
    credit = fields.get("credit")
    return Called(
        _given_id(fields, "id"),
        _str(fields, "pool") or "default",
        _str(fields, "trigger"),
        _value(fields, "payload", beside),
        _str(fields, "origin"),
        _int(fields, "ttl"),
        frozenset(_texts(flags)),
        credit if isinstance(credit, int) else None,
        _int(fields, "attempt") or 1,
        _str(fields, "identity") or "none",
        _str(fields, "traceparent") or None,
        _str(fields, "tracestate") or None,
        _nonce(fields),
        block=ref_in(fields.get("block_ref")),
    )


def _nonce(fields: dict[str, Any]) -> bytes | None:
    text = _str(fields, "call_nonce")
    try:
        return decode64(text) if text else None
    except ValueError:
        raise PoolsError("BAD_MESSAGE", "call_nonce is no base64url") from None


def _value(fields: dict[str, Any], field: str, beside: bytes | None) -> Any:
    if beside is not None:
        return raw(beside, fields.get("content_type"))
    return unspelled(fields.get(field), fields.get("content_type"))


def _whose(fields: dict[str, Any]) -> tuple[Toward, int]:
    if fields.get("to") == "handler":
        return "handler", _given_id(fields, "correlation_id")
    id = _own(fields)
    if id is None:
        raise PoolsError("BAD_MESSAGE", "a chunk or credit belongs to none of our requests")
    return "caller", id


def _own(fields: dict[str, Any]) -> int | None:
    text = fields.get("correlation_id")
    return int(text) if isinstance(text, str) and text.isascii() and text.isdigit() else None


def _given_id(fields: dict[str, Any], field: str) -> int:
    text = fields.get(field)
    if isinstance(text, str) and text.startswith(_given):
        try:
            return int(text[len(_given) :], 16)
        except ValueError:
            pass
    raise PoolsError("BAD_MESSAGE", f"{field} is not an id that the server gives")


def _texts(value: object) -> list[str]:
    items = cast("list[object]", value) if isinstance(value, list) else []
    return [each for each in items if isinstance(each, str)]


def _str(fields: dict[str, Any], field: str) -> str:
    value = fields.get(field)
    return value if isinstance(value, str) else ""


def _int(fields: dict[str, Any], field: str) -> int:
    value = fields.get(field)
    return value if isinstance(value, int) else 0
