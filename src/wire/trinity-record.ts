/**
 * Epoch records: the public half of an epoch's keys, the way back to the epoch before, and the
 * epoch's secret for each member that its owner named, each wrapped to that member.
 *
 *     bytes
 *      25   label "epoch"
 *      16   the pool's id
 *       4   epoch
 *      32   SHA-256 of the record before; zeros in the first
 *       8   time, ms since 1970
 *      96   public keys: of admitSign, readSign, sealSign
 *      48   CipherShard of the epoch before, sealed; zeros in the first
 *       2   number of wraps, and that many of 113 bytes each
 *      64   signature of the owner root over all before it
 */
import {
  type Bytes,
  derivation,
  type Grade,
  grades,
  isSame,
  joined,
  label,
  lengths,
  u8,
  u16,
  u32,
  u64,
  u64At,
  viewOf,
} from "./trinity.ts"

/** The most members that one record names. */
export const wrapLimit = 4_096
const wrapBytes = 113
const fixedBytes = 295
const labelBytes = 25
/** The longest record. */
export const recordLimitBytes = fixedBytes + wrapLimit * wrapBytes

/** A secret for one member. */
export interface Wrap {
  readonly grade: Grade
  /** X25519 public keys: the member's, and the one drawn for this wrap. */
  readonly member: Uint8Array
  readonly ephemeral: Uint8Array
  /** 48 bytes. */
  readonly sealed: Uint8Array
}

/** What a record says. */
export interface RecordFields {
  readonly poolId: Uint8Array
  readonly epoch: number
  readonly previousHash: Uint8Array
  readonly time: number
  readonly admitKey: Uint8Array
  readonly readKey: Uint8Array
  readonly sealKey: Uint8Array
  readonly previousWrap: Uint8Array
  readonly wraps: readonly Wrap[]
}

export interface EpochRecord extends RecordFields {
  /** What the root signed. */
  readonly signed: Uint8Array
  readonly signature: Uint8Array
  readonly bytes: Uint8Array
}

/** What stands before the first epoch. */
export const noRecordHash: Bytes = new Uint8Array(32)
export const noPreviousWrap: Bytes = new Uint8Array(48)

/** What the root signs. */
export function recordSigned(of: RecordFields): Bytes {
  return joined(
    ...[label("epoch"), of.poolId, u32(of.epoch), of.previousHash, u64(of.time)],
    ...[of.admitKey, of.readKey, of.sealKey, of.previousWrap, u16(of.wraps.length)],
    ...of.wraps.flatMap(({ grade, member, ephemeral, sealed }) => [
      ...[u8(grades[grade]), member, ephemeral, sealed],
    ]),
  )
}

/** A record in its parts; undefined for what has not the shape of one. Nothing is verified. */
export function readRecord(bytes: Uint8Array): EpochRecord | undefined {
  if (bytes.length < fixedBytes || !isSame(bytes.subarray(0, labelBytes), label("epoch"))) {
    return undefined
  }
  const view = viewOf(bytes)
  const count = view.getUint16(229)
  const time = u64At(bytes, 77)
  const epoch = view.getUint32(41)
  const end = fixedBytes - lengths.signature + count * wrapBytes
  if (count > wrapLimit || time === undefined || epoch === 0) return undefined
  if (bytes.length !== end + lengths.signature) return undefined
  const wraps: Wrap[] = []
  for (let at = 231; at < end; at += wrapBytes) {
    const wrap = readWrap(bytes.subarray(at, at + wrapBytes))
    if (wrap === undefined) return undefined
    wraps.push(wrap)
  }
  return {
    poolId: bytes.subarray(25, 41),
    ...{ epoch, time, wraps, bytes },
    previousHash: bytes.subarray(45, 77),
    admitKey: bytes.subarray(85, 117),
    readKey: bytes.subarray(117, 149),
    sealKey: bytes.subarray(149, 181),
    previousWrap: bytes.subarray(181, 229),
    signed: bytes.subarray(0, end),
    signature: bytes.subarray(end),
  }
}

function readWrap(bytes: Uint8Array): Wrap | undefined {
  const number = bytes[0]
  const grade = allGrades.find((each) => grades[each] === number)
  if (grade === undefined) return undefined
  return {
    grade,
    member: bytes.subarray(1, 33),
    ephemeral: bytes.subarray(33, 65),
    sealed: bytes.subarray(65),
  }
}

const allGrades = ["sigil", "shard", "writer", "seal"] as const

/** The grade of a number; undefined for one that names none. */
export function gradeOf(number: unknown): Grade | undefined {
  return allGrades.find((each) => grades[each] === number)
}

/** What the way back to the epoch before is bound to. */
export function previousBound(poolId: Uint8Array, epoch: number): Bytes {
  return joined(label("prev"), poolId, u32(epoch))
}

/** What HKDF is told for the key of a wrap. */
export function wrapDerivation(epoch: number, of: Omit<Wrap, "sealed">): Bytes {
  return derivation("wrap", epoch, joined(u8(grades[of.grade]), of.ephemeral, of.member))
}

/** What a wrap is bound to. */
export function wrapBound(
  poolId: Uint8Array,
  epoch: number,
  { grade, member }: Pick<Wrap, "grade" | "member">,
): Bytes {
  return joined(label("wrap"), poolId, u32(epoch), u8(grades[grade]), member)
}
