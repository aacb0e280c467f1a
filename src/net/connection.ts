/**
 * One far end, as its service sees it and as its socket has it.
 *
 * What always holds: no call into a service is made from inside a call of its own; `Service.close`
 * runs once for every `open` that returned, at the end of the turn in which the connection ended;
 * and nothing that a far end does, or leaves undone, keeps more than the limits of its route.
 */
import type { Socket } from "node:net"
import {
  type Codec,
  type Connection,
  type Faulted,
  guard,
  type Identity,
  type Service,
  type Undo,
} from "../service.ts"
import { type Code, WireError } from "../wire/error.ts"
import type { Connections } from "./connections.ts"
import type { Encoder } from "./framing.ts"
import { type Flow, type Frame, Inbox } from "./inbox.ts"
import { Outbox } from "./outbox.ts"
import type { Limits, Protocol } from "./route.ts"
import { type Counts, type Ending, noCounts } from "./traffic.ts"

/** A slow question of a service may hold a connection so long, in ms. */
const heldLimitMs = 60_000

/** So long a far end may take to answer the closing, in ms. */
const closingLimitMs = 5_000

/** What a connection asks of what carries it. */
export interface Transport extends Flow {
  /** Whether `end` itself says the code; where not, the protocol does. */
  readonly saysCode: boolean
  ping(): void
  /** Ends it after what was written, and says why where it can. */
  end(code: Code, sentence: string): void
}

/** What a connection is made of. */
export interface LinkOptions<Out> {
  readonly socket: Socket
  readonly encoder: Encoder<Out>
  readonly params: ReadonlyMap<string, string>
  readonly identity: Identity | undefined
  /** Called once, when the socket is gone. */
  readonly gone: Undo
}

export class Link<In, Out> implements Connection<Out> {
  readonly id: string
  readonly params: ReadonlyMap<string, string>
  readonly #connections: Connections
  readonly #service: Service<In, Out>
  readonly #codec: Codec<In, Out>
  readonly #limits: Limits
  readonly #name: string
  readonly #encoder: Encoder<Out>
  readonly #figures: Protocol<In, Out>["figures"]
  readonly endsItself: boolean
  readonly #counts: Counts
  readonly #socket: Socket
  readonly #inbox: Inbox
  readonly #outbox: Outbox
  readonly #gone: Undo
  #identity: Identity | undefined
  #saidGoodbye = false
  // What was offered while it was behind, the oldest key first; few ever need it.
  #offers: Map<string, Out> | undefined
  #transport: Transport | undefined
  // "leaving": the service has been, or will be, told; the socket is still there.
  #state: "open" | "leaving" | "gone" = "open"
  #isServed = false
  #end: { readonly code: Code; readonly sentence: string } | undefined
  #leftAt = 0
  #heardAt: number
  #pingedAt: number
  #pongIsDue = false
  // Before that a tick finds nothing to do: nothing is unsent or waits, and it is read. Else 0.
  #quietUntil = 0

  constructor(connections: Connections, protocol: Protocol<In, Out>, options: LinkOptions<Out>) {
    this.id = connections.nextId()
    this.params = options.params
    this.#identity = options.identity
    this.#connections = connections
    this.#service = protocol.service
    this.#codec = protocol.codec
    this.#limits = protocol.limits
    this.#name = protocol.name
    this.#encoder = options.encoder
    this.#figures = protocol.figures
    this.endsItself = protocol.ends === "itself"
    this.#counts = protocol.figures === "none" ? noCounts() : connections.traffic.of(protocol.name)
    this.#socket = options.socket
    const { limits } = protocol
    this.#inbox = new Inbox({
      clock: connections,
      limits,
      receive: (frame) => this.#receive(frame),
    })
    this.#outbox = new Outbox(options.socket, connections.turn, connections.backlog)
    this.#gone = options.gone
    this.#heardAt = connections.now
    this.#pingedAt = connections.now
  }

  // As its service sees it.

  get isOpen(): boolean {
    return this.#state === "open"
  }

  get saidGoodbye(): boolean {
    return this.#saidGoodbye
  }

  get identity(): Identity | undefined {
    return this.#identity
  }

  renew(identity: Identity): void {
    this.#identity = identity
    this.#quietUntil = 0
  }

  get behind(): boolean {
    return this.#outbox.unsent > this.#limits.behindBytes
  }

  send(message: Out): void {
    if (this.#state !== "open") return
    const { unsent, longest } = this.#outbox
    if (unsent > this.#limits.slowBytes + longest) return this.close("slow")
    this.#put(message)
  }

  offer(key: string, message: Out): boolean {
    if (this.#state !== "open") return false
    // Deleted first, also where it is put back: the order of the map is by age.
    this.#offers?.delete(key)
    if (!this.behind) {
      this.#put(message)
      return true
    }
    this.#quietUntil = 0
    this.#offers ??= new Map()
    this.#offers.set(key, message)
    if (this.#offers.size > this.#limits.offers) {
      const [oldest] = this.#offers.keys()
      if (oldest !== undefined) this.#offers.delete(oldest)
      this.#counts.offersDropped++
    }
    return false
  }

  hold(): Undo {
    this.#quietUntil = 0
    return this.#inbox.hold()
  }

  close(code: Code, sentence: string = code): void {
    if (this.#transport?.saysCode === false) return this.refuse(new WireError(code, sentence))
    this.#finish(code, sentence)
  }

  // As what carries it sees it.

  /** Shows it to its service. What throws goes to `faulted`, and then it was never open. */
  open(faulted: Faulted): void {
    const open = () => {
      this.#service.open(this)
      this.#isServed = true
      // It may have been closed while it was opened.
      if (this.#state !== "open") this.#connections.turn.ended(this.#tellService)
    }
    guard(this.#connections.log, `${this.#name} open`, open, faulted)
  }

  /** The handshake has been answered: from here on it reads and writes. */
  start(transport: Transport): void {
    this.#transport = transport
    this.#connections.add(this)
    this.#counts.open++
    this.#socket.on("drain", () => this.#drained())
    this.#socket.on("close", () => this.#vanish())
    this.#outbox.start()
    this.#inbox.start(transport)
    // The service may have closed it while it was opened.
    if (this.#end !== undefined) transport.end(this.#end.code, this.#end.sentence)
  }

  /** There will be no handshake: takes back what `open` did, if it was opened. */
  abandon(): void {
    if (this.#state === "open" && this.#isServed) this.#connections.turn.ended(this.#tellService)
    this.#state = "gone"
    this.#outbox.close()
    this.#gone()
  }

  /** One message has come. */
  take(payload: Uint8Array | string, bytes: number): void {
    if (this.#state !== "open") return
    this.#counts.messagesIn++
    this.#counts.bytesIn += bytes
    this.#heardAt = this.#connections.now
    this.#inbox.take({ payload, bytes })
    if (!this.#inbox.isReading) this.#quietUntil = 0
  }

  /** It has pinged us. That counts against its rate. */
  pinged(bytes: number): void {
    this.#heardAt = this.#connections.now
    // ws has answered by itself, and may have that unsent.
    this.#quietUntil = 0
    this.#inbox.spend(bytes)
  }

  /** It has answered the last ping, or sent a pong unasked, which counts like a ping. */
  ponged(bytes: number): void {
    this.pinged(bytes)
    this.#pongIsDue = false
  }

  /** Tells the far end why, and closes it. */
  refuse(error: WireError): void {
    if (this.#state !== "open") return
    const tell = () => {
      const told = this.#codec.refuse(error)
      if (told !== undefined) this.#put(told)
    }
    guard(this.#connections.log, `${this.#name} refuse`, tell)
    this.#finish(error.code, error.message)
  }

  /** The far end has ended it, or broken it so that nothing more can be said. */
  leave(ending: Ending | "goodbye"): void {
    this.#saidGoodbye = this.#state === "open" && ending === "goodbye"
    this.#leave(ending === "goodbye" ? "left" : ending)
  }

  // As all connections together see it.

  /** What closes together: the far ends of one place. */
  get group(): string {
    return this.params.get("path") || this.id
  }

  /** Bytes that wait to leave. */
  get unsent(): number {
    return this.#outbox.unsent
  }

  /** Counts its unsent bytes anew. */
  count(): void {
    this.#outbox.count()
  }

  /** Ends it without waiting for anything: what is unsent is given up. */
  cut(code: Code): void {
    this.#finish(code, code)
    this.#outbox.close()
    this.#socket.destroy()
  }

  /** It is `now`, in ms. */
  tick(now: number): void {
    if (now < this.#quietUntil) return
    this.#outbox.count()
    if (this.#state !== "open") {
      const { closingMs = closingLimitMs } = this.#limits
      if (now - this.#leftAt >= closingMs) this.#socket.destroy()
      return
    }
    const { behindBytes, stalledMs } = this.#limits
    if (this.#identity !== undefined && now >= this.#identity.until) {
      this.refuse(new WireError("unauthenticated", "the token has expired"))
    } else if (this.#outbox.isStuck(now, behindBytes, stalledMs)) {
      this.close("slow")
    } else if (this.#inbox.heldMs(now) >= heldLimitMs) {
      this.close("timed-out", "a question of ours took too long to answer")
    } else {
      this.#listen(now)
      this.#inbox.tick(now)
    }
    if (this.#offers !== undefined && this.#offers.size > 0) this.#drained()
    else this.#quietUntil = this.#dueAt
  }

  /** When a tick finds something to do at the earliest, in ms; 0 for the next one. */
  get #dueAt(): number {
    if (this.#state !== "open" || this.#outbox.unsent > 0 || !this.#inbox.isReading) return 0
    const { silenceMs, heartbeatMs } = this.#limits
    return Math.min(
      this.#identity?.until ?? Number.POSITIVE_INFINITY,
      silenceMs > 0 ? this.#heardAt + silenceMs : Number.POSITIVE_INFINITY,
      heartbeatMs > 0 ? this.#pingedAt + heartbeatMs : Number.POSITIVE_INFINITY,
    )
  }

  /** Time-outs of a far end that is read: silence, and a ping without an answer. */
  #listen(now: number): void {
    const { silenceMs, heartbeatMs } = this.#limits
    if (!this.#inbox.isReading) {
      // What it says cannot be heard, pongs neither: both times begin anew.
      this.#heardAt = now
      this.#pingedAt = now
      this.#pongIsDue = false
    } else if (silenceMs > 0 && now - this.#heardAt >= silenceMs) {
      this.close("timed-out", "nothing was heard for too long")
    } else if (heartbeatMs > 0 && now - this.#pingedAt >= heartbeatMs) {
      this.#pingedAt = now
      // A ping that waits behind other bytes cannot have been answered: it gets as long again.
      if (this.#pongIsDue && this.#outbox.unsent > 0) return
      if (this.#pongIsDue) return this.close("timed-out", "the last ping went unanswered")
      this.#pongIsDue = true
      this.#transport?.ping()
    }
  }

  #receive({ payload, bytes }: Frame): void {
    const receive = () => {
      const limit = this.#limits.messageBytes
      if (bytes > limit) {
        const sentence = `a message holds at most ${limit} bytes, this one had ${bytes}`
        throw new WireError("too-large", sentence)
      }
      this.#service.receive(this, this.#codec.decode(payload))
    }
    guard(this.#connections.log, `${this.#name} receive`, receive, this.#refuse)
  }

  readonly #refuse = (error: WireError): void => this.refuse(error)

  #put(message: Out): void {
    this.#quietUntil = 0
    const frame = this.#encoder.frame(message)
    this.#counts.messagesOut++
    this.#counts.bytesOut += frame.length
    this.#outbox.write(frame)
  }

  /** Sends the offers that waited, as long as it is not behind. */
  #drained(): void {
    this.#outbox.count()
    if (this.#offers === undefined) return
    for (const [key, message] of this.#offers) {
      if (this.behind) return
      this.#offers.delete(key)
      guard(this.#connections.log, `${this.#name} offer`, () => this.#put(message), this.#refuse)
    }
  }

  #finish(code: Code, sentence: string): void {
    if (this.#state !== "open") return
    this.#end = { code, sentence }
    this.#leave(code)
    this.#transport?.end(code, sentence)
  }

  /** From here on nothing goes in or out by the service; it hears so at the end of this turn. */
  #leave(ending: Ending): void {
    if (this.#state !== "open") return
    this.#state = "leaving"
    this.#quietUntil = 0
    this.#leftAt = this.#connections.now
    this.#inbox.close()
    this.#offers = undefined
    if (this.#figures !== "none") this.#connections.traffic.closed(ending)
    if (this.#isServed) this.#connections.turn.ended(this.#tellService)
  }

  readonly #tellService = (): void => {
    guard(this.#connections.log, `${this.#name} close`, () => this.#service.close(this))
  }

  #vanish(): void {
    this.#leave("left")
    this.#state = "gone"
    this.#outbox.close()
    this.#counts.open--
    this.#connections.remove(this)
    this.#gone()
  }
}
