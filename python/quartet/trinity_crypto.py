"""
The cryptography of encrypted pools: SHA-256, HKDF, Ed25519, X25519 and AES-256-GCM.

What always holds: `cryptography` is imported where a key is first used, never before; what does not
verify or open gives False or None. Works with Debian's python3-cryptography 38 and later ones.
"""

from __future__ import annotations

import hashlib
import hmac
from typing import Any


def digest(data: bytes) -> bytes:
    """SHA-256."""
    return hashlib.sha256(data).digest()


def derive(secret: bytes, salt: bytes, info: bytes) -> bytes:
    """HKDF-SHA-256, 32 bytes: one block of it."""
    key = hmac.digest(salt, secret, "sha256")
    return hmac.digest(key, info + b"\1", "sha256")


class Signer:
    """Signs with one Ed25519 key, made of a seed of 32 bytes."""

    def __init__(self, seed: bytes) -> None:
        self._key = _asymmetric().Ed25519PrivateKey.from_private_bytes(seed)
        self.public_key: bytes = _raw(self._key.public_key())

    def sign(self, message: bytes) -> bytes:
        return self._key.sign(message)


class Verifier:
    """Whether signatures are one key's."""

    def __init__(self, public_key: bytes) -> None:
        try:
            self._key: Any = _asymmetric().Ed25519PublicKey.from_public_bytes(public_key)
        except ValueError:
            self._key = None  # bytes that are no key are nobody's

    def is_signed(self, message: bytes, signature: bytes) -> bool:
        if self._key is None:
            return False
        try:
            self._key.verify(signature, message)
        except _asymmetric().InvalidSignature:
            return False
        return True


class Cipher:
    """Seals and opens with one key. Whoever calls it never uses a nonce twice."""

    def __init__(self, key: bytes) -> None:
        self._cipher = _asymmetric().AESGCM(key)

    def seal(self, plain: bytes, nonce: bytes, bound: bytes) -> bytes:
        """Ciphertext and tag."""
        return self._cipher.encrypt(nonce, plain, bound)

    def open(self, sealed: bytes, nonce: bytes, bound: bytes) -> bytes | None:
        """None for bytes that this key has not sealed so."""
        try:
            return self._cipher.decrypt(nonce, sealed, bound)
        except _asymmetric().InvalidTag:
            return None


class Exchange:
    """One half of an agreement on a secret, X25519 of a seed of 32 bytes."""

    def __init__(self, seed: bytes) -> None:
        self._key = _asymmetric().X25519PrivateKey.from_private_bytes(seed)
        self.public_key: bytes = _raw(self._key.public_key())

    def agree(self, theirs: bytes) -> bytes | None:
        """None where theirs is no key, or gives a secret of zeros."""
        try:
            secret: bytes = self._key.exchange(
                _asymmetric().X25519PublicKey.from_public_bytes(theirs)
            )
        except ValueError:
            return None
        return secret if any(secret) else None


class _Asymmetric:
    """What is used of `cryptography`. Made once, when it is first needed."""

    def __init__(self) -> None:
        try:
            from cryptography.exceptions import InvalidSignature, InvalidTag
            from cryptography.hazmat.primitives import serialization
            from cryptography.hazmat.primitives.asymmetric import ed25519, x25519
            from cryptography.hazmat.primitives.ciphers.aead import AESGCM
        except ImportError:
            advice = "encrypted pools need the package cryptography: pip install 'quartet[keys]'"
            raise RuntimeError(advice) from None
        self.InvalidSignature = InvalidSignature
        self.InvalidTag = InvalidTag
        self.AESGCM: Any = AESGCM
        self.Ed25519PrivateKey: Any = ed25519.Ed25519PrivateKey
        self.Ed25519PublicKey: Any = ed25519.Ed25519PublicKey
        self.X25519PrivateKey: Any = x25519.X25519PrivateKey
        self.X25519PublicKey: Any = x25519.X25519PublicKey
        self.encoding: Any = serialization.Encoding.Raw
        self.format: Any = serialization.PublicFormat.Raw


_loaded: _Asymmetric | None = None


def _asymmetric() -> _Asymmetric:
    global _loaded
    if _loaded is None:
        _loaded = _Asymmetric()
    return _loaded


def _raw(key: Any) -> bytes:
    # public_bytes_raw came with version 40.
    return key.public_bytes(_asymmetric().encoding, _asymmetric().format)
