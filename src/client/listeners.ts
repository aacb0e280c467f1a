/**
 * Who listens to what, and in which order they hear it.
 *
 * What always holds: everybody hears events in the order in which they happened, also when a
 * listener makes another one happen; and a listener that throws keeps nobody from hearing.
 */

/** Events by name; each is what its listener takes. */
type Events<E> = { readonly [Name in keyof E]: (...values: never[]) => void }

export class Listeners<E extends Events<E>> {
  readonly #byEvent = new Map<keyof E, Set<(...values: never[]) => void>>()
  readonly #due: (() => void)[] = []
  #isTelling = false

  /** Calls `listener` for every event of this name from now on; returns what undoes that. */
  on<Name extends keyof E>(event: Name, listener: E[Name]): () => void {
    const listeners = this.#byEvent.get(event) ?? new Set()
    this.#byEvent.set(event, listeners)
    // One's own entry, so that a function given twice is called twice and undone once.
    const entry = (...values: never[]): void => listener(...values)
    listeners.add(entry)
    return () => void listeners.delete(entry)
  }

  /** Tells an event. From within a listener it is told once all have heard what is being told. */
  tell<Name extends keyof E>(event: Name, ...values: Parameters<E[Name]>): void {
    this.#due.push(() => {
      for (const listener of [...(this.#byEvent.get(event) ?? [])]) {
        try {
          listener(...values)
        } catch (thrown) {
          // Not ours to swallow: it surfaces as an uncaught error, after everybody has heard.
          queueMicrotask(() => {
            throw thrown
          })
        }
      }
    })
    if (this.#isTelling) return
    this.#isTelling = true
    for (let next = this.#due.shift(); next !== undefined; next = this.#due.shift()) next()
    this.#isTelling = false
  }
}
