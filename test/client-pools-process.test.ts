/** Apps and servers as processes of their own, which are killed. */
import assert from "node:assert/strict"
import { type ChildProcess, spawn } from "node:child_process"
import { once } from "node:events"
import { join } from "node:path"
import { createInterface } from "node:readline"
import { type TestContext, test } from "node:test"
import type { App, PoolsError } from "../src/client/pools.ts"
import { connect } from "../src/client/tcp.ts"
import { eventually, launch, startServer, temporaryDirectory } from "./harness.ts"

const sdk = join(import.meta.dirname, "../src/client/tcp.ts")

/** A process that handles `work` and says each payload that it begins with. It never answers. */
async function worker(t: TestContext, address: string, app: string) {
  const program = `
    import { connect } from ${JSON.stringify(sdk)}
    const app = await connect(${JSON.stringify(address)}).pools({ app: ${JSON.stringify(app)} })
    await app.handle("work", (input) => new Promise(() => console.log("begun", input)))
    console.log("ready")`
  const child: ChildProcess = spawn(process.execPath, ["--input-type=module", "-e", program], {
    stdio: ["ignore", "pipe", "inherit"],
  })
  t.after(() => child.kill("SIGKILL"))
  const said: string[] = []
  if (child.stdout === null) throw new Error("never: it has a pipe")
  createInterface({ input: child.stdout }).on("line", (line) => said.push(line))
  await eventually(() => said.includes("ready"))
  return { child, said }
}

async function failing(promise: Promise<unknown>): Promise<PoolsError> {
  return promise.then(
    () => assert.fail("it was answered"),
    (thrown: PoolsError) => thrown,
  )
}

test("PL45 PL63 a handler's process that is killed fails its calls, but for those that may run twice", async (t) => {
  const { pools } = await startServer(t, { poolsPort: 0 })
  const address = `tcp://${pools[0]}`
  const { child, said } = await worker(t, address, "worker")
  const ada = await connect(address).pools({ app: "ada" })
  t.after(() => ada.close({ withinMs: 0 }))
  const once1 = failing(ada.call("work", "once", { ttlMs: 600_000 }))
  const twice = ada.call("work", "twice", { ttlMs: 600_000, idempotencyKey: "k" })
  await eventually(() => said.length === 3)
  const attempts: number[] = []
  const bob = await connect(address).pools({ app: "bob" })
  t.after(() => bob.close({ withinMs: 0 }))
  await bob.handle("work", (input, { attempt }) => {
    attempts.push(attempt)
    return `${input} by bob`
  })
  child.kill("SIGKILL")
  const lost = await once1
  assert.deepEqual([lost.code, lost.retry, lost.executionUncertain], ["HANDLER_LOST", "idem", true])
  assert.equal(await twice, "twice by bob")
  assert.deepEqual(attempts, [2])
})

test("PL136 PL141 a server that is killed and comes again finds its apps back, and their pools", async (t) => {
  const DATA_DIR = temporaryDirectory(t)
  const POOLS_SOCKET = join(DATA_DIR, "pools.sock")
  const place = `unix:${POOLS_SOCKET}`
  const first = await launch(t, { DATA_DIR, POOLS_SOCKET })
  const { child } = await worker(t, place, "worker")
  const apps: App[] = []
  for (const app of ["ada", "bob"]) apps.push(await connect(place).pools({ app }))
  const [ada, bob] = apps
  if (ada === undefined || bob === undefined) throw new Error("never: both are connected")
  t.after(() => Promise.all(apps.map((app) => app.close({ withinMs: 0 }))))
  await ada.pool("vip").create({ rights: { read: ["*"], execute: ["*"], handle: ["*"] } })
  await ada.pool("vip").join()
  await bob.pool("vip").join()
  let runs = 0
  await bob.handle("add", ({ x, y }: { x: number; y: number }) => x + y, { pool: "vip" })
  await bob.handle("wait", () => new Promise(() => (runs += 1)), { pool: "vip" })
  const open = failing(ada.call("wait", null, { pool: "vip", ttlMs: 600_000 }))
  await eventually(() => runs === 1)
  await first.end("SIGKILL")
  const lost = await open
  assert.deepEqual([lost.code, lost.executionUncertain], ["CONNECTION_LOST", true])
  await launch(t, { DATA_DIR, POOLS_SOCKET })
  const call = { pool: "vip", ttlMs: 600_000, waitMs: 600_000 } as const
  assert.equal(await ada.call("add", { x: 1, y: 2 }, call), 3)
  // The other process has come back as well.
  await eventually(() => ada.state === "ready")
  const stopping = new AbortController()
  const { signal } = stopping
  const working = failing(ada.call("work", "x", { signal, waitMs: 600_000, ttlMs: 600_000 }))
  for (;;) {
    const { chosen } = await ada.explain("work")
    if (chosen === "worker") break
  }
  stopping.abort()
  assert.equal((await working).code, "CANCELLED")
  child.kill("SIGKILL")
  await once(child, "exit")
})
