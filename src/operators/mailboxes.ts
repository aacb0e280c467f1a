/**
 * All mailboxes together: what each sender has waiting in them, what they take, and who is oldest.
 *
 * What always holds: a letter is in its target's mailbox exactly as long as it is here, and counts
 * for its sender exactly as long; all of them stay below one limit. Nothing here is told to anyone.
 */

import type { Limits } from "./limits.ts"
import type { Letter } from "./mailbox.ts"
import type { Operator } from "./operator.ts"

export class Mailboxes {
  readonly #limits: Limits
  // In the order of arrival, over all mailboxes.
  readonly #letters = new Map<string, Letter>()
  readonly #broken: (thrown: unknown) => void
  #bytes = 0

  /** `broken` is called when more was taken out than was put in. */
  constructor(limits: Limits, broken: (thrown: unknown) => void) {
    this.#limits = limits
    this.#broken = broken
  }

  get size(): number {
    return this.#letters.size
  }

  get bytes(): number {
    return this.#bytes
  }

  find(id: string): Letter | undefined {
    return this.#letters.get(id)
  }

  /** Why a message of `bytes` cannot stay; undefined when it can. */
  refusal(
    sender: Operator,
    target: Operator,
    bytes: number,
  ): "share" | "full" | "busy" | undefined {
    const { senderWaitingMessages: messages, senderWaitingBytes, mailboxesBytes } = this.#limits
    if (!sender.waiting.fits(bytes, { messages, bytes: senderWaitingBytes })) return "share"
    const refusal = target.mailbox.refusal(sender, bytes)
    if (refusal !== undefined) return refusal
    return this.#bytes + bytes > mailboxesBytes ? "busy" : undefined
  }

  put(letter: Letter): void {
    this.#letters.set(letter.fate.id, letter)
    this.#bytes += letter.bytes
    letter.target.mailbox.put(letter)
    letter.sender.outgoing.add(letter)
    letter.sender.waiting.add(letter.bytes)
  }

  remove(letter: Letter): void {
    this.#letters.delete(letter.fate.id)
    this.#bytes -= letter.bytes
    letter.target.mailbox.remove(letter)
    letter.sender.outgoing.delete(letter)
    letter.sender.waiting.take(letter.bytes)
    const sums = [this.#bytes, letter.target.mailbox.bytes, letter.sender.waiting.bytes]
    if (sums.some((sum) => sum < 0)) this.#broken(new Error("never: a mailbox below empty"))
  }

  /** Those that have lain here longer than they may, the oldest first. */
  overdue(now: number): readonly Letter[] {
    const overdue: Letter[] = []
    for (const letter of this.#letters.values()) {
      if (now - letter.arrivedAt < this.#limits.expiryMs) break
      overdue.push(letter)
    }
    return overdue
  }
}
