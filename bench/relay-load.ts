/**
 * A load on the relay: some rooms, how each of their writers writes, and what that used of a server.
 *
 * What always holds: every contender gets the same changes at the same pace, whether it keeps up or
 * not; a delivery is one change that one other replica gets, however many of them a message holds.
 */
import { setTimeout as sleep } from "node:timers/promises"
import { median, quantile } from "./figures.ts"
import type { Question, Usage } from "./probe.ts"
import type { RoomLoad } from "./relay-rooms.ts"

/** Some rooms, and how each of their writers writes. */
export interface Shape {
  readonly rooms: number
  readonly replicas: number
  /** In each room. */
  readonly writers: number
  /** In one write. */
  readonly changes: number
  readonly bytes: number
  /** From one write of a writer to its next one. */
  readonly everyMs: number
}

export interface Measured {
  /** For each delivery. */
  readonly cpuUs: number
  readonly p50Ms: number
  readonly p99Ms: number
  /** For each delivery. */
  readonly messages: number
  readonly deliveries: number
  readonly seconds: number
  /** Of the load's own core: near 100 it is what was measured. */
  readonly loadPercent: number
}

/** A server with its rooms. */
export interface Stage {
  readonly target: { ask(question: Question): Promise<Usage> }
  readonly rooms: readonly RoomLoad[]
}

/** Rates would measure themselves; and nobody need wait for somebody who has the content. */
export const unlimited = {
  messagesPerSecond: 0,
  bytesPerSecond: 0,
  roomBytesPerSecond: 0,
  seedHoldMs: 0,
}

/** Opens `count` rooms, `atOnce` at a time. */
export async function openSome(
  count: number,
  atOnce: number,
  open: (index: number) => Promise<RoomLoad>,
): Promise<readonly RoomLoad[]> {
  const opened: RoomLoad[] = []
  for (let first = 0; first < count; first += atOnce) {
    const some = Array.from({ length: Math.min(atOnce, count - first) }, (_, index) =>
      open(first + index),
    )
    opened.push(...(await Promise.all(some)))
  }
  return opened
}

/** Lets the rooms write for so long, and says what the server used until all had arrived. */
export async function once(
  { target, rooms }: Stage,
  shape: Shape,
  seconds: number,
): Promise<Measured> {
  for (const room of rooms) room.reset()
  const before = await target.ask("restart")
  const own = process.cpuUsage()
  const began = performance.now()
  await write(rooms, shape, seconds)
  const elapsedMs = performance.now() - began
  const { user, system } = process.cpuUsage(own)
  const after = await target.ask("usage")
  const latencies = rooms.flatMap((room) => room.latencies)
  const deliveries = sum(rooms, ({ sent }) => sent) * (shape.replicas - 1)
  return {
    cpuUs: ((after.cpuMs - before.cpuMs) * 1_000) / deliveries,
    p50Ms: median(latencies),
    p99Ms: quantile(latencies, 0.99),
    messages: sum(rooms, ({ messages }) => messages) / deliveries,
    deliveries,
    seconds: elapsedMs / 1_000,
    loadPercent: (user + system) / elapsedMs / 10,
  }
}

/** Each writer at its own moments; resolves when all has arrived. */
async function write(rooms: readonly RoomLoad[], shape: Shape, seconds: number): Promise<void> {
  const turns = Array.from({ length: shape.writers }, (_, writer) => writer).flatMap((writer) =>
    rooms.map((room) => ({ room, writer })),
  )
  const perMs = turns.length / shape.everyMs
  const total = Math.floor(seconds * 1_000 * perMs)
  const began = performance.now()
  for (let written = 0; written < total; ) {
    const due = Math.min(total, Math.floor((performance.now() - began) * perMs))
    for (; written < due; written += 1) {
      // Writers by turns, so that each has its time between two writes.
      const turn = turns[written % turns.length]
      turn?.room.write(turn.writer, shape)
    }
    await sleep(1)
  }
  await Promise.all(rooms.map((room) => room.settled()))
}

function sum<T>(values: readonly T[], of: (value: T) => number): number {
  return values.reduce((total, value) => total + of(value), 0)
}
