/**
 * What the bench of pools starts: routers and programs, each a process of its own, all of them gone
 * when the bench ends, however it ends.
 */
import { type ChildProcess, spawn } from "node:child_process"
import { once } from "node:events"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import type { Order, Report, Speech } from "./pools-peer.ts"
import { commandOf, hasPeers } from "./present.ts"
import type { Question, Usage } from "./probe.ts"
import { cpuMsOf, freePort, probed } from "./processes.ts"

export const contenders = [
  "quartet",
  "quartet-json",
  "quartet-tcp",
  "bare",
  "nats",
  "moleculer",
  "moleculer-nats",
  "redis",
] as const
export type Contender = (typeof contenders)[number]

/** How its programs speak to it. */
export const speechOf: Readonly<Record<Contender, Speech>> = {
  quartet: "compact",
  "quartet-json": "json",
  "quartet-tcp": "compact",
  bare: "bare",
  nats: "nats",
  moleculer: "moleculer",
  "moleculer-nats": "moleculer",
  redis: "redis",
}

/** Whether all that it needs is installed. */
export function isThere(contender: Contender): boolean {
  switch (contender) {
    case "quartet":
    case "quartet-json":
    case "quartet-tcp":
    case "bare":
      return true
    case "moleculer":
      return hasPeers
    case "nats":
    case "moleculer-nats":
      return hasPeers && commandOf("nats-server") !== undefined
    case "redis":
      return hasPeers && commandOf("redis-server") !== undefined
  }
}

const directory = mkdtempSync(join(tmpdir(), "quartet-bench-pools-"))
const running = new Set<ChildProcess>()
process.once("exit", () => {
  for (const child of running) child.kill("SIGKILL")
  rmSync(directory, { recursive: true, force: true })
})

function start(words: readonly string[], environment: Readonly<Record<string, string>> = {}) {
  const [program = "", ...rest] = words
  const stdio = program === process.execPath ? (["ignore", "ignore", "pipe", "ipc"] as const) : null
  const child = spawn(program, rest, {
    env: { ...process.env, ...environment },
    stdio: [...(stdio ?? (["ignore", "pipe", "pipe"] as const))],
  })
  running.add(child)
  child.once("exit", () => running.delete(child))
  return child
}

/** What routes, or for Moleculer over TCP nothing. */
export class Router {
  readonly place: string
  readonly #child: ChildProcess | undefined

  constructor(place: string, child?: ChildProcess) {
    this.place = place
    this.#child = child
  }

  /** User and system time of all its threads, ms. 0 where nothing routes. */
  get cpuMs(): number {
    if (this.#child === undefined) return 0
    return cpuMsOf(this.#child.pid)
  }

  /** Quartet alone answers: it has the probe. */
  async ask(question: Question): Promise<Usage> {
    const { child } = { child: this.#child }
    if (child === undefined) throw new Error("never: it has a process")
    const answered = once(child, "message")
    child.send(question)
    const [usage] = await answered
    return usage // the probe sends nothing else
  }

  async stop(): Promise<void> {
    const child = this.#child
    if (child === undefined || child.exitCode !== null) return
    const exited = once(child, "exit")
    child.kill("SIGTERM")
    const late = setTimeout(() => child.kill("SIGKILL"), 5_000)
    await exited
    clearTimeout(late)
  }
}

let started = 0

/** Starts what `contender` needs besides its programs. `profile` is where Quartet's CPU profile goes. */
export async function startRouter(contender: Contender, profile?: string): Promise<Router> {
  const path = join(directory, `router-${++started}`)
  switch (contender) {
    case "quartet":
    case "quartet-json":
      return startQuartet(path, { POOLS_SOCKET: path, POOLS_PORT: "0" }, profile)
    case "quartet-tcp": {
      const port = await freePort()
      return startQuartet(`127.0.0.1:${port}`, { POOLS_PORT: String(port) }, profile)
    }
    case "bare": {
      const child = start([process.execPath, join(import.meta.dirname, "pools-floor.ts"), path])
      await said(child, "listening")
      return new Router(path, child)
    }
    case "nats":
    case "moleculer-nats": {
      const port = await freePort()
      const child = start([commandOf("nats-server") ?? "", "-a", "127.0.0.1", "-p", String(port)])
      await said(child, "Server is ready")
      return new Router(
        contender === "nats" ? `127.0.0.1:${port}` : `nats://127.0.0.1:${port}`,
        child,
      )
    }
    case "moleculer":
      return new Router(`caller:${await freePort()},handler:${await freePort()}`)
    case "redis": {
      const words = ["--port", "0", "--unixsocket", path, "--save", ""]
      const child = start(["redis-server", ...words])
      await said(child, "[Rr]eady to accept")
      return new Router(path, child)
    }
  }
}

async function startQuartet(
  place: string,
  settings: Readonly<Record<string, string>>,
  profile: string | undefined,
): Promise<Router> {
  const main = join(import.meta.dirname, "../src/main.ts")
  const child = start([...probed(profile), main, "serve"], {
    ...{ PORT: "0", OPERATORS_PORT: "0", MAX_CONNECTIONS: "20000", DRAIN_SECONDS: "0" },
    ...{ DATA_DIR: `${directory}/data-${started}`, SHUTDOWN_TIMEOUT_SECONDS: "2", ...settings },
  })
  await said(child, '"event":"listening"')
  return new Router(place, child)
}

/** Resolves when it has written `words`; later lines are not read, but taken. */
function said(child: ChildProcess, words: string): Promise<void> {
  const shape = new RegExp(words)
  let text = ""
  return new Promise((resolve, reject) => {
    child.once("exit", (code) => reject(new Error(`it ended with ${code}: ${text}`)))
    child.once("error", reject)
    const hear = (chunk: Buffer) => {
      if (text.length < 100_000) text += chunk
      if (shape.test(text)) resolve()
    }
    child.stdout?.on("data", hear)
    child.stderr?.on("data", hear)
  })
}

/** A program with its connection. */
export class Program {
  readonly #child: ChildProcess
  /** Called when its handler has got a call that it will never answer. */
  onHeld = () => {}
  #answered: { resolve: (report: Report) => void; reject: (error: Error) => void } | undefined

  constructor() {
    this.#child = start([process.execPath, join(import.meta.dirname, "pools-peer.ts")])
    this.#child.stderr?.on("data", (chunk) => process.stderr.write(chunk))
    // Only pools-peer.ts writes here.
    // biome-ignore lint/suspicious/noExplicitAny: as above
    this.#child.on("message", (message: any) => {
      if (message.held === true) this.onHeld()
      else if (message.failed === undefined) this.#answered?.resolve(message.report)
      else this.#answered?.reject(new Error(message.failed))
    })
  }

  ask(order: Order): Promise<Report> {
    return new Promise((resolve, reject) => {
      this.#answered = { resolve, reject }
      this.#child.send(order)
    })
  }

  kill(): void {
    this.#child.kill("SIGKILL")
  }
}

/** A program that has connected. */
export async function programAt(router: Router, speech: Speech, name: string): Promise<Program> {
  const program = new Program()
  await program.ask({ do: "open", speech, place: router.place, name })
  return program
}
