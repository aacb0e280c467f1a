/** Tiles of calls: how many there are, how long they take, how many fail. Of the last minute. */
import type { VNode } from "preact"
import { failuresOf, type Known, measure, ratesOf, slownessOf } from "./measure.ts"
import { Tile } from "./tiles.tsx"
import { codeOf, grouped, milliseconds, perSecond, spanOfMeasure } from "./words.ts"

interface CallTileProps {
  /** The calls that it speaks of. */
  readonly known: Known
  readonly hint?: string
}

export function Calls({ known }: CallTileProps): VNode {
  const last = measure(known)
  return (
    <Tile
      name="Calls"
      figure={perSecond(last.perSecond)}
      more={`${grouped(last.count)} in the last ${spanOfMeasure(last.spanMs)}`}
      hint="Over the last minute; the curve shows two"
      values={ratesOf(known)}
    />
  )
}

const fromArrival = "p50 and p99, from arrival to answer, in the last minute; the curve is p99"

export function HalfWithin({ known, hint = fromArrival }: CallTileProps): VNode {
  const { p50, p99 } = measure(known)
  return (
    <Tile
      name="Half within"
      figure={milliseconds(p50)}
      more={`99 of 100 within ${milliseconds(p99)}`}
      hint={hint}
      values={slownessOf(known)}
    />
  )
}

export function Failed({ known }: CallTileProps): VNode {
  const { failures } = measure(known)
  const failed = failures.reduce((sum, [, count]) => sum + count, 0)
  const [first] = failures
  return (
    <Tile
      name="Failed"
      figure={grouped(failed)}
      {...(first === undefined ? {} : { more: `mostly ${codeOf(first[0])}` })}
      hint="Calls of the last minute that were not answered"
      values={failuresOf(known)}
      {...(failed > 0 ? { tone: "bad" as const } : {})}
    />
  )
}
