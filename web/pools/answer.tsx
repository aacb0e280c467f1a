/** What became of a call that was made here: its result, or its error and what to do about it. */
import type { VNode } from "preact"
import type { Advice, PoolsError } from "../../src/client/pools-shapes.ts"
import { CopyButton } from "../copy-button.tsx"
import { milliseconds } from "./words.ts"

export type Asked =
  | { readonly state: "none" }
  | { readonly state: "waiting" }
  | { readonly state: "answered"; readonly result: unknown; readonly ms: number }
  | { readonly state: "failed"; readonly error: PoolsError }

/** More of a result is not drawn; it can be copied whole. */
const limitShown = 20_000

const advices: Readonly<Record<Advice, string>> = {
  fix: "Repeating it unchanged would not help.",
  later: "It can be repeated after a while.",
  now: "It can be repeated at once.",
  idem: "It may have been done all the same: repeat it only if it may run twice.",
  conn: "The connection was closed; this page comes back by itself.",
  stay: "The connection was closed.",
}

export function Answer({ asked }: { readonly asked: Asked }): VNode {
  return (
    <div class="answer" role="status" data-state={asked.state}>
      {asked.state === "waiting" && <p class="quiet">Waiting for the answer</p>}
      {asked.state === "answered" && <Result result={asked.result} ms={asked.ms} />}
      {asked.state === "failed" && <Failure error={asked.error} />}
    </div>
  )
}

function Result({ result, ms }: { readonly result: unknown; readonly ms: number }): VNode {
  const text = textOf(result)
  return (
    <>
      <p class="answer-head">
        <span class="outcome">answered</span> after {milliseconds(ms)}
        <CopyButton label="Copy the result" text={text} what="The result" />
      </p>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: it scrolls */}
      <section class="answer-text" tabIndex={0} aria-label="Result">
        <pre>{text.slice(0, limitShown)}</pre>
      </section>
    </>
  )
}

function Failure({ error }: { readonly error: PoolsError }): VNode {
  const { code, message, handlerCode, retry, executionUncertain } = error
  return (
    <>
      <p class="answer-head">
        <span class="outcome" data-bad="true">
          {code}
        </span>
        {handlerCode !== undefined && <code>{handlerCode}</code>}
      </p>
      <p>{message}</p>
      <p class="quiet">{executionUncertain ? advices.idem : advices[retry]}</p>
    </>
  )
}

function textOf(result: unknown): string {
  if (result === undefined) return "nothing"
  if (!(result instanceof Uint8Array)) return JSON.stringify(result, null, 2)
  const shown = [...result.subarray(0, limitShown / 3)]
  return shown.map((byte) => byte.toString(16).padStart(2, "0")).join(" ")
}
