/**
 * Time for a relay in somebody else's program.
 *
 * What always holds: what comes again and again keeps no program running; what comes once may, for
 * as long as it was asked for.
 */
import type { Undo } from "./service.ts"

/** Where time comes from. A test turns it by hand. */
export interface Clock {
  /** ms since 1970. */
  now(): number
  /** Calls `tick` every `ms`; returns its end. */
  every(ms: number, tick: () => void): Undo
  /** Calls `tick` once, after `ms`; returns what calls it off. */
  after(ms: number, tick: () => void): Undo
}

export const systemClock: Clock = {
  now: () => Date.now(),
  every(ms, tick) {
    const timer = setInterval(tick, ms)
    timer.unref()
    return () => clearInterval(timer)
  },
  after(ms, tick) {
    const timer = setTimeout(tick, ms)
    return () => clearTimeout(timer)
  },
}
