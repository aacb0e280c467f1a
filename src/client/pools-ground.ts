/** What all parts of an app stand on: its connection, its numbers, and the queue for a connection. */
import type { Saying } from "./pools-frames.ts"
import { Gate } from "./pools-gate.ts"
import { behindBytes, type Link, unsentLimitBytes, type Welcome } from "./pools-link.ts"
import { Requests } from "./pools-requests.ts"
import { Seals } from "./pools-sealed.ts"

export class Ground {
  readonly gate = new Gate()
  readonly requests: Requests
  /** What is said and heard in encrypted pools. */
  readonly seals: Seals
  /** What the server said last when it let this app in. */
  welcome: Welcome | undefined
  readonly #link: Link
  #ids = 0

  constructor(link: Link) {
    this.#link = link
    this.requests = new Requests(this)
    this.seals = new Seals(this, link)
  }

  /** A number that no other request of this app has. */
  nextId(): number {
    this.#ids += 1
    return this.#ids
  }

  /**
   * Says it, if there is a connection. With the pool that it is said in it goes sealed, where that
   * pool is encrypted.
   */
  say(message: Saying, pool?: string): void {
    const lane = pool === undefined ? undefined : this.seals.of(pool)
    if (lane === undefined) this.#link.say(message)
    else lane.say(message)
  }

  /** Nobody waits for this call any more. */
  over(call: number): void {
    this.seals.over(call)
  }

  /** So much is unsent that nothing more is taken. */
  get isFull(): boolean {
    return this.#link.isFull || this.seals.unsentBytes > unsentLimitBytes
  }

  /** So much is unsent that whoever wants to say more should wait. */
  get isBehind(): boolean {
    return this.#link.isBehind || this.seals.unsentBytes > behindBytes
  }
}
