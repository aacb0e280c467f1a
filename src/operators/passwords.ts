/**
 * Passwords hashed, one login after the other: the only slow answer of the operators.
 *
 * What always holds: at most `concurrency` hashes run and `waiting` wait, a few of them for one
 * circuit; each question costs exactly one hash, also where there is nothing to compare with; and
 * whose connection has gone is hashed for no more, unless that has begun.
 */
import type { Random } from "../service.ts"
import { type Cost, isSame, type Secret, saltBytes, tagBytes } from "./secret.ts"

/** What is to be hashed. `password` is UTF-8. */
export interface Derivation {
  readonly password: string
  readonly salt: Uint8Array
  readonly cost: Cost
  readonly tagBytes: number
}

/** argon2id beside the event loop. Answers in a later turn; "away" when it could not be done. */
export type Derive = (work: Derivation, answer: (tag: Uint8Array | "away") => void) => void

/** The answer to a question: whether it was that password, and the secret that this one makes. */
export interface Hashed {
  readonly matches: boolean
  readonly secret: Secret
}

export interface PasswordsOptions {
  readonly derive: Derive
  readonly random: Random
  readonly cost: Cost
  readonly concurrency: number
  readonly waiting: number
  readonly waitingPerCircuit: number
}

interface Question {
  readonly owner: object
  readonly circuit: string | undefined
  readonly password: string
  readonly with: Secret | undefined
  readonly answer: (hashed: Hashed | "away") => void
}

export class Passwords {
  readonly #options: PasswordsOptions
  readonly #waiting: Question[] = []
  #running = 0

  constructor(options: PasswordsOptions) {
    this.#options = options
  }

  /** How many are hashed or wait for it. */
  get size(): number {
    return this.#running + this.#waiting.length
  }

  get isIdle(): boolean {
    return this.size === 0
  }

  /** Whether one more question of this circuit may be asked. */
  hasRoom(circuit: string | undefined): boolean {
    if (this.#running < this.#options.concurrency) return true
    if (this.#waiting.length >= this.#options.waiting) return false
    if (circuit === undefined) return true
    const same = this.#waiting.filter((question) => question.circuit === circuit).length
    return same < this.#options.waitingPerCircuit
  }

  /**
   * Hashes `password` as `with` was made, and compares; without it, with a fresh salt, as a new
   * secret. Answers in a later turn. Ask `hasRoom` first.
   */
  ask(question: Question): void {
    this.#waiting.push(question)
    this.#next()
  }

  /** Forgets what `owner` has asked and nobody has begun to answer. */
  drop(owner: object): void {
    const kept = this.#waiting.filter((question) => question.owner !== owner)
    this.#waiting.splice(0, this.#waiting.length, ...kept)
  }

  #next(): void {
    const { derive, random, cost, concurrency } = this.#options
    if (this.#running >= concurrency) return
    const question = this.#waiting.shift()
    if (question === undefined) return
    this.#running++
    const { with: known, password } = question
    const made = known ?? { cost, salt: random(saltBytes), tag: new Uint8Array(tagBytes) }
    const work = { password, salt: made.salt, cost: made.cost, tagBytes: made.tag.length }
    derive(work, (tag) => {
      this.#running--
      // First the next one: what the answer does may throw.
      this.#next()
      if (tag === "away") return question.answer("away")
      const secret = { cost: made.cost, salt: made.salt, tag }
      question.answer({ matches: known !== undefined && isSame(known.tag, tag), secret })
    })
  }
}
