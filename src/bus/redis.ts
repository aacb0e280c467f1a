/**
 * The bus over Redis.
 *
 * What always holds: it is "ready" while all connections stand and Redis has confirmed every
 * subscription; each time it becomes so, a gap is told, since anything may have been missed. What
 * is published meanwhile waits in a bounded queue, the oldest makes room, and its channel is told
 * as a gap. Connections are made anew for ever, at first soon, then twice as late each time (RL60).
 */
import type { Log } from "../log.ts"
import { type Answer, guard, type Random, type Undo } from "../service.ts"
import type { BusFigures, BusLimits, Claim, CountedBus } from "./bus.ts"
import { BusTime } from "./bus-time.ts"
import { type After, type Lines, openMs, sentenceOf } from "./lines.ts"
import { type Message, Outbox } from "./outbox.ts"
import { Parcels } from "./parcels.ts"
import { type Reconnect, type RedisPlace, usualReconnect, waitOf } from "./place.ts"
import { Probes } from "./probes.ts"
import { linesTo } from "./redis-cluster.ts"
import { claimScript, putScript, readClaim, renewScript, textOf } from "./redis-scripts.ts"
import type { Seal } from "./seal.ts"
import { Subscriptions } from "./subscriptions.ts"

/** What a bus over Redis is made with. */
export interface RedisOptions extends RedisPlace {
  readonly server: string
  readonly now: () => number
  readonly after: After
  readonly random: Random
  readonly log: Log
  readonly seal: Seal
  readonly limits: BusLimits
  /** Left out, after 100 ms, then twice as long, up to 5 s. */
  readonly reconnect?: Reconnect
  /** The seconds that a probe took. */
  readonly probed: (seconds: number) => void
}

/** What was carried so lately shows that a connection is more than open. */
const carriedMs = 2_000
/** What is under way at the end may take so long. */
const closeMs = 2_000
/** Here servers make themselves known: it leaves first after an outage. */
const firstChannel = "lfcc:servers"
const ofDocuments = /^lfcc:(?:doc|yjs):/
const flagsAt = 2

export class RedisBus implements CountedBus {
  readonly server: string
  state: "ready" | "away" = "away"
  readonly #options: RedisOptions
  readonly #counts = { published: 0, received: 0, dropped: 0, forged: 0, reconnects: 0 }
  #lastPublishAt = 0
  #lastReceiveAt = 0
  readonly #subscriptions: Subscriptions
  readonly #gapEars = new Set<{ readonly listener: (channel: string | undefined) => void }>()
  readonly #time: BusTime
  readonly #outbox: Outbox
  readonly #parcels: Parcels
  readonly #probes = new Probes((channel) => this.#subscriptions.renew(channel))
  readonly #probeName: string
  #lines: Lines | undefined
  #isClosed = false
  #attempts = 0
  #isAgain = false
  #callOff: Undo = () => {}
  #lastWhy = ""

  constructor(options: RedisOptions) {
    const { server, random, after, limits } = options
    this.server = server
    this.#options = options
    this.#time = new BusTime(options.now)
    this.#subscriptions = new Subscriptions({
      tell: (work) => this.#tell(work),
      missed: (channel) => this.#missed(channel),
      failed: (thrown) => this.#end(sentenceOf(thrown)),
    })
    this.#outbox = new Outbox(limits, {
      send: (message) => this.#send(message),
      lost: (message) => this.#lose(message),
    })
    this.#parcels = new Parcels({
      random,
      after,
      fetch: (key) => this.#lines?.get(key) ?? Promise.resolve(undefined),
      open: (channel, fetched) => this.#open(channel, fetched),
      deliver: (channel, data) => this.#subscriptions.deliver(channel, data),
      missed: (channel) => this.#missed(channel),
    })
    this.#probeName = `lfcc:probe:${Buffer.from(random(8)).toString("hex")}`
    this.#connect()
  }

  now(): number {
    return this.#time.now()
  }

  get figures(): BusFigures {
    const channels = [...this.#subscriptions.confirmed]
    return {
      isConfigured: true,
      connection: this.#connection,
      ...this.#counts,
      subscriptions: channels.filter((channel) => ofDocuments.test(channel)).length,
      queuedMessages: this.#outbox.messages,
      queuedBytes: this.#outbox.bytes,
      lastPublishAt: this.#lastPublishAt,
      lastReceiveAt: this.#lastReceiveAt,
    }
  }

  get #connection(): BusFigures["connection"] {
    if (this.#isClosed) return "disconnected"
    if (this.state === "ready") return "connected"
    return this.#attempts === 0 ? "connecting" : "error"
  }

  publish(channel: string, data: Uint8Array, heard: Answer<number> = () => {}): void {
    // Parcels and hashes are put on below this line only.
    if (data[flagsAt] !== 0) throw new Error("never: a message of the bus without its first bytes")
    const tell: Answer<number> = (count) => this.#tell(() => heard(count))
    if (this.#isClosed) return queueMicrotask(() => tell("away"))
    this.#outbox.add({ channel, data, heard: tell })
  }

  subscribe(channel: string, listener: (data: Uint8Array) => void, confirmed = () => {}): Undo {
    return this.#subscriptions.add(channel, listener, confirmed)
  }

  onGap(listener: (channel: string | undefined) => void): Undo {
    const ear = { listener }
    this.#gapEars.add(ear)
    return () => this.#gapEars.delete(ear)
  }

  claim(name: string, value: string, forMs: number, answer: Answer<Claim>): void {
    const input = { keys: [name], arguments: [value, String(forMs)] }
    this.#ask(async (lines) => readClaim(name, await lines.run(claimScript, input)), answer)
  }

  renew(claim: Claim, forMs: number, answer: Answer<boolean>): void {
    const input = { keys: [claim.name], arguments: [textOf(claim), String(forMs)] }
    this.#ask(async (lines) => (await lines.run(renewScript, input)) === "1", answer)
  }

  put(key: string, data: Uint8Array, forMs: number, claim?: Claim): void {
    this.#ask(async (lines) => {
      if (claim === undefined) return lines.set(key, data, forMs)
      const input = [Buffer.from(data), String(forMs), textOf(claim)]
      await lines.run(putScript, { keys: [key, claim.name], arguments: input })
    }, ignore)
  }

  get(key: string, answer: Answer<Uint8Array | undefined>): void {
    this.#ask((lines) => lines.get(key), answer)
  }

  probe(answer: Answer<number>): void {
    const sentAt = this.#options.now()
    const lines = this.state === "ready" ? this.#lines : undefined
    const tell: Answer<number> = (took) => {
      if (took !== "away") this.#options.probed(took / 1000)
      this.#tell(() => answer(took))
    }
    const messages = lines === undefined ? [] : this.#probes.send(sentAt, tell)
    if (lines === undefined || messages.length === 0) return queueMicrotask(() => tell("away"))
    // What fails shows by not coming back.
    for (const [channel, data] of messages) {
      lines.publish(channel, this.#options.seal.put(channel, data)).catch(ignore)
    }
    if (this.#time.isOld) this.#time.measure(() => lines.time()).catch(ignore)
  }

  /** Not while both connections carry what there is, only late: to begin anew would make it later. */
  reconnect(): void {
    const since = this.#options.now() - carriedMs
    const isLate = this.#lastReceiveAt > since && this.#lastPublishAt > since
    if (this.state !== "ready" || (isLate && this.#probes.isYoung(this.#options.now()))) return
    this.#end("it does not deliver")
  }

  /** Waits for what is under way, for two seconds at most. */
  async close(): Promise<void> {
    this.#isClosed = true
    if (this.state === "ready") {
      await new Promise<void>((resolve) => {
        const callOff = this.#options.after(closeMs, resolve)
        void this.#outbox.whenSent().then(() => {
          callOff()
          resolve()
        })
      })
    }
    this.state = "away"
    this.#callOff()
    this.#outbox.end()
    this.#lines?.close()
    this.#lines = undefined
    this.#probes.end()
    this.#outbox.drop()
  }

  #connect(): void {
    const { after } = this.#options
    const told = {
      message: (channel: string, data: Uint8Array) => this.#receive(channel, data),
      moved: (channel: string) => this.#renew(channel),
      ended: (why: string) => isOurs() && this.#end(why),
    }
    const lines = linesTo(this.#options, told)
    const isOurs = () => this.#lines === lines
    this.#lines = lines
    this.#callOff = after(openMs, () => this.#end("it does not answer"))
    const opened = lines.open().then(async () => {
      const probes = lines.probes(this.#probeName)
      const channels = this.#subscriptions.prepare(lines)
      await Promise.all([channels, lines.subscribe(probes), this.#time.measure(() => lines.time())])
      return { probes, channels: await channels }
    })
    opened.then(
      ({ probes, channels }) => {
        if (!isOurs()) return
        this.#callOff()
        this.#probes.begin(probes)
        this.#begin(lines, channels)
      },
      (thrown: unknown) => isOurs() && this.#end(sentenceOf(thrown)),
    )
  }

  /** All connections stand, and all is subscribed: what waited leaves. */
  #begin(lines: Lines, channels: readonly string[]): void {
    this.state = "ready"
    this.#attempts = 0
    this.#lastWhy = ""
    if (this.#isAgain) this.#counts.reconnects++
    this.#options.log.info(this.#isAgain ? "bus back" : "bus ready")
    this.#isAgain = true
    // First the gap: whoever hears of it makes himself known before what waited arrives.
    this.#tellAll(this.#gapEars, undefined)
    if (this.#lines !== lines) return
    this.#outbox.begin(firstChannel)
    this.#subscriptions.begin(lines, channels)
  }

  /** This life is over; the next one begins soon. */
  #end(why: string): void {
    if (this.#lines === undefined) return
    this.#lines.close()
    this.#lines = undefined
    this.state = "away"
    this.#callOff()
    this.#outbox.end()
    this.#subscriptions.end()
    this.#parcels.clear()
    this.#probes.end()
    if (this.#isClosed) return
    const { log, random, after, reconnect = usualReconnect } = this.#options
    if (why !== this.#lastWhy) log.warn("bus away", { why })
    this.#lastWhy = why
    const [byte = 0] = random(1)
    // Servers that lost Redis together do not come back together.
    this.#callOff = after(waitOf(reconnect, this.#attempts, byte), () => this.#connect())
    this.#attempts++
  }

  /** Resolves when Redis has it, with how many listened. */
  async #send({ channel, data }: Message): Promise<number> {
    const [lines, { seal, limits, now }] = [this.#lines, this.#options]
    if (lines === undefined) throw new Error("away")
    let sealed = seal.put(channel, data)
    if (sealed.length > limits.parcelBytes) {
      const { key, pointer } = this.#parcels.wrap(data)
      // A Redis that is full takes no parcel: then it is lost here, and missing there.
      lines.set(key, sealed, Parcels.keptMs).catch(() => this.#missedSoon(channel))
      sealed = seal.put(channel, pointer)
    }
    if (this.#subscriptions.confirmed.has(channel)) this.#probes.published(channel)
    const count = await lines.publish(channel, sealed)
    this.#counts.published++
    this.#lastPublishAt = now()
    // We hear our own: where nobody does, our subscription is gone (RL63).
    if (count === 0) this.#renew(channel)
    return count
  }

  #renew(channel: string): void {
    if (!this.#probes.isFor(channel)) return this.#subscriptions.renew(channel)
    this.#end("what a probe went through has moved")
  }

  #lose({ channel, heard }: Message): void {
    this.#counts.dropped++
    queueMicrotask(() => heard("away"))
    this.#missedSoon(channel)
  }

  #receive(channel: string, sealed: Uint8Array): void {
    const data = this.#isClosed ? undefined : this.#open(channel, sealed)
    if (data === undefined) return
    const now = this.#options.now()
    if (this.#probes.hear(channel, data, now)) return
    this.#counts.received++
    this.#lastReceiveAt = now
    this.#parcels.receive(channel, data)
  }

  #open(channel: string, sealed: Uint8Array): Uint8Array | undefined {
    const data = this.#options.seal.take(channel, sealed)
    if (data === undefined) this.#counts.forged++
    return data
  }

  // Never within the call that lost it.
  #missedSoon(channel: string): void {
    queueMicrotask(() => this.#missed(channel))
  }

  #missed(channel: string): void {
    this.#tellAll(this.#gapEars, channel)
  }

  #ask<T>(ask: (lines: Lines) => Promise<T>, answer: Answer<T>): void {
    const lines = this.state === "ready" && !this.#isClosed ? this.#lines : undefined
    const asked = lines === undefined ? Promise.reject(new Error("away")) : ask(lines)
    const tell = (value: T | "away") => this.#tell(() => answer(this.#isClosed ? "away" : value))
    asked.then(tell, () => tell("away"))
  }

  #tellAll<T>(ears: ReadonlySet<{ readonly listener: (heard: T) => void }>, heard: T): void {
    // One listener may end another while it hears.
    for (const ear of [...ears]) if (ears.has(ear)) this.#tell(() => ear.listener(heard))
  }

  #tell(work: () => void): void {
    guard(this.#options.log, "bus", work)
  }
}

// Whoever asked is told by other ways, or needs no answer.
function ignore(): void {}
