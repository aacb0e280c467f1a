/**
 * What a reader has seen, so that nothing is taken twice and no block goes back.
 *
 * What always holds: an envelope of a message is accepted once. Counters of one writer's salt may
 * come in another order than they were sent, as calls that queued do, but not from further back than
 * the window. Of a block nothing older than the newest seen is accepted, and nothing else in its
 * place. What is full refuses; it never forgets what would let something old in again.
 */
import { isSame } from "../wire/trinity.ts"
import type { Envelope } from "../wire/trinity-envelope.ts"

/** How far behind the highest a counter may come: the calls that one app may have under way. */
export const windowCounters = 8_192
/** Salts whose windows are kept; the one that was used longest ago is closed for a new one. */
const openSalts = 1_024
/** Salts that were closed: nothing more is taken of them. */
const closedSalts = 65_536
/** Blocks whose newest generation is remembered. */
const blockLimit = 65_536

interface Window {
  highest: number
  /** One bit for each of the last counters, at its place modulo the window. */
  readonly seen: Uint32Array
}

interface Newest {
  readonly epoch: number
  readonly generation: number
  readonly signature: Uint8Array
}

export class Replays {
  readonly #windows = new Map<string, Window>()
  readonly #closed = new Set<string>()
  readonly #blocks = new Map<string, Newest>()

  /** Whether this message has not been taken yet. */
  isNew({ writer, salt, counter }: Envelope): boolean {
    const key = hex(writer) + hex(salt)
    if (this.#closed.has(key)) return false
    const window = this.#windows.get(key)
    if (window === undefined) return this.#closed.size < closedSalts
    if (counter > window.highest) return true
    if (counter <= window.highest - windowCounters) return false
    const [word, bit] = placeOf(counter)
    return ((window.seen[word] ?? 0) & bit) === 0
  }

  /** Takes a message that verified; false when another has come first. */
  take(envelope: Envelope): boolean {
    if (!this.isNew(envelope)) return false
    const { counter } = envelope
    const window = this.#windowOf(hex(envelope.writer) + hex(envelope.salt))
    const from = Math.max(window.highest + 1, counter - windowCounters + 1)
    for (let passed = from; passed < counter; passed++) {
      const [word, bit] = placeOf(passed)
      window.seen[word] = (window.seen[word] ?? 0) & ~bit
    }
    window.highest = Math.max(window.highest, counter)
    const [word, bit] = placeOf(counter)
    window.seen[word] = (window.seen[word] ?? 0) | bit
    return true
  }

  /** Whether this content of a block is the newest seen, or newer. */
  isCurrent({ object, epoch, generation, signature }: Envelope): boolean {
    const newest = this.#blocks.get(hex(object))
    if (newest === undefined) return this.#blocks.size < blockLimit
    if (epoch !== newest.epoch) return epoch > newest.epoch
    if (generation !== newest.generation) return generation > newest.generation
    return isSame(signature, newest.signature)
  }

  /** Takes content of a block that verified; false when something newer has come first. */
  takeBlock(envelope: Envelope): boolean {
    if (!this.isCurrent(envelope)) return false
    const { object, epoch, generation, signature } = envelope
    this.#blocks.set(hex(object), { epoch, generation, signature: signature.slice() })
    return true
  }

  #windowOf(key: string): Window {
    const known = this.#windows.get(key)
    if (known !== undefined) {
      // The order of the map is that of use.
      this.#windows.delete(key)
      this.#windows.set(key, known)
      return known
    }
    if (this.#windows.size >= openSalts) {
      const [oldest] = this.#windows.keys()
      if (oldest !== undefined) {
        this.#windows.delete(oldest)
        this.#closed.add(oldest)
      }
    }
    const window = { highest: 0, seen: new Uint32Array(windowCounters / 32) }
    this.#windows.set(key, window)
    return window
  }
}

function placeOf(counter: number): readonly [word: number, bit: number] {
  const at = counter % windowCounters
  return [at >>> 5, 1 << (at & 31)]
}

const digits = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, "0"))

/** Bytes as a text that can be a key of a map. */
export function hex(bytes: Uint8Array): string {
  let text = ""
  for (const byte of bytes) text += digits[byte]
  return text
}
