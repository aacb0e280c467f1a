/**
 * The calls that an app is given: who does their work here, and how each is answered.
 *
 * What always holds: a call is answered once, over the connection that brought it or not at all; who
 * works on it is told when nobody waits any more; results flow only as fast as their caller takes.
 */
import { noPayload } from "../wire/pools-payload.ts"
import type { CancelReason, Told } from "../wire/pools-shapes.ts"
import type { Parent, Wanted } from "./pools-calls.ts"
import { asPoolsError, fault } from "./pools-faults.ts"
import { Inflow, Outflow } from "./pools-flow.ts"
import type { Hearing, Saying } from "./pools-frames.ts"
import type { CallContext, CallOptions, PoolsError, Stream, Work } from "./pools-shapes.ts"
import { Stopping } from "./pools-stopping.ts"
import { payloadFrom, valueFrom } from "./pools-values.ts"

/** Values of arguments that may be on their way. */
const inputWindow = 16
/** Results that are gathered for a caller who did not ask for a stream. */
const gatheredLimit = 10_000
const sentenceLimit = 4_096

/** Thrown by `unavailable`. */
class Declined extends Error {}

interface Held {
  readonly told: Told
  readonly stop: Stopping
  readonly results: Outflow
  readonly input: Inflow<unknown>
}

/** What the work needs of the app. */
export interface WorksGround {
  /** In which pool, where that seals what is said there. */
  say(message: Saying, pool?: string): void
  call(wanted: Wanted): Promise<unknown>
  stream<O>(wanted: Wanted): Stream<O>
}

export class Works {
  readonly #ground: WorksGround
  readonly #works = new Map<string, Work>()
  #held = new Map<number, Held>()

  constructor(ground: WorksGround) {
    this.#ground = ground
  }

  /** Calls that are being worked on for others. */
  get size(): number {
    return this.#held.size
  }

  set(pool: string, trigger: string, work: Work): void {
    this.#works.set(keyOf(pool, trigger), work)
  }

  get(pool: string, trigger: string): Work | undefined {
    return this.#works.get(keyOf(pool, trigger))
  }

  delete(pool: string, trigger: string): void {
    this.#works.delete(keyOf(pool, trigger))
  }

  /** A pool is left. Gives the triggers that were handled there. */
  leave(pool: string): readonly string[] {
    const gone = [...this.#works.keys()].filter((key) => key.startsWith(`${pool} `))
    for (const key of gone) this.#works.delete(key)
    return gone.map((key) => key.slice(pool.length + 1))
  }

  hear(message: Hearing): "taken" | "other" {
    switch (message.kind) {
      case "call":
        void this.#begin(message)
        return "taken"
      case "cancel":
        this.#stop(message.to, reasonOf(message.reason))
        return "taken"
      case "chunk": {
        if (message.toward === "caller") return "other"
        const held = this.#heldAs(message.to)
        // A last one without content says only that it was the last.
        if (!message.isLast || message.payload.type !== noPayload.type) {
          held?.input.push(valueFrom(message.payload))
        }
        if (message.isLast) held?.input.finish()
        return "taken"
      }
      case "credit":
        if (message.toward === "caller") return "other"
        this.#heldAs(message.to)?.results.grant(message.count)
        return "taken"
      case "answer":
      case "fault":
      case "emitted":
      case "pong":
      case "content":
      case "notice":
      case "plain":
        return "other"
    }
  }

  /** What streams into a call cannot go on: whoever reads it is told. */
  breakInput(call: number, why: PoolsError): void {
    this.#held.get(call)?.input.fail(why)
  }

  /** The connection is gone: what is worked on has nobody to answer to. */
  lost(why: PoolsError): void {
    const held = this.#held
    // Another map: what ends later must not touch calls of the next connection.
    this.#held = new Map()
    for (const each of held.values()) stop(each, why)
  }

  /** Does the work of one of this app's own calls, with copies of what goes in and out. */
  async run(work: Work, told: Told, signal: AbortSignal): Promise<unknown> {
    const input = emptyInput()
    const stopping = new Stopping()
    const onAbort = () => stopping.abort(asPoolsError(signal.reason))
    signal.addEventListener("abort", onAbort)
    if (signal.aborted) onAbort()
    try {
      const held = { told, stop: stopping, results: new Outflow(0, () => {}), input }
      const result = await work(valueFrom(told.payload), this.#context(held, undefined))
      const whole = isAsync(result) ? await gathered(result, stopping) : result
      return valueFrom(payloadFrom(whole))
    } catch (thrown) {
      throw failureOf(thrown)
    } finally {
      signal.removeEventListener("abort", onAbort)
    }
  }

  #heldAs(id: string | number): Held | undefined {
    return typeof id === "number" ? this.#held.get(id) : undefined
  }

  async #begin(told: Told): Promise<void> {
    const { id } = told
    const own = this.#held
    // A call that came open is answered so.
    const pool = told.nonce === undefined ? undefined : told.pool
    // Nothing is said over another connection than the one that brought the call.
    const say = (message: Saying) => {
      if (own === this.#held) this.#ground.say(message, pool)
    }
    const stopping = new Stopping()
    const results = new Outflow(told.credit ?? 0, (seq, value) => {
      const payload = payloadFrom(value)
      say({ kind: "chunk", to: id, toward: "caller", seq, payload, isLast: false })
    })
    const input = new Inflow<unknown>({
      ...{ window: inputWindow, first: "asked", left: () => {} },
      grant: (count) => say({ kind: "credit", to: id, toward: "caller", count }),
    })
    const held: Held = { told, stop: stopping, results, input }
    own.set(id, held)
    const saying = await this.#work(held, own)
    say(saying)
    own.delete(id)
    // Whoever keeps its signal sees that it is over.
    stop(held, over)
  }

  async #work(held: Held, own: ReadonlyMap<number, Held>): Promise<Saying> {
    const { told, stop: stopping, results } = held
    const answer = { kind: "response", id: undefined, to: told.id } as const
    const work = this.get(told.pool, told.trigger)
    if (work === undefined) {
      const sentence = `${told.trigger} is handled here no more`
      return { ...answer, outcome: { is: "unavailable", sentence } }
    }
    try {
      let result = await work(valueFrom(told.payload), this.#context(held, own))
      if (isAsync(result)) {
        const streams = told.flags.has("stream")
        result = streams ? await results.pump(result) : await gathered(result, stopping)
      }
      return { ...answer, outcome: { is: "done", result: payloadFrom(result) } }
    } catch (thrown) {
      if (thrown instanceof Declined) {
        return { ...answer, outcome: { is: "unavailable", sentence: thrown.message } }
      }
      const { message: sentence, handlerCode } = failureOf(thrown)
      const code = handlerCode === undefined ? {} : { handlerCode }
      return { ...answer, outcome: { is: "failed", sentence, ...code } }
    }
  }

  #context(held: Held, own: ReadonlyMap<number, Held> | undefined): CallContext {
    const { told, stop: stopping, input } = held
    const deadline = Date.now() + told.ttlMs
    const ground = this.#ground
    const { id, pool, trigger, origin, attempt, traceparent, tracestate } = told
    // One that ran without the server has no id there: its deadline and trace are handed on all the same.
    const parent = (): Parent => ({
      ...{ id, deadline, signal: stopping.signal, traceparent, tracestate },
      isOfServer: own !== undefined,
    })
    return {
      ...{ id, pool, trigger, origin, identity: told.proof, attempt, deadline, input },
      flags: told.appFlags,
      get signal() {
        return stopping.signal
      },
      ...(traceparent === undefined ? {} : { traceparent }),
      ...(tracestate === undefined ? {} : { tracestate }),
      unavailable(sentence = "declined"): never {
        throw new Declined(sentence)
      },
      call<O>(name: string, payload?: unknown, options: CallOptions = {}) {
        // The type of the result is the caller's word.
        return ground.call({ trigger: name, payload, options, parent: parent() }) as Promise<O>
      },
      stream: <O>(name: string, payload?: unknown, options: CallOptions = {}) =>
        ground.stream<O>({ trigger: name, payload, options, parent: parent() }),
    }
  }

  #stop(id: number, why: PoolsError): void {
    const held = this.#held.get(id)
    if (held !== undefined) stop(held, why)
  }
}

function stop({ stop: stopping, results, input }: Held, why: PoolsError): void {
  stopping.abort(why)
  results.stop()
  input.fail(why)
}

function keyOf(pool: string, trigger: string): string {
  return `${pool} ${trigger}`
}

function reasonOf(reason: CancelReason): PoolsError {
  switch (reason) {
    case "caller":
      return fault("cancelled", "its caller gave it up")
    case "deadline":
      return fault("timeout", "its time is over")
    case "lost":
      return fault("cancelled", "its caller is lost")
    case "parent":
      return fault("cancelled", "the call that it is a part of is over")
  }
}

/** Made once: a stack for each call would cost more than the call. */
const over = fault("cancelled", "it was answered")

/** What a piece of work threw, as its caller is told: its text and its own code, no stack. */
function failureOf(thrown: unknown): PoolsError {
  const sentence = thrown instanceof Error ? thrown.message : String(thrown)
  const shortened = sentence.slice(0, sentenceLimit) || "failed"
  if (thrown instanceof Declined) return fault("unavailable", shortened)
  const found: unknown = thrown instanceof Error && "code" in thrown ? thrown.code : undefined
  const code = typeof found === "number" ? String(found) : found
  const isCode = typeof code === "string" && code.length > 0 && code.length <= 128
  return fault("handler-error", shortened, isCode ? { handlerCode: code } : {})
}

function isAsync(value: unknown): value is AsyncIterable<unknown> {
  return typeof value === "object" && value !== null && Symbol.asyncIterator in value
}

/** All that a stream gives, for a caller who asked for one answer. */
async function gathered(values: AsyncIterable<unknown>, stopping: Stopping): Promise<unknown[]> {
  const all: unknown[] = []
  for await (const value of values) {
    if (stopping.why !== undefined) throw stopping.why
    if (all.push(value) > gatheredLimit) {
      throw new Error(`it streams more than ${gatheredLimit} values: call it as a stream`)
    }
  }
  return all
}

function emptyInput(): Inflow<unknown> {
  const nothing = () => {}
  const input = new Inflow<unknown>({ window: 1, first: "given", grant: nothing, left: nothing })
  input.finish()
  return input
}
