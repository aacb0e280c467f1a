"""
One connection of the blocking client: a plain socket, TLS over one, or a unix socket.

What always holds: one thread receives while others send; TLS is taken in and out of memory under a
lock, because one TLS state does not bear two threads.
"""

from __future__ import annotations

import socket
import ssl
import threading
import time
from typing import Final, Protocol

from .address import Address

chunk_bytes: Final = 256 * 1024
patience_seconds: Final = 60.0
"""A server that takes nothing for this long is given up."""


class Link(Protocol):
    """Bytes to and from a server."""

    def receive(self) -> bytes | None:
        """The next bytes; empty at the end, None when none came for a while. Raises OSError."""
        ...

    def send(self, data: bytes) -> None:
        """Sends all of it. Raises OSError."""
        ...

    def close(self) -> None:
        """Ends it at once; whoever receives is told of the end."""
        ...


def open_link(address: Address, tls: ssl.SSLContext | None, timeout: float) -> Link:
    """Connects. Raises OSError when nobody answers within `timeout` seconds."""
    if address.kind == "unix":
        raw = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        raw.settimeout(timeout)
        try:
            raw.connect(address.path)
        except OSError:
            raw.close()
            raise
        return PlainLink(raw)
    raw = socket.create_connection((address.host, address.port), timeout)
    raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if address.kind == "tcp":
        return PlainLink(raw)
    try:
        return TlsLink(raw, tls or ssl.create_default_context(), address.host)
    except OSError:
        raw.close()
        raise


class PlainLink:
    """A socket as it is."""

    def __init__(self, raw: socket.socket, glance: float = 0.5) -> None:
        """`glance` is how long `receive` waits at a time, in seconds."""
        self._socket = raw
        raw.settimeout(glance)

    def receive(self) -> bytes | None:
        """The next bytes; empty at the end, None when none came for a while."""
        try:
            return self._socket.recv(chunk_bytes)
        except TimeoutError:
            return None

    def send(self, data: bytes) -> None:
        """Sends all of it."""
        sent = self._some(data)
        if sent == len(data):
            return
        rest = memoryview(data)[sent:]
        until = time.monotonic() + patience_seconds
        while rest:
            sent = self._some(rest)
            if sent > 0:
                until = time.monotonic() + patience_seconds
            elif time.monotonic() > until:
                raise TimeoutError("the server takes nothing")
            rest = rest[sent:]

    def close(self) -> None:
        """Ends it at once."""
        try:
            self._socket.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass  # It has ended already.
        self._socket.close()

    def _some(self, data: bytes | memoryview) -> int:
        try:
            return self._socket.send(data)
        except TimeoutError:
            return 0


class TlsLink:
    """TLS over a socket."""

    def __init__(self, raw: socket.socket, context: ssl.SSLContext, host: str) -> None:
        self._plain = PlainLink(raw)
        self._in = ssl.MemoryBIO()
        self._out = ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._in, self._out, server_hostname=host)
        self._lock = threading.Lock()
        # Held while bytes leave, so that records leave in the order in which they were made.
        self._sending = threading.Lock()
        self._shake()

    def receive(self) -> bytes | None:
        """The next bytes; empty at the end, None when none came for a while."""
        while True:
            with self._lock:
                try:
                    return self._tls.read(chunk_bytes)
                except ssl.SSLWantReadError:
                    pass
                except ssl.SSLZeroReturnError:
                    return b""
            self._flush()
            data = self._plain.receive()
            if not data:
                return data
            with self._lock:
                self._in.write(data)

    def send(self, data: bytes) -> None:
        """Sends all of it."""
        with self._lock:
            self._tls.write(data)
        self._flush()

    def close(self) -> None:
        """Ends it at once."""
        self._plain.close()

    def _flush(self) -> None:
        with self._sending:
            with self._lock:
                data = self._out.read()
            if data:
                self._plain.send(data)

    def _shake(self) -> None:
        until = time.monotonic() + patience_seconds
        while True:
            try:
                self._tls.do_handshake()
                return self._flush()
            except ssl.SSLWantReadError:
                self._flush()
            data = self._plain.receive()
            if data == b"" or time.monotonic() > until:
                raise ConnectionError("the server ended the TLS handshake")
            if data:
                self._in.write(data)
