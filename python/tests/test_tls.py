"""Both clients over TLS."""

from __future__ import annotations

import asyncio
import os
import shutil
import ssl
import subprocess
import tempfile
import unittest
from typing import Any

from .places import RealServer

import quartet


@unittest.skipIf(shutil.which("openssl") is None, "openssl is missing")
class Tls(unittest.TestCase):
    """PL6: calls over TLS, with a server that is believed and one that is not."""

    def setUp(self) -> None:
        directory = tempfile.mkdtemp(prefix="quartet-tls-")
        self.addCleanup(shutil.rmtree, directory)
        key, self.cert = (os.path.join(directory, name) for name in ("key.pem", "cert.pem"))
        curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"]
        names = ["-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"]
        words = ["openssl", "req", "-x509", *curve, "-nodes", "-days", "1", *names]
        subprocess.run([*words, "-keyout", key, "-out", self.cert], check=True, capture_output=True)
        settings = {"TLS_CERT": self.cert, "TLS_KEY": key}
        self.server = RealServer(with_tcp=True, settings=settings)
        self.addCleanup(self.server.stop)
        self.address = self.server.tcp.replace("tcp:", "tls:")

    def test_threads_and_coroutines_call_over_tls(self) -> None:
        tls = ssl.create_default_context(cafile=self.cert)
        big = os.urandom(2 << 20)
        with quartet.connect(self.address, app="bob", tls=tls) as bob:
            bob.handle("echo")(lambda payload, call: payload)
            with quartet.connect(self.address, app="ada", tls=tls) as ada:
                self.assertEqual(ada.call("echo", big), big)
                pending = [ada.submit("echo", number) for number in range(100)]
                self.assertEqual([each.result() for each in pending], list(range(100)))

            async def awaited() -> Any:
                async with await quartet.aio.connect(self.address, app="eve", tls=tls) as eve:
                    return await eve.call("echo", big)

            self.assertEqual(asyncio.run(awaited()), big)

    def test_a_server_that_is_not_believed_is_not_spoken_to(self) -> None:
        with self.assertRaises(quartet.PoolsError) as failed:
            quartet.connect(self.address, app="ada")
        self.assertEqual(failed.exception.code, "CONNECTION_LOST")
        self.assertIn("certificate", failed.exception.message)
        with self.assertRaises(quartet.PoolsError) as failed:
            asyncio.run(quartet.aio.connect(self.address, app="ada"))
        self.assertIn("certificate", failed.exception.message)


if __name__ == "__main__":
    unittest.main()
