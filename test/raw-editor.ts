/**
 * Editors by hand: they speak the documents protocol over a real WebSocket, without the code that
 * the SDK does so with. An extended one, which resumes, and a plain one, which does not.
 *
 * What always holds: they type at the beginning of the text only. Such an insert stays there
 * whatever others do at the same time, so they need no transformation, and check what the wire
 * promises without the code that keeps it.
 */
import assert from "node:assert/strict"
import { once } from "node:events"
import { WebSocket } from "ws"
import { drawClientKey } from "../src/client/client-key.ts"
import { codePointCount } from "../src/ot/codepoints.ts"
import type { Component } from "../src/ot/operation.ts"
import { documentsProtocol, type ToEditor, type Welcome } from "../src/wire/documents-shapes.ts"
import type { Bell } from "./fault-parts.ts"

/** A message as JSON gives it: operations are rows of components there. */
export type Heard =
  | Exclude<ToEditor, { History: unknown }>
  | {
      readonly History: {
        readonly start: number
        readonly operations: readonly { id: number; operation: readonly Component[] }[]
      }
    }

/** What an extended editor is told at its making. */
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

/** An extended editor. It has one edit in flight, and keeps of the text its marks and its length. */
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
    const socket = new WebSocket(socketOf(url, id), documentsProtocol)
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
    for (const [mark, at] of this.marks) twin.marks.set(mark, at)
    twin.welcome = this.welcome
    twin.revision = this.revision
    twin.length = this.length
    twin.flight = this.flight
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

/** What a plain editor is told at its making. */
export interface PlainOptions {
  readonly url: string
  readonly id: string
  readonly bell: Bell
  /** Of its handshake. */
  readonly headers?: Readonly<Record<string, string>>
}

/** A plain editor, which comes at once. What it is told is all from 0, so what it has counted is its revision. */
export class PlainEditor {
  text = ""
  revision = 0
  readonly #socket: WebSocket

  constructor({ url, id, bell, headers = {} }: PlainOptions) {
    this.#socket = new WebSocket(socketOf(url, id), { headers })
    this.#socket.on("message", (data) => {
      const message = JSON.parse(String(data)) as Heard // as the manual of the protocol has it
      if ("History" in message) {
        const { start, operations } = message.History
        assert.equal(start, this.revision)
        for (const { operation } of operations) this.#insert(operation)
      }
      bell.ring()
    })
    this.#socket.on("error", () => {}) // told by "close" as well
    this.#socket.on("close", bell.ring)
  }

  get isOver(): boolean {
    return this.#socket.readyState === WebSocket.CLOSED
  }

  /** Resolves when it may type. */
  async here(): Promise<void> {
    if (this.#socket.readyState !== WebSocket.OPEN) await once(this.#socket, "open")
  }

  /** Types at the beginning, where nobody else's edit comes before it. */
  type(inserted: string): void {
    const length = codePointCount(this.text)
    const operation = length === 0 ? [inserted] : [inserted, length]
    this.#socket.send(JSON.stringify({ Edit: { revision: this.revision, operation } }))
  }

  drop(): void {
    this.#socket.terminate()
  }

  // Everybody here types at the beginning.
  #insert([inserted]: readonly unknown[]): void {
    this.text = `${inserted}${this.text}`
    this.revision += 1
  }
}

function socketOf(url: string, id: string): string {
  return `${url.replace("http", "ws")}/api/socket/${id}`
}
