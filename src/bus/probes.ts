/**
 * Messages to ourselves, which show that the bus delivers: one to each Redis that has to.
 *
 * What always holds: a probe is answered once, when all its messages have come back, or "away" when
 * this life of the connections is over; so many may be out at a time, and one more is not sent.
 * Redis keeps their order: what was published before a probe, on a channel that we listen to, has
 * come back before it does, or Redis has forgotten that we listen there.
 */
import type { Answer } from "../service.ts"

interface Out {
  readonly sentAt: number
  readonly answer: Answer<number>
  readonly missing: Set<string>
  /** What was published before it. */
  readonly after: number
}

const outLimit = 1_000
/** One that has not come back for so long does not, whatever else does. */
const lostMs = 20_000
/** Format, kind PROBE, no flags. */
const head = Uint8Array.of(1, 16, 0)

export class Probes {
  readonly #out = new Map<string, Out>()
  readonly #forgot: (channel: string) => void
  /** Channels on which nothing has come since we published there, and the number of the first of it. */
  readonly #quiet = new Map<string, number>()
  #channels: readonly string[] = []
  #serial = 0
  #published = 0

  /** `forgot` is told of a channel on which nothing reaches us any more. */
  constructor(forgot: (channel: string) => void) {
    this.#forgot = forgot
  }

  /** A new life, in which these channels are subscribed. */
  begin(channels: readonly string[]): void {
    this.#channels = channels
  }

  isFor(channel: string): boolean {
    return this.#channels.includes(channel)
  }

  /** Whether, with one Redis, the oldest that is out is not out for so long that it must be lost. */
  isYoung(now: number): boolean {
    const [oldest] = this.#out.values()
    return this.#channels.length === 1 && now - (oldest?.sentAt ?? 0) < lostMs
  }

  /** Something is about to be published on a channel that Redis has confirmed to us. */
  published(channel: string): void {
    if (!this.#quiet.has(channel)) this.#quiet.set(channel, ++this.#published)
  }

  /** What to publish, each on its channel; empty where nothing may be sent, and nobody is answered. */
  send(now: number, answer: Answer<number>): readonly (readonly [string, Uint8Array])[] {
    if (this.#out.size >= outLimit) return []
    const serial = String(++this.#serial)
    const missing = new Set(this.#channels)
    this.#out.set(serial, { sentAt: now, answer, missing, after: this.#published })
    const data = Buffer.concat([head, Buffer.from(serial)])
    return this.#channels.map((channel) => [channel, data])
  }

  /** Something has come on this channel, from whomever. Whether it is a probe of ours, or was one. */
  hear(channel: string, data: Uint8Array, now: number): boolean {
    if (this.isFor(channel)) this.#back(channel, data, now)
    else this.#quiet.delete(channel)
    return this.isFor(channel)
  }

  /** The life is over: what is out does not come back. */
  end(): void {
    this.#channels = []
    this.#quiet.clear()
    const out = [...this.#out.values()]
    this.#out.clear()
    for (const { answer } of out) answer("away")
  }

  #back(channel: string, data: Uint8Array, now: number): void {
    const serial = Buffer.from(data.subarray(head.length)).toString("latin1")
    const out = this.#out.get(serial)
    if (out === undefined) return
    out.missing.delete(channel)
    if (out.missing.size > 0) return
    this.#out.delete(serial)
    out.answer(now - out.sentAt)
    for (const [quiet, number] of this.#quiet) {
      if (number > out.after) return
      this.#quiet.delete(quiet)
      this.#forgot(quiet)
    }
  }
}
