/**
 * The store's thread: runs SQL that takes long, checkpoints and copies, beside the event loop.
 *
 * A message is a list of statements; they run in order on a connection of their own, which is
 * closed afterwards, so that between two jobs nothing is held. The answer is the row that the last
 * one gave, or what failed. Keeps no state but `jobs`, shared with the loop, which counts
 * those that are not done and lets a store that closes wait for them.
 */
import { DatabaseSync } from "node:sqlite"
import { parentPort, workerData } from "node:worker_threads"

/** What the thread is started with. */
export interface WorkerData {
  readonly path: string
  /** One number: jobs that were given and are not done. */
  readonly jobs: Int32Array<SharedArrayBuffer>
}

/** What comes of a job. */
export type JobResult =
  | { readonly row: Readonly<Record<string, unknown>> | undefined }
  | { readonly problem: string }

/** Ms that a statement waits for the writer of the main connection. */
const busyMs = 1_000

const { path, jobs } = workerData as WorkerData // given by store-disk, the only one that starts us

function run(statements: readonly string[]): JobResult {
  let connection: DatabaseSync | undefined
  try {
    connection = new DatabaseSync(path, { timeout: busyMs })
    let row: Readonly<Record<string, unknown>> | undefined
    for (const sql of statements) row = connection.prepare(sql).get()
    // A row of SQLite has no prototype; structured cloning wants a plain one.
    return { row: row && { ...row } }
  } catch (thrown) {
    return { problem: thrown instanceof Error ? thrown.message : String(thrown) }
  } finally {
    connection?.close()
  }
}

parentPort?.on("message", (statements: readonly string[]) => {
  parentPort?.postMessage(run(statements))
  Atomics.sub(jobs, 0, 1)
  Atomics.notify(jobs, 0)
})
