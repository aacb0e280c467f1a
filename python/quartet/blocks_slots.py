"""
Generations in the slots of a mapped block: read, written, viewed.

What always holds: a read gives one whole generation or none; a writer that dies at any instant
leaves `latest` where it was, and the slot it left odd is simply the next one written; a slot whose
generation a cell pins is not written. One writes at a time: who calls `write` sees to that.
"""

from __future__ import annotations

import struct
import time
import zlib
from dataclasses import dataclass
from typing import Final, Literal, NamedTuple

from . import layout
from .blocks_map import Mapped
from .errors import PoolsError
from .payload import bytes_content, name_of

rounds: Final = 64
"""How often a reader starts over before it asks the server."""
_wrong_sums: Final = 3
_record: Final = struct.Struct("<IQIIQIII20x")
_taken: Final = struct.Struct("<IQIIQIII")
_told: Final = struct.Struct("<IQIIQ").unpack_from

Miss = Literal["retired", "torn", "gone", "damaged"]
Bytes = bytes | bytearray | memoryview


class Snapshot(NamedTuple):
    """One generation of a block, or a part of it. Generation 0: nothing was written yet."""

    data: bytes
    generation: int
    type: int
    """Of the content, as a number."""
    written_us: int
    """When it was written, µs since 1970."""
    offset: int = 0
    """Where in the content the data begins."""

    @property
    def time(self) -> float:
        """When it was written, seconds since 1970; 0 where that is not told over the socket."""
        return self.written_us / 1_000_000

    @property
    def content_type(self) -> str:
        """What the bytes are: "json", "text", "bytes" or, of the apps' own, "app:128"."""
        return name_of(self.type)


empty: Final = Snapshot(b"", 0, bytes_content, 0)


class Written(NamedTuple):
    """A generation that was made, and the length of all its content."""

    generation: int
    length: int


@dataclass(frozen=True, slots=True)
class Part:
    """What of a block is asked for: all of the newest generation, where nothing is said."""

    offset: int = 0
    length: int | None = None
    generation: int | None = None


@dataclass(frozen=True, slots=True)
class Writing:
    """What is written. `offset` None: the whole content; else it patches the newest from there."""

    data: Bytes
    offset: int | None
    type: int | None
    onto: int | None
    """Only onto this generation. 0: only onto an empty block."""
    writer: int
    fence: int


class Slots:
    """The generations of one block."""

    __slots__ = ("_capacity", "_checks", "_mask", "_memory", "_stride", "_words", "mapped")

    def __init__(self, mapped: Mapped) -> None:
        self.mapped = mapped
        self._memory = mapped.memory
        self._words = mapped.words
        self._mask = mapped.header.slots - 1
        self._stride = mapped.header.stride
        self._capacity = mapped.header.capacity
        self._checks = not layout.stores_in_order

    def glance(self) -> Snapshot | None:
        """
        The whole newest generation, if it can be had at once: half a µs, and the copy. None: ask
        `read` what is the matter. Its numbers are words of the layout, written out: looking up the
        names would take as long as the reading.
        """
        words, memory = self._words, self._memory
        low = words[16]
        slot = low & self._mask
        at = 64 + (slot << 4)
        seq = words[at]
        length, generation, _, kind, moment = _told(memory, (at << 2) + 4)
        if seq != (low << 1) & 0xFFFF_FFFF or length > self._capacity or not low or self._checks:
            return None
        start = 4096 + slot * self._stride
        data = memory[start : start + length]
        # The look at the state comes last: nothing of a retired file is ever returned.
        if words[at] != seq or words[18] == 2:
            return None
        return tuple.__new__(Snapshot, (data, generation, kind, moment, 0))

    def newest(self) -> int:
        """The newest generation; 0 when there is none. Raises PoolsError INTEGRITY."""
        words = self._words
        for _ in range(rounds):
            low = words[layout.latest]
            if low == 0:
                return 0
            at = self._record(low) + layout.in_record_generation
            generation = words[at] | words[at + 1] << 32
            # Else the slot was overwritten between the two looks.
            if generation & layout.u32 == low:
                return generation
        raise PoolsError("INTEGRITY", "the newest slot has another generation than the newest")

    def read(self, part: Part, verify: layout.Verify = "never") -> Snapshot | Miss:
        """One whole generation or a part of it, copied; or why there is none."""
        words = self._words
        wrong = 0
        for _ in range(rounds):
            low = words[layout.latest] if part.generation is None else part.generation & layout.u32
            if low == 0:
                return "retired" if self.is_retired else empty
            taken = self._copy(low, part, verify)
            if self.is_retired:
                return "retired"
            if isinstance(taken, Snapshot):
                is_other = part.generation not in (None, taken.generation)
                return "gone" if is_other else taken
            if part.generation is not None and taken == "torn":
                return "gone"
            wrong += taken == "damaged"
            if wrong == _wrong_sums:
                return "damaged"
        return "torn"

    def write(self, writing: Writing) -> Written:
        """
        Makes a new generation. Raises PoolsError BLOCK_RETIRED, BLOCK_SEALED,
        LOCK_LOST, CONFLICT, PINNED, OUT_OF_RANGE.
        """
        words, view = self._words, self.mapped.view
        start = writing.offset or 0
        size = len(writing.data)
        if start + size > self._capacity:
            sentence = f"a write of {size} bytes at {start} ends beyond the capacity"
            detail = {"capacity": self._capacity}
            raise PoolsError("OUT_OF_RANGE", sentence, detail=detail)
        self._check(writing)
        newest = self.newest()
        if writing.onto is not None and writing.onto != newest:
            sentence = f"the newest generation is {newest}"
            raise PoolsError("CONFLICT", sentence, detail={"newest": newest})
        generation = self._open(newest)
        low = generation & layout.u32
        record, address = self._record(low), self._address(low)
        length, kind = start + size, writing.type
        if writing.offset is not None and newest:
            before = self._record(newest & layout.u32)
            kept, source = words[before + 1], self._address(newest & layout.u32)
            length = max(length, kept)
            kind = words[before + 5] if kind is None else kind
            view[address : address + kept] = view[source : source + kept]
        else:
            kept = 0
        if kept < start:
            view[address + kept : address + start] = bytes(start - kept)
        view[address + start : address + start + size] = memoryview(writing.data).cast("B")
        crc, flags = 0, 0
        if self.mapped.header.has(layout.checksummed):
            crc, flags = zlib.crc32(view[address : address + length]), layout.summed
        moment = time.time_ns() // 1_000
        kind = bytes_content if kind is None else kind
        told = (length, generation, crc, kind, moment, writing.writer, writing.fence, flags)
        _record.pack_into(view, 4 * record + 4, *told)
        words[record] = (low << 1) & layout.u32
        words[layout.latest] = low
        return Written(generation, length)

    def fill(self, offset: int, data: Bytes) -> None:
        """Puts bytes into the one slot of a block that is being filled."""
        start = layout.data_at + offset
        self.mapped.view[start : start + len(data)] = memoryview(data).cast("B")

    @property
    def is_watched(self) -> bool:
        """Whether somebody is to be told of a new generation; wakes those that sleep."""
        self.mapped.settle()
        if self._words[layout.sleepers]:
            self.mapped.wake()
        return self._words[layout.subscribers] != 0

    @property
    def is_retired(self) -> bool:
        """Whether the block has another file."""
        return self._words[layout.state] == layout.retired

    def viewed(self, generation: int) -> tuple[memoryview, Snapshot] | None:
        """The bytes of a pinned or sealed generation, without a copy; None: they are not here."""
        low = generation & layout.u32
        record, address = self._record(low), self._address(low)
        length, kind = self._words[record + 1], self._words[record + 5]
        is_whole = self._words[record] == (low << 1) & layout.u32 and length <= self._capacity
        if not is_whole or self.is_retired:
            return None
        view = self.mapped.view[address : address + length].toreadonly()
        return view, Snapshot(b"", generation, kind, 0)

    def _record(self, low: int) -> int:
        return layout.records + layout.record_words * (low & self._mask)

    def _address(self, low: int) -> int:
        return layout.data_at + (low & self._mask) * self._stride

    def _check(self, writing: Writing) -> None:
        state = self._words[layout.state]
        if state == layout.sealed:
            raise PoolsError("BLOCK_SEALED", "the block is sealed")
        if state != layout.live:
            raise PoolsError("BLOCK_RETIRED", "attach again")
        if self._words[layout.fence] != writing.fence:
            raise PoolsError("LOCK_LOST", "somebody else writes now")

    def _open(self, newest: int) -> int:
        """Marks the next slot that is free as being written."""
        words = self._words
        generation = newest
        for _ in range(max(1, self._mask)):
            generation = layout.next_generation(generation)
            low = generation & layout.u32
            record = self._record(low)
            before = words[record]
            words[record] = (low << 1 | 1) & layout.u32
            # The mark is seen before the cells are looked at: one of the two always sees the other.
            self.mapped.settle()
            if not words[layout.pinners] or not self._is_pinned(words[record + 2]):
                return generation
            words[record] = before
        raise PoolsError("PINNED", "every other slot is pinned", retry_after_ms=100)

    def _is_pinned(self, low: int) -> bool:
        cells = self._words[layout.cells : layout.cells + layout.pin_cells]
        return low != 0 and any(cell == low for cell in cells)

    def _copy(
        self, low: int, part: Part, verify: layout.Verify
    ) -> Snapshot | Literal["torn", "damaged"]:
        words = self._words
        record = self._record(low)
        seq = (low << 1) & layout.u32
        if words[record] != seq:
            return "torn"
        told = _taken.unpack_from(self._memory, 4 * record + 4)
        length, generation, crc, kind, moment, _, _, flags = told
        if length > self._capacity:
            return "torn"
        offset = min(part.offset, length)
        size = min(length - offset if part.length is None else part.length, length - offset)
        checks = flags & layout.summed != 0 and (self._checks or verify == "always")
        start = self._address(low)
        if checks:
            data = self._memory[start : start + length]
        else:
            data = self._memory[start + offset : start + offset + size]
        if words[record] != seq:
            return "torn"
        if checks:
            if zlib.crc32(data) != crc:
                return "damaged"
            data = data[offset : offset + size]
        return Snapshot(data, generation, kind, moment, part.offset)
