"""
Blocks and rings as a program names them, and what of each needs nobody's answer.

What always holds: nothing here waits; what does is with those who do, in threads or in coroutines.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal, TypedDict

from .blocks_seat import Held
from .blocks_slots import Bytes, Snapshot, Writing
from .blocks_steps import Attachment
from .errors import PoolsError
from .payload import type_of

Mode = Literal["read", "write"]
Side = Literal["send", "receive"]
LockMode = Literal["read", "write", "exclusive"]


class BlockChoices(TypedDict, total=False):
    """What a block is made with."""

    slots: int | None
    writers: Literal["one", "many"] | None
    checksum: bool | None
    durable: bool | None
    lock: Literal["advisory", "required"] | None
    permissions: Mapping[str, Sequence[str]] | None
    filling: bool | None


class RingChoices(TypedDict, total=False):
    """What a ring is made with."""

    ring: Literal["block", "overwrite"]
    writers: Literal["one", "many"] | None
    checksum: bool | None
    permissions: Mapping[str, Sequence[str]] | None


class Pinned:
    """What of a pinned generation needs no releasing."""

    def __init__(self, data: memoryview, snapshot: Snapshot) -> None:
        self.data = data
        self.generation = snapshot.generation
        self.content_type = snapshot.content_type


class Lock:
    """What of a lock needs no unlocking."""

    def __init__(self, held: Held) -> None:
        self._held = held
        self.mode = held.mode
        self.fence = held.fence

    @property
    def error(self) -> PoolsError | None:
        """Why it was lost; None while it is held."""
        return self._held.error


class Attached:
    """What blocks and rings have in common."""

    def __init__(self, attachment: Attachment) -> None:
        self._at = attachment
        self._is_open = True
        attachment.users += 1
        self.id = attachment.id

    @property
    def via(self) -> str:
        """ "map": its memory is mapped here; "socket": all goes over the connection."""
        return self._at.via

    @property
    def capacity(self) -> int:
        """The most bytes of one generation; of a ring, all its bytes."""
        return self._at.capacity


def glance(at: Attachment) -> Snapshot | None:
    """The newest generation whole, where it can be read here and now."""
    slots = None if at.is_sealed else at.slots
    return None if slots is None else slots.glance()


def writing(
    data: Bytes, *, offset: int | None, onto: int | None, content_type: str | None
) -> Writing:
    """What is to be written. Raises PoolsError BAD_MESSAGE for a content type that there is not."""
    kind = kind_of(content_type)
    return Writing(memoryview(data).cast("B"), offset, kind, onto, 0, 0)


def kind_of(content_type: str | None) -> int | None:
    """The number of a content type, None for none. Raises PoolsError BAD_MESSAGE."""
    return None if content_type is None else type_of(content_type)
