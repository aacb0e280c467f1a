/**
 * A small world for convergence tests: one server that accepts edits as the service does, editors
 * with a Pending each, and lines between them that deliver late, break, and break unnoticed.
 *
 * Everything is decided by one random sequence, so a seed is a schedule. Each typed character is a
 * code point of its own, half of them astral, so that it can be said of every one where it went.
 * What always holds is checked after each step: an editor shows its confirmed text with what is
 * pending, and nothing that its effects did not show it.
 */
import assert from "node:assert/strict"
import type { Effects, Greeting, PendingRecord, RefusalCode, Resume } from "../src/ot/effects.ts"
import { type Entry, History } from "../src/ot/history.ts"
import { type Component, Operation, transform } from "../src/ot/operation.ts"
import { Pending } from "../src/ot/pending.ts"
import { Pieces } from "../src/ot/pieces.ts"
import { pointsOf } from "./ot-arbitraries.ts"

/** What may go wrong in a schedule, as chances of one step. */
export interface Weather {
  readonly editors: number
  readonly steps: number
  /** The most code points of the text: above it edits are refused. */
  readonly limit: number
  readonly window: number
  readonly cut: number
  readonly halfOpen: number
  /** A clean restart; a kill, which loses what is not journaled; one that loses journaled edits. */
  readonly restart: number
  readonly kill: number
  readonly powerFailure: number
  /** The server forgets a client key; answers "unavailable"; refuses an edit for no reason. */
  readonly forget: number
  readonly unavailable: number
  readonly refuse: number
  /** A tab is closed and opened again from its record; from a record older than its last edits. */
  readonly reopen: number
  readonly crash: number
}

type Up =
  | { readonly kind: "join"; readonly client: string; readonly resume: Resume | undefined }
  | {
      readonly kind: "edit"
      readonly seq: number
      readonly revision: number
      readonly operation: readonly Component[]
    }
type Down =
  | { readonly kind: "welcome"; readonly greeting: Greeting }
  | {
      readonly kind: "history"
      readonly start: number
      readonly elements: readonly {
        readonly id: number
        readonly operation: readonly Component[]
      }[]
    }
  | { readonly kind: "ack"; readonly seq: number }
  | {
      readonly kind: "error"
      readonly code: RefusalCode
      readonly seq: number
      readonly revision: number
    }

/** One socket: what is on its way up and down, and what the server knows of its far end. */
class Line {
  readonly up: Up[] = []
  readonly down: Down[] = []
  client: string | undefined
  id = 0
  sentTo = 0
  /** Acks that wait for the History up to their revision. */
  readonly acks: { readonly seq: number; readonly revision: number }[] = []
  isOpen = true
}

/** An accepted edit as the journal keeps it. */
interface Journaled extends Entry {
  readonly client: string
  readonly seq: number
}

interface Author {
  readonly id: number
  seq: number
}

/** The model of the documents service: one text, its window, its authors, its journal. */
export class Server {
  readonly #weather: Weather
  readonly #random: () => number
  #history = new History()
  #text = Pieces.of("")
  #log: Journaled[] = []
  #journaled = 0
  #authors = new Map<string, Author>()
  #nextId = 0
  #generation = 1
  #lines: Line[] = []
  /** Welcomes given: with a tail, with the whole text. */
  readonly welcomes = { tail: 0, text: 0 }

  constructor(weather: Weather, random: () => number) {
    this.#weather = weather
    this.#random = random
    this.#history = this.#newHistory()
  }

  get text(): string {
    return this.#text.toString()
  }

  connect(line: Line): void {
    this.#lines.push(line)
  }

  /** Reads one message of a line, if there is one. */
  read(line: Line): void {
    const message = line.isOpen ? line.up.shift() : undefined
    if (message === undefined) return
    if (message.kind === "join") return this.#join(line, message)
    const author = this.#authors.get(line.client ?? "")
    const { seq, revision } = message
    // Forgotten while its line stood: the service keeps those who are here; so must the model.
    if (author === undefined) return this.#close(line)
    if (seq <= author.seq) return void line.down.push({ kind: "ack", seq })
    const refuse = (code: RefusalCode) =>
      void line.down.push({ kind: "error", code, seq, revision: this.#flushTo(line) })
    if (this.#chance(this.#weather.unavailable)) {
      refuse("unavailable")
      return this.#close(line)
    }
    if (this.#chance(this.#weather.refuse)) return refuse("bad-operation")
    const moved = this.#history.move(Operation.from(message.operation), revision)
    assert.notEqual(moved.kind, "misfit", "an editor sent an operation that does not fit")
    if (moved.kind !== "moved") return refuse("stale-revision")
    const { operation } = moved
    const grows = operation.targetLength > operation.baseLength
    if (grows && operation.targetLength > this.#weather.limit) return refuse("too-large")
    author.seq = seq
    // What made it a no-op may not be journaled yet: the Ack comes after that.
    if (operation.isNoop) return void line.acks.push({ seq, revision: this.#log.length })
    const entry = { user: author.id, operation, at: 0, client: line.client ?? "", seq }
    this.#text.apply(operation)
    this.#history.accept(entry)
    this.#log.push(entry)
  }

  /** Journals what was accepted, then sends it to everyone: never the other way round (DC47). */
  flush(): void {
    this.#journaled = this.#log.length
    for (const line of this.#lines)
      if (line.isOpen && line.client !== undefined) this.#flushTo(line)
    this.#history.letGo(this.#history.revision)
  }

  /** Ends the process: orderly, by a kill, or with the last journaled edits lost as well. */
  restart(how: "clean" | "kill" | "power failure"): void {
    if (how === "clean") this.flush()
    for (const line of [...this.#lines]) this.#close(line)
    const lost = how === "power failure" ? Math.floor(this.#random() * 5) : 0
    this.#log = this.#log.slice(0, Math.max(0, this.#journaled - lost))
    this.#journaled = this.#log.length
    if (how !== "clean") this.#generation += 1
    this.#text = Pieces.of("")
    for (const { operation } of this.#log) this.#text.apply(operation)
    for (const author of this.#authors.values()) author.seq = 0
    for (const { client, seq } of this.#log) {
      const author = this.#authors.get(client)
      if (author !== undefined) author.seq = seq
    }
    this.#history = this.#newHistory()
  }

  /** Forgets a client key that is not here (DC46). */
  forget(client: string): void {
    if (this.#lines.some((line) => line.client === client)) return
    this.#authors.delete(client)
    this.#forgotten.add(client)
  }
  readonly #forgotten = new Set<string>()

  #newHistory(): History {
    const revision = this.#log.length
    return new History({
      revision,
      length: this.#text.length,
      limitOperations: this.#weather.window,
    })
  }

  #join(line: Line, { client, resume }: { client: string; resume: Resume | undefined }): void {
    for (const other of this.#lines) if (other.client === client) this.#close(other) // "taken"
    this.flush() // what a joiner is shown is journaled
    const known = this.#authors.get(client)
    const author = known ?? { id: this.#nextId, seq: 0 }
    if (known === undefined) {
      this.#nextId += 1
      this.#authors.set(client, author)
    }
    // Not known: if it was forgotten, an edit in flight may have been applied before.
    const isUnsure = known === undefined && this.#forgotten.has(client) && resume?.seq != null
    this.#forgotten.delete(client)
    line.client = client
    line.id = author.id
    const head = this.#history.revision
    const epoch = `e.${this.#generation}`
    const isHere = resume?.epoch === epoch && resume.revision <= head
    // From the window; or from stored history, now and then.
    const hasTail = isHere && (resume.revision >= this.#history.first || this.#chance(0.5))
    const revision = hasTail ? resume.revision : Math.max(0, head - Math.floor(this.#random() * 12))
    this.welcomes[hasTail ? "tail" : "text"] += 1
    const applied = isUnsure ? null : author.seq
    const fresh = head === 0 && this.#generation === 1
    const rest = { id: author.id, epoch, revision, head, applied, fresh }
    line.down.push({
      kind: "welcome",
      greeting: hasTail ? rest : { ...rest, text: this.#textAt(revision) },
    })
    line.sentTo = revision
    this.#flushTo(line)
  }

  #textAt(revision: number): string {
    const text = Pieces.of("")
    for (const { operation } of this.#log.slice(0, revision)) text.apply(operation)
    return text.toString()
  }

  // Sends what is journaled, in one message or two. Returns the revision the far end is told of.
  #flushTo(line: Line): number {
    while (line.sentTo < this.#journaled) {
      const whole = this.#journaled - line.sentTo
      const count = this.#chance(0.2) ? Math.ceil(whole / 2) : whole
      const elements = this.#log
        .slice(line.sentTo, line.sentTo + count)
        .map(({ user, operation }) => ({ id: user, operation: operation.components }))
      line.down.push({ kind: "history", start: line.sentTo, elements })
      line.sentTo += count
    }
    while (line.acks[0] !== undefined && line.acks[0].revision <= line.sentTo) {
      line.down.push({ kind: "ack", seq: line.acks.shift()?.seq ?? 0 })
    }
    return line.sentTo
  }

  #close(line: Line): void {
    line.isOpen = false
    this.#lines = this.#lines.filter((one) => one !== line)
  }

  #chance(part: number): boolean {
    return this.#random() < part
  }
}

/** What became of typed characters, by code point. */
export interface Fates {
  /** All that was typed. */
  readonly typed: Set<string>
  /** Deleted by someone; perhaps by an edit that was taken back. */
  readonly deleted: Set<string>
  /** In an edit that was refused, rolled back, in doubt, or typed into a tab that died. */
  readonly doubtful: Set<string>
  /** Whether no edit was ever taken back or lost: then what was deleted must be gone. */
  isSure: boolean
}

/** One editor at its far end of a line. */
export class Editor {
  readonly #client: string
  readonly #random: () => number
  readonly #fates: Fates
  #pending: Pending
  #record: PendingRecord
  #sinceRecord: string[] = []
  /** What its user sees: local edits and shown effects, nothing else. */
  #view = ""
  /** Takes back the last insertion, moved along. */
  #undo: Operation | undefined
  #line: Line | undefined
  #abandoned: Line[] = []
  readonly counts = new Map<string, number>()

  constructor(client: string, random: () => number, fates: Fates) {
    this.#client = client
    this.#random = random
    this.#fates = fates
    this.#pending = new Pending(client)
    this.#record = this.#pending.record
  }

  get pending(): Pending {
    return this.#pending
  }

  get isConnected(): boolean {
    return this.#line !== undefined
  }

  /** Types, deletes, replaces, or undoes at a random place. */
  edit(now: number): void {
    const points = pointsOf(this.#view)
    if (this.#undo !== undefined && this.#draw(6) === 0) {
      const undo = this.#undo
      this.#undo = undefined
      return this.#local(undo, now)
    }
    const place = this.#draw(points.length + 1)
    const deleted = this.#draw(3) === 0 ? Math.min(points.length - place, this.#draw(4)) : 0
    const text = this.#draw(4) === 0 ? "" : this.#type(1 + this.#draw(3))
    const rest = points.length - place - deleted
    // Sometimes in two places at once.
    const tail = this.#draw(5) === 0 && rest > 1 ? [1, this.#type(1), rest - 1] : [rest]
    const operation = Operation.from([place, text, -deleted, ...tail])
    const inverse = Operation.from([place, -pointsOf(text).length, rest])
    this.#local(operation, now)
    this.#undo = tail.length === 1 && deleted === 0 && text !== "" ? inverse : undefined
  }

  #type(count: number): string {
    const start = this.#fates.typed.size
    const typed = Array.from({ length: count }, (_, index) => {
      const number = start + index
      return String.fromCodePoint(number % 2 === 0 ? 0xe000 + number / 2 : 0xf0000 + number)
    })
    for (const point of typed) this.#fates.typed.add(point)
    this.#sinceRecord.push(...typed)
    return typed.join("")
  }

  #local(operation: Operation, now: number): void {
    const points = pointsOf(this.#view)
    let at = 0
    for (const component of operation.components) {
      if (typeof component === "string") continue
      for (const point of component < 0 ? points.slice(at, at - component) : []) {
        this.#fates.deleted.add(point)
      }
      at += Math.abs(component)
    }
    this.#view = operation.apply(this.#view)
    this.#obey(this.#pending.local(operation, now), now)
  }

  connect(server: Server, now: number): void {
    this.#line = new Line()
    server.connect(this.#line)
    const { client, resume } = this.#pending.join(now)
    this.#line.up.push({ kind: "join", client, resume })
  }

  /** The line breaks: noticed by both ends, or only here, so that the server still reads it. */
  cut(how: "both ends" | "half open"): void {
    if (this.#line === undefined) return
    if (how === "both ends") this.#line.isOpen = false
    else this.#abandoned.push(this.#line)
    this.#line = undefined
    this.#pending.disconnected()
  }

  /** The server reads from this editor's line, or from one that it has given up. */
  sendOne(server: Server): void {
    const old = this.#abandoned.at(-1)
    if (old !== undefined && this.#draw(3) === 0) server.read(old)
    else if (this.#line !== undefined) server.read(this.#line)
  }

  /** Takes one message from the line; whether there was one. */
  hearOne(now: number): boolean {
    const line = this.#line
    const message = line?.down.shift()
    if (line !== undefined && message === undefined && !line.isOpen) this.cut("both ends")
    if (message === undefined) return false
    switch (message.kind) {
      case "welcome":
        this.#obey(this.#pending.welcome(message.greeting, now), now)
        break
      case "history": {
        const elements = message.elements.map(({ id, operation }) => {
          return { id, operation: Operation.from(operation) }
        })
        this.#obey(this.#pending.history(message.start, elements, now), now)
        break
      }
      case "ack":
        this.#obey(this.#pending.ack(message.seq, now), now)
        break
      case "error":
        this.#obey(this.#pending.error(message, now), now)
        break
    }
    return true
  }

  /** Writes the record, as a page does every half second. */
  keep(): void {
    this.#record = this.#pending.record
    this.#sinceRecord = []
  }

  /** The tab is closed and opened again: after writing its record, or without. */
  reopen(how: "kept" | "crashed"): void {
    this.cut("both ends")
    if (how === "kept") this.keep()
    for (const point of this.#sinceRecord) this.#fates.doubtful.add(point)
    if (how === "crashed") this.#fates.isSure = false
    this.#sinceRecord = []
    const kept: PendingRecord = JSON.parse(JSON.stringify(this.#record))
    this.#pending = new Pending(this.#client, kept)
    if (how === "kept") assert.equal(this.#pending.text, this.#view)
    this.#view = this.#pending.text
    this.#undo = undefined
    this.check()
  }

  #obey(effects: Effects, now: number): void {
    for (const effect of effects) {
      const what = effect.kind === "lost" ? `lost ${effect.why}` : effect.kind
      this.counts.set(what, (this.counts.get(what) ?? 0) + 1)
      switch (effect.kind) {
        case "send":
          this.#line?.up.push({ ...effect, kind: "edit", operation: effect.operation.components })
          break
        case "show":
          if (effect.by === "rollback") this.#doubtMissing(this.#view)
          this.#view = effect.operation.apply(this.#view)
          if (this.#undo !== undefined) this.#undo = transform(this.#undo, effect.operation)[0]
          break
        case "refused":
          for (const point of pointsOf(effect.inserted)) this.#fates.doubtful.add(point)
          break
        case "lost":
          this.#doubtMissing(effect.mine)
          break
        case "emptied":
          this.#obey(this.#pending.discard(now), now)
          break
        case "fault":
          this.cut("both ends")
          break
      }
    }
    this.check()
  }

  // What was shown and is not now may be in the server's text and may not; what it deleted is back.
  #doubtMissing(shown: string): void {
    this.#fates.isSure = false
    for (const point of pointsOf(shown)) {
      if (!this.#pending.text.includes(point)) this.#fates.doubtful.add(point)
    }
  }

  /** What always holds. */
  check(): void {
    const [outstanding, buffer] = this.#pending.waiting
    const confirmed = this.#pending.confirmed
    const sent = outstanding?.apply(confirmed) ?? confirmed
    assert.equal(this.#pending.text, buffer?.apply(sent) ?? sent)
    assert.equal(this.#pending.text, this.#view)
    if (buffer !== undefined && outstanding === undefined) {
      assert.equal(this.#pending.state, "resuming", "a buffer without an edit in flight")
    }
  }

  #draw(below: number): number {
    return Math.floor(this.#random() * below)
  }
}
