/**
 * Frames of pools as apps send them, in every form, and what chance makes of them.
 *
 * What always holds: all of it is drawn from one seed, so the same seed gives the same frames.
 */
import { compactFromApp } from "../src/wire/pools-compact-app.ts"
import { noPayload, type Payload, valuePayload } from "../src/wire/pools-payload.ts"

const trace = {
  traceparent: "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
  tracestate: "a=1,b=2",
}
const given = "00000000-0000-4000-8000-000000000001"
const offer = {
  ...{ name: "work", policy: "hash", concurrency: 2, queue: 3, weight: 4, idempotent: true },
  ...{ version: "1", input: { type: "object" }, output: {}, description: "works" },
}
const topics = ["log.*", { pattern: "a.>", group: "g", behind: "conflate", depth: 9 }]

/** A message of each type and operation, with all of its fields. */
export const messages: readonly Readonly<Record<string, unknown>>[] = [
  {
    ...{ type: "handshake", id: "1", app_id: "eve", protocol_version: "1.0", pools: ["default"] },
    ...{ triggers: [offer, "plain"], topics, metadata: { a: [1] }, min_protocol_version: "0.1" },
    ...{ features: ["mixed", "compact"], resume: "secret", rehydrate: true, instances: true },
    public_key: "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo",
  },
  { type: "auth", id: "2", signature: "A".repeat(86) },
  {
    ...{ type: "trigger", id: "3", trigger: "work", payload: { x: 1 }, pool: "default" },
    ...{ destination: "bob#1", ttl: 500, flags: ["idempotent", "x-mine"], correlation_id: "c" },
    ...{ parent: given, affinity: "k", wait_ms: 50, credit: 2, ...trace },
    call_nonce: "AAAAAAAAAAAAAAAAAAAAAA",
  },
  { type: "trigger", id: "4", trigger: "work", idempotency_key: "k", payload: "é😀" },
  { type: "trigger", id: "5", trigger: "work", flags: ["stream", "detach"], credit: 1 },
  { type: "trigger", id: "6", trigger: "work", content_type: "bytes", payload: "AAEC" },
  { type: "response", correlation_id: given, status: "success", result: { y: 2 } },
  { type: "response", correlation_id: given, status: "error", error: "no", handler_code: "E" },
  { type: "response", correlation_id: given, status: "error", error_code: "UNAVAILABLE" },
  { type: "emit", id: "7", trigger: "log.web", payload: 1, flags: ["ack", "retain"], ...trace },
  { type: "chunk", correlation_id: given, to: "caller", seq: 0, payload: "c", last: true },
  { type: "chunk", correlation_id: "5", to: "handler", seq: 0, payload: "c" },
  { type: "credit", correlation_id: "5", to: "handler", count: 4 },
  { type: "cancel", correlation_id: "3", mode: "kill" },
  { type: "drain", id: "8" },
  { type: "ping", id: "9" },
  { type: "pong", id: "10" },
  { type: "register", id: "11", pool: "default", triggers: [offer] },
  { type: "unregister", id: "12", pool: "default", triggers: ["work"] },
  { type: "subscribe", id: "13", pool: "default", topics },
  { type: "unsubscribe", id: "14", pool: "default", topics: ["log.*"] },
  {
    ...{ type: "pool", id: "15", operation: "create", pool: "mine", owners: ["eve"], limits: {} },
    ...{ rights: { read: ["team-*"] }, description: "d", pool_type: "local", encrypted: false },
  },
  ...["join", "leave", "members", "destroy", "epochs", "prove"].map((operation, at) => {
    return { type: "pool", id: `p${at}`, operation, pool: "mine", force: true }
  }),
  { type: "pool", id: "16", operation: "set_rights", pool: "mine", rights: { write: ["eve"] } },
  ...[
    ...["list_pools", "list_apps", "list_triggers", "list_calls", "server_status"],
    ...["explain", "release_app", "disconnect_app", "inspect_block", "list_blocks"],
  ].map((operation, at) => {
    return { type: "admin", id: `a${at}`, operation, target: "work", params: { limit: 3 } }
  }),
  { type: "memory", id: "17", operation: "read", block_id: "b" },
  { action: "handshake", id: "18", app_id: "eve", triggers: ["work"], meta: {} },
  { action: "trigger", id: "19", process: "work", data: { x: 1 } },
  { action: "response", in_reply_to: given, response: 1, status: "ok" },
]

const text = (value: string) => new TextEncoder().encode(value)

/** A mixed frame: JSON, and bytes behind it. */
export function mixedFrame(header: object, raw: Uint8Array): Uint8Array<ArrayBuffer> {
  const json = text(JSON.stringify({ ...header, size: raw.length }))
  const frame = new Uint8Array(5 + json.length + raw.length)
  new DataView(frame.buffer).setUint32(1, json.length)
  frame.set(json, 5)
  frame.set(raw, 5 + json.length)
  return frame
}

function compactFrames(): readonly Uint8Array[] {
  const none = new Set<string>()
  const payload: Payload = valuePayload({ x: 1 }, 7)
  const start = { kind: "trigger", id: 3, pool: "default", trigger: "work", payload } as const
  const written = [
    compactFromApp({ ...start, ttlMs: 500, flags: none, appFlags: [] }),
    compactFromApp({
      ...{ ...start, ttlMs: 500, flags: new Set(["idempotent", "stream"]), appFlags: ["x-mine"] },
      ...{ destination: "bob", affinity: "a", key: "k", waitMs: 5, credit: 6, parent: 1 },
      ...{ correlation: "c", ...trace, nonce: new Uint8Array(16) },
    }),
    compactFromApp({
      ...{ kind: "response", id: undefined, to: 1 },
      outcome: { is: "done", result: payload },
    }),
    compactFromApp({
      ...{ kind: "response", id: undefined, to: 1 },
      outcome: { is: "failed", sentence: "no", handlerCode: "E" },
    }),
    compactFromApp({
      ...{ kind: "emit", id: 7, pool: "default", trigger: "log.web", payload: noPayload },
      ...{ flags: new Set(["ack", "retain", "exclude_self"]), appFlags: [], ...trace },
    }),
    compactFromApp({ kind: "chunk", to: 1, toward: "caller", seq: 0, payload, isLast: true }),
    compactFromApp({ kind: "credit", to: 3, toward: "handler", count: 9 }),
    compactFromApp({ kind: "cancel", to: 3, mode: "kill" }),
    compactFromApp({ kind: "pong", id: 4 }),
  ]
  return written.filter((frame) => frame !== undefined)
}

/** What apps send, a frame each. */
export const frames: readonly Uint8Array[] = [
  ...messages.map((each) => text(JSON.stringify(each))),
  ...messages
    .filter((each) => "payload" in each)
    .map(({ payload: _, ...each }) => mixedFrame(each, text("raw bytes"))),
  ...compactFrames(),
]

/** Values that are seldom meant. */
const odd = [
  ...["null", "[]", "{}", "-1", "1e300", "0.5", '""', "true", '"\\ud800"', '"\\u0000"'],
  ...["9007199254740993", "4294967296", '{"__proto__":1}', "[[[[]]]]"],
]

/** Chance out of a seed: the numbers are those of mulberry32. */
export class Dice {
  #state: number

  constructor(seed: number) {
    this.#state = seed | 0
  }

  /** A whole number from 0, below `sides`. */
  below(sides: number): number {
    this.#state = (this.#state + 0x6d2b79f5) | 0
    let mixed = Math.imul(this.#state ^ (this.#state >>> 15), this.#state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) % sides
  }

  of<T>(values: readonly T[]): T {
    return values[this.below(values.length)] as T // the number is below the length, which is not 0
  }

  bytes(length: number): Uint8Array {
    return Uint8Array.from({ length }, () => this.below(256))
  }
}

/** One frame: bytes by chance, or what an app sends with up to four things wrong in it. */
export function strangeFrame(dice: Dice): Uint8Array {
  if (dice.below(10) === 0) {
    const marked = Uint8Array.from([dice.of([0, 0x7b, 0xb1, dice.below(256)]), ...dice.bytes(40)])
    return marked.subarray(0, 1 + dice.below(40))
  }
  let frame = dice.of(frames)
  for (let left = dice.below(5); left > 0; left--) frame = mutated(frame, dice)
  return frame
}

function mutated(frame: Uint8Array, dice: Dice): Uint8Array {
  const at = dice.below(frame.length + 1)
  const to = at + dice.below(frame.length + 1 - at)
  switch (dice.below(7)) {
    case 0: {
      const copy = frame.slice()
      if (at < copy.length) copy[at] = dice.of([0, 0xff, 0x22, 0x5c, dice.below(256)])
      return copy
    }
    case 1:
      return frame.subarray(0, at)
    case 2:
      return joined(frame.subarray(0, at), frame.subarray(to))
    case 3:
      return joined(frame.subarray(0, to), frame.subarray(at))
    case 4:
      return joined(frame.subarray(0, at), dice.bytes(dice.below(9)), frame.subarray(at))
    case 5:
      return joined(frame.subarray(0, at), dice.of(frames).subarray(at))
  }
  // A value of JSON is another one.
  const json = new TextDecoder().decode(frame)
  const values = [...json.matchAll(/(?<=:)("[^"]*"|[\d.]+|true|false|\[[^\]]*\])/g)]
  const found = values.length === 0 ? undefined : dice.of(values)
  if (found === undefined || frame[0] !== 0x7b) return frame
  const rest = json.slice(found.index + found[0].length)
  return text(json.slice(0, found.index) + dice.of(odd) + rest)
}

function joined(...pieces: readonly Uint8Array[]): Uint8Array {
  return Uint8Array.from(Buffer.concat(pieces))
}
