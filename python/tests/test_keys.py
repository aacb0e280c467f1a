"""The keys of encrypted pools, against the same vectors as every other implementation."""

from __future__ import annotations

import json
import os
import sys
import unittest
from pathlib import Path
from typing import Any

root = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(root / "python"))

try:
    import cryptography

    has_cryptography = bool(cryptography.__version__)
except ImportError:
    has_cryptography = False

from quartet import trinity
from quartet.envelopes import Content, SealingEpoch
from quartet.epochs import EpochKeys, make_record, unwrapped
from quartet.errors import PoolsError
from quartet.keys import Keyring, PoolKeys
from quartet.keys_open import Opener
from quartet.keys_replays import window_counters
from quartet.keys_seal import Sealer
from quartet.trinity_crypto import Exchange, Signer, derive, digest

vectors: dict[str, Any] = json.loads((root / "test/vectors/trinity.json").read_text())
inputs: dict[str, Any] = vectors["inputs"]
words = Content(2, b"a secret")
nonce = bytes.fromhex(inputs["callNonce"])
block = bytes.fromhex(inputs["block"])


def at(name: str) -> bytes:
    return bytes.fromhex(inputs[name])


def clock() -> int:
    return 1_700_000_000_000


def pair() -> tuple[Keyring, Keyring]:
    """An owner, and a reader who has the CipherShard; both know the owner's certificate."""
    record, kept = Keyring.create(now=clock)
    owner = Keyring(kept, now=clock)
    owner.take(record)
    shard = EpochKeys(kept.pool_id, 1, "seal", kept.secret).of("shard")
    lent = PoolKeys(
        kept.pool_id, kept.root_key, 1, "shard", shard, os.urandom(32), os.urandom(32)
    )
    reader = Keyring(lent, now=clock)
    reader.take(record)
    certificate = owner.certify()
    owner.add_certificate(certificate)
    reader.add_certificate(certificate)
    return owner, reader


@unittest.skipUnless(has_cryptography, "the package cryptography is not installed")
class Keys(unittest.TestCase):
    def refused(self, work: Any, *args: Any, **more: Any) -> None:
        with self.assertRaises(PoolsError) as caught:
            work(*args, **more)
        self.assertEqual(caught.exception.code, "INTEGRITY")

    def test_vectors(self) -> None:
        pool_id, seals = at("poolId"), [bytes.fromhex(each) for each in inputs["seals"]]
        keys = EpochKeys(pool_id, 1, "seal", seals[0])
        shard = keys.of("shard")
        writer = Signer(at("writerSeed"))
        owner = Signer(at("rootSeed"))
        member = Exchange(at("memberSeed"))
        assert isinstance(keys.read_sign, Signer) and isinstance(keys.seal_sign, Signer)
        info = trinity.derivation("data", 1, writer.public_key + at("salt"))
        one = make_record(pool_id, 1, seals[0], owner, time=inputs["times"][0])
        two = make_record(
            pool_id,
            2,
            seals[1],
            owner,
            time=inputs["times"][1],
            members=[(member.public_key, "shard")],
            previous_hash=digest(one),
            previous_shard=shard,
            ephemeral=lambda: at("ephemeralSeed"),
        )
        read = trinity.read_record(two)
        assert read is not None
        signers = {
            "sigil": keys.admit_sign,
            "shard": keys.read_sign,
            "writer": writer,
            "seal": keys.seal_sign,
        }

        def proof(grade: trinity.Grade) -> str:
            message = trinity.proof_bytes(
                pool_id=pool_id,
                epoch=1,
                nonce=at("nonce"),
                session=at("session"),
                grade=grade,
                app_id=inputs["appId"],
            )
            return signers[grade].sign(message).hex()

        head = trinity.certificate_head(
            1, writer.public_key, inputs["rights"], inputs["notAfter"]
        )
        certified = keys.seal_sign.sign(trinity.certificate_signed(pool_id, head))
        gone = trinity.revocation_head(1, writer.public_key, inputs["revokedAt"])
        revoked = keys.seal_sign.sign(trinity.revocation_signed(pool_id, gone))
        content = Content(inputs["contentType"], inputs["plain"].encode())
        epoch = SealingEpoch(pool_id, 1, shard)

        def message(kind: trinity.MessageKind) -> str:
            call = None if kind == "emit" else nonce
            about = digest(trinity.message_bytes(kind, inputs["name"], call))[:16]
            sealer = Sealer(writer, draw_salt=lambda: at("salt"))
            return sealer.seal(epoch, about, None, content).hex()

        made = {
            "inputs": inputs,
            "shard": shard.hex(),
            "sigil": keys.sigil.hex(),
            "sealKey": keys.seal_sign.public_key.hex(),
            "readKey": keys.read_sign.public_key.hex(),
            "admitKey": keys.admit_sign.public_key.hex(),
            "rootKey": owner.public_key.hex(),
            "writerKey": writer.public_key.hex(),
            "memberKey": member.public_key.hex(),
            "dataKey": derive(shard, pool_id, info).hex(),
            "proofs": {grade: proof(grade) for grade in trinity.grades},
            "certificate": (head + certified).hex(),
            "revocation": (gone + revoked).hex(),
            "blockEnvelope": Sealer(writer, draw_salt=lambda: at("salt"))
            .seal(epoch, block, inputs["generation"], content)
            .hex(),
            "messages": {kind: message(kind) for kind in trinity.message_kinds},
            "recordOne": one.hex(),
            "recordTwo": two.hex(),
            "previousWrap": read.previous_wrap.hex(),
            "wrap": read.wraps[0].sealed.hex(),
        }
        self.assertEqual(made, vectors)
        second = EpochKeys(pool_id, 2, "seal", seals[1])
        self.assertEqual(unwrapped(read, member), ("shard", second.of("shard")))

    def test_opens_vectors(self) -> None:
        """What was sealed in an epoch is read by who has the next one's key."""
        keys = PoolKeys(
            at("poolId"),
            bytes.fromhex(vectors["rootKey"]),
            1,
            "shard",
            bytes.fromhex(vectors["shard"]),
            at("writerSeed"),
            at("memberSeed"),
        )
        ring = Keyring(keys, now=clock)
        one, two = bytes.fromhex(vectors["recordOne"]), bytes.fromhex(vectors["recordTwo"])
        self.assertTrue(ring.take(one))
        self.assertTrue(ring.take(two))
        late = Keyring(ring.keys, now=clock)
        self.assertEqual(late.epoch, 2)
        late.take(two)
        late.take(one)
        late.add_certificate(bytes.fromhex(vectors["certificate"]))
        opened = late.open_block(block, bytes.fromhex(vectors["blockEnvelope"]))
        self.assertEqual(opened.data.decode(), inputs["plain"])

    def test_every_bit(self) -> None:
        owner, reader = pair()
        call = owner.seal("trigger", "add", words, nonce)
        stored = owner.seal_block(block, 5, words)
        for bit in range(len(call) * 8):
            changed = bytearray(call)
            changed[bit >> 3] ^= 1 << (bit & 7)
            self.refused(reader.open, "trigger", "add", bytes(changed), nonce)
            other = bytearray(stored)
            other[bit >> 3] ^= 1 << (bit & 7)
            self.refused(reader.open_block, block, bytes(other))
        self.assertEqual(reader.open("trigger", "add", call, nonce).data, b"a secret")
        self.assertEqual(reader.open_block(block, stored).data, b"a secret")

    def test_nothing_else(self) -> None:
        owner, reader = pair()
        call = owner.seal("trigger", "add", words, nonce)
        self.refused(reader.open, "response", "add", call, nonce)
        self.refused(reader.open, "trigger", "sub", call, nonce)
        self.refused(reader.open, "trigger", "add", call, bytes(16))
        self.refused(reader.open_block, block, call)
        reader.open("trigger", "add", call, nonce)
        self.refused(reader.open, "trigger", "add", call, nonce)
        four, five = owner.seal_block(block, 4, words), owner.seal_block(block, 5, words)
        reader.open_block(block, five)
        reader.open_block(block, five)
        self.refused(reader.open_block, block, four)
        reader.revoked(owner.writer_key, 1)
        self.refused(reader.open, "emit", "x", owner.seal("emit", "x", words))

    def test_window(self) -> None:
        owner, reader = pair()
        sent = [owner.seal("emit", "x", words) for _ in range(20)]
        for each in reversed(sent):
            reader.open("emit", "x", each)
        for each in sent:
            self.refused(reader.open, "emit", "x", each)
        old = owner.seal("emit", "x", words)
        for _ in range(window_counters):
            last = owner.seal("emit", "x", words)
        reader.open("emit", "x", last)
        self.refused(reader.open, "emit", "x", old)
        reader.open("emit", "x", last, retained=True)
        one, two = (owner.seal("chunk-to-caller", "add", words, nonce) for _ in range(2))
        after = reader.open("chunk-to-caller", "add", two, nonce).counter
        self.refused(reader.open, "chunk-to-caller", "add", one, nonce, after=after)

    def test_rotation(self) -> None:
        owner, reader = pair()
        record, kept = owner.rotate()
        self.assertEqual(kept.epoch, 2)
        self.assertFalse(reader.take(record))
        owner.take(record)
        member = Exchange(reader.keys.member_seed or b"")
        again, _ = owner.rotate([(member.public_key, "writer")])
        owner.take(again)
        sealed = owner.seal_block(block, 1, words)
        self.assertTrue(reader.take(again))
        reader.add_certificate(owner.certify())
        self.assertEqual(reader.open_block(block, sealed).data, b"a secret")
        other, _ = owner.rotate()
        third, _ = owner.rotate()
        owner.take(other)
        self.refused(owner.take, third)
        self.refused(owner.take, other)

    @unittest.skipUnless(hasattr(os, "fork"), "this system does not fork")
    def test_fork(self) -> None:
        """A child never goes on with its parent's salt."""
        owner, _ = pair()
        first = trinity.read_envelope(owner.seal("emit", "x", words))
        ends = os.pipe()
        child = os.fork()
        if child == 0:
            os.write(ends[1], owner.seal("emit", "x", words))
            os._exit(0)
        os.close(ends[1])
        theirs = trinity.read_envelope(os.read(ends[0], 4_096))
        os.close(ends[0])
        os.waitpid(child, 0)
        mine = trinity.read_envelope(owner.seal("emit", "x", words))
        assert first is not None and theirs is not None and mine is not None
        self.assertEqual(first.salt, mine.salt)
        self.assertNotEqual(theirs.salt, mine.salt)
        self.assertEqual((theirs.counter, mine.counter), (1, 2))

    def test_forged(self) -> None:
        """Who has the key that makes tags cannot write as another."""
        owner, reader = pair()
        keys = reader.keys
        epoch = SealingEpoch(keys.pool_id, 1, keys.secret)
        forger = Sealer(Signer(keys.writer_seed))
        about = digest(trinity.message_bytes("emit", "x"))[:16]
        self.refused(reader.open, "emit", "x", forger.seal(epoch, about, None, words))
        stranger = Opener(
            bytes(16), now=clock, epoch=lambda _: None, is_accepted=lambda _: True
        )
        self.refused(stranger.add_certificate, owner.certify(), bytes(32))


if __name__ == "__main__":
    unittest.main()
