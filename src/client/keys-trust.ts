/**
 * Which epochs of a pool are believed, and what is known of each.
 *
 * What always holds: the records are a chain without a gap, signed by the root whose key was given
 * when the trust began; an epoch has one record. Of each epoch the secrets are those it was reached
 * by: its own, a wrap to this member, or the way back from the next one.
 */
import { Refusal } from "../wire/pools-errors.ts"
import { type Bytes, isSame } from "../wire/trinity.ts"
import type { EpochRecord } from "../wire/trinity-record.ts"
import type { Exchange, Primitives } from "./keys-crypto.ts"
import {
  type EpochKeys,
  type EpochSecret,
  epochKeys,
  shardBefore,
  signedRecord,
  unwrapped,
} from "./keys-epoch.ts"
import { clockToleranceMs, integrity } from "./keys-open.ts"
import type { SealingEpoch } from "./keys-seal.ts"

/** A secret and whose it is. */
export interface OwnSecret extends EpochSecret {
  readonly epoch: number
}

/** What is known of one epoch. */
export interface KnownEpoch {
  readonly record: EpochRecord
  readonly hash: Bytes
  /** Undefined where this member was left out. */
  keys: EpochKeys | undefined
  /** When the next one was taken, ms since 1970. */
  overAt: number | undefined
}

/** What the trust begins with. */
export interface Root extends OwnSecret {
  readonly poolId: Uint8Array
  readonly rootKey: Uint8Array
  readonly memberSeed?: Uint8Array
}

const graceMs = 60_000
/** Records of its own that a server may still take; the oldest is forgotten. */
const expectedLimit = 8

export class Trust {
  readonly #root: Root
  readonly #primitives: Primitives
  readonly #graceMs: number
  readonly #member: Exchange | undefined
  readonly #epochs = new Map<number, KnownEpoch>()
  #secret: OwnSecret
  #keys: EpochKeys
  readonly #expected: { readonly record: Uint8Array; readonly secret: OwnSecret }[] = []
  /** One record at a time: each is looked at with what the one before left. */
  #turn: Promise<unknown> = Promise.resolve()
  #isBroken = false

  private constructor(
    root: Root,
    parts: {
      primitives: Primitives
      keys: EpochKeys
      member: Exchange | undefined
      graceMs: number
    },
  ) {
    this.#root = root
    this.#secret = { epoch: root.epoch, grade: root.grade, secret: root.secret }
    this.#primitives = parts.primitives
    this.#keys = parts.keys
    this.#member = parts.member
    this.#graceMs = parts.graceMs
  }

  static async of(root: Root, primitives: Primitives, grace = graceMs): Promise<Trust> {
    const { poolId, memberSeed } = root
    const member = memberSeed && (await primitives.exchange(memberSeed))
    const keys = await epochKeys(primitives, poolId, root)
    return new Trust(root, { primitives, keys, member, graceMs: grace })
  }

  /** The newest epoch that a secret is known of, and its keys. */
  get newest(): { readonly epoch: number; readonly keys: EpochKeys } {
    return { epoch: this.#secret.epoch, keys: this.#keys }
  }

  /** What records wrap secrets to, for this member. */
  get memberKey(): Bytes | undefined {
    return this.#member?.publicKey
  }

  get newestSecret(): OwnSecret {
    return this.#secret
  }

  /** The last epoch whose record is known; the one before its own secret's, while none is. */
  get knownEpoch(): number {
    return this.last?.record.epoch ?? this.#root.epoch - 1
  }

  /** The first epoch whose record is known; that of its own secret, while none is. */
  get firstEpoch(): number {
    return Math.min(this.#root.epoch, ...this.#epochs.keys())
  }

  get last(): KnownEpoch | undefined {
    return this.#epochs.get(Math.max(...this.#epochs.keys()))
  }

  recordOf(epoch: number): EpochRecord | undefined {
    return this.#epochs.get(epoch)?.record
  }

  /** What content of an epoch is sealed and opened with. */
  sealingOf(epoch: number): SealingEpoch | undefined {
    const shard = this.#epochs.get(epoch)?.keys?.shard
    return shard && !this.#isBroken ? { poolId: this.#root.poolId, epoch, shard } : undefined
  }

  /** Whether messages of an epoch are still taken: it is the last, or was until a moment ago. */
  isAccepted(epoch: number, now: number): boolean {
    const known = this.#epochs.get(epoch)
    if (known === undefined) return false
    return known.overAt === undefined || now < known.overAt + this.#graceMs + clockToleranceMs
  }

  /** This record is about to be taken by the server, and this is its secret. */
  expect(record: Uint8Array, secret: OwnSecret): void {
    this.#expected.push({ record, secret })
    if (this.#expected.length > expectedLimit) this.#expected.shift()
  }

  take(bytes: Uint8Array, now: number): Promise<"taken" | "left-out"> {
    const taken = this.#turn.then(() => this.#take(bytes, now))
    this.#turn = taken.catch(() => {}) // told to whoever gave the record
    return taken
  }

  async #take(bytes: Uint8Array, now: number): Promise<"taken" | "left-out"> {
    if (this.#isBroken) throw integrity("this pool has shown two records for one epoch")
    const { record, hash } = await signedRecord(this.#primitives, this.#root, bytes)
    const known = this.#epochs.get(record.epoch)
    if (known !== undefined) {
      if (isSame(known.hash, hash)) return known.keys === undefined ? "left-out" : "taken"
      this.#isBroken = true
      throw integrity(
        `there are two records for epoch ${record.epoch}: this pool is not to be trusted`,
      )
    }
    const { last } = this
    if (last === undefined) return this.#begin({ record, hash })
    if (record.epoch === last.record.epoch + 1) return this.#goOn({ record, hash }, last, now)
    return this.#goBack({ record, hash })
  }

  /** The first record: that of the secret's own epoch. */
  async #begin(signed: { record: EpochRecord; hash: Bytes }): Promise<"taken"> {
    const { epoch } = this.#root
    if (signed.record.epoch !== epoch) throw integrity(`the record of epoch ${epoch} comes first`)
    checkKeys(this.#keys, signed.record)
    this.#epochs.set(epoch, { ...signed, keys: this.#keys, overAt: undefined })
    return "taken"
  }

  async #goOn(
    { record, hash }: { record: EpochRecord; hash: Bytes },
    last: KnownEpoch,
    now: number,
  ): Promise<"taken" | "left-out"> {
    if (!isSame(record.previousHash, last.hash)) throw notInChain(record)
    const found = await this.#secretOf(record)
    const secret = found && { ...found, epoch: record.epoch }
    const { poolId } = this.#root
    const keys = secret && (await epochKeys(this.#primitives, poolId, secret))
    if (keys !== undefined) checkKeys(keys, record)
    last.overAt = now
    this.#epochs.set(record.epoch, { record, hash, keys, overAt: undefined })
    if (secret === undefined || keys === undefined) return "left-out"
    this.#secret = secret
    this.#keys = keys
    await this.#reachBack(record.epoch)
    return "taken"
  }

  /** Who was left out and is named again reads what was sealed meanwhile. */
  async #reachBack(from: number): Promise<void> {
    for (let epoch = from - 1; ; epoch--) {
      const [known, next] = [this.#epochs.get(epoch), this.#epochs.get(epoch + 1)]
      const shard = next?.keys?.shard
      if (known === undefined || known.keys !== undefined || shard === undefined) return
      known.keys = await this.#keysBefore(next?.record ?? known.record, shard)
    }
  }

  /** The record before the oldest: so old content can be read. */
  async #goBack(signed: { record: EpochRecord; hash: Bytes }): Promise<"taken" | "left-out"> {
    const { record, hash } = signed
    const next = this.#epochs.get(record.epoch + 1)
    if (next === undefined || !isSame(next.record.previousHash, hash)) throw notInChain(record)
    const shard = next.keys?.shard
    const keys = shard && (await this.#keysBefore(next.record, shard))
    if (keys !== undefined) checkKeys(keys, record)
    // It was over before this trust began.
    this.#epochs.set(record.epoch, { ...signed, keys, overAt: 0 })
    return keys === undefined ? "left-out" : "taken"
  }

  async #keysBefore(next: EpochRecord, shard: Uint8Array): Promise<EpochKeys> {
    const secret = await shardBefore(this.#primitives, next, shard)
    const of = { epoch: next.epoch - 1, grade: "shard", secret } as const
    return epochKeys(this.#primitives, next.poolId, of)
  }

  async #secretOf(record: EpochRecord): Promise<EpochSecret | undefined> {
    const expected = this.#expected.find((each) => isSame(each.record, record.bytes))
    if (expected !== undefined) return expected.secret
    return this.#member && unwrapped(this.#primitives, record, this.#member)
  }
}

/** The record's public keys are those of the secret. Throws where one of them is another's. */
function checkKeys({ admitSign, readSign, sealSign }: EpochKeys, record: EpochRecord): void {
  const isOurs =
    isSame(admitSign.publicKey, record.admitKey) &&
    isSame(readSign?.publicKey ?? record.readKey, record.readKey) &&
    isSame(sealSign?.publicKey ?? record.sealKey, record.sealKey)
  if (!isOurs) throw integrity(`the secret is not that of epoch ${record.epoch}`)
}

function notInChain({ epoch }: EpochRecord): Refusal {
  return new Refusal("integrity", `the record of epoch ${epoch} does not follow the one before`)
}
