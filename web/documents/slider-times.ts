/** When something was written, in words: as exact as it is near. The page is in English. */

const time = new Intl.DateTimeFormat("en-GB", {
  hour: "2-digit",
  minute: "2-digit",
  second: "2-digit",
})
const day = new Intl.DateTimeFormat("en-GB", { weekday: "short", day: "numeric", month: "short" })
const dayOfYear = new Intl.DateTimeFormat("en-GB", {
  day: "numeric",
  month: "short",
  year: "numeric",
})
const dayMs = 24 * 60 * 60 * 1_000

/** "Today, 14:03:22", "Fri 20 Nov, 14:03:22", "20 Nov 2025, 14:03:22". Both in ms since 1970. */
export function whenOf(at: number, now: number): string {
  return `${dayWords(at, now)}, ${time.format(at)}`
}

function dayWords(at: number, now: number): string {
  const [then, today] = [new Date(at), new Date(now)]
  if (then.toDateString() === today.toDateString()) return "Today"
  if (then.toDateString() === new Date(now - dayMs).toDateString()) return "Yesterday"
  const isThisYear = then.getFullYear() === today.getFullYear()
  return (isThisYear ? day : dayOfYear).format(at).replace(",", "")
}
