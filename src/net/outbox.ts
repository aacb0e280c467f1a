/**
 * What waits to leave by one socket, and what waits in all of them together.
 *
 * Frames are handed to the socket at once and in order; within a turn the socket is corked, so that
 * they leave in one write, together with the pings, pongs and close frames that ws writes itself.
 * What always holds: `unsent` counts every byte that the kernel has not taken, and the backlog's
 * `total` is the sum of what its outboxes last counted and were given since.
 */
import type { Socket } from "node:net"
import type { Turn, Written } from "./turn.ts"

/** Above this a turn's frames are written at once: more in one write saves no more time. */
const corkedLimitBytes = 64 * 1024

/** So much must be written between two exact counts over all connections, which take a while. */
const betweenCountsBytes = 1024 * 1024

/** Unsent bytes of all connections. Asks for relief when they are above the limit. */
export class Backlog {
  readonly #limitBytes: number
  readonly #relieve: () => void
  #sinceCount = 0
  /** May be too high by what has left since the last count, never too low. */
  total = 0

  /** `relieve` counts anew and closes who is furthest behind. */
  constructor(limitBytes: number, relieve: () => void) {
    this.#limitBytes = limitBytes
    this.#relieve = relieve
  }

  get isOver(): boolean {
    return this.total > this.#limitBytes
  }

  gave(bytes: number): void {
    this.total += bytes
    this.#sinceCount += bytes
    if (this.isOver && this.#sinceCount >= betweenCountsBytes) {
      this.#sinceCount = 0
      this.#relieve()
    }
  }
}

export class Outbox implements Written {
  readonly #socket: Socket
  readonly #turn: Turn
  readonly #backlog: Backlog
  // Frames from before the handshake was answered; undefined once it was.
  #early: Buffer[] | undefined = []
  #earlyBytes = 0
  #corked = false
  #corkedBytes = 0
  #closed = false
  // What of `unsent` the backlog has counted.
  #counted = 0
  #given = 0
  #left = 0
  #queued = 0
  #stuckSince: number | undefined
  #longest = 0

  /** Keeps what is written until `start`. */
  constructor(socket: Socket, turn: Turn, backlog: Backlog) {
    this.#socket = socket
    this.#turn = turn
    this.#backlog = backlog
  }

  /** Bytes that were written and that the kernel has not taken. */
  get unsent(): number {
    return this.#earlyBytes + this.#socket.writableLength
  }

  /** Bytes of the longest frame since it last had nothing unsent: one may be longer than all that may wait besides. */
  get longest(): number {
    if (this.unsent === 0) this.#longest = 0
    return this.#longest
  }

  /** The handshake has been answered: what waited for that goes first. */
  start(): void {
    const early = this.#early ?? []
    this.#early = undefined
    this.#earlyBytes = 0
    for (const frame of early) this.#put(frame)
  }

  /** Sends a finished frame at the end of this turn. */
  write(frame: Buffer): void {
    if (this.#closed) return
    this.#longest = Math.max(this.longest, frame.length)
    this.#counted += frame.length
    if (this.#early === undefined) {
      this.#put(frame)
    } else {
      this.#early.push(frame)
      this.#earlyBytes += frame.length
    }
    // Last: it may close this very connection.
    this.#backlog.gave(frame.length)
  }

  /** The turn is over. */
  flush(): void {
    this.#corked = false
    this.#socket.uncork()
    this.count()
  }

  /** Tells the backlog what really is unsent. */
  count(): void {
    if (this.#closed) return
    const unsent = this.unsent
    this.#backlog.total += unsent - this.#counted
    this.#counted = unsent
  }

  /** Whether more than `aboveBytes` have waited for `forMs` and not a byte has left. Asked on every tick. */
  isStuck(now: number, aboveBytes: number, forMs: number): boolean {
    const unsent = this.unsent
    if (unsent <= aboveBytes) {
      this.#stuckSince = undefined
      return false
    }
    const left = this.#given - unsent
    const queued = queuedIn(this.#socket)
    // A batch counts as unsent until all of it has left, so within one only the queue tells.
    const moves = left > this.#left || queued < this.#queued
    this.#left = left
    this.#queued = queued
    if (moves || this.#stuckSince === undefined) this.#stuckSince = now
    return now - this.#stuckSince >= forMs
  }

  /** The socket is gone, and what waited with it. */
  close(): void {
    if (this.#closed) return
    this.#closed = true
    this.#backlog.total -= this.#counted
    this.#early = undefined
    this.#earlyBytes = 0
  }

  #put(frame: Buffer): void {
    if (!this.#corked) {
      this.#corked = true
      this.#corkedBytes = 0
      this.#socket.cork()
      this.#turn.wrote(this)
    }
    this.#socket.write(frame)
    this.#given += frame.length
    this.#corkedBytes += frame.length
    if (this.#corkedBytes > corkedLimitBytes) {
      this.#corkedBytes = 0
      this.#socket.uncork()
      this.#socket.cork()
    }
  }
}

/** Of Node's handle of a socket, what tells how much is queued. Under TLS the one below counts. */
interface Handle {
  readonly writeQueueSize?: number
  readonly _parent?: Handle
}

/**
 * Bytes of the batch being written that the kernel has not taken.
 *
 * Node shows them on the handle only (its own idle timers read them there, too). Where there is
 * none, 0: then progress is seen in whole batches.
 */
function queuedIn(socket: Socket): number {
  const { _handle: handle } = socket as unknown as { readonly _handle?: Handle | null }
  return (handle?._parent ?? handle)?.writeQueueSize ?? 0
}
