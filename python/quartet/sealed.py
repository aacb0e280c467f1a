"""
What is said in encrypted pools, sealed and opened: calls, answers, chunks and emits.

What always holds: where the program gave a pool's keys nothing of it leaves open, but for calls
that it says are plain; whatever comes is given to the program only if it was sealed for this pool,
call, kind and name, else it is INTEGRITY. What is called again with its idempotency key is the same
bytes.
"""

from __future__ import annotations

import os
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from .envelopes import Content as Inside
from .envelopes import Opened, integrity
from .errors import PoolsError
from .keys import Keyring
from .messages import Called, Emit, Emitted, Start
from .payload import packed, unpacked
from .trinity import MessageKind

kept_limit: Final = 1_024
"""Calls with an idempotency key that are remembered; the oldest is forgotten."""
kept_limit_bytes: Final = 16 * 1024 * 1024
"""Of their envelopes and answers."""
kept_seconds: Final = 600.0
"""As long as a server remembers such a call."""
salts_limit: Final = 64
"""Salts that the chunks of one call may be sealed with, one after another."""
_nonce_bytes: Final = 16
_salt: Final = slice(84, 100)


class Talk:
    """One call, or emit, of an encrypted pool: all that belongs to it is sealed for it alone."""

    __slots__ = ("_after", "_salts", "name", "nonce", "ring", "said", "was_repeated")

    def __init__(
        self, ring: Keyring, name: str, nonce: bytes = b"", said: Inside | None = None
    ) -> None:
        self.ring = ring
        self.name = name
        self.nonce = nonce
        self.said = said
        """What we said ourselves, to be sealed once more for another epoch."""
        self.was_repeated = False
        # Of the chunks that come: the salts in their order, and the last counter of the newest.
        self._salts: list[bytes] = []
        self._after = 0

    def seal(self, kind: MessageKind, payload: Any) -> bytes:
        """An envelope. Raises PoolsError, and TypeError or ValueError as `packed` does."""
        return self.ring.seal(kind, self.name, inside(payload), self.nonce or None)

    def open(self, kind: MessageKind, payload: Any) -> Any:
        """What an envelope holds. Raises INTEGRITY."""
        return outside(self.opened(kind, payload))

    def opened(self, kind: MessageKind, payload: Any) -> Opened:
        """The same, as it was packed."""
        return self.ring.open(kind, self.name, _envelope(payload), self.nonce or None)

    def part(self, kind: MessageKind, payload: Any) -> Any:
        """What the next chunk holds. Raises INTEGRITY for one that is not behind the last."""
        envelope = _envelope(payload)
        salt = envelope[_salt]
        # Counters rise within a salt; one that was left for another does not come back.
        is_next = not self._salts or self._salts[-1] == salt
        if not is_next and (salt in self._salts or len(self._salts) >= salts_limit):
            raise integrity("a chunk came out of its order")
        after = self._after if is_next else 0
        opened = self.ring.open(kind, self.name, envelope, self.nonce or None, after=after)
        if not self._salts or not is_next:
            self._salts.append(salt)
        self._after = opened.counter
        return outside(opened)


@dataclass
class _Kept:
    """A call with an idempotency key, as it was sealed."""

    talk: Talk
    envelope: bytes
    until: float
    answer: bytes = b""
    meant: Inside | None = None

    @property
    def size(self) -> int:
        return len(self.envelope) + len(self.answer)


class Seals:
    """What an app seals and opens with, by pool."""

    def __init__(self) -> None:
        # As many as the program itself named. None leaves before the app ends: what is sealed once
        # does not leave open later because its pool was left, or a server says that it is gone.
        self._rings: dict[str, Keyring] = {}
        self._plain: set[tuple[str, str]] = set()
        self._kept: OrderedDict[tuple[str, str, str], _Kept] = OrderedDict()
        self._kept_bytes = 0

    def ring(self, pool: str) -> Keyring | None:
        """The keys of a pool; None where the program gave none."""
        return self._rings.get(pool)

    def needed(self, pool: str) -> Keyring:
        """The keys of a pool. Raises NOT_MEMBER where the program gave none."""
        ring = self._rings.get(pool)
        if ring is None:
            raise PoolsError("NOT_MEMBER", f"join pool {pool} with its keyring first")
        return ring

    def put(self, pool: str, ring: Keyring) -> None:
        """From now on all of this pool is sealed."""
        self._rings[pool] = ring

    def made(self, pool: str, fields: Mapping[str, Any]) -> None:
        """The program has made a pool, with these fields: one that is open is not sealed."""
        if fields.get("encrypted") is not True:
            self._rings.pop(pool, None)

    def offer(self, pool: str, name: str, *, plain: bool) -> None:
        """What the program handles is open, or is not."""
        (self._plain.add if plain else self._plain.discard)((pool, name))

    def seal(self, message: Start | Emit, now: float = 0.0) -> None:
        """
        Seals what is about to be sent, in its place. Raises PoolsError for a key that is missing,
        TypeError or ValueError for a payload that JSON cannot spell.
        """
        ring = self._rings.get(message.pool)
        if ring is None or (isinstance(message, Start) and message.plain):
            return
        said = inside(message.payload)
        if isinstance(message, Emit):
            self._write(message, Talk(ring, message.trigger, said=said))
            return
        kept = self._find(message, said, now)
        if kept is not None:
            message.talk = Talk(ring, message.trigger, kept.talk.nonce, said)
            message.payload = kept.envelope
            return
        self._start(message, ring, said, now)

    def explained(self, params: Mapping[str, Any]) -> Mapping[str, Any]:
        """What is asked about a call: of a sealed one without its payload."""
        if str(params.get("pool", "default")) not in self._rings:
            return params
        return {name: value for name, value in params.items() if name != "payload"}

    def again(self, message: Start | Emit, now: float, *, anew: bool) -> None:
        """
        Seals it for another connection. What has an idempotency key stays as it is, unless `anew`.
        """
        talk = message.talk
        if talk is None or talk.said is None:
            return
        if isinstance(message, Emit):
            self._write(message, Talk(talk.ring, talk.name, said=talk.said))
        elif anew or message.idempotency_key is None:
            self._start(message, talk.ring, talk.said, now)
        if anew and message.talk is not None:
            message.talk.was_repeated = True

    def call(self, called: Called) -> None:
        """Opens a call that came, in its place. Raises INTEGRITY."""
        ring = self._rings.get(called.pool)
        if ring is None:
            return
        name, nonce = called.trigger, called.nonce
        if nonce is None and (called.pool, name) in self._plain:
            return
        if nonce is None or len(nonce) != _nonce_bytes:
            raise integrity(f"{name} is sealed here, and this call is not")
        talk = Talk(ring, name, nonce)
        called.payload = talk.open("trigger", called.payload)
        called.talk = talk

    def answered(self, start: Start, result: Any) -> Any:
        """What the answer to one of our calls says. Raises INTEGRITY."""
        if start.talk is None:
            return result
        kept = self._kept.get((start.pool, start.trigger, start.idempotency_key or ""))
        if kept is None or kept.talk.nonce != start.talk.nonce:
            return start.talk.open("response", result)
        # The answer that a server kept comes to whoever calls again: it was taken once already.
        if kept.meant is None or kept.answer != result:
            kept.meant = start.talk.opened("response", result)
            self._kept_bytes += len(result) - len(kept.answer)
            kept.answer = result
            self._trim()
        return outside(kept.meant)

    def emitted(self, emitted: Emitted) -> Emitted:
        """What an emit says. Raises INTEGRITY."""
        ring = self._rings.get(emitted.pool)
        if ring is None:
            return emitted
        envelope = _envelope(emitted.payload)
        opened = ring.open("emit", emitted.name, envelope, retained=emitted.retained)
        return replace(emitted, payload=outside(opened))

    def _start(self, start: Start, ring: Keyring, said: Inside, now: float) -> None:
        talk = Talk(ring, start.trigger, os.urandom(_nonce_bytes), said)
        self._write(start, talk)
        key = start.idempotency_key
        if key is None:
            return
        self._forget((start.pool, start.trigger, key))
        kept = _Kept(talk, start.payload, now + kept_seconds)
        self._kept[start.pool, start.trigger, key] = kept
        self._kept_bytes += kept.size
        self._trim()

    def _write(self, message: Start | Emit, talk: Talk) -> None:
        kind: MessageKind = "emit" if isinstance(message, Emit) else "trigger"
        assert talk.said is not None
        message.payload = talk.ring.seal(kind, talk.name, talk.said, talk.nonce or None)
        message.talk = talk

    def _find(self, start: Start, said: Inside, now: float) -> _Kept | None:
        key = (start.pool, start.trigger, start.idempotency_key or "")
        kept = self._kept.get(key)
        if kept is None or kept.talk.said != said or now >= kept.until:
            return None
        self._kept.move_to_end(key)
        return kept

    def _forget(self, key: tuple[str, str, str]) -> None:
        kept = self._kept.pop(key, None)
        self._kept_bytes -= 0 if kept is None else kept.size

    def _trim(self) -> None:
        while len(self._kept) > kept_limit or self._kept_bytes > kept_limit_bytes:
            self._forget(next(iter(self._kept)))


def inside(payload: Any) -> Inside:
    """A value of Python as it is sealed."""
    return Inside(*packed(payload))


def outside(opened: Inside) -> Any:
    """The value that was sealed. Raises INTEGRITY for a content type that there is not."""
    try:
        return unpacked(opened.type, opened.data)
    except (PoolsError, ValueError):
        raise integrity(f"its content type is {opened.type}, which there is not") from None


def _envelope(payload: Any) -> bytes:
    if isinstance(payload, bytes):
        return payload
    raise integrity("it is not sealed")
