/**
 * What the fuzzers of documents and relay share: strangers on raw sockets, JSON and bytes with
 * something wrong in them, and a server in a process of its own that is watched.
 *
 * What always holds: what is said follows from the seed; when it meets does not. FUZZ_SECONDS says
 * how long a fuzzer goes on, FUZZ_SEED what it draws from.
 */
import assert from "node:assert/strict"
import { readFileSync } from "node:fs"
import { connect, type Socket } from "node:net"
import type { TestContext } from "node:test"
import { setTimeout as sleep } from "node:timers/promises"
import { eventually, type Launched, launch, temporaryDirectory } from "./harness.ts"
import { Dice } from "./pools-corpus.ts"

/** How long each fuzzer goes on. */
export const seconds = Number(process.env["FUZZ_SECONDS"] ?? 4)
const seed = Number(process.env["FUZZ_SEED"] ?? 20_261_121)
/** Who comes with such bytes, at the same time. */
const strangers = 6
/** So many connections at least, however slow the machine. */
const leastConnections = 60
/** Far above what V8 keeps of garbage for itself; what is kept for each stranger passes it soon. */
const growthBytes = 128 * 1024 * 1024

/** Values that are seldom meant. */
const oddValues: readonly unknown[] = [
  ...[null, true, [], {}, "", "x", "\ud800", "\0", "\u202e", "é😀\u0301", "~", "__proto__"],
  ...[0, -0, -1, 0.5, 1e300, 2 ** 31, 2 ** 32, 2 ** 53, -(2 ** 53), Number.MAX_SAFE_INTEGER],
  ...[[[[[[]]]]], [1, [2]], { a: { b: {} } }, ["", 0, -1], [-1, 5, "x"]],
]

/** Keys that mean something to a careless program. */
const oddKeys = ["__proto__", "constructor", "prototype", "toString", "", "length", "Join", "Edit"]

/** `value` with one thing in it another. */
export function twisted(dice: Dice, value: unknown): unknown {
  const isLeaf = typeof value !== "object" || value === null
  if (isLeaf || dice.below(8) === 0) return dice.of(oddValues)
  if (Array.isArray(value)) {
    const copy = [...value]
    const at = dice.below(copy.length + 1)
    if (at === copy.length) copy.push(dice.of(oddValues))
    else if (dice.below(4) === 0) copy.splice(at, 1)
    else copy[at] = twisted(dice, copy[at])
    return copy
  }
  const entries = Object.entries(value)
  const at = dice.below(entries.length + 1)
  const entry = entries[at]
  if (entry === undefined) entries.push([dice.of(oddKeys), dice.of(oddValues)])
  else if (dice.below(4) === 0) entries.splice(at, 1)
  else if (dice.below(6) === 0) entry[0] = dice.of(oddKeys)
  else entry[1] = twisted(dice, entry[1])
  return written(entries)
}

/** An object of these entries, `__proto__` a key like any other. */
function written(entries: readonly (readonly [string, unknown])[]): unknown {
  const made = Object.create(null) // what JSON.parse would make of it
  for (const [key, value] of entries) {
    Object.defineProperty(made, key, { value, enumerable: true, configurable: true })
  }
  return made
}

/** `bytes` with something wrong: one changed, some cut off, taken out, doubled or put in. */
export function damaged(dice: Dice, bytes: Uint8Array): Buffer {
  const at = dice.below(bytes.length + 1)
  const to = at + dice.below(Math.min(64, bytes.length + 1 - at))
  const copy = Buffer.from(bytes)
  switch (dice.below(5)) {
    case 0:
      if (at < copy.length) copy[at] = dice.of([0, 1, 0x7f, 0x80, 0xff, dice.below(256)])
      return copy
    case 1:
      return copy.subarray(0, at)
    case 2:
      return Buffer.concat([copy.subarray(0, at), copy.subarray(to)])
    case 3:
      return Buffer.concat([copy.subarray(0, to), copy.subarray(at)])
  }
  return Buffer.concat([copy.subarray(0, at), dice.bytes(dice.below(12)), copy.subarray(at)])
}

/** A frame of a WebSocket client with a zero mask. Now and then its kind or its length is untrue. */
export function framed(dice: Dice, body: string | Uint8Array): Buffer {
  const bytes = Buffer.from(body)
  const kind = dice.below(60) === 0 ? dice.below(256) : typeof body === "string" ? 0x81 : 0x82
  const length = dice.below(80) === 0 ? dice.below(70_000) : bytes.length
  const head =
    length < 126
      ? Buffer.from([kind, 0x80 | length, 0, 0, 0, 0])
      : Buffer.from([kind, 0x80 | 127, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0])
  if (length >= 126) head.writeUInt32BE(length, 6)
  return Buffer.concat([head, bytes])
}

/** How a stranger asks for a WebSocket. */
export function upgradeOf(path: string, headers: readonly string[]): string {
  return [
    `GET ${path} HTTP/1.1`,
    "Host: 127.0.0.1",
    "Connection: Upgrade",
    "Upgrade: websocket",
    "Sec-WebSocket-Version: 13",
    "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==",
    ...headers,
    "\r\n",
  ].join("\r\n")
}

/** One far end on a raw socket. It keeps little of what it hears. */
export class Stranger {
  readonly #socket: Socket
  readonly #dice: Dice
  /** The beginning and the end of what it heard. */
  head = ""
  heard = ""

  constructor(url: string, dice: Dice) {
    this.#dice = dice
    this.#socket = connect({ host: "127.0.0.1", port: Number(new URL(url).port), noDelay: true })
    this.#socket.on("error", () => {}) // told by "close" as well
    this.#socket.on("data", (chunk: Buffer) => {
      const text = chunk.toString("latin1")
      if (this.head.length < 2_000) this.head += text
      this.heard = (this.heard + text).slice(-20_000)
    })
  }

  get isOver(): boolean {
    return this.#socket.destroyed
  }

  /** Waits for the end of the first answer's headers; false when it does not come. */
  async isAnswered(): Promise<boolean> {
    const isHere = () => this.head.includes("\r\n\r\n")
    await eventually(() => isHere() || this.isOver)
    return isHere()
  }

  /** Writes it, cut where chance has it. */
  async writes(bytes: Uint8Array | string): Promise<void> {
    const all = Buffer.from(bytes)
    for (let at = 0; at < all.length && !this.isOver; ) {
      const end = at + 1 + this.#dice.below(this.#dice.of([5, 200, 70_000]))
      this.#socket.write(all.subarray(at, end))
      at = end
      if (this.#dice.below(5) === 0) await sleep(this.#dice.below(3))
    }
  }

  /** Leaves in one of the ways there are. */
  async leaves(): Promise<void> {
    const how = this.#dice.of(["cut", "end", "stay", "deaf"] as const)
    if (how === "deaf") this.#socket.pause()
    if (how === "end") this.#socket.end()
    // Not `once` of events, which also waits for an error, and would throw it.
    const closed = new Promise((resolve) => this.#socket.once("close", resolve))
    if (how !== "cut") await Promise.race([closed, sleep(30)])
    this.#socket.destroy()
  }
}

/** Who goes on while strangers come. */
export interface Honest {
  /** Says something and resolves when the other has heard it. */
  says(): Promise<void>
}

/** A server in a process of its own. */
export async function watched(
  t: TestContext,
  environment: Readonly<Record<string, string>>,
): Promise<Launched> {
  // Garbage is collected before it looks like a leak.
  const settings = { NODE_OPTIONS: "--max-old-space-size=192", DATA_DIR: temporaryDirectory(t) }
  return launch(t, { ...settings, ...environment })
}

/** What is in memory of a process; undefined where the kernel does not tell. */
function memoryOf(pid: number | undefined): number | undefined {
  if (process.platform !== "linux") return undefined
  const status = readFileSync(`/proc/${pid}/status`, "utf8")
  return Number(/VmRSS:\s+(\d+) kB/.exec(status)?.[1]) * 1024
}

/** What is asked of `besiege`. */
export interface Siege {
  readonly server: Launched
  readonly honest: Honest
  /** One connection from its first byte to its end. */
  torment(dice: Dice): Promise<void>
}

/** Strangers come for as long as was asked for; then nothing may be broken or have grown. */
export async function besiege(t: TestContext, { server, honest, torment }: Siege): Promise<void> {
  const dice = new Dice(seed)
  let connections = 0
  let said = 0
  const began = performance.now()
  const run = async (until: number, least: number) => {
    const first = connections
    const isOver = () => performance.now() >= until && connections - first >= least
    const each = async () => {
      while (!isOver()) {
        connections += 1
        await torment(new Dice(dice.below(2 ** 32)))
      }
    }
    const go = async () => {
      while (!isOver()) {
        await honest.says()
        said += 1
        await sleep(20)
      }
    }
    await Promise.all([go(), ...Array.from({ length: strangers }, each)])
    await honest.says()
  }
  // What is made once is made in the first half.
  await run(began + seconds * 500, leastConnections)
  const before = memoryOf(server.process.pid)
  await run(began + seconds * 1_000, leastConnections)
  const after = memoryOf(server.process.pid)
  t.diagnostic(`seed ${seed}: ${connections} connections, ${said} times heard meanwhile`)
  t.diagnostic(`${before} bytes in memory, then ${after}`)
  assert.deepEqual(whatBroke(server), [])
  assert.equal((await fetch(`${server.url}/health`)).status, 200)
  const figures = await (await fetch(`${server.url}/metrics`)).text()
  assert.match(figures, /quartet_net_closes_total\{code="internal"\} 0\n/)
  if (before === undefined || after === undefined) return
  assert.ok(after - before < growthBytes, `${after - before} bytes more`)
}

/** Lines of the log that tell of a fault of ours. */
function whatBroke(server: Launched): readonly unknown[] {
  const isFault = ({ event, level }: Record<string, unknown>) =>
    level === "error" || level === "fatal" || event === "internal error"
  const ended = server.process.exitCode !== null || server.process.signalCode !== null
  return [...server.log.filter(isFault), ...(ended ? ["it ended"] : [])]
}
