/**
 * What the size of things costs: long texts, idle documents, kept operations, open connections.
 */
import { setTimeout as sleep } from "node:timers/promises"
import { type Bench, type Contest, once, perEdit, withTarget } from "./contest.ts"
import { Room } from "./editors.ts"
import { median, rowOf } from "./figures.ts"
import { openRooms, pipelined } from "./loads.ts"
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
        const contest: Contest = {
          open: async (_, id) => [await Room.open(target, { id, editors: 1, text })],
          load: async ([room], seconds) =>
            room === undefined ? 0 : pipelined(room, { seconds, inFlight: 128, place }),
        }
        const cost = perEdit(await once(target, contest, { id: `cliff-${run}-${index}` }))
        if (run > 0) costs.push(cost)
      }
    }
  })
  const least = median(cases[0]?.costs ?? [])
  for (const { name, costs } of cases) {
    bench.rows.push(rowOf(`cliff, text of ${name}`, "µs CPU/edit", costs))
  }
  for (const { name, costs } of cases.slice(1)) {
    const shares = costs.map((cost) => cost / least)
    bench.rows.push(rowOf(`cliff, text of ${name}`, "x that of 1 Ki", shares, "about 1"))
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
  bench.rows.push(rowOf(name, "bytes, heap", [heap], "<= 4,096"))
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
  bench.rows.push(rowOf(name, "bytes, heap, not saved yet", [unsaved]))
  // Who leaves last has the text saved; the window stays for those who come back.
  const saved = await growing(target, () => leave(rooms))
  const kept = (typed + saved) / count
  bench.rows.push(rowOf(name, "bytes, heap, saved", [kept], "<= 150"))
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
  bench.rows.push(rowOf(name, "bytes, heap", [heap], "<= 30,720"))
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
