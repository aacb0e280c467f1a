/**
 * One encrypted pool, as the server knows it: public keys of its epochs, certificates of its writers,
 * and what of them was revoked. It verifies; it has no secret and can open nothing.
 *
 * What always holds: epochs follow each other without a gap, each signed by the root and chained to
 * the one before; the newest is accepted, and one before it until its grace is over. A certificate
 * was signed by its epoch's OblivionSeal; a writer revoked in an epoch stays so in it, whatever
 * certificate comes later.
 */
import { encode64 } from "../wire/base64.ts"
import { Refusal } from "../wire/pools-errors.ts"
import {
  type Certificate,
  certificateSigned,
  isSame,
  lengths,
  type Revocation,
  readCertificate,
  readRevocation,
  revocationSigned,
  type WriterRight,
  writerRights,
} from "../wire/trinity.ts"
import { type Envelope, envelopeSigned, readEnvelope } from "../wire/trinity-envelope.ts"
import { type EpochRecord, noRecordHash, readRecord } from "../wire/trinity-record.ts"
import { digestOf, type Verify, verifierOf } from "./keys.ts"
import type { Limits } from "./limits.ts"
import { limit } from "./realm.ts"

/** Clocks may differ by so much when it is said whether a certificate has expired. */
export const clockToleranceMs = 60_000

/** What is needed to verify for one epoch. */
export interface Epoch {
  readonly epoch: number
  readonly admit: Verify
  readonly read: Verify
  readonly seal: Verify
  /** When the next one came, ms since 1970. */
  overAt: number | undefined
}

/** A writer in one epoch. */
export interface Writer {
  readonly certificate: Certificate
  readonly verify: Verify
}

/** What an envelope has to be. */
export interface Asked {
  /** 16 bytes: a block, or what a message is about. */
  readonly object: Uint8Array
  readonly right: WriterRight
  /** Who may have written it; undefined: any known writer. */
  readonly writer: Uint8Array | undefined
}

export class SealedPool {
  readonly id: Uint8Array
  readonly #limits: Limits
  readonly #isRoots: Verify
  /** Accepted ones, the newest last. */
  #epochs: readonly Epoch[] = []
  #last: { readonly epoch: number; readonly hash: Uint8Array } = { epoch: 0, hash: noRecordHash }
  readonly #writers = new Map<string, Writer>()
  readonly #revoked = new Map<string, Revoked>()
  /** Nothing is over before. */
  #dueAt = 0

  constructor(id: Uint8Array, rootKey: Uint8Array, limits: Limits) {
    this.id = id
    this.#limits = limits
    this.#isRoots = verifierOf(rootKey)
  }

  /** The newest epoch. */
  get epoch(): number {
    return this.#last.epoch
  }

  /** The oldest that is accepted. */
  get oldest(): number {
    return this.#epochs[0]?.epoch ?? 0
  }

  /** Certificates of writers that were not revoked. */
  get certificates(): readonly Uint8Array[] {
    return [...this.#writers.values()].map(({ certificate }) => certificate.bytes)
  }

  get revoked(): readonly Revoked[] {
    return [...this.#revoked.values()]
  }

  /** An epoch whose proofs and writes are taken; undefined for any other. */
  accepted(epoch: number): Epoch | undefined {
    return this.#epochs.find((each) => each.epoch === epoch)
  }

  /** A record that may come next; undefined when it is the last one once more. Throws a Refusal. */
  checkRecord(bytes: Uint8Array): EpochRecord | undefined {
    const record = readRecord(bytes)
    if (record === undefined || !isSame(record.poolId, this.id)) {
      throw wrong("/record", "must be an epoch record of this pool")
    }
    if (!this.#isRoots(record.signed, record.signature)) {
      throw wrong("/record", "must be signed by the pool's owner root")
    }
    const { epoch, hash } = this.#last
    if (record.epoch === epoch && isSame(digestOf(bytes), hash)) return undefined
    if (record.epoch <= epoch) throw stale(record.epoch, epoch)
    if (record.epoch > epoch + 1) throw wrong("/record", `must be of epoch ${epoch + 1}`)
    if (!isSame(record.previousHash, hash)) throw wrong("/record", "must follow the record before")
    return record
  }

  /** The next epoch begins at `at`, with a record that was checked. */
  advance(record: EpochRecord, at: number): void {
    const before = this.#epochs.at(-1)
    if (before !== undefined) before.overAt = at
    const { epoch } = record
    const [admit, read, seal] = [record.admitKey, record.readKey, record.sealKey].map(verifierOf)
    if (admit === undefined || read === undefined || seal === undefined) throw new Error("never")
    this.#epochs = [...this.#epochs, { epoch, admit, read, seal, overAt: undefined }]
    this.#last = { epoch, hash: digestOf(record.bytes) }
    this.#dueAt = 0
  }

  /** A certificate that may be added. Throws a Refusal for one that may not. */
  checkCertificate(bytes: Uint8Array, now: number): Certificate {
    const field = "/bytes"
    const certificate = readCertificate(bytes)
    if (certificate === undefined) throw wrong(field, "must be a certificate of 112 bytes")
    const epoch = this.#acceptedOf(certificate.epoch)
    const signed = certificateSigned(this.id, certificate.head)
    if (!epoch.seal(signed, certificate.signature)) {
      throw wrong(field, "must be signed by the OblivionSeal of its epoch")
    }
    const { certificateLifeMs, certificatesPerPool } = this.#limits
    if (certificate.notAfter + clockToleranceMs < now) throw wrong(field, "has expired")
    if (certificate.notAfter > now + certificateLifeMs + clockToleranceMs) {
      throw wrong(field, `lives longer than certificateLifeMs, ${certificateLifeMs}`)
    }
    const key = keyOf(certificate)
    if (this.#revoked.has(key)) throw new Refusal("forbidden", "this writer was revoked")
    if (!this.#writers.has(key) && this.#writers.size + this.#revoked.size >= certificatesPerPool) {
      throw limit("certificatesPerPool", certificatesPerPool)
    }
    return certificate
  }

  /** Whether a certificate says more than what is known of its writer. */
  isNews(certificate: Certificate): boolean {
    const known = this.#writers.get(keyOf(certificate))?.certificate
    return known === undefined || !isSame(known.bytes, certificate.bytes)
  }

  /** A writer may write, with a certificate that was checked. The newer one of a writer counts. */
  certify(certificate: Certificate): void {
    const bytes = certificate.bytes.slice()
    const own = readCertificate(bytes) ?? certificate
    this.#writers.set(keyOf(own), { certificate: own, verify: verifierOf(own.writer) })
    this.#dueAt = 0
  }

  /** A revocation that may be taken. Throws a Refusal. */
  checkRevocation(bytes: Uint8Array): Revocation {
    const revocation = readRevocation(bytes)
    if (revocation === undefined) throw wrong("/bytes", "must be a revocation of 108 bytes")
    const epoch = this.#acceptedOf(revocation.epoch)
    if (!epoch.seal(revocationSigned(this.id, revocation.head), revocation.signature)) {
      throw wrong("/bytes", "must be signed by the OblivionSeal of its epoch")
    }
    const { certificatesPerPool } = this.#limits
    const key = keyOf(revocation)
    const isKnown = this.#writers.has(key) || this.#revoked.has(key)
    if (!isKnown && this.#writers.size + this.#revoked.size >= certificatesPerPool) {
      throw limit("certificatesPerPool", certificatesPerPool)
    }
    return revocation
  }

  /** Where a writer that is revoked in `epoch` may write: there, and in those before it that are still accepted. */
  writesIn({ writer, epoch }: Revoked): readonly number[] {
    const certified = [...this.#writers.values()]
      .map(({ certificate }) => certificate)
      .filter((each) => each.epoch < epoch && isSame(each.writer, writer))
    return [...certified.map((each) => each.epoch), epoch]
  }

  /** A writer may do nothing more in this epoch. */
  revoke({ writer, epoch }: Revoked): void {
    const revoked = { writer: writer.slice(), epoch }
    this.#writers.delete(keyOf(revoked))
    this.#revoked.set(keyOf(revoked), revoked)
  }

  /** Takes up what was stored. */
  restore(rows: readonly StoredWriter[]): void {
    for (const { bytes, revoked, writer, epoch } of rows) {
      const certificate = revoked === 1 ? undefined : readCertificate(bytes)
      if (certificate === undefined) this.revoke({ writer, epoch })
      else this.certify(certificate)
    }
  }

  /** What verifies for the writer of a certificate that was checked. */
  trial({ writer, epoch }: Certificate): Verify {
    return this.#writers.get(keyOf({ writer, epoch }))?.verify ?? verifierOf(writer)
  }

  /** Whether an envelope holds nothing. */
  isEmpty(bytes: Uint8Array): boolean {
    return readEnvelope(bytes)?.plainBytes === 0
  }

  /** The writer of a key in an epoch, when its certificate holds now. */
  writerOf(of: Revoked, now: number): Writer | undefined {
    const writer = this.#writers.get(keyOf(of))
    return writer !== undefined && writer.certificate.notAfter + clockToleranceMs >= now
      ? writer
      : undefined
  }

  /** What is over by now: certificates that have expired, and whether an epoch is no longer accepted. */
  tick(now: number): { readonly expired: readonly Certificate[]; readonly isEpochOver: boolean } {
    const expired: Certificate[] = []
    if (now < this.#dueAt) return { expired, isEpochOver: false }
    for (const [key, { certificate }] of this.#writers) {
      if (certificate.notAfter + clockToleranceMs >= now) continue
      this.#writers.delete(key)
      expired.push(certificate)
    }
    const accepted = this.#epochs.filter(
      ({ overAt }) => overAt === undefined || now < overAt + this.#limits.epochGraceMs,
    )
    const isEpochOver = accepted.length < this.#epochs.length
    this.#epochs = accepted
    // Nothing of an epoch that is over can be certified, so nothing of it needs to be held back.
    for (const [key, { epoch }] of this.#revoked) {
      if (isEpochOver && this.accepted(epoch) === undefined) this.#revoked.delete(key)
    }
    const ends = [...this.#writers.values()].map(({ certificate }) => certificate.notAfter)
    const overs = accepted.map(({ overAt = Number.POSITIVE_INFINITY }) => overAt)
    this.#dueAt = Math.min(
      earliest(ends) + clockToleranceMs,
      earliest(overs) + this.#limits.epochGraceMs,
    )
    return { expired, isEpochOver }
  }

  /**
   * What an envelope says, once it is known to be one of this pool by a writer who may. Throws a
   * Refusal: "stale-epoch" for an epoch that is over, "not-encrypted" for all else.
   */
  checkEnvelope(bytes: Uint8Array, asked: Asked, now: number): Envelope {
    const envelope = readEnvelope(bytes)
    if (envelope === undefined || !isSame(envelope.poolId, this.id)) {
      throw notEncrypted("an envelope of this pool is asked for")
    }
    const { epoch, writer: key } = envelope
    if (this.accepted(epoch) === undefined) {
      if (epoch < this.epoch) throw stale(epoch, this.epoch)
      throw notEncrypted(`there is no epoch ${epoch}`)
    }
    if (!isSame(envelope.object, asked.object)) {
      throw notEncrypted("it was sealed for another block, call or name")
    }
    const writer = this.writerOf({ writer: key, epoch }, now)
    if (writer === undefined) throw notEncrypted("its writer has no certificate that holds now")
    if ((writer.certificate.rights & writerRights[asked.right]) === 0) {
      throw notEncrypted(`its writer's certificate gives no right to ${asked.right}`)
    }
    if (asked.writer !== undefined && !isSame(asked.writer, key)) {
      throw notEncrypted("it is of another writer than the one that was proven here")
    }
    if (!this.#limits.verifyWrites) return envelope
    const signed = envelopeSigned(envelope.head, digestOf(envelope.sealed))
    if (writer.verify(signed, envelope.signature)) return envelope
    throw notEncrypted("its writer has not signed it")
  }

  #acceptedOf(number: number): Epoch {
    const epoch = this.accepted(number)
    if (epoch !== undefined) return epoch
    if (number < this.epoch) throw stale(number, this.epoch)
    throw wrong("/bytes", `must be of epoch ${this.epoch}`)
  }
}

/** A writer that was revoked. */
export interface Revoked {
  readonly writer: Uint8Array
  readonly epoch: number
}

/** A writer as it is stored. */
export interface StoredWriter extends Revoked {
  readonly bytes: Uint8Array
  /** 1 once it was. */
  readonly revoked: number
}

/** An epoch is over: the newer one is to be taken, and it tried again. */
export function stale(epoch: number, newest: number): Refusal {
  const detail = { epoch: newest }
  return new Refusal("stale-epoch", `epoch ${epoch} is over, ${newest} is the newest`, { detail })
}

export function wrong(field: string, reason: string): Refusal {
  return new Refusal("bad-message", reason, { field, reason })
}

function earliest(times: readonly number[]): number {
  return times.reduce((least, time) => Math.min(least, time), Number.POSITIVE_INFINITY)
}

function notEncrypted(sentence: string): Refusal {
  return new Refusal("not-encrypted", sentence)
}

function keyOf({ writer, epoch }: Revoked): string {
  return `${epoch} ${encode64(writer.subarray(0, lengths.key))}`
}
