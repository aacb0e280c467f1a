/**
 * The questions that an opaque room puts to its holders: each under a name of its own, by which its
 * answer is known.
 *
 * What always holds: no two questions of a room bear one name; above `differences` in a second all
 * who wait share the whole (RL25).
 */
import type { Ask, Asks, Wish } from "./asks.ts"
import type { OpaqueReplica } from "./opaque-fan-out.ts"
import type { OpaqueOutlet } from "./replica.ts"

/** The group of those who get everything. */
const whole = "whole"
/** So many may be given a difference of their own in a second. */
const differences = 8
const secondMs = 1_000

export class Questions {
  readonly #docId: string
  readonly #asks: Asks<OpaqueOutlet>
  readonly #names = new WeakMap<Ask<OpaqueOutlet>, string>()
  #drawn = 0
  /** Differences that holders were asked for in this second. */
  #differences = 0
  #secondUntil = 0

  constructor(docId: string, asks: Asks<OpaqueOutlet>) {
    this.#docId = docId
    this.#asks = asks
  }

  /** It is `now`. */
  tick(now: number): void {
    if (now < this.#secondUntil) return
    this.#secondUntil = now + secondMs
    this.#differences = 0
  }

  /** Which wishes share an ask. Versions have no minimum, so only those of one version share a difference. */
  groupOf({ has }: Wish<OpaqueOutlet>): string {
    if (has === undefined || this.#differences >= differences) return whole
    return `version ${Buffer.from(has).toString("latin1")}`
  }

  /** Puts an ask to a holder. */
  put(holder: OpaqueReplica, ask: Ask<OpaqueOutlet>, now: number): void {
    const requestId = this.draw()
    this.#names.set(ask, requestId)
    const [wish] = ask.wishes
    const version = ask.group === whole ? undefined : wish?.has
    if (version !== undefined) this.#differences++
    const stamp = { docId: this.#docId, ts: now, requestId, version }
    holder.outlet.send({ kind: "snapshot-request", ...stamp })
  }

  /** Asks one replica for all that it has. */
  ask(replica: OpaqueReplica, purpose: "joining" | "copy", now: number): void {
    const requestId = this.draw()
    this.#names.set(this.#asks.note(replica, purpose, now), requestId)
    const stamp = { docId: this.#docId, ts: now, requestId, version: undefined }
    replica.outlet.send({ kind: "snapshot-request", ...stamp })
  }

  /** Tells it that nobody has the content, and whether it may fill the room. */
  sayNothing({ outlet }: OpaqueReplica, content: "seed" | "empty", now: number): void {
    const stamp = { docId: this.#docId, ts: now, requestId: this.draw() }
    const snapshot = new Uint8Array()
    outlet.send({ kind: "snapshot-response", ...stamp, snapshot, version: undefined, content })
  }

  /** The ask of `replica` that bears this name, or its oldest where the answer bears none. */
  askOf(replica: OpaqueReplica, requestId: string | undefined): Ask<OpaqueOutlet> | undefined {
    if (requestId === undefined) return replica.asked[0]
    return replica.asked.find((ask) => this.nameOf(ask) === requestId)
  }

  nameOf(ask: Ask<OpaqueOutlet>): string | undefined {
    return this.#names.get(ask)
  }

  /** A name that nothing bore yet. */
  draw(): string {
    this.#drawn++
    return `r${this.#drawn}`
  }
}
