"""
What apps send to each other: values of Python, and the bytes and content types they travel as.

What always holds: `bytes` come out as they went in, anything else travels as JSON; `None` is no
payload at all. What a content type of the apps' own holds is `Content`, never interpreted.
"""

from __future__ import annotations

import base64
import binascii
import json
from dataclasses import dataclass
from typing import Any, Final

from .errors import PoolsError

no_content: Final = 0
json_content: Final = 1
text_content: Final = 2
bytes_content: Final = 3
first_of_apps: Final = 128


@dataclass(frozen=True, slots=True)
class Content:
    """Bytes of a content type of the apps' own. `type` is 128 to 255."""

    type: int
    data: bytes

    def __post_init__(self) -> None:
        if not first_of_apps <= self.type <= 255:
            raise ValueError(f"a content type of the apps' own is 128 to 255, not {self.type}")


def packed(value: Any) -> tuple[int, bytes]:
    """
    The content type and the bytes of a value. Raises TypeError or ValueError for what JSON cannot
    spell.
    """
    if value is None:
        return no_content, b""
    if isinstance(value, (bytes, bytearray, memoryview)):
        return bytes_content, bytes(value)
    if isinstance(value, Content):
        return value.type, value.data
    return json_content, json_text(value).encode()


def unpacked(kind: int, data: bytes) -> Any:
    """
    The value of these bytes. What is not the JSON or text that its sender said comes as bytes.
    Raises PoolsError BAD_MESSAGE for a content type that there is not.
    """
    try:
        if kind == json_content:
            return json.loads(data)
        if kind == text_content:
            return data.decode()
    except (ValueError, RecursionError):
        return data
    if kind == no_content:
        return None
    if kind == bytes_content:
        return data
    if kind < first_of_apps:
        raise PoolsError("BAD_MESSAGE", f"content type {kind} is reserved")
    return Content(kind, data)


def spelled(value: Any, field: str) -> dict[str, Any]:
    """The fields of a JSON message that carry a value: `field`, and its content type."""
    if isinstance(value, (bytes, bytearray, memoryview, Content)):
        kind, data = packed(value)
        name = "bytes" if kind == bytes_content else f"app:{kind}"
        return {field: base64.b64encode(data).decode(), "content_type": name}
    return {} if value is None else {field: value}


def unspelled(value: Any, content_type: object) -> Any:
    """The value that a field of a JSON message carries, by its content type."""
    if content_type is None or content_type in ("json", "text"):
        return value
    try:
        data = base64.b64decode(value, validate=True)
    except (TypeError, ValueError, binascii.Error):
        raise PoolsError("BAD_MESSAGE", "bytes are not spelled in base64") from None
    return raw(data, content_type)


def raw(data: bytes, content_type: object) -> Any:
    """The value of bytes that came beside JSON; without a content type they are bytes."""
    kind = type_of(content_type)
    return unpacked(kind, data)


def type_of(name: object) -> int:
    """The number of a content type's name. Raises PoolsError BAD_MESSAGE for one there is not."""
    named = {
        None: bytes_content, "json": json_content, "text": text_content, "bytes": bytes_content
    }
    if isinstance(name, str) and name.startswith("app:") and name[4:].isdigit():
        number = int(name[4:])
        if first_of_apps <= number <= 255:
            return number
    if name is None or isinstance(name, str):
        found = named.get(name)
        if found is not None:
            return found
    raise PoolsError("BAD_MESSAGE", "there is no such content type")


def name_of(kind: int) -> str:
    """The name of a content type's number."""
    names = {json_content: "json", text_content: "text", bytes_content: "bytes"}
    return names.get(kind) or f"app:{kind}"


def json_text(value: Any) -> str:
    """JSON as short as it is. Raises TypeError or ValueError for what JSON cannot spell."""
    return _encode(value)


# Made once: json.dumps with options makes an encoder for each value.
_encode: Final = json.JSONEncoder(
    ensure_ascii=False, allow_nan=False, separators=(",", ":")
).encode
