/**
 * Lines that operators send: cleaned, and read as what they mean where they stand. Pure, for browsers too.
 *
 * What always holds: a line that was cleaned holds no control character but TAB, so nothing that is
 * sent on can begin a line of its own or redraw a terminal; and each line has exactly one reading.
 *
 *     bob hello               one message
 *     bob $ first             begins a message of several lines; "$" alone ends it
 *     $ send r1 bob a\nb      extended mode: a message with a ref, escaped
 */
import { WireError } from "./error.ts"
import { overlong } from "./lines.ts"

/** Bytes of a line with its newline: a text of `textBytes`, fully escaped, fits. */
export const lineBytes = 36_864
/** UTF-8 bytes of a text. */
export const textBytes = 16_384
/** Lines of a text. */
export const textLines = 200
/** Ids that one `$ got` may name. */
export const gotIds = 64

const passwordBytes = 1_024
const tokenLength = 128
const wordLength = 64

/** Stands where a WebSocket message held a newline. */
export const misshapen = Symbol("misshapen")

/** One line as it comes from a connection. */
export type Line = string | typeof overlong | typeof misshapen

/** "classic" writes deliveries only; "extended" answers every line. */
export type Mode = "classic" | "extended"

/** Where a line stands: first of its connection, before login, after it, or inside a multi-line message. */
export type Stage = "new" | "stranger" | "member" | "block"

/** Why nothing was done. A closed list. */
export type RefusalReason =
  | "bad-line"
  | "login-first"
  | "login"
  | "name"
  | "busy"
  | "slow"
  | "nobody"
  | "changed"
  | "empty"
  | "too-long"
  | "full"
  | "share"
  | "gone"

/** What a line asks for. */
export type FromOperator =
  | { readonly kind: "nothing" }
  | { readonly kind: "refused"; readonly ref: string; readonly reason: RefusalReason }
  | { readonly kind: "extend" }
  | { readonly kind: "ping"; readonly word: string }
  | { readonly kind: "pong" }
  | { readonly kind: "invite"; readonly token: string }
  | { readonly kind: "login"; readonly callsign: string; readonly password: string }
  | Message
  | { readonly kind: "begin"; readonly target: string; readonly first: string }
  | { readonly kind: "more"; readonly line: Line }
  | { readonly kind: "finish" }
  | { readonly kind: "got"; readonly ids: readonly string[] }
  | { readonly kind: "recall"; readonly id: string }
  | { readonly kind: "waiting" }
  | { readonly kind: "sessions" }
  | { readonly kind: "end"; readonly number: number }
  | { readonly kind: "die" }

/** A text for somebody. `generation` is the one it is pinned to. */
export interface Message {
  readonly kind: "message"
  readonly ref: string
  readonly target: string
  readonly generation: string | undefined
  readonly text: string
}

/** What stands for a ref where none was given. */
export const noRef = "-"

const callsignPattern = /^[A-Za-z0-9][A-Za-z0-9_-]{0,31}$/
const refPattern = /^(?!-$)[A-Za-z0-9_-]{1,32}$/
const idPattern = /^[a-z2-7]{10}$/
const generationPattern = /^[0-9a-f]{8}$/
const commands: ReadonlySet<string> = new Set(
  "quartet invite die ping pong send got recall waiting sessions end".split(" "),
)
// C0 without TAB, DEL, C1, and the two that some programs take for the end of a line.
const noText = /[\u0000-\u0008\u000a-\u001f\u007f-\u009f\u2028\u2029]/
const allNoText = new RegExp(noText, "g")

const utf8 = new TextEncoder()
const nothing = { kind: "nothing" } as const

/** Whether someone may be called so, as far as the grammar goes. */
export function isCallsign(word: string): boolean {
  return callsignPattern.test(word)
}

/** Callsigns are compared like this. */
export function folded(callsign: string): string {
  return callsign.toLowerCase()
}

/** Puts U+FFFD in place of every control character but TAB. */
export function cleaned(line: string): string {
  return noText.test(line) ? line.replace(allNoText, "\ufffd") : line
}

/** The UTF-8 bytes of a text. */
export function bytesOf(text: string): number {
  return utf8.encode(text).length
}

/** Whether a text, or a text and what comes to it, is above its limits. */
export function isTooLong(text: string): boolean {
  // A unit of UTF-16 takes three bytes at most, so the short need not be encoded to be let through.
  if (text.length * 3 > textBytes && bytesOf(text) > textBytes) return true
  return text.length >= textLines && text.split("\n", textLines + 1).length > textLines
}

/** A text on one line: `\` as `\\`, a newline as `\n`. */
export function escaped(text: string): string {
  return text.replace(/[\\\n]/g, (character) => (character === "\n" ? "\\n" : "\\\\"))
}

/** Undoes `escaped`; undefined where a backslash stands before anything else. */
export function unescaped(line: string): string | undefined {
  if (/\\(?!n)/.test(line.replaceAll("\\\\", ""))) return undefined
  return line.replace(/\\([\\n])/g, (_, character) => (character === "n" ? "\n" : "\\"))
}

/** Lines of TCP and unix sockets. Bytes stand for a line above the limit. */
export const operatorsCodec = {
  decode: (frame: Uint8Array | string): Line =>
    typeof frame === "string" ? cleaned(frame) : overlong,
  encode: (line: string): string => line,
  refuse: (): undefined => undefined,
}

/** The same over WebSocket, a line a message. Throws "bad-message" for a binary one. */
export const operatorsSocketCodec = {
  decode(frame: Uint8Array | string): Line {
    if (typeof frame !== "string") throw new WireError("bad-message", "a line is a text message")
    // Counted with the newline that it has over TCP.
    if (frame.length >= lineBytes || bytesOf(frame) >= lineBytes) return overlong
    if (frame.includes("\n")) return misshapen
    return cleaned(frame.replace(/\r+$/, ""))
  },
  encode: (line: string): string => line,
  refuse: (): undefined => undefined,
}

/** Reads a cleaned line where it stands. What classic mode ignores is "nothing" there. */
export function parseLine(line: Line, mode: Mode, stage: Stage): FromOperator {
  if (stage === "block") return line === "$" ? { kind: "finish" } : { kind: "more", line }
  if (line === overlong) return refused(mode, "too-long")
  if (line === misshapen) return refused(mode, "bad-line")
  if (line === "") return nothing
  if (stage === "new" && line === "$ quartet") return { kind: "extend" }
  if (line === "$") return refused(mode, "bad-line")
  return line.startsWith("$ ") ? command(line.slice(2), mode, stage) : message(line, mode, stage)
}

function message(line: string, mode: Mode, stage: Stage): FromOperator {
  const space = line.indexOf(" ")
  const target = line.slice(0, space)
  if (space < 0 || !isCallsign(target)) return refused(mode, "bad-line")
  if (stage !== "member") return refused(mode, "login-first")
  const text = line.slice(space + 1)
  if (text === "$" || text.startsWith("$ ")) return { kind: "begin", target, first: text.slice(2) }
  return { kind: "message", ref: noRef, target, generation: undefined, text }
}

function command(rest: string, mode: Mode, stage: Stage): FromOperator {
  const space = rest.indexOf(" ")
  const word = space < 0 ? rest : rest.slice(0, space)
  const words = space < 0 ? undefined : rest.slice(space + 1)
  const isMember = stage === "member"
  if (word === "invite") {
    const isToken = words !== undefined && words.length > 0 && words.length <= tokenLength
    return isMember || !isToken ? refused(mode, "bad-line") : { kind: "invite", token: words }
  }
  if (word === "die") {
    if (words !== undefined) return refused(mode, "bad-line")
    return isMember ? { kind: "die" } : refused(mode, "login-first")
  }
  if (commands.has(word)) return mode === "classic" ? nothing : extended(word, words, stage)
  if (isMember || !isCallsign(word) || !isPassword(words)) return refused(mode, "bad-line")
  return { kind: "login", callsign: word, password: words.normalize("NFC") }
}

/** A command that only extended mode has. */
function extended(word: string, words: string | undefined, stage: Stage): FromOperator {
  if (word === "ping") {
    const isWord = words !== undefined && words.length <= wordLength && /^[^ ]+$/.test(words)
    return isWord ? { kind: "ping", word: words } : bad()
  }
  if (word === "pong") return words === undefined ? { kind: "pong" } : bad()
  const read = membersCommand(word, words)
  if (stage === "member" || read.kind === "refused") return read
  // `$ got` has no answer, here neither.
  if (read.kind === "got") return nothing
  return bad("login-first", read.kind === "message" ? read.ref : noRef)
}

function membersCommand(word: string, words: string | undefined): FromOperator {
  if (word === "waiting" || word === "sessions") {
    return words === undefined ? { kind: word } : bad()
  }
  if (words === undefined) return bad()
  if (word === "send") return send(words)
  if (word === "recall") return idPattern.test(words) ? { kind: "recall", id: words } : bad()
  if (word === "end") {
    return /^[1-9]\d{0,8}$/.test(words) ? { kind: "end", number: Number(words) } : bad()
  }
  if (word !== "got") return bad()
  const ids = words.split(" ", gotIds + 1)
  return ids.length <= gotIds && ids.every((id) => idPattern.test(id))
    ? { kind: "got", ids }
    : bad()
}

function send(words: string): FromOperator {
  const parts = /^([^ ]+) ([^ /]+)(?:\/([^ ]+))? (.*)$/.exec(words)
  const [, ref = "", target = "", generation, rest = ""] = parts ?? []
  if (!refPattern.test(ref)) return bad()
  const isPin = generation === undefined || generationPattern.test(generation)
  const text = unescaped(rest)
  if (!isCallsign(target) || !isPin || text === undefined) return bad("bad-line", ref)
  return { kind: "message", ref, target, generation, text }
}

function isPassword(words: string | undefined): words is string {
  if (words === undefined || words === "") return false
  return bytesOf(words.normalize("NFC")) <= passwordBytes
}

function bad(reason: RefusalReason = "bad-line", ref = noRef): FromOperator {
  return { kind: "refused", ref, reason }
}

function refused(mode: Mode, reason: RefusalReason): FromOperator {
  return mode === "classic" ? nothing : bad(reason)
}
