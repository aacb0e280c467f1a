/** Programs of their own with one block, in two languages, for tests: begun, read from and killed. */
import assert from "node:assert/strict"
import { type ChildProcess, spawn } from "node:child_process"
import { once } from "node:events"
import { join } from "node:path"
import { createInterface } from "node:readline"
import type { TestContext } from "node:test"
import type { App } from "../src/client/pools.ts"
import type { Job } from "./client-blocks-worker.ts"
import { eventually } from "./harness.ts"
import { findPython } from "./needs.ts"

/** What a worker is to do; only those in Python can be careless. */
export type Wanted = Omit<Job, "role"> & { readonly role: Job["role"] | "careless" }

export interface Program {
  readonly child: ChildProcess
  /** Line by line. */
  readonly said: readonly string[]
}

const folder = join(import.meta.dirname, "../python")

export const python = findPython() ?? "python3"

/** Begins a worker, and gives it once it has begun its work. */
export async function worker(
  t: TestContext,
  language: "node" | "python",
  job: Wanted,
): Promise<Program> {
  const own = join(import.meta.dirname, "client-blocks-worker.ts")
  const words = language === "node" ? [own] : ["-m", "tests.blocks_worker"]
  const program = language === "node" ? process.execPath : python
  const child: ChildProcess = spawn(program, [...words, JSON.stringify(job)], {
    ...{ cwd: folder, stdio: ["ignore", "pipe", "inherit"] },
    env: { ...process.env, PYTHONDONTWRITEBYTECODE: "1" },
  })
  t.after(() => child.kill("SIGKILL"))
  const said: string[] = []
  if (child.stdout === null) throw new Error("never: it has a pipe")
  createInterface({ input: child.stdout }).on("line", (line) => said.push(line))
  await eventually(() => said.includes("begun"))
  return { child, said }
}

export async function killed(child: ChildProcess): Promise<void> {
  const closed = once(child, "close")
  child.kill("SIGKILL")
  await closed
}

/** An app that may be refused while the server finds out whether the last writer lives. */
export async function writable(app: App, id: string) {
  for (;;) {
    try {
      return await app.pool("default").block.attach(id, { mode: "write" })
    } catch (thrown) {
      assert.equal((thrown as { code?: unknown }).code, "WRITER_EXISTS")
    }
  }
}
