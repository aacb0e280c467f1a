/**
 * `quartet watch`: what happens in a pool, a line an event: emits, calls as they settle, and the
 * generations of a block.
 *
 * What always holds: events go to standard output and nothing else does; a line is one line, and
 * nothing that an app wrote moves the cursor. Watching changes nothing.
 */
import { type App, connect, type Emit, PoolsError } from "../client/tcp.ts"
import { type Command, fail, readOptions } from "./command.ts"
import { failureLine, jsonLine, oneLine, visitHelp, visitOptions, visitor } from "./pools-visit.ts"
import { followBlock } from "./watch-block.ts"
import { CallFeed } from "./watch-calls.ts"

const help = `usage: quartet watch [PATTERN] [options]

Prints what happens in a pool, a line an event, until Control-C. PATTERN names emits, and with
--calls triggers too: * is one word between dots, > is one or more at the end. Without PATTERN it
is all emits, or with --calls or --block none of them.

${visitHelp}
  --calls                calls as they settle: trigger, caller, handler, outcome, ms
  --block ID             the generations of a block: number, bytes, writer, first bytes

Exit code: 0 ended by Control-C, 1 refused or unreachable, 2 misused.`

const options = {
  ...visitOptions,
  calls: { type: "boolean", default: false },
  block: { type: "string" },
} as const

/** Of one payload; a line stays a line that a person can read. */
const shownLimit = 1_000
const shownBytes = 32
const closeMs = 1_000
/** Of lines that were said and not read. */
const unreadLimitBytes = 1024 * 1024

export const watch: Command = async (words) => {
  const read = readOptions(words, options)
  if (typeof read === "string") return fail(oneLine(read), 2)
  const { values } = read
  if (values.help) {
    process.stdout.write(`${help}\n`)
    return 0
  }
  const [given, ...more] = read.positionals
  if (more.length > 0) return fail(oneLine(`what is "${more[0]}" for?`), 2)
  const { pool, calls, block, url } = values
  const pattern = given ?? (calls || block !== undefined ? undefined : ">")
  const leaving = new AbortController()
  let app: App
  try {
    const onFault = (error: PoolsError, about: string) =>
      complain(`${about === "" ? "" : `${about}: `}${failureLine(error)}`)
    const who = { ...visitor(values, "quartet-watch"), signal: leaving.signal, onFault }
    const client = connect(url)
    // The first signal leaves in order; a second one ends at once.
    for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => leaving.abort())
    // Who read us is gone, as `| head` is when it has enough.
    process.stdout.on("error", () => leaving.abort())
    app = await client.pools(who)
  } catch (thrown) {
    if (leaving.signal.aborted) return 0
    return fail(failureLine(thrown), thrown instanceof PoolsError ? 1 : 2)
  }
  return follow(app, { pattern, given, calls, block, pool }, leaving.signal)
}

interface Wanted {
  /** Of emits; and of triggers as it was given. */
  readonly pattern: string | undefined
  readonly given: string | undefined
  readonly calls: boolean
  readonly block: string | undefined
  readonly pool: string
}

async function follow(app: App, wanted: Wanted, signal: AbortSignal): Promise<0 | 1> {
  const { pattern, given, calls, block, pool } = wanted
  const feed = new CallFeed(app, { pool, pattern: given, say })
  const begin = async () => {
    const hear = (payload: unknown, emit: Emit) => say(emitLine(payload, emit))
    if (pattern !== undefined) await app.on(pattern, hear, { pool })
    if (block !== undefined) await followBlock(app.pool(pool), block, say)
    if (calls) await feed.begin()
    complain("watching; Control-C ends it")
  }
  const ended = end(app, signal)
  try {
    await Promise.race([begin(), ended])
    const why = await ended
    if (why === undefined) return 0
    complain(why)
    return 1
  } catch (thrown) {
    complain(failureLine(thrown))
    return 1
  } finally {
    feed.stop()
    await app.close({ withinMs: closeMs })
  }
}

/** Resolves when it is left, or with what ended it for good; says what ends it for a while. */
function end(app: App, signal: AbortSignal): Promise<string | undefined> {
  return new Promise((resolve) => {
    signal.addEventListener("abort", () => resolve(undefined))
    app.watch((state, why) => {
      if (state === "closed") resolve(why === undefined ? "it was closed" : failureLine(why))
      if (state === "away") complain(`${why?.message ?? "the connection was lost"}; trying again`)
      if (state === "ready") complain("the connection is back; what was in between is not told")
    })
  })
}

let unprinted = 0

/** What nobody reads in time is counted, not kept. */
function say(line: string): void {
  const time = new Date(Date.now()).toISOString()
  if (process.stdout.writableLength > unreadLimitBytes) {
    unprinted += 1
    return
  }
  const missed = unprinted === 0 ? "" : `${time} ${unprinted} lines are missing: nobody read them\n`
  unprinted = 0
  process.stdout.write(`${missed}${time} ${oneLine(line)}\n`)
}

function complain(sentence: string): void {
  process.stderr.write(`quartet: ${oneLine(sentence)}\n`)
}

function emitLine(payload: unknown, { name, origin, retained, lost }: Emit): string {
  const notes = [...(retained ? ["retained"] : []), ...(lost > 0 ? [`${lost} lost before it`] : [])]
  const more = notes.length === 0 ? "" : ` (${notes.join(", ")})`
  return `emit ${name} from ${origin}${shown(payload)}${more}`
}

/** A payload with a blank before it; nothing for none. */
function shown(payload: unknown): string {
  if (payload === undefined) return ""
  if (payload instanceof Uint8Array) return ` ${firstBytes(payload)}`
  const text = jsonLine(payload)
  return ` ${text.length > shownLimit ? `${text.slice(0, shownLimit)}…` : text}`
}

function firstBytes(bytes: Uint8Array): string {
  const hex = Buffer.from(bytes.subarray(0, shownBytes)).toString("hex")
  return `${bytes.length} bytes ${hex}${bytes.length > shownBytes ? "…" : ""}`
}
