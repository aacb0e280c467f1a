"""The programs of README.md and of examples/pools do what is said of them."""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
import sys
import unittest
import urllib.request
from pathlib import Path

from .places import RealServer, eventually, node, root, serve, wait_seconds

import quartet

has_cryptography = importlib.util.find_spec("cryptography") is not None
shown = "tcp://127.0.0.1:45227"


def program(name: str) -> str:
    """A program of the README."""
    found = re.search(
        rf"```python {name}\n(.*?)```", (root / "python/README.md").read_text(), re.DOTALL
    )
    assert found is not None
    return found[1]


class Programs(unittest.TestCase):
    """PL14: what a newcomer pastes."""

    @classmethod
    def setUpClass(cls) -> None:
        cls.server: RealServer = serve(cls)

    def begun(self, *words: str) -> subprocess.Popen[str]:
        """A program in a process of its own."""
        environment = {**os.environ, "PYTHONPATH": str(root / "python"), "PYTHONUNBUFFERED": "1"}
        program = node() if words[0].endswith(".ts") else sys.executable
        begun = subprocess.Popen(
            [program, *words], stdout=subprocess.PIPE, text=True, env=environment
        )
        self.addCleanup(lambda: [begun.kill(), begun.wait(), begun.stdout and begun.stdout.close()])
        return begun

    def printed(self, *words: str) -> str:
        """What a program printed in all."""
        out, _ = self.begun(*words).communicate(timeout=wait_seconds)
        return out

    def handled(self, trigger: str) -> None:
        """Waits until somebody handles it."""
        with quartet.connect(self.server.unix, app="looker") as app:
            eventually(lambda: app.explain(trigger).get("candidates"))

    def test_the_worker_and_the_callers_of_the_manual(self) -> None:
        def text(name: str) -> str:
            self.assertIn(shown, program(name))
            return program(name).replace(shown, self.server.unix)

        worker = self.begun("-c", text("worker"))
        self.handled("count")
        self.assertEqual(
            self.printed("-c", text("caller")).splitlines(),
            ["{'w': 50, 'left': True}", "0", "1", "2", "NO_HANDLER later"],
        )
        awaited = self.printed("-c", text("awaiting")).splitlines()
        self.assertEqual(awaited[0], "{'w': 50, 'left': True}")
        self.assertEqual(awaited[1:], ["log.web {'hit': 1}"])
        worker.kill()
        worker.wait()

    @unittest.skipUnless(has_cryptography, "the package cryptography is missing")
    def test_the_encrypted_pool_of_the_manual(self) -> None:
        self.assertEqual(program("sealed").count(shown), 2)
        text = program("sealed").replace(shown, self.server.unix)
        self.assertEqual(self.printed("-c", text).splitlines(), ["3", "2 7"])

    def test_the_worker_is_as_long_as_it_is_said_to_be(self) -> None:
        lines = [line for line in program("worker").splitlines() if line.strip()]
        self.assertLessEqual(len(lines), 15)

    def test_the_blocks_of_the_manual(self) -> None:
        def text(name: str) -> str:
            return program(name).replace(shown, self.server.unix)

        self.assertEqual(
            self.printed("-c", text("writing")).splitlines(), ["Written(generation=1, length=19)"]
        )
        read = self.printed("-c", text("reading")).splitlines()
        self.assertEqual(read, ["3 b'mine' bytes", "4"])
        self.assertEqual(self.printed("-c", text("ring")).splitlines(), ["0 b'one' 0"])

    def test_frames_of_one_program_are_seen_by_another_and_by_a_browser(self) -> None:
        folder = Path(root / "examples/pools/frames")
        for name in ("frames.py", "viewer.ts"):
            self.assertLessEqual(len((folder / name).read_text().splitlines()), 40)
        self.begun(str(folder / "frames.py"), self.server.unix)
        with quartet.connect(self.server.unix, app="first") as app:
            eventually(lambda: "frames" in str(app.admin("list_blocks")))
        viewer = self.begun(str(folder / "viewer.ts"), self.server.unix, "0")
        assert viewer.stdout is not None
        url = viewer.stdout.readline().split()[0]
        seen: set[str] = set()

        def both() -> bool:
            with urllib.request.urlopen(url + "frame", timeout=wait_seconds) as answer:
                self.assertIn(len(answer.read()), (0, 320 * 240 * 4))
                seen.add(answer.headers["generation"])
            return len(seen) > 2

        eventually(both)
        with urllib.request.urlopen(url, timeout=wait_seconds) as answer:
            self.assertIn(b"<canvas", answer.read())

    def test_the_examples_work_together(self) -> None:
        folder = Path(root / "examples/pools")
        self.begun(str(folder / "worker.py"), self.server.unix)
        self.handled("words")
        out = self.printed(str(folder / "caller.ts"), self.server.unix, "to be or not to be")
        self.assertEqual(out.splitlines(), ["6 words", "to 2", "be 2", "or 1", "not 1"])


if __name__ == "__main__":
    unittest.main()
