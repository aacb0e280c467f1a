/** A trigger: how it does, who handles it, a form to call it, and the calls of late. */
import type { VNode } from "preact"
import { CallForm } from "./call-form.tsx"
import { Gone, Head, Part, ToApp } from "./head.tsx"
import { flightKey, type Look, pendingOf, type Seen } from "./look.ts"
import { failuresOf, type Measure, measure, only, ratesOf, slownessOf } from "./measure.ts"
import { Recent } from "./recent.tsx"
import type { TakerRow, TriggerRow } from "./rows.ts"
import { Tile, Tiles } from "./tiles.tsx"
import { codeOf, grouped, milliseconds, perSecond, spanOfMeasure, wordsOfPolicy } from "./words.ts"

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
  const [first] = last.failures
  const failed = last.failures.reduce((sum, [, count]) => sum + count, 0)
  return (
    <>
      <Head kind={`Trigger in ${pool}`} name={name}>
        {trigger === undefined ? "Nobody handles it now." : aboutOf(trigger)}
      </Head>
      <Tiles>
        <Tile
          name="Calls"
          figure={perSecond(last.perSecond)}
          more={`${grouped(last.count)} in the last ${spanOfMeasure(last.spanMs)}`}
          hint="Over the last minute; the curve shows two"
          values={ratesOf(known)}
        />
        <Tile
          name="Half within"
          figure={milliseconds(last.p50)}
          more={`99 of 100 within ${milliseconds(last.p99)}`}
          hint="p50 and p99, from arrival to answer, in the last minute; the curve is p99"
          values={slownessOf(known)}
        />
        <Tile
          name="In flight"
          figure={grouped(trigger === undefined ? 0 : pendingOf(trigger))}
          more={`${grouped(trigger?.queued ?? 0)} queued`}
          hint="Calls that handlers work on now, and those that wait for room"
          values={seen.flights.get(flightKey({ pool, name })) ?? []}
        />
        <Tile
          name="Failed"
          figure={grouped(failed)}
          {...(first === undefined ? {} : { more: `mostly ${codeOf(first[0])}` })}
          hint="Calls of the last minute that were not answered"
          values={failuresOf(known)}
          {...(failed > 0 ? { tone: "bad" as const } : {})}
        />
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
      <div class="pools-scroll">
        <table class="pools-table">
          <thead>
            <tr>
              <th scope="col">App</th>
              <th scope="col">Share</th>
              <th scope="col" class="number">
                Holds
              </th>
              <th scope="col" class="number wide">
                Queued
              </th>
              <th scope="col" class="number">
                Round trip
              </th>
            </tr>
          </thead>
          <tbody>
            {takers.map((each) => (
              <TakerLine
                key={each.app}
                handler={each}
                pool={pool}
                share={last.shares.get(each.app) ?? 0}
              />
            ))}
          </tbody>
        </table>
      </div>
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
