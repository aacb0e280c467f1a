"""
What a reader of envelopes has seen: messages by salt and counter, blocks by their generation.

What always holds: nothing that was taken is new again. What is full refuses; it never forgets what
would let something old in.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Final

from . import trinity

window_counters: Final = 8_192
"""How far behind the highest a counter may come."""
_open_salts: Final = 1_024
"""Salts with a window; of one more the oldest is closed."""
_closed_salts: Final = 65_536
_block_limit: Final = 65_536


class Replays:
    """What one reader has seen. It is not made for several threads."""

    def __init__(self) -> None:
        self._windows: OrderedDict[bytes, tuple[int, int]] = OrderedDict()
        self._closed: set[bytes] = set()
        self._blocks: dict[bytes, tuple[int, int, bytes]] = {}

    def is_new(self, envelope: trinity.Envelope) -> bool:
        """Whether a message was not taken yet, and is none of a salt that is closed."""
        key = envelope.writer + envelope.salt
        if key in self._closed:
            return False
        known = self._windows.get(key)
        if known is None:
            return len(self._closed) < _closed_salts
        highest, seen = known
        behind = highest - envelope.counter
        return behind < 0 or (behind < window_counters and not seen >> behind & 1)

    def take(self, envelope: trinity.Envelope) -> bool:
        """Takes a message; False where it is not new."""
        if not self.is_new(envelope):
            return False
        key = envelope.writer + envelope.salt
        if key not in self._windows and len(self._windows) >= _open_salts:
            oldest, _ = self._windows.popitem(last=False)
            self._closed.add(oldest)
        highest, seen = self._windows.pop(key, (0, 0))
        ahead = envelope.counter - highest
        if ahead > 0:
            # Bit n is for the counter n below the highest. Shifting further than the window empties it.
            seen = seen << min(ahead, window_counters) & (1 << window_counters) - 1
            highest = envelope.counter
        self._windows[key] = (highest, seen | 1 << highest - envelope.counter)
        return True

    def is_current(self, envelope: trinity.Envelope) -> bool:
        """Whether content of a block is the newest that was seen of it, or newer."""
        newest = self._blocks.get(envelope.object)
        if newest is None:
            return len(self._blocks) < _block_limit
        at = (envelope.epoch, envelope.generation)
        return at > newest[:2] or (at == newest[:2] and envelope.signature == newest[2])

    def take_block(self, envelope: trinity.Envelope) -> bool:
        """Takes content of a block; False where it is not current."""
        if not self.is_current(envelope):
            return False
        at = (envelope.epoch, envelope.generation, envelope.signature)
        self._blocks[envelope.object] = at
        return True
