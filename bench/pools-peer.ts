/**
 * A program of its own for the bench of pools: does what it is told over the channel between the
 * processes, with one connection, or with many where it listens.
 *
 * What always holds: an order is answered once, when it is done. Times that are compared between
 * processes are of the machine's one monotonic clock, in ns.
 */
import { quantile } from "./figures.ts"
import { moleculerLink, natsLink, redisLink } from "./peers/pools.ts"
import { BareLink, type Link, type Payload, QuartetLink, type Work } from "./pools-link.ts"

export const speeches = ["compact", "json", "bare", "nats", "moleculer", "redis"] as const
export type Speech = (typeof speeches)[number]

/** What a program is told to do. */
export type Order =
  | { readonly do: "open"; readonly speech: Speech; readonly place: string; readonly name: string }
  | { readonly do: "handle"; readonly how: "echo" | "never" }
  | { readonly do: "load"; readonly outstanding: number; readonly seconds: number }
  | { readonly do: "count"; readonly outstanding: number; readonly calls: number }
  | { readonly do: "absent"; readonly calls: number }
  | { readonly do: "lose"; readonly timeoutMs: number }
  | {
      readonly do: "listen"
      readonly speech: Speech
      readonly place: string
      readonly connections: number
    }
  | { readonly do: "emit"; readonly listeners: number; readonly seconds: number }
  | { readonly do: "idle"; readonly place: string; readonly connections: number }

/** What it answers: figures by name; `error` is what a call ended with. */
export interface Report {
  readonly calls?: number
  readonly seconds?: number
  readonly p50Ms?: number
  readonly p99Ms?: number
  /** When it was known, ns. */
  readonly at?: string
  readonly error?: string
}

/** 64 bytes of JSON. */
const payload: Payload = { n: 1_234_567, text: "thirty-six characters, or nearly", ok: true }
/** 128 bytes of JSON. */
const news: Payload = { n: 1_234_567, text: "x".repeat(105) }
/** A listener says how far it is each so many emits. */
const ackEvery = 32
const emitsAhead = 128

let link: Link | undefined

function linked(): Link {
  if (link === undefined) throw new Error("never: it was told to open first")
  return link
}

function open(speech: Speech, place: string, name: string): Promise<Link> {
  switch (speech) {
    case "compact":
    case "json":
      return QuartetLink.open(place, name, speech)
    case "bare":
      return BareLink.open(place)
    case "nats":
      return natsLink(place)
    case "moleculer":
      return moleculerLink(place, name)
    case "redis":
      return redisLink(place)
  }
}

async function obey(order: Order): Promise<Report> {
  switch (order.do) {
    case "open":
      link = await open(order.speech, order.place, order.name)
      return {}
    case "handle": {
      const echo: Work = (came) => came
      const never: Work = () => {
        process.send?.({ held: true })
        return undefined
      }
      await linked().handle(order.how, order.how === "echo" ? echo : never)
      return {}
    }
    case "load": {
      await linked().knows?.("echo")
      const ends = performance.now() + order.seconds * 1_000
      return load(order.outstanding, () => performance.now() < ends)
    }
    case "count": {
      let left = order.calls
      return load(order.outstanding, () => left-- > 0)
    }
    case "absent":
      return absent(order.calls)
    case "lose": {
      await linked().knows?.("never")
      const error = await linked().call("never", payload, order.timeoutMs).then(String, String)
      return { at: String(process.hrtime.bigint()), error }
    }
    case "listen":
      return listen(order)
    case "emit":
      return emit(order.listeners, order.seconds)
    case "idle":
      for (let at = 0; at < order.connections; at++) {
        await QuartetLink.open(order.place, `idle-${at}`, "compact")
      }
      return {}
  }
}

async function load(outstanding: number, goesOn: () => boolean): Promise<Report> {
  const took: number[] = []
  const began = performance.now()
  const one = async () => {
    while (goesOn()) {
      const since = performance.now()
      await linked().call("echo", payload, 30_000)
      took.push(performance.now() - since)
    }
  }
  await Promise.all(Array.from({ length: outstanding }, one))
  return { ...{ calls: took.length, seconds: (performance.now() - began) / 1_000 }, ...times(took) }
}

async function absent(calls: number): Promise<Report> {
  const took: number[] = []
  let error = ""
  for (let at = 0; at < calls; at++) {
    const since = performance.now()
    error = await linked().call("absent", payload, 4_000).then(String, String)
    took.push(performance.now() - since)
  }
  return { ...times(took), error }
}

function times(took: readonly number[]): Report {
  return { p50Ms: quantile(took, 0.5), p99Ms: quantile(took, 0.99) }
}

/** Connections that listen, the first of which says how far all of them are. */
async function listen(order: Extract<Order, { do: "listen" }>): Promise<Report> {
  const { speech, place, connections } = order
  const arrived = new Map<number, number>()
  const links: Link[] = []
  for (let at = 0; at < connections; at++) {
    const each = await open(speech, place, `listener-${process.pid}-${at}`)
    links.push(each)
    let heard = 0
    await each.listen("news", () => {
      if (++heard % ackEvery !== 0) return
      const all = (arrived.get(heard) ?? 0) + 1
      arrived.set(heard, all)
      if (all < connections) return
      arrived.delete(heard)
      links[0]?.emit("heard", { from: process.pid, heard })
    })
  }
  return {}
}

const heardBy = new Map<unknown, number>()
let emitted = 0
let listensForAcks = false

/** Emits as fast as the slowest of so many processes hears; what each has heard comes back as emits. */
async function emit(listeners: number, seconds: number): Promise<Report> {
  let wake = () => {}
  const slowest = () => (heardBy.size < listeners ? 0 : Math.min(...heardBy.values()))
  if (!listensForAcks) {
    listensForAcks = true
    await linked().listen("heard", ({ from, heard }) => {
      heardBy.set(from, Number(heard))
      onHeard()
    })
  }
  onHeard = () => wake()
  const first = emitted
  const began = performance.now()
  while (performance.now() < began + seconds * 1_000) {
    while (emitted - slowest() < emitsAhead) {
      linked().emit("news", news)
      emitted++
    }
    await new Promise<void>((resolve) => {
      wake = resolve
    })
  }
  return { calls: emitted - first, seconds: (performance.now() - began) / 1_000 }
}
let onHeard = () => {}

process.on("message", (order) => {
  // Only the bench sends, and only orders.
  void obey(order as Order).then(
    (report) => process.send?.({ report }),
    (thrown: unknown) => process.send?.({ failed: String(thrown) }),
  )
})
process.on("disconnect", () => process.exit())
