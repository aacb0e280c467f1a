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
 * Longer than usual because it is one state machine, and half of one would explain nothing.
 */
import { Draft, fits } from "./draft.ts"
import type {
  Accepted,
  Effect,
  Effects,
  Greeting,
  Lost,
  PendingRecord,
  PendingState,
  Refusal,
  Resume,
} from "./effects.ts"
import { Operation } from "./operation.ts"
import { Pieces } from "./pieces.ts"
import { type Doubt, Sequence } from "./sequence.ts"

/** The tail of a Welcome without text, on its way. It is written for our confirmed text. */
interface Tail {
  readonly name: "tail"
  readonly head: number
  /** The edit in flight was accepted, and is still to come, unless it became a no-op. */
  isOwnDue: boolean
}

/**
 * The server's text, on its way: at `revision` now. Until it is whole our own stays what it was,
 * for the line may drop before. "emptied": the same, but its user decides what becomes of it.
 */
interface Snapshot {
  readonly name: "snapshot" | "emptied"
  readonly server: Pieces
  readonly epoch: string
  readonly head: number
  revision: number
}

/** Where we are with the server. "away": no Welcome yet on this socket, or no socket. */
type Phase = { readonly name: "away" } | { readonly name: "live" } | Tail | Snapshot

const away: Phase = { name: "away" }
const live: Phase = { name: "live" }

/**
 * An edit of more components is sent in parts: half of what a server takes (DC41), since moving it
 * over others' edits may tear some of them in two.
 */
const limitComponents = 10_000

export class Pending {
  readonly #client: string
  readonly #draft: Draft
  readonly #sequence: Sequence // has a flight exactly while the draft has something outstanding
  #epoch: string | undefined
  #revision = 0
  #me: number | undefined
  #phase: Phase = away
  /** The edit in flight was stale: it is sent again at this revision. */
  #resendAt: number | undefined
  /** The number of the edit that restores an emptied document. */
  #restoring: number | undefined
  /** What to report once the server's text is known. */
  #loss: Pick<Lost, "why" | "mine"> | undefined
  #effects: Effect[] = []

  /**
   * Begins with an empty text, or goes on from a record that was kept; `client` is the key to join
   * with. Throws RangeError when the parts of the record do not fit each other.
   */
  constructor(client: string, kept?: PendingRecord) {
    this.#client = client
    const { outstanding, buffer } = kept ?? {}
    this.#draft = new Draft(
      Pieces.of(kept?.confirmed ?? ""),
      outstanding && Operation.from(outstanding.operation),
      buffer && Operation.from(buffer),
    )
    this.#sequence = new Sequence(
      kept && {
        last: kept.seq,
        acknowledged: kept.acknowledged,
        flight: outstanding && { seq: outstanding.seq, sentAt: outstanding.sentAt },
      },
    )
    this.#epoch = kept?.epoch
    this.#revision = kept?.revision ?? 0
  }

  get state(): PendingState {
    if (this.#phase.name !== "live") return "resuming"
    if (this.#draft.outstanding === undefined) return "synchronized"
    return this.#draft.buffer === undefined ? "awaiting" : "buffering"
  }

  /** The text its user sees. Takes time in its length, once after each change. */
  get text(): string {
    return this.#draft.shown.toString()
  }

  /** The length of the text its user sees, in code points. */
  get length(): number {
    return this.#draft.shown.length
  }

  /** The text at `revision`, as the server has it. */
  get confirmed(): string {
    return this.#draft.confirmed.toString()
  }

  /** The revision of `confirmed`. */
  get revision(): number {
    return this.#revision
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
    return this.#draft.isPending
  }

  /** The edit in flight, and what waits behind it. */
  get waiting(): readonly [outstanding: Operation | undefined, buffer: Operation | undefined] {
    return [this.#draft.outstanding, this.#draft.buffer]
  }

  /** All there is to keep. Takes time in the length of the confirmed text. */
  get record(): PendingRecord {
    const [outstanding, buffer] = this.waiting
    const { last, acknowledged, flight } = this.#sequence
    const { seq = 0, sentAt } = flight ?? {}
    return {
      client: this.#client,
      seq: last,
      acknowledged,
      epoch: this.#epoch,
      revision: this.#revision,
      confirmed: this.confirmed,
      outstanding: outstanding && {
        seq,
        operation: outstanding.components,
        ...(sentAt === undefined ? {} : { sentAt }),
      },
      buffer: buffer?.components,
    }
  }

  /**
   * Its user changed the shown text by `operation`, and sees that already.
   *
   * Throws RangeError when it does not fit that text; nothing is changed then. Takes time in what
   * was changed, not in the length of the text.
   */
  local(operation: Operation, now: number): Effects {
    if (operation.isNoop && operation.baseLength === this.length) return []
    this.#draft.type(operation)
    if (this.#phase.name === "live") this.#launch(now)
    return this.#told()
  }

  /** What the next Join says. Without `resume` the answer is the whole text. */
  join(now: number): { readonly client: string; readonly resume?: Resume } {
    if (this.#epoch === undefined) return { client: this.#client }
    const { seq, sentAt } = this.#sequence.flight ?? {}
    return {
      client: this.#client,
      resume: {
        epoch: this.#epoch,
        revision: this.#revision,
        seq: sentAt === undefined ? null : (seq ?? null),
        age: sentAt === undefined ? 0 : Math.max(0, Math.floor((now - sentAt) / 1_000)),
        pending: this.isPending,
      },
    }
  }

  /** The Welcome on a new socket. Its tail follows by `history`. */
  welcome(greeting: Greeting, now: number): Effects {
    if (this.#phase.name !== "away") return this.#faulted("second Welcome")
    const { epoch, revision, head, applied, text } = greeting
    if (text === undefined && (epoch !== this.#epoch || revision !== this.#revision)) {
      return this.#faulted("foreign tail")
    }
    this.#me = greeting.id
    const doubt = this.#sequence.greet(applied)
    const server = Pieces.of(text ?? "")
    if (greeting.fresh && this.#draft.confirmed.length > 0) {
      this.#phase = { name: "emptied", server, epoch, revision, head }
      this.#effects.push({ kind: "emptied", text: this.text })
      return this.#told()
    }
    this.#doubt(doubt, epoch)
    this.#phase =
      text === undefined
        ? { name: "tail", head, isOwnDue: this.#sequence.isFlightApplied }
        : { name: "snapshot", server, epoch, revision, head }
    return this.#proceed(now)
  }

  /** A History message: `elements` lead on from the revision `start`. */
  history(start: number, elements: readonly Accepted[], now: number): Effects {
    const phase = this.#phase
    if (phase.name === "away") return [] // of a socket that was given up
    const isOurs = phase.name === "live" || phase.name === "tail"
    const revision = isOurs ? this.#revision : phase.revision
    if (start > revision) return this.#faulted("gap")
    const news = elements.slice(revision - start) // what comes twice is known
    const length = isOurs ? this.#draft.confirmed.length : phase.server.length
    if (
      !fits(
        news.map(({ operation }) => operation),
        length,
      )
    )
      return this.#faulted("misfit")
    if (isOurs) {
      if (!this.#takeAll(news)) return this.#faulted("unknown edit of ours")
    } else {
      for (const { operation } of news) phase.server.apply(operation)
      phase.revision += news.length
    }
    return this.#proceed(now)
  }

  /** An Ack: the edit `seq` took no revision of its own. */
  ack(seq: number, now: number): Effects {
    if (this.#phase.name !== "live" || this.#sequence.flight?.seq !== seq) return []
    if (this.#draft.outstanding?.isNoop !== true) return this.#faulted("Ack for an edit")
    this.#confirm()
    return this.#proceed(now)
  }

  /** An Error that names an edit. */
  error({ code, seq, revision }: Refusal, now: number): Effects {
    const { outstanding } = this.#draft
    if (this.#phase.name !== "live" || this.#sequence.flight?.seq !== seq) return []
    // It is tried again when the server comes back, on this socket or the next.
    if (outstanding === undefined || code === "unavailable") return []
    if (code === "stale-revision") {
      if (revision < this.#revision) return this.#faulted("stale revision below ours")
      this.#resendAt = revision
      return this.#proceed(now)
    }
    this.#sequence.drop()
    this.#resendAt = undefined
    this.#show(this.#draft.rollBack(), "rollback")
    const inserted = outstanding.components.filter((component) => typeof component === "string")
    this.#effects.push({ kind: "refused", code, inserted: inserted.join("") })
    return this.#proceed(now)
  }

  /** The socket is gone, or was given up. Everything is kept. */
  disconnected(): void {
    this.#phase = away
    this.#resendAt = undefined
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
      const mine = this.text
      if (mine !== phase.server.toString()) this.#loss = { why: "rolled-back", mine }
      return this.discard(now)
    }
    this.#sequence.drop()
    this.#draft.retype(phase.server)
    this.#stand(phase)
    this.#goLive(now)
    this.#restoring = this.#sequence.flight?.seq
    return this.#told()
  }

  /** After "emptied": shows what the server has. */
  discard(now: number): Effects {
    const phase = this.#phase
    if (phase.name !== "emptied") return []
    this.#sequence.drop()
    this.#draft.settle()
    this.#show(this.#draft.merge(phase.server), "others")
    this.#stand(phase)
    this.#goLive(now)
    return this.#told()
  }

  /** After "lost": puts back what the server lacks, moved along with all that came since. */
  resend(now: number): Effects {
    const aside = this.#draft.takeAside()
    if (aside === undefined) return []
    this.#draft.type(aside)
    this.#show(aside, "me")
    if (this.#phase.name === "live") this.#launch(now)
    return this.#told()
  }

  /** The caller found by its checksum that our confirmed text is not the server's (DC61). */
  diverged(): Effects {
    return this.#faulted("other checksum")
  }

  // Takes elements that fit our confirmed text. False when one is ours and should not be.
  #takeAll(elements: readonly Accepted[]): boolean {
    const phase = this.#phase
    for (const [index, { id, operation }] of elements.entries()) {
      // Nothing of ours is among the rest: it can be taken at once, and a long tail costs little.
      if (phase.name === "tail" && !phase.isOwnDue) return this.#takeRest(elements.slice(index))
      if (id !== this.#me) {
        this.#takeTheirs(() => this.#draft.take(operation), id)
        this.#revision += 1
        continue
      }
      if (this.#draft.outstanding?.equals(operation) !== true) return false
      this.#acknowledge()
      this.#revision += 1
      if (phase.name === "tail") phase.isOwnDue = false
    }
    return true
  }

  #takeRest(elements: readonly Accepted[]): boolean {
    if (!this.#sequence.isOutdated && elements.some(({ id }) => id === this.#me)) return false
    const theirs = elements.map(({ operation }) => operation)
    this.#takeTheirs(() => this.#draft.takeRow(theirs))
    this.#revision += elements.length
    return true
  }

  #takeTheirs(take: () => Operation, id?: number): void {
    const isRestoring =
      this.#restoring !== undefined && this.#restoring === this.#sequence.flight?.seq
    const mine = isRestoring ? this.text : ""
    this.#show(take(), "others", id)
    if (!isRestoring || this.#draft.confirmed.length === 0) return
    // The server may take our edit yet, or has: so it is undone by the next one.
    this.#restoring = undefined
    const isSame = this.#draft.outstanding?.components.includes(this.confirmed)
    this.#show(this.#draft.takeBack(), "rollback")
    if (isSame) return
    this.#loss ??= { why: "rolled-back", mine }
    if (this.#phase.name === "live") this.#tellLoss()
  }

  // After anything came: goes live when the text is whole, and sends what can be sent.
  #proceed(now: number): Effects {
    const phase = this.#phase
    switch (phase.name) {
      case "away":
      case "emptied":
        break
      case "live":
        if (this.#resendAt !== undefined && this.#revision >= this.#resendAt) this.#send(now)
        this.#launch(now)
        break
      case "tail":
        if (this.#revision < phase.head) break
        // It was accepted and is not in the tail: moved over others' edits it had nothing left to do.
        if (phase.isOwnDue && this.#draft.outstanding?.isNoop !== true) {
          return this.#faulted("missing edit of ours")
        }
        if (phase.isOwnDue) this.#confirm()
        this.#goLive(now)
        break
      case "snapshot":
        if (phase.revision < phase.head) break
        // In our text first, so that the difference does not bring our own words a second time.
        if (this.#sequence.isFlightApplied) this.#acknowledge()
        this.#noteMine()
        this.#takeTheirs(() => this.#draft.merge(phase.server))
        this.#stand(phase)
        this.#goLive(now)
        break
    }
    return this.#told()
  }

  #goLive(now: number): void {
    this.#sequence.settle()
    this.#phase = live
    if (this.#draft.outstanding !== undefined) this.#send(now)
    this.#launch(now)
    this.#tellLoss()
  }

  #tellLoss(): void {
    if (this.#loss === undefined) return
    // What was in doubt is set aside already; else it is whatever the server lacks.
    const { why, mine } = this.#loss
    this.#loss = undefined
    if (why !== "unsure") this.#draft.setAsideTowards(mine)
    this.#effects.push({ kind: "lost", why, mine, server: this.confirmed })
  }

  // What a loss takes from the shown text is what is shown now: typed up to this moment.
  #noteMine(): void {
    const why = this.#loss?.why
    if (why === undefined || why === "unsure") return
    this.#loss = { why, mine: this.text }
  }

  // Takes out of the shown text whatever may be in the server's and may not (DC148).
  #doubt(doubt: Doubt, epoch: string): void {
    const mine = this.text
    if (doubt === "everything") this.#draft.gather()
    if (doubt !== "nothing" && this.isPending) {
      this.#sequence.drop()
      this.#show(this.#draft.setAside(), "rollback")
      this.#loss ??= { why: "unsure", mine }
    }
    // In the same epoch nothing was lost: it is our key that was forgotten (DC46, DC59).
    if (this.#sequence.isLess && epoch !== this.#epoch) this.#loss ??= { why: "rolled-back", mine }
  }

  // Our confirmed text is now the server's.
  #stand({ epoch, revision }: Snapshot): void {
    this.#epoch = epoch
    this.#revision = revision
  }

  // The edit in flight was accepted.
  #acknowledge(): void {
    this.#sequence.acknowledge()
    this.#confirm()
  }

  // The edit in flight is in the confirmed text now, or does nothing there.
  #confirm(): void {
    this.#draft.confirm()
    this.#sequence.drop()
    this.#resendAt = undefined
  }

  // Sends what was typed, if nothing is in flight.
  #launch(now: number): void {
    if (this.#draft.launch(limitComponents) === undefined) return
    this.#sequence.launch()
    this.#send(now)
  }

  // Sends the edit in flight, under its number, at our revision.
  #send(now: number): void {
    const operation = this.#draft.outstanding
    if (operation === undefined) return
    const seq = this.#sequence.send(now)
    this.#resendAt = undefined
    this.#effects.push({ kind: "send", seq, revision: this.#revision, operation })
  }

  #show(operation: Operation, by: "me" | "others" | "rollback", id?: number): void {
    if (operation.isNoop) return
    this.#effects.push({ kind: "show", operation, by, ...(id === undefined ? {} : { id }) })
  }

  // Gives the line up. What is shown stays, and is compared with the server's text when that comes.
  #faulted(why: string): Effects {
    this.#loss ??= { why: "diverged", mine: this.text }
    this.#draft.settle()
    this.#sequence.drop()
    this.#epoch = undefined
    this.#revision = 0
    this.disconnected()
    this.#effects.push({ kind: "fault", why })
    return this.#told()
  }

  #told(): Effects {
    const effects = this.#effects
    this.#effects = []
    return effects
  }
}
