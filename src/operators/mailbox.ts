/**
 * What one callsign has not taken yet. Memory only, by rule OP22.
 *
 * Bounded in number and in bytes, and fair: one sender fills a quarter at most, so a flood cannot
 * shut others out. First in, first out; whoever finds no room is told so, and nothing older is
 * dropped for it. Invariant: `load` is the sum over what lies here, and so is each sender's.
 */
import type { Outcome } from "../wire/operators-told.ts"
import type { Limits } from "./limits.ts"
import type { Operator } from "./operator.ts"

/** How a message is doing. Its sender's refs keep it when the text is long gone. */
export interface Fate {
  readonly id: string
  state: Outcome
}

/** A message that somebody has not taken yet. */
export interface Letter {
  readonly fate: Fate
  readonly sender: Operator
  readonly target: Operator
  readonly text: string
  /** Of its text, and what a message takes besides. */
  readonly bytes: number
  /** ms since 1970. */
  readonly arrivedAt: number
}

/** So many messages, and their bytes. */
export class Load {
  messages = 0
  bytes = 0

  /** Whether one more message of `bytes` stays within. */
  fits(bytes: number, of: { readonly messages: number; readonly bytes: number }): boolean {
    return this.messages < of.messages && this.bytes + bytes <= of.bytes
  }

  add(bytes: number): void {
    this.messages += 1
    this.bytes += bytes
  }

  take(bytes: number): void {
    this.messages -= 1
    this.bytes -= bytes
  }
}

export class Mailbox {
  readonly #limits: Limits
  // In the order of arrival.
  readonly #letters = new Map<string, Letter>()
  readonly #load = new Load()
  readonly #loads = new Map<Operator, Load>()

  constructor(limits: Limits) {
    this.#limits = limits
  }

  get size(): number {
    return this.#letters.size
  }

  get bytes(): number {
    return this.#load.bytes
  }

  /** In the order of arrival. A copy: taking one while going through is safe. */
  get letters(): readonly Letter[] {
    return [...this.#letters.values()]
  }

  find(id: string): Letter | undefined {
    return this.#letters.get(id)
  }

  /** Why a message of `bytes` finds no room; undefined when it does. */
  refusal(sender: Operator, bytes: number): "share" | "full" | undefined {
    const { mailboxMessages, mailboxBytes } = this.#limits
    const { mailboxShareMessages, mailboxShareBytes } = this.#limits
    const share = { messages: mailboxShareMessages, bytes: mailboxShareBytes }
    if (!(this.#loads.get(sender) ?? new Load()).fits(bytes, share)) return "share"
    const all = { messages: mailboxMessages, bytes: mailboxBytes }
    return this.#load.fits(bytes, all) ? undefined : "full"
  }

  put(letter: Letter): void {
    const { sender, bytes } = letter
    this.#letters.set(letter.fate.id, letter)
    this.#load.add(bytes)
    const load = this.#loads.get(sender) ?? new Load()
    this.#loads.set(sender, load)
    load.add(bytes)
  }

  remove({ fate, sender, bytes }: Letter): void {
    this.#letters.delete(fate.id)
    this.#load.take(bytes)
    const load = this.#loads.get(sender)
    load?.take(bytes)
    if (load?.messages === 0) this.#loads.delete(sender)
  }
}
