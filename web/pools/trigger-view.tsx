/** A trigger: how it does, who handles it, a form to call it, and the calls of late. */
import type { VNode } from "preact"
import { CallForm } from "./call-form.tsx"
import { Calls, Failed, HalfWithin } from "./call-tiles.tsx"
import { Gone, Head, Part, ToApp } from "./head.tsx"
import { flightKey, type Look, pendingOf, type Seen } from "./look.ts"
import { type Measure, measure, only } from "./measure.ts"
import { Recent } from "./recent.tsx"
import type { TakerRow, TriggerRow } from "./rows.ts"
import { Table } from "./table.tsx"
import { Tile, Tiles } from "./tiles.tsx"
import { codeOf, grouped, milliseconds, wordsOfPolicy } from "./words.ts"

interface TriggerViewProps {
  readonly look: Look
  readonly seen: Seen
  readonly pool: string
  readonly name: string
}

export function TriggerView({ look, seen, pool, name }: TriggerViewProps): VNode {
  const trigger = seen.triggers.find((each) => each.pool === pool && each.name === name)
  const known = only(seen.calls, (call) => call.pool === pool && call.trigger === name)
  const last = measure(known)
  if (trigger === undefined && last.count === 0)
    return <Gone kind={`Trigger in ${pool}`} {...{ name }} />
  return (
    <>
      <Head kind={`Trigger in ${pool}`} name={name}>
        {trigger === undefined ? "Nobody handles it now." : aboutOf(trigger)}
      </Head>
      <Tiles>
        <Calls known={known} />
        <HalfWithin known={known} />
        <Tile
          name="In flight"
          figure={grouped(trigger === undefined ? 0 : pendingOf(trigger))}
          more={`${grouped(trigger?.queued ?? 0)} queued`}
          hint="Calls that handlers work on now, and those that wait for room"
          values={seen.flights.get(flightKey({ pool, name })) ?? []}
        />
        <Failed known={known} />
      </Tiles>
      {last.failures.length > 1 && <Failures last={last} />}
      <Takers trigger={trigger} pool={pool} last={last} />
      <CallForm key={`${pool} ${name}`} {...{ look, pool, name }} trigger={trigger} />
      <Recent look={look} of={{ pool, trigger: name }} />
    </>
  )
}

function aboutOf({ description, version, policy, isIdempotent }: TriggerRow): string {
  const facts = [
    ...(description === "" ? [] : [description]),
    ...(version === "" ? [] : [`Version ${version}.`]),
    `${policy}: ${wordsOfPolicy(policy)}.`,
    ...(isIdempotent ? ["It may run twice."] : []),
  ]
  return facts.join(" ")
}

function Failures({ last }: { readonly last: Measure }): VNode {
  return (
    <ul class="failures" aria-label="Failures of the last minute">
      {last.failures.map(([outcome, count]) => (
        <li key={outcome}>
          <span class="outcome" data-bad="true">
            {codeOf(outcome)}
          </span>
          {` ${grouped(count)}`}
        </li>
      ))}
    </ul>
  )
}

interface TakersProps {
  readonly trigger: TriggerRow | undefined
  readonly pool: string
  readonly last: Measure
}

function Takers({ trigger, pool, last }: TakersProps): VNode {
  const takers = trigger?.handlers ?? []
  if (takers.length === 0) {
    return (
      <Part title="Handlers">
        <p class="quiet">Nobody handles it now. A call fails with NO_HANDLER, or waits.</p>
      </Part>
    )
  }
  return (
    <Part title="Handlers" aside="Shares of the last minute">
      <Table
        columns={[
          "App",
          "Share",
          ["Holds", "number"],
          ["Queued", "number wide"],
          ["Round trip", "number"],
        ]}
      >
        {takers.map((each) => (
          <TakerLine
            key={each.app}
            handler={each}
            pool={pool}
            share={last.shares.get(each.app) ?? 0}
          />
        ))}
      </Table>
    </Part>
  )
}

interface TakerLineProps {
  readonly handler: TakerRow
  readonly pool: string
  readonly share: number
}

function TakerLine({ handler, pool, share }: TakerLineProps): VNode {
  const { app, pending, concurrency, queued, roundTripMs, weight } = handler
  const percent = Math.round(share * 100)
  return (
    <tr>
      <td>
        <ToApp name={app} pool={pool} />
        {weight !== 1 && <span class="quiet">{` weight ${weight}`}</span>}
      </td>
      <td>
        <span class="share">
          <svg viewBox="0 0 100 4" preserveAspectRatio="none" aria-hidden="true" focusable="false">
            <rect class="share-rest" width="100" height="4" />
            <rect class="share-own" width={percent} height="4" />
          </svg>
          {percent} %
        </span>
      </td>
      <td class="number">{`${pending} of ${concurrency}`}</td>
      <td class="number wide">{queued}</td>
      <td class="number">{milliseconds(roundTripMs)}</td>
    </tr>
  )
}
