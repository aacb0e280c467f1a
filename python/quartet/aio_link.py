"""One connection of the asyncio client, over TCP, TLS or a unix socket."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable

from .address import Address
from .errors import PoolsError


class Link(asyncio.Protocol):
    """
    Bytes to and from a server.

    `writable` is clear while more is unsent than the line takes; `ended` is set when it is over.
    """

    def __init__(self, receive: Callable[[bytes], None]) -> None:
        self._receive = receive
        self._transport: asyncio.Transport | None = None
        self.writable = asyncio.Event()
        self.ended = asyncio.Event()
        self.error: PoolsError | None = None
        self.writable.set()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """For asyncio."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """For asyncio."""
        if not self.ended.is_set():
            self._receive(data)

    def connection_lost(self, exc: Exception | None) -> None:
        """For asyncio."""
        self.ended.set()
        self.writable.set()

    def pause_writing(self) -> None:
        """For asyncio."""
        self.writable.clear()

    def resume_writing(self) -> None:
        """For asyncio."""
        self.writable.set()

    def send(self, data: bytes) -> None:
        """Sends it, now or as the line takes it."""
        if self._transport is not None and not self.ended.is_set():
            self._transport.write(data)

    def give_up(self, error: PoolsError) -> None:
        """It is of no use any more, and this is why."""
        self.error = error
        self.close()

    def close(self) -> None:
        """Ends it at once."""
        self.ended.set()
        self.writable.set()
        if self._transport is not None:
            self._transport.close()


async def open_link(
    address: Address, tls: ssl.SSLContext | None, receive: Callable[[bytes], None]
) -> Link:
    """Connects. Raises OSError."""
    loop = asyncio.get_running_loop()
    if address.kind == "unix":
        _, link = await loop.create_unix_connection(lambda: Link(receive), address.path)
        return link
    context = (tls or ssl.create_default_context()) if address.kind == "tls" else None
    _, link = await loop.create_connection(
        lambda: Link(receive), address.host, address.port, ssl=context
    )
    return link
