/**
 * The tables of encrypted pools: records of epochs, certificates and what was revoked. All of it is
 * public: nothing here opens anything.
 *
 * What always holds: a record is never changed; what one message changes is one transaction.
 */
import type { Statement, Step, Store } from "../store.ts"

const steps: readonly Step[] = [
  `CREATE TABLE pools_epoch (
    pool TEXT NOT NULL,
    epoch INTEGER NOT NULL,
    record BLOB NOT NULL,
    added INTEGER NOT NULL,
    PRIMARY KEY (pool, epoch)
  ) STRICT, WITHOUT ROWID;
  CREATE TABLE pools_certificate (
    pool TEXT NOT NULL,
    writer BLOB NOT NULL,
    epoch INTEGER NOT NULL,
    rights INTEGER NOT NULL,
    not_after INTEGER NOT NULL,
    bytes BLOB NOT NULL,
    revoked INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (pool, writer, epoch)
  ) STRICT, WITHOUT ROWID`,
]

export interface EpochRow {
  readonly epoch: number
  readonly record: Uint8Array
  /** ms since 1970. */
  readonly added: number
}

/** A writer in an epoch. One that was revoked before it was certified has no rights and no bytes. */
export interface WriterRow {
  readonly writer: Uint8Array
  readonly epoch: number
  readonly rights: number
  readonly not_after: number
  readonly bytes: Uint8Array
  /** 1 once it was. */
  readonly revoked: number
}

export class TrinityTables {
  readonly #epochs: Statement<EpochRow>
  readonly #recent: Statement<EpochRow>
  readonly #writers: Statement<WriterRow>
  readonly #putEpoch: Statement<never>
  readonly #putWriter: Statement<never>
  readonly #dropWriter: Statement<never>
  readonly #dropOver: Statement<never>
  readonly #dropEpochs: Statement<never>
  readonly #dropWriters: Statement<never>

  /** Makes the tables where they are missing. Throws one sentence when they are of a later release. */
  constructor(store: Store) {
    store.migrate("pools_keys", steps)
    this.#epochs = store.prepare(`SELECT epoch, record, added FROM pools_epoch
      WHERE pool = :pool AND epoch > :after ORDER BY epoch LIMIT :count`)
    this.#recent = store.prepare(`SELECT epoch, record, added FROM pools_epoch
      WHERE pool = :pool ORDER BY epoch DESC LIMIT :count`)
    this.#writers = store.prepare(`SELECT writer, epoch, rights, not_after, bytes, revoked
      FROM pools_certificate WHERE pool = :pool`)
    this.#putEpoch = store.prepare(
      "INSERT INTO pools_epoch VALUES (:pool, :epoch, :record, :added)",
    )
    this.#putWriter = store.prepare(`INSERT INTO pools_certificate
      VALUES (:pool, :writer, :epoch, :rights, :notAfter, :bytes, :revoked)
      ON CONFLICT (pool, writer, epoch) DO UPDATE SET rights = excluded.rights,
        not_after = excluded.not_after, bytes = excluded.bytes, revoked = excluded.revoked`)
    this.#dropWriter = store.prepare(`DELETE FROM pools_certificate
      WHERE pool = :pool AND writer = :writer AND epoch = :epoch AND revoked = 0`)
    this.#dropOver = store.prepare(`DELETE FROM pools_certificate
      WHERE pool = :pool AND epoch < :epoch AND revoked = 1`)
    this.#dropEpochs = store.prepare("DELETE FROM pools_epoch WHERE pool = :pool")
    this.#dropWriters = store.prepare("DELETE FROM pools_certificate WHERE pool = :pool")
  }

  /** Records behind an epoch, the oldest first, so many at most. */
  epochs(pool: string, after: number, count: number): readonly EpochRow[] {
    return this.#epochs.all({ pool, after, count })
  }

  /** The newest records, the newest first. */
  newest(pool: string, count: number): readonly EpochRow[] {
    return this.#recent.all({ pool, count })
  }

  writers(pool: string): readonly WriterRow[] {
    return this.#writers.all({ pool })
  }

  putEpoch(pool: string, { epoch, record, added }: EpochRow): void {
    this.#putEpoch.run({ pool, epoch, record, added })
  }

  putWriter(pool: string, row: WriterRow): void {
    const { writer, epoch, rights, not_after: notAfter, bytes, revoked } = row
    this.#putWriter.run({ pool, writer, epoch, rights, notAfter, bytes, revoked })
  }

  /** Its certificate has expired. */
  dropWriter(pool: string, { writer, epoch }: Pick<WriterRow, "writer" | "epoch">): void {
    this.#dropWriter.run({ pool, writer, epoch })
  }

  /** What was revoked in epochs before this one. */
  dropOver(pool: string, epoch: number): void {
    this.#dropOver.run({ pool, epoch })
  }

  /** All of a pool that is destroyed. */
  dropPool(pool: string): void {
    this.#dropEpochs.run({ pool })
    this.#dropWriters.run({ pool })
  }
}
