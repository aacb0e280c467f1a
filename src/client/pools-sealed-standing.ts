/**
 * How an app stands in one encrypted pool: what it has proven, through epochs and certificates.
 *
 * What always holds: one entry at a time, for each takes the nonce of the one before; content is
 * sealed for an epoch only once this app may write there, so a rotation holds nothing up; notices
 * are taken in the order in which they came.
 */
import { decode64 } from "../wire/base64.ts"
import { Refusal } from "../wire/pools-errors.ts"
import { isSame, readCertificate } from "../wire/trinity.ts"
import type { Keyring } from "./keys.ts"
import { type Entered, enter, notice, reachBack } from "./keys-entry.ts"
import { certificateLifeMs } from "./keys-shapes.ts"
import type { Fields } from "./pools-frames.ts"
import type { Door, LaneGround } from "./pools-sealed.ts"
import { Line } from "./pools-sealed-order.ts"

const notices = new Set<unknown>(["epoch_added", "certificate_added", "revoked"])

export class Standing {
  readonly #ring: Keyring
  readonly #ground: LaneGround
  #line = new Line()
  #noted: Promise<void> = Promise.resolve()
  #entering: Promise<unknown> = Promise.resolve()
  /** Epochs: proven last; with a certificate of this app; that it may write in. */
  #proven = 0
  #certified = 0
  #writes = 0
  #renewAt = Number.POSITIVE_INFINITY

  constructor(ring: Keyring, ground: LaneGround) {
    this.#ring = ring
    this.#ground = ground
  }

  /** The connection that there is. */
  get line(): Line {
    return this.#line
  }

  /** All notices that have come are taken. */
  get noted(): Promise<void> {
    return this.#noted
  }

  /** Proves all that it can. */
  enter(ask: Door["ask"]): Promise<Entered> {
    const entering = this.#entering.then(() => this.#enter(ask))
    this.#entering = entering.catch(() => {}) // told to whoever asked
    return entering
  }

  /** The same over the connection that there is now. */
  enterAgain(): Promise<Entered> {
    return this.enter(this.#askOver(this.#line))
  }

  /** Proves what it can by now and has not yet. */
  goOn(): Promise<void> {
    const line = this.#line
    const entering = this.#entering.then(async () => {
      const { epoch, keys } = this.#ring
      const mayWrite = keys.grade === "shard" && this.#certified === epoch
      const isDue = this.#proven !== epoch || (mayWrite && this.#writes !== epoch)
      if (isDue && !line.isOver) await this.#enter(this.#askOver(line))
    })
    this.#entering = entering.catch(() => {}) // told to whoever asked
    return entering
  }

  /** Gets the records of all epochs before those that are known, and the certificates in them. */
  reachBack(): Promise<void> {
    const ask = this.#askOver(this.#line)
    const { appId, session } = this.#ground
    const reaching = this.#entering.then(async () => {
      await reachBack(this.#ring, { appId, session, now: Date.now, ask })
      await this.#enter(ask)
    })
    this.#entering = reaching.catch(() => {}) // told to whoever asked
    return reaching
  }

  /** What the server tells of this pool's keys. */
  hear(body: Fields): "taken" | "other" {
    if (body["type"] !== "pool" || body["pool"] !== this.#ground.pool) return "other"
    if (!notices.has(body["operation"])) return "other"
    this.#noted = this.#noted.then(async () => {
      try {
        await notice(this.#ring, body)
      } catch (thrown) {
        return this.#tell(thrown)
      }
      this.#noteOwn(body)
      this.goOn().catch((thrown: unknown) => this.#tell(thrown))
    })
    return "taken"
  }

  /** Who certifies itself does so again before its certificate ends. */
  renew(): void {
    if (Date.now() < this.#renewAt) return
    this.#renewAt = Number.POSITIVE_INFINITY
    this.enterAgain().catch((thrown: unknown) => this.#tell(thrown))
  }

  lost(): void {
    this.#line.isOver = true
    this.#line = new Line()
  }

  #noteOwn({ operation, bytes }: Fields): void {
    if (operation !== "certificate_added" || typeof bytes !== "string") return
    const certificate = readCertificate(decode64(bytes) ?? new Uint8Array(0))
    if (certificate === undefined || !isSame(certificate.writer, this.#ring.writerKey)) return
    this.#certified = Math.max(this.#certified, certificate.epoch)
  }

  async #enter(ask: Door["ask"]): Promise<Entered> {
    const { appId, session, certificate } = this.#ground
    const entered = await enter(this.#ring, { appId, session, now: Date.now, ask }, certificate)
    const { writes } = entered
    const { epoch, keys } = this.#ring
    this.#proven = epoch
    if (writes === undefined) return entered
    this.#writes = writes.epoch
    this.#ring.writesIn(writes.epoch)
    if (keys.grade === "seal") this.#renewAt = writes.until - certificateLifeMs / 2
    return entered
  }

  #askOver(line: Line): Door["ask"] {
    return async (operation, fields) => {
      if (line.isOver) throw new Refusal("connection-lost", "the connection was lost")
      return this.#ground.ask(operation, fields, "now")
    }
  }

  #tell(thrown: unknown): void {
    this.#ground.tell(thrown, `pool ${this.#ground.pool}`)
  }
}
