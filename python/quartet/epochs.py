"""
The keys of one epoch, out of the strongest that one has, and the records that follow each other.

What always holds: OblivionSeal gives CipherShard, CipherShard gives SigilKey, never the other way; an
epoch's OblivionSeal is drawn and never derived, so no epoch's keys give the next one's.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Final

from . import trinity
from .envelopes import integrity
from .errors import PoolsError
from .trinity import Grade, KeyGrade
from .trinity_crypto import Cipher, Exchange, Signer, derive

_zeros: Final = bytes(12)
Member = tuple[bytes, Grade]
"""An X25519 public key that the program names, and what it is given."""


class EpochKeys:
    """All that follows from the strongest key of an epoch."""

    def __init__(self, pool_id: bytes, epoch: int, grade: KeyGrade, secret: bytes) -> None:
        def down(key: bytes, name: str) -> bytes:
            return derive(key, pool_id, trinity.derivation(name, epoch))

        self.epoch = epoch
        self.seal = secret if grade == "seal" else None
        self.shard = secret if grade == "shard" else self.seal and down(self.seal, "shard")
        self.sigil = secret if self.shard is None else down(self.shard, "sigil")
        self.admit_sign = Signer(down(self.sigil, "admit-sign"))
        self.read_sign = self.shard and Signer(down(self.shard, "read-sign"))
        self.seal_sign = self.seal and Signer(down(self.seal, "seal-sign"))

    def of(self, grade: Grade) -> bytes:
        """The strongest key of a wrap's grade: writers get the CipherShard."""
        found = {"sigil": self.sigil, "seal": self.seal}.get(grade, self.shard)
        if found is None:
            raise missing(grade)
        return found


def make_record(
    pool_id: bytes,
    epoch: int,
    seal: bytes,
    root: Signer,
    *,
    time: int,
    members: Sequence[Member] = (),
    previous_hash: bytes = bytes(32),
    previous_shard: bytes | None = None,
    ephemeral: Callable[[], bytes] = lambda: os.urandom(32),
) -> bytes:
    """A new record, signed. Raises ValueError for more members than one record names."""
    if len(members) > trinity.wrap_limit:
        raise ValueError(f"a record names at most {trinity.wrap_limit} members")
    keys = EpochKeys(pool_id, epoch, "seal", seal)
    if not isinstance(keys.read_sign, Signer) or not isinstance(keys.seal_sign, Signer):
        raise AssertionError("never: the strongest key gives all others")
    previous = bytes(48)
    if previous_shard is not None:
        bound = trinity.previous_bound(pool_id, epoch)
        previous = _way_back(pool_id, epoch, keys.of("shard")).seal(previous_shard, _zeros, bound)
    fields = trinity.EpochRecord(
        pool_id,
        epoch,
        previous_hash,
        time,
        keys.admit_sign.public_key,
        keys.read_sign.public_key,
        keys.seal_sign.public_key,
        previous,
        tuple(_wrapped(pool_id, keys, member, Exchange(ephemeral())) for member in members),
    )
    signed = trinity.record_signed(fields)
    return signed + root.sign(signed)


def unwrapped(
    record: trinity.EpochRecord, member: Exchange | None
) -> tuple[KeyGrade, bytes] | None:
    """The strongest secret that a record holds for a member; None where it names it not."""
    if member is None:
        return None
    mine = [wrap for wrap in record.wraps if wrap.member == member.public_key]
    order: tuple[tuple[Grade, KeyGrade], ...] = (
        ("seal", "seal"),
        ("writer", "shard"),
        ("shard", "shard"),
        ("sigil", "sigil"),
    )
    for grade, key_grade in order:
        wrap = next((each for each in mine if each.grade == grade), None)
        shared = wrap and member.agree(wrap.ephemeral)
        if wrap is None or not shared:
            continue
        key = derive(shared, record.pool_id, trinity.wrap_derivation(record.epoch, wrap))
        bound = trinity.wrap_bound(record.pool_id, record.epoch, wrap)
        secret = Cipher(key).open(wrap.sealed, _zeros, bound)
        if secret is not None and len(secret) == 32:
            return key_grade, secret
    return None


def shard_before(record: trinity.EpochRecord, shard: bytes) -> bytes:
    """The CipherShard of the epoch before. Raises INTEGRITY when this key does not open it."""
    bound = trinity.previous_bound(record.pool_id, record.epoch)
    cipher = _way_back(record.pool_id, record.epoch, shard)
    before = cipher.open(record.previous_wrap, _zeros, bound)
    if before is None or len(before) != 32:
        raise integrity(f"the record of epoch {record.epoch} does not lead back")
    return before


def _way_back(pool_id: bytes, epoch: int, shard: bytes) -> Cipher:
    # Used once, so its nonce may be zeros.
    return Cipher(derive(shard, pool_id, trinity.derivation("prev", epoch)))


def _wrapped(pool_id: bytes, keys: EpochKeys, of: Member, mine: Exchange) -> trinity.Wrap:
    member, grade = of
    shared = mine.agree(member)
    if shared is None:
        raise ValueError("a member's key is no X25519 public key")
    wrap = trinity.Wrap(grade, member, mine.public_key)
    cipher = Cipher(derive(shared, pool_id, trinity.wrap_derivation(keys.epoch, wrap)))
    bound = trinity.wrap_bound(pool_id, keys.epoch, wrap)
    # The key is used once, so its nonce may be zeros.
    return replace(wrap, sealed=cipher.seal(keys.of(grade), _zeros, bound))


def check_keys(keys: EpochKeys, record: trinity.EpochRecord) -> None:
    """The record's public keys are those of the secret. Raises INTEGRITY where one is another's."""
    pairs = (
        (keys.admit_sign, record.admit_key),
        (keys.read_sign, record.read_key),
        (keys.seal_sign, record.seal_key),
    )
    for signer, key in pairs:
        if isinstance(signer, Signer) and signer.public_key != key:
            raise integrity(f"the secret is not that of epoch {record.epoch}")


def missing(grade: Grade) -> PoolsError:
    names = {"sigil": "SigilKey", "shard": "CipherShard", "seal": "OblivionSeal"}
    name = names.get(grade, "writer key")
    return PoolsError("FORBIDDEN", f"this needs the {name} of the newest epoch")
