/**
 * The keys of one epoch, out of the strongest that one has, and the records that follow each other.
 *
 * What always holds: OblivionSeal gives CipherShard, CipherShard gives SigilKey, never the other way;
 * an epoch's OblivionSeal is drawn and never derived, so no epoch's keys give the next one's; a record
 * is believed when the owner root signed it and it follows the one before.
 */
import { Refusal } from "../wire/pools-errors.ts"
import { type Bytes, derivation, type Grade, isSame, joined, lengths } from "../wire/trinity.ts"
import {
  type EpochRecord,
  noPreviousWrap,
  noRecordHash,
  previousBound,
  readRecord,
  recordSigned,
  type Wrap,
  wrapBound,
  wrapDerivation,
  wrapLimit,
} from "../wire/trinity-record.ts"
import type { Exchange, Primitives, Signer } from "./keys-crypto.ts"

/** Which of the three a secret is. */
export type KeyGrade = "sigil" | "shard" | "seal"

/** The strongest key that somebody has of an epoch. */
export interface EpochSecret {
  readonly grade: KeyGrade
  readonly secret: Uint8Array
}

/** All that follows from it. */
export interface EpochKeys {
  readonly epoch: number
  readonly seal: Uint8Array | undefined
  readonly shard: Uint8Array | undefined
  readonly sigil: Uint8Array
  readonly admitSign: Signer
  readonly readSign: Signer | undefined
  readonly sealSign: Signer | undefined
}

/** A member that a record is to name. Its public key comes from the program, never from the server. */
export interface NewMember {
  /** X25519. */
  readonly key: Uint8Array
  readonly grade: Grade
}

/** What went before a record. */
export interface Before {
  readonly hash: Uint8Array
  /** Undefined when it is lost: then the new epoch has no way back. */
  readonly shard: Uint8Array | undefined
}

export interface Making {
  readonly poolId: Uint8Array
  readonly epoch: number
  /** Of this epoch. */
  readonly seal: Uint8Array
  /** Undefined for the first. */
  readonly before: Before | undefined
  /** ms since 1970. */
  readonly time: number
  readonly root: Signer
  readonly members?: readonly NewMember[]
  /** Draws the X25519 seed of each wrap; chance unless told. */
  readonly ephemeral?: () => Uint8Array
}

const zeros = new Uint8Array(lengths.nonce)

/** The keys of an epoch. */
export async function epochKeys(
  primitives: Primitives,
  poolId: Uint8Array,
  { epoch, grade, secret }: EpochSecret & { readonly epoch: number },
): Promise<EpochKeys> {
  const derive = (from: Uint8Array, name: Parameters<typeof derivation>[0]) =>
    primitives.derive(from, poolId, derivation(name, epoch))
  const signer = async (from: Uint8Array | undefined, name: "seal-sign" | "read-sign") =>
    from && primitives.signer(await derive(from, name))
  const seal = grade === "seal" ? secret : undefined
  const shard = grade === "shard" ? secret : seal && (await derive(seal, "shard"))
  const sigil = shard === undefined ? secret : await derive(shard, "sigil")
  return {
    ...{ epoch, seal, shard, sigil },
    admitSign: await primitives.signer(await derive(sigil, "admit-sign")),
    readSign: await signer(shard, "read-sign"),
    sealSign: await signer(seal, "seal-sign"),
  }
}

/** A new record, signed. Throws RangeError for more members than one record names. */
export async function makeRecord(primitives: Primitives, making: Making): Promise<Bytes> {
  const { poolId, epoch, before, time, root, members = [] } = making
  if (members.length > wrapLimit) {
    throw new RangeError(`a record names at most ${wrapLimit} members, these are ${members.length}`)
  }
  const keys = await epochKeys(primitives, poolId, { epoch, grade: "seal", secret: making.seal })
  const { shard, sealSign, readSign } = keys
  if (shard === undefined || sealSign === undefined || readSign === undefined) {
    throw new Error("never: the strongest key gives all others")
  }
  const wraps: Wrap[] = []
  for (const member of members) wraps.push(await wrapped(primitives, { making, keys, member }))
  const signed = recordSigned({
    ...{ poolId, epoch, time, wraps },
    previousHash: before?.hash ?? noRecordHash,
    admitKey: keys.admitSign.publicKey,
    readKey: readSign.publicKey,
    sealKey: sealSign.publicKey,
    previousWrap: await previousWrapOf(primitives, { poolId, epoch, shard }, before?.shard),
  })
  return joined(signed, await root.sign(signed))
}

/**
 * A record that the root signed for this pool. Throws a Refusal "integrity" for any other.
 */
export async function signedRecord(
  primitives: Primitives,
  trust: { readonly poolId: Uint8Array; readonly rootKey: Uint8Array },
  bytes: Uint8Array,
): Promise<{ readonly record: EpochRecord; readonly hash: Bytes }> {
  const record = readRecord(Uint8Array.from(bytes))
  if (record === undefined || !isSame(record.poolId, trust.poolId)) {
    throw new Refusal("integrity", "this is no epoch record of this pool")
  }
  const isRoots = await primitives.verifier(trust.rootKey)
  if (!(await isRoots(record.signed, record.signature))) {
    throw new Refusal("integrity", "the owner root has not signed this epoch record")
  }
  return { record, hash: await primitives.hash(record.bytes) }
}

/** The strongest secret that a record holds for a member; undefined where it names it not. */
export async function unwrapped(
  primitives: Primitives,
  { poolId, epoch, wraps }: Pick<EpochRecord, "poolId" | "epoch" | "wraps">,
  member: Exchange,
): Promise<EpochSecret | undefined> {
  const mine = wraps.filter((wrap) => isSame(wrap.member, member.publicKey))
  for (const grade of ["seal", "writer", "shard", "sigil"] as const) {
    const wrap = mine.find((each) => each.grade === grade)
    const shared = wrap && (await member.agree(wrap.ephemeral))
    if (wrap === undefined || shared === undefined) continue
    const key = await primitives.derive(shared, poolId, wrapDerivation(epoch, wrap))
    const cipher = await primitives.cipher(key)
    const bound = wrapBound(poolId, epoch, wrap)
    const secret = await cipher.open(wrap.sealed, { nonce: zeros, bound })
    if (secret?.length === lengths.key) return { grade: keyOfGrade(grade), secret }
  }
  return undefined
}

/** The CipherShard of the epoch before. Throws a Refusal "integrity" when this key does not open it. */
export async function shardBefore(
  primitives: Primitives,
  { poolId, epoch, previousWrap }: Pick<EpochRecord, "poolId" | "epoch" | "previousWrap">,
  shard: Uint8Array,
): Promise<Bytes> {
  const cipher = await wayBack(primitives, { poolId, epoch, shard })
  const bound = previousBound(poolId, epoch)
  const before = await cipher.open(previousWrap, { nonce: zeros, bound })
  if (before?.length === lengths.key) return before
  throw new Refusal("integrity", `the record of epoch ${epoch} does not lead back`)
}

/** The key that a grade of a wrap stands for: writers get the CipherShard. */
function keyOfGrade(grade: Grade): KeyGrade {
  return grade === "writer" ? "shard" : grade
}

async function previousWrapOf(
  primitives: Primitives,
  of: { readonly poolId: Uint8Array; readonly epoch: number; readonly shard: Uint8Array },
  before: Uint8Array | undefined,
): Promise<Bytes> {
  if (before === undefined) return noPreviousWrap
  const cipher = await wayBack(primitives, of)
  return cipher.seal(before, { nonce: zeros, bound: previousBound(of.poolId, of.epoch) })
}

/** What seals the way back. The key is used once, so its nonce may be zeros. */
async function wayBack(
  primitives: Primitives,
  of: { readonly poolId: Uint8Array; readonly epoch: number; readonly shard: Uint8Array },
) {
  const key = await primitives.derive(of.shard, of.poolId, derivation("prev", of.epoch))
  return primitives.cipher(key)
}

/** A wrap of the strongest key of its grade. Its key is used once, so its nonce may be zeros. */
async function wrapped(
  primitives: Primitives,
  of: { readonly making: Making; readonly keys: EpochKeys; readonly member: NewMember },
): Promise<Wrap> {
  const { making, keys, member } = of
  const { poolId, epoch } = making
  const { grade, key } = member
  const draw = making.ephemeral ?? (() => primitives.random(lengths.key))
  const mine = await primitives.exchange(draw())
  const shared = await mine.agree(key)
  if (shared === undefined) throw new RangeError("a member's key is no X25519 public key")
  const about = { grade, member: key, ephemeral: mine.publicKey }
  const info = wrapDerivation(epoch, about)
  const cipher = await primitives.cipher(await primitives.derive(shared, poolId, info))
  const secret = { sigil: keys.sigil, shard: keys.shard, seal: keys.seal }[keyOfGrade(grade)]
  if (secret === undefined) throw new Error("never: the strongest key gives all others")
  const bound = wrapBound(poolId, epoch, about)
  return { ...about, sealed: await cipher.seal(secret, { nonce: zeros, bound }) }
}
