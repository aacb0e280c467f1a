/**
 * Streams of values under credit: one end that may send as much as it was granted, and one that
 * grants as its reader takes.
 *
 * What always holds: what waits to be read is at most the credit that was given; a sender without
 * credit waits; both ends stop when their call does.
 */
import type { PoolsError } from "./pools-shapes.ts"

/** Sends values one by one, as it has credit. */
export class Outflow {
  readonly #send: (seq: number, value: unknown, place: "middle" | "last") => void
  #credit: number
  #seq = 0
  #wake: (() => void) | undefined
  #isOver = false

  constructor(
    credit: number,
    send: (seq: number, value: unknown, place: "middle" | "last") => void,
  ) {
    this.#credit = credit
    this.#send = send
  }

  grant(count: number): void {
    this.#credit += count
    this.#wake?.()
  }

  /** Nothing more is sent. */
  stop(): void {
    this.#isOver = true
    this.#wake?.()
  }

  /** Sends all that comes. Gives what the iterator returns; undefined when it was stopped before. */
  async pump(values: AsyncIterable<unknown> | Iterable<unknown>): Promise<unknown> {
    const iterator = iteratorOf(values)
    while (await this.#mayGo()) {
      const next = await iterator.next()
      if (next.done === true) return next.value
      // It may have been stopped while its next value was made.
      if (!this.#isOver) {
        this.#credit -= 1
        this.#send(this.#seq++, next.value, "middle")
      }
    }
    await iterator.return?.()
    return undefined
  }

  /** Says that this was all; takes credit like a value. */
  async end(): Promise<void> {
    if (await this.#mayGo()) this.#send(this.#seq++, undefined, "last")
  }

  async #mayGo(): Promise<boolean> {
    while (!this.#isOver && this.#credit < 1) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve
      })
    }
    return !this.#isOver
  }
}

function iteratorOf(values: AsyncIterable<unknown> | Iterable<unknown>) {
  if (Symbol.asyncIterator in values) return values[Symbol.asyncIterator]()
  return values[Symbol.iterator]()
}

type End = { readonly is: "over" } | { readonly is: "failed"; readonly error: PoolsError }

interface Reader<T> {
  resolve(result: IteratorResult<T, undefined>): void
  reject(error: PoolsError): void
}

/** Values as they come, for one reader. */
export class Inflow<T> implements AsyncIterableIterator<T, undefined> {
  readonly #window: number
  readonly #grant: (count: number) => void
  readonly #left: () => void
  readonly #values: T[] = []
  readonly #readers: Reader<T>[] = []
  #end: End | undefined
  #taken: number

  /**
   * `window` is the credit; `first` says whether its sender has it already or gets it with the first
   * look. `left` is called when the reader goes before the end.
   */
  constructor(options: {
    readonly window: number
    readonly first: "given" | "asked"
    readonly grant: (count: number) => void
    readonly left: () => void
  }) {
    this.#window = options.window
    this.#grant = options.grant
    this.#left = options.left
    this.#taken = options.first === "given" ? 0 : options.window
  }

  push(value: T): void {
    if (this.#end !== undefined) return
    const reader = this.#readers.shift()
    if (reader === undefined) return void this.#values.push(value)
    this.#take()
    reader.resolve({ done: false, value })
  }

  finish(): void {
    this.#stop({ is: "over" })
  }

  fail(error: PoolsError): void {
    this.#stop({ is: "failed", error })
  }

  next(): Promise<IteratorResult<T, undefined>> {
    return new Promise((resolve, reject) => {
      // A value that is undefined is one too: the length tells.
      if (this.#values.length > 0) {
        const [value] = this.#values.splice(0, 1)
        this.#take()
        // It was there.
        return resolve({ done: false, value: value as T })
      }
      if (this.#end?.is === "over") return resolve({ done: true, value: undefined })
      if (this.#end?.is === "failed") return reject(this.#end.error)
      // The first look of one whose sender was given nothing yet.
      if (this.#taken >= this.#window) this.#give()
      this.#readers.push({ resolve, reject })
    })
  }

  return(): Promise<IteratorResult<T, undefined>> {
    const wasOver = this.#end !== undefined
    this.#values.length = 0
    this.finish()
    if (!wasOver) this.#left()
    return Promise.resolve({ done: true, value: undefined })
  }

  [Symbol.asyncIterator](): this {
    return this
  }

  /** Half of the window at a time: a grant for each value would double the messages. */
  #take(): void {
    this.#taken += 1
    if (this.#end === undefined && this.#taken >= Math.ceil(this.#window / 2)) this.#give()
  }

  #give(): void {
    const count = this.#taken
    this.#taken = 0
    this.#grant(count)
  }

  #stop(end: End): void {
    if (this.#end !== undefined) return
    this.#end = end
    for (const { resolve, reject } of this.#readers.splice(0)) {
      if (end.is === "over") resolve({ done: true, value: undefined })
      else reject(end.error)
    }
  }
}
