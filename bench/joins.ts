/**
 * B8: the way in to a document, for one and for many at once, and when it has a long past.
 */
import { documentsProtocol } from "../src/wire/documents-shapes.ts"
import { type Bench, withTarget } from "./contest.ts"
import { Room } from "./editors.ts"
import { rowOf } from "./figures.ts"
import { pipelined } from "./loads.ts"
import { addressOf, LoadSocket } from "./socket.ts"
import type { Target } from "./target.ts"

const line = "a line of thirty-two characters\n"

/** The way in to a text as long as that of a recorded session, and to one with a long past. */
export async function benchJoins(bench: Bench): Promise<void> {
  const recorded = [...bench.traces.values()].find(({ endContent }) => endContent.length > 50_000)
  const text = recorded?.endContent ?? line.repeat(2_038) // as long as that of rustcode
  await withTarget("quartet", bench, async (target) => {
    const room = await Room.open(target, { id: "joined", editors: 1, text })
    const name = `B8 join of ${Math.round(text.length / 1_000)} KB`
    await benchOne(bench, target, { room, text, name })
    const crowds: number[] = []
    for (let run = 0; run < bench.runs; run += 1) {
      crowds.push((await joinTogether(target, { id: "joined", count: 500, rounds: 1 })).ms)
    }
    bench.rows.push(rowOf(`${name}, 500 at once`, "ms", crowds, "<= 2,000"))
    await room.close()
  })
  await withTarget("quartet", bench, (target) => benchPast(bench, target))
}

// A text that is as long as it was at first, a quarter of a million edits later.
async function benchPast(bench: Bench, target: Target): Promise<void> {
  const edits = 260_000
  const text = line.repeat(100_000 / line.length)
  const room = await Room.open(target, { id: "joined", editors: 1, text, mirrors: 0 })
  const [inFlight, place] = [128, text.length / 2]
  while (room.revision < edits) await pipelined(room, { seconds: 0.5, inFlight, place })
  const past = `${Math.floor(room.revision / 1_000)},000 edits`
  const name = `B8 join of ${Math.round(text.length / 1_000)} KB after ${past}`
  await benchOne(bench, target, { room, text, name })
  await room.close()
}

async function benchOne(
  bench: Bench,
  target: Target,
  { room, text, name }: { readonly room: Room; readonly text: string; readonly name: string },
): Promise<void> {
  const figures = { bytes: [] as number[], ms: [] as number[], cpuMs: [] as number[] }
  for (let round = 0; round <= bench.runs; round += 1) {
    const one = await joinTogether(target, { id: room.options.id, count: 1, rounds: 50 })
    if (round === 0) continue
    figures.bytes.push(one.bytes / Buffer.byteLength(text))
    figures.ms.push(one.ms)
    figures.cpuMs.push(one.cpuMs)
  }
  bench.rows.push(rowOf(name, "bytes / bytes of text", figures.bytes, "<= 1.1"))
  bench.rows.push(rowOf(name, "ms to the text", figures.ms, "<= 50"))
  bench.rows.push(rowOf(name, "ms CPU", figures.cpuMs, "<= 5"))
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
