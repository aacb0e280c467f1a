/**
 * Bytes kept in Redis for a time, over connections of their own: what is long there never stands
 * in the way of what servers tell each other.
 *
 * What always holds: each question is answered once, "away" where Redis is, where it refuses, or
 * after 2 s. Nothing waits for a connection. Connections that end, or do not answer twice in a row,
 * are made anew for ever, after 100 ms, then twice as long, up to 5 s.
 */
import type { Log } from "../log.ts"
import { type Answer, guard, type Undo } from "../service.ts"
import type { Claim, Depot, DepotEntry, TurnWish } from "./bus.ts"
import { type After, type Lines, openMs, sentenceOf } from "./lines.ts"
import { usualReconnect, waitOf } from "./place.ts"
import { linesTo } from "./redis-cluster.ts"
import {
  keepScript,
  putScript,
  readClaim,
  removeScript,
  renewScript,
  textOf,
  turnScript,
} from "./redis-scripts.ts"

/** What a depot is opened with. */
export interface DepotOptions {
  /** Several are a Redis Cluster, by any of its servers. */
  readonly urls: readonly string[]
  readonly log: Log
  readonly after: After
}

/** Who asks is answered after so long in any case. */
const answerMs = 2_000
const silencesLimit = 2
/** Questions under way at a time; one more is answered "away". */
const underWayLimit = 10_000

export class RedisDepot implements Depot {
  readonly #options: DepotOptions
  #lines: Lines | undefined
  #state: "away" | "ready" | "closed" = "away"
  #attempts = 0
  /** Questions in a row that were not answered in time. */
  #silences = 0
  #lastWhy = ""
  #callOff: Undo = () => {}
  readonly #underWay = new Set<Promise<unknown>>()

  constructor(options: DepotOptions) {
    this.#options = options
    this.#connect()
  }

  get(key: string, forMs: number, answer: Answer<Uint8Array | undefined>): void {
    this.#ask(async (lines) => {
      const found = await lines.get(key)
      if (found !== undefined) await lines.run(keepScript, { keys: [key], arguments: [`${forMs}`] })
      return found
    }, answer)
  }

  put({ key, data, forMs }: DepotEntry, claim: Claim, answer: Answer<boolean>): void {
    const bytes = Buffer.from(data.buffer, data.byteOffset, data.byteLength)
    const input = { keys: [key, claim.name], arguments: [bytes, `${forMs}`, textOf(claim)] }
    this.#ask(async (lines) => (await lines.run(putScript, input)) === "1", answer)
  }

  remove(key: string, answer: Answer<boolean>): void {
    const input = { keys: [key], arguments: [] }
    this.#ask(async (lines) => (await lines.run(removeScript, input)) === "1", answer)
  }

  turn({ name, value, forMs, how }: TurnWish, answer: Answer<Claim>): void {
    const input = { keys: [name], arguments: [value, `${forMs}`, how] }
    this.#ask(async (lines) => readClaim(name, await lines.run(turnScript, input)), answer)
  }

  yield(claim: Claim): void {
    const input = { keys: [claim.name], arguments: [textOf(claim), "0"] }
    // It ends by itself where Redis is away.
    this.#ask((lines) => lines.run(renewScript, input), ignore)
  }

  async close(): Promise<void> {
    const wasReady = this.#state === "ready"
    this.#state = "closed"
    this.#callOff()
    if (wasReady) {
      await new Promise<void>((resolve) => {
        const callOff = this.#options.after(answerMs, resolve)
        void Promise.allSettled([...this.#underWay]).then(() => {
          callOff()
          resolve()
        })
      })
    }
    this.#lines?.close()
    this.#lines = undefined
  }

  #connect(): void {
    const told = {
      message: ignore,
      moved: ignore,
      ended: (why: string) => this.#lines === lines && this.#end(why),
    }
    const lines = linesTo(this.#options, told)
    this.#lines = lines
    this.#callOff = this.#options.after(openMs, () => this.#end("it does not answer"))
    lines.open().then(
      () => {
        if (this.#lines !== lines || this.#state === "closed") return
        this.#callOff()
        this.#silences = 0
        this.#state = "ready"
        this.#options.log.info("copies ready")
        this.#attempts = 0
        this.#lastWhy = ""
      },
      (thrown: unknown) => {
        if (this.#lines === lines) this.#end(sentenceOf(thrown))
      },
    )
  }

  #end(why: string): void {
    this.#lines?.close()
    this.#lines = undefined
    this.#callOff()
    if (this.#state === "closed") return
    this.#state = "away"
    const { log, after } = this.#options
    if (why !== this.#lastWhy) log.warn("copies away", { why })
    this.#lastWhy = why
    const waitMs = waitOf({ ...usualReconnect, jitter: 0 }, this.#attempts, 0)
    this.#attempts++
    this.#callOff = after(waitMs, () => this.#connect())
  }

  #ask<T>(ask: (lines: Lines) => Promise<T>, answer: Answer<T>): void {
    const { log, after } = this.#options
    const tell = (value: T | "away") => guard(log, "depot", () => answer(value))
    const lines = this.#state === "ready" ? this.#lines : undefined
    if (lines === undefined || this.#underWay.size >= underWayLimit) {
      return queueMicrotask(() => tell("away"))
    }
    let isAnswered = false
    const settle = (value: T | "away") => {
      if (isAnswered) return
      isAnswered = true
      callOff()
      tell(value)
    }
    const callOff = after(answerMs, () => {
      settle("away")
      if (this.#lines === lines && ++this.#silences >= silencesLimit) this.#end("it is silent")
    })
    const answered = (value: T) => {
      this.#silences = 0
      settle(value)
    }
    const asked = ask(lines).then(answered, (thrown: unknown) => {
      // A Redis that is full, or denies a right, says so here and nowhere else.
      if (this.#lines === lines) log.warn("copies refused", { why: sentenceOf(thrown) })
      settle("away")
    })
    this.#underWay.add(asked)
    void asked.then(() => this.#underWay.delete(asked))
  }
}

// Nobody waits for it.
function ignore(): void {}
