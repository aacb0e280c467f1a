/**
 * `quartet call`: has one call done by whichever app handles it, or says who would get it.
 *
 * What always holds: results go to standard output, as JSON, a line each, and nothing else does; a
 * failure is one line on standard error; the exit code says whether repeating it is safe.
 */
import { type App, type CallOptions, connect, PoolsError } from "../client/tcp.ts"
import { type Command, readOptions } from "./command.ts"
import {
  failureLine,
  jsonLine,
  milliseconds,
  oneLine,
  reachHint,
  visitHelp,
  visitOptions,
  visitor,
} from "./pools-visit.ts"

const help = `usage: quartet call TRIGGER [JSON|-] [options]

Calls TRIGGER with JSON, or with what standard input has, and prints the result as JSON.

${visitHelp}
  --to APP               this app, or one instance of it (APP#2), or nobody
  --ttl TIME             how long it may take in all (30s)
  --wait TIME            how long it waits for somebody to handle it (0s)
  --stream               prints what is streamed, a line each, then the result if there is one
  --idempotency-key KEY  runs once for this key; so it is repeated where that is safe
  --explain              says who would get it and why, and calls nobody

Control-C cancels it. Bytes are printed in base64.

Exit code: 0 done, 1 the handler's own error, 2 misused, 3 nobody handles it, 4 its time was over,
5 it may have run, 6 refused.`

const options = {
  ...visitOptions,
  to: { type: "string" },
  ttl: { type: "string" },
  wait: { type: "string" },
  stream: { type: "boolean", default: false },
  "idempotency-key": { type: "string" },
  explain: { type: "boolean", default: false },
} as const

type ExitCode = 0 | 1 | 2 | 3 | 4 | 5 | 6

/** More is no frame of a server with the usual limits. */
const inputLimitBytes = 16 * 1024 * 1024
/** How long the server may take to say that it has heard the end. */
const closeMs = 1_000

interface Wanted {
  readonly trigger: string
  readonly payload: unknown
  readonly options: CallOptions
  readonly how: "call" | "stream" | "explain"
}

export const call: Command = async (words) => {
  const read = readOptions(words, options)
  if (typeof read === "string") return fail(read, 2)
  const { values } = read
  if (values.help) {
    process.stdout.write(`${help}\n`)
    return 0
  }
  const [trigger, json, ...more] = read.positionals
  if (trigger === undefined) return fail("what? quartet call TRIGGER [JSON|-]", 2)
  if (more.length > 0) return fail(`what is "${more[0]}" for?`, 2)
  if (values.stream && values.explain) return fail("--explain calls nobody: leave --stream out", 2)
  const giving = new AbortController()
  try {
    const { to, ttl, wait, "idempotency-key": key } = values
    const asked: CallOptions = {
      pool: values.pool,
      signal: giving.signal,
      ...(to === undefined ? {} : { to }),
      ...(ttl === undefined ? {} : { ttlMs: milliseconds("ttl", ttl) }),
      ...(wait === undefined ? {} : { waitMs: milliseconds("wait", wait) }),
      ...(key === undefined ? {} : { idempotencyKey: key }),
    }
    const how = values.explain ? "explain" : values.stream ? "stream" : "call"
    const who = { ...visitor(values, "quartet-call"), signal: giving.signal }
    const wanted: Wanted = { trigger, payload: await payloadOf(json), options: asked, how }
    const client = connect(values.url)
    // The first signal cancels what is under way; a second one ends at once.
    for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => giving.abort())
    return await within(() => client.pools(who), wanted, giving)
  } catch (thrown) {
    return fail(failureLine(thrown), 2)
  }
}

/** Connects, calls, and goes. Nothing may have run before there was a connection. */
async function within(
  enter: () => Promise<App>,
  wanted: Wanted,
  giving: AbortController,
): Promise<ExitCode> {
  let app: App
  try {
    app = await enter()
  } catch (thrown) {
    if (thrown instanceof TypeError) throw thrown
    if (giving.signal.aborted) return fail("CANCELLED: connecting was given up", 6)
    if (!(thrown instanceof PoolsError)) return fail(failureLine(thrown), 6)
    return fail(oneLine(`${thrown.code}: ${thrown.message}${reachHint(thrown.message)}`), 6)
  }
  const output = new Output(giving)
  try {
    await told(app, wanted, output)
    return 0
  } catch (thrown) {
    // Whoever read us has enough, as `| head` has.
    if (output.isGone) return 0
    return fail(failureLine(thrown), exitOf(thrown))
  } finally {
    await app.close({ withinMs: closeMs })
  }
}

async function told(app: App, wanted: Wanted, output: Output): Promise<void> {
  const { trigger, payload, options: asked, how } = wanted
  switch (how) {
    case "explain":
      return output.print(await app.explain(trigger, asked))
    case "call":
      return output.print(await app.call(trigger, payload, asked))
    case "stream": {
      const stream = app.stream(trigger, payload, asked)
      for await (const value of stream) await output.print(value)
      const result = await stream.result
      if (result !== undefined) await output.print(result)
    }
  }
}

/** Standard output, at the pace of whoever reads it. */
class Output {
  readonly #giving: AbortController
  /** Nobody reads any more. */
  isGone = false

  constructor(giving: AbortController) {
    this.#giving = giving
    process.stdout.on("error", () => {
      this.isGone = true
      giving.abort()
    })
  }

  /** Resolves when there is room for more. */
  print(value: unknown): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>()
    const hasRoom = process.stdout.write(`${jsonLine(value)}\n`)
    if (hasRoom || this.#giving.signal.aborted) resolve()
    else {
      process.stdout.once("drain", resolve)
      this.#giving.signal.addEventListener("abort", () => resolve())
    }
    return promise
  }
}

/** What the words say that is sent. Throws one sentence for what is no JSON. */
async function payloadOf(json: string | undefined): Promise<unknown> {
  if (json === undefined) return undefined
  const text = json === "-" ? await input() : json
  try {
    return JSON.parse(text)
  } catch (thrown) {
    const why = thrown instanceof Error ? thrown.message : String(thrown)
    const hint = json === "-" ? "" : `; a text has quotes of its own: '"hello"'`
    throw new TypeError(`that is not JSON: ${why}${hint}`)
  }
}

async function input(): Promise<string> {
  const pieces: Buffer[] = []
  let bytes = 0
  for await (const piece of process.stdin) {
    const read = Buffer.from(piece)
    bytes += read.length
    if (bytes > inputLimitBytes) throw new TypeError("standard input has more than 16 MiB")
    pieces.push(read)
  }
  return Buffer.concat(pieces).toString("utf8")
}

function exitOf(thrown: unknown): ExitCode {
  if (!(thrown instanceof PoolsError)) return 2
  if (thrown.code === "HANDLER_ERROR") return 1
  if (thrown.code === "NO_HANDLER") return 3
  if (thrown.code === "TIMEOUT") return 4
  return thrown.executionUncertain ? 5 : 6
}

function fail(sentence: string, exitCode: ExitCode): ExitCode {
  process.stderr.write(`quartet: ${oneLine(sentence)}\n`)
  return exitCode
}
