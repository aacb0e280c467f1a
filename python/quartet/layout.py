"""
A block of shared memory to the byte: layout 1, little-endian. One page of header, then slots.

    0 line 0: what never changes   64 latest, state   128 who listens   192 the writer
    256 slot records, 64 each      2304 pin cells, 4 each               4096 the slots

What always holds: a word is 32 bits and goes through one element of a `memoryview` cast to "I", in
one access; nothing read out of a file is trusted before it was compared with the capacity.
"""

from __future__ import annotations

import platform
import struct
import sys
import zlib
from dataclasses import dataclass
from typing import Final, Literal

u32: Final = 0xFFFF_FFFF

# Words, counted in words.
latest: Final = 64 // 4
"""Low word of the newest generation; of a ring, its tail."""
reserve: Final = 68 // 4
state: Final = 72 // 4
sleepers: Final = 128 // 4
subscribers: Final = 132 // 4
pinners: Final = 136 // 4
fence: Final = 196 // 4
records: Final = 256 // 4
record_words: Final = 64 // 4
cells: Final = 2304 // 4
pin_cells: Final = 64

# In a record, counted in words.
in_record_generation: Final = 2

data_at: Final = 4096
line_bytes: Final = 64

live: Final = 0
retired: Final = 2
sealed: Final = 3

checksummed: Final = 1
encrypted: Final = 2
many_writers: Final = 8
overwrites: Final = 16
lock_required: Final = 64

summed: Final = 1
"""In the flags of a record: its CRC is set."""

_line: Final = struct.Struct("<4sHHIIQQ16sQII")
_summed_bytes: Final = 56
_slot_counts: Final = (1, 2, 4, 8, 16, 32)
_order: Final = 0x0102_0304

stores_in_order: Final = platform.machine().lower() in ("x86_64", "amd64")
"""Whether others see stores of this CPU in their order: else readers verify and writers ask."""
can_map: Final = sys.platform == "linux" and sys.byteorder == "little"

Verify = Literal["always", "never"]


@dataclass(frozen=True, slots=True)
class Header:
    """What a block is; none of it ever changes. Sizes are bytes."""

    uuid: bytes
    flags: int
    slots: int
    capacity: int

    @property
    def stride(self) -> int:
        """How far apart slots stand."""
        return stride_of(self.capacity)

    def has(self, flag: int) -> bool:
        """Whether it is one of these."""
        return self.flags & flag != 0


def stride_of(capacity: int) -> int:
    """How far apart slots of this capacity stand."""
    step = 4096 if capacity > 4096 else 64
    return -(-capacity // step) * step


def file_bytes(slots: int, capacity: int) -> int:
    """How long the file is, for good."""
    return data_at + -(-slots * stride_of(capacity) // 4096) * 4096


def next_generation(generation: int) -> int:
    """The one after. Generations whose low word is 0 are skipped."""
    following = generation + 1
    return following if following & u32 else following + 1


def header_of(line: bytes, length: int) -> Header:
    """
    The header of a file so long. Raises ValueError with one sentence that says why these bytes are
    no block of this layout.
    """
    if len(line) < line_bytes:
        raise ValueError("it is shorter than its header")
    magic, layout, _, flags, slots, stride, capacity, uuid, _, crc, order = _line.unpack_from(line)
    if magic != b"QTB1":
        raise ValueError("it does not begin with QTB1")
    if order != _order:
        raise ValueError("it has another order of bytes")
    if layout != 1:
        raise ValueError("it has another layout than 1")
    if crc != zlib.crc32(line[:_summed_bytes]):
        raise ValueError("the checksum of its header is wrong")
    if slots not in _slot_counts:
        raise ValueError("it has an impossible number of slots")
    if stride != stride_of(capacity):
        raise ValueError("its slots do not fit")
    if file_bytes(slots, capacity) != length:
        raise ValueError(f"it is {length} bytes long, not {file_bytes(slots, capacity)}")
    return Header(uuid, flags, slots, capacity)
