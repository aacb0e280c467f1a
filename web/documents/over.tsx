/** Says that a link, or the document itself, has ended for good: when to, and that it can be put off. */
import type { VNode } from "preact"
import { useState } from "preact/hooks"
import { useCell } from "../cell.ts"
import { Later } from "../later.tsx"
import type { Seed, Session } from "./session.ts"

/** Close codes: an unknown link, one that was ended while one was here, a document that was deleted. */
const unauthenticatedCode = 4401
const forbiddenCode = 4403
const deletedCode = 4410

interface OverProps {
  readonly session: Session
  readonly onNew: () => void
  readonly openNew: (seed: Seed) => void
}

export function Over({ session, onNew, openNew }: OverProps): VNode | null {
  const ending = useCell(session.ending)
  const [isPutOff, setIsPutOff] = useState(false)
  const putOff = (): void => setIsPutOff(true)
  if (ending === undefined || isPutOff) return null
  const isRefused = ending.code === unauthenticatedCode || ending.code === forbiddenCode
  const isLinkOver = isRefused && isLink(session)
  if (!isLinkOver && ending.code !== deletedCode) return null
  const what = isLinkOver ? "link" : "document"
  return (
    <Later load={() => import("./ended.tsx")} name="What happened" onFailed={putOff}>
      {({ Ended }) => <Ended {...{ session, what, onNew, openNew }} onLater={putOff} />}
    </Later>
  )
}

/** Whether one came by a link rather than by the id. */
export function isLink({ text }: Session): boolean {
  return text.id.startsWith("~")
}
