/** Figures, each with a curve of the last two minutes under it. The figure says in text what is drawn. */
import type { ComponentChildren, VNode } from "preact"
import { curveOf } from "./measure.ts"

export function Tiles({ children }: { readonly children: ComponentChildren }): VNode {
  return <div class="tiles">{children}</div>
}

interface TileProps {
  readonly name: string
  readonly figure: string
  /** Said under it, quietly. */
  readonly more?: string
  readonly hint: string
  /** Two minutes, the newest last. */
  readonly values?: readonly number[]
  readonly tone?: "bad"
}

const field = { width: 120, height: 34 }

export function Tile({ name, figure, more, hint, values, tone }: TileProps): VNode {
  return (
    <div class="tile" title={hint} data-tone={tone}>
      <p>
        <span class="tile-name">{name}</span> <b>{figure}</b>
        {more !== undefined && <span class="tile-more">{` ${more}`}</span>}
      </p>
      {values !== undefined && (
        <svg
          viewBox={`0 0 ${field.width} ${field.height}`}
          preserveAspectRatio="none"
          aria-hidden="true"
          focusable="false"
        >
          {values.length > 1 && values.some((value) => value > 0) && (
            <>
              <path class="tile-area" d={`${pathOf(values)}V${field.height}H${leftOf(values)}z`} />
              <path class="tile-line" d={pathOf(values)} />
            </>
          )}
        </svg>
      )}
    </div>
  )
}

interface FactProps {
  readonly name: string
  readonly hint?: string
  readonly children: ComponentChildren
}

/** One thing that does not move. */
export function Fact({ name, hint, children }: FactProps): VNode {
  return (
    <div class="pools-fact" title={hint}>
      <dt>{name}</dt>
      <dd>{children}</dd>
    </div>
  )
}

/** A curve that ends at the right edge, as high as its highest value. */
function pathOf(values: readonly number[]): string {
  const most = Math.max(...values, Number.EPSILON)
  const points = values.map((value, at) => {
    const x = leftOf(values) + at * step
    const y = field.height - 1.5 - (value / most) * (field.height - 4)
    return `${x.toFixed(1)} ${y.toFixed(1)}`
  })
  return `M${points.join("L")}`
}

const step = field.width / (curveOf.pieces - 1)

function leftOf(values: readonly number[]): number {
  return Number((field.width - (values.length - 1) * step).toFixed(1))
}
