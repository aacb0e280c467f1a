/** Calls that were settled of late, as the server remembers them, with a filter. */
import type { VNode } from "preact"
import { useEffect, useState } from "preact/hooks"
import { useCell } from "../cell.ts"
import { Part, To, ToApp } from "./head.tsx"
import type { Look } from "./look.ts"
import { type CallRow, callsOf } from "./rows.ts"
import { Table } from "./table.tsx"
import { codeOf, milliseconds, timeOf } from "./words.ts"

const limitShown = 50
/** Those that one looks for most. */
const outcomes = [
  "answered",
  "handler-error",
  "timeout",
  "no-handler",
  "busy",
  "handler-lost",
  "cancelled",
  "unavailable",
  "draining",
] as const

interface Filter {
  readonly trigger: string
  readonly app: string
  readonly trace: string
  readonly outcome: string
}

interface RecentProps {
  readonly look: Look
  /** Then only calls of this one are asked for. */
  readonly of?: { readonly pool: string; readonly trigger: string }
}

export function Recent({ look, of }: RecentProps): VNode {
  const none = { trigger: of?.trigger ?? "", app: "", trace: "", outcome: "" }
  const [filter, setFilter] = useState<Filter>(none)
  const [calls, setCalls] = useState<readonly CallRow[]>()
  const seen = useCell(look.seen)
  useEffect(() => {
    let isWanted = true
    const wanted = Object.entries(filter).filter(([, value]) => value !== "")
    const params = { ...Object.fromEntries(wanted), limit: limitShown }
    look.app.admin("list_calls", { params }).then(
      (answer) => isWanted && setCalls(callsOf(answer)),
      () => {}, // the next look asks again, and the top line says what is wrong
    )
    return () => {
      isWanted = false
    }
  }, [filter, seen])
  const shown = (calls ?? []).filter(({ pool }) => of === undefined || pool === of.pool)
  const isFiltered = JSON.stringify(filter) !== JSON.stringify(none)
  return (
    <Part title="Recent calls" aside={shown.length > 0 ? `the newest ${shown.length}` : undefined}>
      <Filters filter={filter} hasTrigger={of === undefined} onFilter={setFilter} />
      {calls !== undefined && shown.length === 0 ? (
        <p class="quiet">
          {isFiltered ? "No call like this is remembered." : "Nothing was called yet."}
        </p>
      ) : (
        <CallTable calls={shown} hasTrigger={of === undefined} />
      )}
    </Part>
  )
}

interface FiltersProps {
  readonly filter: Filter
  readonly hasTrigger: boolean
  readonly onFilter: (filter: Filter) => void
}

function Filters({ filter, hasTrigger, onFilter }: FiltersProps): VNode {
  const field = (name: "trigger" | "app" | "trace", label: string): VNode => (
    <input
      class="field"
      aria-label={`Calls of the ${label}`}
      placeholder={label}
      spellcheck={false}
      autocomplete="off"
      value={filter[name]}
      onInput={(event) => onFilter({ ...filter, [name]: event.currentTarget.value.trim() })}
    />
  )
  return (
    <div class="call-filters">
      {hasTrigger && field("trigger", "trigger")}
      {field("app", "app")}
      {field("trace", "trace id")}
      <select
        class="field"
        aria-label="Calls that ended as"
        value={filter.outcome}
        onChange={(event) => onFilter({ ...filter, outcome: event.currentTarget.value })}
      >
        <option value="">any outcome</option>
        {outcomes.map((outcome) => (
          <option key={outcome} value={outcome}>
            {codeOf(outcome)}
          </option>
        ))}
      </select>
    </div>
  )
}

interface TableProps {
  readonly calls: readonly CallRow[]
  readonly hasTrigger: boolean
}

export function CallTable({ calls, hasTrigger }: TableProps): VNode {
  return (
    <Table
      class="calls"
      columns={[
        "Time",
        ...(hasTrigger ? ["Trigger"] : []),
        ["Caller", "wide"],
        ["Handler", "wide"],
        "Outcome",
        ["Took", "number"],
      ]}
    >
      {calls.map((call) => (
        <CallLine key={`${call.id} ${call.settled}`} call={call} hasTrigger={hasTrigger} />
      ))}
    </Table>
  )
}

function CallLine({ call, hasTrigger }: { readonly call: CallRow; readonly hasTrigger: boolean }) {
  const { settled, trigger, pool, caller, handler, outcome, ms, attempt, trace } = call
  return (
    <tr title={trace === undefined ? undefined : `Trace ${trace}`}>
      <td class="quiet">{timeOf(settled)}</td>
      {hasTrigger && (
        <td>
          <To at={{ kind: "trigger", pool, name: trigger }}>{trigger}</To>
        </td>
      )}
      <td class="wide">
        <ToApp name={caller} pool={pool} />
      </td>
      <td class="wide">{handler === undefined ? "–" : <ToApp name={handler} pool={pool} />}</td>
      <td>
        <span class="outcome" data-bad={outcome !== "answered"}>
          {codeOf(outcome)}
        </span>
        {attempt > 1 && <span class="quiet">{` attempt ${attempt}`}</span>}
      </td>
      <td class="number">{milliseconds(ms)}</td>
    </tr>
  )
}
