/**
 * Times in words for what ends: links, and documents. The page is in English, so its dates are
 * too; hours and days are those of the visitor's clock.
 */

const minuteMs = 60_000
const hourMs = 60 * minuteMs
export const dayMs = 24 * hourMs

const day = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "long", year: "numeric" })
const moment = new Intl.DateTimeFormat("en-GB", {
  day: "numeric",
  month: "long",
  hour: "2-digit",
  minute: "2-digit",
})

/** A day as one writes it: "28 November 2026". */
export function dayOf(date: Date): string {
  return day.format(date)
}

/** A day and the time: "28 November at 14:03". */
export function momentOf(date: Date): string {
  return moment.format(date)
}

/** How long until `date`, roughly: "in 40 minutes", "in 3 days"; "now" where it is past. */
export function untilOf(date: Date, now: number): string {
  const left = date.getTime() - now
  if (left <= 0) return "now"
  if (left < 90 * minuteMs)
    return `in ${counted(Math.max(1, Math.round(left / minuteMs)), "minute")}`
  if (left < 2 * dayMs) return `in ${counted(Math.round(left / hourMs), "hour")}`
  return `in ${counted(Math.round(left / dayMs), "day")}`
}

/** A number of things: "1 day", "7 days". */
export function counted(count: number, thing: string): string {
  return `${count.toLocaleString("en-GB")} ${thing}${count === 1 ? "" : "s"}`
}
