/**
 * Whom one met in this run: in which registration, and how much of it is unread. In memory only.
 *
 * What always holds: a callsign that was registered anew is told once, and what we send stays pinned
 * to the registration that was met first until the new one is accepted.
 */
import { folded } from "../wire/operators.ts"

const limit = 1_000

export interface Contact {
  readonly name: string
  /** The registration we send to; undefined until it is known. */
  generation: string | undefined
  /** The one that was heard last, if it is another. */
  newer: string | undefined
  unread: number
}

export class Contacts {
  readonly #byCallsign = new Map<string, Contact>()

  get all(): readonly Contact[] {
    return [...this.#byCallsign.values()]
  }

  get names(): readonly string[] {
    return this.all.map(({ name }) => name)
  }

  /** The contact, made if it is new. */
  of(name: string): Contact {
    const key = folded(name)
    const known = this.#byCallsign.get(key)
    if (known !== undefined) return known
    const [oldest] = this.#byCallsign.keys()
    if (this.#byCallsign.size >= limit && oldest !== undefined) this.#byCallsign.delete(oldest)
    const contact = { name, generation: undefined, newer: undefined, unread: 0 }
    this.#byCallsign.set(key, contact)
    return contact
  }

  /** A registration was told; "changed" when it is another than the one before. */
  meet(name: string, generation: string): "known" | "changed" {
    const contact = this.of(name)
    if (contact.generation === undefined) contact.generation = generation
    if (contact.generation === generation || contact.newer === generation) return "known"
    contact.newer = generation
    return "changed"
  }

  /** From now on we send to whoever has this callsign. */
  accept(name: string): void {
    const contact = this.of(name)
    contact.generation = contact.newer
    contact.newer = undefined
  }

  /** The next with something unread after `name`, in the order in which they were met. */
  nextUnread(name: string | undefined): Contact | undefined {
    const all = this.all
    const at = all.findIndex((each) => name !== undefined && folded(each.name) === folded(name))
    return [...all.slice(at + 1), ...all.slice(0, at + 1)].find(({ unread }) => unread > 0)
  }
}
