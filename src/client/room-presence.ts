/**
 * Who else is in a room and what they show, and what this replica shows.
 *
 * What always holds: the others are those of the line that there is, so without one there are
 * none; of what is shown here the last state is said, at most each 50 ms, and again after each
 * return.
 */

/** The relay gathers presence for as long. */
const windowMs = 50
/** More names are not kept: a room holds no more replicas. */
const limitOthers = 2_000

export interface PresenceOwner {
  /** This replica's own name, which other lines of it may bear too. */
  readonly self: string
  say(payload: object): void
  changed(others: ReadonlyMap<string, unknown>): void
}

export class Presence {
  readonly #owner: PresenceOwner
  readonly #others = new Map<string, unknown>()
  /** What is to be shown; undefined before anything was. */
  #shown: object | null | undefined
  #isSaid = true
  #isHere = false
  #timer: ReturnType<typeof setTimeout> | undefined

  constructor(owner: PresenceOwner) {
    this.#owner = owner
  }

  get others(): ReadonlyMap<string, unknown> {
    return this.#others
  }

  present(state: object | null): void {
    this.#shown = state
    this.#isSaid = false
    if (this.#timer === undefined) this.#say()
  }

  joined(): void {
    this.#isHere = true
    this.#isSaid = this.#shown === undefined
    this.#say()
  }

  parted(): void {
    this.#isHere = false
    clearTimeout(this.#timer)
    this.#timer = undefined
    if (this.#others.size === 0) return
    this.#others.clear()
    this.#owner.changed(this.#others)
  }

  came(name: string): void {
    if (!this.#others.has(name)) this.#set(name, null)
  }

  /** An empty object says that there is nothing to show. */
  shows(name: string, state: unknown): void {
    const isEmpty = typeof state === "object" && state !== null && Object.keys(state).length === 0
    this.#set(name, isEmpty ? null : state)
  }

  went(name: string): void {
    if (this.#others.delete(name)) this.#owner.changed(this.#others)
  }

  #set(name: string, state: unknown): void {
    if (name === this.#owner.self) return
    if (this.#others.size >= limitOthers && !this.#others.has(name)) return
    this.#others.set(name, state)
    this.#owner.changed(this.#others)
  }

  #say(): void {
    this.#timer = undefined
    if (this.#isSaid || !this.#isHere) return
    this.#isSaid = true
    this.#owner.say(this.#shown ?? {})
    this.#timer = setTimeout(() => this.#say(), windowMs)
  }
}
