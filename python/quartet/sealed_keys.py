"""
The keys of an encrypted pool in the hands of a program: what it does with them, and what the server
is told.

What always holds: what is signed here is known here before the server tells of it; secrets go to
the program alone. All of it raises NOT_MEMBER where the program has not joined with a keyring.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

from .desk import Desk
from .epochs import Member
from .keys import Keyring
from .keys_shapes import LentKeys, PoolKeys
from .proof import encode64
from .trinity import KeyGrade, every_right


class Asker(Protocol):
    """Whoever asks the server."""

    desk: Desk

    def request(self, ask: Callable[[float], int | None]) -> Any:
        """Asks; gives the answer, or what is to be awaited for it. Raises PoolsError."""
        ...


class _Held:
    """What needs nobody's answer."""

    def __init__(self, asker: Asker, pool: str) -> None:
        self._asker = asker
        self._pool = pool

    @property
    def ring(self) -> Keyring:
        """The keyring that this app joined with."""
        return self._asker.desk.keys(self._pool)

    @property
    def epoch(self) -> int:
        """The newest epoch that it has a key of."""
        return self.ring.epoch

    @property
    def writer_key(self) -> bytes:
        """What this app writes as: for whoever certifies it."""
        return self.ring.writer_key

    @property
    def member_key(self) -> bytes | None:
        """What later epochs are wrapped to: for whoever rotates."""
        return self.ring.member_key

    @property
    def kept(self) -> PoolKeys:
        """What the program should keep to come back. Secret."""
        return self.ring.keys

    def lend(self, grade: KeyGrade) -> LentKeys:
        """What lets another app in: this key or a weaker one. Secret, and not for the server."""
        return self.ring.lend(grade)

    def renew(self) -> None:
        """Seals with another salt: after a copy of the whole machine was restored."""
        self.ring.renew()

    def _walk(self, operation: str, **fields: bytes) -> Any:
        spelled = {name: encode64(value) for name, value in fields.items()}
        return self._asker.request(
            lambda now: self._asker.desk.walk(self._pool, operation, spelled, now)
        )

    def _enter(self) -> Any:
        return self._asker.request(
            lambda now: self._asker.desk.enter(self._pool, self.ring, None, now)
        )


class Keys(_Held):
    """The keys of one pool, for a program of threads."""

    def certify(
        self, writer: bytes, *, rights: int = every_right, not_after: int | None = None
    ) -> None:
        """
        Lets a writer write in this epoch: for a day, with all rights, unless told. `rights` are
        1 write, 2 emit, 4 call, 8 answer, added up; `not_after` is ms since 1970.
        """
        certificate = self.ring.certify(writer, rights, not_after)
        self._walk("add_certificate", bytes=certificate)
        self.ring.add_certificate(certificate)

    def revoke(self, writer: bytes) -> None:
        """A writer may do nothing more in this epoch."""
        epoch = self.epoch
        self._walk("revoke", bytes=self.ring.revoke(writer))
        self.ring.revoked(writer, epoch)

    def rotate(self, members: Sequence[Member] = (), writers: Sequence[bytes] = ()) -> PoolKeys:
        """
        Begins the next epoch, certifies `writers` in it, and gives what the owner keeps from now
        on. Who is not among `members` reads nothing new.
        """
        record, kept = self.ring.rotate(members)
        self._walk("add_epoch", record=record)
        self.ring.take(record)
        self._enter()
        for writer in writers:
            self.certify(writer)
        return kept


class AwaitedKeys(_Held):
    """The keys of one pool, for a program of coroutines. As `Keys`, awaited."""

    async def certify(
        self, writer: bytes, *, rights: int = every_right, not_after: int | None = None
    ) -> None:
        """Lets a writer write in this epoch."""
        certificate = self.ring.certify(writer, rights, not_after)
        await self._walk("add_certificate", bytes=certificate)
        self.ring.add_certificate(certificate)

    async def revoke(self, writer: bytes) -> None:
        """A writer may do nothing more in this epoch."""
        epoch = self.epoch
        await self._walk("revoke", bytes=self.ring.revoke(writer))
        self.ring.revoked(writer, epoch)

    async def rotate(
        self, members: Sequence[Member] = (), writers: Sequence[bytes] = ()
    ) -> PoolKeys:
        """Begins the next epoch, certifies `writers` in it, and gives what the owner keeps."""
        record, kept = self.ring.rotate(members)
        await self._walk("add_epoch", record=record)
        self.ring.take(record)
        await self._enter()
        for writer in writers:
            await self.certify(writer)
        return kept


def ring_of(keys: Keyring | PoolKeys) -> Keyring:
    """A keyring. Raises RuntimeError without the package `cryptography`, and says what to do."""
    return keys if isinstance(keys, Keyring) else Keyring(keys)


def made_of(encrypted: tuple[bytes, PoolKeys] | None) -> dict[str, Any]:
    """The fields that make a pool an encrypted one: of what `Keyring.create` gave."""
    if encrypted is None:
        return {}
    record, keys = encrypted
    fields = {"root_key": encode64(keys.root_key), "record": encode64(record)}
    return {"encrypted": True, **fields}
