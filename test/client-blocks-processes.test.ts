/**
 * Blocks under programs of their own: read while written at full speed, killed and stopped at any
 * instant. BLOCKS_SECONDS is how long each pair reads (0.4), BLOCKS_KILLS how often a writer is
 * killed at each size (6), BLOCKS_SEED where random instants begin.
 */
import assert from "node:assert/strict"
import { once } from "node:events"
import { readFileSync } from "node:fs"
import { join } from "node:path"
import { test } from "node:test"
import { at, headerOf, inRecord, MemoryArea, recordBytes, strideOf } from "../src/wire/layout.ts"
import { blockWorld, generationOf } from "./client-blocks-parts.ts"
import { killed, worker, writable } from "./client-blocks-programs.ts"
import { fill, numberOf } from "./client-blocks-worker.ts"
import { eventually } from "./harness.ts"
import { seeded } from "./operators-stage.ts"

const seconds = Number(process.env["BLOCKS_SECONDS"] ?? 0.4)
const kills = Number(process.env["BLOCKS_KILLS"] ?? 6)
const seed = Number(process.env["BLOCKS_SEED"] ?? 7)
const sizes = [64, 4_096, 1_048_576]

const pairs = [
  { writer: "auto", reader: "auto" },
  { writer: "auto", reader: "off" },
  { writer: "off", reader: "auto" },
] as const

test("PL98 PL120 readers of every kind see whole contents that never go back, at full speed", async (t) => {
  const { app, address } = await blockWorld(t)
  const maker = await app("maker")
  for (const bytes of sizes) {
    for (const slots of [2, 4, 8]) {
      for (const { writer, reader } of pairs) {
        // In the suite each size and pair once; with more time all together.
        const isShort = seconds < 1 && (slots !== 4 || (bytes === 4_096) === (writer === reader))
        if (isShort) continue
        const id = `b${bytes}-${slots}-${writer}-${reader}`
        const made = await maker.pool("default").block.create(id, bytes, { slots })
        await made.detach()
        const job = { address, block: id, bytes } as const
        const from = await worker(t, "node", { ...job, role: "write", app: "writer", map: writer })
        const to = await worker(t, "node", { ...job, role: "read", app: "reader", map: reader })
        const until = performance.now() + seconds * 1_000
        await eventually(() => performance.now() > until && to.said.length > 1)
        const seen: unknown = JSON.parse(to.said.at(-1) ?? "")
        await Promise.all([killed(from.child), killed(to.child)])
        assert.partialDeepStrictEqual(seen, { torn: 0, back: 0 }, id)
        if (seconds >= 1) t.diagnostic(`${id}: ${JSON.stringify(seen)}`)
      }
    }
  }
})

test("PL98 the same reading without its checks sees torn contents", async (t) => {
  const { app, address, blocksDir } = await blockWorld(t)
  const maker = await app("maker")
  const bytes = 1_048_576
  const made = await maker.pool("default").block.create("b", bytes, { slots: 2 })
  const { uuid } = made
  await made.detach()
  const { child } = await worker(t, "node", {
    role: "write",
    address,
    app: "writer",
    block: "b",
    bytes,
  })
  const [dir] = (await filesOf(blocksDir)).filter((name) => name.includes(uuid))
  assert.ok(dir !== undefined)
  let torn = 0
  // Read as it lies there, a piece after the other, looked at once in front and never behind.
  await eventually(() => {
    const file = new Uint8Array(readFileSync(dir))
    const header = headerOf(file.subarray(0, 64), file.length)
    if (typeof header === "string") throw new Error(header)
    const area = new MemoryArea(file.buffer)
    for (let slot = 0; slot < header.slots; slot++) {
      const record = at.records + recordBytes * slot
      if (area.load(record + inRecord.length) !== bytes) continue
      const start = at.data + slot * strideOf(header.capacity)
      if (numberOf(area.view(start, bytes)) === undefined) torn += 1
    }
    return torn > 0
  })
  await killed(child)
})

test("PL100 a writer that is killed at any instant leaves the block readable, and the next one writes", async (t) => {
  t.diagnostic(`seed ${seed}`)
  const random = seeded(seed)
  const { app, address } = await blockWorld(t)
  const ada = await app("ada")
  for (const writers of ["one", "many"] as const) {
    for (const bytes of [64, 1_048_576]) {
      const id = `${writers}-${bytes}`
      const made = await ada.pool("default").block.create(id, bytes, { writers })
      const first = await made.write(fill(new Uint8Array(bytes), 1))
      await made.detach()
      let newest = first.generation
      const reader = await ada.pool("default").block.attach(id)
      for (let round = 0; round < kills; round++) {
        const job = { role: "write", address, app: "writer", block: id, bytes } as const
        const { child } = await worker(t, "node", job)
        const [drawn = 0] = random(1)
        const until = performance.now() + drawn / 16
        await eventually(() => performance.now() > until)
        await killed(child)
        const left = await reader.read()
        assert.ok(numberOf(left.data) !== undefined, `${id} is torn in round ${round}`)
        assert.ok(left.generation >= newest, `${id} went back in round ${round}`)
        const bob = await app("bob")
        const next = await writable(bob, id)
        newest = (await next.write(fill(new Uint8Array(bytes), 5))).generation
        assert.ok(newest > left.generation)
        assert.equal(numberOf((await reader.read()).data), 5)
        await bob.close({ withinMs: 0 })
      }
    }
  }
})

test("PL102 a writer that was stopped and overruled writes nowhere when it goes on", async (t) => {
  const { app, address } = await blockWorld(t)
  const ada = await app("ada")
  const bytes = 1_048_576
  const made = await ada.pool("default").block.create("b", bytes)
  await made.detach()
  const { child } = await worker(t, "node", {
    ...{ role: "write", address, app: "zombie", block: "b", bytes },
  })
  const reader = await ada.pool("default").block.attach("b")
  while ((await generationOf(reader)) <= 3);
  const system = await app("system")
  child.kill("SIGSTOP")
  // Its connection is cut, while its process is still there: it may be in the middle of a copy.
  await system.admin("disconnect_app", { target: "zombie" })
  const next = await writable(ada, "b")
  const own = await next.write(fill(new Uint8Array(bytes), 99))
  const closed = once(child, "close")
  child.kill("SIGCONT")
  // It learns that the block is another's, which is the end of its program.
  const [code] = await closed
  assert.notEqual(code, 0)
  const after = await reader.read()
  assert.deepEqual([numberOf(after.data), after.generation], [99, own.generation])
})

async function filesOf(dir: string): Promise<readonly string[]> {
  const { readdir } = await import("node:fs/promises")
  return (await readdir(dir, { recursive: true })).map((name) => join(dir, name))
}
