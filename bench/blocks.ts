/**
 * The benchmark of blocks and rings: `node bench/blocks.ts [--runs N]`, a table on stdout.
 *
 * What always holds: the same program reads and writes through the SDK, bare mapped memory and Redis,
 * in turns within a round; the first round does not count; figures are of one process that others
 * share the machine with, so ratios of a round hold better than times.
 */
import { type ChildProcess, spawn } from "node:child_process"
import { once } from "node:events"
import { closeSync, openSync, rmSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { parseArgs } from "node:util"
import koffi from "koffi"
import type { Block } from "../src/client/blocks-shapes.ts"
import { Keyring } from "../src/client/keys.ts"
import { connect, nodePrimitives } from "../src/client/tcp.ts"
import type { PeerJob } from "./blocks-peer.ts"
import { median, Rows } from "./figures.ts"
import { begin, give } from "./parts.ts"
import { isThere, startRouter } from "./pools-stand.ts"

const { values } = parseArgs({ options: { runs: { type: "string", default: "3" } } })
const runs = Number(values.runs)
const sizes = [64, 4_096, 1_048_576]
const sampleMs = 200

interface RedisClient {
  connect(): Promise<unknown>
  get(key: string): Promise<unknown>
  set(key: string, value: Buffer): Promise<unknown>
  destroy(): void
}

let rows = new Rows()

function note(name: string, kind: "quartet" | "mapping" | "redis", value: number): void {
  const unit = name.startsWith("ring") ? "records/s" : "µs"
  rows.add({ name, unit, target: aims.get(name) ?? "" }, kind, value)
}

const aims = new Map([
  ["peek 64 B", "<= 0.15; <= 1/200 Redis"],
  ["peek 4 KiB", "<= 0.25; <= 1/200 Redis"],
  ["peek 1 MiB", "<= 60; <= 1/15 Redis"],
  ["peek 64 B, written at full speed", "<= 0.3"],
  ["peek 4 KiB, written at full speed", "<= 0.6"],
  ["peek 1 MiB, written at full speed", "<= 120"],
  ["put 64 B", "<= 0.2; <= 1/200 Redis"],
  ["put 4 KiB", "<= 0.3; <= 1/200 Redis"],
  ["put 1 MiB", "<= 80; <= 1/15 Redis"],
  ["read 4 KiB over the socket", "<= 250; <= 1.43 Redis"],
  ["read 1 MiB over the socket", "<= 2,000; <= 1.43 Redis"],
  ["ring 64 B", ">= 4,000,000"],
  ["ring 64 KiB", ">= 80,000"],
  ["there and back, p50, by socket", "<= 300"],
  ["there and back, p50, by spin", "<= 4"],
  ["write 4 KiB sealed, over the socket", "<= 120"],
  ["read 4 KiB sealed, over the socket", "<= 250"],
])

/** µs of one call, of many in a row. */
function timed(work: () => void): number {
  const until = performance.now() + sampleMs
  const from = performance.now()
  let count = 0
  for (;;) {
    for (let each = 0; each < 32; each++) work()
    count += 32
    const now = performance.now()
    if (now >= until) return ((now - from) * 1_000) / count
  }
}

/** The median of what takes its time, one after the other: others may have the core meanwhile. */
async function timedSlowly(work: () => Promise<unknown>): Promise<number> {
  const until = performance.now() + 5 * sampleMs
  const times: number[] = []
  while (performance.now() < until) {
    const from = performance.now()
    await work()
    times.push((performance.now() - from) * 1_000)
  }
  return median(times)
}

/** Bare mapped memory of the same kind. */
function bareMemory(bytes: number) {
  const path = `/dev/shm/quartet-bench-${process.pid}`
  writeFileSync(path, new Uint8Array(bytes))
  const file = openSync(path, "r+")
  const mmap = koffi.load(null).func("void *mmap(intptr_t, size_t, int, int, int, int64_t)")
  const address: unknown = mmap(0n, bytes, 3, 1, file, 0)
  closeSync(file)
  rmSync(path)
  return koffi.view(address, bytes)
}

const running = new Set<ChildProcess>()
process.once("exit", () => {
  for (const child of running) child.kill("SIGKILL")
})

async function peer(job: PeerJob): Promise<ChildProcess> {
  const child = spawn(
    process.execPath,
    [join(import.meta.dirname, "blocks-peer.ts"), JSON.stringify(job)],
    {
      stdio: ["ignore", "inherit", "inherit", "ipc"],
    },
  )
  running.add(child)
  await once(child, "message")
  return child
}

async function killed(child: ChildProcess): Promise<void> {
  running.delete(child)
  const closed = once(child, "close")
  child.kill("SIGKILL")
  await closed
}

begin()
const quartet = await startRouter("quartet")
const address = `unix:${quartet.place}`
const app = await connect(address).pools({ app: "bench" })
const far = await connect(address).pools({ app: "far", map: "off" })
const { block } = app.pool("default")

async function redisClient(): Promise<RedisClient | undefined> {
  if (!isThere("redis")) return undefined
  const router = await startRouter("redis")
  const { createClient, RESP_TYPES } = await import(
    join(import.meta.dirname, "peers/node_modules/redis/dist/index.js")
  )
  const client = createClient({ socket: { path: router.place } })
  await client.connect()
  // Bytes, as a block gives them.
  return client.withTypeMapping({ [RESP_TYPES.BLOB_STRING]: Buffer })
}

const redis = await redisClient()

async function memoryRows(round: number): Promise<void> {
  for (const bytes of sizes) {
    const size = bytes === 64 ? "64 B" : bytes === 4_096 ? "4 KiB" : "1 MiB"
    const id = `m${bytes}-${round}`
    const own = await block.create(id, bytes)
    if (own.via !== "map") throw new Error("the memory is not mapped here")
    const content = new Uint8Array(bytes).fill(1)
    const into = new Uint8Array(bytes)
    const memory = bareMemory(4_096 + bytes)
    const words = new Int32Array(memory)
    const view = new Uint8Array(memory, 4_096, bytes)
    note(
      `put ${size}`,
      "quartet",
      timed(() => own.put(content)),
    )
    const bareWrite = () => {
      Atomics.store(words, 0, 1)
      view.set(content)
      Atomics.store(words, 0, 2)
    }
    note(`put ${size}`, "mapping", timed(bareWrite))
    note(
      `peek ${size}`,
      "quartet",
      timed(() => void own.peek(into)),
    )
    const bareRead = () => {
      Atomics.load(words, 0)
      into.set(view)
      Atomics.load(words, 0)
    }
    note(`peek ${size}`, "mapping", timed(bareRead))
    const distant = await far.pool("default").block.attach(id)
    note(`read ${size} over the socket`, "quartet", await timedSlowly(() => distant.read()))
    if (redis !== undefined) {
      const buffer = Buffer.from(content)
      const set = await timedSlowly(() => redis.set("k", buffer))
      const get = await timedSlowly(() => redis.get("k"))
      note(`put ${size}`, "redis", set)
      note(`peek ${size}`, "redis", get)
      note(`read ${size} over the socket`, "redis", get)
    }
    await own.detach()
    const writer = await peer({ role: "write", address, id, bytes })
    const reader = await block.attach(id)
    note(
      `peek ${size}, written at full speed`,
      "quartet",
      timed(() => peekOrNot(reader, into)),
    )
    await killed(writer)
    await reader.destroy()
  }
}

function peekOrNot(reader: Block, into: Uint8Array): void {
  try {
    reader.peek(into)
  } catch {
    // Writers were faster 64 times: `read` would ask the server.
  }
}

async function ringRows(round: number): Promise<void> {
  for (const [bytes, size] of [
    [64, "64 B"],
    [65_536, "64 KiB"],
  ] as const) {
    const id = `r${bytes}-${round}`
    const own = await block.ring(id, 4 * 1024 * 1024)
    const sender = await peer({ role: "send", address, id, bytes })
    let from = performance.now()
    let [count, isWarm] = [0, false]
    for await (const _ of own.receive({ spinMs: 1 })) {
      count += 1
      if (performance.now() < from + 5 * sampleMs) continue
      if (isWarm) break
      // The first second compiles.
      isWarm = true
      count = 0
      from = performance.now()
    }
    note(`ring ${size}`, "quartet", count / ((performance.now() - from) / 1_000))
    await killed(sender)
    await own.destroy()
  }
}

async function wakeRows(round: number): Promise<void> {
  for (const role of ["echo", "echo-spin"] as const) {
    const id = `${role}-${round}`
    const own = await block.create(id, 64)
    const back = await block.create(`${id}-back`, 64)
    await back.detach()
    const other = await peer({ role, address, id, bytes: 64 })
    const answers = await block.attach(`${id}-back`)
    const times: number[] = []
    const content = new Uint8Array(64)
    const how = role === "echo" ? "socket" : "spin"
    let heard = () => {}
    if (how === "socket") await answers.subscribe(() => heard())
    for (let each = 0; each < 400; each++) {
      const from = performance.now()
      if (how === "socket") {
        const { promise, resolve } = Promise.withResolvers<void>()
        heard = resolve
        own.put(content)
        await promise
      } else {
        const before = answers.peek()?.generation ?? 0
        own.put(content)
        while ((answers.peek()?.generation ?? 0) === before);
      }
      times.push((performance.now() - from) * 1_000)
    }
    times.sort((a, b) => a - b)
    note(`there and back, p50, by ${how}`, "quartet", times[200] ?? Number.NaN)
    await killed(other)
    await Promise.all([own.destroy(), answers.destroy()])
  }
}

/** Contents that the server cannot read: what sealing and opening cost, and the whole way. */
async function sealedRows(round: number): Promise<void> {
  const primitives = nodePrimitives
  const keyring = await openSealed()
  const uuid = primitives.random(16)
  const content = { type: 3, bytes: primitives.random(4_096) }
  let generation = 0
  let envelope = new Uint8Array()
  const seal = async () => {
    envelope = await keyring.sealBlock({ uuid, generation: ++generation }, content)
  }
  note("seal 4 KiB", "quartet", await timedSlowly(seal))
  const open = () => keyring.openBlock({ uuid }, envelope)
  note("open 4 KiB", "quartet", await timedSlowly(open))
  const sealed = await app.pool("sealed").block.create(`sealed-${round}`, 4_096)
  const write = () => sealed.write(content.bytes)
  note("write 4 KiB sealed, over the socket", "quartet", await timedSlowly(write))
  const read = () => sealed.read()
  note("read 4 KiB sealed, over the socket", "quartet", await timedSlowly(read))
  await sealed.destroy()
}

/** The keys of the pool of sealed blocks, which is made once. */
async function openSealed(): Promise<Keyring> {
  if (ring === undefined) {
    const made = await Keyring.create({ primitives: nodePrimitives })
    ring = await Keyring.from(made.keys, { primitives: nodePrimitives })
    await ring.take(made.record)
    await ring.addCertificate(await ring.certify())
    await app.pool("sealed").create({ encrypted: made })
    await app.pool("sealed").join(ring)
  }
  return ring
}

let ring: Keyring | undefined
for (let round = 0; round <= runs; round++) {
  await memoryRows(round)
  await ringRows(round)
  await wakeRows(round)
  await sealedRows(round)
  // The first round does not count.
  if (round === 0) rows = new Rows()
}
await give(rows.all)
redis?.destroy()
await Promise.all([app.close({ withinMs: 0 }), far.close({ withinMs: 0 })])
await quartet.stop()
process.exit(0)
