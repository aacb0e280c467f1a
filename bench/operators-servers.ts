/**
 * The servers that the operators are measured beside, each a process of its own on the first core:
 * Quartet with this part alone, the floor, and Mosquitto.
 *
 * What always holds: what a server has used is read from /proc, so it is the same figure for all;
 * its process is gone when `stop` resolves, and when this one ends; so is its directory.
 */
import { type ChildProcess, spawn, spawnSync } from "node:child_process"
import { once } from "node:events"
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { connect } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { createInterface } from "node:readline"
import { setTimeout as sleep } from "node:timers/promises"
import { commandOf } from "./present.ts"
import type { Usage } from "./probe.ts"
import { cpuMsOf, freePort, onServerCore, probed } from "./processes.ts"

export const contenders = ["quartet", "floor", "mosquitto"] as const
export type Contender = (typeof contenders)[number]

export interface ServerOptions {
  /** All of Quartet's; `quick` unless told. */
  readonly settings?: Readonly<Record<string, string>>
  /** Writes a CPU profile of Quartet into this directory when it ends. */
  readonly profile?: string | undefined
  /** Mosquitto asks for passwords: those of `accounts` callsigns, each its own callsign. */
  readonly passwords?: readonly string[]
}

/** Debian's, or undefined where it is not installed. */
export const mosquitto = commandOf("mosquitto")

/** Limits that ten thousand far ends of one machine would meet; the rules themselves are on. */
const wide = {
  accounts: 20_000,
  strangers: 20_000,
  registrations: 1_000_000,
  hashWaiting: 1_000,
}
/** As it runs anywhere, on a file. */
export const shipped = { PARTS: "operators", PORT: "0" }
/** Room for ten thousand, flood control off as at the others. */
export const roomy = {
  ...shipped,
  OPERATORS_RATE: "0",
  OPERATORS_CONNECTIONS: "20000",
  MAX_CONNECTIONS: "20000",
  BENCH_OPERATORS: JSON.stringify(wide),
}
/** Cheap hashes too, for a database in memory, where logins are not what is measured. */
export const quick = { ...roomy, SQLITE_URI: ":memory:", OPERATORS_HASH: "m=8,t=1,p=1" }

export interface Memory {
  /** Of the machine's memory. */
  readonly rssBytes: number
  /** Of JavaScript's, buffers too; NaN where there is none. */
  readonly heapBytes: number
}

/** What one of `count` newcomers takes. */
export function memoryEach(before: Memory, after: Memory, count: number): Memory {
  return {
    rssBytes: (after.rssBytes - before.rssBytes) / count,
    heapBytes: (after.heapBytes - before.heapBytes) / count,
  }
}

export class Server {
  readonly kind: Contender
  readonly port: number
  /** Of WebSockets; 0 where there are none. */
  readonly httpPort: number
  /** From its start until it said that it listens. */
  readonly startMs: number
  readonly #child: ChildProcess
  readonly #directory: string

  private constructor(of: Began & { readonly kind: Contender; readonly directory: string }) {
    this.kind = of.kind
    this.port = of.port
    this.httpPort = of.httpPort
    this.startMs = performance.now() - of.began
    this.#child = of.child
    this.#directory = of.directory
  }

  /** Resolves when it listens. */
  static async start(kind: Contender, options: ServerOptions = {}): Promise<Server> {
    const directory = mkdtempSync(join(tmpdir(), "quartet-bench-"))
    const began = await (kind === "mosquitto"
      ? startMosquitto(directory, options)
      : startNode(kind, directory, options))
    const kill = () => began.child.kill("SIGKILL")
    process.once("exit", kill)
    began.child.once("exit", () => process.off("exit", kill))
    return new Server({ ...began, kind, directory })
  }

  /** User and system time of all its threads, in ms, in steps of 10. */
  get cpuMs(): number {
    return cpuMsOf(this.#child.pid)
  }

  /** Resolves with what it holds once garbage is gone. */
  async memory(): Promise<Memory> {
    let heapBytes = Number.NaN
    if (this.kind !== "mosquitto") {
      const collected = once(this.#child, "message")
      this.#child.send("collect")
      const [usage] = await collected
      heapBytes = (usage as Usage).heapBytes // the probe sends nothing else
    }
    const status = readFileSync(`/proc/${this.#child.pid}/status`, "utf8")
    return { rssBytes: Number(/VmRSS:\s+(\d+)/.exec(status)?.[1]) * 1_024, heapBytes }
  }

  async stop(): Promise<void> {
    const exited = once(this.#child, "exit")
    this.#child.kill("SIGTERM")
    await exited
    rmSync(this.#directory, { recursive: true, force: true })
  }
}

interface Began {
  readonly child: ChildProcess
  readonly port: number
  readonly httpPort: number
  readonly began: number
}

interface LogLine {
  readonly event?: string
  readonly operators?: string
  readonly url?: string
}

async function startNode(
  kind: "quartet" | "floor",
  directory: string,
  options: ServerOptions,
): Promise<Began> {
  const file = kind === "quartet" ? ["../src/main.ts", "serve"] : ["operators-floor.ts"]
  const [program = "", ...words] = file
  const path = join(import.meta.dirname, program)
  const flags = probed(kind === "quartet" ? options.profile : undefined)
  const [first, ...rest] = onServerCore([...flags, path, ...words])
  const own = { DATA_DIR: directory, OPERATORS_PORT: String(await freePort()) }
  const env = { PATH: process.env["PATH"], ...own, ...(options.settings ?? quick) }
  const began = performance.now()
  const child = spawn(first, rest, { env, stdio: ["ignore", "ignore", "pipe", "ipc"] })
  const { stderr } = child
  if (stderr === null) throw new Error("never: its stderr is a pipe")
  return new Promise((resolve, reject) => {
    child.once("exit", (code) => reject(new Error(`the server ended with ${code}`)))
    createInterface({ input: stderr }).on("line", (line) => {
      if (!line.startsWith("{")) return void process.stderr.write(`${line}\n`)
      const { event, operators = "", url } = JSON.parse(line) as LogLine // its own log
      if (event !== "listening") return
      const port = Number(operators.split(":")[1])
      const httpPort = url === undefined ? 0 : Number(new URL(url).port)
      resolve({ child, port, httpPort, began })
    })
  })
}

async function startMosquitto(directory: string, { passwords }: ServerOptions): Promise<Began> {
  if (mosquitto === undefined) throw new Error("mosquitto is not installed")
  const port = await freePort()
  const lines = [
    ...[`listener ${port} 127.0.0.1`, "persistence false", "log_type none"],
    ...["set_tcp_nodelay true", "max_queued_messages 0", "max_inflight_messages 0"],
  ]
  if (passwords === undefined) lines.push("allow_anonymous true")
  else lines.push("allow_anonymous false", `password_file ${passwordFile(directory, passwords)}`)
  // As root it would give itself another user, and could not read what is ours.
  if (process.getuid?.() === 0) lines.push("user root")
  const file = join(directory, "mosquitto.conf")
  writeFileSync(file, `${lines.join("\n")}\n`)
  const [first, ...rest] = onServerCore([mosquitto, "-c", file])
  const began = performance.now()
  const child = spawn(first, rest, { stdio: "ignore" })
  while (!(await answers(port))) {
    if (child.exitCode !== null) throw new Error(`mosquitto ended with ${child.exitCode}`)
    await sleep(5)
  }
  return { child, port, httpPort: 0, began }
}

function passwordFile(directory: string, callsigns: readonly string[]): string {
  const file = join(directory, "passwords")
  writeFileSync(file, callsigns.map((callsign) => `${callsign}:${callsign}\n`).join(""))
  if (!existsSync("/usr/bin/mosquitto_passwd")) throw new Error("mosquitto_passwd is missing")
  spawnSync("/usr/bin/mosquitto_passwd", ["-U", file])
  return file
}

async function answers(port: number): Promise<boolean> {
  const socket = connect(port, "127.0.0.1")
  const how = await new Promise<boolean>((resolve) => {
    socket.once("connect", () => resolve(true))
    socket.once("error", () => resolve(false))
  })
  socket.destroy()
  return how
}
