/**
 * A server under test, as a process of its own on a core of its own: Quartet, or the floor.
 *
 * What always holds: the process and its directory are gone when `stop` resolves, and the process
 * when this one ends, however it ends. The load runs in this process, on the other core.
 */
import { type ChildProcess, spawn, spawnSync } from "node:child_process"
import { once } from "node:events"
import { mkdtempSync, rmSync } from "node:fs"
import { availableParallelism, tmpdir } from "node:os"
import { join } from "node:path"
import { createInterface } from "node:readline"
import type { Question, Usage } from "./probe.ts"

export type Kind = "quartet" | "floor"

const serverCore = "0"
const loadCore = "1"
const mayPin = availableParallelism() > 1 && spawnSync("taskset", ["--version"]).status === 0

/** Puts this process on the core of the load. Returns whether cores can be chosen here. */
export function pinLoad(): boolean {
  if (mayPin) spawnSync("taskset", ["-a", "-c", "-p", loadCore, String(process.pid)])
  return mayPin
}

/** How a server is started. */
export interface Start {
  /** Writes a CPU profile of it into this directory when it ends. */
  readonly profile?: string | undefined
}

export class Target {
  readonly kind: Kind
  readonly port: number
  readonly #child: ChildProcess
  readonly #directory: string

  private constructor(kind: Kind, port: number, child: ChildProcess, directory: string) {
    this.kind = kind
    this.port = port
    this.#child = child
    this.#directory = directory
  }

  /** Resolves when it listens. Rejects when it ends before. */
  static async start(kind: Kind, start: Start = {}): Promise<Target> {
    const directory = mkdtempSync(join(tmpdir(), "quartet-bench-"))
    const program = kind === "floor" ? ["floor.ts"] : ["../src/main.ts", "serve"]
    const [file = "", ...words] = program
    const flags = ["--expose-gc", "--import", join(import.meta.dirname, "probe.ts")]
    if (start.profile !== undefined) flags.push("--cpu-prof", `--cpu-prof-dir=${start.profile}`)
    const command = [process.execPath, ...flags, join(import.meta.dirname, file), ...words]
    const pinned = mayPin ? ["taskset", "-c", serverCore, ...command] : command
    const child = spawn(pinned[0] ?? "", pinned.slice(1), {
      env: { ...settings, ...process.env, PORT: "0", DATA_DIR: directory },
      stdio: ["ignore", "ignore", "pipe", "ipc"],
    })
    const kill = () => child.kill("SIGKILL")
    process.once("exit", kill)
    child.once("exit", () => {
      process.off("exit", kill)
      rmSync(directory, { recursive: true, force: true })
    })
    return new Target(kind, await listening(child), child, directory)
  }

  /** What it has used since it began. */
  ask(question: Question): Promise<Usage> {
    return new Promise((resolve, reject) => {
      const ended = () => reject(new Error("the server ended"))
      this.#child.once("exit", ended)
      this.#child.once("message", (usage) => {
        this.#child.off("exit", ended)
        resolve(usage as Usage) // the probe sends nothing else
      })
      this.#child.send(question)
    })
  }

  /** The text of a document, as it is told over HTTP. */
  async text(id: string): Promise<string> {
    const answer = await fetch(`http://127.0.0.1:${this.port}/api/text/${encodeURIComponent(id)}`)
    if (!answer.ok) throw new Error(`the text of ${id}: ${answer.status}`)
    return answer.text()
  }

  async stop(): Promise<void> {
    const exited = once(this.#child, "exit")
    // The floor keeps nothing, and ends of itself only when it may write its profile.
    this.#child.kill(this.kind === "floor" ? "SIGKILL" : "SIGTERM")
    await exited
    rmSync(this.#directory, { recursive: true, force: true })
  }
}

/**
 * Journal on, rates off; the environment of this process may say otherwise. Each load says which
 * address it has (a trusted proxy would): some limits, such as that of new documents in a minute,
 * have no setting and count by address.
 */
const settings = {
  EDITS_PER_SECOND: "0",
  JOINS_PER_MINUTE: "1000000",
  MAX_EDITORS: "4000",
  MAX_CONNECTIONS: "20000",
  TRUST_PROXY: "1",
  DRAIN_SECONDS: "0",
}

// The port it listens at. Later lines of its log are shown if they tell of trouble.
function listening(child: ChildProcess): Promise<number> {
  const { stderr } = child
  if (stderr === null) throw new Error("never: its stderr is a pipe")
  return new Promise((resolve, reject) => {
    child.once("exit", (code) => reject(new Error(`the server ended with ${code}`)))
    createInterface({ input: stderr }).on("line", (line) => {
      const event = line.startsWith("{") ? (JSON.parse(line) as LogLine) : undefined // its own log
      if (event?.event === "listening") resolve(Number(new URL(event.url ?? "").port))
      else if (event === undefined || event.level === "warn" || event.level === "error") {
        process.stderr.write(`${line}\n`)
      }
    })
  })
}

interface LogLine {
  readonly event?: string
  readonly level?: string
  readonly url?: string
}
