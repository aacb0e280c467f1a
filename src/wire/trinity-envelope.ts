/**
 * Envelopes: sealed content of an encrypted pool, readable by whoever has the epoch's CipherShard.
 *
 *     at  bytes
 *      0   4   51 54 45 31, `QTE1`
 *      4  16   the pool's id
 *     20  16   the object: a block's uuid, or what a message is about
 *     36   4   epoch
 *     40   8   generation: a block's, or a message's counter
 *     48   4   content type of the plaintext
 *     52  32   the writer's public key
 *     84  16   salt of the writer's data key
 *    100  12   nonce: four zero bytes, then the counter
 *    112   4   length of the plaintext
 *    116       ciphertext, 16 bytes of tag, 64 bytes of signature
 *
 * What always holds: the signature covers the first 116 bytes and, by their hash, ciphertext and tag,
 * so no byte of an envelope can be changed unseen by anyone, even by a reader who has the data key.
 */
import {
  type Bytes,
  isSame,
  joined,
  label,
  lengths,
  type MessageKind,
  messageKinds,
  u8,
  u32,
  u64,
  u64At,
  viewOf,
} from "./trinity.ts"

/** Bytes in front of the ciphertext, which it is bound to. */
const envelopeHeadBytes = 116
/** How much longer an envelope is than what it holds. */
export const envelopeExtraBytes = envelopeHeadBytes + lengths.tag + lengths.signature

const magic = Uint8Array.of(0x51, 0x54, 0x45, 0x31)

/** What the head of an envelope says. */
export interface EnvelopeHead {
  readonly poolId: Uint8Array
  readonly object: Uint8Array
  readonly epoch: number
  readonly generation: number
  readonly contentType: number
  readonly writer: Uint8Array
  readonly salt: Uint8Array
  readonly counter: number
  readonly plainBytes: number
}

/** An envelope in its parts: views of the bytes that came. */
export interface Envelope extends EnvelopeHead {
  readonly head: Uint8Array
  readonly nonce: Uint8Array
  /** Ciphertext and tag. */
  readonly sealed: Uint8Array
  readonly signature: Uint8Array
}

/** The nonce of a counter. */
export function nonceOf(counter: number): Bytes {
  return joined(u32(0), u64(counter))
}

/** The 116 bytes in front. */
export function envelopeHead(of: EnvelopeHead): Bytes {
  return joined(
    ...[magic, of.poolId, of.object, u32(of.epoch), u64(of.generation), u32(of.contentType)],
    ...[of.writer, of.salt, nonceOf(of.counter), u32(of.plainBytes)],
  )
}

/** What the writer signs: `digest` is the SHA-256 of ciphertext and tag. */
export function envelopeSigned(head: Uint8Array, digest: Uint8Array): Bytes {
  return joined(label("object-sig"), head, digest)
}

/** An envelope in its parts; undefined for what has not the shape of one. Nothing is verified. */
export function readEnvelope(bytes: Uint8Array): Envelope | undefined {
  if (bytes.length < envelopeExtraBytes || !isSame(bytes.subarray(0, 4), magic)) return undefined
  const view = viewOf(bytes)
  const [generation, counter] = [u64At(bytes, 40), u64At(bytes, 104)]
  const [epoch, plainBytes] = [view.getUint32(36), view.getUint32(112)]
  if (epoch === 0) return undefined
  if (generation === undefined || counter === undefined || counter === 0) return undefined
  if (view.getUint32(100) !== 0 || bytes.length !== envelopeExtraBytes + plainBytes)
    return undefined
  const end = bytes.length - lengths.signature
  return {
    poolId: bytes.subarray(4, 20),
    object: bytes.subarray(20, 36),
    ...{ epoch, generation },
    contentType: view.getUint32(48),
    writer: bytes.subarray(52, 84),
    salt: bytes.subarray(84, 100),
    nonce: bytes.subarray(100, 112),
    ...{ counter, plainBytes },
    head: bytes.subarray(0, envelopeHeadBytes),
    sealed: bytes.subarray(envelopeHeadBytes, end),
    signature: bytes.subarray(end),
  }
}

/** What a message is about, so that none can be moved to another call, kind or name. */
export interface MessageOf {
  readonly kind: MessageKind
  /** 16 bytes that its caller drew; undefined for an emit. */
  readonly callNonce: Uint8Array | undefined
  /** Of the trigger, or of the emit. */
  readonly name: string
}

/** The bytes whose SHA-256 begins with the object of a message. */
export function messageBytes({ kind, callNonce = noCall, name }: MessageOf): Bytes {
  const number = u8(messageKinds[kind])
  return joined(label("message"), number, callNonce, new TextEncoder().encode(name))
}

const noCall = new Uint8Array(lengths.callNonce)
