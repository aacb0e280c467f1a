/**
 * Opaque rooms without sockets: a relay, time that is turned by hand, and far ends that are arrays
 * of what they heard. Everything goes through the codec, both ways.
 */
import assert from "node:assert/strict"
import { MemoryHub } from "../src/bus/memory.ts"
import { Log } from "../src/log.ts"
import type { CopyShelf } from "../src/relay/copies.ts"
import { LfccDialect } from "../src/relay/lfcc.ts"
import { type RelayOptions, relayOptions } from "../src/relay/limits.ts"
import { Relay } from "../src/relay/relay.ts"
import type { Connection, Identity, Undo } from "../src/service.ts"
import { type Code, WireError } from "../src/wire/error.ts"
import { lfccCodec } from "../src/wire/lfcc.ts"
import type { ToLfcc } from "../src/wire/lfcc-told.ts"
import { Reader } from "../src/wire/varints.ts"

/** A frame as JSON has it. */
export type Frame = Record<string, unknown> & {
  readonly type: string
  readonly senderId: string
  readonly payload?: Record<string, unknown>
}

/** How a far end comes. */
export interface Visit {
  readonly room?: string
  readonly params?: Readonly<Record<string, string>>
  /** "unsaid": only its frames say who it is. */
  readonly sender?: "unsaid"
  readonly identity?: Identity
}

/** One relay, its dialect, and the clock. */
export class LfccWorld {
  readonly relay: Relay
  readonly dialect: LfccDialect
  /** Answers tokens: by their text. */
  readonly identities = new Map<string, Identity>()
  /** What it logged. */
  readonly lines: string[] = []
  readonly #ended: LfccEnd[] = []
  now = 1_700_000_000_000
  readonly #copies: (CopyShelf & { tick(now: number): void }) | undefined

  constructor(
    limits: Partial<RelayOptions> = {},
    anonymous: "off" | "editor" = "editor",
    copies?: CopyShelf & { tick(now: number): void },
  ) {
    this.#copies = copies
    const log = new Log("debug", (line) => this.lines.push(line))
    const bus = new MemoryHub().join({ server: "server-1", now: () => this.now, log })
    const options = relayOptions(limits)
    this.relay = new Relay({
      bus,
      log,
      options,
      anonymous,
      random: (length) => new Uint8Array(length),
      wake: () => {},
      denied: [],
      marksUnknownUntil: 0,
      ...(copies && { copies }),
    })
    this.dialect = new LfccDialect(this.relay, (token, answer) => {
      const found = this.identities.get(token)
      queueMicrotask(() => answer(found ?? new WireError("unauthenticated", "no such token")))
    })
    this.relay.tick(this.now)
  }

  /** Comes to a room, by default `notes`, and says nothing yet. */
  async comes(senderId: string, { room = "notes", params = {}, identity, sender }: Visit = {}) {
    const named = sender === "unsaid" ? {} : { senderId }
    const given = new Map(Object.entries({ path: room, ...named, ...params }))
    const end = new LfccEnd(this, { name: senderId, params: given, identity })
    this.dialect.open(end)
    await this.settle()
    return end
  }

  /** Comes and says JOIN. */
  async joins(senderId: string, payload: object = {}, visit: Visit = {}) {
    const end = await this.comes(senderId, visit)
    await end.says("JOIN", { payload })
    return end
  }

  /** Comes and says that it has the content. */
  async brings(senderId: string, visit: Visit = {}) {
    return this.joins(senderId, { hasSnapshot: true }, visit)
  }

  /** Lets so many ms pass, 10 at a time. */
  async pass(ms: number): Promise<void> {
    const end = this.now + ms
    while (this.now < end) {
      this.now = Math.min(end, this.now + 10)
      this.relay.tick(this.now)
      this.dialect.tick(this.now)
      await this.settle()
    }
  }

  /** What the bus answers is heard, what is due now is done, who was closed is gone. */
  async settle(): Promise<void> {
    for (let turn = 0; turn < 3; turn++) {
      await new Promise((resolve) => setImmediate(resolve))
      this.#copies?.tick(this.now)
      this.relay.tick(this.now)
      for (const end of this.#ended.splice(0)) this.dialect.close(end)
    }
  }

  gone(end: LfccEnd): void {
    this.#ended.push(end)
  }
}

export class LfccEnd implements Connection<ToLfcc> {
  readonly id = "end"
  readonly params: ReadonlyMap<string, string>
  identity: Identity | undefined
  behind = false
  saidGoodbye = false
  /** What it was told and has not looked at. */
  heard: Frame[] = []
  /** The objects it was given, to see that they are shared. */
  readonly given: ToLfcc[] = []
  /** Bytes of binary messages, in order. */
  readonly bytes: Uint8Array[] = []
  ended: { readonly code: Code; readonly sentence: string } | undefined
  /** How many holds are out. */
  held = 0
  readonly #world: LfccWorld
  readonly #name: string
  readonly #codec = lfccCodec({
    presenceFrameBytes: 65_536,
    presenceRowBytes: 16_384,
    statelessBytes: 65_536,
  })

  constructor(
    world: LfccWorld,
    of: {
      readonly name: string
      readonly params: ReadonlyMap<string, string>
      readonly identity: Identity | undefined
    },
  ) {
    this.#world = world
    this.#name = of.name
    this.params = of.params
    this.identity = of.identity
  }

  get isOpen(): boolean {
    return this.ended === undefined
  }

  renew(identity: Identity): void {
    this.identity = identity
  }

  send(message: ToLfcc): void {
    if (this.ended !== undefined) return
    this.given.push(message)
    const frame = this.#codec.encode(message)
    if (typeof frame === "string") return void this.heard.push(JSON.parse(frame))
    const reader = new Reader(frame)
    this.heard.push(JSON.parse(reader.text(1e6)))
    this.bytes.push(reader.rest())
  }

  offer(_key: string, message: ToLfcc): boolean {
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
    this.#world.gone(this)
  }

  /** Says one frame under its own ids, unless `fields` says otherwise. */
  async says(type: string, fields: object = {}): Promise<void> {
    this.#utter(JSON.stringify(this.frame(type, fields)))
    await this.#world.settle()
  }

  /** One WebSocket message, as it is. */
  async utters(message: string | Uint8Array): Promise<void> {
    this.#utter(message)
    await this.#world.settle()
  }

  frame(type: string, fields: object = {}) {
    const docId = this.params.get("path")
    return { type, docId, senderId: this.#name, ts: 7, ...fields }
  }

  /** Sends bytes. */
  async writes(base64: string, fields: object = {}): Promise<void> {
    await this.says("CRDT_UPDATE", { bytesB64: base64, ...fields })
  }

  /** Answers the oldest ask that it has not looked at. */
  async answers(snapshot: string, extra: object = {}): Promise<void> {
    const asked = this.all("SNAPSHOT_REQUEST")[0]
    assert.ok(asked?.payload !== undefined, "it was not asked")
    this.heard.splice(this.heard.indexOf(asked), 1)
    const { requestId } = asked.payload
    await this.says("SNAPSHOT_RESPONSE", {
      payload: { requestId, snapshot, isBase64: true, ...extra },
    })
  }

  async goes(how: "clean" | "broken"): Promise<void> {
    this.saidGoodbye = how === "clean"
    this.#world.dialect.close(this)
    await this.#world.settle()
  }

  /** What it was told since it was last looked at. */
  take(): readonly Frame[] {
    const heard = this.heard
    this.heard = []
    return heard
  }

  all(type: string): readonly Frame[] {
    return this.heard.filter((frame) => frame.type === type)
  }

  /** Why it was closed, if it was. */
  get code(): Code | undefined {
    return this.ended?.code
  }

  /** Each frame in a few words: who and what. */
  get told(): readonly string[] {
    return this.heard.map(inWords)
  }

  #utter(message: string | Uint8Array): void {
    this.#world.dialect.receive(this, this.#codec.decode(message))
  }
}

function inWords(frame: Frame): string {
  const { type, senderId, payload = {} } = frame
  switch (type) {
    case "CRDT_UPDATE":
      return `${senderId} ${frame["bytesB64"] ?? payload["bytesB64"] ?? "bytes"}`
    case "BATCH":
      return `BATCH of ${(frame["messages"] as Frame[]).map(inWords).join(", ")}` // frames, by the codec
    case "SNAPSHOT_RESPONSE":
      return `SNAPSHOT ${payload["seed"] ? "seed" : payload["empty"] ? "empty" : payload["snapshot"]}`
    case "SNAPSHOT_REQUEST":
      return `ASK${payload["version"] === undefined ? "" : ` ${payload["version"]}`}`
    case "ERROR":
      return `ERROR ${frame["code"]}`
    case "ACK":
      return `ACK ${payload["ref"]}`
    default:
      return `${type} ${senderId}`
  }
}
