/**
 * One block under programs in two languages: Python writes and Node reads, and the other way round,
 * at full speed. BLOCKS_SECONDS is how long each pair reads (0.4), BLOCKS_KILLS how often a writer is
 * killed at each size (2), BLOCKS_SEED where random instants begin.
 */
import assert from "node:assert/strict"
import { spawnSync } from "node:child_process"
import { test } from "node:test"
import { blockWorld, codeOf, generationOf } from "./client-blocks-parts.ts"
import { killed, python, worker, writable } from "./client-blocks-programs.ts"
import { numberOf } from "./client-blocks-worker.ts"
import { eventually } from "./harness.ts"
import { seeded } from "./operators-stage.ts"

const seconds = Number(process.env["BLOCKS_SECONDS"] ?? 0.4)
const kills = Number(process.env["BLOCKS_KILLS"] ?? 2)
const seed = Number(process.env["BLOCKS_SEED"] ?? 7)
const look = "import sys; sys.exit(0 if sys.version_info >= (3, 11) else 1)"
const isHere = spawnSync(python, ["-c", look]).status === 0
/** Each program that is begun takes its time on a machine that is busy with other things. */
const options = { skip: isHere ? false : "python3 of 3.11 is missing", timeout: 300_000 }

const pairs = [
  { from: "python", writer: "auto", to: "node", reader: "auto" },
  { from: "node", writer: "auto", to: "python", reader: "auto" },
  { from: "python", writer: "off", to: "node", reader: "auto" },
  { from: "python", writer: "auto", to: "node", reader: "off" },
  { from: "node", writer: "auto", to: "python", reader: "off" },
  { from: "node", writer: "off", to: "python", reader: "auto" },
] as const

test(
  "PL98 PL120 what Python writes is whole for Node and the other way round, at full speed",
  options,
  async (t) => {
    const { app, address } = await blockWorld(t)
    const maker = await app("maker")
    for (const [index, { from, writer, to, reader }] of pairs.entries()) {
      for (const bytes of [64, 4_096, 1_048_576]) {
        for (const slots of [2, 4, 8]) {
          const isMapped = writer === reader
          // In the suite every pair at one size; all of them with more time.
          const isShort = seconds < 1 && (slots !== 4 || bytes !== (isMapped ? 1_048_576 : 4_096))
          if (isShort) continue
          const id = `b${bytes}-${slots}-${index}`
          const made = await maker.pool("default").block.create(id, bytes, { slots })
          await made.detach()
          const job = { address, block: id, bytes } as const
          const writing = await worker(t, from, { ...job, role: "write", app: "w", map: writer })
          const reading = await worker(t, to, { ...job, role: "read", app: "r", map: reader })
          const until = performance.now() + seconds * 1_000
          // The first thing it says may be of before the first write.
          const isEnough = () => performance.now() > until && lastOf(reading.said).whole > 0
          await eventually(isEnough)
          const seen = lastOf(reading.said)
          await Promise.all([killed(writing.child), killed(reading.child)])
          assert.partialDeepStrictEqual(seen, { torn: 0, back: 0 }, `${id} ${from} to ${to}`)
          if (seconds >= 1) t.diagnostic(`${id} ${from} to ${to}: ${JSON.stringify(seen)}`)
        }
      }
    }
  },
)

test("PL98 a reader in Python that looks at no number sees torn contents", options, async (t) => {
  const { app, address } = await blockWorld(t)
  const maker = await app("maker")
  const bytes = 1_048_576
  const made = await maker.pool("default").block.create("b", bytes, { slots: 2 })
  await made.detach()
  const job = { address, block: "b", bytes } as const
  const writing = await worker(t, "node", { ...job, role: "write", app: "w" })
  const reading = await worker(t, "python", { ...job, role: "careless", app: "r" })
  await eventually(() => lastOf(reading.said).torn > 0)
  await Promise.all([killed(writing.child), killed(reading.child)])
})

test(
  "PL100 a writer in Python that is killed at any instant leaves the block readable, and Node writes",
  options,
  async (t) => {
    t.diagnostic(`seed ${seed}`)
    const random = seeded(seed)
    const { app, address } = await blockWorld(t)
    const ada = await app("ada")
    for (const writers of ["one", "many"] as const) {
      for (const bytes of [64, 1_048_576]) {
        if (writers === "many" && bytes > 64 && seconds < 1) continue
        const id = `${writers}-${bytes}`
        const made = await ada.pool("default").block.create(id, bytes, { writers, mode: "read" })
        let newest = 0
        for (let kill = 0; kill < kills; kill++) {
          const job = { address, block: id, bytes, role: "write", app: "w" } as const
          const { child } = await worker(t, "python", job)
          const [drawn = 0] = random(1)
          const instant = performance.now() + drawn / 8
          const before = newest
          await eventually(() => performance.now() > instant)
          while ((await generationOf(made)) <= before);
          await killed(child)
          const found = await made.read()
          assert.ok(numberOf(found.data) !== undefined, `${id} is torn`)
          assert.ok(found.generation >= newest)
          const eve = await app("eve", { instances: true })
          const block = await writable(eve, id)
          const wrote = await block.write(found.data)
          assert.ok(wrote.generation > found.generation)
          assert.deepEqual((await made.read()).data, found.data)
          newest = wrote.generation
          await eve.close({ withinMs: 0 })
        }
        await made.detach()
      }
    }
  },
)

test("PL101 a writer in Python keeps a writer in Node out", options, async (t) => {
  const { app, address } = await blockWorld(t)
  const ada = await app("ada")
  const made = await ada.pool("default").block.create("b", 64, { mode: "read" })
  const job = { address, block: "b", bytes: 64, role: "write", app: "w" } as const
  const { child } = await worker(t, "python", job)
  while ((await generationOf(made)) === 0);
  const bob = await app("bob")
  const refused = bob.pool("default").block.attach("b", { mode: "write" })
  assert.equal(await codeOf(refused), "WRITER_EXISTS")
  await killed(child)
})

function lastOf(said: readonly string[]): { whole: number; torn: number; back: number } {
  const last = said.at(-1) ?? ""
  return last.startsWith("{") ? JSON.parse(last) : { whole: 0, torn: 0, back: 0 }
}
