"""
What messages in JSON say of blocks: questions, what they hold, notices, references.

What always holds: a question names its block by the number of the attachment where there is one;
bytes stand beside the JSON where the server reads mixed frames, and in base64 in it elsewhere.
"""

from __future__ import annotations

import base64
import binascii
from typing import Any, Final, Literal, cast

from .blocks_messages import Asked, BlockNotice, BlockRef, Notified, Stored
from .errors import PoolsError
from .payload import name_of, type_of

# Those that must find the block when the attachment is gone, or that need none.
_by_name: Final = frozenset(("create", "attach", "destroy", "lock", "renew", "unlock"))


def asked_fields(
    asked: Asked, how: Literal["raw", "base64"]
) -> tuple[dict[str, Any], bytes | bytearray | memoryview | None]:
    """The question as JSON has it, and the bytes that go beside it."""
    block = asked.block
    number = None if asked.operation in _by_name else block.number
    named = {"attachment": number} if number is not None else {
        "pool": block.pool, "block_id": block.id
    }
    fields: dict[str, Any] = {"type": "memory", "operation": asked.operation, **named}
    if asked.id:
        fields["id"] = str(asked.id)
    fields |= asked.fields
    if asked.content_type is not None:
        fields["content_type"] = name_of(asked.content_type)
    if asked.data is None or how == "raw":
        return fields, asked.data
    return fields | {"data": base64.b64encode(asked.data).decode()}, None


def answered(fields: dict[str, Any], beside: bytes | None) -> Stored | None:
    """What a block holds, out of the answer to a read in a mixed frame; None for any other."""
    result = fields.get("result")
    if beside is None or not isinstance(result, dict) or "generation" not in result:
        return None
    told = cast("dict[str, Any]", result)
    counts = (_whole(told, "generation"), _whole(told, "time"))
    return Stored(type_of(told.get("content_type")), beside, *counts)


def notified(fields: dict[str, Any], beside: bytes | None) -> Notified | None:
    """A notice; None where it is to no attachment."""
    number = fields.get("attachment")
    if fields.get("operation") != "notify" or not isinstance(number, int):
        return None
    data = beside
    if data is None and isinstance(fields.get("data"), str):
        try:
            data = base64.b64decode(fields["data"], validate=True)
        except binascii.Error:
            raise PoolsError("BAD_MESSAGE", "bytes are not spelled in base64") from None
    event = fields.get("event")
    return Notified(
        number,
        BlockNotice(
            *(_whole(fields, "generation"), _whole(fields, "length")),
            writer=str(fields.get("writer") or ""),
            lost=_whole(fields, "lost"),
            data=data,
            content_type=None if data is None else name_of(type_of(fields.get("content_type"))),
            payload=fields.get("payload"),
            event=event if isinstance(event, str) else None,
            more=fields if isinstance(event, str) else {},
        ),
    )


def ref_fields(ref: BlockRef | None) -> dict[str, Any] | None:
    """A reference as JSON has it."""
    if ref is None:
        return None
    return {
        "block": ref.block, "generation": ref.generation, "offset": ref.offset, "length": ref.length
    }


def ref_in(value: object) -> BlockRef | None:
    """A reference out of JSON."""
    if not isinstance(value, dict):
        return None
    told = cast("dict[str, Any]", value)
    counts = (_whole(told, "generation"), _whole(told, "offset"), _whole(told, "length"))
    return BlockRef(str(told.get("block")), *counts)


def _whole(fields: dict[str, Any], field: str) -> int:
    value = fields.get(field)
    return value if isinstance(value, int) else 0
