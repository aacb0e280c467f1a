/**
 * An editor's own edits on their way: the draft that they make, the numbers that they go by, and
 * what is to be sent and shown because of them. When each of it happens is said by `Pending`.
 *
 * What always holds: the sequence has a flight exactly while the draft has something outstanding;
 * an effect is given out once, and all of them in the order in which they came about.
 */
import { Draft, insertedBy } from "./draft.ts"
import type { Effect, Effects, PendingRecord, RefusalCode, Show } from "./effects.ts"
import { Operation } from "./operation.ts"
import { Pieces } from "./pieces.ts"
import { Sequence } from "./sequence.ts"

/**
 * An edit of more components is sent in parts: half of what a server takes (DC41), since moving it
 * over others' edits may tear some of them in two.
 */
const limitComponents = 10_000

/** What a record says of them. */
type EditsRecord = Omit<PendingRecord, "client" | "epoch">

export class OwnEdits {
  readonly draft: Draft
  readonly sequence: Sequence
  /** Of the draft's confirmed text, as the server counts. */
  revision: number
  /** The edit in flight was stale: it is sent again at this revision. */
  #resendAt: number | undefined
  #effects: Effect[] = []

  /**
   * None, on an empty text, or those of a record that was kept. Throws RangeError when the parts of
   * the record do not fit each other.
   */
  constructor(kept?: EditsRecord) {
    const { outstanding, buffer } = kept ?? {}
    this.draft = new Draft(
      Pieces.of(kept?.confirmed ?? ""),
      outstanding && Operation.from(outstanding.operation),
      buffer && Operation.from(buffer),
    )
    this.sequence = new Sequence(
      kept && {
        last: kept.seq,
        acknowledged: kept.acknowledged,
        flight: outstanding,
      },
    )
    this.revision = kept?.revision ?? 0
  }

  /** All there is to keep of them. Takes time in the length of the confirmed text. */
  get record(): EditsRecord {
    const { outstanding, buffer, confirmed } = this.draft
    const { last, acknowledged, flight } = this.sequence
    return {
      seq: last,
      acknowledged,
      revision: this.revision,
      confirmed: confirmed.toString(),
      outstanding: outstanding && { seq: 0, ...flight, operation: outstanding.components },
      buffer: buffer?.components,
    }
  }

  /** Sends what was typed, if nothing is in flight. */
  launch(now: number): void {
    if (this.draft.launch(limitComponents) === undefined) return
    this.sequence.launch()
    this.send(now)
  }

  /** Sends the edit in flight, if there is one, under its number, at our revision. */
  send(now: number): void {
    const operation = this.draft.outstanding
    if (operation === undefined) return
    const seq = this.sequence.send(now)
    this.#resendAt = undefined
    this.tell({ kind: "send", seq, revision: this.revision, operation })
  }

  /** The edit in flight is to be sent again as soon as our text is at `revision`. */
  postpone(revision: number): void {
    this.#resendAt = revision
  }

  /** Sends again what was postponed, if that is due, and what was typed, if nothing is in flight. */
  proceed(now: number): void {
    if (this.#resendAt !== undefined && this.revision >= this.#resendAt) this.send(now)
    this.launch(now)
  }

  /** The edit in flight was accepted. */
  acknowledge(): void {
    this.sequence.acknowledge()
    this.confirm()
  }

  /** The edit in flight is in the confirmed text now, or does nothing there. */
  confirm(): void {
    this.draft.confirm()
    this.sequence.drop()
    this.#resendAt = undefined
  }

  /** The edit in flight was refused: it is taken out of the shown text. */
  refuse(code: RefusalCode): void {
    const { outstanding } = this.draft
    const inserted = outstanding === undefined ? "" : insertedBy(outstanding)
    this.sequence.drop()
    this.#resendAt = undefined
    this.show(this.draft.rollBack(), "rollback")
    this.tell({ kind: "refused", code, inserted })
  }

  /** The line dropped: what was postponed on it is no more. */
  disconnected(): void {
    this.#resendAt = undefined
  }

  /** Notes that the shown text has changed by `operation`; `id` is its author, where it is one. */
  show(operation: Operation, by: Show["by"], id?: number): void {
    if (operation.isNoop) return
    this.tell({ kind: "show", operation, by, ...(id === undefined ? {} : { id }) })
  }

  /** Notes one thing for the caller to do. */
  tell(effect: Effect): void {
    this.#effects.push(effect)
  }

  /** What was noted since it was asked for last. */
  takeEffects(): Effects {
    const effects = this.#effects
    this.#effects = []
    return effects
  }
}
