/**
 * Messages to ourselves, which show that the bus delivers: one to each Redis that has to.
 *
 * What always holds: a probe is answered once, when all its messages have come back, or "away" when
 * this life of the connections is over; so many may be out at a time, and one more is not sent.
 */
import type { Answer } from "../service.ts"

interface Out {
  readonly sentAt: number
  readonly answer: Answer<number>
  readonly missing: Set<string>
}

const outLimit = 1_000
/** Format, kind PROBE, no flags. */
const head = Uint8Array.of(1, 16, 0)

export class Probes {
  readonly #out = new Map<string, Out>()
  #channels: readonly string[] = []
  #serial = 0

  /** A new life, in which these channels are subscribed. */
  begin(channels: readonly string[]): void {
    this.#channels = channels
  }

  isFor(channel: string): boolean {
    return this.#channels.includes(channel)
  }

  /** What to publish, each on its channel; empty where nothing may be sent, and nobody is answered. */
  send(now: number, answer: Answer<number>): readonly (readonly [string, Uint8Array])[] {
    if (this.#out.size >= outLimit) return []
    const serial = String(++this.#serial)
    this.#out.set(serial, { sentAt: now, answer, missing: new Set(this.#channels) })
    const data = Buffer.concat([head, Buffer.from(serial)])
    return this.#channels.map((channel) => [channel, data])
  }

  hear(channel: string, data: Uint8Array, now: number): void {
    const serial = Buffer.from(data.subarray(head.length)).toString("latin1")
    const out = this.#out.get(serial)
    if (out === undefined) return
    out.missing.delete(channel)
    if (out.missing.size > 0) return
    this.#out.delete(serial)
    out.answer(now - out.sentAt)
  }

  /** The life is over: what is out does not come back. */
  end(): void {
    this.#channels = []
    const out = [...this.#out.values()]
    this.#out.clear()
    for (const { answer } of out) answer("away")
  }
}
