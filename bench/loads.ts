/**
 * Ways to load rooms, and what one run of such a load used of its server.
 *
 * What always holds: a measured run ends when every editor has heard every edit, and the work of
 * getting there is part of it; the room is compared afterwards, outside of the measured time.
 */
import { setTimeout as sleep } from "node:timers/promises"
import { type Change, type Member, Room } from "./editors.ts"
import { quantile } from "./figures.ts"
import type { Target } from "./target.ts"

/** What one run was, and what it used. */
export interface Run {
  readonly edits: number
  /** Edits that reached an editor: each counts once for each. */
  readonly deliveries: number
  /** Messages they came in. */
  readonly messages: number
  /** Bytes that all editors read. */
  readonly bytes: number
  readonly seconds: number
  readonly cpuMs: number
  readonly p50Ms: number
  readonly p99Ms: number
  readonly loopDelayMs: number
  /** What the load itself used of its core, in percent: near 100 it is what was measured. */
  readonly loadPercent: number
  /** Rows of the journal and ms for them, where they are timed. */
  readonly commits: number
  readonly commitMs: number
}

/** Runs `load`, which resolves with the number of edits it sent once all of them have arrived. */
export async function measure(
  target: Target,
  rooms: readonly Room[],
  load: () => Promise<number>,
): Promise<Run> {
  for (const room of rooms) room.reset()
  const bytes = sum(rooms, (room) => room.bytes)
  const before = await target.ask("restart")
  const start = performance.now()
  const own = process.cpuUsage()
  const edits = await load()
  const seconds = (performance.now() - start) / 1_000
  const { user, system } = process.cpuUsage(own)
  const after = await target.ask("usage")
  const latencies = rooms.flatMap((room) => room.latencies)
  return {
    edits,
    deliveries: sum(rooms, ({ deliveries }) => deliveries),
    messages: sum(rooms, ({ messages }) => messages),
    bytes: sum(rooms, (room) => room.bytes) - bytes,
    seconds,
    cpuMs: after.cpuMs - before.cpuMs,
    p50Ms: quantile(latencies, 0.5),
    p99Ms: quantile(latencies, 0.99),
    loopDelayMs: after.loopDelayMs,
    loadPercent: (user + system) / seconds / 10_000,
    commits: after.commits - before.commits,
    commitMs: after.commitMs - before.commitMs,
  }
}

/** Rounds that follow each other: in each, one writer sends, and all have heard it before the next. */
export interface Rounds {
  readonly seconds: number
  /** Edits that are sent in one write. */
  readonly edits?: number
  /** A round begins no sooner than so many ms after the one before. */
  readonly everyMs?: number
  /** Where in the text. */
  readonly place?: number
}

/** The closed loop: one round after the other. */
export async function closedLoop(room: Room, rounds: Rounds): Promise<number> {
  const { seconds, edits = 1, everyMs = 0, place = 100 } = rounds
  const writer = writerOf(room)
  const end = performance.now() + seconds * 1_000
  let sent = 0
  for (let now = performance.now(); now < end; now = performance.now()) {
    const goal = room.revision + edits
    writer.send(...burst(room, writer, { edits, place }))
    sent += edits
    await room.reach(goal)
    const restMs = everyMs - (performance.now() - now)
    if (restMs > 0) await sleep(restMs)
  }
  return sent
}

/** One writer who sends on and on, with at most `inFlight` edits that he has not heard. */
export async function pipelined(
  room: Room,
  { seconds, inFlight, place }: { seconds: number; inFlight: number; place: number },
): Promise<number> {
  const end = performance.now() + seconds * 1_000
  const edits = inFlight / 2
  let sent = 0
  const writer = writerOf(room)
  // Two bursts are in flight: one is on its way while the server works at the other.
  let length = room.lengthAt(room.revision)
  const first = room.revision
  const send = () => {
    const messages: string[] = []
    for (let index = 0; index < edits; index += 1) {
      const at = { revision: first + sent, length }
      messages.push(writer.edit({ ...toggle(sent, place), at }))
      length += sent % 2 === 0 ? 1 : -1
      sent += 1
    }
    writer.send(...messages)
  }
  send()
  while (performance.now() < end) {
    send()
    await room.reach(first + sent - edits)
  }
  await room.reach(first + sent)
  return sent
}

/**
 * Every editor of all rooms types `perSecond` characters a second at random places, heard or not,
 * each at moments of his own. Rejects when edits are still on their way after half a minute.
 */
export async function openLoop(
  rooms: readonly Room[],
  { seconds, perSecond }: { seconds: number; perSecond: number },
): Promise<number> {
  const goals = rooms.map(({ revision }) => revision)
  const strokes = shuffled(
    rooms.flatMap((room, index) => room.editors.map((editor) => ({ room, editor, index }))),
  )
  const start = performance.now()
  const total = Math.floor(strokes.length * perSecond * seconds)
  const perMs = (strokes.length * perSecond) / 1_000
  let sent = 0
  const type = () => {
    const due = Math.min(total, Math.floor((performance.now() - start) * perMs))
    for (; sent < due; sent += 1) {
      const stroke = strokes[sent % strokes.length]
      if (stroke === undefined) throw new Error("never: there are editors")
      const { room, editor, index } = stroke
      const place = Math.floor(Math.random() * room.lengthAt(editor.revision))
      editor.send(editor.edit({ place, deleted: 0, inserted: "x" }))
      goals[index] = (goals[index] ?? 0) + 1
    }
  }
  while (sent < total) {
    type()
    await sleep(1)
  }
  await Promise.all(rooms.map((room, index) => room.reach(goals[index] ?? 0)))
  return sent
}

/** Opens `count` rooms at a time, at most twenty together. */
export async function openRooms(
  target: Target,
  count: number,
  options: { readonly id: string; readonly editors: number; readonly text: string },
): Promise<readonly Room[]> {
  const rooms: Room[] = []
  for (let first = 0; first < count; first += 20) {
    const some = Array.from({ length: Math.min(20, count - first) }, (_, index) =>
      Room.open(target, { ...options, id: `${options.id}-${first + index}` }),
    )
    rooms.push(...(await Promise.all(some)))
  }
  return rooms
}

function writerOf(room: Room): Member {
  const [writer] = room.editors
  if (writer === undefined) throw new Error("never: a room has an editor")
  return writer
}

// Inserts and deletes by turns, so that the text stays as long as it is.
function toggle(number: number, place: number): Change {
  return number % 2 === 0
    ? { place, deleted: 0, inserted: "x" }
    : { place, deleted: 1, inserted: "" }
}

function burst(
  room: Room,
  writer: Member,
  { edits, place }: { edits: number; place: number },
): readonly string[] {
  const { revision } = room
  let length = room.lengthAt(revision)
  return Array.from({ length: edits }, (_, index) => {
    const number = revision + index
    const at = { revision: number, length }
    length += number % 2 === 0 ? 1 : -1
    return writer.edit({ ...toggle(number, place), at })
  })
}

function shuffled<T>(values: readonly T[]): readonly T[] {
  const order = values.slice()
  for (let last = order.length - 1; last > 0; last -= 1) {
    const other = Math.floor(Math.random() * (last + 1))
    const [a, b] = [order[last] as T, order[other] as T] // both indexes lie within
    order[last] = b
    order[other] = a
  }
  return order
}

function sum<T>(values: readonly T[], of: (value: T) => number): number {
  return values.reduce((total, value) => total + of(value), 0)
}
