/** Traffic and health: two curves of the last two minutes, their figures beside them, and words. */
import type { VNode } from "preact"
import { useEffect } from "preact/hooks"
import { useCell } from "../cell.ts"
import { figures } from "./figures.ts"
import { type Health, wordsOfBus } from "./figures-read.ts"

export function Traffic(): VNode {
  const samples = useCell(figures.samples)
  const health = useCell(figures.health)
  useEffect(() => figures.watch(), [])
  const last = samples.at(-1)
  return (
    <section class="side-part" aria-labelledby="traffic-title">
      <h2 id="traffic-title">Traffic and health</h2>
      <Curve
        name="Deliveries"
        hint="What replicas here were given: changes, answers, presence"
        figure={last === undefined ? "–" : perSecond(last.deliveriesPerSecond)}
        values={samples.map((sample) => sample.deliveriesPerSecond)}
      />
      <Curve
        name="Probe over the bus"
        hint="Without an answer in 2 s the server says it is not well"
        figure={last?.probeMs === undefined ? "–" : milliseconds(last.probeMs)}
        values={samples.map((sample) => sample.probeMs ?? 0)}
      />
      {health === undefined ? (
        <p class="quiet">The server has not answered yet. It is asked again in a moment.</p>
      ) : (
        <State health={health} />
      )}
    </section>
  )
}

function State({ health }: { readonly health: Health }): VNode {
  const { status, bus, replicas, rooms, waiting, dirty, queue } = health
  return (
    <>
      <dl class="figures">
        <Fact name="Server" value={status} hint="Not well whenever delivery would fail" />
        <Fact name="Replicas" value={replicas} hint="Connected to this server, in any room" />
        <Fact name="Rooms" value={rooms} hint="Forgotten 5 s after the last replica" />
        <Fact
          name="Waiting"
          value={waiting}
          hint="Rooms where nobody has answered a newcomer yet"
        />
        <Fact name="Dirty" value={dirty} hint="Rooms that are repaired from their replicas" />
        <Fact name="Queue" value={queue} hint="Messages on their way to other servers" />
      </dl>
      <p class="side-note">{wordsOfBus(bus)}</p>
    </>
  )
}

interface FactProps {
  readonly name: string
  readonly value: string | number
  readonly hint: string
}

function Fact({ name, value, hint }: FactProps): VNode {
  return (
    <div class="fact" title={hint}>
      <dt>{name}</dt>
      <dd>{value}</dd>
    </div>
  )
}

interface CurveProps {
  readonly name: string
  readonly hint: string
  readonly figure: string
  readonly values: readonly number[]
}

const curve = { width: 120, height: 30, samples: 60 }

function Curve({ name, hint, figure, values }: CurveProps): VNode {
  return (
    <div class="curve" title={hint}>
      <p class="curve-name">
        {name} <b>{figure}</b>
      </p>
      <svg
        viewBox={`0 0 ${curve.width} ${curve.height}`}
        preserveAspectRatio="none"
        aria-hidden="true"
        focusable="false"
      >
        {values.length > 1 && <path d={pathOf(values)} />}
      </svg>
    </div>
  )
}

/** A curve that ends at the right edge, as high as its highest value. */
export function pathOf(values: readonly number[]): string {
  const most = Math.max(...values, Number.EPSILON)
  const step = curve.width / (curve.samples - 1)
  const left = curve.width - (values.length - 1) * step
  const points = values.map((value, at) => {
    const y = curve.height - 2 - (value / most) * (curve.height - 4)
    return `${(left + at * step).toFixed(1)} ${y.toFixed(1)}`
  })
  return `M${points.join("L")}`
}

function milliseconds(ms: number): string {
  return ms < 0.1 ? "under 0.1 ms" : `${ms.toFixed(1)} ms`
}

function perSecond(rate: number): string {
  return `${rate >= 10 || rate === 0 ? rate.toFixed(0) : rate.toFixed(1)} /s`
}
