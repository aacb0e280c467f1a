/** Who would get a call now, and why: each candidate, what passes it over, and the one that is chosen. */
import type { VNode } from "preact"
import type { Candidate, Explanation } from "../../src/client/pools-shapes.ts"
import { Icon } from "../more-icons.tsx"
import { ToApp } from "./head.tsx"
import { milliseconds, wordsOf } from "./words.ts"

interface ExplainedProps {
  /** A text says why it could not be explained. */
  readonly explained: Explanation | string | undefined
  readonly pool: string
}

export function Explained({ explained, pool }: ExplainedProps): VNode {
  return (
    <section class="explained" aria-label="Who would get it">
      <h4>Who would get it now</h4>
      {explained === undefined && <p class="quiet">Asking the server</p>}
      {typeof explained === "string" && <p>{explained}</p>}
      {typeof explained === "object" && <Choice explained={explained} pool={pool} />}
    </section>
  )
}

function Choice({
  explained,
  pool,
}: {
  readonly explained: Explanation
  readonly pool: string
}): VNode {
  const { candidates, chosen, member, mayExecute } = explained
  return (
    <>
      <p>{wordsOf(explained)}</p>
      <ol>
        {candidates.map((each) => (
          <Line key={each.app} candidate={each} isChosen={each.app === chosen} pool={pool} />
        ))}
      </ol>
      {mayExecute && !member && (
        <p class="quiet pools-small">
          Only members call: this page joins the pool for the call and leaves it again.
        </p>
      )}
    </>
  )
}

interface LineProps {
  readonly candidate: Candidate
  readonly isChosen: boolean
  readonly pool: string
}

function Line({ candidate, isChosen, pool }: LineProps): VNode {
  const { app, pending, queued, roundTripMs, passedOver } = candidate
  const verdict = isChosen ? "chosen" : (passedOver ?? "could have been")
  return (
    <li data-chosen={isChosen} data-out={passedOver !== undefined}>
      <span class="explained-sign">
        <Icon name={isChosen ? "check" : passedOver === undefined ? "minus" : "close"} />
      </span>
      <span class="explained-app">
        <ToApp name={app} pool={pool} />
      </span>
      <span class="explained-why">{verdict}</span>
      <span class="quiet explained-load">
        {`holds ${pending}${queued > 0 ? `, ${queued} queued` : ""}, ${milliseconds(roundTripMs)}`}
      </span>
    </li>
  )
}
