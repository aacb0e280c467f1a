/**
 * Who wrote when, as a strip of colours above the slider: pieces of the tape, each in the colour
 * of whoever made most of its changes.
 */
import type { Step, Tape } from "./slider-tape.ts"

/** A piece of the strip; `changes` is how wide it is. */
export interface Piece {
  readonly author: number
  readonly changes: number
  /** Nobody wrote for a while before it. */
  readonly isAfterPause: boolean
}

/** More pieces than this are narrower than a pixel on a phone. */
const limitPieces = 160
/** So long without a change is a pause worth seeing. */
const pauseMs = 10 * 60 * 1_000

/** The strip of `tape`, in order. Takes time in the changes. */
export function stripOf(tape: Tape): readonly Piece[] {
  const count = tape.last - tape.first
  const size = Math.max(1, Math.ceil(count / limitPieces))
  const pieces: Piece[] = []
  for (let from = 0; from < count; from += size) {
    const steps = Array.from({ length: Math.min(size, count - from) }, (_, index) =>
      tape.step(tape.first + from + index + 1),
    ).filter((step) => step !== undefined)
    const before = tape.step(tape.first + from)
    const isAfterPause = hasPause(before === undefined ? steps : [before, ...steps])
    const author = busiest(steps)
    const last = pieces.at(-1)
    if (last !== undefined && last.author === author && !isAfterPause) {
      pieces[pieces.length - 1] = { ...last, changes: last.changes + steps.length }
    } else {
      pieces.push({ author, changes: steps.length, isAfterPause })
    }
  }
  return pieces
}

function hasPause(steps: readonly Step[]): boolean {
  return steps.some(({ at }, index) => at - (steps[index - 1]?.at ?? at) >= pauseMs)
}

function busiest(steps: readonly Step[]): number {
  const counts = new Map<number, number>()
  for (const { author } of steps) counts.set(author, (counts.get(author) ?? 0) + 1)
  const [most] = [...counts].sort(([, one], [, other]) => other - one)
  return most?.[0] ?? -1
}
