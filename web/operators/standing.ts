/** How the line to the operators is, in words: one place, and always true. */
import type { Line } from "../desk.ts"
import type { Talks } from "./talks.ts"

/** Says how it is, and what is kept here meanwhile. */
export function standingOf({ operators, why }: Talks): Line {
  const unsent = operators.pending().filter(({ state }) => state === "unsent").length
  const kept = unsent === 0 ? "" : `, ${unsent} unsent kept here`
  switch (operators.state) {
    case "ready":
      return { tone: "calm", words: "Connected" }
    case "connecting":
      return { tone: "busy", words: `Connecting${kept}` }
    case "away":
      return { tone: "away", words: `No line, trying again${kept}` }
    case "closed":
      return { tone: "bad", words: why === "" ? "Signed out" : sentenceOf(why) }
  }
}

/** With a capital, as it stands alone here. */
export function sentenceOf(why: string): string {
  return (why[0] ?? "").toUpperCase() + why.slice(1)
}
