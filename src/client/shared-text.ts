/**
 * A text that others edit too: what `client.documents.open` gives. What a program sees of it stands
 * here; how it is done, in editing.ts.
 */
import type { PendingRecord } from "../ot/effects.ts"
import type { Operation } from "../ot/operation.ts"
import type { Cursors, Role } from "../wire/documents-shapes.ts"
import type { Keeping, OpenOptions, TextEvents, TextState } from "./documents.ts"
import { Editing } from "./editing.ts"
import type { Editor } from "./editors.ts"
import { replacement } from "./edits.ts"
import { dateOf, type Link, type LinkOptions, type NewLink, type Routes } from "./routes.ts"
import type { Session } from "./session.ts"

export class SharedText {
  readonly id: string
  readonly #editing: Editing
  readonly #session: Session
  readonly #routes: Routes

  /** Opened by `Documents.open`. Connects at once, or as soon as the store has answered. */
  constructor(id: string, routes: Routes, options: OpenOptions) {
    this.id = id
    this.#editing = new Editing(id, routes, options)
    this.#session = this.#editing.session
    this.#routes = routes
  }

  /** What this editor shows: what is acknowledged and its own pending edits. */
  get text(): string {
    return this.#editing.pending.text
  }

  get state(): TextState {
    return this.#editing.state
  }

  /** The last revision acknowledged. */
  get revision(): number {
    return this.#editing.pending.revision
  }

  /** The last revision known to be on the server's disk. */
  get saved(): number {
    return this.#session.saved
  }

  /** Whether the server keeps documents on a disk. If not, `saved` tells nothing. */
  get durable(): boolean {
    return this.#editing.durable
  }

  /** Whether what is pending here outlives this program: see `Keeping`. */
  get kept(): Keeping {
    return this.#editing.keeper?.keeping ?? "off"
  }

  /** How many edits of our own are not acknowledged yet. */
  get unacknowledged(): number {
    return this.#editing.mark.unsettled
  }

  get role(): Role | undefined {
    return this.#editing.role
  }

  /** Our own id; it may be another after a reconnect. */
  get me(): number | undefined {
    return this.#editing.pending.me
  }

  /** Everybody who is here and has a name or a caret, ourselves too if we have a name. */
  get editors(): ReadonlyMap<number, Editor> {
    return this.#editing.editors.all
  }

  get language(): string | undefined {
    return this.#session.language
  }

  /** Whether an OTP is asked for; undefined before the first Welcome. */
  get protected(): boolean | undefined {
    return this.#session.welcome?.protected
  }

  /** The OTP we came with or were told, where the document has one. */
  get otp(): string | undefined {
    return this.#session.otp
  }

  /** How many code points the text may have; undefined before the first Welcome. */
  get limit(): number | undefined {
    return this.#session.welcome?.limits.length
  }

  /** When the document will be deleted unless someone comes back before. */
  get expiresAt(): Date | undefined {
    return dateOf(this.#session.welcome?.expires_at)
  }

  /** When the next try to connect is due; undefined unless one waits. */
  get returnsAt(): Date | undefined {
    return dateOf(this.#session.returnsAt)
  }

  /** All that is needed to go on from here later, with what is pending: see `OpenOptions`. */
  get record(): PendingRecord {
    return this.#editing.pending.record
  }

  /**
   * Changes the text, and says where that leaves our carets; without `at` they are taken to be
   * behind the change. NUL is dropped from what is inserted: then the `change` event tells another
   * operation than was given. What the server could only refuse (a text above the limit, a
   * reader's edit) is undone at once, and `refused` tells so.
   *
   * Throws RangeError when the operation does not fit the text, and Error when this is closed.
   */
  edit(operation: Operation, at?: Cursors): void {
    this.#editing.edit(operation, at)
  }

  /**
   * Replaces what lies between two string indexes of `text`. A surrogate pair that they cut
   * through goes as a whole; lone halves in `insert` become U+FFFD. Takes time in the text.
   */
  replace(from: number, to: number, insert: string): void {
    this.edit(replacement(this.text, { from, to, insert }))
  }

  /** Says where our carets and selections are. Sent 50 ms later, and only the newest. */
  setCursors(at: Cursors): void {
    this.#editing.setCursors(at)
  }

  setLanguage(language: string): void {
    this.#session.setLanguage(language)
  }

  setName(name: string, hue: number): void {
    this.#session.setName(name, hue)
  }

  /**
   * Sets a new OTP and resolves with it. Like the five below it takes a connection and the
   * role "full"; it rejects with the server's sentence if it is refused.
   */
  async protect(): Promise<string> {
    const otp = await this.#routes.protect(this.id, this.#session.proof())
    this.#session.otp = otp // the next handshake needs it, whenever the message about it comes
    return otp
  }

  /** Removes the OTP. */
  async unprotect(): Promise<void> {
    await this.#routes.unprotect(this.id, this.#session.proof(), this.otp)
    this.#session.otp = undefined
  }

  /** Makes a link that opens this document in `role`, needs no OTP and does not tell the id. */
  async link(role: "edit" | "read", options: LinkOptions = {}): Promise<NewLink> {
    return this.#routes.link(this.id, this.#session.proof(), { ...options, role })
  }

  /** The links there are. */
  async links(): Promise<readonly Link[]> {
    return this.#routes.links(this.id, this.#session.proof())
  }

  /** Ends the link of that `ref`, and the connections that came by it. */
  async revoke(ref: string): Promise<void> {
    await this.#routes.revoke(this.id, this.#session.proof(), ref)
  }

  /** Has the document kept for so many days after its last use; null is the server's own time. */
  async keep(days: number | null): Promise<Date | undefined> {
    return this.#routes.keep(this.id, this.#session.proof(), days)
  }

  /**
   * Resolves when the server's text is here: at once unless the line is away. Rejects when this is
   * closed before; until then it waits for as long as there is no server.
   */
  whenReady(): Promise<void> {
    return this.#editing.whenReady()
  }

  /**
   * Resolves with the revision when all edits so far are on the server's disk; where it keeps
   * nothing on a disk, when they are acknowledged. Rejects when this is closed before.
   */
  whenSaved(): Promise<number> {
    return this.#editing.whenSaved()
  }

  /** Calls `listener` for every such event from now on; returns what undoes that. */
  on<E extends keyof TextEvents>(event: E, listener: TextEvents[E]): () => void {
    return this.#editing.listeners.on(event, listener)
  }

  /** Tries to connect now rather than when the wait is over. */
  hurry(): void {
    this.#session.hurry()
  }

  /** Leaves the document, once pending edits are acknowledged or 2 s have passed. */
  close(): Promise<void> {
    return this.#editing.close()
  }
}
