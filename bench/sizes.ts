/**
 * What the size of things costs: long texts, idle documents, kept operations, open connections,
 * and the way in for those who join.
 */
import { setTimeout as sleep } from "node:timers/promises"
import { documentsProtocol } from "../src/wire/documents-shapes.ts"
import { type Bench, once, perEdit, withTarget } from "./contest.ts"
import { Room } from "./editors.ts"
import { median } from "./figures.ts"
import { openRooms, pipelined } from "./loads.ts"
import { addressOf, LoadSocket } from "./socket.ts"
import type { Target } from "./target.ts"

const line = "a line of thirty-two characters\n"
const kib = 1024

/** Whether an edit costs the same in a text of any length, wherever it is. */
export async function benchCliff(bench: Bench): Promise<void> {
  const long = 255 * kib // the limit is 256, and an edit may make it longer
  const cases = [
    { name: "1 Ki", length: kib, place: 500 },
    { name: "255 Ki, start", length: long, place: 0 },
    { name: "255 Ki, middle", length: long, place: long / 2 },
    { name: "255 Ki, end", length: long, place: long },
  ].map((each) => ({ ...each, costs: [] as number[] }))
  await withTarget("quartet", bench, async (target) => {
    for (let run = 0; run <= bench.runs; run += 1) {
      for (const [index, { length, place, costs }] of cases.entries()) {
        const text = line.repeat(length / line.length)
        const contest = {
          open: async () => [
            await Room.open(target, { id: `cliff-${run}-${index}`, editors: 1, text }),
          ],
          load: async ([room]: readonly Room[]) =>
            room === undefined ? 0 : pipelined(room, { seconds: 1.2, inFlight: 128, place }),
        }
        const cost = perEdit(await once(target, contest, ""))
        if (run > 0) costs.push(cost)
      }
    }
  })
  const least = median(cases[0]?.costs ?? [])
  for (const { name, costs } of cases) {
    bench.rows.push({ name: `cliff, text of ${name}`, unit: "µs CPU/edit", quartet: costs })
  }
  for (const { name, costs } of cases.slice(1)) {
    const quartet = costs.map((cost) => cost / least)
    bench.rows.push({
      name: `cliff, text of ${name}`,
      unit: "x that of 1 Ki",
      quartet,
      target: "about 1",
    })
  }
}

/** B9: what is kept of documents, operations and connections. */
export async function benchMemory(bench: Bench): Promise<void> {
  await withTarget("quartet", bench, async (target) => {
    // What is made once, whatever comes after it, is made before anything is counted.
    await leave(await openRooms(target, 300, { id: "first", editors: 1, text: line }))
    await countIdle(bench, target)
    await countOperations(bench, target)
    await countConnections(bench, target)
  })
}

async function countIdle(bench: Bench, target: Target): Promise<void> {
  const [count, text] = [1_000, line.repeat(kib / line.length)]
  const growth = await growing(target, async () => {
    await leave(await openRooms(target, count, { id: "idle", editors: 1, text }))
  })
  const heap = growth / count - text.length
  const name = `B9 memory of an idle document, text not counted`
  bench.rows.push({ name, unit: "bytes, heap", quartet: [heap], target: "<= 4,096" })
}

async function countOperations(bench: Bench, target: Target): Promise<void> {
  // Fewer than the window holds, so that it keeps all of them.
  const [documents, perDocument] = [20, 1_900]
  const rooms = await openRooms(target, documents, { id: "kept", editors: 1, text: line })
  const name = "B9 memory of a kept operation"
  const type = async () => {
    for (const room of rooms) await typeInto(room, perDocument)
  }
  const count = documents * perDocument
  const typed = await growing(target, type)
  const unsaved = typed / count
  bench.rows.push({ name, unit: "bytes, heap, not saved yet", quartet: [unsaved] })
  // Who leaves last has the text saved; the window stays for those who come back.
  const saved = await growing(target, () => leave(rooms))
  const kept = (typed + saved) / count
  bench.rows.push({ name, unit: "bytes, heap, saved", quartet: [kept], target: "<= 150" })
}

async function countConnections(bench: Bench, target: Target): Promise<void> {
  const count = 500
  const room = await Room.open(target, { id: "visited", editors: 1, text: line })
  let more: Room | undefined
  const growth = await growing(target, async () => {
    more = await Room.open(target, { id: "crowded", editors: count, text: line })
  })
  const name = "B9 memory of an extended connection"
  const heap = growth / count
  bench.rows.push({ name, unit: "bytes, heap", quartet: [heap], target: "<= 30,720" })
  await leave(more === undefined ? [room] : [room, more])
}

// The bytes that `work` leaves behind in the server, garbage not counted.
async function growing(target: Target, work: () => Promise<void>): Promise<number> {
  const before = await target.ask("collect")
  await work()
  // Sockets that were closed, and what waits for them, are gone a few ticks later.
  await sleep(1_500)
  const after = await target.ask("collect")
  return after.heapBytes - before.heapBytes
}

async function typeInto(room: Room, count: number): Promise<void> {
  const [writer] = room.editors
  if (writer === undefined) return
  const { revision } = room
  const length = room.lengthAt(revision)
  // One character behind the other.
  const messages = Array.from({ length: count }, (_, index) => {
    const at = { revision: revision + index, length: length + index }
    return writer.edit({ place: index, deleted: 0, inserted: "x", at })
  })
  writer.send(...messages)
  await room.reach(revision + count)
}

async function leave(rooms: readonly Room[]): Promise<void> {
  await Promise.all(rooms.map((room) => room.close()))
}

/** B8: the way in to a long text, one after the other and many at once. */
export async function benchJoins(bench: Bench): Promise<void> {
  const recorded = [...bench.traces.values()].find(({ endContent }) => endContent.length > 50_000)
  const text = recorded?.endContent ?? line.repeat(2_038) // as long as that of rustcode
  await withTarget("quartet", bench, async (target) => {
    const id = "joined"
    const room = await Room.open(target, { id, editors: 1, text })
    const figures = { bytes: [] as number[], ms: [] as number[], cpuMs: [] as number[] }
    for (let round = 0; round <= bench.runs; round += 1) {
      const one = await joinTogether(target, { id: `${id}`, count: 1, rounds: 50 })
      if (round === 0) continue
      figures.bytes.push(one.bytes / Buffer.byteLength(text))
      figures.ms.push(one.ms)
      figures.cpuMs.push(one.cpuMs)
    }
    const name = `B8 join of ${Math.round(text.length / 1_000)} KB`
    bench.rows.push({
      name,
      unit: "bytes / bytes of text",
      quartet: figures.bytes,
      target: "<= 1.1",
    })
    bench.rows.push({ name, unit: "ms to the text", quartet: figures.ms })
    bench.rows.push({ name, unit: "ms CPU", quartet: figures.cpuMs, target: "<= 5" })
    const crowds: number[] = []
    for (let run = 0; run < bench.runs; run += 1) {
      crowds.push((await joinTogether(target, { id, count: 500, rounds: 1 })).ms)
    }
    bench.rows.push({
      name: `${name}, 500 at once`,
      unit: "ms",
      quartet: crowds,
      target: "<= 2,000",
    })
    await room.close()
  })
}

// Joins, and the time, CPU time and bytes of one of `rounds`.
async function joinTogether(
  target: Target,
  { id, count, rounds }: { id: string; count: number; rounds: number },
): Promise<{ readonly ms: number; readonly cpuMs: number; readonly bytes: number }> {
  const before = await target.ask("usage")
  let ms = 0
  let bytes = 0
  for (let round = 0; round < rounds; round += 1) {
    const start = performance.now()
    const all = Array.from({ length: count }, (_, index) => join(target, id, index))
    const sockets = await Promise.all(all)
    ms += performance.now() - start
    bytes += sockets.reduce((sum, socket) => sum + socket.bytes, 0)
    await Promise.all(sockets.map((socket) => socket.close()))
  }
  const after = await target.ask("usage")
  return { ms: ms / rounds, cpuMs: (after.cpuMs - before.cpuMs) / rounds, bytes: bytes / rounds }
}

// Resolves when the Welcome has come.
async function join(target: Target, id: string, index: number): Promise<LoadSocket> {
  let welcomed: () => void = () => {}
  const welcome = new Promise<void>((resolve) => {
    welcomed = resolve
  })
  const letter = '{"W'.charCodeAt(2)
  const socket = await LoadSocket.open(
    {
      port: target.port,
      path: `/api/socket/${id}`,
      protocol: documentsProtocol,
      from: addressOf(id),
    },
    (buffer, start) => {
      if (buffer[start + 2] === letter) welcomed()
    },
  )
  socket.send(JSON.stringify({ Join: { client: String(index + 1_000).padStart(22, "B") } }))
  await welcome
  return socket
}
