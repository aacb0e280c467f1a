"""Where things are, and real servers for tests: processes of their own, gone when the test ends."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import unittest
from collections.abc import Callable
from pathlib import Path
from typing import Any

root = Path(__file__).resolve().parents[2]
wait_seconds = 30.0
"""How long anything may take on a machine that is busy with other things."""

sys.path.insert(0, str(root / "python"))


def node() -> str:
    """The Node that servers and examples run on."""
    return os.environ.get("QUARTET_NODE") or str(root / "node_modules/.bin/node")


class RealServer:
    """
    `quartet serve` with an empty store and its pools on a unix socket; over TCP, too, where it is
    asked for.
    """

    def __init__(self, *, with_tcp: bool = False, settings: dict[str, str] | None = None) -> None:
        """`settings` are further words of its environment."""
        self._settings = settings or {}
        self._directory = tempfile.mkdtemp(prefix="quartet-python-")
        self.socket = os.path.join(self._directory, "pools.sock")
        self._process: subprocess.Popen[str] | None = None
        self._with_tcp = with_tcp
        self.tcp = ""
        self.start()

    @property
    def unix(self) -> str:
        """Its address on this machine."""
        return f"unix:{self.socket}"

    def start(self) -> None:
        """Begins, or begins again after `kill`; waits until it listens."""
        # A port that was free may be somebody else's by now: then another one.
        for _ in range(10):
            port = _free_port() if self._with_tcp else 0
            if self._begun(port):
                self.tcp = f"tcp://127.0.0.1:{port}"
                return
        raise RuntimeError("the server did not start")

    def kill(self) -> None:
        """Ends it at once, as a failure would."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def stop(self) -> None:
        """Ends it and removes what it left."""
        self.kill()
        shutil.rmtree(self._directory, ignore_errors=True)

    def _begun(self, port: int) -> bool:
        settings = {
            "PORT": "0", "OPERATORS_PORT": "0", "POOLS_PORT": str(port), "POOLS_SOCKET": self.socket
        }
        log = os.path.join(self._directory, "log")
        with open(log, "w") as written:
            self._process = subprocess.Popen(
                [node(), str(root / "src/main.ts"), "serve"],
                stderr=written,
                stdout=subprocess.DEVNULL,
                text=True,
                env={**os.environ, **settings, "SQLITE_URI": ":memory:", **self._settings},
            )
        while self._process.poll() is None:
            with open(log) as lines:
                events = [json.loads(line)["event"] for line in lines if line.endswith("\n")]
                if "listening" in events:
                    return True
            time.sleep(0.02)
        return False


def serve(
    test: type[unittest.TestCase] | unittest.TestCase, *, with_tcp: bool = False
) -> RealServer:
    """A server that ends with the test, or with all tests of a class."""
    server = RealServer(with_tcp=with_tcp)
    if isinstance(test, type):
        test.addClassCleanup(server.stop)
    else:
        test.addCleanup(server.stop)
    return server


def eventually(look: Callable[[], object]) -> Any:
    """What `look` gives as soon as that is true. Fails after `wait_seconds`."""
    until = time.monotonic() + wait_seconds
    while not (found := look()):
        if time.monotonic() > until:
            raise AssertionError("it did not come about")
        time.sleep(0.005)
    return found


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
