/**
 * What was refused and is out of the text again: told, and handed back (DC127).
 *
 * What always holds: what one had put in is in a notice of its own, which stays until it was
 * copied, put elsewhere or thrown away.
 */
import type { SharedText, TextEvents } from "../../src/client/client.ts"
import { copy } from "../clipboard.ts"
import { type Offer, show, tell } from "../notices.tsx"
import type { Seed } from "./session.ts"

/** A notice shows where a text begins; "Copy" has all of it. */
const limitExcerpt = 400

let count = 0

/** Tells a refusal; what may be too large for this text can be put into a new one by `openNew`. */
export function tellRefused(
  text: SharedText,
  { code, inserted, sentence }: Parameters<TextEvents["refused"]>[0],
  openNew: (seed: Seed) => void,
): void {
  if (inserted === "") return tell("refused", sentence)
  count += 1 // each has a notice of its own: what was refused before is not lost by it
  const fits = text.limit !== undefined && lengthOf(inserted) <= text.limit
  const elsewhere: Offer = {
    label: "Upload as a new document",
    run: () => openNew({ text: inserted, language: text.language }),
  }
  show({
    subject: `refused ${count}`,
    sentence: `${sentence} What you put in was taken out again:`,
    text: excerpt(inserted),
    offers: [
      { label: "Copy", run: () => void copy(inserted, "The refused text") },
      ...(code === "too-large" && fits ? [elsewhere] : []),
      { label: "Discard", run() {} },
    ],
  })
}

/** How many code points: what a limit counts. */
export function lengthOf(text: string): number {
  let length = 0
  for (const _ of text) length += 1
  return length
}

function excerpt(text: string): string {
  if (text.length <= limitExcerpt) return text
  return `${text.slice(0, limitExcerpt).toWellFormed()}…`
}
