/**
 * Yjs rooms without sockets: a relay, both of its dialects, time that is turned by hand, and far
 * ends that are arrays of what they heard. Everything goes through the codecs, both ways.
 */
import * as Y from "yjs"
import { MemoryHub } from "../src/bus/memory.ts"
import { Log } from "../src/log.ts"
import type { CopyShelf } from "../src/relay/copies.ts"
import { HocuspocusDialect } from "../src/relay/hocuspocus.ts"
import { type RelayOptions, relayOptions } from "../src/relay/limits.ts"
import { Relay } from "../src/relay/relay.ts"
import { decodeVector } from "../src/relay/vectors.ts"
import { YjsDialect } from "../src/relay/yjs.ts"
import type { Connection, Identity, Role, Service, Undo } from "../src/service.ts"
import { type Code, WireError } from "../src/wire/error.ts"
import { type FromHocuspocus, hocuspocusCodec, type ToHocuspocus } from "../src/wire/hocuspocus.ts"
import type { FromYjs, Row } from "../src/wire/relay.ts"
import { Reader, Writer } from "../src/wire/varints.ts"
import { type ToYjs, yjsCodec } from "../src/wire/yjs.ts"

const frameLimits = {
  presenceFrameBytes: 65_536,
  presenceRowBytes: 16_384,
  statelessBytes: 65_536,
}
const yjsBytes = yjsCodec(frameLimits)
const hocuspocusBytes = hocuspocusCodec(frameLimits)

/** What a relay for tests is made with. */
export interface WorldOptions {
  readonly limits?: Partial<RelayOptions>
  readonly anonymous?: "off" | "viewer" | "editor"
  /** For so many ms no room is known to be new. */
  readonly unknownForMs?: number
  readonly denied?: readonly string[]
  readonly copies?: CopyShelf & { tick(now: number): void }
}

/** How a far end comes. */
export interface Visit {
  readonly room?: string
  readonly features?: "notice"
  readonly identity?: Identity
}

/** A token's holder: ada, an editor everywhere, unless `given` says otherwise. */
export function identity(given: Partial<Identity> = {}): Identity {
  const until = Number.MAX_SAFE_INTEGER
  const rest = { places: ["*"], rights: undefined, since: 1, until }
  return { subject: "ada", role: "editor" satisfies Role, ...rest, ...given }
}

/** One relay, its dialects, and the clock. */
export class RelayWorld {
  readonly relay: Relay
  readonly yjs: YjsDialect
  readonly hocuspocus: HocuspocusDialect
  readonly log: string[] = []
  /** Whom a token is, by its text. */
  readonly identities = new Map<string, Identity>()
  now = 1_780_000_000_000
  readonly #ended: Undo[] = []
  #isWoken = false
  readonly #copies: WorldOptions["copies"]

  constructor({
    limits = {},
    anonymous = "editor",
    unknownForMs = 0,
    denied = [],
    copies,
  }: WorldOptions = {}) {
    this.#copies = copies
    const log = new Log("debug", (line) => this.log.push(line))
    const bus = new MemoryHub().join({ server: "server-1", now: () => this.now, log })
    this.relay = new Relay({
      bus,
      log,
      options: relayOptions(limits),
      anonymous,
      random: (length) => new Uint8Array(length),
      wake: () => {
        this.#isWoken = true
      },
      denied,
      ...(copies && { copies }),
      marksUnknownUntil: unknownForMs === 0 ? 0 : this.now + unknownForMs,
    })
    const ask = (token: string, answer: (found: Identity | WireError) => void) => {
      const found = this.identities.get(token)
      queueMicrotask(() => answer(found ?? new WireError("unauthenticated", "no such token")))
    }
    this.yjs = new YjsDialect(this.relay, ask)
    this.hocuspocus = new HocuspocusDialect(this.relay, ask)
    this.#tick()
  }

  /** Comes to a room, by default `notes`, and says nothing yet. Throws the WireError that refused it. */
  comes({ room = "notes", features, identity }: Visit = {}): YjsEnd {
    const params = new Map(Object.entries({ path: room, ...(features && { features }) }))
    return new YjsEnd(this, params, identity)
  }

  /** Comes with the content of `doc`, and asks for what it lacks. */
  async joins(doc: Y.Doc = new Y.Doc(), visit: Visit = {}): Promise<YjsEnd> {
    const end = this.comes(visit)
    end.step1(doc)
    await this.settle()
    return end
  }

  /** Comes alone, is told that there is nothing, and writes what `doc` has: then it holds the room. */
  async begins(doc: Y.Doc, visit: Visit = {}): Promise<YjsEnd> {
    const end = await this.joins(new Y.Doc(), visit)
    end.update(Y.encodeStateAsUpdate(doc))
    await this.pass(100)
    end.take()
    return end
  }

  /** A Hocuspocus socket on which nothing was said. */
  socket(identity?: Identity): HocuspocusEnd {
    return new HocuspocusEnd(this, identity)
  }

  /** Lets so many ms pass: a tick each 100 ms, and each 10 ms while that was asked for. */
  async pass(ms: number): Promise<void> {
    await this.settle()
    const until = this.now + ms
    while (this.now < until) {
      this.now = Math.min(until, this.now + (this.#isWoken ? 10 : 100))
      this.#tick()
      await this.settle()
    }
  }

  /** What the bus and tokens answer is heard, and who was closed is gone. No time passes. */
  async settle(): Promise<void> {
    for (let turn = 0; turn < 3; turn++) {
      await new Promise((resolve) => setImmediate(resolve))
      for (const tell of this.#ended.splice(0)) tell()
      this.#copies?.tick(this.now)
      this.relay.tick(this.now)
    }
  }

  /** `tell` tells a service that someone is gone, once this turn is over. */
  gone(tell: Undo): void {
    this.#ended.push(tell)
  }

  #tick(): void {
    this.#isWoken = false
    this.#copies?.tick(this.now)
    this.relay.tick(this.now)
    this.yjs.tick(this.now)
    this.hocuspocus.tick(this.now)
  }
}

/** What the socket of a far end is made of. */
interface Wiring<In, Out> {
  readonly world: RelayWorld
  readonly service: Service<In, Out>
  readonly decode: (frame: Uint8Array | string) => In
  /** Told of each message that it is sent. */
  readonly told: (message: Out) => void
  readonly params: ReadonlyMap<string, string>
  readonly identity: Identity | undefined
}

/** The socket of a far end, with what net would do. */
class Line<In, Out> implements Connection<Out> {
  readonly id = "end"
  identity: Identity | undefined
  behind = false
  saidGoodbye = false
  ended: { readonly code: Code; readonly sentence: string } | undefined
  /** How many holds are out. */
  held = 0
  readonly #of: Wiring<In, Out>

  constructor(of: Wiring<In, Out>) {
    this.#of = of
    this.identity = of.identity
  }

  get params(): ReadonlyMap<string, string> {
    return this.#of.params
  }

  get isOpen(): boolean {
    return this.ended === undefined
  }

  open(): void {
    this.#of.service.open(this)
  }

  renew(identity: Identity): void {
    this.identity = identity
  }

  send(message: Out): void {
    if (this.ended === undefined) this.#of.told(message)
  }

  offer(_key: string, message: Out): boolean {
    this.send(message)
    return true
  }

  hold(): Undo {
    this.held++
    return () => {
      this.held--
    }
  }

  close(code: Code, sentence: string = code): void {
    if (this.ended !== undefined) return
    this.ended = { code, sentence }
    this.#of.world.gone(() => this.#of.service.close(this))
  }

  /** Sends a frame. A WireError closes it, and no other. */
  utters(frame: Uint8Array | string): void {
    if (this.ended !== undefined) return
    try {
      this.#of.service.receive(this, this.#of.decode(frame))
    } catch (thrown) {
      if (!(thrown instanceof WireError)) throw thrown
      this.close(thrown.code, thrown.message)
    }
  }

  async goes(how: "clean" | "broken"): Promise<void> {
    this.saidGoodbye = how === "clean"
    this.#of.service.close(this)
    await this.#of.world.settle()
  }
}

/** A y-websocket client, as the relay sees it. */
export class YjsEnd {
  readonly line: Line<readonly FromYjs[], ToYjs>
  /** What it was told since it was last looked at. */
  heard: ToYjs[] = []
  /** Every object it was ever given. */
  readonly given: ToYjs[] = []

  constructor(world: RelayWorld, params: ReadonlyMap<string, string>, identity?: Identity) {
    const told = (message: ToYjs) => {
      yjsBytes.encode(message)
      this.given.push(message)
      this.heard.push(message)
    }
    const { decode } = yjsBytes
    this.line = new Line({ world, service: world.yjs, decode, told, params, identity })
    this.line.open()
  }

  /** Sends a frame as it is. */
  utters(frame: Uint8Array | string): void {
    this.line.utters(frame)
  }

  goes(how: "clean" | "broken"): Promise<void> {
    return this.line.goes(how)
  }

  says(message: ToYjs): void {
    this.utters(yjsBytes.encode(message))
  }

  step1(doc: Y.Doc): void {
    this.says({ kind: "step1", vector: Y.encodeStateVector(doc) })
  }

  /** Answers a question: with what `doc` has beyond `vector`, or with these bytes. */
  step2(answer: Y.Doc | Uint8Array, vector?: Uint8Array): void {
    const update = answer instanceof Y.Doc ? Y.encodeStateAsUpdate(answer, vector) : answer
    this.says({ kind: "step2", update })
  }

  update(update: Uint8Array): void {
    this.says({ kind: "update", update })
  }

  shows(...rows: Row[]): void {
    this.says({ kind: "awareness", rows })
  }

  /** A notice to the relay, such as a newer token. */
  notes(notice: object): void {
    this.utters(new Writer().uint(121).text(JSON.stringify(notice)).finish())
  }

  take(): readonly ToYjs[] {
    const heard = this.heard
    this.heard = []
    return heard
  }

  /** What it was told, each in a few words. */
  get told(): readonly string[] {
    return this.heard.map(inWords)
  }

  /** As `told`, and then it has been looked at. */
  news(): readonly string[] {
    return this.take().map(inWords)
  }

  /** How many questions it was asked that it has not looked at. */
  get asks(): number {
    return this.heard.filter(({ kind }) => kind === "step1").length
  }

  get code(): Code | undefined {
    return this.line.ended?.code
  }
}

/** A Hocuspocus provider's socket, as the relay sees it. */
export class HocuspocusEnd {
  readonly line: Line<FromHocuspocus, ToHocuspocus>
  /** What it was told since it was last looked at, each in a few words. */
  heard: string[] = []
  /** The bodies it was given, to see that they are shared. */
  readonly bodies: Uint8Array[] = []

  constructor(world: RelayWorld, identity?: Identity) {
    const told = (message: ToHocuspocus) => {
      hocuspocusBytes.encode(message)
      if (message.kind === "pong") return void this.heard.push("pong")
      this.bodies.push(message.body)
      this.heard.push(`${message.address.replace("\0", "/")}: ${bodyInWords(message.body)}`)
    }
    const { decode } = hocuspocusBytes
    const params = new Map()
    this.line = new Line({ world, service: world.hocuspocus, decode, told, params, identity })
    this.line.open()
  }

  /** Sends a frame as it is. */
  utters(frame: Uint8Array | string): void {
    this.line.utters(frame)
  }

  goes(how: "clean" | "broken"): Promise<void> {
    return this.line.goes(how)
  }

  token(address: string, token: string): void {
    this.utters(new Writer().text(address).uint(2).uint(0).text(token).finish())
  }

  /** Sync, awareness: what both dialects write alike. */
  says(address: string, message: ToYjs): void {
    this.utters(new Writer().text(address).raw(yjsBytes.encode(message)).finish())
  }

  step1(address: string, doc: Y.Doc): void {
    this.says(address, { kind: "step1", vector: Y.encodeStateVector(doc) })
  }

  stateless(address: string, text: string): void {
    this.utters(new Writer().text(address).uint(5).text(text).finish())
  }

  leaves(address: string): void {
    this.utters(new Writer().text(address).uint(7).finish())
  }

  news(): readonly string[] {
    const heard = this.heard
    this.heard = []
    return heard
  }

  get code(): Code | undefined {
    return this.line.ended?.code
  }
}

/** A document whose author has this number, with a text in it. */
export function authored(client: number, text = ""): Y.Doc {
  const doc = new Y.Doc()
  doc.clientID = client
  if (text !== "") doc.getText("t").insert(0, text)
  return doc
}

/** Writes at the end, and gives the update that says so. */
export function typed(doc: Y.Doc, text: string): Uint8Array {
  const before = Y.encodeStateVector(doc)
  doc.getText("t").insert(doc.getText("t").length, text)
  return Y.encodeStateAsUpdate(doc, before)
}

export function row(id: number, clock: number, state: object | null = { user: `u${id}` }): Row {
  return { id, clock, state: state === null ? null : JSON.stringify(state) }
}

/** A text, or "pending" where something is missing before it. */
export function textOf(update: Uint8Array): string {
  const doc = new Y.Doc()
  Y.applyUpdate(doc, update)
  const text = doc.getText("t").toString()
  return doc.store.pendingStructs === null ? text : `pending ${text}`
}

function inWords(message: ToYjs): string {
  switch (message.kind) {
    case "step1":
      return `step1 ${vectorInWords(message.vector)}`
    case "step2":
    case "update":
      return `${message.kind} ${textOf(message.update)}`.trimEnd()
    case "awareness":
      return `rows ${message.rows.map(({ id, state }) => `${id}${state === null ? " gone" : ""}`)}`.trimEnd()
    case "denied":
      return `denied: ${message.reason}`
    case "echo":
      return "echo"
    case "notice":
      return JSON.stringify(message.notice)
  }
}

function vectorInWords(bytes: Uint8Array): string {
  const vector = decodeVector(bytes, 1e6)
  return `{${[...vector].map(([client, clock]) => `${client}:${clock}`).join(" ")}}`
}

function bodyInWords(body: Uint8Array): string {
  const [kind, second] = body
  const reader = new Reader(body.subarray(1))
  if (kind === 0 || kind === 1) {
    const [message] = yjsBytes.decode(body)
    // What is read back is one of the messages that both sides say.
    if (message !== undefined) return inWords(message as ToYjs)
  }
  if (kind === 5) return `stateless ${reader.text(1e6)}`
  if (kind === 7) return `closed: ${reader.text(1e6)}`
  if (kind === 8) return second === 1 ? "accepted" : "refused"
  const rest = new Reader(body.subarray(2))
  if (kind === 2 && second === 1) return `denied: ${rest.text(1e6)}`
  if (kind === 2 && second === 2) return rest.text(1e6)
  return kind === 2 ? "token wanted" : `kind ${kind}`
}
