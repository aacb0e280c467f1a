"""
The attachments of one app: what of them a reconnect restores, who is told of what, and the leases.

What always holds: an app has one attachment to a block (to a ring two), however many of its parts
attached to it; with the connection every lock is lost, and every attachment is asked for again.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Any, Final

from .blocks_sealed import SealedAttachment
from .blocks_messages import Asked, BlockRef, Notified
from .blocks_seat import Held, Steps
from .blocks_slots import Part, Snapshot
from .blocks_steps import Attachment
from .errors import PoolsError
from .events import Event, Noticed
from .keys import Keyring
from .messages import Called
from .payload import unpacked

_log: Final = logging.getLogger("quartet")


class Table:
    """Touched by the core, in the order in which the server speaks."""

    def __init__(self) -> None:
        self.sees: Callable[[Mapping[str, Any]], bool] = lambda _: False
        """Whether the server's memory, as the handshake tells of it, is that of this machine."""
        self.keys: Callable[[str], Keyring | None] = lambda _: None
        """Those of an encrypted pool."""
        self._attachments: list[Attachment] = []
        self._by_number: dict[int, Attachment] = {}
        self._restoring: dict[int, Asked] = {}
        self._shm: Mapping[str, Any] | None = None
        self._nearness: bool | None = None

    def enter(self, name: tuple[str, str], mode: str, *, is_ring: bool = False) -> Attachment:
        """The attachment of this name and for this mode, to be asked for."""
        keys = self.keys(name[0])
        if keys is None:
            made = Attachment(name, mode, near=self._is_near)
        else:
            made = SealedAttachment(name, mode, near=self._is_near, ring=keys)
        made.is_ring = is_ring
        known = next((each for each in self._attachments if each.key == made.key), made)
        if mode == "write" and known.mode == "read":
            known.mode = mode
            known.forget()
        return known

    def leaving(self, attachment: Attachment) -> Steps[None]:
        """One part of the app wants it no more; the last lets it go."""
        attachment.users -= 1
        if attachment.users > 0:
            return
        number = attachment.number
        attachment.slots = None
        if number is not None:
            try:
                yield attachment.asked("detach")
            except PoolsError as error:
                _log.debug("detached already: %s", error)
        self._drop(attachment)

    def partings(self) -> list[Asked]:
        """What says that nothing is being written any more: so that no file has to be replaced."""
        asked: list[Asked] = []
        for each in self._attachments:
            each.slots = None
            if each.number is not None and each.mode == "write":
                asked.append(each.asked("detach"))
        return asked

    def _drop(self, attachment: Attachment) -> None:
        if attachment in self._attachments:
            self._attachments.remove(attachment)
        number = attachment.number
        if number is not None:
            self._by_number.pop(number, None)
        attachment.forget()

    def found(self, ref: BlockRef) -> Attachment | None:
        """The attachment to the block that this refers to."""
        uuids = ((each, each.told) for each in self._attachments)
        return next((each for each, told in uuids if told and told.get("uuid") == ref.block), None)

    def payload(self, called: Called) -> Any:
        """
        What a call brings, read here where it lies in a block. Raises PoolsError GENERATION_GONE.
        """
        ref = called.block
        if ref is None:
            return called.payload
        at = self.found(ref)
        slots = None if at is None else at.settled()
        if slots is not None:
            found = slots.read(Part(ref.offset, ref.length or None, ref.generation))
            if isinstance(found, Snapshot):
                return unpacked(found.type, found.data)
        sentence = f"generation {ref.generation} of the block has been overwritten"
        raise PoolsError("GENERATION_GONE", sentence)

    def connected(self, shm: object) -> None:
        """A new connection, and what its server says of its memory."""
        self._shm = shm if isinstance(shm, dict) else None
        self._nearness = None

    def requests(self) -> list[Asked]:
        """What attaches and follows again."""
        asked: list[Asked] = []
        for each in self._attachments:
            asked.append(each.attaching())
            if each.listeners:
                asked.append(each.following())
        return asked

    def awaits(self, asked: Asked) -> None:
        """This was asked to restore."""
        self._restoring[asked.id] = asked

    def restored(self, id: int, answer: Any) -> None:
        """The answer to one of these; None: it was refused."""
        asked = self._restoring.pop(id, None)
        if asked is None:
            return
        if answer is not None:
            self.answered(asked, answer, 0.0)
        elif isinstance(asked.block, Attachment):
            asked.block.forget()

    def answered(self, asked: Asked, answer: Any, now: float) -> None:
        """The answer to any other question."""
        block = asked.block
        if not isinstance(block, Attachment) or not isinstance(answer, dict):
            return
        if asked.operation in ("attach", "create"):
            block.take(answer)
            self._by_number[int(answer["attachment"])] = block
            if block not in self._attachments:
                self._attachments.append(block)
        elif asked.operation == "subscribe":
            block.generation_told = int(answer["generation"])
        elif asked.operation == "lock":
            lease = int(answer["lease_ms"]) / 1000
            name, mode = str(answer["lock_id"]), str(asked.fields["mode"])
            # How long the answer was under way is not known: it is renewed soon.
            held = Held(name, mode, int(answer["fence"]), lease, now + lease / 2)
            block.locks[held.name] = held
        elif asked.operation == "renew":
            held = block.locks.get(str(asked.fields["lock_id"]))
            if held is not None:
                held.until, held.is_renewing = asked.sent_at + held.lease, False

    def refused(self, asked: Asked, error: PoolsError) -> None:
        """A question was answered with an error."""
        if asked.operation == "renew" and isinstance(asked.block, Attachment):
            held = asked.block.locks.pop(str(asked.fields["lock_id"]), None)
            if held is not None:
                held.error = error

    def hear(self, notified: Notified) -> list[Event]:
        """A notice for one of them."""
        block = self._by_number.get(notified.attachment)
        if block is None:
            return []
        notice = notified.notice
        block.hear(notice)
        if notice.event is not None:
            _log.info("block %s: %s", block.id, notice.event)
        return [Noticed(block, notice)] if block.listeners else []

    def lost(self) -> None:
        """The connection has ended."""
        self._by_number.clear()
        self._restoring.clear()
        for each in self._attachments:
            each.lost()

    def due(self, now: float) -> list[Asked]:
        """The questions that keep locks, a third of their lease before they would end."""
        asked: list[Asked] = []
        for block in self._attachments:
            for held in block.locks.values():
                if not held.is_renewing and now > held.until - held.lease * 2 / 3:
                    held.is_renewing = True
                    asked.append(block.asked("renew", lock_id=held.name))
        return asked

    def _is_near(self) -> bool:
        if self._nearness is None:
            self._nearness = self._shm is not None and self.sees(self._shm)
        return self._nearness
