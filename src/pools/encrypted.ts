/**
 * Encrypted pools: who comes in by which proof, and what may be said there.
 *
 * What always holds: nobody is a member of an encrypted pool without a proof of a key of an accepted
 * epoch, made for this connection and this nonce, which is good once; what members say is an envelope
 * by a writer who may, or goes no further; what is stored is on record before anyone is told. Here is
 * no secret: all that is verified is verified with public keys.
 */
import type { Random } from "../service.ts"
import { decode64, encode64Url } from "../wire/base64.ts"
import { Refusal } from "../wire/pools-errors.ts"
import type { PoolRequest } from "../wire/pools-shapes.ts"
import { type Certificate, isSame, lengths } from "../wire/trinity.ts"
import { readRecord } from "../wire/trinity-record.ts"
import { bytesIn, countIn, type Fields } from "./encrypted-fields.ts"
import { type Bindings, provenBy } from "./encrypted-proofs.ts"
import type { Limits } from "./limits.ts"
import type { Pool } from "./pool.ts"
import { forbidden, limit, type Making, type Realm } from "./realm.ts"
import type { Session } from "./session.ts"
import { SealedPool, wrong } from "./trinity.ts"
import type { TrinityTables } from "./trinity-tables.ts"

export type Result = Readonly<Record<string, unknown>>

export interface EncryptedOptions {
  readonly limits: Limits
  readonly realm: Realm
  readonly bindings: Bindings
  readonly tables: TrinityTables
  readonly random: Random
  readonly now: () => number
  /** Told on `$sys.security.…` to those with `admin`. */
  readonly security: (event: SecurityEvent, pool: Pool, fact: object) => void
  /** Who is in a pool, as its members are told. */
  readonly membersOf: (pool: Pool) => readonly Result[]
}

/** What happens to keys, and is told without any. */
export type SecurityEvent =
  | "epoch-added"
  | "certificate-added"
  | "revoked"
  | "expired"
  | "proof-refused"

/** Records that are read at the start: more than were ever accepted at once. */
const recordsAtStart = 64

export class Encrypted {
  readonly #options: EncryptedOptions

  /** Takes up what is stored. Throws when a pool's records are not what they were. */
  constructor(options: EncryptedOptions) {
    this.#options = options
    for (const pool of options.realm.all()) this.#restore(pool)
  }

  /** What makes a pool an encrypted one. Throws a Refusal for a record that cannot be its first. */
  making({ fields }: PoolRequest, name: string): NonNullable<Making["sealing"]> {
    const { limits, tables, now, realm } = this.#options
    const rootKey = bytesIn(fields, "root_key", lengths.key)
    const bytes = bytesIn(fields, "record")
    const id = readRecord(bytes)?.poolId.slice()
    if (id === undefined) throw wrong("/record", "must be the record of epoch 1")
    if ([...realm.all()].some(({ facts }) => isSame(facts.id, id))) {
      throw new Refusal("pool-exists", "there is a pool with the id in this record")
    }
    const sealed = new SealedPool(id, rootKey, limits)
    const record = sealed.checkRecord(bytes)
    if (record === undefined) throw wrong("/record", "must be the record of epoch 1")
    const added = now()
    const store = () => tables.putEpoch(name, { epoch: record.epoch, record: bytes, added })
    sealed.advance(record, added)
    return { sealed, rootKey, store }
  }

  /** One of the operations that only encrypted pools have. Throws a Refusal. */
  answer(session: Session, pool: Pool, request: PoolRequest): Result {
    const sealed = sealedOf(pool)
    // What is signed says itself whether it holds; whoever has no right here brings nothing.
    if (pool.rightsOf(session.app?.id ?? "", session.narrowing).size === 0) {
      throw forbidden("read", pool.name)
    }
    const { operation, fields } = request
    switch (operation) {
      case "epochs":
        return this.#records(pool, countIn(fields, "after"))
      case "add_epoch":
        return this.#addEpoch(pool, sealed, bytesIn(fields, "record"))
      case "add_certificate": {
        const bytes = bytesIn(fields, "bytes", lengths.certificate)
        this.#certify(pool, sealed.checkCertificate(bytes, this.#options.now()))
        return { pool: pool.name }
      }
      case "revoke":
        return this.#revoke(pool, sealed, bytesIn(fields, "bytes", lengths.revocation))
      case "prove":
        return this.#prove(session, pool, fields)
    }
    throw new Error(`never: encrypted pools have no operation ${operation}`)
  }

  /** All that is needed to prove a key here. Nobody is a member by that. Throws a Refusal. */
  join(session: Session, pool: Pool, { fields }: PoolRequest): Result {
    const { limits, random, now } = this.#options
    if (pool.rightsOf(session.app?.id ?? "", session.narrowing).size === 0) {
      throw forbidden("read", pool.name)
    }
    const { challenges } = session
    for (const [name, { until }] of challenges) if (until <= now()) challenges.delete(name)
    if (!challenges.has(pool.name) && challenges.size >= limits.poolsPerApp) {
      throw limit("poolsPerApp", limits.poolsPerApp)
    }
    const nonce = random(lengths.challenge)
    challenges.set(pool.name, { nonce, until: now() + limits.nonceMs })
    const sealed = sealedOf(pool)
    const known = fields["known_epoch"] === undefined ? 0 : countIn(fields, "known_epoch")
    return {
      ...this.#standing(session, pool),
      ...this.#records(pool, known),
      pool_id: encode64Url(pool.facts.id),
      encrypted: true,
      certificates: sealed.certificates.map(encode64Url),
      revoked: sealed.revoked.map(({ writer, epoch }) => ({ writer: encode64Url(writer), epoch })),
      nonce: encode64Url(nonce),
    }
  }

  /** What is stored of a pool that is destroyed. */
  forget(pool: Pool): void {
    if (pool.sealed !== undefined) this.#options.tables.dropPool(pool.name)
  }

  /** It is `now`: what has expired is told, and whoever proved an epoch that is over has to go. */
  tick(now: number): void {
    const { realm, tables, security } = this.#options
    for (const pool of realm.all()) {
      if (pool.sealed === undefined) continue
      const { expired, isEpochOver } = pool.sealed.tick(now)
      for (const { writer, epoch } of expired) {
        // A store that cannot be written keeps the row: it expires anew at the next start.
        ignoring(() => tables.dropWriter(pool.name, { writer, epoch }))
        security("expired", pool, { pool: pool.name, writer: encode64Url(writer), epoch })
      }
      if (!isEpochOver) continue
      ignoring(() => tables.dropOver(pool.name, pool.sealed?.oldest ?? 0))
      for (const membership of [...pool.members.values()]) {
        const { key } = membership
        if (key === undefined || pool.sealed.accepted(key.epoch) === undefined) {
          realm.remove(membership, "the epoch that it proved is over")
        } else if (key.writer !== undefined && !pool.sealed.accepted(key.writer.epoch)) {
          realm.prove(membership, { ...key, writer: undefined })
        }
      }
    }
  }

  #restore(pool: Pool): void {
    const { rootKey, id } = pool.facts
    if (rootKey === undefined) return
    const { limits, tables, now } = this.#options
    const sealed = new SealedPool(id, rootKey, limits)
    for (const { record: bytes, added } of tables.newest(pool.name, recordsAtStart).toReversed()) {
      const record = readRecord(bytes)
      if (record === undefined) throw new Error(`pool ${pool.name} has a record that is none`)
      sealed.advance(record, added)
    }
    if (sealed.epoch === 0) throw new Error(`pool ${pool.name} is encrypted and has no record`)
    sealed.restore(tables.writers(pool.name))
    sealed.tick(now())
    pool.sealed = sealed
  }

  #addEpoch(pool: Pool, sealed: SealedPool, bytes: Uint8Array): Result {
    const { tables, now, security, realm } = this.#options
    const record = sealed.checkRecord(bytes)
    // The same once more: whoever brought it did not hear that it was taken.
    if (record === undefined) return { pool: pool.name, epoch: sealed.epoch }
    const { epoch } = record
    const added = now()
    realm.stored(() => tables.putEpoch(pool.name, { epoch, record: bytes, added }))
    sealed.advance(record, added)
    tell(pool, { operation: "epoch_added", record: encode64Url(bytes) })
    security("epoch-added", pool, { pool: pool.name, epoch })
    return { pool: pool.name, epoch }
  }

  #certify(pool: Pool, certificate: Certificate): void {
    const sealed = sealedOf(pool)
    if (!sealed.isNews(certificate)) return
    const { tables, security, realm } = this.#options
    const { writer, epoch, rights, notAfter: not_after, bytes } = certificate
    const row = { writer, epoch, rights, not_after, bytes, revoked: 0 }
    realm.stored(() => tables.putWriter(pool.name, row))
    sealed.certify(certificate)
    tell(pool, { operation: "certificate_added", bytes: encode64Url(bytes) })
    const fact = { pool: pool.name, writer: encode64Url(writer), epoch, rights, not_after }
    security("certificate-added", pool, fact)
  }

  #revoke(pool: Pool, sealed: SealedPool, bytes: Uint8Array): Result {
    const { tables, security, realm } = this.#options
    const revocation = sealed.checkRevocation(bytes)
    const { writer } = revocation
    const nothing = { rights: 0, not_after: 0, bytes: new Uint8Array(0), revoked: 1 }
    // Who seals for an older epoch, as one may for a while, is not to go on there.
    const epochs = sealed.writesIn(revocation)
    realm.stored(() => {
      for (const epoch of epochs) tables.putWriter(pool.name, { writer, epoch, ...nothing })
    })
    for (const epoch of epochs) sealed.revoke({ writer, epoch })
    for (const membership of [...pool.members.values()]) {
      const { key } = membership
      if (key?.writer === undefined || !isSame(key.writer.key, writer)) continue
      if (epochs.includes(key.writer.epoch)) realm.prove(membership, { ...key, writer: undefined })
    }
    for (const epoch of epochs) {
      const fact = { writer: encode64Url(writer), epoch }
      tell(pool, { operation: "revoked", ...fact })
      security("revoked", pool, { pool: pool.name, ...fact })
    }
    return { pool: pool.name }
  }

  #prove(session: Session, pool: Pool, fields: Fields): Result {
    const { now, realm, bindings } = this.#options
    const sealed = sealedOf(pool)
    const challenge = session.challenges.get(pool.name)
    // Good once, whatever comes of it.
    session.challenges.delete(pool.name)
    const isGood = challenge !== undefined && now() < challenge.until
    const membership = session.memberships.get(pool.name)
    const prover = {
      ...{ appId: session.app?.id ?? "", session: session.key, membership },
      nonce: isGood ? challenge.nonce : undefined,
      ...{ bindings, binding: decode64(session.connection.params.get("binding") ?? "") },
    }
    const proven = this.#noting(session, pool, () =>
      provenBy(sealed, fields, { prover, now: now() }),
    )
    if (proven.certificate !== undefined) this.#certify(pool, proven.certificate)
    if (membership === undefined) realm.join(session, pool, proven.key)
    else realm.prove(membership, proven.key)
    return { ...this.#standing(session, pool), epoch: proven.key.epoch }
  }

  /** Tells those who govern when a proof is refused. */
  #noting<T>(session: Session, pool: Pool, work: () => T): T {
    try {
      return work()
    } catch (thrown) {
      if (thrown instanceof Refusal && thrown.fault.code === "unauthenticated") {
        const fact = { pool: pool.name, app: session.name }
        this.#options.security("proof-refused", pool, fact)
      }
      throw thrown
    }
  }

  #standing(session: Session, pool: Pool): Result {
    const membership = session.memberships.get(pool.name)
    if (membership === undefined) return { pool: pool.name, rights: [], members: [] }
    const members = this.#options.membersOf(pool)
    return { pool: pool.name, rights: [...membership.rights], members }
  }

  /** Records behind an epoch, as many as fit into one answer. */
  #records(pool: Pool, after: number): Result {
    const { tables, limits } = this.#options
    const sealed = sealedOf(pool)
    const records: string[] = []
    let [bytes, last] = [0, after]
    // One by one: a record may have half a megabyte.
    while (last < sealed.epoch) {
      const [row] = tables.epochs(pool.name, last, 1)
      if (row === undefined) break
      bytes += row.record.length
      if (records.length > 0 && bytes > limits.recordsBytes) break
      records.push(encode64Url(row.record))
      last = row.epoch
    }
    return { epoch: sealed.epoch, records, ...(last < sealed.epoch ? { more: true } : {}) }
  }
}

/** What of a pool is encrypted. Throws a Refusal for one that is not. */
function sealedOf(pool: Pool): SealedPool {
  if (pool.sealed !== undefined) return pool.sealed
  throw new Refusal("bad-message", `pool ${pool.name} is not encrypted`, { field: "/pool" })
}

/** Tells all members of a pool. */
function tell(pool: Pool, fields: Fields): void {
  const body = { type: "pool", pool: pool.name, ...fields }
  for (const { session } of pool.members.values()) session.send({ kind: "plain", body })
}

/** For what is tidied only: the store tells `/health` and its log that it cannot be written. */
function ignoring(write: () => void): void {
  try {
    write()
  } catch {
    // The row stays until the next start.
  }
}
