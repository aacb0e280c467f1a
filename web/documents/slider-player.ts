/**
 * Plays a tape: moves a position through its revisions as time goes by.
 *
 * What always holds: the position is on the tape; while it stands at the end it stays there as the
 * tape grows.
 */
import { Cell } from "../cell.ts"

/** The whole tape takes so long, unless its changes are few. */
const wholeSeconds = 30
/** Slower than this is no film. */
const leastPerSecond = 12

/** From where to where a tape goes. */
export interface Reel {
  readonly first: number
  readonly last: number
}

export class Player {
  readonly position: Cell<number>
  readonly isPlaying = new Cell(false)
  readonly #reel: Reel
  #frame: number | undefined
  #at: number
  #before: number | undefined

  /** Stands at the end of `reel`, which may grow. */
  constructor(reel: Reel) {
    this.#reel = reel
    this.#at = reel.last
    this.position = new Cell(reel.last)
  }

  /** Goes to `revision`, or as near as the tape has it, and stays there. */
  goTo(revision: number): void {
    this.pause()
    this.#move(revision)
  }

  toggle(): void {
    if (this.isPlaying.value) this.pause()
    else this.#play()
  }

  pause(): void {
    if (this.#frame !== undefined) cancelAnimationFrame(this.#frame)
    this.#frame = undefined
    this.isPlaying.value = false
  }

  /** The tape has grown from `last`: who stood at its end goes with it. */
  grew(last: number): void {
    if (this.position.value === last && !this.isPlaying.value) this.#move(this.#reel.last)
  }

  #play(): void {
    const { first, last } = this.#reel
    if (first === last) return
    if (this.position.value === last) this.#move(first)
    this.isPlaying.value = true
    this.#before = undefined
    this.#frame = requestAnimationFrame((now) => this.#next(now))
  }

  // No frames come while the page is hidden: then it waits, too.
  #next(now: number): void {
    const { first, last } = this.#reel
    const perSecond = Math.max(leastPerSecond, (last - first) / wholeSeconds)
    const elapsedMs = Math.min(100, now - (this.#before ?? now))
    this.#before = now
    this.#move(this.#at + (elapsedMs / 1_000) * perSecond)
    if (this.position.value === last) this.pause()
    else this.#frame = requestAnimationFrame((later) => this.#next(later))
  }

  #move(to: number): void {
    const { first, last } = this.#reel
    this.#at = Math.max(first, Math.min(last, to))
    this.position.value = Math.floor(this.#at)
  }
}
