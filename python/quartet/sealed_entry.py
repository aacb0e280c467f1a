"""
Coming into an encrypted pool, and staying in it: what is asked of the server, and what is made of
what it says. Each way is a generator: it gives operations of the pool with their fields, is sent
the answers, and has refusals thrown into it. So both clients walk it without waiting here.

What always holds: what the server hands out is believed only as far as it is signed; the strongest
key that one has is proven, and the writer key where a certificate for it is known; whoever has the
OblivionSeal certifies itself.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from typing import Any, Final, Literal, TypeVar, cast

from .envelopes import integrity, now_ms
from .keys import Keyring, certificate_life_ms
from .proof import decode64, encode64
from .trinity import Certificate, Grade, grades, read_certificate

Fields = dict[str, Any]
_Result = TypeVar("_Result")
Way = Generator[tuple[str, Fields], Fields, _Result]
"""Gives an operation and its fields; is sent the answer."""
Noticed = Literal["noted", "enter", "left-out"]

_renew_before_ms: Final = certificate_life_ms // 2
"""A certificate with less of its life left than this is made anew."""


@dataclass(frozen=True, slots=True)
class Door:
    """The connection that a pool is entered on."""

    app_id: str
    session: bytes
    """Of the connection: from its `handshake_ack`, 16 bytes."""


def enter(ring: Keyring, door: Door, certificate: bytes | None = None) -> Way[Fields]:
    """
    Joins, takes what is handed out, and proves what it can. Gives the rights and the members. Good
    once more after each new epoch, and after each reconnect. `certificate` is this app's own, where
    the server may not have it yet. Raises INTEGRITY for what the server handed out.
    """
    nonce, own = yield from _join(ring)
    given = None if certificate is None else read_certificate(certificate)
    if certificate is not None and given is not None and _knows(ring, given.epoch):
        ring.add_certificate(certificate)
        if given.epoch == ring.epoch and given.writer == ring.writer_key:
            own = given
    grade = ring.keys.grade
    entered = yield from _prove(ring, door, grade, nonce)
    if grade == "seal":
        yield from _certify_self(ring, own)
    if own is None or grade != "shard":
        return entered
    nonce, _ = yield from _join(ring)
    return (yield from _prove(ring, door, "writer", nonce, own.head + own.signature))


def notice(ring: Keyring, told: Fields) -> Noticed:
    """
    Takes what the server tells the members of a pool. "enter" asks for `enter` once more: there is
    a new epoch, or a certificate of one's own. "left-out" says that this member is not part of the
    new epoch. Raises INTEGRITY.
    """
    operation = told.get("operation")
    if operation == "epoch_added":
        return "enter" if ring.take(_bytes_in(told, "record")) else "left-out"
    if operation == "certificate_added":
        data = _bytes_in(told, "bytes")
        read = read_certificate(data)
        was_known = ring.certified_until(ring.epoch) > 0
        ring.add_certificate(data)
        is_own = read is not None and read.writer == ring.writer_key and read.epoch == ring.epoch
        return "enter" if is_own and not was_known and ring.keys.grade == "shard" else "noted"
    if operation == "revoked":
        _revoke(ring, told)
    return "noted"


def asking(operation: str, fields: Fields) -> Way[Fields]:
    """One operation, and its answer."""
    return (yield operation, fields)


def _join(ring: Keyring) -> Way[tuple[bytes, Certificate | None]]:
    told = yield "join", {"known_epoch": ring.known_epoch}
    page = told
    while True:
        for record in _bytes_of_all(page, "records"):
            ring.take(record)
        if page.get("more") is not True:
            break
        page = yield "epochs", {"after": ring.known_epoch}
    own: Certificate | None = None
    for data in _bytes_of_all(told, "certificates"):
        read = read_certificate(data)
        # Of epochs before those that are known here nothing can be verified.
        if read is None or not _knows(ring, read.epoch):
            continue
        ring.add_certificate(data)
        if read.epoch == ring.epoch and read.writer == ring.writer_key:
            own = read
    revoked = told.get("revoked")
    if isinstance(revoked, list):
        for each in cast("list[object]", revoked):
            if isinstance(each, dict):
                _revoke(ring, cast("Fields", each))
    return _bytes_in(told, "nonce"), own


def _prove(
    ring: Keyring, door: Door, grade: Grade, nonce: bytes, certificate: bytes | None = None
) -> Way[Fields]:
    epoch = ring.epoch
    signature = ring.prove(grade, nonce=nonce, session=door.session, app_id=door.app_id)
    fields: Fields = {"epoch": epoch, "grade": grades[grade], "signature": encode64(signature)}
    if certificate is not None:
        fields["certificate"] = encode64(certificate)
    return (yield "prove", fields)


def _certify_self(ring: Keyring, known: Certificate | None) -> Way[None]:
    """By one's own OblivionSeal, where the certificate that is known ends soon."""
    if known is not None and known.not_after > now_ms() + _renew_before_ms:
        return
    made = ring.certify()
    ring.add_certificate(made)
    yield "add_certificate", {"bytes": encode64(made)}


def is_ending(ring: Keyring) -> bool:
    """Whether this app can certify itself, and should once more."""
    ends = ring.certified_until(ring.epoch)
    return ring.keys.grade == "seal" and 0 < ends <= now_ms() + _renew_before_ms


def _knows(ring: Keyring, epoch: int) -> bool:
    return ring.first_epoch <= epoch <= ring.known_epoch


def _revoke(ring: Keyring, of: Fields) -> None:
    epoch = of.get("epoch")
    if isinstance(epoch, int):
        ring.revoked(_bytes_in(of, "writer"), epoch)


def _bytes_in(fields: Fields, name: str) -> bytes:
    value = fields.get(name)
    if isinstance(value, str):
        try:
            return decode64(value)
        except ValueError:
            pass
    raise integrity(f"the server's {name} is no base64url")


def _bytes_of_all(fields: Fields, name: str) -> list[bytes]:
    found = fields.get(name)
    items = cast("list[object]", found) if isinstance(found, list) else []
    return [_bytes_in({name: each}, name) for each in items]
