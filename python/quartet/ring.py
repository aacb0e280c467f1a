"""
A ring of records in a block: produced at its tail, consumed by up to 32 who each have a cursor.

    record   u32 length, bit 31: padding   u32 content type, bit 8: has a sum   u32 CRC-32
             u32 record number             payload, padded to 16

What always holds: positions count units of 16 bytes modulo 2^32; a record that its producer did not
finish was never there; who was lapped learns how many records it lost. One producer writes into the
mapping itself, many ask the server: that needs a compare-and-swap, which Python has not.
"""

from __future__ import annotations

import struct
import threading
import time
import zlib
from typing import Final, Literal, NamedTuple

from . import layout
from .blocks_map import Mapped
from .blocks_messages import Stored
from .blocks_seat import Pause, Steps
from .blocks_slots import Bytes, Slots
from .blocks_steps import Attachment, snapshot_of
from .errors import PoolsError
from .payload import bytes_content, name_of

unit: Final = 16
consumer_limit: Final = 32
_send_seconds: Final = 0.1
_pause: Final = 0.001
_padding: Final = 0x8000_0000
_summed: Final = 0x100
_head: Final = struct.Struct("<IIII")
_active: Final = 1
_detached: Final = 2


class RingRecord(NamedTuple):
    """One record. `number` grows by one, modulo 2^32; `lost` is how many were missed before it."""

    data: bytes
    type: int
    number: int
    lost: int

    @property
    def content_type(self) -> str:
        """What the bytes are: "json", "text", "bytes" or, of the apps' own, "app:128"."""
        return name_of(self.type)


class _Track:
    """What both ends know."""

    def __init__(self, mapped: Mapped) -> None:
        self.mapped = mapped
        self.words = mapped.words
        self.units = mapped.header.capacity // unit
        self.overwrites = mapped.header.has(layout.overwrites)

    def address(self, position: int) -> int:
        """Where a position stands, in bytes."""
        return layout.data_at + position % self.units * unit

    def head(self, position: int) -> tuple[int, int, int, int]:
        """Length with its mark, content type with its flag, CRC, number."""
        return _head.unpack_from(self.mapped.memory, self.address(position))

    @property
    def is_over(self) -> bool:
        """Whether the ring has another file, or none."""
        return self.words[layout.state] != layout.live


class Producer(_Track):
    """Writes records. One at a time."""

    def __init__(self, mapped: Mapped) -> None:
        super().__init__(mapped)
        self._sums = mapped.header.has(layout.checksummed)
        self._number = self._next_number()

    def send(self, data: Bytes, kind: int) -> Literal["sent", "full", "over"]:
        """Puts one record behind all others."""
        words, size = self.words, len(data)
        if self.is_over:
            return "over"
        tail = words[layout.latest]
        own, left = _units(size), self.units - tail % self.units
        padding = left if own > left else 0
        end = (tail + padding + own) & layout.u32
        if not self.overwrites and not self._has_room(end):
            return "full"
        words[layout.reserve] = end
        # The mark is seen before anything is overwritten.
        self.mapped.settle()
        start = (tail + padding) & layout.u32
        address = self.address(start)
        self.mapped.view[address + unit : address + unit + size] = data
        if padding:
            mark = _padding + padding * unit - unit
            _head.pack_into(self.mapped.view, self.address(tail), mark, 0, 0, 0)
        crc, flag = (zlib.crc32(data), _summed) if self._sums else (0, 0)
        _head.pack_into(self.mapped.view, address, size, kind | flag, crc, self._number)
        words[layout.latest] = end
        self._number = (self._number + 1) & layout.u32
        return "sent"

    def _has_room(self, end: int) -> bool:
        words = self.words
        for consumer in range(consumer_limit):
            line = layout.records + layout.record_words * consumer
            behind = (end - words[line]) & layout.u32
            if words[line + 1] == _active and behind > self.units:
                return False
        return True

    def _next_number(self) -> int:
        """By what stands in the ring: a pass over the heads of a lap; it begins with a record."""
        tail = self.words[layout.latest]
        position = 0 if tail < self.units else (tail - (tail % self.units or self.units))
        number = 0
        while position & layout.u32 != tail:
            length, kind, _, told = self.head(position)
            if length + kind + told == 0:
                return 0
            if length < _padding:
                number = (told + 1) & layout.u32
            position += _units(length % _padding)
        return number


class Consumer(_Track):
    """Takes records, in order, from its own place."""

    def __init__(self, mapped: Mapped, place: int) -> None:
        super().__init__(mapped)
        self._line = layout.records + layout.record_words * place
        # Where the server has put it when it was attached: what came since is its own.
        self._cursor = self.words[self._line]
        self._next: int | None = None

    def next(self) -> RingRecord | Literal["nothing", "over", "detached", "damaged"]:
        """The next record, copied."""
        words = self.words
        if words[self._line + 1] == _detached:
            return "detached"
        while True:
            tail, cursor = words[layout.latest], self._cursor
            if tail == cursor:
                return "over" if self.is_over else "nothing"
            length, kind, crc, number = self.head(cursor)
            is_padding, length = length >= _padding, length % _padding
            size = _units(length)
            ahead = (tail - cursor) & layout.u32
            fits = size <= self.units - cursor % self.units and size <= ahead
            address = self.address(cursor) + unit
            data = self.mapped.memory[address : address + length] if fits else b""
            if self.overwrites and (words[layout.reserve] - cursor) & layout.u32 > self.units:
                self._move(words[layout.latest])
                continue
            sums = kind & _summed and not layout.stores_in_order
            if not fits or (sums and not is_padding and zlib.crc32(data) != crc):
                return "damaged"
            self._move((cursor + size) & layout.u32)
            if is_padding:
                continue
            lost = 0 if self._next is None else (number - self._next) & layout.u32
            self._next = (number + 1) & layout.u32
            if lost:
                words[self._line + 2] = (words[self._line + 2] + lost) & layout.u32
            return RingRecord(data, kind & 0xFF, number, lost)

    def _move(self, to: int) -> None:
        self._cursor = to
        self.words[self._line] = to


class RingSteps:
    """What is done with one end, for both clients."""

    def __init__(self, attachment: Attachment) -> None:
        self._at = attachment
        self._turn = threading.Lock()
        self._slots: Slots | None = None
        self._producer: Producer | None = None
        self._consumer: Consumer | None = None
        self._next_far: int | None = None

    def send(self, data: Bytes, kind: int | None) -> Steps[None]:
        """One record. Raises PoolsError RING_FULL, OUT_OF_RANGE."""
        at, until = self._at, time.monotonic() + _send_seconds
        while True:
            slots = yield from at.ready()
            if slots is not None and at.is_away:
                yield from at.attach()
                continue
            if len(data) > at.capacity // 8:
                raise PoolsError("OUT_OF_RANGE", "a record has at most an eighth of the ring")
            try:
                if slots is None or at.mode != "write" or not at.writes_here(slots):
                    ask = at.asked("write")
                    ask.data, ask.content_type = data, kind
                    yield ask
                    return
                with self._turn:
                    sent = self._producing(slots).send(data, kind or bytes_content)
                if sent == "sent":
                    if slots.is_watched:
                        yield at.asked("notify", generation=0, length=0)
                    return
                if sent == "over":
                    at.leave(slots)
                    continue
                raise PoolsError("RING_FULL", "a consumer is behind", retry_after_ms=10)
            except PoolsError as error:
                if error.code != "RING_FULL":
                    at.look_at(error)
                elif time.monotonic() >= until:
                    raise
                else:
                    yield Pause(_pause)

    def next(self) -> Steps[RingRecord | None]:
        """The next record, if there is one now."""
        at = self._at
        if at.mode != "read":
            raise PoolsError("FORBIDDEN", "this is the end that sends")
        while True:
            slots = yield from at.ready()
            if slots is None:
                try:
                    return self._far((yield at.asked("read")))
                except PoolsError as error:
                    if error.code == "GENERATION_GONE":
                        return None
                    at.look_at(error)
                    continue
            with self._turn:
                found = self._consuming(slots).next()
            if isinstance(found, RingRecord):
                return found
            if found == "nothing":
                return None
            if found == "damaged":
                raise PoolsError("INTEGRITY", "the ring holds what no producer writes")
            at.leave(slots)

    def _far(self, answer: Stored | dict[str, object]) -> RingRecord:
        found = snapshot_of(answer)
        number = found.generation
        lost = 0 if self._next_far is None else (number - self._next_far) & layout.u32
        self._next_far = (number + 1) & layout.u32
        return RingRecord(found.data, found.type, number, lost)

    def _producing(self, slots: Slots) -> Producer:
        if self._slots is not slots or self._producer is None:
            self._slots, self._producer = slots, Producer(slots.mapped)
        return self._producer

    def _consuming(self, slots: Slots) -> Consumer:
        if self._slots is not slots or self._consumer is None:
            cell = (self._at.told or {}).get("cell", 0)
            self._slots, self._consumer = slots, Consumer(slots.mapped, int(cell))
        return self._consumer


def _units(length: int) -> int:
    return -(-(unit + length) // unit)
