"""
Blocks of encrypted pools: each generation is one envelope, sealed here and opened here.

What always holds: no content leaves open, mapped or not; what is given out was sealed for this
block and generation by a writer who may, and is nothing older than what this app has read before.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Final

from . import layout
from .blocks_messages import BlockNotice, BlockRef
from .blocks_seat import Steps
from .blocks_slots import Part, Snapshot, Writing, Written
from .blocks_steps import Attachment
from .envelopes import Content, Opened
from .errors import PoolsError
from .keys import Keyring
from .payload import bytes_content, name_of
from .trinity import extra_bytes

_attempts: Final = 8
"""How often a write begins again where others write too."""


class SealedAttachment(Attachment):
    """What may be done with one block of an encrypted pool."""

    is_sealed = True

    def __init__(
        self, name: tuple[str, str], mode: str, *, near: Callable[[], bool], ring: Keyring
    ) -> None:
        super().__init__(name, mode, near=near)
        self._ring = ring

    def take(self, told: Mapping[str, Any]) -> None:
        super().take(told)
        self.capacity = max(0, self.capacity - extra_bytes)

    def check_range(self, offset: int, length: int) -> None:
        # What is looked at below is envelopes.
        super().check_range(offset, length - extra_bytes)

    def read(self, part: Part, verify: layout.Verify = "never") -> Steps[Snapshot]:
        for _ in range(_attempts):
            whole = yield from super().read(Part(generation=part.generation), verify)
            if whole.generation == 0:
                return whole
            try:
                opened = self._opened(whole.data, whole.generation)
                break
            except PoolsError:
                # Another thread may have read a newer one since; then there is a newer one.
                newer = (yield from super().read(Part(length=1))).generation
                if part.generation is not None or newer == whole.generation:
                    raise
        else:
            raise PoolsError("BUSY", "the block moves faster than it can be read")
        super().check_range(part.offset, part.length or 0)
        end = None if part.length is None else part.offset + part.length
        data = opened.data[part.offset : end]
        return whole._replace(data=data, type=opened.type, offset=part.offset)

    def write(self, writing: Writing, given: int | None) -> Steps[Written]:
        if writing.offset is not None:
            raise PoolsError("UNAVAILABLE", "a block of an encrypted pool is written as a whole")
        kind = bytes_content if writing.type is None else writing.type
        content = Content(kind, bytes(writing.data))
        for attempt in range(_attempts):
            yield from self.ready()
            onto = writing.onto
            if onto is None:
                onto = (yield from super().read(Part(length=1))).generation
            envelope = self._ring.seal_block(self._bytes, onto + 1, content)
            sealed = replace(
                writing, data=memoryview(envelope), type=bytes_content, onto=onto
            )
            try:
                written = yield from super().write(sealed, given)
                return Written(written.generation, len(content.data))
            except PoolsError as error:
                is_taken = error.code == "CONFLICT" and writing.onto is None
                is_old = error.code == "STALE_EPOCH" and attempt == 0
                if not is_taken and not is_old:
                    raise
        raise PoolsError("BUSY", "others write into the block all the time", retry_after_ms=10)

    def pin(self) -> Steps[tuple[memoryview, Snapshot]]:
        view, snapshot = yield from super().pin()
        if snapshot.generation == 0:
            return view, snapshot
        try:
            opened = self._opened(bytes(view), snapshot.generation)
        except PoolsError:
            yield from self.unpin()
            raise
        return memoryview(opened.data), snapshot._replace(type=opened.type)

    def create(self, fields: Mapping[str, Any]) -> Steps[None]:
        return super().create({**fields, "size": int(fields["size"]) + extra_bytes})

    def create_or_attach(self, fields: Mapping[str, Any]) -> Steps[None]:
        raise PoolsError("UNAVAILABLE", "rings are not available in encrypted pools")

    def telling(self, payload: Any) -> Steps[None]:
        raise PoolsError("NOT_ENCRYPTED", "notices carry no payload in an encrypted pool")

    def ref(self, part: Part) -> Steps[BlockRef]:
        raise PoolsError("UNAVAILABLE", "blocks of encrypted pools are not sent by reference")

    def counted(self, notice: BlockNotice) -> BlockNotice:
        told = super().counted(notice)
        if told.data is None:
            return told
        try:
            opened = self._opened(told.data, told.generation)
        except PoolsError:
            # It may have been read already: whoever wants it reads it, and is told what is wrong.
            return replace(told, data=None, content_type=None)
        return replace(told, data=opened.data, content_type=name_of(opened.type))

    @property
    def _bytes(self) -> bytes:
        return uuid.UUID(self.uuid).bytes

    def _opened(self, envelope: bytes, generation: int) -> Opened:
        return self._ring.open_block(self._bytes, envelope, generation)
