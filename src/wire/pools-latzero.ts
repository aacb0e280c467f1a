/**
 * Protocol 0.1 of the process fabric this one continues, and the second spelling its manual prints.
 *
 * What always holds: on the way in every old name means its new one, and where both stand the new
 * one counts; on the way out a 0.1 connection hears only the types and words it knows.
 */
import { type PoolsCode, wordOf } from "./pools-errors.ts"

export type Fields = Readonly<Record<string, unknown>>

/** Types of blocks: an old program's `create` writes one over its own `type`. */
const blockTypes = new Set([
  "shared",
  "persistent",
  "encrypted",
  "temporary",
  "json",
  "binary",
  "stream",
])

/** The types a 0.1 connection knows. */
const oldTypes = new Set([
  "handshake_ack",
  "trigger",
  "response",
  "emit",
  "error",
  "memory",
  "admin",
])

const oldWords: Partial<Record<PoolsCode, string>> = {
  "bad-frame": "VALIDATION_ERROR",
  "bad-message": "VALIDATION_ERROR",
  "too-large": "VALIDATION_ERROR",
  "duplicate-id": "VALIDATION_ERROR",
  "out-of-range": "VALIDATION_ERROR",
  "unknown-type": "UNKNOWN_MESSAGE_TYPE",
  "unsupported-version": "HANDSHAKE_ERROR",
  "not-ready": "HANDSHAKE_ERROR",
  "app-id-taken": "HANDSHAKE_ERROR",
  unauthenticated: "ACCESS_DENIED",
  forbidden: "ACCESS_DENIED",
  "not-member": "ACCESS_DENIED",
  "not-encrypted": "ACCESS_DENIED",
  "not-callee": "ACCESS_DENIED",
  "lock-lost": "ACCESS_DENIED",
  "no-pool": "NOT_FOUND",
  "no-handler": "NOT_FOUND",
  "no-block": "NOT_FOUND",
  "generation-gone": "NOT_FOUND",
  "handler-lost": "SERVICE_UNAVAILABLE",
  busy: "SERVICE_UNAVAILABLE",
  draining: "SERVICE_UNAVAILABLE",
  unavailable: "SERVICE_UNAVAILABLE",
  "no-space": "SERVICE_UNAVAILABLE",
  limit: "SERVICE_UNAVAILABLE",
  internal: "INTERNAL_ERROR",
}

/** The word a 0.1 connection hears for a code. */
export function oldWordOf(code: PoolsCode): string {
  return oldWords[code] ?? wordOf(code)
}

/** Whether a 0.1 connection knows messages of this type. */
function isOldType(type: unknown): boolean {
  return typeof type === "string" && oldTypes.has(type)
}

/** Whether a message is spelled the second way. */
export function isSecond(message: Fields): boolean {
  return message["action"] !== undefined && message["type"] === undefined
}

/** Names of the second spelling. */
const secondNames = new Set(["action", "process", "data", "in_reply_to", "response", "meta"])

/** A message with the names that the schemas know. Fields that are null count as absent. */
export function plain(message: Fields): Fields {
  if (isPlain(message)) return message
  const { action, process, data, in_reply_to, response, meta, ...rest } = message
  const type = rest["type"] ?? action
  const plainly: Record<string, unknown> = {}
  for (const [name, value] of Object.entries(rest)) {
    if (value !== null || name === "payload" || name === "result") plainly[name] = value
  }
  const isSent = type === "trigger" || type === "emit"
  plainly["type"] = typeOf(type, rest)
  fill(plainly, "trigger", process)
  fill(plainly, isSent ? "payload" : "data", data)
  fill(plainly, "correlation_id", in_reply_to)
  if (type === "response") fill(plainly, "result", response)
  fill(plainly, "metadata", meta)
  if (type === "response" && rest["status"] === "ok") plainly["status"] = "success"
  return plainly
}

/** A message as its receiver spells it; undefined when it is of a type that a 0.1 connection does not know. */
export function spelledFor(
  message: Fields,
  form: { readonly version: string; readonly dialect: string },
): Fields | undefined {
  if (form.version === "0.1" && !isOldType(message["type"])) return undefined
  if (form.dialect === "plain") return message
  const { type, trigger, payload, correlation_id, result, metadata, status, ...rest } = message
  return {
    action: type,
    ...rest,
    ...(status === undefined ? {} : { status: status === "success" ? "ok" : status }),
    ...(trigger === undefined ? {} : { process: trigger }),
    ...("payload" in message ? { data: payload } : {}),
    ...(correlation_id === undefined ? {} : { in_reply_to: correlation_id }),
    ...("result" in message ? { response: result } : {}),
    ...(metadata === undefined ? {} : { meta: metadata }),
  }
}

/** Whether a message has the names that the schemas know, as most have. */
function isPlain(message: Fields): boolean {
  for (const name of Object.keys(message)) {
    const isNothing = message[name] === null && name !== "payload" && name !== "result"
    if (isNothing || secondNames.has(name)) return false
  }
  const { type, status } = message
  return typeOf(type, message) === type && !(type === "response" && status === "ok")
}

function typeOf(type: unknown, rest: Fields): unknown {
  const isBlock = typeof type === "string" && (blockTypes.has(type) || type === "binary_frame")
  return isBlock && typeof rest["operation"] === "string" ? "memory" : type
}

function fill(plainly: Record<string, unknown>, name: string, value: unknown): void {
  if (plainly[name] === undefined && value !== undefined && value !== null) plainly[name] = value
}
