"""The server of a story: it says what the file says, and hears what the file expects."""

from __future__ import annotations

import json
import re
import socket
from typing import Any

from .places import wait_seconds

from quartet.frames import FrameReader, prefixed

_given = {"protocol_version": "1.0", "heartbeat_ms": 15_000, "features": [], "limits": {}}
_session = {"id": "s", "generation": 1, "resume": "r"}


class Scripted:
    """One listener, and the connection that was accepted last."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.settimeout(wait_seconds)
        self._socket: socket.socket | None = None
        self._frames: list[bytes] = []
        self._reader = FrameReader(1 << 26)
        self._bound: dict[str, str] = {}
        self.address = f"tcp://127.0.0.1:{self._listener.getsockname()[1]}"

    def accept(self) -> None:
        """Waits for the next connection."""
        self._drop()
        self._socket, _ = self._listener.accept()
        self._socket.settimeout(wait_seconds)
        self._frames = []
        self._reader = FrameReader(1 << 26)

    def say(self, line: str) -> None:
        """A message of JSON, with what was bound."""
        message = self._filled(json.loads(line))
        self._send(json.dumps(message).encode())

    def say_bytes(self, line: str) -> None:
        """A frame in hex, with what was bound."""
        words = line.split()
        out = b"".join(
            int(self._bound[word]).to_bytes(8, "big") if word[0] == "$" else bytes.fromhex(word)
            for word in words
        )
        self._send(out)

    def hear(self, line: str) -> None:
        """The next frame is JSON that contains this."""
        frame = self._next()
        heard = json.loads(frame)
        wrong = self._differs(json.loads(line), heard)
        if wrong:
            raise AssertionError(f"expected {line}\nheard {frame.decode()}\n{wrong}")

    def hear_bytes(self, line: str) -> None:
        """The next frame is these bytes."""
        frame = self._next()
        at = 0
        for word in line.split():
            length = 8 if word[0] == "$" else 1
            found, at = frame[at : at + length], at + length
            if word[0] == "$":
                text = str(int.from_bytes(found, "big"))
                if self._bound.setdefault(word, text) != text:
                    raise AssertionError(f"{word} is {self._bound[word]}, heard {text}")
            elif word != ".." and found.hex() != word:
                raise AssertionError(
                    f"expected {line}\nheard    {frame.hex(' ')}\nbyte {at - 1} differs"
                )
        if at != len(frame):
            raise AssertionError(f"expected {line}\nheard    {frame.hex(' ')}")

    def welcome(self, line: str) -> None:
        """Hears a handshake and acknowledges it."""
        heard = json.loads(self._next())
        if heard["type"] != "handshake":
            raise AssertionError(f"heard {heard} instead of a handshake")
        assigned = {"app_id": heard["app_id"], "pools": heard.get("pools", ["default"])}
        base = {"type": "handshake_ack", "correlation_id": heard.get("id"), "status": "success"}
        more = {"assigned": assigned | {"triggers": [], "rehydrated": False}, "session": _session}
        fields = {**base, **more, **_given, "rights": {}, **json.loads(line or "{}")}
        self._send(json.dumps(fields).encode())

    def quiet(self) -> None:
        """Nothing was on its way."""
        self._send(b'{"type":"ping","id":"quiet"}')
        heard = self._next()
        if json.loads(heard) != {"type": "pong", "id": "quiet"}:
            raise AssertionError(f"expected nothing, heard {heard.decode()}")

    def cut(self) -> None:
        """Ends the connection without a word."""
        self._drop()

    def close(self) -> None:
        """Ends all of it."""
        self._drop()
        self._listener.close()

    def _drop(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _send(self, body: bytes) -> None:
        assert self._socket is not None
        self._socket.sendall(prefixed(body))

    def _next(self) -> bytes:
        """The next frame that is no ping of the SDK's own."""
        assert self._socket is not None
        while True:
            while not self._frames:
                data = self._socket.recv(1 << 16)
                if not data:
                    raise AssertionError("the connection ended instead of a frame")
                self._frames += self._reader.push(data)
            frame = self._frames.pop(0)
            if b'"type":"ping"' not in frame:
                return frame
            self._send(json.dumps({"type": "pong", "id": json.loads(frame).get("id")}).encode())

    def _filled(self, value: Any) -> Any:
        if isinstance(value, dict):
            return {key: self._filled(each) for key, each in value.items()}
        if isinstance(value, list):
            return [self._filled(each) for each in value]
        return self._bound.get(value, value) if isinstance(value, str) else value

    def _differs(self, wanted: Any, heard: Any) -> str:
        if isinstance(wanted, str) and re.fullmatch(r"\$\w+", wanted):
            if not isinstance(heard, str):
                return f"{heard!r} is no text"
            wanted = self._bound.setdefault(wanted, heard)
        if isinstance(wanted, str) and re.fullmatch(r"~\d+", wanted):
            most = int(wanted[1:])
            fits = isinstance(heard, int) and most / 2 <= heard <= most
            return "" if fits else f"{heard!r}, not {wanted}"
        return differs(wanted, heard, self._differs)


def differs(wanted: Any, heard: Any, within: Any = None) -> str:
    """
    What is wrong with `heard`; empty when it contains `wanted`: objects by their fields, all else
    whole.
    """
    inner = within or differs
    if isinstance(wanted, dict) and isinstance(heard, dict):
        for key, value in wanted.items():
            if key not in heard:
                return f"{key} is missing"
            if wrong := inner(value, heard[key]):
                return f"{key}: {wrong}"
        return ""
    if isinstance(wanted, list) and isinstance(heard, list) and len(wanted) == len(heard):
        return next(
            (wrong for a, b in zip(wanted, heard, strict=True) if (wrong := inner(a, b))), ""
        )
    # True equals 1 in Python, and is another thing in JSON.
    is_same = wanted == heard and isinstance(wanted, bool) == isinstance(heard, bool)
    return "" if is_same else f"{heard!r}, not {wanted!r}"
