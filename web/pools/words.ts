/** Figures and codes as they are read: short, in the largest unit that fits. Pure. */
import type { Explanation, Policy } from "../../src/client/pools-shapes.ts"

/** How long something took. Calls are timed in whole ms. */
export function milliseconds(ms: number | undefined): string {
  if (ms === undefined) return "–"
  if (ms < 1) return "under 1 ms"
  if (ms < 10) return `${ms.toFixed(1).replace(/\.0$/, "")} ms`
  if (ms < 1_000) return `${Math.round(ms)} ms`
  return ms < 60_000 ? `${(ms / 1_000).toFixed(1)} s` : `${Math.round(ms / 60_000)} min`
}

export function perSecond(rate: number): string {
  if (rate === 0) return "0 /s"
  if (rate < 0.1) return "under 0.1 /s"
  return `${rate >= 10 ? grouped(Math.round(rate)) : rate.toFixed(1)} /s`
}

/** A size in bytes. */
export function bytes(count: number): string {
  if (count < 1_024) return `${count} B`
  const units = ["KiB", "MiB", "GiB"]
  const step = Math.min(units.length, Math.floor(Math.log2(count) / 10))
  const size = count / 1_024 ** step
  return `${size >= 100 ? Math.round(size) : size.toFixed(1).replace(/\.0$/, "")} ${units[step - 1]}`
}

/** How long ago something was, or how long it lasts. */
export function span(ms: number): string {
  const seconds = Math.max(0, Math.round(ms / 1_000))
  if (seconds < 120) return `${seconds} s`
  if (seconds < 7_200) return `${Math.round(seconds / 60)} min`
  if (seconds < 172_800) return `${Math.round(seconds / 3_600)} h`
  return `${Math.round(seconds / 86_400)} d`
}

/** What figures speak of: "minute", or as much of it as is known. */
export function spanOfMeasure(ms: number): string {
  return ms > 59_000 ? "minute" : span(ms)
}

/** A number with its thousands apart. */
export function grouped(count: number): string {
  return count.toLocaleString("en")
}

/** "1 call", "2 calls". */
export function counted(count: number, one: string): string {
  return `${grouped(count)} ${one}${count === 1 ? "" : "s"}`
}

/** How a call ended, as the protocol writes it; "answered" stays a word. */
export function codeOf(outcome: string): string {
  return outcome === "answered" ? outcome : outcome.toUpperCase().replaceAll("-", "_")
}

/** A time of day. */
export function timeOf(ms: number): string {
  return new Date(ms).toLocaleTimeString("en-GB")
}

const policyWords: Readonly<Record<Policy, string>> = {
  round_robin: "handlers take turns",
  random: "one is drawn, by weight",
  first: "the first that came; the others stand by",
  last: "the last that came; the others stand by",
  least_pending: "whoever has the least to do",
  latency: "the quicker one of two that are drawn",
  hash: "by the affinity of the call",
}

/** What a policy means. */
export function wordsOfPolicy(policy: string): string {
  return Object.entries(policyWords).find(([name]) => name === policy)?.[1] ?? ""
}

/** What would become of a call. */
export function wordsOf({ outcome, chosen, policy, mayExecute, queued }: Explanation): string {
  if (!mayExecute) return "This page may not call here: it lacks the right execute."
  switch (outcome) {
    case "to": {
      const why = policy === null ? "" : `: ${wordsOfPolicy(policy)}`
      return `${chosen ?? "A handler"} would get it${why}.`
    }
    case "queue":
      return `It would wait behind ${counted(queued, "call")}: every handler holds as many as it may.`
    case "busy":
      return "It would be refused with BUSY: every handler and the queue are full."
    case "draining":
      return "It would be refused with DRAINING: every handler is going away."
    case "declined":
      return "It would be refused with UNAVAILABLE: every handler has declined."
    default:
      return "It would be refused with NO_HANDLER: nobody handles it now."
  }
}
