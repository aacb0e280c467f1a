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
  once,
  perDelivery,
  perEdit,
  withTarget,
} from "./contest.ts"
import { Room } from "./editors.ts"
import { closedLoop, openLoop, openRooms, type Run } from "./loads.ts"

const text = "twenty characters..\n".repeat(256) // 5 KB
const seconds = 1.5

/** B1: one writer who is the only reader. */
export async function benchEcho(bench: Bench): Promise<void> {
  const results = await hold(bench, {
    open: async (target, id) => [await Room.open(target, { id, editors: 1, text })],
    load: ([room]) => closedLoop(roomOf(room), { seconds }),
  })
  const row = { name: "B1 one writer, alone, closed loop", unit: "µs CPU/edit" }
  note(bench, results, { ...row, target: "ratio <= 1.7", of: perEdit })
  note(bench, results, { ...{ ...row, unit: "edits/s", target: "" }, of: editsPerSecond })
}

/** B2: one writer, and so many readers that their messages are nearly all the work. */
export async function benchReaders(bench: Bench): Promise<void> {
  // With 99 editors nothing is gathered yet: one message for each edit, as at the floor. Plain
  // editors get that and no more; extended ones also hear of carets, and of what is saved.
  const plain = { shape: "plain" } as const
  const cases = [
    { editors: 99, edits: 1, shape: plain, target: "ratio <= 1.2" },
    { editors: 99, edits: 5, shape: plain, target: "" },
    { editors: 101, edits: 1, shape: plain, target: "ratio <= 1.2" },
    { editors: 99, edits: 1, shape: {}, target: "" },
    { editors: 501, edits: 1, shape: {}, target: "" },
  ]
  for (const { editors, edits, shape, target } of cases) {
    // A crowded document gathers edits and so sets the pace; the floor then goes at the same.
    let roundMs = 0
    const results = await hold(bench, {
      open: async (target, id) => [await Room.open(target, { id, editors, text, ...shape })],
      load: async ([first]) => {
        const room = roomOf(first)
        const start = performance.now()
        const isPaced = room.target.kind === "floor" && editors > 100
        const sent = await closedLoop(room, { seconds, edits, everyMs: isPaced ? roundMs : 0 })
        if (room.target.kind === "quartet") roundMs = ((performance.now() - start) * edits) / sent
        return sent
      },
    })
    const pace = editors > 100 ? `every ${roundMs.toFixed(0)} ms` : "closed loop"
    const kind = shape === plain ? "plain" : "extended"
    const name = `B2 ${editors - 1} ${kind} readers, ${edits} a round, ${pace}`
    note(bench, results, { name, unit: "µs CPU/delivery", target, of: perDelivery })
    if (editors > 100) continue
    note(bench, results, { ...{ name, unit: "edits/s", target: "" }, of: editsPerSecond })
  }
}

/** B3: a hundred editors who all type. */
export async function benchTyping(bench: Bench): Promise<void> {
  const results = await hold(bench, typing(100))
  const name = "B3 100 editors x 5/s"
  note(bench, results, { name, unit: "µs CPU/edit", target: "ratio <= 0.4", of: perEdit })
  for (const row of delays) note(bench, results, { ...row, name, target: row.b3 })
}

const delays = [
  { unit: "ms p50 delivery", b3: "", of: ({ p50Ms }: Run) => p50Ms },
  { unit: "ms p99 delivery", b3: "<= 40", of: ({ p99Ms }: Run) => p99Ms },
  { unit: "ms p99 loop delay", b3: "<= 20", of: ({ loopDelayMs }: Run) => loopDelayMs },
]

/** B4: more and more editors who all type, until edits take longer than 100 ms. */
export async function benchCrowd(bench: Bench): Promise<void> {
  const limitMs = 100
  for (const editors of [250, 500, 750, 1_000]) {
    const name = `B4 ${editors} editors x 5/s`
    const runs: Run[] = []
    try {
      await withTarget("quartet", bench, async (target) => {
        // All runs of the number that has a target; of the others as many as it takes to pass.
        for (let run = 0; run < bench.runs; run += 1) {
          runs.push(await once(target, typing(editors), `run-${run}`))
          if (editors !== 500 && isWithin(runs, limitMs)) break
        }
      })
    } catch (thrown) {
      // Too many for this machine: what a refused or lost edit tells is that they are.
      const target = thrown instanceof Error ? thrown.message : String(thrown)
      bench.rows.push({ name, unit: "fell behind", quartet: [], target })
      return
    }
    const row = (unit: string, target: string, of: (run: Run) => number) => {
      bench.rows.push({ name, unit, target: editors === 500 ? target : "", quartet: runs.map(of) })
    }
    row("% of a core", "<= 50", ({ cpuMs, seconds }) => cpuMs / seconds / 10)
    row("ms p50 delivery", "", ({ p50Ms }) => p50Ms)
    row("ms p99 delivery", "<= 150", ({ p99Ms }) => p99Ms)
    row("ms p99 loop delay", "<= 20", ({ loopDelayMs }) => loopDelayMs)
    if (!isWithin(runs, limitMs)) return
  }
}

// Whether one of them was fast enough: what else the machine does can only make edits late.
function isWithin(runs: readonly Run[], limitMs: number): boolean {
  return runs.some(({ p99Ms }) => p99Ms <= limitMs)
}

// So many editors of one document who type at an ordinary pace.
function typing(editors: number): Contest {
  return {
    open: async (target, id) => [await Room.open(target, { id, editors, text })],
    load: (rooms) => openLoop(rooms, { seconds: 2 * seconds, perSecond: 5 }),
  }
}

/** B5: many small documents, faster and faster. */
export async function benchDocuments(bench: Bench): Promise<void> {
  const limitMs = 50
  const best = { quartet: 0, floor: 0 }
  const costs: { quartet: number[]; floor: number[] } = { quartet: [], floor: [] }
  for (const kind of ["quartet", "floor"] as const) {
    await withTarget(kind, bench, async (target) => {
      for (const rate of [2_500, 5_000, 10_000, 15_000, 20_000, 25_000, 30_000]) {
        const runs: Run[] = []
        while (runs.length < bench.runs && !isWithin(runs, limitMs)) {
          runs.push(await once(target, everywhere(rate), `at-${rate}-${runs.length}`))
        }
        const [last] = runs.slice(-1)
        if (last === undefined || !isWithin(runs, limitMs)) break
        if (rate === 5_000) costs[kind].push(perEdit(last))
        best[kind] = editsPerSecond(last)
      }
    })
  }
  const name = "B5 100 documents x 3 editors"
  const [quartet, floor] = [[best.quartet], [best.floor]]
  bench.rows.push({
    ...{ name, unit: "edits/s at p99 <= 50 ms", quartet, floor },
    target: ">= 10,000; ratio >= 0.6",
  })
  bench.rows.push({ name, unit: "µs CPU/edit at 5,000/s", ...costs })
}

// A hundred documents of three editors, who type so many characters a second together.
function everywhere(rate: number): Contest {
  const [documents, editors] = [100, 3]
  return {
    open: (target, id) => openRooms(target, documents, { id, editors, text: "hello" }),
    load: (rooms) => openLoop(rooms, { seconds, perSecond: rate / documents / editors }),
  }
}

function roomOf(room: Room | undefined): Room {
  if (room === undefined) throw new Error("never: it was opened")
  return room
}
