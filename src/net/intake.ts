/**
 * What far ends make us hold, all of them together: halves of messages and of bodies, and answers
 * over HTTP that they do not read.
 *
 * What always holds: each has a limit of its own besides. At every tick all of it is within
 * `limitBytes`, or was made so: of the address that has most, the longest is cut off first.
 * So one far end's many long halves cost itself, and who sends one long message elsewhere nothing.
 */
import type { Undo } from "../service.ts"

/** Bytes of all that, of all far ends together. */
const begunLimitBytes = 256 * 1024 * 1024

/** One far end that may make us hold something. */
export interface Begun {
  /** What counts as one address; undefined for this machine's own programs, which count as one. */
  readonly group: string | undefined
  /** Bytes that came of what is not whole yet, or that wait to leave. */
  readonly begunBytes: number
  /** How much it may begin now, where that is less than its route's limit for a while. */
  readonly mayBegin?: number
  /** It began more than it may now. */
  refuse?(): void
  /** Gives it up, and what it has begun. */
  cut(): void
}

export class Intake {
  readonly #limitBytes: number
  readonly #all = new Set<Begun>()

  constructor(limitBytes = begunLimitBytes) {
    this.#limitBytes = limitBytes
  }

  /** What all have begun. */
  get begunBytes(): number {
    return sum([...this.#all])
  }

  /** From here on it is counted, until the returned undo is called. */
  add(begun: Begun): Undo {
    this.#all.add(begun)
    return () => void this.#all.delete(begun)
  }

  /** Counts anew, and makes room where there is too much. */
  tick(): void {
    let total = 0
    for (const each of this.#all) {
      const { begunBytes, mayBegin } = each
      total += begunBytes
      if (mayBegin !== undefined && begunBytes > mayBegin) each.refuse?.()
    }
    if (total > this.#limitBytes) this.#relieve(total)
  }

  #relieve(total: number): void {
    const groups = [...Map.groupBy(this.#all, ({ group }) => group).values()]
    const heaps = groups.map((all) => ({ all: byLength(all), bytes: sum(all) }))
    let left = total
    while (left > this.#limitBytes) {
      const [greatest] = heaps.sort((a, b) => b.bytes - a.bytes)
      const longest = greatest?.all.pop()
      if (greatest === undefined || longest === undefined) return
      const { begunBytes } = longest
      greatest.bytes -= begunBytes
      left -= begunBytes
      this.#all.delete(longest)
      longest.cut()
    }
  }
}

/** The longest last. */
function byLength(all: readonly Begun[]): Begun[] {
  return all.toSorted((a, b) => a.begunBytes - b.begunBytes)
}

function sum(all: readonly Begun[]): number {
  return all.reduce((bytes, { begunBytes }) => bytes + begunBytes, 0)
}
