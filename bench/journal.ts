/**
 * What the journal costs while it is written (B10), how fast it is read after a stop that was none,
 * and how fast texts are saved at a stop in order (B11). On real files.
 */
import { randomBytes } from "node:crypto"
import { cpSync, mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { openShelf } from "../src/documents/shelf-sqlite.ts"
import { openStore } from "../src/store.ts"
import { type Bench, once, perEdit } from "./contest.ts"
import { everywhere } from "./crowd.ts"
import { rowOf } from "./figures.ts"
import { openLoop, openRooms, type Run } from "./loads.ts"
import { Target } from "./target.ts"

/** B10: a hundred documents of three editors, 5,000 edits a second, on a file and in memory. */
export async function benchJournal(bench: Bench): Promise<void> {
  const file = await Target.start("quartet", { settings: { BENCH_JOURNAL: "timed" } })
  const memory = await Target.start("quartet", { settings: { SQLITE_URI: ":memory:" } })
  const runs = { file: [] as Run[], memory: [] as Run[] }
  try {
    for (let run = 0; run <= bench.runs; run += 1) {
      const onFile = await once(file, everywhere(5_000), { id: `run-${run}`, seconds: 3 })
      const inMemory = await once(memory, everywhere(5_000), { id: `run-${run}`, seconds: 3 })
      if (run === 0) continue
      runs.file.push(onFile)
      runs.memory.push(inMemory)
    }
  } finally {
    await Promise.all([file.stop(), memory.stop()])
  }
  const name = "B10 the journal, B5 at 5,000 edits/s"
  const row = (unit: string, aim: string, of: (run: Run) => number) => {
    bench.rows.push(rowOf(name, unit, runs.file.map(of), aim))
  }
  row("edits/commit", "", ({ edits, commits }) => edits / commits)
  row("µs CPU/commit, on the loop", "<= 40", ({ commits, commitMs }) => (commitMs * 1e3) / commits)
  row("% of the server's CPU", "<= 15", ({ commitMs, cpuMs }) => (commitMs / cpuMs) * 100)
  const [onFile, inMemory] = [runs.file.map(perEdit), runs.memory.map(perEdit)]
  bench.rows.push(rowOf(name, "µs CPU/edit, all threads", onFile))
  bench.rows.push(rowOf(name, "µs CPU/edit, all threads, :memory:", inMemory))
}

/** B11: what a killed server left behind is read again, and a thousand texts are saved at once. */
export async function benchRestart(bench: Bench): Promise<void> {
  await benchRecovery(bench)
  const flushes: number[] = []
  for (let run = 0; run < bench.runs; run += 1) flushes.push(await flush(1_000, 10_240))
  bench.rows.push(rowOf("B11 1,000 documents of 10 KB saved at SIGTERM", "ms", flushes, "<= 500"))
}

async function benchRecovery(bench: Bench): Promise<void> {
  const left = mkdtempSync(join(tmpdir(), "quartet-bench-left-"))
  const figures = { edits: [] as number[], perSecond: [] as number[], startMs: [] as number[] }
  try {
    await leaveUnclean(left)
    for (let run = 0; run < bench.runs; run += 1) {
      await withCopy(left, (directory) => {
        const start = performance.now()
        const store = openStore({ uri: join(directory, "quartet.db") })
        const random = (length: number) => randomBytes(length)
        const { recovery } = openShelf(store, { random, playbackBytes: 1_024 * 1_024 })
        const seconds = (performance.now() - start) / 1_000
        store.close()
        figures.edits.push(recovery.edits)
        figures.perSecond.push(recovery.edits / seconds)
      })
      await withCopy(left, async (directory) => {
        const start = performance.now()
        const target = await Target.start("quartet", { directory })
        figures.startMs.push(performance.now() - start)
        await target.stop()
      })
    }
  } finally {
    rmSync(left, { recursive: true, force: true })
  }
  const name = "B11 recovery after kill -9"
  bench.rows.push(rowOf(name, "journal entries", figures.edits))
  // A server that starts has compiled nothing of it yet.
  const [cold = 0, ...warm] = figures.perSecond
  bench.rows.push(rowOf(name, "entries/s, the first time in a process", [cold], ">= 200,000"))
  bench.rows.push(rowOf(name, "entries/s, again in it", warm))
  bench.rows.push(rowOf(name, "ms from start to listening", figures.startMs))
}

// Ten seconds of many editors, and then the end: nothing of it is saved but in the journal.
async function leaveUnclean(directory: string): Promise<void> {
  const target = await Target.start("quartet", { directory })
  const rooms = await openRooms(target, 100, { id: "left", editors: 3, text: "hello" })
  await openLoop(rooms, { seconds: 10, perSecond: 10_000 / 300 })
  for (const { editors } of rooms) {
    for (const { socket } of editors) socket.onClosed = () => {}
  }
  await target.kill()
}

async function withCopy(
  left: string,
  use: (directory: string) => void | Promise<void>,
): Promise<void> {
  const directory = mkdtempSync(join(tmpdir(), "quartet-bench-copy-"))
  try {
    cpSync(left, directory, { recursive: true })
    await use(directory)
  } finally {
    rmSync(directory, { recursive: true, force: true })
  }
}

// Ms from the signal's arrival to the last text's saving, as the server's log has it.
async function flush(documents: number, length: number): Promise<number> {
  const target = await Target.start("quartet")
  const text = "0123456789abcde\n".repeat(length / 16)
  await openRooms(target, documents, { id: "flushed", editors: 1, text })
  await target.stop()
  const [told, done] = ["stopping", "documents flushed"].map((wanted) =>
    target.log.find(({ event }) => event === wanted),
  )
  if (done?.flushed !== documents) throw new Error(`${done?.flushed} documents were flushed`)
  return Date.parse(done.time ?? "") - Date.parse(told?.time ?? "")
}
