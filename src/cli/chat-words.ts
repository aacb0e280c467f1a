/**
 * What `quartet chat` makes of a typed line, and how it shows a message. Pure.
 *
 * What always holds: a typed line has one reading; a row that shows somebody's text begins with the
 * time and the sender that the server told, or with a bar.
 */
import type { End, Outgoing } from "../client/operators-shapes.ts"
import { isCallsign } from "../wire/operators.ts"
import { rows, visible } from "./terminal.ts"

/** What a line of input asks for. */
export type Wish =
  | { readonly kind: "say"; readonly target: string | undefined; readonly text: string }
  | { readonly kind: "to"; readonly target: string; readonly isNew: boolean }
  | { readonly kind: "recall"; readonly id: string | undefined }
  | { readonly kind: "waiting" | "sessions" | "seen" | "clear" | "die" | "quit" | "help" }
  | { readonly kind: "end"; readonly session: number }
  | { readonly kind: "search"; readonly text: string }
  | { readonly kind: "wrong"; readonly why: string }

export const commands = [
  "/to",
  "/recall",
  "/waiting",
  "/sessions",
  "/end",
  "/seen",
  "/search",
  "/clear",
  "/die",
  "/quit",
  "/help",
] as const

export const helpText = [
  "   text            to whom the prompt names       @bob text   once to bob",
  "   /to bob         talk to bob from now on        /to bob!    also if bob was registered anew",
  "   /recall [id]    take the newest back, or that  /waiting    what of yours has no end yet",
  "   /sessions       your own sessions              /end NO     ends one of them",
  "   /seen           whom you met                   /search T   in what was said since the start",
  "   /clear          empties screen and memory      /die        deletes your account",
  "   /quit           leaves                         //x         a text that begins with /",
  "   Tab completes, Alt-Down goes to the next unread, Alt-Enter begins another line",
]

/** Reads a line. A draft of several lines is a text, but for `@bob ` at its beginning. */
export function wishOf(line: string, kind: "line" | "draft"): Wish {
  if (kind === "line" && line.startsWith("/") && !line.startsWith("//")) return commandOf(line)
  const text = kind === "line" && line.startsWith("//") ? line.slice(1) : line
  const [, target, rest] = /^@([^ \n]+)[ \n]([\s\S]*)$/.exec(text) ?? []
  if (target === undefined || rest === undefined) {
    if (/^@\S*$/.test(text)) return { kind: "wrong", why: "and what? @bob TEXT" }
    return { kind: "say", target: undefined, text }
  }
  if (!isCallsign(target)) return { kind: "wrong", why: `nobody can be called ${visible(target)}` }
  return { kind: "say", target, text: rest }
}

function commandOf(line: string): Wish {
  const [, word = "", rest = ""] = /^\/(\S*) ?(.*)$/.exec(line) ?? []
  switch (word) {
    case "to": {
      const target = rest.trim().replace(/^@/, "").replace(/!$/, "")
      if (!isCallsign(target)) return { kind: "wrong", why: "to whom? /to bob" }
      return { kind: "to", target, isNew: rest.trim().endsWith("!") }
    }
    case "recall":
      return { kind: "recall", id: rest.trim() === "" ? undefined : rest.trim() }
    case "end":
      return /^\d{1,9}$/.test(rest.trim())
        ? { kind: "end", session: Number(rest) }
        : { kind: "wrong", why: "which session? /end NO, and /sessions lists them" }
    case "search":
      return rest === ""
        ? { kind: "wrong", why: "for what? /search TEXT" }
        : { kind: word, text: rest }
    case "waiting":
    case "sessions":
    case "seen":
    case "clear":
    case "die":
    case "quit":
    case "help":
      return { kind: word }
  }
  return { kind: "wrong", why: `there is no /${visible(word)}; /help lists what there is` }
}

/** A message in rows of a terminal. `at` is ms since 1970, shown as local time. */
export function messageRows(
  of: { readonly sender: string; readonly text: string; readonly at: number },
  columns: number,
): readonly string[] {
  const first = `${timeOf(of.at)} ${visible(of.sender)}: `
  return rows(of.text, { columns, first, rest: "      │ " })
}

/** How a message of ours is doing, in a few signs. */
export function markOf(message: Outgoing): string {
  const { state } = message
  if (state === "unsent") return "…"
  if (state === "handed") return "✓"
  if (state === "taken") return "✓✓"
  if (state === "refused") return `refused ${message.reason ?? ""}`.trim()
  if (state !== "waiting") return endWords[state]
  return message.place === undefined
    ? "queued"
    : `queued ${message.place.place}/${message.place.limit}`
}

const endWords: Readonly<Record<Exclude<End, "taken" | "refused">, string>> = {
  expired: "expired: nobody took it in time",
  dropped: "dropped: the account is gone",
  recalled: "recalled",
  unknown: "unknown",
}

/** Why the server refused, where one word is not enough. */
export const refusalWords: Readonly<Record<string, string>> = {
  nobody: "nobody has this callsign",
  changed: "this callsign was registered anew; /to NAME! sends to whoever has it now",
  full: "the mailbox is full",
  share: "your share of the mailbox is used up",
  busy: "the server has no room for it now",
  "too-long": "a text has at most 16384 bytes and 200 lines",
}

/** The beginning of a text, on one row. */
export function excerpt(text: string): string {
  const line = visible(text.replaceAll("\n", " ").replaceAll("\t", " "))
  const characters = Array.from(line)
  return characters.length <= 30 ? line : `${characters.slice(0, 29).join("")}…`
}

function timeOf(at: number): string {
  const date = new Date(at)
  const two = (number: number) => String(number).padStart(2, "0")
  return `${two(date.getHours())}:${two(date.getMinutes())}`
}
