/**
 * One far end of a relay that runs inside somebody else's program: a connection over whatever
 * socket that program has.
 *
 * What always holds: of the socket only what SocketLike says is used; a message that cannot be
 * heard now waits in order, within the limits of its relay; the service is told once that a far
 * end is gone, and never from inside a call of its own.
 */
import type { Log } from "./log.ts"
import type { RelayOptions } from "./relay/limits.ts"
import {
  type Codec,
  type Connection,
  guard,
  type Identity,
  type Service,
  type Undo,
} from "./service.ts"
import { type Code, closeCodeOf, WireError } from "./wire/error.ts"

/** A WebSocket, as far as a relay needs one. Those of `ws` are such. */
export interface SocketLike {
  send(data: string | Uint8Array): void
  close(code?: number, reason?: string): void
  /** 1 while it is open, 3 when it is gone. */
  readonly readyState: number
  /** Bytes that wait to leave. */
  readonly bufferedAmount: number
  pause?(): void
  resume?(): void
  /** Where it has this, the relay learns by itself with which code it was closed, and an error of its ends no program. */
  on?(event: "close" | "error", listener: (code: number) => void): unknown
}

/** What lines of one dialect share. */
export class Dialect<In, Out> {
  readonly service: Service<In, Out>
  readonly codec: Codec<In, Out>
  /** A longer message is refused. */
  readonly messageBytes: number
  #last: { readonly message: Out; readonly frame: string | Uint8Array } | undefined

  constructor(service: Service<In, Out>, codec: Codec<In, Out>, messageBytes: number) {
    this.service = service
    this.codec = codec
    this.messageBytes = messageBytes
  }

  /** A message for many far ends is encoded once: it is the same object for all. */
  encode(message: Out): string | Uint8Array {
    if (this.#last?.message === message) return this.#last.frame
    const frame = this.codec.encode(message)
    this.#last = { message, frame }
    return frame
  }
}

/** What a line asks of its relay. */
export interface LineWorld {
  readonly options: RelayOptions
  readonly log: Log
  /** Whether a far end that does not keep up is noticed. */
  readonly hasBackPressure: boolean
  /** Runs `work` when nothing else is at work. */
  run(work: () => void): void
  /** A far end was closed because it did not keep up. */
  slowed(): void
}

const opened = 1
const closed = 3
/** Of a line that ended without a word. */
const broken = 1006
/** Codes of those who said goodbye. */
const goodbyes: ReadonlySet<number> = new Set([1000, 1001, 1005])
/** Keys of offers that wait; the oldest makes room. */
const offerLimit = 256
/** A line that is slower takes nothing: a long frame may wait as long as this needs for it. */
const slowestBytesPerSecond = 256 * 1024
/** A reason in a close frame has at most so many bytes. */
const reasonBytes = 123

/** A line, whatever it speaks. */
export interface AnyLine {
  take(data: string | Uint8Array): void
  gone(code: number | undefined): void
  close(code: Code, sentence?: string): void
  tick(now: number): void
}

export class Line<In, Out> implements Connection<Out>, AnyLine {
  readonly id: string
  readonly params: ReadonlyMap<string, string>
  readonly #socket: SocketLike
  readonly #dialect: Dialect<In, Out>
  readonly #world: LineWorld
  readonly #ended: () => void
  #identity: Identity | undefined
  #saidGoodbye = false
  /** "new": its service has not seen it yet. */
  #state: "new" | "open" | "leaving" = "new"
  #isServed = false
  #isGone = false
  #holds = 0
  readonly #inbox: (string | Uint8Array)[] = []
  #inboxBytes = 0
  readonly #offers = new Map<string, Out>()
  /** What was unsent when it was last looked at, and when it last got less. */
  #unsent = 0
  #movedAt: number | undefined
  /** The longest frame among those that wait: it may be longer than all that may wait besides. */
  #longest = 0

  constructor(
    dialect: Dialect<In, Out>,
    world: LineWorld,
    of: {
      readonly id: string
      readonly socket: SocketLike
      readonly params: ReadonlyMap<string, string>
      readonly ended: () => void
    },
  ) {
    this.id = of.id
    this.params = of.params
    this.#socket = of.socket
    this.#dialect = dialect
    this.#world = world
    this.#ended = of.ended
  }

  get identity(): Identity | undefined {
    return this.#identity
  }

  get isOpen(): boolean {
    return this.#state !== "leaving"
  }

  get saidGoodbye(): boolean {
    return this.#saidGoodbye
  }

  get behind(): boolean {
    const { hasBackPressure, options } = this.#world
    return hasBackPressure && this.#socket.bufferedAmount > options.behindBytes
  }

  renew(identity: Identity): void {
    this.#identity = identity
  }

  /** Shows it to its service. What came before is heard after. */
  open(identity: Identity | undefined): void {
    if (this.#state !== "new") return
    this.#identity = identity
    this.#state = "open"
    this.#guarded("open", () => {
      this.#dialect.service.open(this)
      this.#isServed = true
    })
    if (this.#state === "open") this.#drain()
    else if (this.#isServed) this.#tellService()
  }

  send(message: Out): void {
    if (this.#state === "leaving") return
    const { hasBackPressure, options } = this.#world
    const { sendQueueBytes } = options
    if (hasBackPressure && this.#socket.bufferedAmount > sendQueueBytes + this.#longest) {
      return this.#slow()
    }
    this.#put(message)
  }

  offer(key: string, message: Out): boolean {
    this.#offers.delete(key)
    if (!this.behind) {
      this.send(message)
      return true
    }
    this.#offers.set(key, message)
    if (this.#offers.size > offerLimit) {
      const [oldest] = this.#offers.keys()
      if (oldest !== undefined) this.#offers.delete(oldest)
    }
    return false
  }

  hold(): Undo {
    this.#holds++
    this.#socket.pause?.()
    let isOver = false
    return () => {
      if (isOver) return
      isOver = true
      this.#holds--
      if (this.#holds > 0) return
      this.#socket.resume?.()
      this.#world.run(() => this.#drain())
    }
  }

  close(code: Code, sentence: string = code): void {
    if (this.#state === "leaving") return
    this.#leave()
    if (this.#socket.readyState <= opened) {
      this.#socket.close(closeCodeOf(code), shortened(sentence))
    }
  }

  /** Tells the far end why, and closes it. */
  refuse(error: WireError): void {
    const told = this.#dialect.codec.refuse(error)
    if (told !== undefined) this.send(told)
    this.close(error.code, error.message)
  }

  /** One message has come. */
  take(data: string | Uint8Array): void {
    if (this.#state === "leaving") return
    if (this.#state === "open" && this.#holds === 0 && this.#inbox.length === 0) {
      return this.#receive(data)
    }
    // The program may read on while we may not: what it read must not grow without end.
    this.#inbox.push(typeof data === "string" ? data : data.slice())
    this.#inboxBytes += data.length
    const { earlyMessages, earlyBytes, sendQueueBytes } = this.#world.options
    if (this.#state === "new") {
      if (this.#inbox.length <= earlyMessages && this.#inboxBytes <= earlyBytes) return
      return this.refuse(new WireError("timed-out", "it says too much before it is let in"))
    }
    const isFull = this.#inboxBytes > sendQueueBytes && this.#inbox.length > 1
    if (this.#inbox.length <= earlyMessages && !isFull) return
    this.refuse(new WireError("flooding", "it sends faster than it can be heard"))
  }

  /** Its socket is gone. Without a code it counts as a goodbye: who says so knows no more. */
  gone(code: number | undefined): void {
    if (this.#isGone) return
    this.#isGone = true
    if (this.#state !== "leaving") this.#saidGoodbye = code === undefined || goodbyes.has(code)
    this.#leave()
    this.#ended()
  }

  tick(now: number): void {
    if (this.#socket.readyState === closed) return this.gone(broken)
    if (this.#state !== "open") return
    if (this.#identity !== undefined && now >= this.#identity.until) {
      return this.refuse(new WireError("unauthenticated", "the token has expired"))
    }
    if (this.#isStuck(now)) return this.#slow()
    for (const [key, message] of this.#offers) {
      if (this.behind) return
      this.#offers.delete(key)
      this.send(message)
    }
  }

  /** Whether much is unsent and nothing of it has left for too long. Asked on every tick. */
  #isStuck(now: number): boolean {
    const unsent = this.#socket.bufferedAmount
    if (unsent === 0) this.#longest = 0
    const moves = unsent < this.#unsent
    this.#unsent = unsent
    if (!this.behind || moves) this.#movedAt = undefined
    this.#movedAt ??= now
    // A frame counts as unsent until all of it has left.
    const frameMs = (this.#longest / slowestBytesPerSecond) * 1_000
    return now - this.#movedAt >= this.#world.options.stalledMs + frameMs
  }

  #slow(): void {
    this.#world.slowed()
    this.close("slow", "it does not take what it is sent")
  }

  #put(message: Out): void {
    if (this.#socket.readyState !== opened) return
    const frame = this.#dialect.encode(message)
    this.#longest = Math.max(this.#longest, frame.length)
    try {
      this.#socket.send(frame)
    } catch {
      // Those of ws tell "close" instead. Whose socket throws is as good as gone, and costs no other.
      this.#world.run(() => this.gone(broken))
    }
  }

  #drain(): void {
    while (this.#state === "open" && this.#holds === 0) {
      const data = this.#inbox.shift()
      if (data === undefined) return
      this.#inboxBytes -= data.length
      this.#receive(data)
    }
  }

  #receive(data: string | Uint8Array): void {
    this.#guarded("receive", () => {
      const { codec, service, messageBytes } = this.#dialect
      if (data.length > messageBytes) {
        throw new WireError("too-large", `a message holds at most ${messageBytes} bytes`)
      }
      service.receive(this, codec.decode(data))
    })
  }

  #guarded(what: string, work: () => void): void {
    guard(this.#world.log, `collab ${what}`, work, (error) => this.refuse(error))
  }

  /** From here on nothing goes in or out; the service hears so when it is not at work. */
  #leave(): void {
    if (this.#state === "leaving") return
    this.#state = "leaving"
    // Where it is not read, its answer to the closing would not be either.
    if (this.#holds > 0) this.#socket.resume?.()
    this.#inbox.length = 0
    this.#offers.clear()
    if (this.#isServed) this.#tellService()
  }

  #tellService(): void {
    queueMicrotask(() =>
      this.#world.run(() =>
        guard(this.#world.log, "collab close", () => this.#dialect.service.close(this)),
      ),
    )
  }
}

/** As much of a sentence as a close frame holds; whole characters only. */
function shortened(sentence: string): string {
  let short = sentence
  while (Buffer.byteLength(short) > reasonBytes) short = short.slice(0, -1)
  return short.isWellFormed() ? short : short.slice(0, -1)
}
