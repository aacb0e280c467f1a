"""
The keys of one encrypted pool, as a program holds them: what it can prove, seal, open and sign.

What always holds: OblivionSeal gives CipherShard, CipherShard gives SigilKey, never the other way;
records are believed by the root's signature and by their chain, never because a server sent them;
two records for one epoch end the trust in the pool. Nothing here talks to a server.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final

from . import trinity
from .envelopes import Content, Opened, SealingEpoch, integrity, now_ms
from .epochs import EpochKeys, Member, check_keys, make_record, missing, shard_before, unwrapped
from .errors import PoolsError
from .keys_open import Opener, clock_tolerance_ms
from .keys_seal import Sealer
from .keys_shapes import LentKeys, PoolKeys
from .trinity import Grade, KeyGrade, MessageKind
from .trinity_crypto import Exchange, Signer, Verifier, digest

certificate_life_ms: Final = 86_400_000
"""A certificate's life unless told: a day."""


@dataclass
class _Known:
    record: trinity.EpochRecord
    hash: bytes
    keys: EpochKeys | None
    over_at: int | None = None


class Keyring:
    """The keys of one pool. `take` the record of its epoch before sealing and opening."""

    def __init__(
        self, keys: PoolKeys, *, now: Callable[[], int] = now_ms, epoch_grace_ms: int = 60_000
    ) -> None:
        self._kept = keys
        self._now = now
        self._grace = epoch_grace_ms
        self._keys = EpochKeys(keys.pool_id, keys.epoch, keys.grade, keys.secret)
        self._secret: tuple[int, KeyGrade, bytes] = (keys.epoch, keys.grade, keys.secret)
        self._member = Exchange(keys.member_seed) if keys.member_seed else None
        self._writer = Signer(keys.writer_seed)
        self._epochs: dict[int, _Known] = {}
        self._expected: list[tuple[bytes, bytes]] = []
        self._broken = False
        self._lock = threading.RLock()
        self._sealer = Sealer(self._writer)
        self._opener = Opener(
            keys.pool_id, now=now, epoch=self._sealing_of, is_accepted=self._is_accepted
        )

    @classmethod
    def create(
        cls, *, members: Sequence[Member] = (), now: Callable[[], int] = now_ms
    ) -> tuple[bytes, PoolKeys]:
        """The first record of a new pool, and what its owner keeps."""
        pool_id, seal, root_seed = os.urandom(16), os.urandom(32), os.urandom(32)
        root = Signer(root_seed)
        record = make_record(pool_id, 1, seal, root, time=now(), members=members)
        keys = PoolKeys(
            pool_id, root.public_key, 1, "seal", seal, os.urandom(32), None, root_seed
        )
        return record, keys

    @property
    def writer_key(self) -> bytes:
        """What this app writes as: others certify it."""
        return self._writer.public_key

    @property
    def member_key(self) -> bytes | None:
        """What later epochs are wrapped to: whoever rotates names it."""
        return None if self._member is None else self._member.public_key

    def lend(self, grade: KeyGrade) -> LentKeys:
        """
        What another app needs to come in: this key of the newest epoch, or a weaker one. It goes by
        another way than the server. Raises FORBIDDEN for a key that this ring does not have.
        """
        kept = self._kept
        return LentKeys(kept.pool_id, kept.root_key, self.epoch, grade, self._keys.of(grade))

    @property
    def keys(self) -> PoolKeys:
        """What the program should keep by now."""
        epoch, grade, secret = self._secret
        return replace(self._kept, epoch=epoch, grade=grade, secret=secret)

    @property
    def epoch(self) -> int:
        """The newest epoch it can prove a key of."""
        return self._secret[0]

    @property
    def known_epoch(self) -> int:
        """The epoch up to which it knows records: what `join` is told."""
        return max(self._epochs, default=self._kept.epoch - 1)

    @property
    def first_epoch(self) -> int:
        """The first epoch whose record it knows."""
        return min(self._epochs, default=self._kept.epoch)

    def certified_until(self, epoch: int) -> int:
        """The end of what is known of its own certificate, in ms since 1970; 0 without one."""
        return self._opener.certified_until(epoch, self.writer_key)

    def take(self, record: bytes) -> bool:
        """
        Takes the first record that comes, the next, or the one before the oldest. False says that this
        member is left out of it. Raises INTEGRITY for what the root has not signed, does not follow, or
        is a second record for an epoch; after that last one nothing of this pool is taken any more.
        """
        with self._lock:
            if self._broken:
                raise integrity("this pool has shown two records for one epoch")
            read = trinity.read_record(bytes(record))
            if read is None or read.pool_id != self._kept.pool_id:
                raise integrity("this is no epoch record of this pool")
            if not Verifier(self._kept.root_key).is_signed(read.signed, read.signature):
                raise integrity("the owner root has not signed this epoch record")
            hashed = digest(bytes(record))
            known = self._epochs.get(read.epoch)
            if known is None:
                return self._add(read, hashed)
            if known.hash != hashed:
                self._broken = True
                raise integrity(f"there are two records for epoch {read.epoch}")
            return known.keys is not None

    def add_certificate(self, data: bytes) -> None:
        """A writer's certificate, as the server handed it out. Raises INTEGRITY."""
        epoch = int.from_bytes(data[:4], "big")
        known = self._epochs.get(epoch)
        if known is None:
            raise integrity(f"no record of epoch {epoch} is known")
        self._opener.add_certificate(data, known.record.seal_key)

    def revoked(self, writer: bytes, epoch: int) -> None:
        """A writer was revoked: nothing of it is taken from now on."""
        self._opener.revoke(writer, epoch)

    def prove(
        self,
        grade: Grade,
        *,
        nonce: bytes,
        session: bytes,
        app_id: str,
        binding: bytes = trinity.no_binding,
    ) -> bytes:
        """The signature that proves a key of the newest epoch. Raises FORBIDDEN for one it does not have."""
        keys = self._keys
        signers = {"shard": keys.read_sign, "writer": self._writer, "seal": keys.seal_sign}
        signer = signers.get(grade, keys.admit_sign)
        if not isinstance(signer, Signer):
            raise missing(grade)
        message = trinity.proof_bytes(
            pool_id=self._kept.pool_id,
            epoch=self.epoch,
            nonce=nonce,
            session=session,
            grade=grade,
            app_id=app_id,
            binding=binding,
        )
        return signer.sign(message)

    def certify(
        self,
        writer: bytes | None = None,
        rights: int = trinity.every_right,
        not_after: int | None = None,
    ) -> bytes:
        """A writer's certificate for the newest epoch: itself for all, for a day, unless told."""
        until = self._now() + certificate_life_ms if not_after is None else not_after
        head = trinity.certificate_head(self.epoch, writer or self.writer_key, rights, until)
        return head + self._seal_sign().sign(trinity.certificate_signed(self._kept.pool_id, head))

    def revoke(self, writer: bytes, time: int | None = None) -> bytes:
        """That a writer may do nothing more in the newest epoch."""
        head = trinity.revocation_head(self.epoch, writer, self._now() if time is None else time)
        return head + self._seal_sign().sign(trinity.revocation_signed(self._kept.pool_id, head))

    def rotate(self, members: Sequence[Member] = ()) -> tuple[bytes, PoolKeys]:
        """
        The next epoch's record, and what to keep once the server has taken it: `take` it then. Its
        secret is wrapped to those who are named; nobody else can go on. Needs the root.
        """
        with self._lock:
            if self._kept.root_seed is None:
                raise PoolsError("FORBIDDEN", "only the owner root makes an epoch")
            last = self._epochs.get(self.known_epoch)
            if last is None:
                raise PoolsError("NOT_READY", "take the records of this pool first")
            epoch, seal = self.known_epoch + 1, os.urandom(32)
            record = make_record(
                self._kept.pool_id,
                epoch,
                seal,
                Signer(self._kept.root_seed),
                time=self._now(),
                members=members,
                previous_hash=last.hash,
                previous_shard=last.keys and last.keys.shard,
            )
            self._expected = [*self._expected[-7:], (record, seal)]
            return record, replace(self._kept, epoch=epoch, grade="seal", secret=seal)

    def renew(self) -> None:
        """Seals with another salt from now on: after a copy of the whole machine was restored."""
        self._sealer.renew()

    def seal(
        self, kind: MessageKind, name: str, content: Content, call_nonce: bytes | None = None
    ) -> bytes:
        """A message as an envelope."""
        return self._sealer.seal(
            self._sealing(), _object(kind, name, call_nonce), None, content
        )

    def seal_block(self, uuid: bytes, generation: int, content: Content) -> bytes:
        """A block's content as an envelope."""
        return self._sealer.seal(self._sealing(), uuid, generation, content)

    def open(
        self,
        kind: MessageKind,
        name: str,
        envelope: bytes,
        call_nonce: bytes | None = None,
        *,
        after: int = 0,
        retained: bool = False,
    ) -> Opened:
        """What a message holds; of chunks those behind the counter `after`. Raises INTEGRITY."""
        is_chunk = kind in ("chunk-to-caller", "chunk-to-handler")
        order = after if is_chunk else "again" if retained and kind == "emit" else "once"
        right = trinity.right_of_kind[kind]
        return self._opener.open(envelope, _object(kind, name, call_nonce), right, order)

    def open_block(self, uuid: bytes, envelope: bytes, generation: int | None = None) -> Opened:
        """What a block holds; nothing older than what was read of it before. Raises INTEGRITY."""
        return self._opener.open(envelope, uuid, "write", "newest", generation)

    def _seal_sign(self) -> Signer:
        signer = self._keys.seal_sign
        if not isinstance(signer, Signer):
            raise missing("seal")
        return signer

    def _sealing(self) -> SealingEpoch:
        # Until a new epoch has this writer's certificate, nobody takes what it says there.
        epoch, before = self.epoch, self.epoch - 1
        if not self.certified_until(epoch) and self.certified_until(before):
            epoch = before if self._is_accepted(before) else epoch
        sealing = self._sealing_of(epoch)
        if sealing is None:
            raise missing("shard")
        return sealing

    def _sealing_of(self, epoch: int) -> SealingEpoch | None:
        known = self._epochs.get(epoch)
        if known is None or known.keys is None or known.keys.shard is None or self._broken:
            return None
        return SealingEpoch(self._kept.pool_id, epoch, known.keys.shard)

    def _is_accepted(self, epoch: int) -> bool:
        known = self._epochs.get(epoch)
        if known is None:
            return False
        over = known.over_at
        return over is None or self._now() < over + self._grace + clock_tolerance_ms

    def _add(self, record: trinity.EpochRecord, hashed: bytes) -> bool:
        epoch = record.epoch
        if not self._epochs:
            if epoch != self._kept.epoch:
                raise integrity(f"the record of epoch {self._kept.epoch} comes first")
            check_keys(self._keys, record)
            self._epochs[epoch] = _Known(record, hashed, self._keys)
            return True
        last = self._epochs[self.known_epoch]
        if epoch == last.record.epoch + 1:
            return self._go_on(record, hashed, last)
        after = self._epochs.get(epoch + 1)
        if after is None or after.record.previous_hash != hashed:
            raise _not_in_chain(record)
        keys = self._keys_before(after)
        if keys is not None:
            check_keys(keys, record)
        # It was over before this trust began.
        self._epochs[epoch] = _Known(record, hashed, keys, 0)
        return keys is not None

    def _go_on(self, record: trinity.EpochRecord, hashed: bytes, last: _Known) -> bool:
        if record.previous_hash != last.hash:
            raise _not_in_chain(record)
        own = next((seal for each, seal in self._expected if each[:-64] == record.signed), None)
        found = ("seal", own) if own else unwrapped(record, self._member)
        keys = found and EpochKeys(self._kept.pool_id, record.epoch, *found)
        if keys is not None:
            check_keys(keys, record)
        last.over_at = self._now()
        self._epochs[record.epoch] = _Known(record, hashed, keys)
        if keys is None or found is None:
            return False
        self._secret, self._keys = (record.epoch, *found), keys
        # Who was left out and is named again reads what was sealed meanwhile.
        for epoch in range(record.epoch - 1, 0, -1):
            known = self._epochs.get(epoch)
            if known is None or known.keys is not None:
                break
            known.keys = self._keys_before(self._epochs[epoch + 1])
        return True

    def _keys_before(self, after: _Known) -> EpochKeys | None:
        record = after.record
        shard = after.keys and after.keys.shard
        if not shard:
            return None
        before = shard_before(record, shard)
        return EpochKeys(record.pool_id, record.epoch - 1, "shard", before)


def _object(kind: MessageKind, name: str, call_nonce: bytes | None) -> bytes:
    return digest(trinity.message_bytes(kind, name, call_nonce))[:16]


def _not_in_chain(record: trinity.EpochRecord) -> PoolsError:
    return integrity(f"the record of epoch {record.epoch} does not follow the one before")


__all__ = ["Keyring", "LentKeys", "PoolKeys", "certificate_life_ms"]
