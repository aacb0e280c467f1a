/** How long a document is kept when nobody comes any more, and the choice of it (DC129). */
import type { VNode } from "preact"
import { useState } from "preact/hooks"
import type { SharedText } from "../../src/client/client.ts"
import { Problem, sentenceOf } from "./links.tsx"
import { counted, dayMs, dayOf } from "./share-times.ts"

/** In days; the server takes no more than the last. */
const choices: readonly (readonly [name: string, days: number])[] = [
  ["1 day", 1],
  ["7 days", 7],
  ["30 days", 30],
  ["90 days", 90],
  ["1 year", 365],
  ["10 years", 3_650],
]
const forEver = "For ever"

interface KeepProps {
  readonly text: SharedText
  readonly isOff: boolean
}

export function Keep({ text, isOff }: KeepProps): VNode {
  const [isAsking, setIsAsking] = useState(false)
  const [problem, setProblem] = useState("")
  const { expiresAt } = text
  const chosen = nameOf(expiresAt)
  const names = [...choices.map(([name]) => name), forEver]
  const choose = async (select: HTMLSelectElement): Promise<void> => {
    const days = choices.find(([name]) => name === select.value)?.[1] ?? null
    setIsAsking(true)
    try {
      const until = await text.keep(days)
      setProblem(
        days === null && until !== undefined ? "This server keeps nothing for ever by itself." : "",
      )
    } catch (refused) {
      setProblem(sentenceOf(refused))
    }
    select.value = nameOf(text.expiresAt) // what is so, whatever was wished
    setIsAsking(false)
  }
  return (
    <section class="share-part">
      <div class="row">
        <label class="row-words" for="keep-days">
          Kept after the last visit
          <span class="quiet" id="keep-until">
            {whenOf(text)}
          </span>
        </label>
        <select
          id="keep-days"
          class="field keep-days"
          aria-describedby="keep-until"
          disabled={isOff || isAsking || !text.durable}
          value={chosen}
          onChange={(event) => void choose(event.currentTarget)}
        >
          {(names.includes(chosen) ? names : [chosen, ...names]).map((name) => (
            <option key={name} value={name}>
              {name}
            </option>
          ))}
        </select>
      </div>
      <Problem sentence={problem} />
    </section>
  )
}

/** When the document goes, in a sentence. */
export function whenOf({ expiresAt, durable }: SharedText): string {
  if (!durable) {
    const date = expiresAt === undefined ? "" : ` or nobody comes until ${dayOf(expiresAt)}`
    return `This server keeps texts in memory only: it goes when the server stops${date}.`
  }
  if (expiresAt === undefined) return "It is never deleted by itself."
  return `It is deleted on ${dayOf(expiresAt)} unless somebody comes before.`
}

// The server tells the day, and from the last visit, which is now, it is so many days.
function nameOf(expiresAt: Date | undefined): string {
  if (expiresAt === undefined) return forEver
  const days = Math.max(1, Math.round((expiresAt.getTime() - Date.now()) / dayMs))
  return choices.find(([, each]) => each === days)?.[0] ?? counted(days, "day")
}
