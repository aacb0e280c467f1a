"""
What an envelope of an encrypted pool holds, for those who seal and those who open.

What always holds: a data key belongs to one pool, one epoch, one writer and one salt.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Literal

from . import trinity
from .errors import PoolsError
from .trinity_crypto import Cipher, derive


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
    """The time in ms since 1970."""
    return int(time.time() * 1_000)


def data_cipher(epoch: SealingEpoch, writer: bytes, salt: bytes) -> Cipher:
    """What one writer seals with under one salt."""
    info = trinity.derivation("data", epoch.epoch, writer + salt)
    return Cipher(derive(epoch.shard, epoch.pool_id, info))


def integrity(message: str) -> PoolsError:
    """What is not what it should be, and `message` says in what."""
    return PoolsError("INTEGRITY", message)
