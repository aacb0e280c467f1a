"""
Sealing as one writer.

What always holds: no pair of data key and nonce is used twice, over threads, forks, restarts and
boots.
"""

from __future__ import annotations

import os
import threading
import weakref
from collections.abc import Callable
from typing import Final

from . import trinity
from .envelopes import Content, SealingEpoch, data_cipher
from .trinity_crypto import Cipher, Signer, digest

_salt_messages: Final = 2**32
"""Messages under one salt; then another is drawn."""
_salt_bytes: Final = 2**48


def place() -> str:
    """Another text where memory was copied into another process, or machine, as far as can be told."""
    try:
        with open("/proc/sys/kernel/random/boot_id") as file:
            boot = file.read()
    except OSError:
        boot = ""  # not Linux: only the process can be told apart
    return f"{os.getpid()} {boot}"


class Sealer:
    """Makes one writer's envelopes. Any thread may use it."""

    def __init__(
        self,
        writer: Signer,
        *,
        draw_salt: Callable[[], bytes] = lambda: os.urandom(16),
        messages: int = _salt_messages,
        size: int = _salt_bytes,
    ) -> None:
        self._writer = writer
        self._draw_salt = draw_salt
        self._messages = messages
        self._size = size
        self._lock = threading.Lock()
        self._epoch = 0
        self._place = ""
        self._salt = b""
        self._cipher: Cipher | None = None
        self._counter = 0
        self._bytes = 0
        _sealers.add(self)

    @property
    def key(self) -> bytes:
        """The writer's public key."""
        return self._writer.public_key

    def renew(self) -> None:
        """Draws another salt for what is sealed next."""
        with self._lock:
            self._cipher = None

    def seal(
        self, epoch: SealingEpoch, about: bytes, generation: int | None, content: Content
    ) -> bytes:
        """An envelope. `generation` is a block's; None for a message, whose counter stands there."""
        size = len(content.data)
        with self._lock:
            cipher = self._ready(epoch, size)
            self._counter += 1
            self._bytes += size
            counter, salt = self._counter, self._salt
        head = trinity.envelope_head(
            pool_id=epoch.pool_id,
            object=about,
            epoch=epoch.epoch,
            generation=counter if generation is None else generation,
            content_type=content.type,
            writer=self.key,
            salt=salt,
            counter=counter,
            plain_bytes=size,
        )
        sealed = cipher.seal(content.data, trinity.nonce_of(counter), head)
        return head + sealed + self._writer.sign(trinity.envelope_signed(head, digest(sealed)))

    def _ready(self, epoch: SealingEpoch, more: int) -> Cipher:
        here = place()
        good = (
            self._epoch == epoch.epoch
            and self._place == here
            and self._counter < self._messages
            and self._bytes + more <= self._size
        )
        if self._cipher is not None and good:
            return self._cipher
        self._salt = self._draw_salt()
        self._cipher = data_cipher(epoch, self.key, self._salt)
        self._epoch, self._place = epoch.epoch, here
        self._counter = self._bytes = 0
        return self._cipher

    def forked(self) -> None:
        """In a child: a lock that another thread held in the parent would never be free here."""
        self._lock = threading.Lock()
        self._cipher = None


_sealers: weakref.WeakSet[Sealer] = weakref.WeakSet()


def _forked() -> None:
    for sealer in list(_sealers):
        sealer.forked()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forked)
