/**
 * The one connection of an app: opened, shaken hands over, watched, and opened again when it is lost.
 *
 * What always holds: at most one socket lives at a time, and one that was given up is not heard any
 * more; the wait before a return is drawn from the whole of a span that doubles from 100 ms to 30 s,
 * and begins anew after a minute of good connection; whoever is told to stay away does not come back.
 */
import { decode64, encode64Url } from "../wire/base64.ts"
import { errorOf, fault } from "./pools-faults.ts"
import {
  type Fields,
  type Form,
  type Frame,
  type Hearing,
  isFields,
  listIn,
  numberIn,
  present,
  read,
  type Saying,
  textIn,
  write,
} from "./pools-frames.ts"
import { claimOf } from "./pools-key.ts"
import type { AppOptions, PoolsError } from "./pools-shapes.ts"

const firstWaitMs = 100
const longestWaitMs = 30_000
/** After so long a connection was a good one. */
const goodMs = 60_000
/** From the first try of a socket to the acknowledgement. */
const handshakeMs = 15_000
/** A server that says nothing for so many of its own heartbeats is gone. */
const silentBeats = 3
/** Above so many unsent bytes an emit waits before it resolves, above the second it is refused. */
export const behindBytes = 1024 * 1024
export const unsentLimitBytes = 16 * 1024 * 1024

/** One socket, from its opening to its end. */
export interface Wire {
  readonly unsentBytes: number
  /** Only after `opened`. */
  send(frame: Frame): void
  /** Ends it; its owner is told nothing more. What was sent leaves, if the far end reads. */
  close(): void
}

/** None of these is called before the wire was given. */
export interface WireOwner {
  opened(): void
  heard(frame: string | Uint8Array): void
  /** It has ended. "stay": the server said so by the way in which it closed. */
  lost(sentence: string, advice: "conn" | "stay"): void
}

export type OpenWire = (owner: WireOwner) => Wire

/** What the server said with its acknowledgement. */
export interface Welcome {
  readonly rights: ReadonlyMap<string, readonly string[]>
  readonly limits: ReadonlyMap<string, number>
  readonly heartbeatMs: number
  /** All of it. */
  readonly ack: Fields
}

export interface LinkOwner {
  welcomed(welcome: Welcome): void
  heard(message: Hearing): void
  /** It is lost, and comes back by itself. */
  lost(why: PoolsError): void
  /** It is lost for good. */
  ended(why: PoolsError): void
}

/** How long to wait before the next try, in ms. `tries` came to nothing before it. */
export function backoffMs(tries: number, random: number): number {
  return random * Math.min(longestWaitMs, firstWaitMs * 2 ** Math.min(tries, 16))
}

export class Link {
  readonly #open: OpenWire
  readonly #options: AppOptions
  readonly #owner: LinkOwner
  #wire: Wire | undefined
  #form: Form = "json"
  #stage: "away" | "opening" | "shaking" | "ready" | "over" = "away"
  #timer: ReturnType<typeof setTimeout> | undefined
  #tries = 0
  #resume: string | undefined
  #hasBeenReady = false
  #readyAt = 0
  #heardAt = 0
  #heartbeatMs = 15_000
  /** The pools that the next handshake brings. */
  #pools: readonly string[]

  constructor(open: OpenWire, options: AppOptions, owner: LinkOwner) {
    this.#open = open
    this.#options = options
    this.#owner = owner
    this.#pools = options.pools ?? ["default"]
  }

  get isReady(): boolean {
    return this.#stage === "ready"
  }

  /** More than 1 MiB is unsent. */
  get isBehind(): boolean {
    return (this.#wire?.unsentBytes ?? 0) > behindBytes
  }

  /** More than 16 MiB is unsent: nothing more is taken. */
  get isFull(): boolean {
    return (this.#wire?.unsentBytes ?? 0) > unsentLimitBytes
  }

  /** Opens the first socket. */
  start(): void {
    this.#connect()
  }

  /** Says it, if there is a connection; else nobody hears it. */
  say(message: Saying): void {
    if (this.#stage === "ready") this.#wire?.send(write(message, this.#form))
  }

  /** A handshake brings this pool no more. */
  leave(pool: string): void {
    this.#pools = this.#pools.filter((each) => each !== pool)
  }

  /** Gives the connection up and comes back. */
  drop(why: PoolsError): void {
    if (this.#stage !== "over" && this.#stage !== "away") this.#lose(why)
  }

  /** Ends it for good; the owner is told nothing more. */
  close(): void {
    this.#stage = "over"
    this.#giveUp()
  }

  #connect(): void {
    this.#stage = "opening"
    this.#form = "json"
    const late = () => this.#lose(lost("the server did not answer in time"))
    this.#timer = setTimeout(late, handshakeMs)
    let isOpen = false
    // A wire that was given up may yet deliver what it had read: it concerns a state we have left.
    const counts = () => this.#wire === wire
    const wire: Wire = this.#open({
      opened: () => {
        isOpen = true
        if (counts()) void this.#shakeHands(wire)
      },
      heard: (frame) => {
        if (counts()) this.#hear(frame)
      },
      lost: (sentence, advice) => {
        if (!counts()) return
        const code = advice === "stay" ? "forbidden" : "connection-lost"
        const facts = { executionUncertain: isOpen }
        const why = fault(code, sentence, facts)
        if (advice === "stay") this.#end(why)
        else this.#lose(why)
      },
    })
    this.#wire = wire
  }

  async #shakeHands(wire: Wire): Promise<void> {
    this.#stage = "shaking"
    const { app, key, token, instances, rehydrate, metadata } = this.#options
    let shown: string | undefined
    try {
      shown = typeof token === "function" ? await token() : token
    } catch (thrown) {
      const sentence = thrown instanceof Error ? thrown.message : String(thrown)
      if (this.#wire === wire) this.#lose(lost(`there is no token: ${sentence}`))
      return
    }
    if (this.#wire !== wire) return
    const handshake = present({
      ...{ type: "handshake", id: "0", app_id: app, protocol_version: "1.0" },
      ...{ min_protocol_version: "1.0", features: ["compact", "mixed"], pools: this.#pools },
      ...{ token: shown, resume: this.#resume, metadata, instances, rehydrate },
      public_key: key === undefined ? undefined : encode64Url(key.publicKey),
    })
    wire.send(JSON.stringify(handshake))
  }

  async #prove(wire: Wire, challenge: Fields): Promise<void> {
    const { key, app } = this.#options
    const nonce = decode64(textIn(challenge, "nonce") ?? "")
    const session = decode64(textIn(challenge, "session_id") ?? "")
    if (key === undefined || nonce?.length !== 32 || session?.length !== 16) {
      const sentence = key === undefined ? "this id needs its key" : "the challenge is none"
      return this.#end(fault("unauthenticated", sentence))
    }
    try {
      const signature = encode64Url(await key.sign(claimOf(nonce, session, app)))
      if (this.#wire !== wire) return
      wire.send(JSON.stringify({ type: "auth", id: "0", correlation_id: "0", signature }))
    } catch (thrown) {
      const sentence = thrown instanceof Error ? thrown.message : String(thrown)
      if (this.#wire === wire) this.#lose(lost(`the key does not sign: ${sentence}`))
    }
  }

  #hear(frame: string | Uint8Array): void {
    this.#heardAt = Date.now()
    let message: Hearing
    try {
      message = read(frame)
    } catch {
      return this.#lose(lost("the server said what cannot be read"))
    }
    if (message.kind === "plain" && message.body["type"] === "ping") {
      const { id } = message.body
      const pong = { kind: "plain", body: present({ type: "pong", id }) } as const
      return void this.#wire?.send(write(pong, "json"))
    }
    const isPong = message.kind === "plain" && message.body["type"] === "pong"
    if (isPong || message.kind === "pong") return
    if (message.kind === "fault" && message.close !== undefined) {
      const why = errorOf(message.fault, message.word)
      // An answer to a request all the same.
      if (this.#stage === "ready" && message.to !== null) this.#owner.heard(message)
      if (message.close === "stay") return this.#end(why)
      return this.#lose(why)
    }
    if (this.#stage === "ready") return this.#owner.heard(message)
    if (message.kind === "fault") return this.#refused(errorOf(message.fault, message.word))
    if (message.kind !== "plain" || this.#wire === undefined) return
    const { body } = message
    if (body["type"] === "challenge") return void this.#prove(this.#wire, body)
    if (body["type"] === "handshake_ack") this.#welcome(body)
  }

  #welcome(ack: Fields): void {
    clearTimeout(this.#timer)
    this.#stage = "ready"
    this.#hasBeenReady = true
    this.#readyAt = Date.now()
    this.#form = listIn(ack, "features").includes("compact") ? "compact" : "json"
    const session = isFields(ack["session"]) ? ack["session"] : {}
    this.#resume = textIn(session, "resume")
    this.#heartbeatMs = Math.max(1_000, numberIn(ack, "heartbeat_ms") ?? 15_000)
    this.#watch()
    const rights = isFields(ack["rights"]) ? ack["rights"] : {}
    const limits = isFields(ack["limits"]) ? ack["limits"] : {}
    this.#owner.welcomed({
      ack,
      heartbeatMs: this.#heartbeatMs,
      rights: new Map(Object.keys(rights).map((pool) => [pool, listIn(rights, pool)])),
      limits: new Map(
        Object.keys(limits).flatMap((name) => {
          const limit = numberIn(limits, name)
          return limit === undefined ? [] : [[name, limit] as const]
        }),
      ),
    })
  }

  /** The handshake was refused, and the connection not closed. */
  #refused(why: PoolsError): void {
    // Who was in once comes back: the pool that is missing may be made again, the id be free again.
    if (why.retry === "stay" || !this.#hasBeenReady) return this.#end(why)
    this.#lose(why)
  }

  /** One timer, not one per message: it looks at the clock and sleeps for what is left. */
  #watch(): void {
    const quietMs = Date.now() - this.#heardAt
    if (quietMs >= silentBeats * this.#heartbeatMs) {
      return this.#lose(lost("the server fell silent"))
    }
    if (quietMs >= this.#heartbeatMs) this.#wire?.send('{"type":"ping","id":"0"}')
    this.#timer = setTimeout(() => this.#watch(), this.#heartbeatMs)
  }

  #lose(why: PoolsError): void {
    const mayReturn = this.#hasBeenReady || this.#options.patient === true
    if (!mayReturn) return this.#end(why)
    if (this.#stage === "ready" && Date.now() - this.#readyAt >= goodMs) this.#tries = 0
    this.#giveUp()
    this.#stage = "away"
    const waitMs = Math.max(backoffMs(this.#tries++, Math.random()), why.retryAfterMs ?? 0)
    this.#timer = setTimeout(() => this.#connect(), waitMs)
    this.#owner.lost(why)
  }

  #end(why: PoolsError): void {
    this.close()
    this.#owner.ended(why)
  }

  #giveUp(): void {
    clearTimeout(this.#timer)
    const wire = this.#wire
    this.#wire = undefined
    wire?.close()
  }
}

function lost(sentence: string): PoolsError {
  return fault("connection-lost", sentence, { executionUncertain: false })
}
