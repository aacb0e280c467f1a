/**
 * A signal that is made when it is asked for: most work never looks at it, and one for each call
 * would cost more than the rest of the call.
 */
export class Stopping {
  #controller: AbortController | undefined
  #why: Error | undefined

  get signal(): AbortSignal {
    if (this.#controller === undefined) {
      this.#controller = new AbortController()
      if (this.#why !== undefined) this.#controller.abort(this.#why)
    }
    return this.#controller.signal
  }

  /** Why it was stopped; undefined while it was not. */
  get why(): Error | undefined {
    return this.#why
  }

  abort(why: Error): void {
    this.#why ??= why
    this.#controller?.abort(why)
  }
}
