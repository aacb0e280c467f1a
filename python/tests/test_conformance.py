"""The stories that every SDK lives, in test/conformance/pools, with both clients."""

from __future__ import annotations

import json
import re
import unittest
from pathlib import Path
from typing import Any

from .places import RealServer, eventually, root

import quartet

from .drivers import Awaiting, Blocking, Holds
from .scripted import Scripted, differs

stories = sorted((root / "test/conformance/pools").glob("*.txt"))
_fields = (
    "code",
    "retry",
    "message",
    "retry_after_ms",
    "execution_uncertain",
    "handler_code",
    "field",
    "reason",
    "detail",
)


class Story:
    """One file, and the apps and servers in it."""

    def __init__(self, path: Path, client: type[Blocking] | type[Awaiting]) -> None:
        self._lines = path.read_text().splitlines()
        self._client = client
        self._apps: dict[str, Blocking | Awaiting] = {}
        self._holds = Holds()
        self._is_real = "with real" in self._lines[:3]
        self._server: Scripted | RealServer = RealServer() if self._is_real else Scripted()

    def run(self) -> None:
        """Lives it. Raises AssertionError at the line that does not hold."""
        try:
            for number, line in enumerate(self._lines, 1):
                if line and not line.startswith(("#", "with ")):
                    try:
                        self._step(line)
                    except Exception as failed:
                        raise AssertionError(f"line {number}: {line}\n{failed!r}") from failed
        finally:
            for app in self._apps.values():
                app.end()
            if isinstance(self._server, RealServer):
                self._server.stop()
            else:
                self._server.close()

    def _step(self, line: str) -> None:
        word, _, rest = line.partition(" ")
        if isinstance(self._server, Scripted):
            said = {
                **{
                    "accept": lambda: self._server.accept(),
                    "welcome": lambda: self._server.welcome(rest),
                },
                **{"quiet": lambda: self._server.quiet(), "cut": lambda: self._server.cut()},
                **{">": lambda: self._server.hear(rest), "<": lambda: self._server.say(rest)},
                ">hex": lambda: self._server.hear_bytes(rest),
                "<hex": lambda: self._server.say_bytes(rest),
            }.get(word)
            if said is not None:
                return said()
        verb, _, said_with = rest.partition(" ")
        self._act(word, verb, said_with)

    def _act(self, name: str, verb: str, rest: str) -> None:
        if verb == "connect":
            server = self._server
            address = server.unix if isinstance(server, RealServer) else server.address
            self._apps[name] = self._client(address, name, _json(rest) or {}, self._holds)
            return
        app = self._apps[name]
        head, value = _parted(rest)
        if verb == "state":
            eventually(lambda: app.state() == head[0])
        elif verb == "refused":
            self._contains(value, _told(app.refused()))
        elif verb in (
            "call", "stream", "emit", "handle", "on", "pool", "admin", "explain", "drain", "close"
        ):
            getattr(app, verb)(*head, *([] if verb in ("drain", "close") else [value or {}]))
        elif verb in ("undo", "cancel"):
            getattr(app, verb)(head[0])
        elif verb == "release":
            self._holds.release(head[0], value)
        elif verb in ("working", "stopped"):
            counts = self._holds.begun if verb == "working" else self._holds.stopped
            eventually(lambda: counts.get(head[0], 0) >= value)
        else:
            self._expect(app, verb, head[0], value)

    def _expect(self, app: Blocking | Awaiting, verb: str, label: str, value: Any) -> None:
        if verb == "gives":
            self._equals(value, app.outcome(label))
        elif verb == "has":
            self._contains(value, app.outcome(label))
        elif verb == "done":
            app.outcome(label)
        elif verb == "fails":
            try:
                given = app.outcome(label)
            except quartet.PoolsError as error:
                return self._contains(value, _told(error))
            raise AssertionError(f"it gave {given!r}")
        elif verb == "next":
            self._equals((value,), app.next(label))
        elif verb == "end":
            self._equals((), app.next(label))
        elif verb == "hears":
            self._contains(value, app.hears(label))
        else:
            raise AssertionError(f"there is no step {verb}")

    def _equals(self, wanted: Any, got: Any) -> None:
        if wanted != got:
            raise AssertionError(f"{got!r}, not {wanted!r}")

    def _contains(self, wanted: Any, got: Any) -> None:
        if wrong := differs(wanted, got):
            raise AssertionError(f"{got!r}: {wrong}")


def _told(error: BaseException | None) -> dict[str, Any]:
    if not isinstance(error, quartet.PoolsError):
        raise AssertionError(f"{error!r} is no PoolsError") from error
    return {name: getattr(error, name) for name in _fields}


def _json(text: str) -> Any:
    return json.loads(text) if text else None


def _parted(rest: str) -> tuple[list[str], Any]:
    """The words, and the JSON at the end."""
    words = rest.split(" ")
    for count in range(len(words) + 1):
        tail = " ".join(words[count:])
        if count > 0 or tail[:1] in '{["':
            try:
                return words[:count], _json(tail)
            except ValueError:
                continue
    return words, None


def _named(path: Path, client: type[Blocking] | type[Awaiting]) -> str:
    return f"test_{re.sub(r'[^a-z0-9]+', '_', path.stem.lower())}_{client.__name__.lower()}"


class Conformance(unittest.TestCase):
    """One test for each story and client."""

    def test_there_are_stories(self) -> None:
        self.assertGreater(len(stories), 3)


def _add(path: Path, client: type[Blocking] | type[Awaiting]) -> None:
    def test(self: unittest.TestCase) -> None:
        Story(path, client).run()

    test.__doc__ = path.read_text().splitlines()[0].removeprefix("# ")
    setattr(Conformance, _named(path, client), test)


for _path in stories:
    for _client in (Blocking, Awaiting):
        _add(_path, _client)
