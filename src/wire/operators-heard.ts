/**
 * Lines of extended mode, read as what the server tells. Pure; the other way round is
 * `operators-told.ts`.
 *
 * What always holds: a line whose word is not known, or whose fields do not fit, is "unknown" and
 * nothing is guessed; further fields at the end of a known one are passed over, except where the
 * rest of the line is a text.
 */
import { isCallsign, type RefusalReason, unescaped } from "./operators.ts"
import type { Limits, Outcome, SessionRow } from "./operators-told.ts"

/** One line of the server. */
export type Heard =
  | { readonly kind: "hello"; readonly epoch: string; readonly limits: Limits }
  | { readonly kind: "pong"; readonly word: string }
  | { readonly kind: "ping" | "noted" | "again" | "unknown" }
  | {
      readonly kind: "welcome"
      readonly callsign: string
      readonly generation: string
      readonly session: number
    }
  | HeardAnswer
  | {
      readonly kind: "from"
      readonly sender: string
      readonly generation: string
      readonly id: string
      readonly waited: number
      readonly text: string
    }
  | {
      readonly kind: "own"
      readonly target: string
      readonly generation: string
      readonly id: string
      readonly ref: string
      readonly text: string
    }
  | { readonly kind: "over"; readonly id: string; readonly outcome: Outcome }
  | { readonly kind: "waiting"; readonly ids: readonly string[] }
  | { readonly kind: "sessions"; readonly rows: readonly SessionRow[] }
  | { readonly kind: "session"; readonly what: string; readonly number: number }
  | { readonly kind: "ended"; readonly number: number }
  | { readonly kind: "bye"; readonly reason: string }

/** What became of a message, or of a command without a ref. */
export type HeardAnswer =
  | {
      readonly kind: "refused"
      readonly ref: string
      readonly reason: RefusalReason
      readonly seconds: number | undefined
    }
  | {
      readonly kind: "sent"
      readonly ref: string
      readonly id: string
      readonly generation: string
    }
  | {
      readonly kind: "queued"
      readonly ref: string
      readonly id: string
      readonly generation: string
      readonly place: number
      readonly limit: number
    }
  | {
      readonly kind: "known"
      readonly ref: string
      readonly id: string
      readonly state: Outcome
    }

/** Before `$ hello` came: what every server has unless it says otherwise. */
export const usualLimits: Limits = {
  line: 36_864,
  text: 16_384,
  lines: 200,
  mailbox: 256,
  "mailbox-bytes": 262_144,
  share: 64,
  expiry: 604_800,
  ping: 30,
  rate: 2,
  burst: 5,
  sessions: 5,
}

const reasons: Readonly<Record<RefusalReason, true>> = {
  "bad-line": true,
  "login-first": true,
  login: true,
  name: true,
  busy: true,
  slow: true,
  nobody: true,
  changed: true,
  empty: true,
  "too-long": true,
  full: true,
  share: true,
  gone: true,
}
const outcomes: Readonly<Record<Outcome, true>> = {
  waiting: true,
  handed: true,
  taken: true,
  expired: true,
  dropped: true,
  recalled: true,
}
const unknown: Heard = { kind: "unknown" }

/** Reads one line of a server in extended mode. */
export function parseHeard(line: string): Heard {
  if (!line.startsWith("$ ")) return unknown
  const [word = "", ...fields] = line.slice(2).split(" ")
  const [first = "", second = ""] = fields
  if (word === "from" || word === "own") return messageOf(line)
  if (word === "sent" || word === "queued" || word === "known" || word === "refused") {
    return answerOf(word, fields)
  }
  if (word === "hello") return helloOf(fields)
  if (word === "ping" || word === "noted" || word === "again") return { kind: word }
  if (word === "pong") return { kind: "pong", word: first }
  if (word === "welcome" && isCallsign(first) && isMark(second)) {
    const session = numberOf(fields[2] ?? "")
    return { kind: "welcome", callsign: first, generation: second, session }
  }
  // Before the outcomes: "waiting" is one of them as a state, and here the answer to `$ waiting`.
  if (word === "waiting") return { kind: "waiting", ids: fields.slice(1, 1 + numberOf(first)) }
  if (isOutcome(word)) return { kind: "over", id: first, outcome: word }
  if (word === "sessions") return { kind: "sessions", rows: fields.slice(1).flatMap(rowOf) }
  if (word === "session") return { kind: "session", what: first, number: numberOf(second) }
  if (word === "ended") return { kind: "ended", number: numberOf(first) }
  if (word === "bye") return { kind: "bye", reason: first }
  return unknown
}

function helloOf(fields: readonly string[]): Heard {
  if (fields[0] !== "quartet/1") return unknown
  const pairs = fields.map((field) => field.split("="))
  const said = new Map(pairs.map(([name = "", value = ""]) => [name, value]))
  const epoch = said.get("epoch")
  if (epoch === undefined) return unknown
  const limit = (name: keyof Limits) => {
    const value = Number(said.get(name))
    return Number.isFinite(value) && said.has(name) ? value : usualLimits[name]
  }
  const limits: Limits = {
    line: limit("line"),
    text: limit("text"),
    lines: limit("lines"),
    mailbox: limit("mailbox"),
    "mailbox-bytes": limit("mailbox-bytes"),
    share: limit("share"),
    expiry: limit("expiry"),
    ping: limit("ping"),
    rate: limit("rate"),
    burst: limit("burst"),
    sessions: limit("sessions"),
  }
  return { kind: "hello", epoch, limits }
}

function answerOf(word: HeardAnswer["kind"], fields: readonly string[]): Heard {
  const [ref = "", id = "", generation = "", place = "", limit = ""] = fields
  if (word !== "refused" && !isMark(id)) return unknown
  if (word === "refused") {
    const seconds = fields[2] === undefined ? undefined : numberOf(fields[2])
    return { kind: "refused", ref, reason: isReason(id) ? id : "bad-line", seconds }
  }
  if (word === "known") {
    return isOutcome(generation) ? { kind: "known", ref, id, state: generation } : unknown
  }
  if (!isMark(generation)) return unknown
  if (word === "sent") return { kind: "sent", ref, id, generation }
  return { kind: "queued", ref, id, generation, place: numberOf(place), limit: numberOf(limit) }
}

function messageOf(line: string): Heard {
  const found = /^\$ (from|own) ([^ ]+) ([^ ]+) ([^ ]+) ([^ ]+) (.*)$/.exec(line)
  const [, word, who = "", generation = "", id = "", field = "", rest = ""] = found ?? []
  const text = unescaped(rest)
  if (text === undefined || !isCallsign(who) || !isMark(generation) || !isMark(id)) return unknown
  return word === "from"
    ? { kind: "from", sender: who, generation, id, waited: numberOf(field), text }
    : { kind: "own", target: who, generation, id, ref: field, text }
}

function rowOf(field: string): readonly SessionRow[] {
  const [number = "", open = "", quiet = "", mode] = field.split(":")
  if (mode === undefined) return []
  return [{ number: numberOf(number), open: numberOf(open), quiet: numberOf(quiet), mode }]
}

function isReason(word: string): word is RefusalReason {
  return Object.hasOwn(reasons, word)
}

function isOutcome(word: string): word is Outcome {
  return Object.hasOwn(outcomes, word)
}

/** Whether it is a generation or an id: nothing that a terminal would not print as it is. */
function isMark(field: string): boolean {
  return /^[a-z0-9]{1,32}$/.test(field)
}

function numberOf(text: string): number {
  const number = Number(text)
  return Number.isSafeInteger(number) && number >= 0 ? number : 0
}
