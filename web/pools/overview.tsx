/** The whole server: what goes on in all its pools, and the calls of late. */
import type { VNode } from "preact"
import { Head } from "./head.tsx"
import type { Look, Seen } from "./look.ts"
import { failuresOf, measure, ratesOf, slownessOf } from "./measure.ts"
import { Recent } from "./recent.tsx"
import { Tile, Tiles } from "./tiles.tsx"
import { codeOf, counted, grouped, milliseconds, perSecond, span, spanOfMeasure } from "./words.ts"

interface OverviewProps {
  readonly look: Look
  readonly seen: Seen
}

export function Overview({ look, seen }: OverviewProps): VNode {
  const { apps, calls, flights, inFlight, triggers, upSinceMs, version } = seen
  const last = measure(calls)
  const failed = last.failures.reduce((sum, [, count]) => sum + count, 0)
  const [first] = last.failures
  const live = apps.filter(({ instances }) => instances.length > 0).length
  return (
    <>
      <Head kind={`Quartet ${version}, up for ${span(upSinceMs)}`} name="Whole server" font="plain">
        {`${counted(live, "app")} connected, ${counted(triggers.length, "trigger")}.`}
      </Head>
      <Tiles>
        <Tile
          name="Calls"
          figure={perSecond(last.perSecond)}
          more={`${grouped(last.count)} in the last ${spanOfMeasure(last.spanMs)}`}
          hint="Over the last minute; the curve shows two"
          values={ratesOf(calls)}
        />
        <Tile
          name="Half within"
          figure={milliseconds(last.p50)}
          more={`99 of 100 within ${milliseconds(last.p99)}`}
          hint="From the call's arrival to its answer, in the last minute"
          values={slownessOf(calls)}
        />
        <Tile
          name="In flight"
          figure={grouped(inFlight)}
          hint="Calls that are not settled now"
          values={flights.get("") ?? []}
        />
        <Tile
          name="Failed"
          figure={grouped(failed)}
          {...(first === undefined ? {} : { more: `mostly ${codeOf(first[0])}` })}
          hint="Calls of the last minute that were not answered"
          values={failuresOf(calls)}
          {...(failed > 0 ? { tone: "bad" as const } : {})}
        />
      </Tiles>
      <Recent look={look} />
    </>
  )
}
