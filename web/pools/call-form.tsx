/**
 * A form to call a trigger, made from its schema, with who would get the call beside it. Nothing is
 * called before one says so; a call that is under way can be given up.
 */
import type { VNode } from "preact"
import { useEffect, useId, useMemo, useState } from "preact/hooks"
import { type Explanation, PoolsError } from "../../src/client/pools-shapes.ts"
import { useCell } from "../cell.ts"
import { Segments } from "../segments.tsx"
import { Answer, type Asked } from "./answer.tsx"
import { Explained } from "./explained.tsx"
import { exampleOf, type Filled, formOf, payloadIn, payloadOf } from "./form.ts"
import { FormFields } from "./form-fields.tsx"
import { Part } from "./head.tsx"
import type { Look } from "./look.ts"
import type { TriggerRow } from "./rows.ts"

const usualTtlMs = 30_000
const ways = [
  ["form", "Form"],
  ["json", "JSON"],
] as const

interface CallFormProps {
  readonly look: Look
  readonly pool: string
  readonly name: string
  readonly trigger: TriggerRow | undefined
}

export function CallForm({ look, pool, name, trigger }: CallFormProps): VNode {
  const id = useId()
  const schema = JSON.stringify(trigger?.input)
  const fields = useMemo(() => formOf(trigger?.input), [schema])
  const [way, setWay] = useState<"form" | "json">("form")
  const [filled, setFilled] = useState<Filled>({})
  const [text, setText] = useState<string>()
  const [to, setTo] = useState("")
  const [ttl, setTtl] = useState(String(usualTtlMs / 1_000))
  const [problem, setProblem] = useState("")
  const { asked, call, giveUp } = useCalling(look, pool, name)
  const explained = useExplained(look, { pool, name, to })
  const isForm = fields !== undefined && way === "form"
  const written = text ?? exampleOf(trigger?.input)
  const submit = (): void => {
    const made = isForm ? payloadOf(fields, filled) : payloadIn(written)
    const ttlMs = Number(ttl) * 1_000
    if ("problem" in made) return setProblem(made.problem)
    if (!(ttlMs > 0 && ttlMs <= 3_600_000)) return setProblem("The deadline is 1 to 3600 seconds.")
    setProblem("")
    call(made.payload, { ttlMs, ...(to === "" ? {} : { to }) })
  }
  return (
    <Part title="Call it" aside="Nothing is called before you say so">
      <div class="calling">
        <form
          class="call-form"
          onSubmit={(event) => {
            event.preventDefault()
            submit()
          }}
        >
          {fields !== undefined && <Ways way={way} onWay={setWay} />}
          {isForm ? (
            <FormFields {...{ fields, filled }} onFilled={setFilled} />
          ) : (
            <>
              <label for={id}>Payload, as JSON</label>
              <textarea
                id={id}
                class="field pools-json"
                rows={6}
                spellcheck={false}
                placeholder="nothing"
                value={written}
                onInput={(event) => setText(event.currentTarget.value)}
              />
            </>
          )}
          <div class="call-options">
            <label>
              Handler
              <select
                class="field"
                value={to}
                onChange={(event) => setTo(event.currentTarget.value)}
              >
                <option value="">whoever is chosen</option>
                {trigger?.handlers.map(({ app }) => (
                  <option key={app}>{app}</option>
                ))}
              </select>
            </label>
            <label>
              Deadline, s
              <input
                class="field"
                inputMode="decimal"
                value={ttl}
                onInput={(event) => setTtl(event.currentTarget.value)}
              />
            </label>
          </div>
          <div class="call-acts">
            <button type="submit" class="button button-prime" disabled={asked.state === "waiting"}>
              Call
            </button>
            {asked.state === "waiting" && (
              <button type="button" class="button" onClick={giveUp}>
                Give up
              </button>
            )}
            <span class="pools-small" role="status" data-bad={problem !== ""}>
              {problem}
            </span>
          </div>
        </form>
        <Explained explained={explained} pool={pool} />
      </div>
      <Answer asked={asked} />
    </Part>
  )
}

function Ways({
  way,
  onWay,
}: {
  readonly way: "form" | "json"
  readonly onWay: (way: "form" | "json") => void
}): VNode {
  return (
    <fieldset class="call-ways">
      <legend class="unseen">How the payload is written</legend>
      <Segments name="payload" options={ways} chosen={way} onChosen={onWay} />
    </fieldset>
  )
}

interface Calling {
  readonly asked: Asked
  call(payload: unknown, options: { readonly ttlMs: number; readonly to?: string }): void
  giveUp(): void
}

function useCalling(look: Look, pool: string, name: string): Calling {
  const [asked, setAsked] = useState<Asked>({ state: "none" })
  const [ending, setEnding] = useState<AbortController>()
  // Who leaves this view waits for nothing here.
  useEffect(() => () => ending?.abort(), [ending])
  return {
    asked,
    giveUp: () => ending?.abort(),
    call(payload, options) {
      const controller = new AbortController()
      const { signal } = controller
      setEnding(controller)
      setAsked({ state: "waiting" })
      const from = performance.now()
      asMember(look, pool, () => look.app.call(name, payload, { pool, signal, ...options })).then(
        (result) => setAsked({ state: "answered", result, ms: performance.now() - from }),
        (thrown: unknown) => setAsked({ state: "failed", error: errorOf(thrown) }),
      )
    },
  }
}

/** Only members call: this page comes in for the call, and is out again after it. */
async function asMember<T>(look: Look, name: string, work: () => Promise<T>): Promise<T> {
  const { app } = look
  const isIn = app.rights.has(name)
  if (!isIn) await app.pool(name).join()
  try {
    return await work()
  } finally {
    if (!isIn)
      void app
        .pool(name)
        .leave()
        .catch(() => {}) // gone with the connection anyway
    look.now()
  }
}

function errorOf(thrown: unknown): PoolsError {
  if (thrown instanceof PoolsError) return thrown
  const why = thrown instanceof Error ? thrown.message : String(thrown)
  const isGivenUp = thrown instanceof Error && thrown.name === "AbortError"
  const sentence = isGivenUp ? "You gave it up." : why
  return new PoolsError(isGivenUp ? "CANCELLED" : "BAD_MESSAGE", sentence, { retry: "fix" })
}

/** Who would get a call now; asked again at each look. */
function useExplained(
  look: Look,
  { pool, name, to }: { readonly pool: string; readonly name: string; readonly to: string },
): Explanation | string | undefined {
  const [explained, setExplained] = useState<Explanation | string>()
  const seen = useCell(look.seen)
  useEffect(() => {
    let isWanted = true
    look.app.explain(name, { pool, ...(to === "" ? {} : { to }) }).then(
      (answer) => isWanted && setExplained(answer),
      (thrown: unknown) => isWanted && setExplained(errorOf(thrown).message),
    )
    return () => {
      isWanted = false
    }
  }, [seen, pool, name, to])
  return explained
}
