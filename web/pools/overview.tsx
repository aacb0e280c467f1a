/** The whole server: what goes on in all its pools, and the calls of late. */
import type { VNode } from "preact"
import { Calls, Failed, HalfWithin } from "./call-tiles.tsx"
import { Head } from "./head.tsx"
import type { Look, Seen } from "./look.ts"
import { Recent } from "./recent.tsx"
import { Tile, Tiles } from "./tiles.tsx"
import { counted, grouped, span } from "./words.ts"

interface OverviewProps {
  readonly look: Look
  readonly seen: Seen
}

export function Overview({ look, seen }: OverviewProps): VNode {
  const { apps, calls, flights, inFlight, triggers, upSinceMs, version } = seen
  const live = apps.filter(({ instances }) => instances.length > 0).length
  return (
    <>
      <Head kind={`Quartet ${version}, up for ${span(upSinceMs)}`} name="Whole server" font="plain">
        {`${counted(live, "app")} connected, ${counted(triggers.length, "trigger")}.`}
      </Head>
      <Tiles>
        <Calls known={calls} />
        <HalfWithin known={calls} />
        <Tile
          name="In flight"
          figure={grouped(inFlight)}
          hint="Calls that are not settled now"
          values={flights.get("") ?? []}
        />
        <Failed known={calls} />
      </Tiles>
      <Recent look={look} />
    </>
  )
}
