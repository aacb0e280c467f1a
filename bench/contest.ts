/**
 * A load on Quartet and on the floor in turns, so that what else the machine does meanwhile strikes
 * both alike; and what a whole benchmark has measured so far.
 */
import type { Room } from "./editors.ts"
import type { Row } from "./figures.ts"
import { measure, type Run } from "./loads.ts"
import { type Kind, Target } from "./target.ts"
import type { Trace } from "./trace.ts"

/** What was asked for, and what has come out. */
export interface Bench {
  /** How often each load is run. */
  readonly runs: number
  readonly readers: number
  /** By name. */
  readonly traces: ReadonlyMap<string, Trace>
  /** A directory for CPU profiles of the server, if they are wanted. */
  readonly profile: string | undefined
  readonly rows: Row[]
}

/** A load: rooms are opened anew for each run, and closed after it. */
export interface Contest {
  /** Documents have names that begin with `id`. */
  open(target: Target, id: string): Promise<readonly Room[]>
  /** Resolves with the number of edits when all of them have arrived. */
  load(rooms: readonly Room[]): Promise<number>
  /** What is to be checked of a room beyond that all its texts are the same. */
  check?(room: Room): Promise<void>
}

/** All runs of a contest, by server. */
export type Results = Readonly<Record<Kind, readonly Run[]>>

/** Runs `use` with a server, and ends that. */
export async function withTarget<T>(
  kind: Kind,
  { profile }: Pick<Bench, "profile">,
  use: (target: Target) => Promise<T>,
): Promise<T> {
  const target = await Target.start(kind, kind === "quartet" ? { profile } : {})
  try {
    return await use(target)
  } finally {
    await target.stop()
  }
}

/** Quartet, floor, Quartet, floor …, each after a first run that does not count. */
export function hold(bench: Bench, contest: Contest): Promise<Results> {
  return withTarget("quartet", bench, (quartet) =>
    withTarget("floor", bench, async (floor) => {
      const results = { quartet: [] as Run[], floor: [] as Run[] }
      for (let run = 0; run <= bench.runs; run += 1) {
        for (const target of [quartet, floor]) {
          const measured = await once(target, contest, `run-${run}`)
          if (run > 0) results[target.kind].push(measured)
        }
      }
      return results
    }),
  )
}

/** One run of a load, with rooms of its own. */
export async function once(target: Target, contest: Contest, id: string): Promise<Run> {
  const rooms = await contest.open(target, id)
  const run = await measure(target, rooms, () => contest.load(rooms))
  for (const room of rooms) await room.compare()
  for (const room of rooms) await contest.check?.(room)
  await Promise.all(rooms.map((room) => room.close()))
  return run
}

/** Adds a row of one figure of all runs. */
export function note(
  bench: Bench,
  results: Results,
  row: Pick<Row, "name" | "unit" | "target"> & { readonly of: (run: Run) => number },
): void {
  const { of, ...words } = row
  bench.rows.push({ ...words, quartet: results.quartet.map(of), floor: results.floor.map(of) })
}

/** CPU time in µs for each edit that reached an editor. */
export function perDelivery({ cpuMs, deliveries }: Run): number {
  return (cpuMs * 1_000) / deliveries
}

/** CPU time in µs for each edit. */
export function perEdit({ cpuMs, edits }: Run): number {
  return (cpuMs * 1_000) / edits
}

/** Edits that came to everyone, in a second. */
export function editsPerSecond({ edits, seconds }: Run): number {
  return edits / seconds
}
