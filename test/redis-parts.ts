/**
 * A Redis of a test's own: a real redis-server on a free port, with nothing on the disk, gone when
 * the test ends. No Redis that runs already is touched.
 */
import { type ChildProcess, spawn } from "node:child_process"
import { randomBytes } from "node:crypto"
import { once } from "node:events"
import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net"
import type { TestContext } from "node:test"
import { createClient } from "@redis/client"
import type { Bus, BusLimits } from "../src/bus/bus.ts"
import { RedisBus, type RedisOptions } from "../src/bus/redis.ts"
import { Seal } from "../src/bus/seal.ts"
import { Log } from "../src/log.ts"
import type { Answer } from "../src/service.ts"
import { eventually, lastingPort, temporaryDirectory } from "./harness.ts"
import { findRedis } from "./needs.ts"

/** Why a test is skipped; false where there is a redis-server. */
export const noRedis: string | false =
  findRedis() === undefined ? "redis-server is not installed" : false

function connection(url: string, password: string | undefined) {
  const own = password === undefined ? {} : { password }
  return createClient({ url, RESP: 3, disableOfflineQueue: true, ...own })
}

/** A connection of the test itself, which knows no bus. */
type Admin = ReturnType<typeof connection>

/** A redis-server, which may be killed, begun anew, and held up. */
export class Redis {
  readonly port: number
  readonly #directory: string
  readonly #words: readonly string[]
  #process: ChildProcess | undefined
  #admin: Admin | undefined

  constructor(port: number, directory: string, words: readonly string[]) {
    this.port = port
    this.#directory = directory
    this.#words = words
  }

  get url(): string {
    return `redis://127.0.0.1:${this.port}`
  }

  /** Begins it, empty, and waits until it listens. */
  async start(): Promise<void> {
    const own = ["--port", `${this.port}`, "--bind", "127.0.0.1", "--save", "", "--dir"]
    const words = [...own, this.#directory, "--daemonize", "no", ...this.#words]
    const process = spawn(findRedis() ?? "", words, { stdio: ["ignore", "pipe", "ignore"] })
    this.#process = process
    let said = ""
    process.stdout?.on("data", (chunk) => (said += chunk))
    await eventually(() => {
      if (process.exitCode !== null) throw new Error(`redis-server ended: ${said}`)
      return said.includes("Ready to accept connections")
    })
  }

  async kill(): Promise<void> {
    const process = this.#process
    this.#process = undefined
    this.#admin?.destroy()
    this.#admin = undefined
    if (process === undefined || process.exitCode !== null || process.signalCode !== null) return
    process.kill("SIGKILL")
    await once(process, "exit")
  }

  /** SIGSTOP holds it up; SIGCONT lets it go on. */
  signal(name: "SIGSTOP" | "SIGCONT"): void {
    this.#process?.kill(name)
  }

  /** Runs one command, as the test itself. */
  async run(...words: string[]): Promise<unknown> {
    return (await this.login()).sendCommand(words)
  }

  /** Publishes bytes, as somebody who is no server of ours. */
  async publish(channel: string, data: Uint8Array): Promise<void> {
    await (await this.login()).publish(channel, Buffer.from(data))
  }

  /** The connection of the test itself, made when it is needed first. */
  async login(password?: string): Promise<Admin> {
    if (this.#admin !== undefined) return this.#admin
    const admin = connection(this.url, password)
    admin.on("error", () => {})
    await admin.connect()
    this.#admin = admin
    return admin
  }
}

/** A port of a Redis, which may be killed and begun anew. */
export const freePort = lastingPort

/** A Redis that runs, with further settings as words: `--requirepass`, `secret`. */
export async function startRedis(t: TestContext, ...words: string[]): Promise<Redis> {
  for (let tries = 1; ; tries++) {
    const redis = new Redis(await freePort(), temporaryDirectory(t), words)
    t.after(() => redis.kill())
    try {
      await redis.start()
      return redis
    } catch (thrown) {
      if (tries === 5) throw thrown // a port that was free may be somebody else's by now
    }
  }
}

/** What a test may choose of a bus over Redis. */
export interface BusStart extends Partial<Omit<RedisOptions, "limits" | "seal">> {
  readonly limits?: Partial<BusLimits>
  readonly secret?: string
}

/** What a bus has logged, a line each. */
export type Told = readonly Record<string, unknown>[]

/** A bus over Redis on the real clock, closed when the test ends; it need not be connected yet. */
export function openBus(
  t: TestContext,
  url: string | readonly string[],
  { limits = {}, secret, ...options }: BusStart = {},
): { readonly bus: RedisBus; readonly log: Told } {
  const log: Record<string, unknown>[] = []
  const bus = new RedisBus({
    server: "ada",
    urls: typeof url === "string" ? [url] : url,
    now: () => Date.now(),
    after: (ms, work) => {
      const timer = setTimeout(work, ms)
      return () => clearTimeout(timer)
    },
    random: (length) => randomBytes(length),
    log: new Log("debug", (line) => log.push(JSON.parse(line))),
    seal: new Seal(secret),
    limits: {
      busQueueMessages: 10_000,
      busQueueBytes: 8 * 1024 * 1024,
      parcelBytes: 256 * 1024,
      ...limits,
    },
    probed: () => {},
    ...options,
  })
  t.after(() => bus.close())
  return { bus, log }
}

/** The same, once it is connected. */
export async function joinBus(
  t: TestContext,
  url: string | readonly string[],
  start: BusStart = {},
): Promise<RedisBus> {
  const { bus } = openBus(t, url, start)
  await eventually(() => bus.state === "ready")
  return bus
}

// What every message of the bus begins with: format, kind, no flags.
export const head = Uint8Array.of(1, 2, 0)

/** A message of the bus that says `word`. */
export const bytes = (word: string): Buffer => Buffer.concat([head, Buffer.from(word)])

/** What a message says. */
export const text = (data: Uint8Array): string => Buffer.from(data.subarray(head.length)).toString()

/** What is answered to `question`. */
export function asked<T>(question: (answer: Answer<T>) => void): Promise<T | "away"> {
  return new Promise(question)
}

/** All that `bus` hears on `channel`, from when Redis has confirmed it. */
export async function heardOn(bus: Bus, channel: string): Promise<string[]> {
  const heard: string[] = []
  await new Promise<void>((resolve) => {
    bus.subscribe(channel, (data) => heard.push(text(data)), resolve)
  })
  return heard
}

interface Line {
  readonly near: Socket
  readonly far: Socket
  isListener: boolean
  /** What becomes of the bytes that Redis sends. */
  way: "open" | "frozen" | "swallow one"
}

/** A TCP proxy in front of a Redis, which may spoil lines without closing them. */
export class SpoiltLine {
  port = 0
  readonly #server: Server
  readonly #lines: Line[] = []

  constructor(redis: Redis) {
    this.#server = createServer((near) => {
      const far = connect(redis.port, "127.0.0.1")
      const line: Line = { near, far, isListener: false, way: "open" }
      this.#lines.push(line)
      near.on("data", (chunk) => {
        if (line.way === "frozen") return
        if (chunk.includes("subscribe\r\n")) line.isListener = true
        far.write(chunk)
      })
      far.on("data", (chunk) => {
        if (line.way === "open") near.write(chunk)
        if (line.way === "swallow one") line.way = "open"
      })
      for (const [one, other] of [
        [near, far],
        [far, near],
      ] as const) {
        one.on("error", () => {})
        one.on("close", () => other.destroy())
      }
    })
  }

  get url(): string {
    return `redis://127.0.0.1:${this.port}`
  }

  async start(t: TestContext): Promise<this> {
    this.#server.listen(0, "127.0.0.1")
    await once(this.#server, "listening")
    const { port } = this.#server.address() as AddressInfo // a TCP server has no path
    this.port = port
    t.after(() => {
      this.#server.close()
      for (const { near } of this.#lines) near.destroy()
    })
    return this
  }

  /** From here on the lines that are open carry nothing. New ones do. */
  freeze(): void {
    for (const line of this.#lines) line.way = "frozen"
  }

  /** Lets Redis forget a subscription, though the line stays and nobody is told. */
  forget(channel: string): void {
    for (const line of this.#lines) {
      if (!line.isListener) continue
      line.way = "swallow one"
      line.far.write(`*2\r\n$11\r\nUNSUBSCRIBE\r\n$${channel.length}\r\n${channel}\r\n`)
    }
  }
}
