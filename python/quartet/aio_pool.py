"""One pool, as a program of coroutines sees it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol, Unpack

from . import blocks_aio
from .blocks_aio import Block, BlockAsker, Ring
from .blocks_shapes import BlockChoices, Mode, RingChoices, Side
from .desk import Desk
from .keys import Keyring
from .keys_shapes import PoolKeys
from .sealed_keys import AwaitedKeys, made_of, ring_of

Rights = Mapping[str, Sequence[str]]
"""By right ("read", "write", "execute", "handle", "admin"): app ids, or beginnings with a star."""


class PoolAsker(BlockAsker, Protocol):
    """Whoever asks the server."""

    desk: Desk

    async def request(self, ask: Callable[[float], int | None]) -> Any:
        """Asks, and waits for the answer. Raises PoolsError."""
        ...


class Pool:
    """A namespace of triggers and topics, with members and rights."""

    def __init__(self, asker: PoolAsker, name: str) -> None:
        self._asker = asker
        self.name = name

    @property
    def keys(self) -> AwaitedKeys:
        """Of an encrypted pool, once it was joined with them."""
        return AwaitedKeys(self._asker, self.name)

    async def create(
        self,
        *,
        pool_type: str | None = None,
        rights: Rights | None = None,
        owners: Sequence[str] | None = None,
        description: str | None = None,
        encrypted: tuple[bytes, PoolKeys] | None = None,
    ) -> Any:
        """
        Makes it; `encrypted` is what `Keyring.create` gave. Raises PoolsError POOL_EXISTS.
        """
        fields = {
            "pool_type": pool_type, "rights": rights, "owners": owners, "description": description
        } | made_of(encrypted)
        return await self._ask("create", fields)

    async def destroy(self, *, force: bool | None = None) -> Any:
        """Ends it; with members only by `force`. Raises PoolsError POOL_IN_USE."""
        return await self._ask("destroy", {"force": force})

    async def join(
        self, keys: Keyring | PoolKeys | None = None, *, certificate: bytes | None = None
    ) -> Any:
        """
        Becomes a member; gives the rights and the members. A reconnect joins again. An encrypted
        pool takes its `keys`: all that is said there is sealed from now on. `certificate` is this
        app's own, where the server may not have it yet. Raises PoolsError, RuntimeError for keys
        without the package `cryptography`.
        """
        if keys is None:
            return self._asker.desk.joined(self.name, await self._ask("join", {}))
        ring = ring_of(keys)
        return await self._asker.request(
            lambda now: self._asker.desk.enter(self.name, ring, certificate, now)
        )

    async def leave(self) -> Any:
        """Is a member no more: what this app handled and listened to here is gone."""
        return await self._ask("leave", {})

    async def members(self) -> Any:
        """Who is in it."""
        return await self._ask("members", {})

    async def set_rights(self, rights: Rights) -> Any:
        """Says who may do what from now on."""
        return await self._ask("set_rights", {"rights": rights})

    async def create_block(
        self, id: str, size: int, *, mode: Mode = "write", **choices: Unpack[BlockChoices]
    ) -> Block:
        """
        Makes a block of so many bytes, with 4 generations side by side if not said. Raises
        PoolsError BLOCK_EXISTS, NO_SPACE, TOO_LARGE.
        """
        return await blocks_aio.create(self._asker, (self.name, id), size, choices, mode)

    async def attach(self, id: str, *, mode: Mode = "read") -> Block:
        """
        Attaches to a block. A second time gives the same, which then wants two detaches. Raises
        PoolsError NO_BLOCK, FORBIDDEN, WRITER_EXISTS.
        """
        return await blocks_aio.attach(self._asker, (self.name, id), mode)

    async def ring(
        self, id: str, size: int, *, side: Side = "receive", **choices: Unpack[RingChoices]
    ) -> Ring:
        """
        One end of a ring of records; it is made, with so many bytes, a power of two, where there is
        none. A consumer begins with what comes after it. Raises PoolsError.
        """
        return await blocks_aio.ring(self._asker, (self.name, id), size, side, choices)

    async def _ask(self, operation: str, fields: Mapping[str, Any]) -> Any:
        return await self._asker.request(
            lambda now: self._asker.desk.pool(operation, self.name, fields, now)
        )
