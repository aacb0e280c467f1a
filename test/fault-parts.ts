/**
 * Parts of the fault tests: a server process that is ended and started again where it was, an
 * editor that speaks the protocol by hand, and a bell for those who wait for what events bring.
 *
 * What always holds: what is typed are marks, code points of which no test types one twice, so a
 * text says what was lost and what was repeated. Nothing here sleeps.
 */
import assert from "node:assert/strict"
import { once } from "node:events"
import { type AddressInfo, connect, createServer, type Socket } from "node:net"
import type { TestContext } from "node:test"
import { WebSocket } from "ws"
import { drawClientKey } from "../src/client/client-key.ts"
import { codePointCount } from "../src/ot/codepoints.ts"
import type { Component } from "../src/ot/operation.ts"
import { documentsProtocol, type ToEditor, type Welcome } from "../src/wire/documents-shapes.ts"
import { type Launched, launch, temporaryDirectory } from "./harness.ts"

/** Nobody waits longer for anything, so that a fault ends a test with a sentence and not by its time-out. */
const longestMs = 60_000

/** Rung at each event that may bring about what somebody waits for. */
export class Bell {
  /** How often it was rung. */
  rings = 0
  readonly #looks = new Set<() => void>()

  readonly ring = (): void => {
    this.rings += 1
    for (const look of [...this.#looks]) look()
  }

  /** Resolves when `holds`, looked at now and at each ring. Rejects after a minute, with `what`. */
  until(what: string, holds: () => boolean): Promise<void> {
    return new Promise((resolve, reject) => {
      const settle = (how: () => void) => {
        this.#looks.delete(look)
        clearTimeout(late)
        how()
      }
      const look = () => {
        if (holds()) settle(resolve)
      }
      const late = setTimeout(() => {
        settle(() => reject(new Error(`within a minute it did not come to this: ${what}`)))
      }, longestMs)
      this.#looks.add(look)
      look()
    })
  }
}

/** Code points that stand for what is typed: never one twice, most of them two UTF-16 units long. */
export class Marks {
  /** All that were typed. */
  readonly typed: string[] = []

  /** A text of `count` fresh marks. */
  next(count = 1): string {
    const first = this.typed.length
    for (let at = first; at < first + count; at += 1) this.typed.push(markAt(at))
    return this.typed.slice(first).join("")
  }
}

// One in four is of the basic plane, as long as there are such: lengths in units are then not twice
// those in code points. Ideographs, for no other reason than that there are many.
function markAt(index: number): string {
  const ofBasicPlane = 0x3400 + index / 4
  const isBasic = index % 4 === 0 && ofBasicPlane < 0xa000
  return String.fromCodePoint(isBasic ? ofBasicPlane : 0x20000 + index)
}

/** Checks that `text` has each of `marks` exactly once, and nothing else. */
export function assertOnce(text: string, marks: Iterable<string>): void {
  const wanted = new Set(marks)
  const seen = new Set<string>()
  const repeated: string[] = []
  for (const mark of text) {
    if (seen.has(mark)) repeated.push(mark)
    seen.add(mark)
  }
  const lost = [...wanted].filter((mark) => !seen.has(mark))
  const unknown = [...seen].filter((mark) => !wanted.has(mark))
  assert.deepEqual({ lost, repeated, unknown }, { lost: [], repeated: [], unknown: [] })
}

/** A server process on a directory and a port of its own, for as many lives as it is given. */
export class Host {
  readonly bell = new Bell()
  readonly #t: TestContext
  readonly #environment: Readonly<Record<string, string>>
  readonly #within: readonly string[]
  #server: Launched | undefined

  private constructor(
    t: TestContext,
    environment: Readonly<Record<string, string>>,
    within: readonly string[],
  ) {
    this.#t = t
    this.#environment = environment
    this.#within = within
  }

  /** Starts its first life. `settings` are variables; without DATA_DIR it has a fresh directory. */
  static async start(
    t: TestContext,
    settings: Readonly<Record<string, string>> = {},
    within: readonly string[] = [],
  ): Promise<Host> {
    const place = settings["DATA_DIR"] ?? temporaryDirectory(t)
    // All editors come from one address, again and again.
    const environment = { JOINS_PER_MINUTE: "1000000", PORT: await freePort(), DATA_DIR: place }
    const host = new Host(t, { ...environment, ...settings }, within)
    await host.start()
    return host
  }

  get environment(): Readonly<Record<string, string>> {
    return this.#environment
  }

  get directory(): string {
    return this.#environment["DATA_DIR"] ?? ""
  }

  get url(): string {
    return `http://127.0.0.1:${this.#environment["PORT"]}`
  }

  /** Its present life, or the one that ended last. */
  get server(): Launched {
    if (this.#server === undefined) throw new Error("it was never started")
    return this.#server
  }

  /** Another life, on the same files and the same port. Each line that it logs rings the bell. */
  async start(environment: Readonly<Record<string, string>> = {}): Promise<void> {
    this.#server = await launch(this.#t, { ...this.#environment, ...environment }, this.#within)
    this.#server.process.stderr?.on("data", this.bell.ring)
  }

  /** Ends this life; resolves with the exit code, null after a kill. No fault of ours was logged in it. */
  async end(signal: NodeJS.Signals): Promise<number | null> {
    const code = await this.server.end(signal)
    assert.deepEqual(this.logged("internal error"), [])
    return code
  }

  /** What this life has logged of one event. */
  logged(event: string): readonly Record<string, unknown>[] {
    return this.server.log.filter((entry) => entry["event"] === event)
  }

  /** The text over HTTP. */
  async text(id: string): Promise<string> {
    const answer = await fetch(`${this.url}/api/text/${id}`)
    assert.equal(answer.status, 200)
    return answer.text()
  }

  /** What is told of a document over HTTP. */
  async about(id: string): Promise<{ readonly epoch: string; readonly revision: number }> {
    const answer = await fetch(`${this.url}/api/document/${id}`)
    assert.equal(answer.status, 200)
    return (await answer.json()) as { epoch: string; revision: number } // our own server's answer
  }

  /** The status of /health. */
  async health(): Promise<number> {
    return (await fetch(`${this.url}/health`)).status
  }

  /** A figure of /metrics, by its name with its labels. */
  async figure(name: string): Promise<number> {
    const lines = (await (await fetch(`${this.url}/metrics`)).text()).split("\n")
    const line = lines.find((each) => each.startsWith(`${name} `))
    return Number(line?.slice(name.length + 1))
  }
}

/**
 * A port that is free now. Below those that the kernel gives to whoever connects: an editor that
 * tries to reach a server which is down could be given that very port, and be connected to itself.
 */
async function freePort(): Promise<string> {
  for (;;) {
    const port = 20_000 + Math.floor(Math.random() * 12_000)
    const probe = createServer()
    probe.listen(port, "127.0.0.1")
    const isFree = await Promise.race([
      once(probe, "listening").then(() => true),
      new Promise<boolean>((resolve) => probe.once("error", () => resolve(false))),
    ])
    probe.close()
    if (isFree) return String(port)
  }
}

/**
 * A line to `host` on which what the server says takes a while, and is lost when either end goes. So
 * edits are applied of which their authors never hear, which hardly happens within one machine.
 * Gives the address of its near end.
 */
export async function longLine(t: TestContext, host: Host): Promise<string> {
  const sockets = new Set<Socket>()
  const server = createServer((near) => {
    const far = connect(Number(new URL(host.url).port), "127.0.0.1")
    near.pipe(far)
    const held: Buffer[] = []
    const passOn = () => {
      const chunk = held.shift()
      if (chunk !== undefined) near.write(chunk)
      if (held.length > 0) afterTurns(Math.random() * 20, passOn)
    }
    far.on("data", (chunk: Buffer) => {
      if (held.push(chunk) === 1) afterTurns(Math.random() * 20, passOn)
    })
    for (const [socket, other] of [
      [near, far],
      [far, near],
    ] as const) {
      sockets.add(socket)
      socket.on("error", () => {}) // told by "close" as well
      socket.on("close", () => {
        sockets.delete(socket)
        other.destroy()
      })
    }
  })
  server.listen(0, "127.0.0.1")
  await once(server, "listening")
  t.after(() => {
    server.close()
    for (const socket of sockets) socket.destroy()
  })
  const { port } = server.address() as AddressInfo // it listens on a port, so that is what it has
  return `http://127.0.0.1:${port}`
}

// The event loop turns more slowly the more there is to do, as a line does.
function afterTurns(turns: number, work: () => void): void {
  if (turns < 1) work()
  else setImmediate(() => afterTurns(turns - 1, work))
}

/** A message as JSON gives it: operations are rows of components there. */
export type Heard =
  | Exclude<ToEditor, { History: unknown }>
  | {
      readonly History: {
        readonly start: number
        readonly operations: readonly { id: number; operation: readonly Component[] }[]
      }
    }

/** What an editor by hand is told at its making. */
export interface RawOptions {
  readonly url: string
  readonly id: string
  readonly bell: Bell
  readonly key?: string
  /** Asked for the next marks whenever it has none in flight; undefined for none now. */
  readonly next?: () => string | undefined
  /** Called with each message, once it was dealt with. */
  readonly heard?: (message: Heard) => void
}

/**
 * An extended editor by hand: it types at the beginning of the text, one edit in flight, and keeps
 * of the text its marks and its length only. An insert at 0 stays there whatever others do, so it
 * needs no transformation, and checks the wire's promises without the code that keeps them.
 */
export class RawEditor {
  /** Each mark it was told of, with the revision by which it is in the text. */
  readonly marks = new Map<string, number>()
  /** The close codes of its sockets. */
  readonly closes: number[] = []
  /** Revisions after which, as it was told, edits are in memory only. */
  readonly warnings: number[] = []
  /** Users that have left. */
  readonly gone = new Set<number>()
  welcome: Welcome | undefined
  revision = 0
  length = 0
  saved = 0
  flight: { readonly seq: number; readonly inserted: string } | undefined
  /** How often a Welcome said that what was in flight had arrived, and how often that it had not. */
  readonly fates = { arrived: 0, lost: 0 }
  /** Acks: answers to an edit that took no revision of its own. */
  acks = 0
  readonly key: string
  readonly #options: RawOptions
  #socket: WebSocket | undefined
  #head = 0
  #seq = 0

  /** Does not come before `come`. */
  constructor(options: RawOptions) {
    this.#options = options
    this.key = options.key ?? drawClientKey()
  }

  /** Comes, or comes back; what was in flight is said again if it was not applied. */
  come(): void {
    const { url, id, bell } = this.#options
    this.#socket?.terminate()
    const socket = new WebSocket(`${url.replace("http", "ws")}/api/socket/${id}`, documentsProtocol)
    this.#socket = socket
    socket.on("open", () => this.say({ Join: this.#join() }))
    socket.on("message", (data) => {
      if (this.#socket !== socket) return
      const message = JSON.parse(String(data)) as Heard // as the manual of the protocol has it
      this.#receive(message)
      this.#options.heard?.(message)
      bell.ring()
    })
    socket.on("error", () => {}) // told by "close" as well
    socket.on("close", (code) => {
      this.closes.push(code)
      bell.ring()
    })
  }

  /** Another tab with the same record: it goes on from here, under the same key. Does not come before `come`. */
  twin(): RawEditor {
    const twin = new RawEditor({ ...this.#options, key: this.key })
    const { welcome, revision, length, flight } = this
    Object.assign(twin, { welcome, revision, length, flight })
    for (const [mark, at] of this.marks) twin.marks.set(mark, at)
    twin.#seq = this.#seq
    return twin
  }

  /** Its line is cut. */
  drop(): void {
    this.#socket?.terminate()
    this.#socket = undefined
  }

  /** Reads nothing more: what it is sent fills the kernel's buffers, and then the server's. */
  pause(): void {
    this.#socket?.pause()
  }

  resume(): void {
    this.#socket?.resume()
  }

  /** Resolves when the kernel has all that was sent. */
  async handedOver(): Promise<void> {
    const socket = this.#socket
    // A ping behind it: its callback comes when everything before it was written too.
    await new Promise((resolve) => socket?.ping("", true, resolve))
  }

  /** Sends a message as it is. */
  say(message: object): void {
    if (this.#socket?.readyState === WebSocket.OPEN) this.#socket.send(JSON.stringify(message))
  }

  /** Types, now or when it is back. Nothing may be in flight. */
  type(inserted: string): void {
    assert.equal(this.flight, undefined)
    this.#seq += 1
    this.flight = { seq: this.#seq, inserted }
    if (this.isHere) this.#send()
  }

  /** Whether it has joined and been told everything up to then. */
  get isHere(): boolean {
    return this.welcome !== undefined && this.revision >= this.#head && this.isOpen
  }

  get isOpen(): boolean {
    return this.#socket?.readyState === WebSocket.OPEN
  }

  #join(): object {
    const { key: client, revision, welcome, flight } = this
    if (welcome === undefined) return { client, name: "by hand" }
    const seq = flight?.seq ?? null
    const resume = { epoch: welcome.epoch, revision, seq, age: 0, pending: seq !== null }
    return { client, name: "by hand", resume }
  }

  #send(): void {
    if (this.flight === undefined) return
    const { revision, length } = this
    const { seq, inserted } = this.flight
    this.say({ Edit: { revision, seq, operation: length === 0 ? [inserted] : [inserted, length] } })
  }

  #receive(message: Heard): void {
    if ("Welcome" in message) {
      this.#onWelcome(message.Welcome)
    } else if ("History" in message) {
      const { start, operations } = message.History
      assert.equal(start, this.revision, "History has no gap")
      for (const { id, operation } of operations) this.#take(id, operation)
      if (this.isHere) this.#goOn()
    } else if ("Ack" in message) {
      this.acks += 1
      if (message.Ack.seq === this.flight?.seq) this.flight = undefined
      this.#goOn()
    } else if ("Error" in message) {
      const { code, seq, revision } = message.Error
      if (code === "unavailable" && seq === undefined) this.warnings.push(revision)
      else if (code === "stale-revision" && seq === this.flight?.seq) this.#send()
      else assert.fail(`refused: ${JSON.stringify(message.Error)}`)
    } else if ("Saved" in message) {
      this.saved = message.Saved.revision
    } else if ("UserInfo" in message) {
      if ((message.UserInfo.info ?? null) === null) this.gone.add(message.UserInfo.id)
    }
  }

  #onWelcome(welcome: Welcome): void {
    const { text, revision, head, applied, saved } = welcome
    this.welcome = welcome
    this.saved = saved
    this.#head = head
    if (text !== undefined) {
      this.revision = revision
      this.length = codePointCount(text)
      for (const mark of text) this.#note(mark, revision)
    }
    assert.equal(revision, this.revision, "a tail begins where we stand")
    assert.notEqual(applied, null, "nobody has forgotten this key")
    if (this.flight !== undefined) {
      const hasArrived = (applied ?? 0) >= this.flight.seq
      this.fates[hasArrived ? "arrived" : "lost"] += 1
      if (hasArrived) this.flight = undefined
      else if (revision === head) this.#send()
    }
    if (revision === head) this.#goOn()
  }

  #take(id: number, operation: readonly Component[]): void {
    this.revision += 1
    for (const component of operation) {
      if (typeof component === "number") {
        if (component < 0) this.length += component
        continue
      }
      this.length += codePointCount(component)
      for (const mark of component) this.#note(mark, this.revision)
    }
    // In a tail this says once more what `applied` has said.
    if (id === this.welcome?.id) this.flight = undefined
    if (this.revision === this.#head) this.#send()
  }

  #note(mark: string, revision: number): void {
    if (!this.marks.has(mark)) this.marks.set(mark, revision)
  }

  #goOn(): void {
    if (this.flight !== undefined) return
    const inserted = this.#options.next?.()
    if (inserted !== undefined) this.type(inserted)
  }
}
