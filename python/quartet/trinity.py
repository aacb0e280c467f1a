"""
Bytes of the three keys of encrypted pools: labels, proofs, certificates, envelopes, epoch records.

What always holds: numbers are big-endian; whatever is signed or derived begins with a label that
nothing else begins with. No cryptography here; what does not have its shape is read as None. The
layouts are drawn in docs/protocol/trinity.md.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Final, Literal

KeyGrade = Literal["sigil", "shard", "seal"]
Grade = Literal["sigil", "shard", "writer", "seal"]
WriterRight = Literal["write", "emit", "call", "answer"]
MessageKind = Literal["trigger", "response", "emit", "chunk-to-handler", "chunk-to-caller"]

grades: Final[dict[Grade, int]] = {"sigil": 1, "shard": 2, "writer": 3, "seal": 4}
writer_rights: Final[dict[WriterRight, int]] = {"write": 1, "emit": 2, "call": 4, "answer": 8}
every_right: Final = 15
message_kinds: Final[dict[MessageKind, int]] = {
    "trigger": 1,
    "response": 2,
    "emit": 3,
    "chunk-to-handler": 4,
    "chunk-to-caller": 5,
}
right_of_kind: Final[dict[MessageKind, WriterRight]] = {
    "trigger": "call",
    "response": "answer",
    "emit": "emit",
    "chunk-to-handler": "call",
    "chunk-to-caller": "answer",
}

head_bytes: Final = 116
extra_bytes: Final = 196
"""How much longer an envelope is than what it holds."""
wrap_limit: Final = 4_096
"""The most members that one record names."""
no_binding: Final = bytes(32)
_magic: Final = b"QTE1"
_wrap_bytes: Final = 113
_record_bytes: Final = 295
_safe: Final = 2**53 - 1


def label(name: str) -> bytes:
    """The bytes of a label."""
    return b"quartet-trinity/v1/" + name.encode() + b"\0"


def u32(value: int) -> bytes:
    return struct.pack(">I", value)


def u64(value: int) -> bytes:
    return struct.pack(">Q", value)


def derivation(name: str, epoch: int, extra: bytes = b"") -> bytes:
    """What HKDF is told for a key of an epoch."""
    return label(name) + u32(epoch) + extra


def proof_bytes(
    *,
    pool_id: bytes,
    epoch: int,
    nonce: bytes,
    session: bytes,
    grade: Grade,
    app_id: str,
    binding: bytes = no_binding,
) -> bytes:
    """What is signed to prove a key."""
    name = app_id.encode()
    head = label("join") + pool_id + u32(epoch) + nonce + session + bytes([grades[grade]])
    return head + struct.pack(">H", len(name)) + name + binding


@dataclass(frozen=True)
class Certificate:
    """What a writer may do in one epoch. `not_after` is ms since 1970."""

    epoch: int
    writer: bytes
    rights: int
    not_after: int
    head: bytes
    signature: bytes


def certificate_head(epoch: int, writer: bytes, rights: int, not_after: int) -> bytes:
    return u32(epoch) + writer + u32(rights) + u64(not_after)


def certificate_signed(pool_id: bytes, head: bytes) -> bytes:
    return label("writer-cert") + pool_id + head


def read_certificate(data: bytes) -> Certificate | None:
    """A certificate out of its 112 bytes. Its signature has not been looked at."""
    if len(data) != 112:
        return None
    epoch, writer, rights, not_after, signature = struct.unpack(">I32sIQ64s", data)
    if not_after > _safe or not 0 < rights <= every_right:
        return None
    return Certificate(epoch, writer, rights, not_after, data[:48], signature)


def revocation_head(epoch: int, writer: bytes, time: int) -> bytes:
    return u32(epoch) + writer + u64(time)


def revocation_signed(pool_id: bytes, head: bytes) -> bytes:
    return label("writer-revoke") + pool_id + head


@dataclass(frozen=True)
class Envelope:
    """An envelope in its parts. `sealed` is ciphertext and tag."""

    pool_id: bytes
    object: bytes
    epoch: int
    generation: int
    content_type: int
    writer: bytes
    salt: bytes
    nonce: bytes
    counter: int
    head: bytes
    sealed: bytes
    signature: bytes


def nonce_of(counter: int) -> bytes:
    return bytes(4) + u64(counter)


def envelope_head(
    *,
    pool_id: bytes,
    object: bytes,
    epoch: int,
    generation: int,
    content_type: int,
    writer: bytes,
    salt: bytes,
    counter: int,
    plain_bytes: int,
) -> bytes:
    """The 116 bytes in front."""
    front = _magic + pool_id + object + u32(epoch) + u64(generation) + u32(content_type)
    return front + writer + salt + nonce_of(counter) + u32(plain_bytes)


def envelope_signed(head: bytes, digest: bytes) -> bytes:
    """What the writer signs: `digest` is the SHA-256 of ciphertext and tag."""
    return label("object-sig") + head + digest


def read_envelope(data: bytes) -> Envelope | None:
    """An envelope in its parts; None for what has not the shape of one. Nothing is verified."""
    if len(data) < extra_bytes or data[:4] != _magic:
        return None
    fields = struct.unpack(">16s16sIQI32s16sIQI", data[4:head_bytes])
    pool_id, about, epoch, generation, content_type, writer, salt, zeros, counter, size = fields
    if epoch == 0 or zeros != 0 or not 0 < counter <= _safe or generation > _safe:
        return None
    if len(data) != extra_bytes + size:
        return None
    return Envelope(
        pool_id=pool_id,
        object=about,
        epoch=epoch,
        generation=generation,
        content_type=content_type,
        writer=writer,
        salt=salt,
        nonce=data[100:112],
        counter=counter,
        head=data[:head_bytes],
        sealed=data[head_bytes:-64],
        signature=data[-64:],
    )


def message_bytes(kind: MessageKind, name: str, call_nonce: bytes | None = None) -> bytes:
    """The bytes whose SHA-256 begins with the object of a message."""
    number = bytes([message_kinds[kind]])
    return label("message") + number + (call_nonce or bytes(16)) + name.encode()


@dataclass(frozen=True)
class Wrap:
    """A secret for one member: X25519 public keys, and 48 sealed bytes."""

    grade: Grade
    member: bytes
    ephemeral: bytes
    sealed: bytes = b""

    @property
    def written(self) -> bytes:
        return bytes([grades[self.grade]]) + self.member + self.ephemeral + self.sealed


@dataclass(frozen=True)
class EpochRecord:
    """The public half of an epoch. `time` is ms since 1970."""

    pool_id: bytes
    epoch: int
    previous_hash: bytes
    time: int
    admit_key: bytes
    read_key: bytes
    seal_key: bytes
    previous_wrap: bytes
    wraps: tuple[Wrap, ...]
    signed: bytes = b""
    signature: bytes = b""


def record_signed(of: EpochRecord) -> bytes:
    """What the root signs."""
    front = label("epoch") + of.pool_id + u32(of.epoch) + of.previous_hash + u64(of.time)
    keys = of.admit_key + of.read_key + of.seal_key + of.previous_wrap
    wraps = b"".join(wrap.written for wrap in of.wraps)
    return front + keys + struct.pack(">H", len(of.wraps)) + wraps


def read_record(data: bytes) -> EpochRecord | None:
    """A record in its parts; None for what has not the shape of one. Nothing is verified."""
    front = label("epoch")
    if len(data) < _record_bytes or data[: len(front)] != front:
        return None
    layout = struct.Struct(">16sI32sQ32s32s32s48sH")
    fields = layout.unpack_from(data, len(front))
    count = fields[8]
    start = len(front) + layout.size
    end = start + count * _wrap_bytes
    if count > wrap_limit or len(data) != end + 64 or fields[1] == 0 or fields[3] > _safe:
        return None
    wraps: list[Wrap] = []
    for at in range(start, end, _wrap_bytes):
        number, member, ephemeral, sealed = struct.unpack_from(">B32s32s48s", data, at)
        grade = next((each for each, value in grades.items() if value == number), None)
        if grade is None:
            return None
        wraps.append(Wrap(grade, member, ephemeral, sealed))
    return EpochRecord(*fields[:8], tuple(wraps), data[:end], data[end:])


def previous_bound(pool_id: bytes, epoch: int) -> bytes:
    """What the way back to the epoch before is bound to."""
    return label("prev") + pool_id + u32(epoch)


def wrap_derivation(epoch: int, of: Wrap) -> bytes:
    """What HKDF is told for the key of a wrap."""
    return derivation("wrap", epoch, bytes([grades[of.grade]]) + of.ephemeral + of.member)


def wrap_bound(pool_id: bytes, epoch: int, of: Wrap) -> bytes:
    """What a wrap is bound to."""
    return label("wrap") + pool_id + u32(epoch) + bytes([grades[of.grade]]) + of.member
