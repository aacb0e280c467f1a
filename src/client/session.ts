/**
 * One editor's place in a document: it joins, joins again whenever the line was lost, and knows
 * what the server last said of everything but the text.
 *
 * What always holds: messages are taken in the order they came, each as a whole before the next.
 * What concerns the text goes to Pending, and Pending's answer to the owner; nothing about edits
 * is decided here. We trust the server we chose: its messages are not checked against a schema.
 */
import type { Effects } from "../ot/effects.ts"
import { type Component, Operation } from "../ot/operation.ts"
import type { Pending } from "../ot/pending.ts"
import { checksum } from "../wire/checksum.ts"
import {
  documentsProtocol,
  type FromEditorShape,
  otpEntry,
  type Refusal,
  type ToEditor,
  type Welcome,
} from "../wire/documents-shapes.ts"
import type { OpenOptions, TextEvents } from "./documents.ts"
import type { Editors } from "./editors.ts"
import type { Listeners } from "./listeners.ts"
import { isToken, type Proof, type Routes } from "./routes.ts"
import { type Ending, Socket } from "./socket.ts"

const utf8 = new TextEncoder()

/** A message as JSON gives it: operations are rows of components there. */
type Heard =
  | Exclude<ToEditor, { History: unknown }>
  | { readonly History: { readonly start: number; readonly operations: readonly HeardElement[] } }

interface HeardElement {
  readonly id: number
  readonly operation: readonly Component[]
}

/** Whose place it is, and what it shares with it. */
export interface SessionOwner {
  /** It may be another once a kept record is loaded, which is before `connect`. */
  readonly pending: Pending
  readonly editors: Editors
  readonly listeners: Listeners<TextEvents>
  /** There is a new socket, on which the server knows nothing of us yet but our name. */
  joined(): void
  /**
   * Carries out what Pending answered; without effects, looks at what else has changed.
   * `sentence` is the server's, for a refusal among them.
   */
  run(effects: Effects, sentence?: string): void
}

export class Session {
  /** The OTP of the next handshake. */
  otp: string | undefined
  readonly #id: string
  readonly #routes: Routes
  readonly #owner: SessionOwner
  #socket: Socket | undefined
  #name: string | undefined
  #hue: number
  #language: string | undefined
  #languageDue: string | undefined // wished for while nobody could be told
  #welcome: Welcome | undefined // the last one, kept up to date
  #isJoined = false
  #saved = 0
  #end: Ending | undefined

  /** Connects once it is told to. */
  constructor(id: string, routes: Routes, options: OpenOptions & { readonly owner: SessionOwner }) {
    this.#id = id
    this.#routes = routes
    this.#owner = options.owner
    this.#name = options.name
    this.#hue = options.hue ?? Math.floor(Math.random() * 360)
    // One that no header can hold is as wrong as none, and the server says so.
    this.otp = isToken(options.otp) ? options.otp : undefined
  }

  /** Connects at once, and again whenever the line is lost. To be called once. */
  connect(): void {
    if (this.#end !== undefined) return
    this.#socket = new Socket(
      {
        url: this.#routes.socket(this.#id),
        protocols: () => [
          documentsProtocol,
          ...(this.otp === undefined ? [] : [otpEntry + this.otp]),
        ],
        why: () => this.#routes.why(this.#id, this.otp),
      },
      {
        opened: () => this.#join(),
        heard: (frame) => this.#receive(JSON.parse(frame)),
        lost: (ending) => this.#lose(ending),
      },
    )
  }

  /** What the last Welcome said, and what has changed since; undefined before the first. */
  get welcome(): Welcome | undefined {
    return this.#welcome
  }

  /** How it ended; undefined while it goes on or comes back. */
  get end(): Ending | undefined {
    return this.#end
  }

  get language(): string | undefined {
    return this.#language
  }

  get saved(): number {
    return this.#saved
  }

  /** In ms since 1970; undefined unless a try to connect waits. */
  get returnsAt(): number | undefined {
    return this.#socket?.returnsAt
  }

  /** Whether what a later message makes worthless should be said now. */
  get isReady(): boolean {
    return this.#isJoined && this.#socket?.behind === false
  }

  /**
   * Says it if there is an open socket; nothing is kept for later. A message longer than the
   * server reads is not said: it would end the connection for good (DC40).
   */
  say(message: FromEditorShape): "said" | "away" | "too-long" {
    const frame = JSON.stringify(message)
    const limitBytes = this.#welcome?.limits.frame ?? Number.POSITIVE_INFINITY
    // A UTF-16 unit takes three bytes at most: nearly every frame fits without being counted.
    const mayFit = frame.length * 3 <= limitBytes
    if (!mayFit && utf8.encode(frame).length > limitBytes) return "too-long"
    return this.#socket?.send(frame) === true ? "said" : "away"
  }

  setName(name: string, hue: number): void {
    this.#name = name
    this.#hue = hue
    // Before the socket is open this is not sent, and the Join says it.
    this.say({ ClientInfo: { name, hue } })
  }

  setLanguage(language: string): void {
    const isSaid = this.#isJoined && this.say({ SetLanguage: language }) === "said"
    if (!isSaid) this.#languageDue = language
  }

  /** What proves who we are (DC86). Throws Error when there is no connection that could. */
  proof(): Proof {
    const welcome = this.#welcome
    if (welcome === undefined || !this.#isJoined) throw new Error("not connected")
    return { secret: welcome.secret, id: welcome.id, name: this.#name ?? "Anonymous" }
  }

  hurry(): void {
    this.#socket?.hurry()
  }

  /** Gives the socket up after a fault, and joins anew. */
  rejoin(): void {
    this.#socket?.rejoin()
  }

  close(): void {
    if (this.#end !== undefined) return
    this.#socket?.close()
    this.#lose({ code: 1000, sentence: "closed by this program", comesBack: false })
  }

  #join(): void {
    const name = this.#name
    const who = name === undefined ? {} : { name, hue: this.#hue }
    this.say({ Join: { ...this.#owner.pending.join(Date.now()), ...who } })
  }

  #lose(ending: Ending): void {
    this.#isJoined = false
    if (!ending.comesBack) this.#end = ending
    this.#owner.pending.disconnected()
    this.#owner.listeners.tell("closed", ending)
    this.#owner.run([])
  }

  /** A message of one key; one whose key we do not know is of a later server, and passed over. */
  #receive(message: Heard): void {
    const now = Date.now()
    const { pending, editors, listeners } = this.#owner
    if ("History" in message) {
      const { start, operations } = message.History
      const elements = operations.map((element) => ({
        id: element.id,
        operation: Operation.from(element.operation),
      }))
      this.#owner.run(pending.history(start, elements, now))
    } else if ("Ack" in message) {
      this.#owner.run(pending.ack(message.Ack.seq, now))
    } else if ("Cursors" in message) {
      editors.expect(message.Cursors.cursors)
      this.#owner.run([])
    } else if ("Saved" in message) {
      this.#onSaved(message.Saved)
    } else if ("UserInfo" in message) {
      const { id, info } = message.UserInfo
      editors.name(id, info ?? undefined)
      this.#owner.run([])
    } else if ("Error" in message) {
      this.#onError(message.Error)
    } else if ("Welcome" in message) {
      this.#onWelcome(message.Welcome)
    } else if ("Language" in message) {
      const { Language: said } = message
      this.#language = typeof said === "string" ? said : said.language
      listeners.tell("access")
    } else if ("OTP" in message) {
      this.otp = message.OTP.otp ?? undefined
      this.#change({ protected: message.OTP.otp !== null })
    } else if ("Access" in message) {
      this.#change(message.Access)
    }
  }

  #onWelcome(welcome: Welcome): void {
    const { pending, editors, listeners } = this.#owner
    this.#socket?.settle()
    this.#isJoined = true
    this.#welcome = welcome
    this.#saved = welcome.saved
    this.#language = welcome.language ?? undefined
    if (welcome.otp !== undefined) this.otp = welcome.otp
    editors.clear()
    for (const { id, info } of welcome.users) if (info !== null) editors.name(id, info)
    editors.name(welcome.id, { name: this.#name ?? "Anonymous", hue: this.#hue })
    editors.expect(welcome.users.filter(({ id }) => id !== welcome.id))
    this.#owner.joined()
    this.#owner.run(pending.welcome(welcome, Date.now()))
    listeners.tell("access")
    listeners.tell("saved", welcome.saved)
    const language = this.#languageDue
    this.#languageDue = undefined
    if (language !== undefined) this.setLanguage(language)
  }

  #onSaved(saved: { readonly revision: number; readonly checksum?: string }): void {
    const { revision } = saved
    const { pending, listeners } = this.#owner
    this.#saved = revision
    listeners.tell("saved", revision)
    const isComparable = saved.checksum !== undefined && revision === pending.revision
    const isOther = isComparable && checksum(pending.confirmed) !== saved.checksum
    this.#owner.run(isOther ? pending.diverged() : [])
  }

  #onError(refusal: Refusal): void {
    const { code, message: sentence, seq } = refusal
    const { pending, listeners } = this.#owner
    if (seq === undefined) listeners.tell("refused", { code, inserted: "", sentence })
    else this.#owner.run(pending.error({ ...refusal, seq }, Date.now()), sentence)
  }

  #change(change: Pick<Welcome, "protected"> & Partial<Pick<Welcome, "expires_at">>): void {
    if (this.#welcome !== undefined) this.#welcome = { ...this.#welcome, ...change }
    this.#owner.listeners.tell("access")
  }
}
