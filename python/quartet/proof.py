"""
How an app proves that it is who it says: an Ed25519 key, and what is signed with it.

What always holds: a signature covers the server's nonce, the session and the app id, so it is good
once and for nobody else. `cryptography` is imported only where a key is used.
"""

from __future__ import annotations

import base64
import struct
from collections.abc import Mapping
from typing import Any, Final

from .errors import PoolsError

_label: Final = b"quartet-app/v1\0"


class AppKey:
    """The Ed25519 key that an app id is bound to. Needs the package `cryptography`."""

    def __init__(self, seed: bytes) -> None:
        """
        `seed` is 32 bytes. Raises ValueError for another length, RuntimeError without cryptography.
        """
        if len(seed) != 32:
            raise ValueError(f"the seed of a key has 32 bytes, this one has {len(seed)}")
        self._key: Any = _ed25519().Ed25519PrivateKey.from_private_bytes(seed)

    @classmethod
    def generate(cls) -> AppKey:
        """A new key. `seed` gives what to keep, in secret."""
        key = cls(bytes(32))
        key._key = _ed25519().Ed25519PrivateKey.generate()
        return key

    @property
    def seed(self) -> bytes:
        """The 32 bytes that it is made of: whoever has them is this app."""
        # private_bytes_raw and public_bytes_raw came with version 40; Debian has 38.
        how = _serialization()
        return self._key.private_bytes(
            how.Encoding.Raw, how.PrivateFormat.Raw, how.NoEncryption()
        )

    @property
    def public_key(self) -> bytes:
        """Ed25519, 32 bytes."""
        how = _serialization()
        return self._key.public_key().public_bytes(how.Encoding.Raw, how.PublicFormat.Raw)

    def sign(self, message: bytes) -> bytes:
        """Its signature of 64 bytes."""
        return self._key.sign(message)


def claim(app_id: str, challenge: Mapping[str, Any]) -> bytes:
    """
    What is signed to claim an app id. Raises PoolsError BAD_MESSAGE for a challenge that is none: a
    signature covers only what this protocol asks for.
    """
    try:
        nonce, session = (decode64(str(challenge.get(name))) for name in ("nonce", "session_id"))
    except ValueError:
        nonce = session = b""
    if len(nonce) != 32 or len(session) != 16:
        raise PoolsError("BAD_MESSAGE", "the challenge is none")
    name = app_id.encode()
    return _label + nonce + session + struct.pack(">H", len(name)) + name


def encode64(data: bytes) -> str:
    """base64url without padding."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def decode64(text: str) -> bytes:
    """The bytes of base64url, padded or not. Raises ValueError for anything else."""
    return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)


def _ed25519() -> Any:
    try:
        from cryptography.hazmat.primitives.asymmetric import ed25519
    except ImportError:
        advice = "a key needs the package cryptography: pip install 'quartet[keys]'"
        raise RuntimeError(advice) from None
    return ed25519


def _serialization() -> Any:
    from cryptography.hazmat.primitives import serialization

    return serialization
