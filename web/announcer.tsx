/**
 * What a screen reader is told of what happens by itself: who comes and goes, how the line is.
 *
 * What always holds: at most one announcement in 5 s (DC137). What happens in between waits, the
 * newest of each subject only, and is said together.
 */
import type { VNode } from "preact"
import { Cell, useCell } from "./cell.ts"

/** Who listens needs about this long to hear one announcement out. */
const pauseMs = 5_000
/** More subjects than this are not waited for: the oldest is passed over. Nobody listens to nine. */
const limitSubjects = 8

const spoken = new Cell("")
const waiting = new Map<string, string>()
let timer: ReturnType<typeof setTimeout> | undefined

/** Tells `sentence` about `subject`, now or with what else has happened when the pause is over. */
export function announce(subject: string, sentence: string): void {
  waiting.delete(subject)
  waiting.set(subject, sentence)
  const [oldest] = waiting.keys()
  if (waiting.size > limitSubjects && oldest !== undefined) waiting.delete(oldest)
  if (timer === undefined) speak()
}

function speak(): void {
  timer = undefined
  if (waiting.size === 0) return
  spoken.value = [...waiting.values()].join(" ")
  waiting.clear()
  timer = setTimeout(speak, pauseMs)
}

/** The region that a screen reader watches. Shown once, and never taken away. */
export function Announcements(): VNode {
  return (
    <p class="unseen" role="status" aria-live="polite" data-announcements>
      {useCell(spoken)}
    </p>
  )
}
