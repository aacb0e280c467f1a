/**
 * Real servers for tests: in this process with a clock turned by hand, several on one bus, or as a
 * process of their own that may be killed. Everything is gone when the test ends.
 */
import { type ChildProcess, spawn } from "node:child_process"
import { once } from "node:events"
import { mkdtempSync, rmSync } from "node:fs"
import { createServer as createListener } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { createInterface } from "node:readline"
import type { TestContext } from "node:test"
import { MemoryHub } from "../src/bus/memory.ts"
import type { Config } from "../src/config.ts"
import { createServer, type Server } from "../src/server.ts"
import type { Clock } from "../src/server-clock.ts"

/** A clock that stands still until it is turned. */
export class HandClock implements Clock {
  #now = 1_700_000_000_000
  readonly #ticks = new Set<() => void>()
  readonly #once = new Map<() => void, number>()

  now(): number {
    return this.#now
  }

  every(_ms: number, tick: () => void): () => void {
    this.#ticks.add(tick)
    return () => this.#ticks.delete(tick)
  }

  after(ms: number, tick: () => void): () => void {
    this.#once.set(tick, this.#now + ms)
    return () => this.#once.delete(tick)
  }

  /** Lets `ms` pass, a tick every 100 ms and one at the end. */
  turn(ms: number): void {
    const end = this.#now + ms
    while (this.#now < end) {
      this.#now = Math.min(end, this.#now + 100)
      for (const [tick, at] of [...this.#once]) {
        if (at > this.#now) continue
        this.#once.delete(tick)
        tick()
      }
      for (const tick of this.#ticks) tick()
    }
  }
}

/**
 * A port that is free, and stays so while nobody listens there: it lies below those that the kernel
 * gives to whoever connects, or listens anywhere. For who comes back to it, or must find nobody.
 */
export async function lastingPort(): Promise<number> {
  for (;;) {
    const port = 20_000 + Math.floor(Math.random() * 12_000)
    const probe = createListener().listen(port, "127.0.0.1")
    const isFree = await once(probe, "listening").then(
      () => true,
      () => false,
    )
    probe.close()
    if (isFree) return port
  }
}

/** What a test may choose of a server in this process. */
export interface Start extends Partial<Config> {
  readonly clock?: Clock
  readonly hub?: MemoryHub
}

/** A server in this process. */
export interface Started {
  readonly server: Server
  /** `http://127.0.0.1:PORT`, without a slash at the end. */
  readonly url: string
  /** The same with `ws:`. */
  readonly ws: string
  /** Where the operators' lines are served: `127.0.0.1:PORT`, and the path of a unix socket. */
  readonly operators: readonly string[]
  /** The same of the pools' frames. */
  readonly pools: readonly string[]
  stop(): Promise<void>
}

/** A fresh directory that is removed when the test ends. */
export function temporaryDirectory(t: TestContext): string {
  const directory = mkdtempSync(join(tmpdir(), "quartet-test-"))
  t.after(() => rmSync(directory, { recursive: true, force: true }))
  return directory
}

/** Starts a server on a free port, with a database in memory unless `config` names a place. */
export async function startServer(t: TestContext, config: Start = {}): Promise<Started> {
  const { clock, hub, ...settings } = config
  const inMemory = settings.dataDir === undefined && settings.sqliteUri === undefined
  const server = createServer(
    {
      port: 0,
      logLevel: "silent",
      drainSeconds: 0,
      operatorsPort: undefined,
      poolsPort: undefined,
      blocksDir: undefined,
      ...(inMemory ? { sqliteUri: ":memory:" } : {}),
      ...settings,
    },
    { ...(clock === undefined ? {} : { clock }), ...(hub === undefined ? {} : { hub }) },
  )
  const { port, operators, pools } = await server.start()
  const stop = async () => {
    await server.stop()
  }
  t.after(stop)
  return {
    server,
    url: `http://127.0.0.1:${port}`,
    ws: `ws://127.0.0.1:${port}`,
    operators,
    pools,
    stop,
  }
}

/** `count` servers that reach each other over one bus in memory. */
export async function fleet(t: TestContext, count: number, config: Start = {}): Promise<Started[]> {
  const hub = new MemoryHub()
  const servers: Started[] = []
  for (let index = 0; index < count; index++) servers.push(await startServer(t, { ...config, hub }))
  return servers
}

/** A server as a process of its own. */
export interface Launched {
  readonly url: string
  readonly ws: string
  readonly process: ChildProcess
  /** What it has logged, parsed, a line each. */
  readonly log: readonly Record<string, unknown>[]
  /** Sends the signal and resolves with the exit code, null after a kill. */
  end(signal: NodeJS.Signals): Promise<number | null>
}

/**
 * Runs `quartet serve` with `environment` until it listens. Rejects with its log when it ends before.
 * `within` is a command that runs the one behind it in its own place, such as nsenter.
 */
export async function launch(
  t: TestContext,
  environment: Readonly<Record<string, string>>,
  within: readonly string[] = [],
): Promise<Launched> {
  const main = join(import.meta.dirname, "../src/main.ts")
  const [program = "", ...words] = [...within, process.execPath, main, "serve"]
  const child = spawn(program, words, {
    env: {
      PATH: process.env["PATH"],
      PORT: "0",
      OPERATORS_PORT: "0",
      POOLS_PORT: "0",
      DRAIN_SECONDS: "0",
      ...environment,
    },
    stdio: ["ignore", "ignore", "pipe"],
  })
  t.after(() => child.kill("SIGKILL"))
  const log: Record<string, unknown>[] = []
  const said: string[] = []
  const url = await new Promise<string>((resolve, reject) => {
    createInterface({ input: child.stderr }).on("line", (line) => {
      said.push(line)
      if (!line.startsWith("{")) return
      const entry = JSON.parse(line) as Record<string, unknown> // our own log
      log.push(entry)
      if (entry["event"] === "listening") resolve(String(entry["url"]))
    })
    child.once("exit", (code) =>
      reject(new Error(`the server ended with ${code}: ${said.join("\n")}`)),
    )
  })
  const end = async (signal: NodeJS.Signals) => {
    if (child.exitCode === null && child.signalCode === null) {
      const exited = once(child, "exit")
      child.kill(signal)
      await exited
    }
    return child.exitCode
  }
  const trimmed = url.replace(/\/$/, "")
  return { url: trimmed, ws: trimmed.replace("http", "ws"), process: child, log, end }
}

/** Longer than anything waited for here takes on a busy machine, shorter than the runner's patience. */
const lookLimitMs = 300_000

/**
 * Resolves with the first value of `look` that is neither undefined nor false, also where it
 * promises one, looking after each turn of the event loop.
 */
export async function eventually<T>(
  look: () => T | undefined | false | Promise<T | undefined | false>,
): Promise<T> {
  const since = performance.now()
  for (;;) {
    const found = await look()
    if (found !== undefined && found !== false) return found
    // Otherwise a test that the runner has given up would look for ever, and keep the process alive.
    if (performance.now() - since > lookLimitMs) throw new Error(`not seen in ${lookLimitMs} ms`)
    await new Promise((resolve) => setImmediate(resolve))
  }
}
