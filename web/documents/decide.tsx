/**
 * What a visitor is asked about a text that the server does not have as it was here (DC128): at
 * once as a dialog, and, once that was put off, as a notice that stays.
 */
import type { VNode } from "preact"
import { useEffect, useState } from "preact/hooks"
import { useCell } from "../cell.ts"
import { Later } from "../later.tsx"
import { dismiss, show } from "../notices.tsx"
import type { Question } from "./questions.ts"
import type { Seed, Session } from "./session.ts"

interface DecideProps {
  readonly session: Session
  readonly openNew: (seed: Seed) => void
}

export function Decide({ session, openNew }: DecideProps): VNode | null {
  const [question] = useCell(session.questions.open)
  const [putOff, setPutOff] = useState<Question>()
  const isPutOff = question !== undefined && question === putOff
  useEffect(() => {
    if (!isPutOff) return
    show({
      subject: "decide",
      sentence:
        question.kind === "lost"
          ? "Two versions of this text wait for you to choose."
          : "The server no longer has this document. It is kept here.",
      offers: [{ label: "Choose…", run: () => setPutOff(undefined) }],
    })
    return () => dismiss("decide")
  }, [isPutOff])
  if (question === undefined || isPutOff) return null
  const putItOff = (): void => setPutOff(question)
  return (
    <Later load={() => import("./compare.tsx")} name="The two versions" onFailed={putItOff}>
      {({ Compare }) => (
        <Compare
          question={question}
          openNew={(text) => openNew({ text, language: session.text.language })}
          onLater={putItOff}
          onDone={() => session.questions.close(question)}
        />
      )}
    </Later>
  )
}
