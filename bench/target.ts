/**
 * A server under test, as a process of its own on a core of its own: Quartet, the floor, or a peer.
 *
 * What always holds: the process is gone when `stop` or `kill` resolves, and when this one ends,
 * however it ends; so is its directory, unless it was given one. The load runs in this process, on
 * the other core.
 */
import { type ChildProcess, spawn } from "node:child_process"
import { once } from "node:events"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { createInterface } from "node:readline"
import type { Question, Usage } from "./probe.ts"
import { onServerCore, probed } from "./processes.ts"

/** Other servers, which do more than the floor; installed in bench/peers where somebody measures. */
export const peers = ["sharedb", "ot"] as const
/** Other relays, and two floors of their own: bytes through `ws`, and frames built once. */
export const relays = ["relay-floor", "relay-framed", "y-websocket", "hocuspocus"] as const
/** Who is measured beside Quartet. */
export const rivals = ["floor", ...peers, ...relays] as const
export const kinds = ["quartet", ...rivals] as const
export type Peer = (typeof peers)[number]
export type Kind = (typeof kinds)[number]
/** Who has documents, beside Quartet. */
export type DocumentsRival = "floor" | Peer
/** Who has documents. */
export type DocumentsKind = "quartet" | DocumentsRival
/** Who relays. */
export type RelayKind = "quartet" | (typeof relays)[number]

/** As tables call them. */
export const nameOf: Readonly<Record<Kind, string>> = {
  quartet: "Quartet",
  floor: "floor",
  sharedb: "ShareDB",
  ot: "ot.js",
  "relay-floor": "ws floor",
  "relay-framed": "framed floor",
  "y-websocket": "@y/websocket-server",
  hocuspocus: "@hocuspocus/server",
}

const programs: Readonly<Record<Kind, readonly [file: string, ...words: string[]]>> = {
  quartet: ["../src/main.ts", "serve"],
  floor: ["floor.ts"],
  sharedb: ["peers/sharedb.ts"],
  ot: ["peers/ot.ts"],
  "relay-floor": ["relay-floor.ts", "send"],
  "relay-framed": ["relay-floor.ts", "framed"],
  "y-websocket": ["peers/y-websocket.ts"],
  hocuspocus: ["peers/hocuspocus.ts"],
}

/** How a server is started. */
export interface Start {
  /** Writes a CPU profile of it into this directory when it ends. */
  readonly profile?: string | undefined
  /** Where its files lie, and stay. Without it they lie in a directory that goes with it. */
  readonly directory?: string
  /** Any free one unless told. */
  readonly port?: number
  /** Variables of this start alone. */
  readonly settings?: Readonly<Record<string, string>>
  /** Not on the core for servers. */
  readonly core?: "any"
}

/** A line of the server's log. */
export interface LogLine {
  readonly event?: string
  readonly level?: string
  readonly time?: string
  readonly url?: string
  /** Of "documents flushed". */
  readonly flushed?: number
}

export class Target<K extends Kind = DocumentsKind> {
  readonly kind: K
  readonly port: number
  /** What it has logged. */
  readonly log: readonly LogLine[]
  readonly #child: ChildProcess

  private constructor(kind: K, child: ChildProcess, { port, log }: Listening) {
    this.kind = kind
    this.port = port
    this.log = log
    this.#child = child
  }

  /** Resolves when it listens. Rejects when it ends before. */
  static async start<K extends Kind>(kind: K, start: Start = {}): Promise<Target<K>> {
    const directory = start.directory ?? mkdtempSync(join(tmpdir(), "quartet-bench-"))
    const [file, ...words] = programs[kind]
    const command = [...probed(start.profile), join(import.meta.dirname, file), ...words]
    const [program, ...rest] = start.core === "any" ? command : onServerCore(command)
    const own = {
      PORT: String(start.port ?? 0),
      OPERATORS_PORT: "0",
      POOLS_PORT: "0",
      DATA_DIR: directory,
      ...start.settings,
    }
    const child = spawn(program ?? "", rest, {
      env: { ...settings, ...process.env, ...own },
      stdio: ["ignore", "ignore", "pipe", "ipc"],
    })
    const kill = () => child.kill("SIGKILL")
    process.once("exit", kill)
    child.once("exit", () => {
      process.off("exit", kill)
      if (start.directory === undefined) rmSync(directory, { recursive: true, force: true })
    })
    return new Target(kind, child, await listening(child))
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

  /** Ends it in order. */
  stop(): Promise<void> {
    // The others keep nothing, and need no goodbye.
    return this.#end(this.kind === "quartet" ? "SIGTERM" : "SIGKILL")
  }

  /** Ends it as the machine's failing would. */
  kill(): Promise<void> {
    return this.#end("SIGKILL")
  }

  async #end(signal: NodeJS.Signals): Promise<void> {
    const exited = once(this.#child, "exit")
    this.#child.kill(signal)
    await exited
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

interface Listening {
  readonly port: number
  readonly log: LogLine[]
}

// The port it listens at. Later lines of its log are shown if they tell of trouble.
function listening(child: ChildProcess): Promise<Listening> {
  const { stderr } = child
  if (stderr === null) throw new Error("never: its stderr is a pipe")
  const log: LogLine[] = []
  return new Promise((resolve, reject) => {
    child.once("exit", (code) => reject(new Error(`the server ended with ${code}`)))
    createInterface({ input: stderr }).on("line", (line) => {
      const event = line.startsWith("{") ? (JSON.parse(line) as LogLine) : undefined // its own log
      if (event !== undefined) log.push(event)
      if (event?.event === "listening") {
        resolve({ port: Number(new URL(event.url ?? "").port), log })
      } else if (event === undefined || event.level === "warn" || event.level === "error") {
        process.stderr.write(`${line}\n`)
      }
    })
  })
}
