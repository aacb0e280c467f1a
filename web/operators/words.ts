/**
 * What is said of a message, in words: how it is doing or how it ended, and when. Pure.
 *
 * What always holds: each state has one word, and what went wrong has a sentence beside it that
 * says what to do about it where something can be done.
 */
import type { Operators, Outgoing } from "../../src/client/operators-shapes.ts"

/** How a message stands. */
export interface Mark {
  readonly word: string
  /** What more there is to say; empty for nothing. */
  readonly detail: string
  readonly tone: "quiet" | "busy" | "bad"
}

type Reason = NonNullable<Outgoing["reason"]>

const secondMs = 1_000
const minuteSeconds = 60
const hourSeconds = 60 * minuteSeconds
const daySeconds = 24 * hourSeconds

/** Says how a message of one's own stands, while the line is as `line` says. */
export function markOf(message: Outgoing, line: Operators["state"]): Mark {
  const { state, target } = message
  switch (state) {
    case "unsent":
      if (line === "ready") return { word: "sending", detail: "", tone: "busy" }
      return { word: "unsent", detail: "goes out when the line is back", tone: "busy" }
    case "waiting":
      return { word: queuedWord(message), detail: `waits for ${target}`, tone: "quiet" }
    case "handed":
      return { word: "sent", detail: "", tone: "quiet" }
    case "taken":
      return { word: "taken", detail: "", tone: "quiet" }
    case "expired":
      return { word: "expired", detail: `${target} did not come for it in time`, tone: "bad" }
    case "dropped":
      return { word: "dropped", detail: `the account ${target} is gone`, tone: "bad" }
    case "recalled":
      return { word: "recalled", detail: "never delivered", tone: "quiet" }
    case "refused":
      return { word: "refused", detail: reasonOf(message.reason, target), tone: "bad" }
    case "unknown":
      return { word: "lost", detail: lostAs(message), tone: "bad" }
  }
}

function queuedWord({ place }: Outgoing): string {
  return place === undefined ? "queued" : `queued ${place.place}/${place.limit}`
}

function lostAs({ lost, target }: Outgoing): string {
  switch (lost) {
    case "waiting":
      return `it was waiting for ${target}`
    case "handed":
      return `${target} was handed it, and may have it`
    case "unanswered":
    case undefined:
      return "the server had not answered"
  }
}

/** Whether nothing more will be told of a message. */
export function isOver(message: Outgoing): boolean {
  return message.state !== "unsent" && message.state !== "waiting" && message.state !== "handed"
}

/** Whether it may help to send a message again. */
export function mayGoAgain({ state }: Outgoing): boolean {
  return state === "refused" || state === "unknown" || state === "expired"
}

/** Whether a message can still be taken back. */
export function mayRecall({ state }: Outgoing): boolean {
  return state === "unsent" || state === "waiting"
}

function reasonOf(reason: Reason | undefined, target: string): string {
  switch (reason) {
    case "nobody":
      return `nobody is called ${target}`
    case "changed":
      return `${target} is a new registration`
    case "full":
      return `the mailbox of ${target} is full`
    case "share":
      return `your share of the mailboxes is used up until something is taken`
    case "busy":
      return "the server has no room just now"
    case "slow":
      return "too many tries: wait a little"
    case "too-long":
      return "the text is too long"
    case "empty":
      return "there is no text"
    case "gone":
      return "it was gone already"
    case "login-first":
    case "login":
    case "name":
      return "not signed in"
    case "bad-line":
      return "the server could not read it"
    case undefined:
      return "no reason was given"
  }
}

/** A span of time in its largest unit: `94 s`, `12 min`, `3 h`, `2 d`. */
export function spanOf(seconds: number): string {
  if (seconds < 2 * minuteSeconds) return `${Math.max(0, Math.round(seconds))} s`
  if (seconds < 2 * hourSeconds) return `${Math.round(seconds / minuteSeconds)} min`
  if (seconds < 2 * daySeconds) return `${Math.round(seconds / hourSeconds)} h`
  return `${Math.round(seconds / daySeconds)} d`
}

/** The time of day here, `17:04`. `at` is in ms since 1970. */
export function timeOf(at: number): string {
  const date = new Date(at)
  return [date.getHours(), date.getMinutes()].map((part) => `${part}`.padStart(2, "0")).join(":")
}

/** The day, as the line between two of them says it. Both are in ms since 1970. */
export function dayOf(at: number, now: number): string {
  const day = new Date(at).toDateString()
  if (day === new Date(now).toDateString()) return "Today"
  if (day === new Date(now - daySeconds * secondMs).toDateString()) return "Yesterday"
  return new Date(at).toLocaleDateString([], { weekday: "long", day: "numeric", month: "long" })
}

/** `1 message`, `2 messages`. */
export function counted(count: number, what: string): string {
  return `${count} ${what}${count === 1 ? "" : "s"}`
}
