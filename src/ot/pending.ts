/**
 * An extended editor's side of the protocol: edits not yet acknowledged, and what becomes of them
 * when the line drops. It has no socket and no clock: it is told what happened, and each call
 * returns what to send and what to show, in order.
 *
 * What always holds: at most one edit is in flight, under a number of its own; what is typed
 * meanwhile is gathered into the next (see draft.ts). Nothing typed is dropped without an effect
 * that hands it back. After a fault nothing that was pending is moved on: what failed to fit once
 * would fail again, or land in the wrong place.
 *
 * Cursors are not here. They travel with an edit when, after a `send`, the state is "awaiting",
 * for then they lie in the very text that edit leaves; in "synchronized" they travel alone.
 *
 * Here is what is done when: what becomes of own edits is in own-edits.ts, of what was lost in
 * losses.ts.
 */
import { fits } from "./draft.ts"
import type {
  Accepted,
  Effects,
  Greeting,
  PendingRecord,
  PendingState,
  Refusal,
  Resume,
} from "./effects.ts"
import { Losses } from "./losses.ts"
import type { Operation } from "./operation.ts"
import { OwnEdits } from "./own-edits.ts"
import { away, live, type Phase, type Snapshot } from "./phase.ts"
import { Pieces } from "./pieces.ts"

export class Pending {
  readonly #client: string
  readonly #edits: OwnEdits
  readonly #losses: Losses
  #epoch: string | undefined
  #me: number | undefined
  #phase: Phase = away

  /**
   * Begins with an empty text, or goes on from a record that was kept; `client` is the key to join
   * with. Throws RangeError when the parts of the record do not fit each other.
   */
  constructor(client: string, kept?: PendingRecord) {
    this.#client = client
    this.#edits = new OwnEdits(kept)
    this.#losses = new Losses(this.#edits)
    this.#epoch = kept?.epoch
  }

  get state(): PendingState {
    if (this.#phase.name !== "live") return "resuming"
    if (this.#edits.draft.outstanding === undefined) return "synchronized"
    return this.#edits.draft.buffer === undefined ? "awaiting" : "buffering"
  }

  /** The text its user sees. Takes time in its length, once after each change. */
  get text(): string {
    return this.#edits.draft.shown.toString()
  }

  /** The length of the text its user sees, in code points. */
  get length(): number {
    return this.#edits.draft.shown.length
  }

  /** The text at `revision`, as the server has it. */
  get confirmed(): string {
    return this.#edits.draft.confirmed.toString()
  }

  /** The revision of `confirmed`. */
  get revision(): number {
    return this.#edits.revision
  }

  /** The line of history `revision` counts in; undefined before the first Welcome and after a fault. */
  get epoch(): string | undefined {
    return this.#epoch
  }

  /** Our user id, from the last Welcome. */
  get me(): number | undefined {
    return this.#me
  }

  /** Whether something typed is not yet acknowledged. */
  get isPending(): boolean {
    return this.#edits.draft.isPending
  }

  /** The edit in flight, and what waits behind it. */
  get waiting(): readonly [outstanding: Operation | undefined, buffer: Operation | undefined] {
    return [this.#edits.draft.outstanding, this.#edits.draft.buffer]
  }

  /** All there is to keep. Takes time in the length of the confirmed text. */
  get record(): PendingRecord {
    return { client: this.#client, epoch: this.#epoch, ...this.#edits.record }
  }

  /**
   * Its user changed the shown text by `operation`, and sees that already.
   *
   * Throws RangeError when it does not fit that text; nothing is changed then. Takes time in what
   * was changed, not in the length of the text.
   */
  local(operation: Operation, now: number): Effects {
    if (operation.isNoop && operation.baseLength === this.length) return []
    this.#edits.draft.type(operation)
    if (this.#phase.name === "live") this.#edits.launch(now)
    return this.#edits.takeEffects()
  }

  /** What the next Join says. Without `resume` the answer is the whole text. */
  join(now: number): { readonly client: string; readonly resume?: Resume } {
    if (this.#epoch === undefined) return { client: this.#client }
    const { flight } = this.#edits.sequence
    const { seq = null, sentAt = now } = flight?.sentAt === undefined ? {} : flight
    return {
      client: this.#client,
      resume: {
        epoch: this.#epoch,
        revision: this.#edits.revision,
        seq,
        age: Math.max(0, Math.floor((now - sentAt) / 1_000)),
        pending: this.isPending,
      },
    }
  }

  /** The Welcome on a new socket. Its tail follows by `history`. */
  welcome(greeting: Greeting, now: number): Effects {
    if (this.#phase.name !== "away") return this.#faulted() // on this socket
    const { epoch, revision, head, applied, text } = greeting
    if (text === undefined && (epoch !== this.#epoch || revision !== this.#edits.revision)) {
      return this.#faulted() // a tail that does not begin where we stand
    }
    this.#me = greeting.id
    const doubt = this.#edits.sequence.greet(applied)
    const server = Pieces.of(text ?? "")
    if (greeting.fresh && this.#edits.draft.confirmed.length > 0) {
      this.#phase = { name: "emptied", server, epoch, revision, head }
      this.#edits.tell({ kind: "emptied", text: this.text })
      return this.#edits.takeEffects()
    }
    this.#losses.greet(doubt, epoch === this.#epoch ? "same" : "other")
    this.#phase =
      text === undefined
        ? { name: "tail", head, isOwnDue: this.#edits.sequence.isFlightApplied }
        : { name: "snapshot", server, epoch, revision, head }
    return this.#proceed(now)
  }

  /** A History message: `elements` lead on from the revision `start`. */
  history(start: number, elements: readonly Accepted[], now: number): Effects {
    const phase = this.#phase
    if (phase.name === "away") return [] // of a socket that was given up
    const isOurs = phase.name === "live" || phase.name === "tail"
    const revision = isOurs ? this.#edits.revision : phase.revision
    if (start > revision) return this.#faulted() // something between is missing
    const news = elements.slice(revision - start) // what comes twice is known
    const length = isOurs ? this.#edits.draft.confirmed.length : phase.server.length
    const operations = news.map(({ operation }) => operation)
    if (!fits(operations, length)) return this.#faulted()
    if (isOurs) {
      if (!this.#takeAll(news)) return this.#faulted()
    } else {
      for (const operation of operations) phase.server.apply(operation)
      phase.revision += news.length
    }
    return this.#proceed(now)
  }

  /** An Ack: the edit `seq` took no revision of its own. */
  ack(seq: number, now: number): Effects {
    if (this.#phase.name !== "live" || this.#edits.sequence.flight?.seq !== seq) return []
    // Any other edit is accepted by a History.
    if (this.#edits.draft.outstanding?.isNoop !== true) return this.#faulted()
    this.#edits.confirm()
    return this.#proceed(now)
  }

  /** An Error that names an edit. */
  error({ code, seq, revision }: Refusal, now: number): Effects {
    const { outstanding } = this.#edits.draft
    if (this.#phase.name !== "live" || this.#edits.sequence.flight?.seq !== seq) return []
    // It is tried again when the server comes back, on this socket or the next.
    if (outstanding === undefined || code === "unavailable") return []
    if (code === "stale-revision") {
      if (revision < this.#edits.revision) return this.#faulted() // we have been told more than that
      this.#edits.postpone(revision)
      return this.#proceed(now)
    }
    this.#edits.refuse(code)
    return this.#proceed(now)
  }

  /** The socket is gone, or was given up. Everything is kept. */
  disconnected(): void {
    this.#phase = away
    this.#edits.disconnected()
  }

  /**
   * After "emptied": gives the server the shown text again, as one edit, if it is empty still. Should
   * another prove to have been quicker, ours is taken back: two who restore give one text.
   */
  restore(now: number): Effects {
    const phase = this.#phase
    if (phase.name !== "emptied") return []
    if (phase.server.length > 0) {
      // Someone typed or restored meanwhile: theirs stays, and ours is offered beside it.
      if (this.text !== phase.server.toString()) this.#losses.overrule("rolled-back")
      return this.discard(now)
    }
    this.#edits.sequence.drop()
    this.#edits.draft.retype(phase.server)
    this.#losses.retract()
    this.#stand(phase)
    this.#goLive(now)
    this.#losses.restoring()
    return this.#edits.takeEffects()
  }

  /** After "emptied": shows what the server has. */
  discard(now: number): Effects {
    const phase = this.#phase
    if (phase.name !== "emptied") return []
    this.#edits.sequence.drop()
    this.#edits.draft.settle()
    this.#edits.show(this.#edits.draft.merge(phase.server), "others")
    this.#stand(phase)
    this.#goLive(now)
    return this.#edits.takeEffects()
  }

  /** After "lost": puts back what the server lacks, moved along with all that came since. */
  resend(now: number): Effects {
    const aside = this.#edits.draft.takeAside()
    if (aside === undefined) return []
    this.#edits.draft.type(aside)
    this.#edits.show(aside, "me")
    if (this.#phase.name === "live") this.#edits.launch(now)
    return this.#edits.takeEffects()
  }

  /** The caller found by its checksum that our confirmed text is not the server's (DC61). */
  diverged(): Effects {
    return this.#faulted()
  }

  // Takes elements that fit our confirmed text. False when one is ours and should not be.
  #takeAll(elements: readonly Accepted[]): boolean {
    const phase = this.#phase
    for (const [index, { id, operation }] of elements.entries()) {
      // Nothing of ours is among the rest: it can be taken at once, and a long tail costs little.
      if (phase.name === "tail" && !phase.isOwnDue) return this.#takeRest(elements.slice(index))
      if (id !== this.#me) {
        this.#takeTheirs(() => this.#edits.draft.take(operation), id)
        this.#edits.revision += 1
        continue
      }
      if (this.#edits.draft.outstanding?.equals(operation) !== true) return false
      this.#edits.acknowledge()
      this.#edits.revision += 1
      if (phase.name === "tail") phase.isOwnDue = false
    }
    return true
  }

  #takeRest(elements: readonly Accepted[]): boolean {
    if (!this.#edits.sequence.isOutdated && elements.some(({ id }) => id === this.#me)) return false
    const theirs = elements.map(({ operation }) => operation)
    this.#takeTheirs(() => this.#edits.draft.takeRow(theirs))
    this.#edits.revision += elements.length
    return true
  }

  #takeTheirs(take: () => Operation, id?: number): void {
    this.#losses.showTheirs(take, id)
    // Else it is told when the text is whole.
    if (this.#phase.name === "live") this.#losses.tell()
  }

  // After anything came: goes live when the text is whole, and sends what can be sent.
  #proceed(now: number): Effects {
    const phase = this.#phase
    switch (phase.name) {
      case "away":
      case "emptied":
        break
      case "live":
        this.#edits.proceed(now)
        break
      case "tail":
        if (this.#edits.revision < phase.head) break
        // It was accepted and is not in the tail: moved over others' edits it had nothing left to do.
        if (phase.isOwnDue && this.#edits.draft.outstanding?.isNoop !== true) {
          return this.#faulted()
        }
        if (phase.isOwnDue) this.#edits.confirm()
        this.#goLive(now)
        break
      case "snapshot":
        if (phase.revision < phase.head) break
        // In our text first, so that the difference does not bring our own words a second time.
        if (this.#edits.sequence.isFlightApplied) this.#edits.acknowledge()
        this.#losses.renew()
        this.#takeTheirs(() => this.#edits.draft.merge(phase.server))
        this.#stand(phase)
        this.#goLive(now)
        break
    }
    return this.#edits.takeEffects()
  }

  #goLive(now: number): void {
    this.#edits.sequence.settle()
    this.#phase = live
    this.#edits.send(now)
    this.#edits.launch(now)
    this.#losses.tell()
  }

  // Our confirmed text is now the server's.
  #stand({ epoch, revision }: Snapshot): void {
    this.#epoch = epoch
    this.#edits.revision = revision
  }

  // Gives the line up. What is shown stays, and is compared with the server's text when that comes.
  #faulted(): Effects {
    this.#losses.note("diverged")
    this.#edits.draft.settle()
    this.#edits.sequence.drop()
    this.#epoch = undefined
    this.#edits.revision = 0
    this.disconnected()
    this.#edits.tell({ kind: "fault" })
    return this.#edits.takeEffects()
  }
}
