/**
 * What an editor shows: the text the server has confirmed, its one edit in flight, and what was
 * typed while that was in flight.
 *
 * What always holds: `shown` is `confirmed` with `outstanding` and then `buffer` applied. All
 * three texts are in pieces, so a key press costs the same in a text of any size (DC142).
 *
 * It may also hold an edit set aside: one that was taken out of the shown text and that its
 * author may want back. It is moved along with whatever happens, and so always fits `shown`.
 */
import { diff } from "./diff.ts"
import { compose, composeAll, invert, Operation, transform } from "./operation.ts"
import type { Pieces } from "./pieces.ts"
import { Steps } from "./steps.ts"

export class Draft {
  #confirmed: Pieces
  #shown: Pieces
  #outstanding: Operation | undefined
  #buffer: Operation | undefined
  #aside: Operation | undefined

  /**
   * A draft of a confirmed text with what is pending on it. It owns the pieces from now on.
   * Throws RangeError when what is pending does not fit.
   */
  constructor(confirmed: Pieces, outstanding?: Operation, buffer?: Operation) {
    this.#confirmed = confirmed
    this.#shown = confirmed.copy()
    this.#outstanding = outstanding
    this.#buffer = buffer
    if (outstanding !== undefined) this.#shown.apply(outstanding)
    if (buffer !== undefined) this.#shown.apply(buffer)
  }

  /** The text the server has confirmed. Not to be changed from outside. */
  get confirmed(): Pieces {
    return this.#confirmed
  }

  /** The text its user sees. Not to be changed from outside. */
  get shown(): Pieces {
    return this.#shown
  }

  /** The edit in flight, for `confirmed`. */
  get outstanding(): Operation | undefined {
    return this.#outstanding
  }

  /** What was typed since, for the text after `outstanding`. */
  get buffer(): Operation | undefined {
    return this.#buffer
  }

  /** Whether something is not yet confirmed. */
  get isPending(): boolean {
    return this.#outstanding !== undefined || this.#buffer !== undefined
  }

  /** Takes what its user did to the shown text. Throws RangeError when it does not fit that. */
  type(operation: Operation): void {
    this.#show(operation)
    this.#buffer = this.#buffer === undefined ? operation : compose(this.#buffer, operation)
  }

  /**
   * Puts what was typed in flight, the first `limitComponents` of it if it has more, and returns
   * that. Undefined when there is nothing to send, or something is in flight already.
   */
  launch(limitComponents: number): Operation | undefined {
    if (this.#outstanding !== undefined || this.#buffer === undefined) return undefined
    const buffer = this.#buffer
    this.#buffer = undefined
    if (buffer.isNoop) return undefined // typed and deleted again
    this.#outstanding = buffer
    if (buffer.size > limitComponents) {
      const [first, rest] = split(buffer, limitComponents)
      this.#outstanding = first
      this.#buffer = rest
    }
    return this.#outstanding
  }

  /** Takes another's change of the confirmed text. Returns how the shown text changes by it. */
  take(theirs: Operation): Operation {
    this.#confirmed.apply(theirs)
    return this.#moveBuffer(this.#moveOutstanding(theirs))
  }

  /**
   * Takes a row of others' changes at once; what is in flight must not be accepted among them.
   *
   * What is in flight is moved over them one by one, as a server would do it: whoever goes on from
   * an older record of this text then still knows it when it comes back (DC37). What was typed
   * since, perhaps a long day offline, is moved over all of them together.
   */
  takeRow(theirs: readonly Operation[]): Operation {
    const row = theirs.map((operation) => {
      this.#confirmed.apply(operation)
      return this.#moveOutstanding(operation)
    })
    return this.#moveBuffer(composeAll(row))
  }

  /** The edit in flight was accepted as it is. */
  confirm(): void {
    if (this.#outstanding !== undefined) this.#confirmed.apply(this.#outstanding)
    this.#outstanding = undefined
  }

  /** Takes the edit in flight out of the shown text. Returns how that changes by it. */
  rollBack(): Operation {
    const [buffer, change] = this.#undoing()
    this.#outstanding = undefined
    this.#buffer = buffer?.isNoop === true ? undefined : buffer
    this.#show(change)
    return change
  }

  /**
   * Undoes the edit in flight by what is typed after it: it stays in flight. Returns how the shown
   * text changes by that.
   */
  takeBack(): Operation {
    const [, change] = this.#undoing()
    this.type(change)
    return change
  }

  /** Like `rollBack`, but sets aside what it takes out, to be put back by `takeAside`. */
  setAside(): Operation {
    const before = this.#shown.toString()
    const change = this.rollBack()
    this.#aside = invert(change, before)
    return change
  }

  /** Sets aside whatever would make the shown text that of `text`. */
  setAsideTowards(text: string): void {
    this.#aside = diff(this.#shown.toString(), text)
  }

  /** What was set aside, as a change of the shown text; it is not set aside any more. */
  takeAside(): Operation | undefined {
    const aside = this.#aside
    this.#aside = undefined
    return aside
  }

  /** Puts all that is pending into the one edit in flight. */
  gather(): void {
    if (this.#buffer === undefined) return
    const first = this.#outstanding
    this.#outstanding = first === undefined ? this.#buffer : compose(first, this.#buffer)
    this.#buffer = undefined
  }

  /**
   * Takes `confirmed` for the confirmed text, as if another had changed the old one into it. What
   * is pending is moved over the difference. Returns how the shown text changes.
   */
  merge(confirmed: Pieces): Operation {
    const theirs = diff(this.#confirmed.toString(), confirmed.toString())
    this.#confirmed = confirmed
    return this.#moveBuffer(this.#moveOutstanding(theirs))
  }

  /** Takes what is shown for confirmed: nothing is pending any more, and nothing changes to see. */
  settle(): void {
    this.#confirmed = this.#shown.copy()
    this.#outstanding = undefined
    this.#buffer = undefined
  }

  /**
   * Takes `confirmed` for the confirmed text, and the whole shown text for typed into it: what was
   * pending is part of that.
   */
  retype(confirmed: Pieces): void {
    this.#confirmed = confirmed
    this.#outstanding = undefined
    const change = diff(confirmed.toString(), this.#shown.toString())
    this.#buffer = change.isNoop ? undefined : change
  }

  // What would be typed without the edit in flight, and what takes that out of the shown text.
  #undoing(): readonly [buffer: Operation | undefined, change: Operation] {
    const outstanding = this.#outstanding ?? Operation.identity(this.#confirmed.length)
    const change = invert(outstanding, this.#confirmed.toString())
    return this.#buffer === undefined ? [undefined, change] : transform(this.#buffer, change)
  }

  // Moves what is in flight over a change of the confirmed text, and gives what comes out.
  #moveOutstanding(theirs: Operation): Operation {
    if (this.#outstanding === undefined) return theirs
    const [moved, over] = transform(this.#outstanding, theirs)
    this.#outstanding = moved
    return over
  }

  // Moves what was typed since over that, and shows what comes out.
  #moveBuffer(theirs: Operation): Operation {
    let change = theirs
    if (this.#buffer !== undefined) {
      const [moved, over] = transform(this.#buffer, theirs)
      this.#buffer = moved
      change = over
    }
    this.#show(change)
    return change
  }

  #show(change: Operation): void {
    this.#shown.apply(change)
    if (this.#aside === undefined) return
    const [moved] = transform(this.#aside, change)
    this.#aside = moved.isNoop ? undefined : moved
  }
}

/** Whether the first operation is for a text of `length` code points, and each other for what comes out. */
export function fits(row: readonly Operation[], length: number): boolean {
  let next = length
  for (const { baseLength, targetLength } of row) {
    if (baseLength !== next) return false
    next = targetLength
  }
  return true
}

/** All that `operation` inserts, as one text. */
export function insertedBy(operation: Operation): string {
  return operation.components.filter((component) => typeof component === "string").join("")
}

// Two operations that do one after the other what `operation` does; the first has `limit` components.
function split(operation: Operation, limit: number): readonly [Operation, Operation] {
  const { components, lengths } = operation.steps()
  const first = new Steps()
  const rest = new Steps()
  for (const [at, component] of components.entries()) {
    const length = lengths[at] ?? 0
    const isFirst = at < limit
    // What the first does, the rest finds done; what the rest is to do, the first leaves alone.
    if (typeof component === "string") {
      if (isFirst) first.insert(component, length)
      if (isFirst) rest.retain(length)
      else rest.insert(component, length)
    } else if (component > 0) {
      first.retain(length)
      rest.retain(length)
    } else if (isFirst) {
      first.delete(length)
    } else {
      first.retain(length)
      rest.delete(length)
    }
  }
  return [Operation.of(first), Operation.of(rest)]
}
