/** How long something is tried again that others hold up. */

const stepMs = 1

export class Pace {
  readonly #until: number
  readonly #stepMs: number

  constructor(ms: number, step = stepMs) {
    this.#until = performance.now() + ms
    this.#stepMs = step
  }

  get isOver(): boolean {
    return performance.now() >= this.#until
  }

  wait(): Promise<void> {
    return new Promise((resolve) => setTimeout(resolve, this.#stepMs))
  }
}
