/**
 * What `quartet call` and `quartet watch` share: who they are among the apps of a server, how times
 * are said, and how values and failures become one line.
 *
 * What always holds: a line that is made here is one line, and nothing in it moves a cursor, changes
 * a setting of the terminal or turns the direction of reading.
 */
import { readFileSync } from "node:fs"
import { type AppOptions, PoolsError } from "../client/tcp.ts"
import { visible } from "./terminal.ts"

/** The options that say which server, and as whom. */
export const visitOptions = {
  url: { type: "string", default: "tcp://127.0.0.1:45227" },
  pool: { type: "string", default: "default" },
  app: { type: "string" },
  "token-file": { type: "string" },
  help: { type: "boolean", short: "h", default: false },
} as const

/** What a help text says of them. */
export const visitHelp = `  --url URL              the server: tcp://HOST:PORT (127.0.0.1:45227), tls://HOST:PORT,
                         unix:PATH, or the address of its page
  --pool POOL            the pool (default)
  --app ID               the app id to go by, where rights are given to it
  --token-file FILE      the first line of FILE is the token that proves it`

/** Who a command is among the apps: `name`, unless it was told otherwise. Throws for no such file. */
export function visitor(
  values: {
    readonly pool: string
    readonly app?: string | undefined
    readonly "token-file"?: string | undefined
  },
  name: string,
): AppOptions {
  const { pool, app = name, "token-file": file } = values
  const token = file === undefined ? undefined : readFileSync(file, "utf8").split("\n")[0]?.trim()
  // Several may run at once; each is an instance of its own.
  const who = { app, pools: [pool], instances: true }
  return token === undefined ? who : { ...who, token }
}

const units = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000 }

/** `5s`, `250ms`, `2m` or `1h` in ms. Throws one sentence for anything else. */
export function milliseconds(option: string, text: string): number {
  const [, count = "", unit] = /^(\d{1,9}(?:\.\d{1,3})?)(ms|s|m|h)$/.exec(text) ?? []
  if (unit !== "ms" && unit !== "s" && unit !== "m" && unit !== "h") {
    throw new TypeError(`--${option} is a time such as 5s, 250ms or 2m, not "${text}"`)
  }
  return Math.round(Number(count) * units[unit])
}

/** All that JSON may hold as it is and a terminal would obey, or no one sees. */
const unseen = /[\p{Cc}\p{Cf}\p{Default_Ignorable_Code_Point}\u2028\u2029]/gu

/** `value` as JSON in one line; nothing is `null`, bytes are base64. What it means stays the same. */
export function jsonLine(value: unknown): string {
  const text = value instanceof Uint8Array ? Buffer.from(value).toString("base64") : value
  const json: string | undefined = JSON.stringify(text)
  return (json ?? "null").replace(unseen, (character) => {
    const units = Array.from({ length: character.length }, (_, at) => character.charCodeAt(at))
    return units.map((unit) => `\\u${unit.toString(16).padStart(4, "0")}`).join("")
  })
}

/** `text` in one line, with what one cannot see shown by its number. */
export function oneLine(text: string): string {
  return visible(text.replace(/[\t\r\n]+/g, " "))
}

/** What to do where nobody listens; nothing for other failures. */
export function reachHint(message: string): string {
  if (!message.includes("ECONNREFUSED")) return ""
  return `: start the server with "quartet serve", or name its address with --url`
}

/** A failure in one line. */
export function failureLine(thrown: unknown): string {
  if (!(thrown instanceof PoolsError)) {
    return oneLine(thrown instanceof Error ? thrown.message : String(thrown))
  }
  const { code, handlerCode, executionUncertain, retryAfterMs, field, message } = thrown
  const own = handlerCode === undefined ? "" : ` ${handlerCode}`
  const notes = [
    ...(field === undefined ? [] : [`at ${field}`]),
    ...(executionUncertain ? ["it may have run"] : []),
    ...(retryAfterMs === undefined ? [] : [`again in ${retryAfterMs} ms`]),
  ]
  const more = notes.length === 0 ? "" : ` (${notes.join("; ")})`
  return oneLine(`${code}${own}: ${message}${more}${reachHint(message)}`)
}
