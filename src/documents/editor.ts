/**
 * The far end of one socket, once it has joined: who it is, and what it has been told so far.
 *
 * What always holds: `told` never falls, and everything up to it was sent. While the connection is
 * behind nothing is sent to it; what it misses is kept as the newest message of each key, at most
 * `missedLimit` of them, so it costs no more the slower it is (DC100, DC101). After `end` nothing
 * reaches it any more.
 */
import type { Connection } from "../service.ts"
import type { Info, Role, Shape, ToEditor } from "../wire/documents-shapes.ts"
import type { Code } from "../wire/error.ts"
import { aliveMs, faultsPerMinute, noopsPerSecond, type Time } from "./settings.ts"
import type { StoredLink } from "./shelf.ts"

/** More keys than a full document has editors: only one that stalls while hundreds come and go gets there. */
const missedLimit = 4_096
/** Acks and Errors that wait for their History. A true client has one edit in flight, so one waits. */
const answersLimit = 64

const minuteMs = 60_000
const secondMs = 1_000

/** How an editor came in, before it joined. */
export interface Seat {
  readonly connection: Connection<ToEditor>
  readonly shape: Shape
  readonly role: Role
  /** By which it came; undefined for who came by the id. */
  readonly link: StoredLink | undefined
  /** What proves over HTTP that a caller is this editor (DC86): told in Welcome, or its cookie. */
  readonly secret: string
  readonly cookie: string | undefined
}

/** An Ack or Error, to be sent once everything up to `revision` was. */
export interface Reply {
  readonly revision: number
  readonly message: ToEditor
}

export class Editor {
  readonly seat: Seat
  /** Its user id in this document. */
  readonly user: number
  /** The name of an extended editor's client key. */
  readonly client: string | undefined
  info: Info | undefined
  /** The revision up to which it has been sent everything. */
  told = 0
  /** Whose cursors changed while it was behind. */
  readonly missedCursors = new Set<number>()
  readonly #time: Time
  readonly #missed = new Map<string, ToEditor>()
  #replies: Reply[] = []
  #sentAt: number
  #isEnded = false
  readonly #faults: Tally
  readonly #noops: Tally

  constructor(seat: Seat, user: number, options: { time: Time; client?: string }) {
    this.seat = seat
    this.user = user
    this.client = options.client
    this.#time = options.time
    this.#sentAt = options.time.now
    this.#faults = new Tally(minuteMs, options.time)
    this.#noops = new Tally(secondMs, options.time)
  }

  get shape(): Shape {
    return this.seat.shape
  }

  /** Nothing more can be sent to it, for now or for ever. */
  get isDeaf(): boolean {
    return this.#isEnded || this.seat.connection.behind
  }

  get isEnded(): boolean {
    return this.#isEnded
  }

  /** Whether nothing was sent to it for so long that it may take the line for dead. */
  get isQuiet(): boolean {
    return this.#time.now - this.#sentAt >= aliveMs
  }

  /** Whether something waits until it is not behind any more. */
  get isWaiting(): boolean {
    return this.#missed.size > 0 || this.missedCursors.size > 0 || this.#replies.length > 0
  }

  /** Sends. Only to one that is not deaf. */
  send(message: ToEditor): void {
    if (this.#isEnded) return
    this.#sentAt = this.#time.now
    this.seat.connection.send(message)
  }

  /** Sends, or keeps `message` as the newest of `key` until it has drained. */
  offer(key: string, message: ToEditor): void {
    if (this.#isEnded) return
    if (this.seat.connection.behind) return this.miss(key, message)
    this.#missed.delete(key)
    this.#sentAt = this.#time.now
    this.seat.connection.offer(key, message)
  }

  /** Keeps `message` as the newest of `key` until it has drained. */
  miss(key: string, message: ToEditor): void {
    this.#missed.set(key, message)
    if (this.#missed.size > missedLimit) this.end("slow", "too much was missed")
  }

  /** Sends `reply` as soon as it has been told everything up to its revision. */
  answer(reply: Reply): void {
    this.#replies.push(reply)
    if (this.#replies.length > answersLimit) this.#replies.shift()
    this.sendReplies()
  }

  /** Sends the replies whose revisions it has been told. */
  sendReplies(): void {
    if (this.isDeaf) return
    while (this.#replies.length > 0) {
      const [reply] = this.#replies
      if (reply === undefined || reply.revision > this.told) return
      this.#replies.shift()
      this.send(reply.message)
    }
  }

  /** Sends what it missed. Only to one that is not deaf. */
  sendMissed(): void {
    for (const [key, message] of [...this.#missed]) this.offer(key, message)
  }

  /** Ends its connection, after what was sent. */
  end(code: Code, sentence: string): void {
    if (this.#isEnded) return
    this.#isEnded = true
    this.seat.connection.close(code, sentence)
  }

  /** Counts an unreadable message. Returns whether it was one too many (DC60). */
  fault(): boolean {
    return this.#faults.add() >= faultsPerMinute
  }

  /** Counts a change of nothing. Returns how long it is to rest, in ms; 0 for not at all (DC38). */
  noop(): number {
    return this.#noops.add() >= noopsPerSecond ? this.#noops.left : 0
  }
}

/** Counts within periods that begin with their first event. */
class Tally {
  readonly #periodMs: number
  readonly #time: Time
  #since = 0
  #count = 0

  constructor(periodMs: number, time: Time) {
    this.#periodMs = periodMs
    this.#time = time
  }

  /** One more. Returns how many there are in this period. */
  add(): number {
    if (this.left <= 0) {
      this.#since = this.#time.now
      this.#count = 0
    }
    this.#count += 1
    return this.#count
  }

  /** Until the period is over, in ms. */
  get left(): number {
    return this.#since + this.#periodMs - this.#time.now
  }
}
