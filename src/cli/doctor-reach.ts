/**
 * Whether the server's pools answer where the settings say, of which version it is, how well it says
 * it is, and how long an answer takes by each way in.
 *
 * What always holds: what is opened is closed, what is made is removed; the one trace that is left is
 * the app id `quartet-doctor`, which the server remembers for a while as it does all.
 */
import { readFileSync } from "node:fs"
import { join } from "node:path"
import { type App, connect, PoolsError } from "../client/tcp.ts"
import type { Config } from "../config.ts"
import type { Finding } from "./doctor.ts"
import { bad, good, warn } from "./doctor-tor.ts"

const answerMs = 5_000
const closeMs = 1_000
const [warmQuestions, timedQuestions] = [50, 200]
const [warmRounds, timedRounds] = [5_000, 100_000]

interface WayIn {
  readonly name: "unix socket" | "TCP" | "TLS" | "WebSocket"
  readonly address: string
}

/** Enters by each way in, and has answers timed there. Takes seconds at most. */
export async function lookAtReach(config: Config): Promise<readonly Finding[]> {
  if (!config.parts.includes("pools")) return []
  const findings: Finding[] = []
  for (const way of waysInto(config)) findings.push(...(await enter(way, config)))
  findings.push(...(await health(config)))
  return findings
}

function waysInto(config: Config): readonly WayIn[] {
  const { poolsPort, poolsSocket, port, tls } = config
  const host = hostOf(config)
  const stream = tls === undefined ? ("TCP" as const) : ("TLS" as const)
  return [
    ...(poolsSocket === undefined
      ? []
      : [{ name: "unix socket" as const, address: `unix:${poolsSocket}` }]),
    ...(poolsPort === undefined
      ? []
      : [{ name: stream, address: `${tls === undefined ? "tcp" : "tls"}://${host}:${poolsPort}` }]),
    ...(port === undefined ? [] : [{ name: "WebSocket" as const, address: pageOf(config) }]),
  ]
}

/** An address of this machine, where the server listens on all of them. */
function hostOf({ host }: Config): string {
  if (host === "0.0.0.0") return "127.0.0.1"
  if (host === "::") return "[::1]"
  return host.includes(":") ? `[${host}]` : host
}

function pageOf(config: Config): string {
  const { tls, port, pathPrefix } = config
  return `${tls === undefined ? "http" : "https"}://${hostOf(config)}:${port}${pathPrefix}`
}

async function enter(way: WayIn, config: Config): Promise<readonly Finding[]> {
  const { address } = way
  let app: App
  try {
    const tls =
      config.tls === undefined ? {} : { tls: { ca: readFileSync(config.tls.cert, "utf8") } }
    const signal = AbortSignal.timeout(answerMs)
    const who = { app: "quartet-doctor", instances: true }
    app = await connect(address, tls).pools({ ...who, signal })
  } catch (thrown) {
    return [refused(way, thrown)]
  }
  try {
    // The same memory by every way in.
    const isFirst = address === waysInto(config)[0]?.address
    const looks = [version, ...(isFirst ? [spin] : []), latency]
    const findings = [good(`${address} answers`)]
    for (const look of looks) {
      findings.push(await look(app, way).catch((thrown: unknown) => failed(way, thrown)))
    }
    return findings
  } finally {
    await app.close({ withinMs: closeMs })
  }
}

function failed({ name }: WayIn, thrown: unknown): Finding {
  const why = thrown instanceof Error ? thrown.message : String(thrown)
  return warn(`${name}: something could not be measured: ${why}`)
}

function refused({ address, name }: WayIn, thrown: unknown): Finding {
  if (!(thrown instanceof PoolsError)) {
    return bad(`${address} does not answer as pools do: another program may listen there`)
  }
  const { code, message } = thrown
  if (code === "UNAUTHENTICATED" || code === "FORBIDDEN") {
    return good(`${address} answers, and asks apps to prove their ids`)
  }
  if (code !== "CONNECTION_LOST") return warn(`${address} refuses: ${code}: ${message}`)
  const isNobody = /cannot be reached|nothing answers/.test(message) || name === "WebSocket"
  return isNobody
    ? warn(`${address}: nobody answers (${message}): start the server, or look at its settings`)
    : bad(`${address} does not answer as pools do (${message}): another program may listen there`)
}

async function version(app: App, { address }: WayIn): Promise<Finding> {
  const { server_version: theirs } = await app.admin("server_status")
  const file = readFileSync(join(import.meta.dirname, "../../package.json"), "utf8")
  const ours = /"version": "([^"]+)"/.exec(file)?.[1] ?? "unknown"
  return theirs === ours
    ? good(`the server at ${address} is ${ours}, as this program`)
    : warn(`the server at ${address} is ${theirs}, this program ${ours}: restart the server`)
}

/** Of a question that costs the server nothing and leaves nothing behind. */
async function latency(app: App, { name }: WayIn): Promise<Finding> {
  const ask = () => app.explain("quartet-doctor")
  for (let count = 0; count < warmQuestions; count++) await ask()
  const since = Date.now()
  for (let count = 0; count < timedQuestions; count++) await ask()
  const each = (Date.now() - since) / timedQuestions
  return good(`${name}: a question and its answer take ${each.toFixed(3)} ms`)
}

/** Of memory that is shared: what a write and a read of it cost, without a word to the server. */
async function spin(app: App): Promise<Finding> {
  const block = await app.pool("default").block.create(`quartet-doctor-${crypto.randomUUID()}`, 64)
  try {
    if (block.via !== "map") {
      return warn("memory: blocks are not mapped here, so they go over the connection")
    }
    const data = new Uint8Array(64)
    const round = () => {
      block.put(data)
      block.peek(data)
    }
    for (let count = 0; count < warmRounds; count++) round()
    const since = Date.now()
    for (let count = 0; count < timedRounds; count++) round()
    const each = (1_000 * (Date.now() - since)) / timedRounds
    return good(`memory: a write and a read of a mapped block take ${each.toFixed(2)} µs`)
  } finally {
    await block.destroy()
  }
}

async function health(config: Config): Promise<readonly Finding[]> {
  if (config.port === undefined) return []
  const address = new URL("health", pageOf(config)).href
  let body: unknown
  try {
    body = await (await fetch(address, { signal: AbortSignal.timeout(answerMs) })).json()
  } catch {
    return [warn(`${address} does not answer, so the server's own word is missing`)]
  }
  const whole = fieldsOf(body)
  const parts = [
    ...[...fieldsOf(whole.get("services"))].map(([name, said]) => [name, said] as const),
    ...["store", "bus"].map((name) => [name, whole.get(name)] as const),
  ]
  return parts.map(([name, said]) =>
    fieldsOf(said).get("ok") === true
      ? good(`the server says that its ${name} is well`)
      : bad(`the server says that its ${name} is not well: see its log, and ${address}`),
  )
}

function fieldsOf(value: unknown): ReadonlyMap<string, unknown> {
  const fields = typeof value === "object" && value !== null ? Object.entries(value) : []
  return new Map<string, unknown>(fields)
}
