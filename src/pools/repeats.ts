/**
 * Calls that carry a key: each runs once, and whoever asks again gets the same answer.
 *
 * What always holds: a key belongs to one caller's id, one trigger and one pool; while a run is under
 * way its followers wait for it; answers are kept for a while, in number and bytes bounded, the
 * oldest going first. What the server itself answered is not kept: nothing is known to have run.
 */
import { createHash } from "node:crypto"
import { Refusal } from "../wire/pools-errors.ts"
import {
  bytesOf,
  contentTypes,
  kept,
  type Payload,
  sizeOf,
  spelled,
} from "../wire/pools-payload.ts"
import type { Call } from "./call.ts"
import type { Limits } from "./limits.ts"

/** What a handler answered. */
export type Answered =
  | { readonly is: "answer"; readonly payload: Payload }
  | { readonly is: "failed"; readonly sentence: string; readonly handlerCode: string | undefined }

/** A key that is running. The leader's handler does the work, followers get its answer. */
export interface Run {
  readonly key: string
  readonly digest: string
  leader: Call
  readonly followers: Set<Call>
}

interface Stored {
  readonly digest: string
  /** "too big": it was done, but its answer is not here. */
  readonly answer: Answered | "too big"
  readonly until: number
}

export class Repeats {
  readonly #limits: Limits
  readonly #running = new Map<string, Run>()
  // The oldest first.
  readonly #stored = new Map<string, Stored>()

  constructor(limits: Limits) {
    this.#limits = limits
  }

  /** How many keys are known. */
  get size(): number {
    return this.#running.size + this.#stored.size
  }

  /**
   * What becomes of a call with a key: it runs, follows a run, or is answered from memory. Throws a
   * Refusal for a key that stands for another payload, or whose answer is gone.
   */
  claim(call: Call, now: number): Answered | "runs" | "follows" {
    const { start, trigger, caller } = call
    if (start?.key === undefined) throw new Error("never: a call without a key")
    const key = [trigger.pool.name, trigger.name, caller.app?.id ?? "", start.key].join("\0")
    const digest = digestOf(start.payload)
    const running = this.#running.get(key)
    const stored = this.#stored.get(key)
    const known = running ?? (stored !== undefined && stored.until > now ? stored : undefined)
    if (known !== undefined && known.digest !== digest) {
      throw new Refusal("idempotency-mismatch", "this key stands for another payload")
    }
    if (running !== undefined) {
      running.followers.add(call)
      call.run = running
      return "follows"
    }
    if (known !== undefined && "answer" in known) {
      if (known.answer !== "too big") return known.answer
      throw new Refusal("result-gone", "this was done before; its answer was too big to keep")
    }
    call.run = { key, digest, leader: call, followers: new Set() }
    this.#running.set(key, call.run)
    return "runs"
  }

  /** A run has ended; with its handler's answer, or with none worth keeping. */
  end(run: Run, answer: Answered | undefined, now: number): void {
    this.#running.delete(run.key)
    this.#stored.delete(run.key)
    if (answer === undefined) return
    const { idempotencyBytes, idempotencyKeys, idempotencyWindowMs } = this.#limits
    const isBig = answer.is === "answer" && sizeOf(answer.payload) > idempotencyBytes
    const keeps = answer.is === "answer" ? { ...answer, payload: kept(answer.payload) } : answer
    this.#stored.set(run.key, {
      digest: run.digest,
      answer: isBig ? "too big" : keeps,
      until: now + idempotencyWindowMs,
    })
    const [oldest] = this.#stored.size > idempotencyKeys ? this.#stored.keys() : []
    if (oldest !== undefined) this.#stored.delete(oldest)
  }

  tick(now: number): void {
    for (const [key, { until }] of this.#stored) {
      if (until > now) return
      this.#stored.delete(key)
    }
  }
}

/** The same for a payload in JSON and for its bytes in a compact frame, however it was spaced. */
function digestOf(payload: Payload): string {
  const isJson = payload.type === contentTypes.json
  const { value, name } = isJson ? spelled(payload) : { value: undefined, name: "bytes" }
  const content = name === undefined ? JSON.stringify(value) : bytesOf(payload)
  return createHash("sha256").update(`${payload.type}\n`).update(content).digest("base64")
}
