/**
 * A load on Quartet, on the floor and on the peers in turns, so that what else the machine does
 * meanwhile strikes all alike; and what a whole benchmark has measured so far.
 */
import type { Room } from "./editors.ts"
import type { Row } from "./figures.ts"
import { measure, type Run } from "./loads.ts"
import { type DocumentsKind, type DocumentsRival, nameOf, type Start, Target } from "./target.ts"
import type { Trace } from "./trace.ts"

/** What was asked for, and what has come out. */
export interface Bench {
  /** How often each load is run. */
  readonly runs: number
  readonly readers: number
  /** Those that are there. */
  readonly rivals: readonly DocumentsRival[]
  /** By name. */
  readonly traces: ReadonlyMap<string, Trace>
  /** A directory for CPU profiles of the server, if they are wanted. */
  readonly profile: string | undefined
  /** Brief is the first case of each load: what everybody asks first. */
  readonly extent: "whole" | "brief"
  readonly rows: Row[]
}

/** A load: rooms are opened anew for each run, and closed after it. */
export interface Contest {
  /** Documents have names that begin with `id`. */
  open(target: Target, id: string): Promise<readonly Room[]>
  /** Resolves with the number of edits when all of them have arrived: sent in so many seconds, where it can choose. */
  load(rooms: readonly Room[], seconds: number): Promise<number>
  /** What is to be checked of a room beyond that all its texts are the same. */
  check?(room: Room): Promise<void>
}

/** How a contest is held where that is not as usual. */
export interface Terms {
  /** Beside whom; all that are there unless told. */
  readonly rivals?: readonly DocumentsRival[]
  /** How Quartet is started. */
  readonly start?: Start
}

/** How long a load lasts that can choose. */
const runSeconds = 1.5
/** The first one, which does not count: until then the engine still compiles what is used most. */
export const warmSeconds = 4

/** All runs of a contest, by server. Of a rival that failed there are those before. */
export type Results = ReadonlyMap<DocumentsKind, readonly Run[]>

/** Runs `use` with a server, and ends that. */
export async function withTarget<T>(
  kind: DocumentsKind,
  { profile, start = {} }: Pick<Bench, "profile"> & { readonly start?: Start },
  use: (target: Target) => Promise<T>,
): Promise<T> {
  const target = await Target.start(kind, kind === "quartet" ? { profile, ...start } : {})
  try {
    return await use(target)
  } finally {
    await target.stop()
  }
}

/** Quartet, floor, peers, Quartet, floor …, each after a first run that does not count. */
export async function hold(bench: Bench, contest: Contest, terms: Terms = {}): Promise<Results> {
  const { rivals = bench.rivals, start = {} } = terms
  const targets: Target[] = []
  try {
    for (const kind of ["quartet", ...rivals] as const) {
      const own = kind === "quartet" ? { profile: bench.profile, ...start } : {}
      targets.push(await Target.start(kind, own))
    }
    return await takeTurns(bench, contest, targets)
  } finally {
    await Promise.all(targets.map((target) => target.stop()))
  }
}

async function takeTurns(
  { runs }: Bench,
  contest: Contest,
  targets: readonly Target[],
): Promise<Results> {
  const results = new Map<DocumentsKind, Run[]>(targets.map(({ kind }) => [kind, []]))
  const failed = new Set<Target>()
  for (let run = 0; run <= runs; run += 1) {
    for (const target of targets) {
      if (failed.has(target)) continue
      const seconds = run === 0 ? warmSeconds : runSeconds
      try {
        const measured = await once(target, contest, { id: `run-${run}`, seconds })
        if (run > 0) results.get(target.kind)?.push(measured)
      } catch (thrown) {
        // What a rival cannot do is worth a line; what Quartet cannot do ends it.
        if (target.kind === "quartet") throw thrown
        console.error(`${nameOf[target.kind]} gave up:`, thrown)
        failed.add(target)
      }
    }
  }
  return results
}

/** One run of a load, with rooms of its own. */
export async function once(
  target: Target,
  contest: Contest,
  { id, seconds = runSeconds }: { readonly id: string; readonly seconds?: number },
): Promise<Run> {
  const rooms = await contest.open(target, id)
  const run = await measure(target, rooms, () => contest.load(rooms, seconds))
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
  bench.rows.push({
    ...words,
    figures: new Map([...results].map(([k, runs]) => [k, runs.map(of)])),
  })
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
