"""
Files of blocks, mapped. What no other part of this package touches: the memory itself.

What always holds: a file is mapped after its length, its header and its uuid were found right, and
without following links; who only reads maps it for reading; a mapping lives as long as somebody has
it or a view of it, so no view ever points at nothing.
"""

from __future__ import annotations

import base64
import ctypes
import mmap
import os
import platform
import threading
from collections.abc import Mapping
from typing import Any, Final

from . import layout
from .layout import Header, header_of

probe_bytes: Final = 16
_futex_wake: Final = 1
_futex_calls: Final = {"x86_64": 202, "aarch64": 98, "riscv64": 98}


class Mapped:
    """A block's memory. `words` are its 32-bit words, `memory` its bytes."""

    __slots__ = ("_barrier", "header", "memory", "view", "words")

    def __init__(self, header: Header, memory: mmap.mmap) -> None:
        self.header = header
        self.memory = memory
        self.view = memoryview(memory)
        self.words = self.view.cast("I")
        self._barrier = threading.Lock()

    def settle(self) -> None:
        """
        What was stored before is seen by all before anything after is loaded: taking a lock is an
        atomic exchange, and with it a full barrier.
        """
        with self._barrier:
            pass

    def wake(self) -> None:
        """Wakes whoever sleeps on the word of the newest generation."""
        call = _futex_calls.get(platform.machine())
        if call is None or self.view.readonly:
            return
        word = ctypes.c_uint32.from_buffer(self.memory, 4 * layout.latest)
        libc = ctypes.CDLL(None, use_errno=True)
        libc.syscall(call, ctypes.byref(word), _futex_wake, 0x7FFF_FFFF, None, None, 0)


def is_near(shm: Mapping[str, Any]) -> bool:
    """Whether the server's memory is that of this machine: what it says of itself stands there."""
    folder, probe = shm.get("dir"), shm.get("probe")
    if not layout.can_map or not isinstance(folder, str) or not isinstance(probe, str):
        return False
    try:
        with open(os.path.join(folder, "probe"), "rb", opener=_unfollowed) as file:
            found = file.read(probe_bytes + 1)
        return found == base64.urlsafe_b64decode(probe + "=" * (-len(probe) % 4))
    except (OSError, ValueError):
        return False


def mapped(told: Mapping[str, Any], *, writes: bool) -> Mapped:
    """
    Maps what the server has told of. Raises OSError, or ValueError with why it is not that block.
    """
    path, length = told.get("path"), told.get("file_bytes")
    if not isinstance(path, str) or not isinstance(length, int):
        raise ValueError("there is no file to map")
    flags = os.O_RDWR if writes else os.O_RDONLY
    file = os.open(path, flags | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        found = os.fstat(file).st_size
        if found != length:
            raise ValueError(f"it is {found} bytes long, not {length}")
        header = header_of(os.pread(file, layout.line_bytes, 0), length)
        if header.uuid.hex() != str(told.get("uuid")).replace("-", ""):
            raise ValueError("it is another block")
        is_sealed = told.get("state") == "sealed"
        kind = mmap.MAP_PRIVATE if is_sealed else mmap.MAP_SHARED
        access = mmap.PROT_READ | (mmap.PROT_WRITE if writes else 0)
        return Mapped(header, mmap.mmap(file, length, flags=kind, prot=access))
    finally:
        os.close(file)


def process_started() -> int | None:
    """When this process began: field 22 of its stat, with which the server knows it for itself."""
    try:
        with open("/proc/self/stat", "rb") as file:
            return int(file.read().rpartition(b")")[2].split()[19])
    except (OSError, ValueError, IndexError):
        return None


def _unfollowed(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NOFOLLOW | os.O_CLOEXEC)
