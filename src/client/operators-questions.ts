/**
 * Commands whose answer names no ref: one is open at a time, and a `$ ping` of its own ends it.
 *
 * What always holds: what is heard between a command and the answer to its ping is its answer, or
 * is told to us for another reason; so nothing that another session of ours does can be mistaken
 * for the answer to the next one. A line that was lost begins with the open one again.
 */
import type { Heard } from "../wire/operators-heard.ts"
import { OperatorsError } from "./operators-shapes.ts"

const waitingLimit = 64

export interface Question {
  readonly line: string
  answer: Heard | undefined
  word: string | undefined
  readonly resolve: (answer: Heard | undefined) => void
  readonly reject: (error: OperatorsError) => void
}

export class Questions {
  #open: Question[] = []
  #asked = 0

  /** Whether the first one is yet to be asked. */
  get hasNext(): boolean {
    const [first] = this.#open
    return first !== undefined && first.word === undefined
  }

  add(line: string): Promise<Heard | undefined> {
    if (this.#open.length >= waitingLimit) {
      const sentence = `${waitingLimit} questions wait; wait for some`
      return Promise.reject(new OperatorsError("too-many", sentence))
    }
    return new Promise((resolve, reject) => {
      this.#open.push({ line, answer: undefined, word: undefined, resolve, reject })
    })
  }

  /** The lines of the first one. */
  next(): readonly string[] {
    const [first] = this.#open
    if (first === undefined) return []
    this.#asked += 1
    first.word = `q${this.#asked}`
    return [first.line, `$ ping ${first.word}`]
  }

  /** "answered": the next one may be asked. */
  hear(heard: Heard): "answered" | "passed" {
    const [first] = this.#open
    if (first?.word === undefined) return "passed"
    if (heard.kind === "pong") {
      if (heard.word !== first.word) return "passed"
      this.#open.shift()
      first.resolve(first.answer)
      return "answered"
    }
    if (["sessions", "ended", "refused", "bye"].includes(heard.kind)) first.answer = heard
    if (heard.kind !== "bye") return "passed"
    this.#open.shift()
    first.resolve(heard)
    return "answered"
  }

  /** The line was lost: the first one is asked again. */
  renew(): void {
    for (const question of this.#open) {
      question.word = undefined
      question.answer = undefined
    }
  }

  close(error: OperatorsError): void {
    const open = this.#open
    this.#open = []
    for (const { reject } of open) reject(error)
  }
}
