/**
 * The server's time: the clock it goes by, deadlines on it, and what wakes a part between two ticks.
 *
 * What always holds: a part that is woken is ticked at the end of a turn, never from inside a call
 * of its own, so that what it writes leaves with everything else; and after `stop` nobody is.
 */
import type { Log } from "./log.ts"
import type { Turn } from "./net/turn.ts"
import { guard, type Undo, type Wake } from "./service.ts"

/** Where time comes from. A test turns it by hand. */
export interface Clock {
  /** ms since 1970. */
  now(): number
  /** Calls `tick` every `ms`; returns its end. */
  every(ms: number, tick: () => void): Undo
  /** Calls `tick` once, after `ms`; returns what calls it off. */
  after(ms: number, tick: () => void): Undo
}

/** The clock and the timers of this process. */
export const systemClock: Clock = {
  now: () => Date.now(),
  every(ms, tick) {
    const timer = setInterval(tick, ms)
    return () => clearInterval(timer)
  },
  after(ms, tick) {
    const timer = setTimeout(tick, ms)
    return () => clearTimeout(timer)
  },
}

/** How soon whoever asked for the finer clock is ticked. */
const fineTickMs = 10

/** What `ask` resolves with, or "late" when that takes longer than `ms`. */
export async function within<T>(
  clock: Clock,
  ms: number,
  ask: (resolve: (value: T) => void) => void,
): Promise<T | "late"> {
  let callOff: Undo = () => {}
  const answer = await new Promise<T | "late">((resolve) => {
    callOff = clock.after(ms, () => resolve("late"))
    ask(resolve)
  })
  callOff()
  return answer
}

/** What wakings are made with. */
export interface WakingsOptions {
  readonly clock: Clock
  readonly turn: Turn
  readonly log: Log
}

/** Wakes parts sooner than the steady tick does. */
export class Wakings {
  readonly #clock: Clock
  readonly #turn: Turn
  readonly #log: Log
  #isStopped = false

  constructor({ clock, turn, log }: WakingsOptions) {
    this.#clock = clock
    this.#turn = turn
    this.#log = log
  }

  /** What wakes the part `name`: at the end of this turn, or within 10 ms. */
  of(name: string, tick: (now: number) => void): Wake {
    let isDue = false
    const ticked = () => {
      if (this.#isStopped) return
      guard(this.#log, `${name} tick`, () => tick(this.#clock.now()))
    }
    return (withinMs) => {
      if (withinMs === 0) return this.#turn.atEnd(ticked)
      if (isDue) return
      isDue = true
      this.#clock.after(fineTickMs, () => {
        isDue = false
        this.#turn.atEnd(ticked)
      })
    }
  }

  /** A waking that is still under way finds nothing to tick. */
  stop(): void {
    this.#isStopped = true
  }
}
