/**
 * Moments of the relay: `node bench/relay-storms.ts [--only joins|reconnect|cursors]`. A thousand
 * newcomers in a second to a room of 500 KB, five thousand sockets cut at once, and fifty people who
 * move their cursors.
 *
 * What always holds: replicas are sockets that speak as y-websocket or as a Hocuspocus provider
 * does; whoever is asked for content answers at once, and a newcomer is synced when it has it all.
 */
import { setTimeout as sleep } from "node:timers/promises"
import { parseArgs } from "node:util"
import * as decoding from "lib0/decoding"
import * as encoding from "lib0/encoding"
import * as Y from "yjs"
import { Rows } from "./figures.ts"
import { begin, give } from "./parts.ts"
import { hasPeers } from "./present.ts"
import { pinLoad } from "./processes.ts"
import { openSome, unlimited } from "./relay-load.ts"
import { hocuspocusSpeech, RoomLoad, type Speech, yjsSpeech } from "./relay-rooms.ts"
import { LoadSocket } from "./socket.ts"
import { type RelayKind, Target } from "./target.ts"

const settings = { RELAY_LIMITS: JSON.stringify(unlimited) }
const lateMs = 60_000

/** A replica with the content `doc`; `heard` gets what lies behind the name of the room. */
async function join(
  port: number,
  { room, speech = yjsSpeech, doc, heard }: Joining,
): Promise<LoadSocket> {
  const prefix = Buffer.from(speech.prefix(room))
  const path = speech.path(room)
  const opened: Promise<LoadSocket> = LoadSocket.open({ port, path }, (buffer, start, end) => {
    const message = buffer.subarray(start + prefix.length, end)
    if (message[0] === 0 && message[1] === 0) {
      const vector = decoding.readVarUint8Array(decoding.createDecoder(message.subarray(2)))
      const answer = framed([0, 1], Y.encodeStateAsUpdate(doc, vector))
      void opened.then((socket) => socket.sendBytes(Buffer.concat([prefix, answer])))
    }
    heard(message)
  })
  const socket = await opened
  if (speech.hello !== undefined) socket.sendBytes(Buffer.concat([prefix, speech.hello]))
  const question = framed([0, 0], Y.encodeStateVector(doc))
  socket.sendBytes(Buffer.concat([prefix, question]))
  return socket
}

interface Joining {
  readonly room: string
  readonly speech?: Speech
  readonly doc: Y.Doc
  readonly heard: (message: Uint8Array) => void
}

function framed(kinds: readonly number[], body: Uint8Array): Uint8Array {
  const encoder = encoding.createEncoder()
  for (const kind of kinds) encoding.writeVarUint(encoder, kind)
  encoding.writeVarUint8Array(encoder, body)
  return encoding.toUint8Array(encoder)
}

async function until(isDone: () => boolean): Promise<void> {
  const since = performance.now()
  while (!isDone()) {
    if (performance.now() - since > lateMs) throw new Error("it took more than a minute")
    await sleep(5)
  }
}

/** 500 KB in pieces, as it might have been typed. */
function longDoc(): Y.Doc {
  const doc = new Y.Doc()
  const text = doc.getText("text")
  for (let at = 0; at < 500; at += 1) text.insert(text.length, "a line of text\n".repeat(67))
  return doc
}

async function benchJoins(rows: Rows): Promise<void> {
  const newcomers = 1_000
  const target = await Target.start("quartet", { settings })
  const doc = longDoc()
  const whole = Y.encodeStateAsUpdate(doc)
  let asked = 0
  const holders = await Promise.all(
    Array.from({ length: 3 }, () =>
      join(target.port, {
        ...{ room: "long", doc },
        heard: (message) => {
          if (message[0] === 0 && message[1] === 0) asked += 1
        },
      }),
    ),
  )
  holders[0]?.sendBytes(framed([0, 2], whole))
  await sleep(1_000)
  asked = 0
  let synced = 0
  const before = await target.ask("restart")
  const began = performance.now()
  const empty = new Y.Doc()
  const joining: Promise<LoadSocket>[] = []
  for (let at = 0; at < newcomers; at += 1) {
    await sleep(Math.max(0, began + at - performance.now()))
    const heard = (message: Uint8Array) => {
      if (message[0] === 0 && message[1] === 1 && message.length > whole.length / 2) synced += 1
    }
    joining.push(join(target.port, { room: "long", doc: empty, heard }))
  }
  await until(() => synced >= newcomers)
  const seconds = (performance.now() - began) / 1_000
  const after = await target.ask("usage")
  const name = "1,000 joins in a second, a room of 500 KB"
  rows.add({ name, unit: "uploads asked of holders", target: "<= 10" }, "quartet", asked)
  rows.add({ name, unit: "s to the last one synced", target: "< 3" }, "quartet", seconds)
  rows.add({ name, unit: "ms CPU" }, "quartet", after.cpuMs - before.cpuMs)
  rows.add({ name, unit: "ms p99 loop delay" }, "quartet", after.loopDelayMs)
  await Promise.all((await Promise.all(joining)).map((socket) => socket.close()))
  await target.stop()
}

async function benchReconnect(rows: Rows): Promise<void> {
  const count = 2_500
  const target = await Target.start("quartet", { settings })
  const open = (index: number) =>
    RoomLoad.open(target.port, {
      ...{ room: `room-${index}`, replicas: 2, writers: 1, speech: yjsSpeech },
    })
  const rooms = await openSome(count, 50, open)
  const before = await target.ask("restart")
  const began = performance.now()
  await Promise.all(rooms.map((room) => room.close()))
  let isBack = false
  let peak = before.rssBytes
  const watching = (async () => {
    while (!isBack) {
      peak = Math.max(peak, (await target.ask("usage")).rssBytes)
      await sleep(100)
    }
  })()
  // As many at a time as the queue of the listener takes; more would be reset and come again.
  await openSome(count, 200, open)
  const seconds = (performance.now() - began) / 1_000
  isBack = true
  await watching
  const after = await target.ask("usage")
  const name = "5,000 sockets cut at once, and back at once"
  rows.add({ name, unit: "s to all synced", target: "< 10" }, "quartet", seconds)
  rows.add({ name, unit: "MiB RSS before" }, "quartet", before.rssBytes / 2 ** 20)
  rows.add({ name, unit: "MiB RSS at most" }, "quartet", peak / 2 ** 20)
  rows.add({ name, unit: "ms CPU" }, "quartet", after.cpuMs - before.cpuMs)
  await target.stop()
}

async function benchCursors(rows: Rows): Promise<void> {
  const others: readonly RelayKind[] = hasPeers ? ["y-websocket", "hocuspocus"] : []
  for (const kind of ["quartet", ...others] as const) {
    const target = await Target.start(kind, kind === "quartet" ? { settings } : {})
    await cursors(rows, target)
    await target.stop()
  }
}

const people = 50
const movesPerSecond = 20
const movingSeconds = 4

async function cursors(rows: Rows, target: Target<RelayKind>): Promise<void> {
  const speech = target.kind === "hocuspocus" ? hocuspocusSpeech : yjsSpeech
  const prefix = Buffer.from(speech.prefix("cursors"))
  let heard = 0
  const replicas: LoadSocket[] = []
  for (let person = 0; person < people; person += 1) {
    const count = (message: Uint8Array) => {
      if (message[0] === 1) heard += 1
    }
    replicas.push(
      await join(target.port, { room: "cursors", speech, doc: new Y.Doc(), heard: count }),
    )
  }
  const move = (person: number, clock: number) => {
    const state = encoding.createEncoder()
    for (const number of [1, person + 1, clock]) encoding.writeVarUint(state, number)
    encoding.writeVarString(state, JSON.stringify({ cursor: { anchor: clock, head: clock } }))
    const message = framed([1], encoding.toUint8Array(state))
    replicas[person]?.sendBytes(Buffer.concat([prefix, message]))
  }
  const total = people * movesPerSecond * movingSeconds
  const perMs = (people * movesPerSecond) / 1_000
  const run = async (first: number) => {
    const began = performance.now()
    for (let moved = 0; moved < total; await sleep(1)) {
      const due = Math.min(total, Math.floor((performance.now() - began) * perMs))
      for (; moved < due; moved += 1) {
        move(moved % people, first + Math.floor(moved / people))
      }
    }
    await sleep(500)
  }
  await run(1)
  heard = 0
  const before = await target.ask("restart")
  await run(1_000)
  const { cpuMs } = await target.ask("usage")
  const name = `${people} people who move ${movesPerSecond} times a second`
  const messages = { name, unit: "messages/move", target: "< 1 @y/websocket-server, @hocuspocus" }
  rows.add(messages, target.kind, heard / total)
  rows.add({ name, unit: "µs CPU/move" }, target.kind, ((cpuMs - before.cpuMs) * 1_000) / total)
  await Promise.all(replicas.map((socket) => socket.close()))
}

const moments = new Map([
  ["joins", benchJoins],
  ["reconnect", benchReconnect],
  ["cursors", benchCursors],
])
const { values } = parseArgs({ options: { only: { type: "string", multiple: true } } })
begin()
pinLoad()
for (const [name, bench] of moments) {
  if (!(values.only?.includes(name) ?? true)) continue
  const rows = new Rows()
  await bench(rows)
  await give(rows.all)
}
process.exit()
