/**
 * Whether the bus delivers: a message to ourselves, again and again.
 *
 * What always holds: a connection that only looks open shows here a second after the next message
 * went out, usually within three; after two failures in a row the bus makes its connections anew.
 */
import type { Bus } from "../bus/bus.ts"

const usualMs = 2_000
const lateMs = 1_000
const failuresLimit = 2

export class Probe {
  readonly #bus: Bus
  readonly #everyMs: number
  #sentAt: number | undefined
  #nextAt = 0
  #succeededAt: number | undefined
  #now = 0
  #serial = 0
  #wasAway = false
  /** ms that the last one took; undefined before any has come back. */
  roundTripMs: number | undefined
  /** In a row. */
  failures = 0

  constructor(bus: Bus, everyMs = usualMs) {
    this.#bus = bus
    this.#everyMs = everyMs
  }

  /** Whether the last one came back, and not long ago. Before the first was sent nothing speaks against it. */
  get ok(): boolean {
    if (this.failures > 0 || this.#bus.state === "away") return false
    // A result that is older than two probes take says nothing of now.
    const freshMs = 2 * this.#everyMs + lateMs
    return this.#succeededAt === undefined || this.#now - this.#succeededAt < freshMs
  }

  /** Since the last success; Infinity without one. */
  get ageMs(): number {
    return this.#succeededAt === undefined
      ? Number.POSITIVE_INFINITY
      : this.#now - this.#succeededAt
  }

  tick(now: number): void {
    this.#now = now
    if (this.#sentAt !== undefined && now >= this.#sentAt + lateMs) this.#fail()
    const isAway = this.#bus.state === "away"
    // Once it is back, that shows at once.
    if (this.#wasAway && !isAway) this.#nextAt = now
    this.#wasAway = isAway
    if (now < this.#nextAt || this.#sentAt !== undefined) return
    this.#nextAt = now + this.#everyMs
    this.#sentAt = now
    const serial = ++this.#serial
    this.#bus.probe((took) => {
      if (serial !== this.#serial || this.#sentAt === undefined) return
      if (took === "away") return this.#fail()
      this.#sentAt = undefined
      this.#succeededAt = this.#now
      this.failures = 0
      this.roundTripMs = took
    })
  }

  #fail(): void {
    this.#sentAt = undefined
    this.failures++
    // While the bus knows that it is away it is at work on it already.
    if (this.failures % failuresLimit === 0 && this.#bus.state === "ready") this.#bus.reconnect()
  }
}
