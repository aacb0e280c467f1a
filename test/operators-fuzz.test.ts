/**
 * Bytes that nobody thought of, over real sockets, while two others talk. A few seconds; as long as
 * OPERATORS_FUZZ_SECONDS says. The bytes follow from a seed, when they meet does not.
 */
import assert from "node:assert/strict"
import { connect, type Socket } from "node:net"
import { test } from "node:test"
import { setTimeout as sleep } from "node:timers/promises"
import { limits } from "../src/operators/limits.ts"
import { eventually } from "./harness.ts"
import { Crowded } from "./operators-crowd.ts"
import { seeded } from "./operators-stage.ts"

const seconds = Number(process.env["OPERATORS_FUZZ_SECONDS"] ?? 4)
const seed = Number(process.env["OPERATORS_FUZZ_SEED"] ?? 20_26)
/** Who sends such bytes, at the same time. */
const strangers = 6
/** So many connections at least, however slow the machine. */
const leastConnections = 40
/** More than caches, failures by callsign and what V8 keeps for itself come to. */
const growthBytes = 16 * 1024 * 1024

/** Chance from a seed. */
class Dice {
  readonly #bytes: (length: number) => Uint8Array

  constructor(seed: number) {
    this.#bytes = seeded(seed)
  }

  /** 0 to `below` - 1. */
  roll(below: number): number {
    const [a = 0, b = 0, c = 0] = this.#bytes(3)
    return (a * 65_536 + b * 256 + c) % below
  }

  pick<T>(of: readonly T[]): T {
    const one = of[this.roll(of.length)]
    if (one === undefined) throw new Error("never: it is not empty")
    return one
  }

  bytes(length: number): Buffer {
    return Buffer.from(this.#bytes(length))
  }
}

// Nothing here reaches c40 and c41, who talk meanwhile.
const names = Array.from({ length: 12 }, (_, at) => `c${at}`)
const words = [
  ...["$ quartet", "$ ping x", "$ pong", "$ waiting", "$ sessions", "$ end 1", "$ die", "$", ""],
  ...["$ got aaaaaaaaaa", "$ recall aaaaaaaaaa", "$ invite token", "PROXY TCP6 ::1 ::1 1 2", "| x"],
]
const oddities = ["\r", "\t", "\0", "\x1b[2J", "\u2028", "\ud83d\ude00", "\u0301", "\\", "\\n", " "]

/** A line, or what looks like one. */
function lineOf(dice: Dice): Buffer {
  const name = dice.pick(names)
  const odd = () => dice.pick(oddities)
  const kinds: readonly (() => Buffer | string)[] = [
    () => dice.pick(words),
    () => `$ ${name} pw`,
    () => `$ ${name} ${dice.pick(["wrong", odd(), "pw"])}`,
    () => `${name} text ${odd()} ${odd()}`,
    () => `$ send r${dice.roll(9)} ${name} ${odd()}text${odd()}`,
    () => `$ send r${dice.roll(9)} ${name}/0000000a x`,
    () => `${name} $ first${odd()}`,
    () => `${name} ${"x".repeat(dice.roll(40_000))}`,
    () => "y".repeat(dice.roll(80_000)),
    () => dice.bytes(dice.roll(300)),
    () => Buffer.from([0xf0, 0x9f, 0x98, dice.roll(256), 0xc0, 0xff]),
  ]
  const line = Buffer.from(dice.pick(kinds)())
  // Sometimes one byte of it is another one.
  if (line.length > 0 && dice.roll(8) === 0) line[dice.roll(line.length)] = dice.roll(256)
  return line
}

/** Of a stream: lines, mostly ended. */
function streamOf(dice: Dice): Buffer {
  const lines = Array.from({ length: 1 + dice.roll(40) }, () => [
    lineOf(dice),
    Buffer.from(dice.roll(20) === 0 ? "" : "\n"),
  ])
  // Half of them log in first, else nearly all would be refused for that.
  const head =
    dice.roll(2) === 0 ? "" : `${dice.pick(["", "$ quartet\n"])}$ ${dice.pick(names)} pw\n`
  return Buffer.concat([Buffer.from(head), ...lines.flat()])
}

/** Of a WebSocket: frames with a zero mask, the lengths of some of them untrue. */
function framesOf(dice: Dice): Buffer {
  const frames = Array.from({ length: 1 + dice.roll(40) }, () => {
    const body = lineOf(dice)
    const kind = dice.roll(30) === 0 ? dice.roll(256) : 0x81
    const length = dice.roll(40) === 0 ? dice.roll(65_536) : Math.min(body.length, 65_535)
    const head =
      length < 126 ? [kind, 0x80 | length] : [kind, 0x80 | 126, length >> 8, length & 255]
    return Buffer.concat([Buffer.from([...head, 0, 0, 0, 0]), body.subarray(0, 65_535)])
  })
  const login = Buffer.from(`$ ${dice.pick(names)} pw`)
  const head = Buffer.from([0x81, 0x80 | login.length, 0, 0, 0, 0])
  return Buffer.concat([...(dice.roll(2) === 0 ? [] : [head, login]), ...frames])
}

/** One connection, from its first byte to its end. Gives the longest line it heard. */
async function torment(server: Crowded, dice: Dice): Promise<number> {
  const way = dice.pick(["TCP", "unix socket", "WebSocket", "HTTP"] as const)
  const socket =
    way === "WebSocket"
      ? await server.upgrade().catch(() => undefined)
      : connect(way === "unix socket" ? { path: server.path } : { port: portOf(server, way) })
  // Turned away: no more strangers are let in for the moment.
  if (socket === undefined) return 0
  let longest = 0
  let begun = 0
  socket.on("error", () => {}) // told by "close" as well
  socket.on("data", (chunk: Buffer) => {
    const pieces = chunk.toString("latin1").split("\n")
    for (const [at, piece] of pieces.entries()) {
      begun = at === 0 ? begun + piece.length : piece.length
      longest = Math.max(longest, begun)
    }
  })
  const all = way === "WebSocket" ? framesOf(dice) : streamOf(dice)
  for (let at = 0; at < all.length && !socket.destroyed; ) {
    const end = at + 1 + dice.roll(dice.pick([3, 100, 70_000]))
    socket.write(all.subarray(at, end))
    at = end
    if (dice.roll(3) === 0) await sleep(dice.roll(4))
  }
  await leave(socket, dice.pick(["cut", "end", "stay", "deaf"] as const))
  // Frames are not cut into lines, and carry lengths of their own.
  return way === "WebSocket" || way === "HTTP" ? 0 : longest
}

function portOf(server: Crowded, way: "TCP" | "HTTP"): number {
  return way === "TCP" ? server.port : server.httpPort
}

async function leave(socket: Socket, how: "cut" | "end" | "stay" | "deaf"): Promise<void> {
  if (how === "deaf") socket.pause()
  if (how === "end") socket.end()
  // Not `once` of events, which also waits for an error, and would throw it.
  const closed = new Promise((resolve) => socket.once("close", resolve))
  if (how !== "cut") await Promise.race([closed, sleep(20)])
  socket.destroy()
}

/** c40 writes to c41, who hears that and nothing else. */
class Others {
  readonly #heard: string[] = []
  readonly #sockets: readonly Socket[]
  #said = 0

  constructor(sockets: readonly Socket[]) {
    this.#sockets = sockets
    let begun = ""
    for (const socket of sockets) {
      socket.on("data", (chunk: Buffer) => {
        const lines = (begun + chunk.toString()).split("\n")
        begun = lines.pop() ?? ""
        this.#heard.push(...lines)
      })
    }
  }

  say(): void {
    this.#sockets[0]?.write(`c41 ${this.#said++}\n`)
  }

  async noticedNothing(): Promise<void> {
    await eventually(() => this.#heard.length >= this.#said)
    assert.deepEqual(
      this.#heard,
      Array.from({ length: this.#said }, (_, at) => `c40: ${at}`),
    )
    assert.ok(this.#sockets.every(({ destroyed }) => !destroyed))
  }
}

test("OP2 OP10 OP38 OP55 whatever bytes come, nothing crashes, grows or reaches others", {
  timeout: (seconds + 300) * 1_000,
}, async (t) => {
  t.diagnostic(`seed ${seed}, ${seconds} s`)
  const server = await Crowded.start(t, 42)
  const others = new Others([await server.login("c40"), await server.login("c41")])
  const dice = new Dice(seed)
  let connections = 0
  let longest = 0
  const run = async (until: number, least: number) => {
    const begun = connections
    const each = async () => {
      while (performance.now() < until || connections - begun < least) {
        connections += 1
        others.say()
        longest = Math.max(longest, await torment(server, new Dice(dice.roll(2 ** 24))))
      }
    }
    const watch = setInterval(() => others.say(), 10)
    await Promise.all(Array.from({ length: strangers }, each)).finally(() => clearInterval(watch))
    await others.noticedNothing()
  }
  const settled = async () => {
    for (;;) {
      const kept = await server.kept()
      const { sessions, hashes, strangers: unknown = 0 } = kept.counts
      assert.ok(unknown <= limits.strangers, `${unknown} strangers`)
      if (sessions === 2 && hashes === 0) return kept
    }
  }
  const began = performance.now()
  // What is made once is made in the first quarter.
  await run(began + seconds * 250, leastConnections)
  const before = await settled()
  await run(began + seconds * 1_000, leastConnections)
  const after = await settled()
  t.diagnostic(`${connections} connections, ${after.bytes - before.bytes} bytes more`)
  assert.ok(server.isAlive)
  assert.ok(longest <= limits.lineBytes, `a line of ${longest} bytes`)
  assert.ok(after.bytes - before.bytes < growthBytes, `${after.bytes - before.bytes} bytes more`)
  assert.ok((after.counts["letterBytes"] ?? 0) <= limits.mailboxesBytes)
  const newcomer = await server.login("c39")
  newcomer.destroy()
})
