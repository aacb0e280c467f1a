/**
 * Documents with one writer and many readers, and with many writers: what an edit, and its way to
 * each editor, costs the server, and how long it takes.
 */
import {
  type Bench,
  type Contest,
  editsPerSecond,
  hold,
  note,
  perDelivery,
  perEdit,
} from "./contest.ts"
import { Room } from "./editors.ts"
import { closedLoop, openLoop, type Run } from "./loads.ts"
import type { DocumentsRival } from "./target.ts"

const text = "twenty characters..\n".repeat(256) // 5 KB

/** On a file, as it is meant to run; and with everything in memory, as the others have it. */
const stores = [
  { name: "on a file", start: {}, isAimed: true },
  { name: "in memory", start: { settings: { SQLITE_URI: ":memory:" } }, isAimed: false },
]

/** B1: one writer who is the only reader. */
export async function benchEcho(bench: Bench): Promise<void> {
  const contest: Contest = {
    open: async (target, id) => [await Room.open(target, { id, editors: 1, text })],
    load: ([room], seconds) => closedLoop(roomOf(room), { seconds }),
  }
  for (const store of some(bench, stores)) {
    const results = await hold(bench, contest, { start: store.start })
    const row = { name: `B1 one writer, alone, ${store.name}`, unit: "µs CPU/edit" }
    const target = store.isAimed ? "<= 1.7 floor, 0.65 ShareDB, 1.2 ot.js" : ""
    note(bench, results, { ...row, target, of: perEdit })
    note(bench, results, { ...{ ...row, unit: "edits/s", target: "" }, of: editsPerSecond })
  }
}

/** B2: one writer, and so many readers that their messages are nearly all the work. */
export async function benchReaders(bench: Bench): Promise<void> {
  // Plain editors hear of edits and no more, as at the others; extended ones also hear of carets,
  // and of what is saved.
  const aims = "<= 1.0 floor, 0.6 ShareDB, 0.65 ot.js"
  const plain = { shape: "plain" } as const
  // A peer's editor has one edit on its way, never five.
  const bare: readonly DocumentsRival[] = ["floor"]
  const cases = [
    { readers: 100, edits: 1, shape: plain, target: aims },
    { readers: 500, edits: 1, shape: plain, target: aims },
    { readers: 100, edits: 5, shape: plain, target: "", rivals: bare },
    { readers: 100, edits: 1, shape: {}, target: "" },
    { readers: 500, edits: 1, shape: {}, target: "" },
  ]
  for (const { readers, edits, shape, target, rivals = bench.rivals } of some(bench, cases)) {
    const contest: Contest = {
      open: async (on, id) => [await Room.open(on, { id, editors: readers + 1, text, ...shape })],
      load: ([room], seconds) => closedLoop(roomOf(room), { seconds, edits }),
    }
    const start = { settings: { BENCH_GATHER_MS: "0" } }
    const results = await hold(bench, contest, { rivals, start })
    const kind = shape === plain ? "plain" : "extended"
    const name = `B2 ${readers} ${kind} readers, ${edits} a round, nothing gathered`
    note(bench, results, { name, unit: "µs CPU/delivery", target, of: perDelivery })
    note(bench, results, { ...{ name, unit: "edits/s", target: "" }, of: editsPerSecond })
  }
}

/** B3: a hundred editors who all type. */
export async function benchTyping(bench: Bench): Promise<void> {
  for (const store of some(bench, stores)) {
    const results = await hold(bench, typing(100), { start: store.start })
    const name = `B3 100 editors x 5/s, ${store.name}`
    const target = store.isAimed ? "<= 0.4 floor, 0.25 ShareDB" : ""
    note(bench, results, { name, unit: "µs CPU/edit", target, of: perEdit })
    if (!store.isAimed) continue
    for (const row of delays) note(bench, results, { ...row, name })
  }
}

const delays = [
  { unit: "ms p50 delivery", target: "", of: ({ p50Ms }: Run) => p50Ms },
  { unit: "ms p99 delivery", target: "<= 40", of: ({ p99Ms }: Run) => p99Ms },
  { unit: "ms p99 loop delay (B14)", target: "<= 20", of: ({ loopDelayMs }: Run) => loopDelayMs },
]

/** So many editors of one document who type at an ordinary pace, for twice as long as other loads. */
export function typing(editors: number): Contest {
  return {
    open: async (target, id) => [await Room.open(target, { id, editors, text })],
    load: (rooms, seconds) => openLoop(rooms, { seconds: 2 * seconds, perSecond: 5 }),
  }
}

function some<T>({ extent }: Bench, cases: readonly T[]): readonly T[] {
  return extent === "brief" ? cases.slice(0, 1) : cases
}

function roomOf(room: Room | undefined): Room {
  if (room === undefined) throw new Error("never: it was opened")
  return room
}
