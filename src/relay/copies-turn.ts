/**
 * A room's turn to be copied, where several servers share a shelf.
 *
 * What always holds: a copy is begun only while the turn is surely ours. It is kept from one copy to
 * the next, so that of several servers one copies a room and the others wait; it is asked for again
 * and again meanwhile, so it ends soon after our room does. Where no other server writes there, it
 * is always ours.
 */
import type { Answer } from "../service.ts"
import type { CopyShelf, Turn } from "./copies.ts"

/** After so long it is asked for again; and within so long a copy may be begun. */
const renewMs = 4_000
/** So long past the time for the next copy it is kept. */
const spareMs = 15_000

interface TurnWorld {
  readonly shelf: CopyShelf
  readonly key: string
  readonly options: { readonly copyRestMs: number }
}

export class CopyTurn {
  readonly #shelf: CopyShelf
  readonly #key: string
  /** From one copy to the next, in ms. */
  readonly #restMs: number
  /** What time it is, also when an answer comes. */
  readonly #now: () => number
  #until = Number.NEGATIVE_INFINITY
  #keptUntil = Number.NEGATIVE_INFINITY

  constructor({ shelf, key, options }: TurnWorld, now: () => number) {
    this.#shelf = shelf
    this.#key = key
    this.#restMs = options.copyRestMs
    this.#now = now
  }

  /** Whether other servers may write to the shelf. */
  get isShared(): boolean {
    return this.#shelf.turn !== undefined
  }

  /** Whether a copy may be begun. */
  isOurs(now: number): boolean {
    return !this.isShared || now < this.#until
  }

  /** When to ask again, lest it ends; Infinity where it may end. */
  get renewAt(): number {
    return this.isShared && this.#until < this.#keptUntil ? this.#until : Number.POSITIVE_INFINITY
  }

  ask(how: "wait" | "seize", answer: Answer<Turn>): void {
    this.#shelf.turn?.(this.#key, how, (turn) => {
      if (turn === "away" || turn === "theirs") this.lose()
      else this.#until = this.#now() + renewMs
      if (turn === "new") this.use(this.#now())
      answer(turn)
    })
  }

  /** A copy begins. */
  use(now: number): void {
    this.#keptUntil = now + this.#restMs + spareMs
  }

  /** It may be another's by now. */
  lose(): void {
    this.#until = Number.NEGATIVE_INFINITY
    this.#keptUntil = Number.NEGATIVE_INFINITY
  }
}
