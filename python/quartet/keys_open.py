"""
Opening what others sealed.

What always holds: a reader looks at shape, certificate, epoch, replay and signature, in that order,
before it decrypts, and gives out nothing of what fails: INTEGRITY.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from typing import Final

from . import trinity
from .envelopes import Opened, Order, SealingEpoch, data_cipher, integrity
from .errors import PoolsError
from .keys_replays import Replays
from .trinity_crypto import Cipher, Verifier, digest

clock_tolerance_ms: Final = 60_000
"""How far another's clock may be from this one."""
_cipher_limit: Final = 256


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


def _replayed() -> PoolsError:
    return integrity("it is older than what was read before, or was read already")
