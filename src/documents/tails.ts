/**
 * What was accepted, as History messages for those who have not been told it yet.
 *
 * What always holds: a message carries what follows one revision, without a gap, and at most about
 * 256 KiB of it (DC52); whoever stands at the same revision with the same numbering gets the same
 * object, so it is encoded once however many they are. One Tails serves one moment: it must not
 * outlive the next accepted edit.
 */
import { type History, weigh } from "../ot/history.ts"
import type { Element, ToEditor } from "../wire/documents-shapes.ts"
import { elementOf } from "./plain.ts"
import { historyBytes } from "./settings.ts"

/** A History message, and the revision of ours that it leads to. */
export interface Told {
  readonly message: ToEditor
  readonly end: number
}

export class Tails {
  readonly #history: History
  /** What plain revisions have more than ours. */
  readonly #offset: number
  readonly #ours = new Map<number, Told>()
  readonly #plain: Map<number, Told>

  constructor(history: History, offset: number) {
    this.#history = history
    this.#offset = offset
    // Most documents were made here: then both number alike, and one object serves all.
    this.#plain = offset === 0 ? this.#ours : new Map()
  }

  /** The next message for one who was told everything up to `revision`; undefined if the window has let go of it. */
  after(revision: number, numbering: "ours" | "plain"): Told | undefined {
    const known = numbering === "plain" ? this.#plain : this.#ours
    const told = known.get(revision)
    if (told !== undefined) return told
    const made = this.#make(revision, numbering)
    if (made !== undefined) known.set(revision, made)
    return made
  }

  #make(revision: number, numbering: "ours" | "plain"): Told | undefined {
    const entries = this.#history.tail(revision, historyBytes)
    if (entries === undefined) return undefined
    const start = numbering === "plain" ? revision + this.#offset : revision
    const operations = entries.map(elementOf)
    return { message: { History: { start, operations } }, end: revision + operations.length }
  }
}

/** Elements that follow the revision `start`, as messages of at most about 256 KiB. */
export function historyMessages(start: number, elements: readonly Element[]): readonly ToEditor[] {
  const messages: ToEditor[] = []
  let operations: Element[] = []
  let first = start
  let bytes = 0
  for (const element of elements) {
    const weight = weigh(element.operation)
    if (bytes + weight > historyBytes && operations.length > 0) {
      messages.push({ History: { start: first, operations } })
      first += operations.length
      operations = []
      bytes = 0
    }
    operations.push(element)
    bytes += weight
  }
  if (operations.length > 0) messages.push({ History: { start: first, operations } })
  return messages
}
