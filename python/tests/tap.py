"""A line between an app and a server that remembers what went through it, and may bend it."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable

Bend = Callable[[bytes], bytes]


class Tap:
    """Listens on TCP, and leads to a unix socket. Frames are bent whole, from the server only."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._sockets: list[socket.socket] = []
        self._lock = threading.Lock()
        self.seen = bytearray()
        """All that went, both ways."""
        self.bend: Bend = lambda frame: frame
        self.address = f"tcp://127.0.0.1:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def cut(self) -> None:
        """Ends the connections that there are."""
        with self._lock:
            sockets, self._sockets = self._sockets, []
        for each in sockets:
            try:
                each.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass  # It has ended by itself.

    def close(self) -> None:
        """Nothing goes through any more."""
        self._listener.close()
        self.cut()

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._listener.accept()
                far = socket.socket(socket.AF_UNIX)
                far.connect(self._path)
            except OSError:
                return
            with self._lock:
                self._sockets += [near, far]
            ends = ((near, far, lambda frame: frame), (far, near, lambda frame: self.bend(frame)))
            for start, end, bend in ends:
                threading.Thread(target=self._pass, args=(start, end, bend), daemon=True).start()

    def _pass(self, start: socket.socket, end: socket.socket, bend: Bend) -> None:
        try:
            while head := _exactly(start, 4):
                frame = _exactly(start, int.from_bytes(head, "big"))
                self.seen += frame
                bent = bend(frame)
                end.sendall(len(bent).to_bytes(4, "big") + bent)
        except OSError:
            pass  # One of the two has ended: so does the other.
        for each in (start, end):
            try:
                each.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
        start.close()


def _exactly(start: socket.socket, count: int) -> bytes:
    data = bytearray()
    while len(data) < count:
        more = start.recv(count - len(data))
        if not more:
            return b""
        data += more
    return bytes(data)
