/**
 * Lines that operators are told. Pure.
 *
 * What always holds: each is one line; in extended mode it begins with `$ `, in classic mode with
 * the sender's callsign, and every further line of a text with `| `. So no text can stand where a
 * line of the server's begins.
 */
import { escaped, type RefusalReason } from "./operators.ts"

/** How a message is doing, or how it ended. */
export type Outcome = "waiting" | "handed" | "taken" | "expired" | "dropped" | "recalled"

/** Why a connection is closed, as its last line says it. */
export type Bye =
  | "closing"
  | "quiet"
  | "full"
  | "deleted"
  | "ended"
  | "replaced"
  | "failures"
  | "late"

/** What is told of a message. `waited` is in seconds. */
export interface Delivery {
  readonly sender: string
  readonly generation: string
  readonly id: string
  readonly text: string
}

/** The figures of `$ hello`. Sizes in bytes or pieces, times in seconds, `rate` in messages a second. */
export interface Limits {
  readonly line: number
  readonly text: number
  readonly lines: number
  readonly mailbox: number
  readonly "mailbox-bytes": number
  readonly share: number
  readonly expiry: number
  readonly ping: number
  /** 0 for no limit. */
  readonly rate: number
  readonly burst: number
  readonly sessions: number
}

/** All that `$ hello` says. */
export interface Hello extends Limits {
  readonly epoch: string
  readonly registration: string
}

/** One of a callsign's sessions. Times are in seconds. */
export interface SessionRow {
  readonly number: number
  readonly open: number
  readonly quiet: number
  readonly mode: string
}

/** A generation as eight hexadecimal digits. */
export function generationText(generation: number): string {
  return generation.toString(16).padStart(8, "0")
}

/** A message for a classic session, a line each. */
export function classicLines(sender: string, text: string): readonly string[] {
  if (!text.includes("\n")) return [`${sender}: ${text}`]
  return text.split("\n").map((line, at) => (at === 0 ? `${sender}: ${line}` : `| ${line}`))
}

export const told = {
  hello: (of: Hello) =>
    `$ hello quartet/1 ${Object.entries(of)
      .map(([name, value]) => `${name}=${value}`)
      .join(" ")}`,
  pong: (word: string) => `$ pong ${word}`,
  ping: "$ ping",
  noted: "$ noted",
  again: (callsign: string) => `$ again ${callsign}`,
  welcome: (callsign: string, generation: string, of: { session: number; waiting: number }) =>
    `$ welcome ${callsign} ${generation} ${of.session} ${of.waiting}`,
  refused: (ref: string, reason: RefusalReason, seconds?: number) =>
    `$ refused ${ref} ${reason}${seconds === undefined ? "" : ` ${seconds}`}`,
  sent: (ref: string, id: string, of: { generation: string; sessions: number }) =>
    `$ sent ${ref} ${id} ${of.generation} ${of.sessions}`,
  queued: (
    ref: string,
    id: string,
    of: { generation: string; place: number; limit: number; seconds: number },
  ) => `$ queued ${ref} ${id} ${of.generation} ${of.place} ${of.limit} ${of.seconds}`,
  known: (ref: string, id: string, state: Outcome) => `$ known ${ref} ${id} ${state}`,
  from: (of: Delivery, waited: number) =>
    `$ from ${of.sender} ${of.generation} ${of.id} ${waited} ${escaped(of.text)}`,
  own: (
    target: string,
    generation: string,
    of: { readonly id: string; readonly ref: string; readonly text: string },
  ) => `$ own ${target} ${generation} ${of.id} ${of.ref} ${escaped(of.text)}`,
  taken: (id: string, how: "confirmed" | "written") => `$ taken ${id} ${how}`,
  over: (id: string, outcome: "expired" | "dropped" | "recalled") => `$ ${outcome} ${id}`,
  waiting: (ids: readonly string[]) => ["$ waiting", ids.length, ...ids].join(" "),
  sessions: (rows: readonly SessionRow[]) =>
    [
      "$ sessions",
      rows.length,
      ...rows.map((row) => `${row.number}:${row.open}:${row.quiet}:${row.mode}`),
    ].join(" "),
  session: (what: "opened" | "closed", number: number) => `$ session ${what} ${number}`,
  ended: (number: number) => `$ ended ${number}`,
  bye: (reason: Bye) => `$ bye ${reason}`,
} as const
