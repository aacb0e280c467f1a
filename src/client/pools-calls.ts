/**
 * The calls that an app makes, from their start to their one answer.
 *
 * What always holds: each ends exactly once; one that was not sent waits for a connection inside its
 * deadline, for nothing was done yet; one that was sent over a connection that is lost fails as
 * CONNECTION_LOST, unless it may run twice: then it is sent again with the time that is left. Never
 * again, though, once a value of its stream has been read or its arguments have begun to flow.
 */
import { noPayload, type Payload } from "../wire/pools-payload.ts"
import type { CancelMode, Start, ToApp } from "../wire/pools-shapes.ts"
import { asPoolsError, connectionLost, errorOf, fault } from "./pools-faults.ts"
import { Inflow, Outflow } from "./pools-flow.ts"
import type { Hearing, Saying } from "./pools-frames.ts"
import type { Gate } from "./pools-gate.ts"
import type { CallOptions, PoolsError, Stream } from "./pools-shapes.ts"
import { payloadFrom, valueFrom } from "./pools-values.ts"

const usualTtlMs = 30_000
/** The server tells a deadline; this much later it is not waited for any more. */
const patienceMs = 2_000
const sweepMs = 100
const usualCredit = 16
const largestCredit = 1_024

/** What a call needs of the app. */
export interface CallsGround {
  readonly gate: Gate
  /** In which pool, where that seals what is said there. */
  say(message: Saying, pool?: string): void
  nextId(): number
  over(call: number): void
  readonly isFull: boolean
}

/** The call that a new one is a part of. */
export interface Parent {
  readonly id: number
  readonly deadline: number
  readonly signal: AbortSignal
  readonly traceparent?: string | undefined
  readonly tracestate?: string | undefined
  /** The server gave it: false for one that runs without it. */
  readonly isOfServer: boolean
}

/** A call, as it was asked for. */
export interface Wanted {
  readonly trigger: string
  readonly payload: unknown
  readonly options: CallOptions
  readonly parent: Parent | undefined
}

interface Outgoing {
  readonly wanted: Wanted
  readonly payload: Payload
  readonly id: number
  readonly deadline: number
  state: "waiting" | "sent" | "over"
  readonly settle: (result: Payload) => void
  readonly fail: (error: PoolsError) => void
  /** Takes it out of the queue for a connection. */
  leaveGate: () => void
  readonly results: { push(value: unknown): void } | undefined
  hasFlowed: boolean
  input: Outflow | undefined
  unlisten: () => void
}

export class Calls {
  readonly #ground: CallsGround
  readonly #open = new Map<number, Outgoing>()
  #sweeper: ReturnType<typeof setInterval> | undefined

  constructor(ground: CallsGround) {
    this.#ground = ground
  }

  /** How many have no answer yet. */
  get size(): number {
    return this.#open.size
  }

  /** Begins one. Rejects with PoolsError, or with TypeError for a payload that is none. */
  async call(wanted: Wanted): Promise<unknown> {
    return valueFrom(
      await new Promise<Payload>((resolve, reject) => {
        this.#start(wanted, { settle: resolve, fail: reject, results: undefined })
      }),
    )
  }

  /** Begins one whose results are streamed. */
  stream<O>(wanted: Wanted): Stream<O> {
    let cancel = () => {}
    const window = creditOf(wanted.options)
    let id = 0
    const results = new Inflow<O>({
      ...{ window, first: "given", left: () => cancel() },
      grant: (count) => this.#grant(id, count),
    })
    const result = new Promise<unknown>((resolve, reject) => {
      const settle = (payload: Payload) => {
        results.finish()
        resolve(valueFrom(payload))
      }
      const fail = (error: PoolsError) => {
        results.fail(error)
        reject(error)
      }
      try {
        // The type of the values is the caller's word.
        const flow = { push: (value: unknown) => results.push(value as O) }
        const outgoing = this.#start(wanted, { settle, fail, results: flow })
        if (outgoing === undefined) return
        id = outgoing.id
        cancel = () => this.#cancel(outgoing, wanted.options.cancel ?? "killnowait")
      } catch (thrown) {
        fail(asPoolsError(thrown))
      }
    })
    // Whoever reads the loop hears of it there.
    result.catch(() => {})
    return { result, cancel: () => cancel(), [Symbol.asyncIterator]: () => results }
  }

  /** Whether it was about a call of this app's. */
  hear(message: Hearing): "taken" | "other" {
    switch (message.kind) {
      case "answer":
      case "fault": {
        const outgoing = typeof message.to === "number" ? this.#open.get(message.to) : undefined
        if (outgoing === undefined) return "other"
        this.#close(outgoing)
        if (message.kind === "answer") outgoing.settle(message.payload)
        else outgoing.fail(errorOf(message.fault, message.word))
        return "taken"
      }
      case "chunk":
        if (message.toward === "handler") return "other"
        this.#chunk(message)
        return "taken"
      case "credit":
        if (message.toward === "handler") return "other"
        this.#credit(message)
        return "taken"
      case "call":
      case "emitted":
      case "cancel":
      case "pong":
      case "content":
      case "notice":
      case "plain":
        return "other"
    }
  }

  /** The connection is lost. */
  lost(why: PoolsError): void {
    for (const outgoing of [...this.#open.values()]) {
      if (outgoing.state !== "sent") continue
      outgoing.input?.stop()
      const { options, parent } = outgoing.wanted
      const mayRepeat = options.idempotent === true || options.idempotencyKey !== undefined
      // What it is a part of is lost with the connection.
      if (mayRepeat && parent === undefined && !outgoing.hasFlowed) {
        this.#line(outgoing)
      } else {
        this.#fail(outgoing, connectionLost(why.message, "sent"))
      }
    }
  }

  /** There will be no connection any more. */
  end(why: PoolsError): void {
    for (const outgoing of [...this.#open.values()]) {
      const uncertain = outgoing.state === "sent" && !why.executionUncertain
      this.#fail(outgoing, uncertain ? connectionLost(why.message, "sent") : why)
    }
  }

  #start(wanted: Wanted, to: Pick<Outgoing, "settle" | "fail" | "results">): Outgoing | undefined {
    const { options, parent } = wanted
    const asked = Date.now() + (options.ttlMs ?? usualTtlMs)
    const outgoing: Outgoing = {
      ...{ wanted, payload: payloadFrom(wanted.payload, options.contentType) },
      ...{ id: this.#ground.nextId(), deadline: Math.min(asked, parent?.deadline ?? asked) },
      ...{ state: "waiting", leaveGate: () => {}, hasFlowed: false, input: undefined, ...to },
      unlisten: () => {},
    }
    if (this.#ground.isFull) {
      to.fail(fault("busy", "too much is unsent", { retryAfterMs: 100 }))
      return undefined
    }
    this.#open.set(outgoing.id, outgoing)
    this.#sweeper ??= setInterval(() => this.#sweep(), sweepMs)
    this.#listen(outgoing)
    if (this.#open.has(outgoing.id)) this.#line(outgoing)
    return outgoing
  }

  /** Its signals, of its own and of what it is a part of. */
  #listen(outgoing: Outgoing): void {
    const { options, parent } = outgoing.wanted
    const onAbort = () => this.#cancel(outgoing, options.cancel ?? "killnowait")
    const onParent = () => this.#fail(outgoing, partOver())
    options.signal?.addEventListener("abort", onAbort)
    // The server cancels what is a part of a call that ends; this end need not wait for that.
    parent?.signal.addEventListener("abort", onParent)
    outgoing.unlisten = () => {
      options.signal?.removeEventListener("abort", onAbort)
      parent?.signal.removeEventListener("abort", onParent)
    }
    if (options.signal?.aborted === true) onAbort()
    else if (parent?.signal.aborted === true) onParent()
  }

  /** Sends it as soon as there is a connection. */
  #line(outgoing: Outgoing): void {
    outgoing.state = "waiting"
    outgoing.leaveGate = this.#ground.gate.pass(
      () => this.#send(outgoing),
      (error) => this.#fail(outgoing, error),
    )
  }

  #send(outgoing: Outgoing): void {
    const left = outgoing.deadline - Date.now()
    if (left <= 0) return this.#fail(outgoing, late("unsent"))
    outgoing.state = "sent"
    this.#say(outgoing, startOf(outgoing, left))
  }

  #say({ wanted: { options } }: Outgoing, message: Saying): void {
    this.#ground.say(message, options.plain === true ? undefined : (options.pool ?? "default"))
  }

  #cancel(outgoing: Outgoing, mode: CancelMode): void {
    if (outgoing.state === "over") return
    if (outgoing.state === "sent") {
      this.#say(outgoing, { kind: "cancel", to: outgoing.id, mode })
      // It asked to know when the work has stopped.
      if (mode === "kill") return
    }
    const uncertain = outgoing.state === "sent"
    this.#fail(outgoing, fault("cancelled", "it was cancelled", { executionUncertain: uncertain }))
  }

  #chunk({ to, payload }: Extract<ToApp, { kind: "chunk" }>): void {
    const outgoing = typeof to === "number" ? this.#open.get(to) : undefined
    if (outgoing?.results === undefined) return
    outgoing.hasFlowed = true
    outgoing.results.push(valueFrom(payload))
  }

  #credit({ to, count }: Extract<ToApp, { kind: "credit" }>): void {
    const outgoing = typeof to === "number" ? this.#open.get(to) : undefined
    if (outgoing === undefined) return
    if (outgoing.input !== undefined) return outgoing.input.grant(count)
    const { input = [], contentType } = outgoing.wanted.options
    outgoing.hasFlowed = true
    const flow = new Outflow(count, (seq, value, place) => {
      const isLast = place === "last"
      const payload = isLast ? noPayload : payloadFrom(value, contentType)
      const to = outgoing.id
      this.#say(outgoing, { kind: "chunk", to, toward: "handler", seq, payload, isLast })
    })
    outgoing.input = flow
    flow.pump(input).then(
      () => flow.end(),
      (thrown: unknown) => {
        // The arguments cannot be made: the call has no use.
        this.#say(outgoing, { kind: "cancel", to: outgoing.id, mode: "killnowait" })
        this.#fail(outgoing, asPoolsError(thrown))
      },
    )
  }

  #grant(id: number, count: number): void {
    if (this.#open.get(id)?.state !== "sent") return
    this.#ground.say({ kind: "credit", to: id, toward: "handler", count })
  }

  /** What the server should have answered, or what no connection came for. */
  #sweep(): void {
    const now = Date.now()
    for (const outgoing of [...this.#open.values()]) {
      const { state, deadline } = outgoing
      if (state === "waiting" && now >= deadline) this.#fail(outgoing, late("unsent"))
      if (state === "sent" && now >= deadline + patienceMs) this.#fail(outgoing, late("sent"))
    }
  }

  #fail(outgoing: Outgoing, error: PoolsError): void {
    if (outgoing.state === "over") return
    this.#close(outgoing)
    outgoing.fail(error)
  }

  #close(outgoing: Outgoing): void {
    outgoing.state = "over"
    outgoing.leaveGate()
    outgoing.unlisten()
    outgoing.input?.stop()
    this.#open.delete(outgoing.id)
    this.#ground.over(outgoing.id)
    if (this.#open.size > 0) return
    clearInterval(this.#sweeper)
    this.#sweeper = undefined
  }
}

function creditOf({ credit = usualCredit }: CallOptions): number {
  return Math.max(1, Math.min(Math.floor(credit), largestCredit))
}

function startOf({ id, payload, results, wanted }: Outgoing, ttlMs: number): Start {
  const { trigger, options, parent } = wanted
  const flags = new Set<string>()
  if (options.idempotent === true) flags.add("idempotent")
  if (results !== undefined) flags.add("stream")
  if (options.detach === true) flags.add("detach")
  const traceparent = options.traceparent ?? parent?.traceparent
  const tracestate = options.tracestate ?? parent?.tracestate
  return {
    kind: "trigger",
    ...{ id, trigger, payload, flags, ttlMs: Math.ceil(ttlMs) },
    pool: options.pool ?? "default",
    appFlags: options.flags ?? [],
    ...(options.to === undefined ? {} : { destination: options.to }),
    ...(options.affinity === undefined ? {} : { affinity: options.affinity }),
    ...(options.idempotencyKey === undefined ? {} : { key: options.idempotencyKey }),
    ...(options.waitMs === undefined ? {} : { waitMs: options.waitMs }),
    ...(results === undefined ? {} : { credit: creditOf(options) }),
    ...(parent?.isOfServer === true ? { parent: parent.id } : {}),
    ...(traceparent === undefined ? {} : { traceparent }),
    ...(tracestate === undefined ? {} : { tracestate }),
  }
}

function late(how: "sent" | "unsent"): PoolsError {
  const sentence = how === "sent" ? "its time is over" : "its time was over before it was sent"
  return fault("timeout", sentence, { executionUncertain: how === "sent" })
}

function partOver(): PoolsError {
  return fault("cancelled", "the call that it is a part of is over", { executionUncertain: true })
}
