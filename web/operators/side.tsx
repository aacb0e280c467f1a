/** Beside the conversation: how the line is, one's own sessions, the sound, and the way out. */
import type { VNode } from "preact"
import { useEffect, useState } from "preact/hooks"
import type { OwnSession } from "../../src/client/operators-shapes.ts"
import { useCell } from "../cell.ts"
import { Icon } from "../icons.tsx"
import { AskDelete, AskSignOut } from "./asks.tsx"
import { sound } from "./sound.ts"
import type { Talks } from "./talks.ts"
import { Terminal } from "./terminal.tsx"
import { spanOf } from "./words.ts"

const tickMs = 5_000

interface SideProps {
  readonly talks: Talks
  readonly onClose: () => void
  readonly onDeleted: () => void
  readonly onSignOut: () => void
}

type Asked = "nothing" | "sign out" | "delete"

export function Side({ talks, onClose, onDeleted, onSignOut }: SideProps): VNode {
  const { operators } = talks
  const [asked, setAsked] = useState<Asked>("nothing")
  const forget = (): void => setAsked("nothing")
  return (
    <aside class="talk-side" aria-label="Your sessions and this line">
      <header class="talk-side-head">
        <h2>Sessions</h2>
        <button type="button" class="icon-button" aria-label="Close the side" onClick={onClose}>
          <Icon name="close" />
        </button>
      </header>
      <Sessions talks={talks} />
      <h2>This line</h2>
      <dl class="talk-facts">
        <Fact name="State" value={operators.state} />
        <Fact name="Registration" value={operators.generation} />
        <Fact name="Server's epoch" value={operators.epoch} />
      </dl>
      <Sound />
      <h2>From a terminal</h2>
      <Terminal lines={[`$ ${operators.callsign} your-password`]} />
      <h2>Leave</h2>
      <p class="quiet talk-small">
        This tab keeps messages and password in memory only. A reload forgets them.
      </p>
      <div class="talk-leave">
        <button
          type="button"
          class="button"
          onClick={() => (talks.wouldLose ? setAsked("sign out") : onSignOut())}
        >
          Sign out
        </button>
        <button
          type="button"
          class="button"
          disabled={operators.state !== "ready"}
          onClick={() => setAsked("delete")}
        >
          Delete account…
        </button>
      </div>
      {asked === "sign out" && <AskSignOut onYes={onSignOut} onNo={forget} />}
      {asked === "delete" && <AskDelete {...{ operators, onDeleted }} onNo={forget} />}
    </aside>
  )
}

function Fact({ name, value }: { readonly name: string; readonly value: string }): VNode {
  return (
    <div>
      <dt>{name}</dt>
      <dd>{value === "" ? "not told yet" : value}</dd>
    </div>
  )
}

function Sound(): VNode {
  const isOn = useCell(sound) === "on"
  return (
    <label class="row">
      <span class="row-words">
        Sound for new messages
        <span class="quiet">Until this tab is closed</span>
      </span>
      <input
        type="checkbox"
        role="switch"
        class="switch"
        aria-checked={isOn}
        checked={isOn}
        onChange={(event) => {
          sound.value = event.currentTarget.checked ? "on" : "off"
        }}
      />
    </label>
  )
}

interface Answer {
  readonly rows: readonly OwnSession[]
  /** In ms since the page was opened. */
  readonly at: number
}

/** Asked for when shown and after an end, never in rounds: each question would count as life. */
function Sessions({ talks }: Pick<SideProps, "talks">): VNode {
  const { operators } = talks
  const [answer, setAnswer] = useState<Answer>()
  const [, setTick] = useState(0)
  const isReady = operators.state === "ready"
  const ask = async (): Promise<void> => {
    try {
      const rows = await operators.sessions()
      setAnswer({ rows, at: performance.now() })
    } catch {
      // The line went while it was asked: it is asked again when the line is back.
    }
  }
  useEffect(() => {
    if (isReady) void ask()
  }, [operators, isReady])
  useEffect(() => {
    const timer = setInterval(() => setTick((before) => before + 1), tickMs)
    return () => clearInterval(timer)
  }, [])
  const end = async (number: number): Promise<void> => {
    // One that is gone already is what was wanted.
    await operators.end(number).catch(() => undefined)
    await ask()
  }
  if (answer === undefined) return <p class="quiet">{isReady ? "Asking" : "No line"}</p>
  const age = (performance.now() - answer.at) / 1_000
  return (
    <>
      <ul class="own-sessions">
        {answer.rows.map((row) => (
          <Row key={row.number} {...{ row, age }} isReady={isReady} onEnd={end} />
        ))}
      </ul>
      <p class="quiet talk-small own-age">
        Answered {spanOf(age)} ago
        <button type="button" class="talk-act" disabled={!isReady} onClick={() => void ask()}>
          Ask again
        </button>
      </p>
    </>
  )
}

interface RowProps {
  readonly row: OwnSession
  readonly age: number
  readonly isReady: boolean
  readonly onEnd: (number: number) => Promise<void>
}

function Row({ row, age, isReady, onEnd }: RowProps): VNode {
  const { number, openSeconds, quietSeconds, mode, here } = row
  return (
    <li class="own-session">
      <span>
        <b>No. {number}</b> {here ? "this tab" : mode === "classic" ? "a terminal" : "a program"}
        <span class="quiet talk-small">
          open {spanOf(openSeconds + age)}, quiet {spanOf(here ? quietSeconds : quietSeconds + age)}
        </span>
      </span>
      {!here && (
        <button
          type="button"
          class="button"
          disabled={!isReady}
          aria-label={`End session ${number}`}
          onClick={() => void onEnd(number)}
        >
          End
        </button>
      )}
    </li>
  )
}
