/**
 * Bytes of the three keys of encrypted pools: labels, proofs, certificates, revocations. No
 * cryptography and no I/O: server, SDK and page all read this file.
 *
 * What always holds: numbers are big-endian; whatever is signed or derived begins with a label that
 * nothing else begins with, so that bytes made for one purpose are worth nothing for another. What
 * does not have its shape is read as undefined.
 *
 *     71 75 61 72 74 65 74 2d 74 72 69 6e 69 74 79 2f 76 31 2f 6a 6f 69 6e 00     the label "join"
 */

/** Lengths, in bytes. */
export const lengths = {
  key: 32,
  poolId: 16,
  object: 16,
  salt: 16,
  signature: 64,
  tag: 16,
  nonce: 12,
  /** What the server gives to be signed, and what a session is called. */
  challenge: 32,
  session: 16,
  callNonce: 16,
  certificate: 112,
  revocation: 108,
} as const

/** What a proof is a proof of, each with its number. */
export const grades = { sigil: 1, shard: 2, writer: 3, seal: 4 } as const
export type Grade = keyof typeof grades

/** What a certificate allows, as bits. */
export const writerRights = { write: 1, emit: 2, call: 4, answer: 8 } as const
export type WriterRight = keyof typeof writerRights
/** All of them. */
export const everyRight = 15

/** What is sealed besides blocks, each with its number. */
export const messageKinds = {
  trigger: 1,
  response: 2,
  emit: 3,
  "chunk-to-handler": 4,
  "chunk-to-caller": 5,
} as const
export type MessageKind = keyof typeof messageKinds

/** The right that each kind asks of its writer. */
export const rightOfKind: Readonly<Record<MessageKind, WriterRight>> = {
  trigger: "call",
  response: "answer",
  emit: "emit",
  "chunk-to-handler": "call",
  "chunk-to-caller": "answer",
}

/** Names of labels. */
export type Label =
  | "shard"
  | "sigil"
  | "seal-sign"
  | "read-sign"
  | "admit-sign"
  | "join"
  | "writer-cert"
  | "writer-revoke"
  | "data"
  | "object-sig"
  | "message"
  | "epoch"
  | "prev"
  | "wrap"

/** Web Crypto takes bytes that no other thread shares, and says so in its types. */
export type Bytes = Uint8Array<ArrayBuffer>

const utf8 = new TextEncoder()

/** The bytes of a label. */
export function label(name: Label): Bytes {
  return utf8.encode(`quartet-trinity/v1/${name}\0`)
}

/** Pieces in a row, in memory of their own. */
export function joined(...pieces: readonly Uint8Array[]): Bytes {
  const all = new Uint8Array(pieces.reduce((sum, { length }) => sum + length, 0))
  let at = 0
  for (const piece of pieces) {
    all.set(piece, at)
    at += piece.length
  }
  return all
}

/** Whether two pieces have the same bytes. Not for secrets: it stops at the first that differs. */
export function isSame(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, at) => byte === b[at])
}

export function u8(value: number): Bytes {
  return Uint8Array.of(value)
}

export function u16(value: number): Bytes {
  const bytes = new Uint8Array(2)
  new DataView(bytes.buffer).setUint16(0, value)
  return bytes
}

export function u32(value: number): Bytes {
  const bytes = new Uint8Array(4)
  new DataView(bytes.buffer).setUint32(0, value)
  return bytes
}

/** A whole number below 2^53, in eight bytes. */
export function u64(value: number): Bytes {
  const bytes = new Uint8Array(8)
  new DataView(bytes.buffer).setBigUint64(0, BigInt(value))
  return bytes
}

/** A number of eight bytes; undefined from 2^53 on. */
export function u64At(bytes: Uint8Array, at: number): number | undefined {
  const value = viewOf(bytes).getBigUint64(at)
  return value <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(value) : undefined
}

export function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
}

/** What HKDF is told for a key of an epoch: LABEL(name), u32 epoch, and what else goes in. */
export function derivation(name: Label, epoch: number, extra: Uint8Array = none): Bytes {
  return joined(label(name), u32(epoch), extra)
}

const none = new Uint8Array(0)

/** What a proof is bound to. */
export interface ProofOf {
  readonly poolId: Uint8Array
  readonly epoch: number
  /** As the server gave it with its answer to `join`. */
  readonly nonce: Uint8Array
  /** Of the connection: in its `handshake_ack`. */
  readonly session: Uint8Array
  readonly grade: Grade
  readonly appId: string
  /** What both ends of TLS derived for this connection; zeros where one of them cannot. */
  readonly binding: Uint8Array
}

/** Where no channel binding is to be had. */
export const noBinding: Bytes = new Uint8Array(lengths.key)

/** What is signed to prove a key. */
export function proofBytes(of: ProofOf): Bytes {
  const name = utf8.encode(of.appId)
  return joined(
    ...[label("join"), of.poolId, u32(of.epoch), of.nonce, of.session, u8(grades[of.grade])],
    ...[u16(name.length), name, of.binding],
  )
}

/** What a writer may do in one epoch, signed by whoever has its OblivionSeal. */
export interface Certificate {
  readonly epoch: number
  readonly writer: Uint8Array
  /** Bits of `writerRights`. */
  readonly rights: number
  /** ms since 1970. */
  readonly notAfter: number
  /** The 48 bytes that say all this. */
  readonly head: Uint8Array
  readonly signature: Uint8Array
  /** All 112. */
  readonly bytes: Uint8Array
}

const headBytes = 48

/** The first 48 bytes of a certificate. */
export function certificateHead(
  of: Pick<Certificate, "epoch" | "writer" | "rights" | "notAfter">,
): Bytes {
  return joined(u32(of.epoch), of.writer, u32(of.rights), u64(of.notAfter))
}

/** What is signed in a certificate. */
export function certificateSigned(poolId: Uint8Array, head: Uint8Array): Bytes {
  return joined(label("writer-cert"), poolId, head)
}

/** A certificate out of its 112 bytes. Its signature has not been looked at. */
export function readCertificate(bytes: Uint8Array): Certificate | undefined {
  if (bytes.length !== lengths.certificate) return undefined
  const notAfter = u64At(bytes, 40)
  const rights = viewOf(bytes).getUint32(36)
  if (notAfter === undefined || rights === 0 || rights > everyRight) return undefined
  return {
    epoch: viewOf(bytes).getUint32(0),
    writer: bytes.subarray(4, 36),
    ...{ rights, notAfter, bytes },
    head: bytes.subarray(0, headBytes),
    signature: bytes.subarray(headBytes),
  }
}

/** That a writer may do nothing more in an epoch, signed by whoever has its OblivionSeal. */
export interface Revocation {
  readonly epoch: number
  readonly writer: Uint8Array
  /** ms since 1970. */
  readonly time: number
  readonly head: Uint8Array
  readonly signature: Uint8Array
}

/** The first 44 bytes of a revocation. */
export function revocationHead(of: Pick<Revocation, "epoch" | "writer" | "time">): Bytes {
  return joined(u32(of.epoch), of.writer, u64(of.time))
}

/** What is signed in a revocation. */
export function revocationSigned(poolId: Uint8Array, head: Uint8Array): Bytes {
  return joined(label("writer-revoke"), poolId, head)
}

/** A revocation out of its 108 bytes. Its signature has not been looked at. */
export function readRevocation(bytes: Uint8Array): Revocation | undefined {
  if (bytes.length !== lengths.revocation) return undefined
  const time = u64At(bytes, 36)
  if (time === undefined) return undefined
  return {
    epoch: viewOf(bytes).getUint32(0),
    writer: bytes.subarray(4, 36),
    time,
    head: bytes.subarray(0, 44),
    signature: bytes.subarray(44),
  }
}
