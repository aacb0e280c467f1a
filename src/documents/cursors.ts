/**
 * Where the editors of one document have their carets and selections, kept in step with its text.
 *
 * What always holds: positions are code points of the current text; those of plain editors stand
 * as they were sent, even past its end, those of extended ones lie in it (DC66, DC67). Each editor
 * has at most 256 carets and 256 selections, as the codec cuts them. `changed` names the editors
 * whose cursors the others do not know yet, and cannot work out from the edits they are told.
 */
import { type Lean, moveIndex, type Operation } from "../ot/operation.ts"
import type { Cursors, Placed } from "../wire/documents-shapes.ts"

/** Who has to be told: everyone, or only those who do not follow carets by themselves (DC69). */
export type Audible = "all" | "plain"

// Positions lie in one array that is changed in place: each edit moves those of all editors.
interface Kept {
  readonly user: number
  /** Of the carets, then of the selections, anchor and head by turns. */
  readonly positions: number[]
  readonly carets: number
  /** Which way they go when a text is inserted exactly there (DC68). */
  readonly lean: Lean
}

export class StoredCursors {
  readonly #byUser = new Map<number, Kept>()
  readonly #changed = new Map<number, Audible>()

  /** Whose cursors are to be told, and to whom. */
  get changed(): ReadonlyMap<number, Audible> {
    return this.#changed
  }

  /** The cursors of `user` as they are stored; undefined when it has told none. */
  find(user: number): Cursors | undefined {
    const kept = this.#byUser.get(user)
    return kept && cursorsAt(kept.positions, kept.carets)
  }

  /** The cursors of `user` within a text of `length` code points: what extended editors see. */
  within(user: number, length: number): Placed | undefined {
    const kept = this.#byUser.get(user)
    if (kept === undefined) return undefined
    const positions = kept.positions.map((position) => Math.min(position, length))
    return { id: user, ...cursorsAt(positions, kept.carets) }
  }

  /** All who have cursors. */
  users(): IterableIterator<number> {
    return this.#byUser.keys()
  }

  /** `user` has moved its cursors: everyone is to be told. */
  set(user: number, cursors: Cursors, lean: Lean): void {
    this.#byUser.set(user, {
      user,
      positions: positionsOf(cursors),
      carets: cursors.cursors.length,
      lean,
    })
    this.#changed.set(user, "all")
  }

  /**
   * `user`, an extended editor, has made the change `operation`, and said nothing of its carets:
   * one is taken to be where the change ended (DC69). Call it after `move`.
   *
   * Plain editors are told only where this differs from what they move the known caret to.
   */
  infer(user: number, operation: Operation): void {
    const end = endOf(operation)
    const known = this.#byUser.get(user)
    const isOne = known?.carets === 1 && known.positions.length === 1
    const isKnown = isOne && known.positions[0] === end
    // Its only caret is moved where it stands: this is done at each edit.
    if (isOne) known.positions[0] = end
    else this.#byUser.set(user, { user, positions: [end], carets: 1, lean: "left" })
    if (!isKnown && this.#changed.get(user) !== "all") this.#changed.set(user, "plain")
  }

  /** Moves everything over an operation that was accepted; that of its author to the right of it. */
  move(operation: Operation, author: number): void {
    if (operation.isNoop) return
    const { place } = operation
    for (const { user, positions, lean } of this.#byUser.values()) {
      const own = user === author ? "right" : lean
      for (let index = 0; index < positions.length; index += 1) {
        const position = positions[index] ?? 0
        // Left of the one place that changes, as half of them are, nothing moves.
        if (position >= place) positions[index] = moveIndex(operation, position, own)
      }
    }
  }

  /** `user` is gone. */
  remove(user: number): void {
    this.#byUser.delete(user)
    this.#changed.delete(user)
  }

  /** All that had changed is told. */
  settle(): void {
    this.#changed.clear()
  }
}

/** All positions of `cursors` in one row: carets, then selections, anchor and head by turns. */
export function positionsOf({ cursors, selections }: Cursors): number[] {
  return [...cursors, ...selections.flat()]
}

/** The cursors whose positions stand in `positions`; the first `carets` of them are carets. */
export function cursorsAt(positions: readonly number[], carets: number): Cursors {
  const selections: [anchor: number, head: number][] = []
  for (let index = carets; index + 1 < positions.length; index += 2) {
    selections.push([positions[index] ?? 0, positions[index + 1] ?? 0])
  }
  return { cursors: positions.slice(0, carets), selections }
}

// Just after the last insert or delete, in the text after the operation.
function endOf(operation: Operation): number {
  const { place, deleted } = operation
  if (place >= 0) return place + operation.targetLength - operation.baseLength + deleted
  const { components, lengths } = operation.steps()
  const last = components.at(-1)
  const kept = typeof last === "number" && last > 0 ? (lengths.at(-1) ?? 0) : 0
  return operation.targetLength - kept
}
