"""
What programs keep of the keys of encrypted pools, and what they hand out. All of it is secret but
pool ids and public keys.
"""

from __future__ import annotations

import os
from dataclasses import dataclass

from .trinity import KeyGrade


@dataclass(frozen=True, repr=False)
class LentKeys:
    """What lets another app in: with these it draws its own seeds. Never for the server."""

    pool_id: bytes
    root_key: bytes
    """Of the owner root."""
    epoch: int
    grade: KeyGrade
    secret: bytes


@dataclass(frozen=True, repr=False)
class PoolKeys:
    """What a program keeps to come back. All but `pool_id` and `root_key` is secret."""

    pool_id: bytes
    root_key: bytes
    """Of the owner root; it came by another way than the server."""
    epoch: int
    grade: KeyGrade
    secret: bytes
    writer_seed: bytes
    """Its app's own Ed25519 seed: what it seals as. One for each app."""
    member_seed: bytes | None = None
    """X25519: what later epochs are wrapped to."""
    root_seed: bytes | None = None
    """The owner's alone."""

    @classmethod
    def of(cls, lent: LentKeys) -> PoolKeys:
        """Those of an app that was lent some: it draws its own seeds, once, and keeps them."""
        seeds = (os.urandom(32), os.urandom(32))
        return cls(lent.pool_id, lent.root_key, lent.epoch, lent.grade, lent.secret, *seeds)
