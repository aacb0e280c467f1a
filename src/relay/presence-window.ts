/**
 * What of presence changed and is still to be told.
 *
 * What always holds: the first change after a quiet window is told at once and opens the next; what
 * changes meanwhile is told at its end, each thing once (RL79). What was only renewed waits for
 * company, up to a time of its own.
 */
const nothing: ReadonlySet<never> = new Set()

export class PresenceWindow<T> {
  readonly #windowMs: number
  // Made when there is something to tell: most rooms show nothing.
  #changed: Set<T> | undefined
  #renewed: Set<T> | undefined
  /** When the open window ends, in ms since 1970; 0 while none is open. */
  #until = 0
  /** When what was only renewed is told at the latest. */
  #companyUntil = Number.POSITIVE_INFINITY

  constructor(windowMs: number) {
    this.#windowMs = windowMs
  }

  change(thing: T): void {
    this.#changed ??= new Set()
    this.#changed.add(thing)
  }

  /** It is as it was, and is told again with what changes, or alone at `until`. */
  renew(thing: T, until: number): void {
    this.#renewed ??= new Set()
    this.#renewed.add(thing)
    this.#companyUntil = Math.min(this.#companyUntil, until)
  }

  /** There is nothing to tell of it. */
  drop(thing: T): void {
    this.#changed?.delete(thing)
    this.#renewed?.delete(thing)
  }

  /** Something may have changed. Returns what is to be told now. */
  open(now: number): ReadonlySet<T> {
    return this.#until > 0 ? nothing : this.#take(now)
  }

  /** It is `now`. Returns what is to be told now. */
  tick(now: number): ReadonlySet<T> {
    if (this.#companyUntil <= now) for (const thing of this.#renewed ?? []) this.change(thing)
    if (this.#until > now) return nothing
    this.#until = 0
    return this.#take(now)
  }

  /** When to look again, in ms since 1970. */
  get dueAt(): number {
    const endsAt = this.#until > 0 ? this.#until : Number.POSITIVE_INFINITY
    return Math.min(endsAt, this.#companyUntil)
  }

  #take(now: number): ReadonlySet<T> {
    if (this.#changed === undefined || this.#changed.size === 0) return nothing
    this.#until = now + this.#windowMs
    const things = this.#changed
    for (const thing of this.#renewed ?? []) things.add(thing)
    this.#changed = undefined
    this.#renewed = undefined
    this.#companyUntil = Number.POSITIVE_INFINITY
    return things
  }
}
