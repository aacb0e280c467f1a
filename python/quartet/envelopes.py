"""
Envelopes of encrypted pools: sealing as one writer, and opening what others sealed.

What always holds: no pair of data key and nonce is used twice, over threads, forks, restarts and
boots; a reader looks at shape, certificate, epoch, replay and signature, in that order, before it
decrypts, and gives out nothing of what fails: INTEGRITY.
"""

from __future__ import annotations

import os
import threading
import time
import weakref
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Literal

from . import trinity
from .errors import PoolsError
from .trinity_crypto import Cipher, Signer, Verifier, derive, digest

clock_tolerance_ms: Final = 60_000
window_counters: Final = 8_192
"""How far behind the highest a counter may come."""
_open_salts: Final = 1_024
_closed_salts: Final = 65_536
_block_limit: Final = 65_536
_cipher_limit: Final = 256
_salt_messages: Final = 2**32
_salt_bytes: Final = 2**48


@dataclass(frozen=True)
class Content:
    """What is sealed. `type` is 0 none, 1 JSON, 2 text, 3 bytes, 128 to 255 the apps' own."""

    type: int
    data: bytes


@dataclass(frozen=True)
class Opened(Content):
    """What an envelope held, and who wrote it."""

    writer: bytes
    epoch: int
    counter: int


@dataclass(frozen=True)
class SealingEpoch:
    """What content of an epoch is sealed and opened with."""

    pool_id: bytes
    epoch: int
    shard: bytes


Order = Literal["once", "newest", "again"] | int
"""A message, content of a block, a retained emit; or a chunk, behind this counter."""


def now_ms() -> int:
    return int(time.time() * 1_000)


def place() -> str:
    """Another text where memory was copied into another process, or machine, as far as can be told."""
    try:
        with open("/proc/sys/kernel/random/boot_id") as file:
            boot = file.read()
    except OSError:
        boot = ""  # not Linux: only the process can be told apart
    return f"{os.getpid()} {boot}"


class Sealer:
    """Makes one writer's envelopes. Any thread may use it."""

    def __init__(
        self,
        writer: Signer,
        *,
        draw_salt: Callable[[], bytes] = lambda: os.urandom(16),
        messages: int = _salt_messages,
        size: int = _salt_bytes,
    ) -> None:
        self._writer = writer
        self._draw_salt = draw_salt
        self._messages = messages
        self._size = size
        self._lock = threading.Lock()
        self._epoch = 0
        self._place = ""
        self._salt = b""
        self._cipher: Cipher | None = None
        self._counter = 0
        self._bytes = 0
        _sealers.add(self)

    @property
    def key(self) -> bytes:
        """The writer's public key."""
        return self._writer.public_key

    def renew(self) -> None:
        """Draws another salt for what is sealed next."""
        with self._lock:
            self._cipher = None

    def seal(
        self, epoch: SealingEpoch, about: bytes, generation: int | None, content: Content
    ) -> bytes:
        """An envelope. `generation` is a block's; None for a message, whose counter stands there."""
        size = len(content.data)
        with self._lock:
            cipher = self._ready(epoch, size)
            self._counter += 1
            self._bytes += size
            counter, salt = self._counter, self._salt
        head = trinity.envelope_head(
            pool_id=epoch.pool_id,
            object=about,
            epoch=epoch.epoch,
            generation=counter if generation is None else generation,
            content_type=content.type,
            writer=self.key,
            salt=salt,
            counter=counter,
            plain_bytes=size,
        )
        sealed = cipher.seal(content.data, trinity.nonce_of(counter), head)
        return head + sealed + self._writer.sign(trinity.envelope_signed(head, digest(sealed)))

    def _ready(self, epoch: SealingEpoch, more: int) -> Cipher:
        here = place()
        good = (
            self._epoch == epoch.epoch
            and self._place == here
            and self._counter < self._messages
            and self._bytes + more <= self._size
        )
        if self._cipher is not None and good:
            return self._cipher
        self._salt = self._draw_salt()
        self._cipher = data_cipher(epoch, self.key, self._salt)
        self._epoch, self._place = epoch.epoch, here
        self._counter = self._bytes = 0
        return self._cipher

    def forked(self) -> None:
        """In a child: a lock that another thread held in the parent would never be free here."""
        self._lock = threading.Lock()
        self._cipher = None


_sealers: weakref.WeakSet[Sealer] = weakref.WeakSet()


def _forked() -> None:
    for sealer in list(_sealers):
        sealer.forked()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forked)


def data_cipher(epoch: SealingEpoch, writer: bytes, salt: bytes) -> Cipher:
    """What one writer seals with under one salt."""
    info = trinity.derivation("data", epoch.epoch, writer + salt)
    return Cipher(derive(epoch.shard, epoch.pool_id, info))


class Replays:
    """What a reader has seen. What is full refuses; it never forgets what would let something old in."""

    def __init__(self) -> None:
        self._windows: OrderedDict[bytes, tuple[int, int]] = OrderedDict()
        self._closed: set[bytes] = set()
        self._blocks: dict[bytes, tuple[int, int, bytes]] = {}

    def is_new(self, envelope: trinity.Envelope) -> bool:
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
        newest = self._blocks.get(envelope.object)
        if newest is None:
            return len(self._blocks) < _block_limit
        at = (envelope.epoch, envelope.generation)
        return at > newest[:2] or (at == newest[:2] and envelope.signature == newest[2])

    def take_block(self, envelope: trinity.Envelope) -> bool:
        if not self.is_current(envelope):
            return False
        at = (envelope.epoch, envelope.generation, envelope.signature)
        self._blocks[envelope.object] = at
        return True


class Opener:
    """Opens what others sealed. Any thread may use it."""

    def __init__(
        self,
        pool_id: bytes,
        *,
        now: Callable[[], int],
        epoch: Callable[[int], SealingEpoch | None],
        is_accepted: Callable[[int], bool],
    ) -> None:
        self._pool_id = pool_id
        self._now = now
        self._epoch_of = epoch
        self._is_accepted = is_accepted
        self._certificates: dict[tuple[int, bytes], tuple[trinity.Certificate, Verifier]] = {}
        self._revoked: set[tuple[int, bytes]] = set()
        self._ciphers: OrderedDict[tuple[int, bytes, bytes], Cipher] = OrderedDict()
        self._replays = Replays()
        self._lock = threading.Lock()

    def add_certificate(self, data: bytes, seal_key: bytes) -> None:
        """A writer is known from now on. Raises INTEGRITY when `seal_key` has not signed it."""
        certificate = trinity.read_certificate(bytes(data))
        if certificate is None:
            raise integrity("this is no certificate")
        signed = trinity.certificate_signed(self._pool_id, certificate.head)
        if not Verifier(seal_key).is_signed(signed, certificate.signature):
            raise integrity("the epoch's OblivionSeal has not signed this certificate")
        key = (certificate.epoch, certificate.writer)
        with self._lock:
            known = self._certificates.get(key)
            if known is None or known[0].not_after < certificate.not_after:
                self._certificates[key] = (certificate, Verifier(certificate.writer))

    def certified_until(self, epoch: int, writer: bytes) -> int:
        """The end of a writer's certificate, in ms since 1970; 0 where none is known."""
        known = self._certificates.get((epoch, writer))
        return 0 if known is None else known[0].not_after

    def revoke(self, writer: bytes, epoch: int) -> None:
        """Nothing of this writer is taken any more, in this epoch."""
        self._revoked.add((epoch, bytes(writer)))

    def open(
        self,
        data: bytes,
        about: bytes,
        right: trinity.WriterRight,
        order: Order,
        generation: int | None = None,
    ) -> Opened:
        """What an envelope holds. Raises INTEGRITY, saying which look failed."""
        envelope = trinity.read_envelope(bytes(data))
        if envelope is None:
            raise integrity("this is no envelope")
        if envelope.pool_id != self._pool_id:
            raise integrity("it was sealed for another pool")
        if envelope.object != about:
            raise integrity("it was sealed for another block, call or name")
        if generation is not None and envelope.generation != generation:
            raise integrity("it was sealed as another generation")
        verifier = self._writer_of(envelope, right)
        epoch = self._epoch_of(envelope.epoch)
        stored = order in ("newest", "again")
        if epoch is None or not (stored or self._is_accepted(envelope.epoch)):
            raise integrity(f"epoch {envelope.epoch} is not accepted")
        self._check_order(envelope, order)
        signed = trinity.envelope_signed(envelope.head, digest(envelope.sealed))
        if not verifier.is_signed(signed, envelope.signature):
            raise integrity("its writer has not signed it")
        cipher = self._cipher_of(epoch, envelope)
        plain = cipher.open(envelope.sealed, envelope.nonce, envelope.head)
        if plain is None:
            raise integrity("its tag is wrong")
        self._take(envelope, order)
        return Opened(
            envelope.content_type, plain, envelope.writer, envelope.epoch, envelope.counter
        )

    def _writer_of(self, envelope: trinity.Envelope, right: trinity.WriterRight) -> Verifier:
        key = (envelope.epoch, envelope.writer)
        known = self._certificates.get(key)
        if known is None:
            raise integrity("its writer has no certificate")
        certificate, verifier = known
        if certificate.not_after + clock_tolerance_ms < self._now():
            raise integrity("its writer's certificate has expired")
        if not certificate.rights & trinity.writer_rights[right]:
            raise integrity(f"its writer has no right to {right}")
        if key in self._revoked:
            raise integrity("its writer was revoked")
        return verifier

    def _check_order(self, envelope: trinity.Envelope, order: Order) -> None:
        if order == "again":
            return
        with self._lock:
            if order == "newest":
                good = self._replays.is_current(envelope)
            else:
                after = order if isinstance(order, int) else 0
                is_message = envelope.generation == envelope.counter > after
                good = is_message and self._replays.is_new(envelope)
        if not good:
            raise _replayed()

    def _take(self, envelope: trinity.Envelope, order: Order) -> None:
        if order == "again":
            return
        with self._lock:
            take = self._replays.take_block if order == "newest" else self._replays.take
            if not take(envelope):
                raise _replayed()

    def _cipher_of(self, epoch: SealingEpoch, envelope: trinity.Envelope) -> Cipher:
        key = (epoch.epoch, envelope.writer, envelope.salt)
        with self._lock:
            known = self._ciphers.get(key)
            if known is not None:
                return known
            if len(self._ciphers) >= _cipher_limit:
                self._ciphers.popitem(last=False)
            cipher = data_cipher(epoch, envelope.writer, envelope.salt)
            self._ciphers[key] = cipher
            return cipher


def integrity(message: str) -> PoolsError:
    return PoolsError("INTEGRITY", message)


def _replayed() -> PoolsError:
    return integrity("it is older than what was read before, or was read already")
