/**
 * The way in of one connection: order, hold and rate.
 *
 * What always holds: messages are handed on one at a time, in the order they came, and never while
 * the connection is held or above its rate. Meanwhile its socket is not read, so all but the rest
 * of the chunk in hand waits with the far end, and nothing is dropped.
 */
import type { Undo } from "../service.ts"
import { Rate } from "./rate.ts"
import type { Limits } from "./route.ts"
import type { Turn } from "./turn.ts"

/** One message as its payload: a string is a text frame or a line. */
export interface Frame {
  readonly payload: Uint8Array | string
  readonly bytes: number
}

/** What can be read, and left unread. */
export interface Flow {
  pause(): void
  resume(): void
}

export interface InboxOptions {
  /** The clock of all connections, in ms. */
  readonly clock: { readonly now: number; readonly turn: Turn }
  readonly limits: Limits
  readonly receive: (frame: Frame) => void
}

export class Inbox {
  readonly #clock: { readonly now: number; readonly turn: Turn }
  readonly #rate: Rate
  readonly #receive: (frame: Frame) => void
  // What came after a pause: ws goes on with the chunk it is reading, so at most one chunk's messages.
  readonly #waiting: Frame[] = []
  #flow: Flow | undefined
  #isReading = true
  #isClosed = false
  #holds = 0
  #heldSince = 0

  constructor(options: InboxOptions) {
    this.#clock = options.clock
    this.#rate = new Rate(options.limits)
    this.#receive = options.receive
  }

  /** Whether the socket is being read. */
  get isReading(): boolean {
    return this.#isReading
  }

  /** For how long it has been held, in ms; 0 when it is not. */
  heldMs(now: number): number {
    return this.#holds === 0 ? 0 : now - this.#heldSince
  }

  /** From here on there is something to pause. It may have been held before. */
  start(flow: Flow): void {
    this.#flow = flow
    this.#pace()
  }

  /** A message has come. */
  take(frame: Frame): void {
    if (this.#isClosed) return
    if (this.#mayReceive && this.#waiting.length === 0) this.#handOn(frame)
    else this.#waiting.push(frame)
    this.#pace()
  }

  /** Counts what is no message and yet costs us time. */
  spend(bytes: number): void {
    this.#rate.spend(bytes, this.#clock.now)
    this.#pace()
  }

  hold(): Undo {
    if (this.#holds++ === 0) this.#heldSince = this.#clock.now
    this.#pace()
    let isHeld = true
    return () => {
      if (!isHeld) return
      isHeld = false
      // Never from inside this call: it is made by the service that would be called.
      if (--this.#holds === 0) this.#clock.turn.atEnd(this.#goOn)
    }
  }

  /** It is `now`, in ms: whoever has rested is read again. */
  tick(now: number): void {
    if (this.#isReading) return
    this.#rate.refill(now)
    this.#goOn()
  }

  /** Hands on nothing more. It is read all the same, for the far end's answer to the closing. */
  close(): void {
    this.#isClosed = true
    this.#waiting.length = 0
    this.#pace()
  }

  get #mayReceive(): boolean {
    return this.#holds === 0 && this.#rate.rested
  }

  #handOn(frame: Frame): void {
    this.#rate.spend(frame.bytes, this.#clock.now)
    this.#receive(frame)
  }

  /** Goes on with what waited, as far as it may, and then with reading. */
  readonly #goOn = (): void => {
    while (!this.#isClosed && this.#mayReceive) {
      const frame = this.#waiting.shift()
      if (frame === undefined) break
      this.#handOn(frame)
    }
    this.#pace()
  }

  #pace(): void {
    const reads = this.#isClosed || (this.#mayReceive && this.#waiting.length === 0)
    if (reads === this.#isReading || this.#flow === undefined) return
    this.#isReading = reads
    if (reads) this.#flow.resume()
    else this.#flow.pause()
  }
}
