/**
 * Operators behind real sockets, for tests: the service, its listeners and far ends that speak over
 * TCP, a unix socket or WebSocket. The clock is turned by hand, chance comes from a seed.
 *
 * `played` plays a transcript: what is done, `----`, and what each far end then heard. Ids,
 * generations and the epoch are written as k1, g1 and e1, in the order in which they are first told.
 */
import { mkdtempSync, rmSync } from "node:fs"
import { connect, type Socket } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { WebSocket } from "ws"
import { type Config, readConfig } from "../src/config.ts"
import { HttpListener } from "../src/net/http.ts"
import { WebSockets } from "../src/net/websocket.ts"
import { digestOf } from "../src/operators/secret.ts"
import { createOperators } from "../src/server-operators.ts"
import { openStore } from "../src/store.ts"
import { aTurn, partsOf, until } from "./net-parts.ts"

export const carriers = ["TCP", "unix socket", "WebSocket"] as const
export type Carrier = (typeof carriers)[number]

/** Bytes that follow from a seed: the same each time. */
export function seeded(seed: number): (length: number) => Uint8Array {
  let state = seed >>> 0
  return (length) =>
    Uint8Array.from({ length }, () => {
      state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
      return state >>> 24
    })
}

/** A far end: what it hears, line by line. */
export class Peer {
  readonly lines: string[] = []
  isOver = false
  readonly #write: (line: string) => void
  readonly #end: () => void
  /** Of a stream: for bytes that are no lines. */
  readonly socket: Socket | undefined

  private constructor(of: { write: (line: string) => void; end: () => void; socket?: Socket }) {
    this.#write = of.write
    this.#end = of.end
    this.socket = of.socket
  }

  static async stream(socket: Socket): Promise<Peer> {
    await new Promise<void>((resolve, reject) => {
      socket.once("connect", resolve)
      socket.once("error", reject)
    })
    const peer = new Peer({
      socket,
      write: (line) => socket.write(`${line}\n`),
      end: () => socket.destroy(),
    })
    let begun = ""
    socket.setEncoding("utf8")
    socket.on("data", (text: string) => {
      const lines = (begun + text).split("\n")
      begun = lines.pop() ?? ""
      peer.lines.push(...lines)
    })
    socket.on("error", () => {}) // told by "close" as well
    socket.on("close", () => {
      peer.isOver = true
    })
    return peer
  }

  static async webSocket(url: string): Promise<Peer> {
    const socket = new WebSocket(url)
    const peer = new Peer({ write: (line) => socket.send(line), end: () => socket.terminate() })
    socket.on("message", (data) => peer.lines.push(`${data}`))
    socket.on("error", () => {}) // told by "close" as well
    socket.on("close", () => {
      peer.isOver = true
    })
    await until(() => socket.readyState === WebSocket.OPEN)
    return peer
  }

  says(line: string): void {
    if (!this.isOver) this.#write(line)
  }

  leaves(): void {
    this.#end()
  }
}

/** The operators with every listener they have. */
export class Stage {
  readonly parts = partsOf()
  readonly #folder = mkdtempSync(join(tmpdir(), "quartet-operators-"))
  readonly store
  readonly part
  readonly #http: HttpListener
  #url = ""
  #watcher: Peer | undefined
  #marks = 0

  constructor(config: Partial<Config> = {}) {
    const { connections, gate, metrics, log } = this.parts
    const random = seeded(1)
    this.store = openStore({ uri: ":memory:" })
    const settings: Config = {
      ...readConfig({}),
      operatorsPort: 0,
      operatorsSocket: join(this.#folder, "operators.sock"),
      operatorsHash: "m=8,t=1,p=1",
      operatorsRate: 0,
      ...config,
    }
    const now = connections.now
    this.part = createOperators({
      ...{ config: settings, store: this.store, log, connections, gate, random, now },
    })
    const own = { connections, gate, pathPrefix: "/", random }
    this.#http = new HttpListener({
      ...own,
      metrics,
      routes: [],
      sockets: new WebSockets({ ...own, routes: [this.part.route] }),
      pageDirectory: "/nowhere",
      page: { panels: [""], parts: ["operators"], frameAncestors: "'self'" },
      health: async () => ({ status: 200, body: "well" }),
      isReady: () => true,
    })
  }

  get service() {
    return this.part.service
  }

  async start(): Promise<this> {
    await this.part.listen()
    const { port } = await this.#http.listen(0, "127.0.0.1")
    this.#url = `ws://127.0.0.1:${port}/operators`
    return this
  }

  dial(carrier: Carrier): Promise<Peer> {
    const [tcp = "", path = ""] = this.part.places
    if (carrier === "WebSocket") return Peer.webSocket(this.#url)
    if (carrier === "unix socket") return Peer.stream(connect(path))
    // Else the second of two short lines would wait for an acknowledgement.
    const noDelay = true
    return Peer.stream(connect({ port: Number(tcp.split(":")[1]), host: "127.0.0.1", noDelay }))
  }

  get url(): string {
    return this.#url
  }

  /** Lets `ms` pass: a tick every 100 ms, and what was written leaves each second. */
  async pass(ms: number): Promise<void> {
    const { connections } = this.parts
    // It says nothing meanwhile, and would be closed for that.
    this.#watcher?.leaves()
    this.#watcher = undefined
    for (let left = ms; left > 0; left -= 100) {
      const now = connections.now + Math.min(100, left)
      this.service.tick(now)
      connections.tick(now)
      if (left % 1_000 === 0) await aTurn()
    }
  }

  /**
   * Resolves when all that was said has been dealt with and has been heard: a marker goes round in a
   * connection of its own, and all were written to before its answer.
   */
  async settle(carrier: Carrier, peers: readonly Peer[]): Promise<void> {
    for (let quiet = 0; quiet < 3; ) {
      const before = peers.map((peer) => peer.lines.length + Number(peer.isOver)).join()
      await this.#mark(carrier)
      const after = peers.map((peer) => peer.lines.length + Number(peer.isOver)).join()
      quiet = before === after && this.service.counts.hashes === 0 ? quiet + 1 : 0
    }
  }

  async #mark(carrier: Carrier): Promise<void> {
    if (this.#watcher === undefined || this.#watcher.isOver) {
      this.#watcher = await this.dial(carrier)
      this.#watcher.says("$ quartet")
      this.#marks = 0
    }
    // A stranger may say 16 lines: then another one watches.
    if (++this.#marks === 14) this.#watcher.leaves()
    const watcher = this.#marks === 14 ? undefined : this.#watcher
    if (watcher === undefined) {
      this.#watcher = undefined
      return this.#mark(carrier)
    }
    const word = `mark-${this.#marks}`
    watcher.says(`$ ping ${word}`)
    await until(() => watcher.lines.includes(`$ pong ${word}`))
  }

  async stop(): Promise<void> {
    this.part.stopListening()
    const closed = this.#http.stopListening()
    this.service.stop()
    this.parts.connections.cutAll("going-away")
    await this.parts.connections.whenEmpty()
    this.#http.close()
    await closed
    this.store.close()
    rmSync(this.#folder, { recursive: true, force: true })
  }
}

const separator = "----"
const units = { ms: 1, s: 1_000, min: 60_000, h: 3_600_000 } as const

/** Plays a transcript over one carrier and gives it as it should be: the same, if what it says is true. */
export async function played(transcript: string, carrier: Carrier): Promise<string> {
  const [title = "", ...rest] = transcript.trimEnd().split(/\n\n+/)
  const registration = /^registration is (\w+)$/m.exec(transcript)?.[1] ?? "open"
  const stage = await new Stage({
    operatorsRegistration: registration as Config["operatorsRegistration"], // checked by who writes it
  }).start()
  const cast = new Map<string, Peer>()
  const names = new Names()
  try {
    const blocks: string[] = [title]
    for (const block of rest) {
      const lines = block.split("\n")
      const done = lines.includes(separator) ? lines.slice(0, lines.indexOf(separator)) : lines
      const read = new Map([...cast].map(([name, peer]) => [name, peer.lines.length]))
      const wasOver = new Set([...cast].flatMap(([name, peer]) => (peer.isOver ? [name] : [])))
      for (const line of done) {
        await perform(line, { stage, carrier, cast, names })
        if (line.endsWith(" connects")) read.delete(line.slice(0, -" connects".length))
        await stage.settle(carrier, [...cast.values()])
        for (const peer of cast.values()) for (const told of peer.lines) names.told(told)
      }
      const heard = [...cast].flatMap(([name, peer]) => [
        ...peer.lines.slice(read.get(name) ?? 0).map((told) => `${name} < ${names.told(told)}`),
        ...(peer.isOver && !wasOver.has(name) ? [`${name} is closed`] : []),
      ])
      blocks.push([...done, separator, ...(heard.length === 0 ? ["nothing"] : heard)].join("\n"))
    }
    return `${blocks.join("\n\n")}\n`
  } finally {
    await stage.stop()
  }
}

/** Holds a conversation of the manual, a line after the other; gives all that was heard. */
export async function converse(written: string, carrier: Carrier): Promise<string> {
  const done = written.split("\n").filter((line) => line !== "" && !/^\w+ < /.test(line))
  const stage = await new Stage().start()
  const cast = new Map<string, Peer>()
  const names = new Names()
  const heard: string[] = []
  try {
    for (const line of done) {
      await perform(line, { stage, carrier, cast, names })
      await stage.settle(carrier, [...cast.values()])
      for (const [name, peer] of cast) {
        for (const told of peer.lines.splice(0)) heard.push(`${name} < ${names.told(told)}`)
      }
    }
    return heard.join("\n")
  } finally {
    await stage.stop()
  }
}

interface Scene {
  readonly stage: Stage
  readonly carrier: Carrier
  readonly cast: Map<string, Peer>
  readonly names: Names
}

async function perform(line: string, { stage, carrier, cast, names }: Scene): Promise<void> {
  const [, name = "", said] = /^(\w+) >(?: (.*))?$/.exec(line) ?? []
  if (name !== "") {
    const peer = cast.get(name) ?? (await stage.dial(carrier))
    cast.set(name, peer)
    return peer.says(names.said(said ?? ""))
  }
  const [, who = "", deed] = /^(\w+) (leaves|connects)$/.exec(line) ?? []
  if (deed === "leaves") {
    const { sessions } = stage.service.counts
    cast.get(who)?.leaves()
    return until(() => stage.service.counts.sessions < sessions)
  }
  if (deed === "connects") {
    cast.delete(who)
    return void cast.set(who, await stage.dial(carrier))
  }
  const [, count, unit] = /^time \+(\d+) (ms|s|min|h)$/.exec(line) ?? []
  if (count !== undefined) return stage.pass(Number(count) * units[unit as keyof typeof units]) // the pattern has no other
  const [, invited, token] = /^(\w+) is invited with (\w+)$/.exec(line) ?? []
  if (invited !== undefined && token !== undefined) {
    const { now } = stage.parts.connections
    const invitation = { untilMs: now + 60_000, digest: digestOf(token) }
    return void stage.service.accounts.invite(invited, invitation, now)
  }
  const [, gone] = /^the row of (\w+) is deleted by hand$/.exec(line) ?? []
  if (gone !== undefined) {
    stage.store.prepare("DELETE FROM operators WHERE callsign = :callsign").run({ callsign: gone })
    return
  }
  if (!line.startsWith("registration is ")) throw new Error(`nobody knows how to do this: ${line}`)
}

/** Short names for what is drawn at random, and for what is too long to read. */
class Names {
  readonly #short = new Map<string, string>()
  readonly #long = new Map<string, string>()

  told(line: string): string {
    if (!line.startsWith("$ ")) return spaced(shortened(line))
    // Of a message only what stands before its text: what looks like an id there is none.
    const words = line.split(" ")
    const head = ["from", "own"].includes(words[1] ?? "") ? 6 : words.length
    const named = words.map((word, at) => {
      if (/^epoch=[0-9a-f]{16}$/.test(word)) return `epoch=${this.#name("e", word.slice(6))}`
      if (at >= head || at < 2) return word
      if (/^[0-9a-f]{8}$/.test(word)) return this.#name("g", word)
      return /^[a-z2-7]{10}$/.test(word) ? this.#name("k", word) : word
    })
    return spaced(shortened(named.join(" ")))
  }

  said(line: string): string {
    const long = line.replace(/<(\d+) (.)>/g, (_, count: string, letter: string) =>
      letter.repeat(Number(count)),
    )
    return long.replace(/(?<=[ /])[kg]\d+(?= |$)/g, (name) => this.#long.get(name) ?? name)
  }

  #name(kind: string, drawn: string): string {
    const known = this.#short.get(drawn)
    if (known !== undefined) return known
    const count = [...this.#short.values()].filter((name) => name.startsWith(kind)).length
    const name = `${kind}${count + 1}`
    this.#short.set(drawn, name)
    this.#long.set(name, drawn)
    return name
  }
}

function shortened(line: string): string {
  if (line.startsWith("$ hello ")) return line.replace(/ line=.*/, " …")
  return line.length > 400 ? `(${line.length} characters)` : line
}

/** A space at the end would not be seen. */
function spaced(line: string): string {
  return line.replace(/ $/, "␠")
}
