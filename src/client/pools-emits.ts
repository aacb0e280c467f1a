/**
 * Emits of an app, and what it listens to.
 *
 * What always holds: emits leave in the order in which they were made, those that waited for a
 * connection too; the server sends one copy for a connection, so who listens is found by the same
 * patterns here; a pattern is subscribed once, however many listen to it.
 */
import type { Emit as Said, ToldEmit } from "../wire/pools-shapes.ts"
import { fault } from "./pools-faults.ts"
import { type Fields, type Hearing, numberIn, present, type Saying } from "./pools-frames.ts"
import type { Gate } from "./pools-gate.ts"
import type { Requests } from "./pools-requests.ts"
import type { Emit, EmitOptions, OnOptions, Reached, Undo } from "./pools-shapes.ts"
import { payloadFrom, valueFrom } from "./pools-values.ts"

/** How often it is looked whether what is unsent has left, in ms. */
const lookMs = 5

export interface EmitsGround {
  readonly gate: Gate
  readonly requests: Requests
  /** In which pool, where that seals what is said there. */
  say(message: Saying, pool?: string): void
  nextId(): number
  readonly isFull: boolean
  readonly isBehind: boolean
}

type Listener = (payload: unknown, emit: Emit) => void

interface Subscription {
  readonly pool: string
  readonly tokens: readonly string[]
  readonly listeners: Set<Listener>
}

export class Emits {
  readonly #ground: EmitsGround
  readonly #subscriptions = new Map<string, Subscription>()
  /** Names of emits that were sent and may yet be refused, by id. The oldest is let go. */
  readonly #recent = new Map<number, string>()

  constructor(ground: EmitsGround) {
    this.#ground = ground
  }

  /** Rejects with PoolsError, or with TypeError for a payload that is none. */
  async emit(name: string, value: unknown, options: EmitOptions): Promise<Reached | undefined> {
    const ground = this.#ground
    const payload = payloadFrom(value, options.contentType)
    if (ground.isFull) throw fault("busy", "too much is unsent", { retryAfterMs: 100 })
    const result = await new Promise<Fields | undefined>((resolve, reject) => {
      const go = () => {
        const id = ground.nextId()
        const isAsked = options.ack === true
        if (isAsked) ground.requests.await(id, { resolve, reject })
        else this.#note(id, name)
        const emit = emitOf(name, options)
        ground.say({ ...emit, id, payload }, emit.pool)
        if (!isAsked) resolve(undefined)
      }
      ground.gate.pass(go, reject)
    })
    while (ground.isBehind) await new Promise((resolve) => setTimeout(resolve, lookMs))
    if (result === undefined) return undefined
    return { reached: numberIn(result, "reached") ?? 0, lost: numberIn(result, "lost") ?? 0 }
  }

  /** The name of an emit that was refused, by its id. */
  takeName(id: number): string | undefined {
    const name = this.#recent.get(id)
    this.#recent.delete(id)
    return name
  }

  /** Listens. Resolves when it is subscribed; rejects with PoolsError. */
  async on(pattern: string, listener: Listener, options: OnOptions): Promise<Undo> {
    const { pool = "default", group, behind, depth } = options
    const key = `topic ${pool} ${group ?? ""} ${pattern}`
    const offer = present({ pattern, group, behind, depth })
    const topic = Object.keys(offer).length === 1 ? pattern : offer
    const known = this.#subscriptions.get(key)
    const subscription = known ?? { pool, tokens: pattern.split("."), listeners: new Set() }
    this.#subscriptions.set(key, subscription)
    // One's own entry, so that a function given twice is called twice and undone once.
    const entry: Listener = (payload, emit) => listener(payload, emit)
    subscription.listeners.add(entry)
    const { requests } = this.#ground
    const leave = () => {
      subscription.listeners.delete(entry)
      if (subscription.listeners.size > 0) return "others"
      if (this.#subscriptions.get(key) === subscription) this.#subscriptions.delete(key)
      return "none"
    }
    try {
      const body = { type: "subscribe", pool, topics: [topic] }
      await requests.hold(key, { rank: "later", body })
    } catch (thrown) {
      leave()
      throw thrown
    }
    let isDone = false
    return async () => {
      if (isDone) return
      isDone = true
      // The pool is left, and it went along.
      if (leave() === "others" || !requests.holds(key)) return
      await requests.release(key, { type: "unsubscribe", pool, topics: [topic] })
    }
  }

  hear(message: Hearing): "taken" | "other" {
    if (message.kind !== "emitted") return "other"
    const tokens = message.trigger.split(".")
    let payload: unknown
    let emit: Emit | undefined
    for (const { pool, tokens: pattern, listeners } of [...this.#subscriptions.values()]) {
      if (pool !== message.pool || !matches(pattern, tokens)) continue
      payload = emit === undefined ? valueFrom(message.payload) : payload
      emit ??= emitFrom(message)
      for (const listener of [...listeners]) tell(listener, payload, emit)
    }
    return "taken"
  }

  /** A pool is left: nothing of it is heard any more. */
  leave(pool: string): void {
    for (const [key, subscription] of [...this.#subscriptions]) {
      if (subscription.pool !== pool) continue
      this.#subscriptions.delete(key)
      this.#ground.requests.forget(key)
    }
  }

  #note(id: number, name: string): void {
    this.#recent.set(id, name)
    const [oldest] = this.#recent.keys()
    if (this.#recent.size > recentLimit && oldest !== undefined) this.#recent.delete(oldest)
  }
}

/** So many emits are remembered by name, in case they are refused. */
const recentLimit = 256

function tell(listener: Listener, payload: unknown, emit: Emit): void {
  try {
    listener(payload, emit)
  } catch (thrown) {
    // Not ours to swallow: it surfaces as an uncaught error, after everybody has heard.
    queueMicrotask(() => {
      throw thrown
    })
  }
}

/**
 * Whether a pattern means a name, both cut at their dots: `*` is one token, `>` is one or more at
 * the end.
 */
export function matches(pattern: readonly string[], tokens: readonly string[]): boolean {
  for (const [at, wanted] of pattern.entries()) {
    if (wanted === ">" && at === pattern.length - 1) return tokens.length > at
    if (at >= tokens.length || (wanted !== "*" && wanted !== tokens[at])) return false
  }
  return tokens.length === pattern.length
}

function emitOf(name: string, options: EmitOptions): Omit<Said, "id" | "payload"> {
  const { pool = "default", ack, retain, excludeSelf, traceparent, tracestate } = options
  const flags = new Set<string>()
  if (ack === true) flags.add("ack")
  if (retain === true) flags.add("retain")
  if (excludeSelf === true) flags.add("exclude_self")
  return {
    kind: "emit",
    ...{ pool, trigger: name, flags, appFlags: options.flags ?? [] },
    ...(traceparent === undefined ? {} : { traceparent }),
    ...(tracestate === undefined ? {} : { tracestate }),
  }
}

function emitFrom(told: ToldEmit): Emit {
  const { trigger: name, pool, origin, seq, lost = 0, appFlags, traceparent, tracestate } = told
  return {
    ...{ name, pool, origin, seq, lost, retained: told.isRetained === true, flags: appFlags },
    ...(traceparent === undefined ? {} : { traceparent }),
    ...(tracestate === undefined ? {} : { tracestate }),
  }
}
