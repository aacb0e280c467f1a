/**
 * Who is registered: the table `operators`, the only thing of this part that outlives the process.
 * The only SQL here.
 *
 * What always holds: a row is written at registration, deletion, invitation and renewal of a secret,
 * and at no other moment; no two rows have the same callsign or look alike. Nothing is kept in
 * memory: a row that was deleted by hand is gone at once.
 */
import type { Random } from "../service.ts"
import type { Statement, Store } from "../store.ts"
import { isDamage, isFault } from "../store-file.ts"
import { folded } from "../wire/operators.ts"
import { skeletonOf } from "./callsign.ts"
import { type Invitation, invitationOf, invitationText, type Secret, secretText } from "./secret.ts"

/** A row. The generation of an invitation is 0. */
export interface Row {
  /** Folded. */
  readonly callsign: string
  /** As it was registered. */
  readonly name: string
  readonly skeleton: string
  readonly generation: number
  readonly secret: string
}

/** How a registration ended. "away": the table cannot be written for now. */
export type Registered = Row | "taken" | "alike" | "full" | "away"

export interface AccountsOptions {
  readonly random: Random
  /** Rows in the table. */
  readonly limit: number
  /** Called when the file is damaged: nothing more may be believed then. */
  readonly broken: (thrown: unknown) => void
}

const steps = [
  `CREATE TABLE operators (
    callsign TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    skeleton TEXT NOT NULL UNIQUE,
    generation INTEGER NOT NULL,
    secret TEXT NOT NULL
  ) STRICT, WITHOUT ROWID`,
]

const generationBytes = 4

export class Accounts {
  readonly #store: Store
  readonly #options: AccountsOptions
  readonly #find: Statement<Row>
  readonly #inTheWay: Statement<Row>
  readonly #count: Statement<{ rows: number }>
  readonly #insert: Statement<never>
  readonly #remove: Statement<never>
  readonly #renew: Statement<never>

  /** Makes the table where it is missing. Throws one sentence when it is of a later release. */
  constructor(store: Store, options: AccountsOptions) {
    this.#store = store
    this.#options = options
    store.migrate("operators", steps)
    this.#find = store.prepare("SELECT * FROM operators WHERE callsign = :callsign")
    this.#inTheWay = store.prepare(
      "SELECT * FROM operators WHERE callsign = :callsign OR skeleton = :skeleton",
    )
    this.#count = store.prepare("SELECT count(*) AS rows FROM operators")
    this.#insert = store.prepare(
      "INSERT INTO operators VALUES (:callsign, :name, :skeleton, :generation, :secret)",
    )
    this.#remove = store.prepare(
      "DELETE FROM operators WHERE callsign = :callsign AND generation = :generation",
    )
    this.#renew = store.prepare(`UPDATE operators SET secret = :secret
      WHERE callsign = :callsign AND generation = :generation AND secret = :old`)
  }

  /** The row of a callsign, an invitation's as well as long as it lasts. */
  find(callsign: string, now: number): Row | undefined {
    const row = this.#attempt(() => this.#find.get({ callsign: folded(callsign) }))
    return row === undefined || isOver(row, now) ? undefined : row
  }

  /** Whether another row looks like `callsign`, one of an invitation that is over not counted. */
  looksAlike(callsign: string, now: number): boolean {
    const rows = this.#attempt(() => this.#inTheWay.all(keysOf(callsign)))
    return rows.some((row) => row.callsign !== folded(callsign) && !isOver(row, now))
  }

  /**
   * Registers `name` in one transaction, in place of its invitation if it has one, and draws a
   * generation. "taken" when it has an account.
   */
  register(name: string, secret: Secret, now: number): Registered {
    return this.#put(name, { secret: secretText(secret), generation: this.#generation() }, now)
  }

  /** Adds an invitation, or replaces the one there is. */
  invite(name: string, invitation: Invitation, now: number): Registered {
    return this.#put(name, { secret: invitationText(invitation), generation: 0 }, now)
  }

  /** Deletes an account, the log of the file included. A row that is gone already is no fault. */
  remove({ callsign, generation }: { callsign: string; generation: number }): "done" | "away" {
    const done = this.#write(() => {
      this.#remove.run({ callsign, generation })
      return "done" as const
    })
    if (done === "done") this.#store.scrub()
    return done
  }

  /** Replaces a secret, if it still is the one of `row`. */
  renew(row: Row, secret: Secret): void {
    const { callsign, generation, secret: old } = row
    this.#write(() => this.#renew.run({ callsign, generation, old, secret: secretText(secret) }))
  }

  #put(name: string, of: { secret: string; generation: number }, now: number): Registered {
    return this.#write(() =>
      this.#store.transaction(() => {
        const keys = keysOf(name)
        const rows = this.#inTheWay.all(keys)
        const own = rows.find((row) => row.callsign === keys.callsign)
        if (own !== undefined && own.generation !== 0) return "taken"
        if (rows.some((row) => row !== own && !isOver(row, now))) return "alike"
        for (const row of rows) this.#remove.run({ callsign: row.callsign, generation: 0 })
        if ((this.#count.get()?.rows ?? 0) >= this.#options.limit) return "full"
        const row = { ...keys, name, ...of }
        this.#insert.run(row)
        return row
      }),
    )
  }

  /** 1 to 2³²−1. */
  #generation(): number {
    const drawn = this.#options.random(generationBytes)
    return new DataView(Uint8Array.from(drawn).buffer).getUint32(0) || 1
  }

  /** What a full disk or somebody else's lock does not let through is "away", for now. */
  #write<T>(work: () => T): T | "away" {
    try {
      return this.#attempt(work)
    } catch (thrown) {
      if (isFault(thrown) && !isDamage(thrown)) return "away"
      throw thrown
    }
  }

  #attempt<T>(work: () => T): T {
    try {
      return work()
    } catch (thrown) {
      if (isDamage(thrown)) this.#options.broken(thrown)
      throw thrown
    }
  }
}

function keysOf(name: string): { readonly callsign: string; readonly skeleton: string } {
  return { callsign: folded(name), skeleton: skeletonOf(name) }
}

/** An invitation past its time, or something written by hand that is neither: it counts as absent. */
function isOver(row: Row, now: number): boolean {
  if (row.generation !== 0) return false
  const invitation = invitationOf(row.secret)
  return invitation === undefined || invitation.untilMs <= now
}
