/**
 * Every metric by name. Home of prom-client.
 *
 * What always holds: the hot path touches plain numbers only; they are read when `/metrics` is
 * scraped. Names are `quartet_<service>_<what>_<unit>`, counters end in `_total`, and a label is
 * one of our closed lists, never a name that a far end chose.
 */
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from "prom-client"

/** Reads the present value, or one for each value of the metric's label. */
export type Reading = () => number | ReadonlyMap<string, number>

export class Metrics {
  readonly #registry = new Registry()

  constructor() {
    collectDefaultMetrics({ register: this.#registry, prefix: "quartet_" })
  }

  /** A figure that goes up and down. `label` names what the keys of a reading are. */
  gauge(name: string, help: string, read: Reading, label?: string): void {
    const labelNames = label === undefined ? [] : [label]
    const registers = [this.#registry]
    const gauge: Gauge = new Gauge({
      name,
      help,
      labelNames,
      registers,
      collect: () => set(read(), label, (labels, value) => gauge.set(labels, value)),
    })
  }

  /** A figure that only grows since the start; `read` gives the whole sum each time. */
  counter(name: string, help: string, read: Reading, label?: string): void {
    const labelNames = label === undefined ? [] : [label]
    const registers = [this.#registry]
    const counter: Counter = new Counter({
      name,
      help,
      labelNames,
      registers,
      collect: () => {
        counter.reset()
        set(read(), label, (labels, value) => counter.inc(labels, value))
      },
    })
  }

  /** Returns what takes one observation. `buckets` are upper bounds, ascending, in the metric's unit. */
  histogram(name: string, help: string, buckets: readonly number[]): (value: number) => void {
    const registers = [this.#registry]
    const histogram = new Histogram({ name, help, buckets: [...buckets], registers })
    return (value) => histogram.observe(value)
  }

  /** All of it, in the text format that Prometheus reads. */
  text(): Promise<string> {
    return this.#registry.metrics()
  }
}

function set(
  reading: number | ReadonlyMap<string, number>,
  label: string | undefined,
  put: (labels: Record<string, string>, value: number) => void,
): void {
  if (typeof reading === "number") return put({}, reading)
  for (const [key, value] of reading) put({ [label ?? "of"]: key }, value)
}
