/**
 * JSON messages of pools, checked and read: text in, one message as the code has it out.
 *
 * What always holds: nothing is thrown at the far end's fault; what cannot be read becomes a "bad"
 * message that says which field was wrong and what was expected, with the id of its request.
 */

import { decode64 } from "./base64.ts"
import { isDeeper, shallow } from "./json.ts"
import type { PoolsCode } from "./pools-errors.ts"
import { type Fields, isSecond, plain } from "./pools-latzero.ts"
import { blockOf, memoryRequest } from "./pools-memory.ts"
import { offerOf, topicOf } from "./pools-offers.ts"
import {
  bytesPayload,
  contentTypeOf,
  contentTypes,
  type Payload,
  payloadOf,
} from "./pools-payload.ts"
import { type Examined, fitting, isType, type MessageType, type Written } from "./pools-schemas.ts"
import {
  type Answer,
  type FromApp,
  type Id,
  idOf,
  nameBytes,
  numberOfUuid,
  type Start,
} from "./pools-shapes.ts"
import { firstBadByte, firstBadJson } from "./pools-text.ts"

/** A handler's own text longer than this is cut. */
const sentenceLimit = 4_096
/** What the time to live is unless told, in ms. */
const defaultTtlMs = 30_000

const strict = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true })

/** Bytes that came beside the JSON of a mixed frame. */
export type Raw = Uint8Array | undefined

/** A message that cannot be read. */
export function bad(
  code: PoolsCode,
  sentence: string,
  more: { readonly id?: Id | undefined; readonly field?: string; readonly detail?: unknown } = {},
): FromApp {
  const { id, field, detail } = more
  const fault = {
    ...{ code, sentence: field ? `${field.slice(1)} ${sentence}` : sentence, reason: sentence },
    ...(field === undefined ? {} : { field }),
    ...(detail === undefined ? {} : { detail }),
  }
  return { kind: "bad", id, fault }
}

/** Reads UTF-8 bytes, or a text frame. */
export function readJson(frame: Uint8Array | string, raw?: Raw): FromApp {
  let text: string
  try {
    text = typeof frame === "string" ? frame : strict.decode(frame)
  } catch {
    const at = typeof frame === "string" ? 0 : firstBadByte(frame)
    return bad("bad-message", `byte ${at} is no UTF-8`, { detail: { offset: at } })
  }
  if (isDeeper(text, shallow)) {
    return bad("bad-message", `JSON nests at most ${shallow} deep here`)
  }
  let message: unknown
  try {
    message = JSON.parse(text)
  } catch {
    const at = firstBadJson(text)
    return bad("bad-message", `not JSON at byte ${at}`, { detail: { offset: at } })
  }
  if (typeof message !== "object" || message === null || Array.isArray(message)) {
    return bad("bad-message", "a message is one JSON object", { field: "" })
  }
  // An object, as was just seen.
  return readMessage(message as Fields, text.length, raw)
}

function readMessage(message: Fields, size: number, raw: Raw): FromApp {
  const dialect = isSecond(message) ? "action" : "plain"
  const fields = plain(message)
  const { type, id: asked } = fields
  const id =
    typeof asked === "string" && /^[\x21-\x7e]{1,64}$/.test(asked) ? idOf(asked) : undefined
  if (raw !== undefined && fields["size"] !== raw.length) {
    return bad("bad-message", `must be the number of bytes behind, ${raw.length}`, {
      id,
      field: "/size",
    })
  }
  if (typeof type !== "string") {
    return bad("bad-message", "must be a text that names the kind of message", {
      id,
      field: "/type",
    })
  }
  if (!isType(type)) {
    return bad("unknown-type", `there are no messages of type ${type.slice(0, 64)}`, { id })
  }
  return readers[type](fields, { id, size, raw, dialect })
}

/** What else is known of a message that is read. */
interface Context {
  readonly id: Id | undefined
  readonly size: number
  readonly raw: Raw
  readonly dialect: "plain" | "action"
}

type Reader = (fields: Fields, context: Context) => FromApp

/** Examines a message, then reads it or says what is wrong with it. */
function reader<Value>(
  examine: (value: unknown) => Examined<Value>,
  read: (value: Value, context: Context) => FromApp,
): Reader {
  return (fields, context) => {
    const examined = examine(fields)
    if (examined.fits) return read(examined.value, context)
    const { field, reason } = examined.misfit
    return bad("bad-message", reason, { id: context.id, field })
  }
}

const readers: Readonly<Record<MessageType, Reader>> = {
  handshake: reader(fitting.handshake, readHandshake),
  auth: reader(fitting.auth, readAuth),
  trigger: reader(fitting.trigger, readTrigger),
  response: reader(fitting.response, readResponse),
  emit: reader(fitting.emit, readEmit),
  chunk: reader(fitting.chunk, readChunk),
  credit: reader(fitting.credit, ({ correlation_id, to, count }) => {
    const toward = to === "caller" ? "caller" : "handler"
    return { kind: "credit", to: calledBy(correlation_id, toward), toward, count }
  }),
  cancel: reader(fitting.cancel, ({ correlation_id, mode }) => {
    const known = mode === "kill" || mode === "skip" ? mode : "killnowait"
    return { kind: "cancel", to: idOf(correlation_id), mode: known }
  }),
  drain: reader(fitting.drain, (_, { id }) => ({ kind: "drain", id })),
  ping: reader(fitting.ping, (_, { id }) => ({ kind: "ping", id, form: "json" })),
  pong: reader(fitting.pong, (_, { id }) => ({ kind: "pong", id })),
  register: reader(fitting.register, (value) => readRegister("register", value)),
  unregister: reader(fitting.unregister, (value) => readRegister("unregister", value)),
  subscribe: reader(fitting.subscribe, (value) => readSubscribe("subscribe", value)),
  unsubscribe: reader(fitting.unsubscribe, (value) => readSubscribe("unsubscribe", value)),
  pool: reader(fitting.pool, ({ id, operation, pool, ...fields }) => {
    return { kind: "pool", id: idOf(id), operation, pool, fields }
  }),
  admin: reader(fitting.admin, ({ id, operation, target, params = {} }) => {
    return { kind: "admin", id: idOf(id), operation, target, params }
  }),
  memory: reader(fitting.memory, (value, { id, raw }) => {
    const request = memoryRequest(value, { id, raw })
    return "kind" in request ? request : bad("bad-message", request.reason, { id, ...request })
  }),
}

function readAuth(value: Written<"auth">, { id }: Context): FromApp {
  const signature = decode64(value.signature)
  if (signature?.length !== 64) {
    return bad("bad-message", "must be 64 bytes in base64url", { id, field: "/signature" })
  }
  const to = value.correlation_id
  return { kind: "auth", id: id ?? (to === undefined ? undefined : idOf(to)), signature }
}

function readChunk(value: Written<"chunk">, { id, size, raw }: Context): FromApp {
  const payload = payloadIn(value.payload, value.content_type, { size, raw })
  if (payload === undefined) return notSpelled(id)
  const { correlation_id, seq, last: isLast = false } = value
  const toward = value.to === "caller" ? "caller" : "handler"
  return { kind: "chunk", to: calledBy(correlation_id, toward), toward, seq, payload, isLast }
}

function readSubscribe(
  kind: "subscribe" | "unsubscribe",
  { id, pool, topics }: Written<"subscribe">,
): FromApp {
  return { kind, id: idOf(id), pool, topics: topics.map(topicOf) }
}

function readHandshake(value: Written<"handshake">, { id, dialect }: Context): FromApp {
  const { public_key: key, triggers = [], topics } = value
  const publicKey = key === undefined ? undefined : decode64(key)
  if (key !== undefined && publicKey?.length !== 32) {
    return bad("bad-message", "must be 32 bytes in base64url", { id, field: "/public_key" })
  }
  const offers = triggers.map(offerOf)
  const long = offers.findIndex(({ name }) => !isShort(name))
  if (long >= 0) return tooLong(id, `/triggers/${long}`)
  return {
    kind: "handshake",
    id,
    appId: value.app_id,
    version: value.protocol_version,
    leastVersion: value.min_protocol_version,
    features: value.features ?? [],
    pools: value.pools,
    triggers: value.triggers === undefined ? undefined : offers,
    topics: topics?.map(topicOf),
    metadata: value.metadata,
    publicKey,
    token: value.token,
    resume: value.resume,
    rehydrate: value.rehydrate,
    instances: value.instances ?? false,
    dialect,
  }
}

function readTrigger(value: Written<"trigger">, { id, size, raw }: Context): FromApp {
  if (!isShort(value.trigger)) return tooLong(id, "/trigger")
  const payload = payloadIn(value.payload, value.content_type, { size, raw })
  if (payload === undefined) return notSpelled(id)
  const parent = value.parent === undefined ? undefined : (numberOfUuid(value.parent) ?? -1)
  const start: Start = {
    kind: "trigger",
    id: idOf(value.id),
    pool: value.pool ?? "default",
    trigger: value.trigger,
    payload,
    ttlMs: value.ttl ?? defaultTtlMs,
    ...parted(value.flags),
    ...(value.destination === undefined ? {} : { destination: value.destination }),
    ...(value.affinity === undefined ? {} : { affinity: value.affinity }),
    ...(value.idempotency_key === undefined ? {} : { key: value.idempotency_key }),
    ...(value.wait_ms === undefined ? {} : { waitMs: value.wait_ms }),
    ...(value.credit === undefined ? {} : { credit: value.credit }),
    ...(parent === undefined ? {} : { parent }),
    ...(value.correlation_id === undefined ? {} : { correlation: value.correlation_id }),
    ...(value.call_nonce === undefined ? {} : { nonce: decode64(value.call_nonce) ?? noBytes }),
    ...blockOf(value.block_ref),
    ...traceOf(value),
  }
  return start
}

function readResponse(value: Written<"response">, { id, size, raw }: Context): FromApp {
  const to = numberOfUuid(value.correlation_id)
  const answer = (outcome: Answer["outcome"]): FromApp => ({ kind: "response", id, to, outcome })
  if (value.status === "success") {
    const result = payloadIn(value.result, value.content_type, { size, raw })
    if (result === undefined) return notSpelled(id, "/result")
    return answer({ is: "done", result, ...blockOf(value.block_ref) })
  }
  const { error = "failed" } = value
  const told = typeof error === "string" ? error : JSON.stringify(error)
  const sentence = told.slice(0, sentenceLimit)
  if (value.error_code === "UNAVAILABLE") return answer({ is: "unavailable", sentence })
  const { handler_code: handlerCode } = value
  return answer({ is: "failed", sentence, ...(handlerCode === undefined ? {} : { handlerCode }) })
}

function readEmit(value: Written<"emit">, { id, size, raw }: Context): FromApp {
  if (!isShort(value.trigger)) return tooLong(id, "/trigger")
  const isAsked = value.flags?.includes("ack") === true
  if (isAsked && id === undefined) return bad("bad-message", "is missing", { id, field: "/id" })
  const payload = payloadIn(value.payload, value.content_type, { size, raw })
  if (payload === undefined) return notSpelled(id)
  return {
    kind: "emit",
    id,
    pool: value.pool ?? "default",
    trigger: value.trigger,
    payload,
    ...parted(value.flags),
    ...traceOf(value),
  }
}

function readRegister(
  kind: "register" | "unregister",
  { id, pool, triggers }: Written<"register">,
): FromApp {
  const offers = triggers.map(offerOf)
  const long = offers.findIndex(({ name }) => !isShort(name))
  if (long >= 0) return tooLong(idOf(id), `/triggers/${long}`)
  return { kind, id: idOf(id), pool, triggers: offers }
}

/** Whose id it is: towards the caller it is ours, towards the handler the caller's own. */
function calledBy(correlation: string, toward: "caller" | "handler"): Id | undefined {
  return toward === "caller" ? numberOfUuid(correlation) : idOf(correlation)
}

function payloadIn(
  value: unknown,
  contentType: string | undefined,
  from: { readonly size: number; readonly raw: Raw },
): Payload | undefined {
  if (from.raw === undefined) return payloadOf(value, contentType, from.size)
  const type = contentType === undefined ? contentTypes.bytes : contentTypeOf(contentType)
  return type === undefined ? undefined : bytesPayload(from.raw, type)
}

function parted(flags: readonly string[] = []) {
  if (flags.length === 0) return none
  return {
    flags: new Set(flags.filter((flag) => !flag.startsWith("x-"))),
    appFlags: flags.filter((flag) => flag.startsWith("x-")),
  }
}

const none: { readonly flags: ReadonlySet<string>; readonly appFlags: readonly string[] } = {
  flags: new Set(),
  appFlags: [],
}
const noBytes = new Uint8Array(0)

function traceOf(value: { readonly traceparent?: string; readonly tracestate?: string }) {
  const { traceparent, tracestate } = value
  return {
    ...(traceparent === undefined ? {} : { traceparent }),
    ...(tracestate === undefined ? {} : { tracestate }),
  }
}

/** Whether a name fits where its length has one byte. */
function isShort(name: string): boolean {
  return 3 * name.length <= nameBytes || new TextEncoder().encode(name).length <= nameBytes
}

function tooLong(id: Id | undefined, field: string): FromApp {
  return bad("bad-message", `must have at most ${nameBytes} bytes of UTF-8`, { id, field })
}

function notSpelled(id: Id | undefined, field = "/payload"): FromApp {
  return bad("bad-message", "does not spell what content_type says", { id, field })
}
