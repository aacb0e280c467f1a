/**
 * What its author has to be told that the server's text lacks: noted when it shows, told when the
 * server's text is known.
 *
 * What always holds: of several reasons one is told, the first unless a later one overrules it; and
 * when it is told, the draft has set aside what would bring back what was lost.
 */
import type { Lost } from "./effects.ts"
import type { Operation } from "./operation.ts"
import type { OwnEdits } from "./own-edits.ts"
import type { Doubt } from "./sequence.ts"

export class Losses {
  readonly #edits: OwnEdits
  #noted: Pick<Lost, "why" | "mine"> | undefined
  /** The number of the edit that restores an emptied document. */
  #restoring: number | undefined

  constructor(edits: OwnEdits) {
    this.#edits = edits
  }

  /** The server may have another text than `mine`, which is what is shown unless it is given. */
  note(why: Lost["why"], mine = this.#shown): void {
    this.#noted ??= { why, mine }
  }

  /** Notes it in place of whatever was noted: the shown text has all of that, and is taken away now. */
  overrule(why: Lost["why"]): void {
    this.#noted = { why, mine: this.#shown }
  }

  /** All that is shown is given to the server again: only what was set aside is lost still. */
  retract(): void {
    if (this.#noted?.why !== "unsure") this.#noted = undefined
  }

  /** What a loss takes from the shown text is what is shown now: typed up to this moment. */
  renew(): void {
    const why = this.#noted?.why
    if (why === undefined || why === "unsure") return
    this.#noted = { why, mine: this.#shown }
  }

  /** The server's text is the confirmed one: tells what was noted, if anything was. */
  tell(): void {
    if (this.#noted === undefined) return
    const { draft } = this.#edits
    // What was in doubt is set aside already; else it is whatever the server lacks.
    const { why, mine } = this.#noted
    this.#noted = undefined
    if (why !== "unsure") draft.setAsideTowards(mine)
    this.#edits.tell({ kind: "lost", why, mine, server: draft.confirmed.toString() })
  }

  /** Takes out of the shown text whatever may be in the server's and may not (DC148). */
  greet(doubt: Doubt, epoch: "same" | "other"): void {
    const { draft, sequence } = this.#edits
    const mine = this.#shown
    if (doubt === "everything") draft.gather()
    if (doubt !== "nothing" && draft.isPending) {
      sequence.drop()
      this.#edits.show(draft.setAside(), "rollback")
      this.note("unsure", mine)
    }
    // In the same epoch nothing was lost: it is our key that was forgotten (DC46, DC59).
    if (sequence.isLess && epoch === "other") this.note("rolled-back", mine)
  }

  /** The edit in flight, if there is one, restores a document that was emptied (DC150). */
  restoring(): void {
    this.#restoring = this.#edits.sequence.flight?.seq
  }

  /**
   * Shows what `take` has done to the draft: others' edits. Where one of them was quicker to restore,
   * ours is taken back, so that two who restore give one text.
   */
  showTheirs(take: () => Operation, id?: number): void {
    const { draft, sequence } = this.#edits
    const isRestoring = this.#restoring !== undefined && this.#restoring === sequence.flight?.seq
    const mine = isRestoring ? this.#shown : ""
    this.#edits.show(take(), "others", id)
    if (!isRestoring || draft.confirmed.length === 0) return
    // The server may take our edit yet, or has: so it is undone by the next one.
    this.#restoring = undefined
    const isSame = draft.outstanding?.components.includes(draft.confirmed.toString())
    this.#edits.show(draft.takeBack(), "rollback")
    if (isSame !== true) this.note("rolled-back", mine)
  }

  get #shown(): string {
    return this.#edits.draft.shown.toString()
  }
}
