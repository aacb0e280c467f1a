"""
Length-prefixed frames: a 32-bit big-endian length, then as many bytes. No I/O.

What always holds: cut or joined at any byte, the same frames come out; a frame above the limit is
refused when its length has been read, before a byte of it is kept.

    00 00 00 05 68 65 6c 6c 6f    five bytes: "hello"
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Final

from .errors import PoolsError

prefix_bytes: Final = 4
_length: Final = struct.Struct(">I")


def prefixed(body: bytes | bytearray) -> bytes:
    """`body` with its length in front."""
    return _length.pack(len(body)) + body


class FrameReader:
    """Cuts the bytes of one connection into frames' bodies."""

    __slots__ = ("_begun", "_limit")

    def __init__(self, limit_bytes: int) -> None:
        """`limit_bytes` counts a body, without its prefix."""
        self._limit = limit_bytes
        # Invariant: less than a whole frame.
        self._begun = bytearray()

    def push(self, data: bytes) -> Iterator[bytes]:
        """
        Takes the next bytes and yields the body of each frame that is now whole. Read it to its end
        before the next push. Raises PoolsError BAD_FRAME for a length of 0, TOO_LARGE for one above
        the limit; the reader is of no use then.
        """
        if self._begun:
            self._begun += data
            size = self._size(self._begun, 0)
            if size is None or size > len(self._begun):
                return
            data = bytes(self._begun)
            self._begun = bytearray()
        at = 0
        end = len(data)
        while at < end:
            size = self._size(data, at)
            if size is None or size > end - at:
                self._begun += data[at:]
                return
            yield data[at + prefix_bytes : at + size]
            at += size

    def _size(self, data: bytes | bytearray, at: int) -> int | None:
        if len(data) - at < prefix_bytes:
            return None
        (length,) = _length.unpack_from(data, at)
        if length == 0:
            raise PoolsError("BAD_FRAME", "a frame has at least one byte")
        if length > self._limit:
            sentence = f"a frame holds at most {self._limit} bytes, this one has {length}"
            raise PoolsError("TOO_LARGE", sentence)
        return prefix_bytes + length
