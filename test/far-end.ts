/**
 * The documents service with far ends that are arrays, for tests: a real shelf, the real codec, a
 * clock that is turned by hand. `turn` plays what net does between two messages: what was woken is
 * ticked, what was closed is told to the service.
 */
import { randomBytes } from "node:crypto"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import type { TestContext } from "node:test"
import { Documents } from "../src/documents/documents.ts"
import { documentRoutes } from "../src/documents/routes.ts"
import type { Settings } from "../src/documents/settings.ts"
import { openShelf } from "../src/documents/shelf-sqlite.ts"
import { Log } from "../src/log.ts"
import { Metrics } from "../src/metrics.ts"
import { type Connection, guard, type HttpAnswer, type Undo } from "../src/service.ts"
import { openStore, type Store } from "../src/store.ts"
import { chooseProtocol, documentsCodec } from "../src/wire/documents.ts"
import { documentsProtocol, type ToEditor } from "../src/wire/documents-shapes.ts"
import { type Code, statusOf, WireError } from "../src/wire/error.ts"

/** When the tests take place, ms since 1970. */
export const start = 1_700_000_000_000

/** A message as a far end reads it: one key, and whatever is behind it. */
export type Heard = Readonly<Record<string, unknown>>

/** Where a pad lies and what it is told. */
export interface PadOptions {
  /** A path, or `:memory:`, which is the default. */
  readonly uri?: string
  readonly settings?: Partial<Settings>
  readonly now?: number
  /** Where chance comes from; the machine's by default. */
  readonly random?: (length: number) => Uint8Array
  /** Told of all that anyone hears, in order; `undefined` when one is closed. */
  readonly onHeard?: (far: FarEnd, message: Heard | undefined) => void
}

/** How a far end comes. */
export interface Arrival {
  readonly otp?: string
  readonly dialect?: string
  readonly protocols?: readonly string[]
  readonly cookie?: string
  readonly address?: string
}

/** A fresh folder, removed when the test ends. */
export function folder(t: TestContext): string {
  const path = mkdtempSync(join(tmpdir(), "quartet-documents-"))
  t.after(() => rmSync(path, { recursive: true, force: true }))
  return path
}

/** The service, and all that the server would be to it. */
export class Pad {
  readonly store: Store
  readonly service: Documents
  readonly metrics = new Metrics()
  /** Lines of its log, parsed. */
  readonly log: Record<string, unknown>[] = []
  readonly far = new Set<FarEnd>()
  /** Of the options. */
  readonly onHeard: NonNullable<PadOptions["onHeard"]>
  now: number
  #isWoken = false
  #isWokenSoon = false
  #isClosed = false

  constructor(options: PadOptions = {}) {
    const { uri = ":memory:", settings = {}, now = start, random = randomBytes } = options
    this.now = now
    this.onHeard = options.onHeard ?? (() => {})
    const log = new Log("debug", (line) => this.log.push(JSON.parse(line)))
    this.store = openStore({ uri, syncIntervalMs: 1 })
    this.service = new Documents({
      shelf: openShelf(this.store, { random, playbackBytes: 1_024 * 1_024 }),
      log,
      metrics: this.metrics,
      random,
      wake: (withinMs) => {
        if (withinMs === 0) this.#isWoken = true
        else this.#isWokenSoon = true
      },
      settings,
    })
    this.tick()
  }

  /** One tick of everything. */
  tick(): void {
    this.#isWoken = false
    this.#isWokenSoon = false
    this.store.tick(this.now)
    this.service.tick(this.now)
    this.#tellClosed()
  }

  /** The turn of the event loop is over: what was woken for that is ticked. */
  turn(): void {
    this.#tellClosed()
    while (this.#isWoken) this.tick()
  }

  /** Lets `ms` pass, with a tick every 100 ms, every 10 ms while that was asked for, and at the end. */
  pass(ms: number): void {
    this.turn()
    const end = this.now + ms
    while (this.now < end) {
      this.now = Math.min(end, this.now + (this.#isWokenSoon ? 10 : 100))
      this.tick()
      this.turn()
    }
  }

  /** Lets hours pass, with a tick every minute. */
  passHours(hours: number): void {
    const end = this.now + hours * 3_600_000
    while (this.now < end) {
      this.now = Math.min(end, this.now + 60_000)
      this.tick()
      this.turn()
    }
  }

  /** A plain editor that has come to `id`. Throws the WireError that refused it. */
  join(id: string, arrival: Arrival = {}): FarEnd {
    const far = new FarEnd(this, id, arrival)
    const refusal = this.admit(far)
    if (refusal !== undefined) throw refusal
    return far
  }

  /** Lets a far end in; returns why not. */
  admit(far: FarEnd): WireError | undefined {
    try {
      this.service.open(far)
    } catch (thrown) {
      if (thrown instanceof WireError) return thrown
      throw thrown
    }
    this.far.add(far)
    return undefined
  }

  /** An extended editor that has come to `id` and joined as `client`; `join` adds to its Join. */
  extend(id: string, client: string, join: Heard = {}, arrival: Arrival = {}): FarEnd {
    const far = this.join(id, { ...arrival, protocols: [documentsProtocol] })
    far.says({ Join: { client: clientKey(client), ...join } })
    return far
  }

  /** Why one that comes like this is refused; undefined when it is let in, and gone again. */
  refusal(id: string, arrival: Arrival = {}): WireError | undefined {
    const far = new FarEnd(this, id, arrival)
    const refusal = this.admit(far)
    if (refusal === undefined) far.leaves()
    return refusal
  }

  /** The answer to a request, which comes at once unless the disk is asked first. */
  request(method: string, path: string, more: Partial<Asked> = {}): Promise<HttpAnswer> {
    const route = documentRoutes(this.service).find(({ prefix }) => path.startsWith(prefix))
    if (route === undefined) throw new Error(`nothing is mounted at ${path}`)
    const [rest = "", query = ""] = path.slice(route.prefix.length).split("?")
    const request = {
      method,
      path: rest,
      query: new Map(new URLSearchParams(query)),
      headers: new Map(Object.entries(more.headers ?? {})),
      cookies: new Map(Object.entries(more.cookies ?? {})),
      address: more.address ?? "192.0.2.1",
      body: new TextEncoder().encode(more.body ?? ""),
    }
    return new Promise((resolve, reject) => {
      guard(
        quiet,
        "route",
        () => route.answer(request, resolve),
        (error) => {
          if (error.code === "internal") reject(error)
          resolve({ status: statusOf(error.code), body: error.message })
        },
      )
    })
  }

  /** The text over HTTP. */
  async text(id: string, more: Partial<Asked> = {}): Promise<string> {
    const { body = "" } = await this.request("GET", `/api/text/${encodeURIComponent(id)}`, more)
    return body
  }

  /** Resolves when the disk has all that was committed, and the service knows; some 100 ms pass. */
  async durable(): Promise<void> {
    this.pass(100)
    const waited = { isOver: false }
    this.store.sync(() => {
      waited.isOver = true
    })
    for (let turns = 1; !waited.isOver; turns += 1) {
      await new Promise((resolve) => setImmediate(resolve))
      // One sync may have to wait for the one before it, and that takes time.
      if (turns % 100 === 0) this.now += 1
      this.store.tick(this.now)
    }
    this.turn()
  }

  /** Ends in order. */
  stop(): void {
    this.service.stop()
    this.close()
  }

  /** Ends as `kill -9` does: nothing more is written. */
  close(): void {
    if (this.#isClosed) return
    this.#isClosed = true
    this.store.close()
  }

  #tellClosed(): void {
    for (const far of [...this.far]) {
      if (far.ended === undefined) continue
      this.far.delete(far)
      this.service.close(far)
    }
  }
}

/** What a request may bring along. */
export interface Asked {
  readonly headers: Readonly<Record<string, string>>
  readonly cookies: Readonly<Record<string, string>>
  readonly address: string
  readonly body: string
}

/** A pad that is closed when the test ends. */
export function pad(t: TestContext, options: PadOptions = {}): Pad {
  const opened = new Pad(options)
  t.after(() => opened.close())
  return opened
}

/** A client key made from a short name: 22 characters. */
export function clientKey(name: string): string {
  return Buffer.from(name.padEnd(16, ".")).toString("base64url").slice(0, 22)
}

let count = 0

/** Hears of faults before `guard` makes them "internal", and prints them. */
const quiet = new Log("error")

/** A far end: says what it is told to say, and keeps what it hears. */
export class FarEnd implements Connection<ToEditor> {
  readonly id = `c${count++}`
  readonly params: ReadonlyMap<string, string>
  readonly identity = undefined
  /** All it was sent, as it reads it. */
  readonly heard: Heard[] = []
  /** The very objects it was sent. */
  readonly sent: ToEditor[] = []
  behind = false
  /** Why it was closed. */
  ended: { readonly code: Code | "left"; readonly sentence: string } | undefined
  /** How many questions hold back what it says next. */
  holds = 0
  readonly #pad: Pad
  #read = 0

  constructor(pad: Pad, path: string, { otp, dialect, protocols = [], cookie, address }: Arrival) {
    this.#pad = pad
    const protocol = chooseProtocol(protocols)
    this.params = new Map([
      ["path", path],
      ["address", address ?? "192.0.2.1"],
      ["protocols", protocols.join(",")],
      ...Object.entries({ otp, dialect, cookie, protocol }).filter(isGiven),
    ])
  }

  /** Says `message`, and the turn ends. */
  says(message: unknown): void {
    this.utters(JSON.stringify(message))
  }

  /** Sends a frame as it is, and the turn ends. */
  utters(frame: Uint8Array | string): void {
    this.speaks(frame)
    this.#pad.turn()
  }

  /** Sends a frame, and the turn goes on. */
  speaks(frame: Uint8Array | string): void {
    if (this.ended !== undefined) return
    const receive = () => this.#pad.service.receive(this, documentsCodec.decode(frame))
    guard(quiet, "receive", receive, ({ code, message }) => {
      if (code === "internal") throw new Error("a fault of the service")
      this.close(code, message)
    })
  }

  /** Says several messages in one turn. */
  saysAll(messages: readonly unknown[]): void {
    for (const message of messages) this.speaks(JSON.stringify(message))
    this.#pad.turn()
  }

  /** Its edit of the text at `revision`; the number is for an extended editor. */
  edits(revision: number, operation: readonly (string | number)[], seq?: number): void {
    this.says({ Edit: { revision, operation, ...(seq === undefined ? {} : { seq }) } })
  }

  /** The line is gone. */
  leaves(): void {
    this.ended ??= { code: "left", sentence: "" }
    this.#pad.turn()
  }

  readonly saidGoodbye = false

  /** Editors bring no tokens. */
  renew(): void {}

  get isOpen(): boolean {
    return this.ended === undefined
  }

  get endedWith(): Code | "left" | undefined {
    return this.ended?.code
  }

  /** What it has heard since it was last asked. */
  news(): readonly Heard[] {
    const news = this.heard.slice(this.#read)
    this.#read = this.heard.length
    return news
  }

  /** The bodies of all messages of one kind that it has heard. */
  all(kind: string): readonly unknown[] {
    return this.heard.filter((message) => kind in message).map((message) => message[kind])
  }

  // What the service calls.

  send(message: ToEditor): void {
    if (this.ended !== undefined) return
    this.sent.push(message)
    const heard = JSON.parse(documentsCodec.encode(message))
    this.heard.push(heard)
    this.#pad.onHeard(this, heard)
  }

  offer(_key: string, message: ToEditor): boolean {
    this.send(message)
    return true
  }

  hold(): Undo {
    this.holds += 1
    let isHeld = true
    return () => {
      if (isHeld) this.holds -= 1
      isHeld = false
    }
  }

  close(code: Code, sentence = ""): void {
    if (this.ended !== undefined) return
    this.ended = { code, sentence }
    this.#pad.onHeard(this, undefined)
  }
}

function isGiven(entry: [string, string | undefined]): entry is [string, string] {
  return entry[1] !== undefined
}
