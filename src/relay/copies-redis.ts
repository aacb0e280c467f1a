/**
 * Copies in Redis, for several servers.
 *
 * What always holds: only who has a room's turn writes its copy, and Redis itself refuses whoever
 * lost it meanwhile; a turn ends by itself. Each copy expires when it was not used for `copyMs`. A
 * copy that cannot be read whole is "away", never given in part.
 *
 *     01                     format
 *     kind | sealed          0 yjs, 1 opaque, 2 sealed | 1 where the rest is sealed with our key
 *     merges | vector | rest  the vector after a 1, 0 for none; then the bytes
 */
import type { Claim, Depot } from "../bus/bus.ts"
import type { Log } from "../log.ts"
import type { Answer, Random } from "../service.ts"
import { Reader, Writer } from "../wire/varints.ts"
import type { Copy, CopyKind, CopyShelf, Turn } from "./copies.ts"
import type { Seal } from "./copies-seal.ts"

/** What a shelf in Redis is opened with. */
export interface RedisShelfParts {
  readonly depot: Depot
  readonly log: Log
  readonly random: Random
  /** A copy that was not used for so long is gone. */
  readonly copyMs: number
  /** Undefined where copies lie as they are. */
  readonly seal: Seal | undefined
}

const format = 1
const kinds: readonly CopyKind[] = ["yjs", "opaque", "sealed"]
/** A turn lasts so long from when it was asked for last. Longer than a copy takes that is begun with it. */
const turnMs = 10_000
/** Copies that are looked up at a time; more wait, each room's one at a time. */
const readsLimit = 16
/** Bytes that may be on their way to Redis. Beyond them a copy is answered "away", and taken again later. */
const underWayBytes = 64 * 1024 * 1024

interface Held {
  readonly claim: Claim
  /** ms since 1970: past it nobody of ours asked again, and the turn is over. */
  readonly until: number
}

export class RedisCopies implements CopyShelf {
  readonly keeps = true
  readonly #parts: RedisShelfParts
  /** Who we are to others; new in each process. */
  readonly #self: string
  readonly #heldByKey = new Map<string, Held>()
  /** Bounded by the rooms: each asks for one copy at a time. */
  readonly #waiting: (() => void)[] = []
  #reading = 0
  #underWayBytes = 0
  #now = 0

  constructor(parts: RedisShelfParts) {
    this.#parts = parts
    this.#self = Buffer.from(parts.random(8)).toString("hex")
  }

  get(key: string, answer: Answer<Copy | undefined>): void {
    this.#waiting.push(() => {
      this.#parts.depot.get(placeOf(key), this.#parts.copyMs, (found) => {
        this.#reading--
        this.#pump()
        answer(found === "away" || found === undefined ? found : this.#open(key, found))
      })
    })
    this.#pump()
  }

  put(key: string, copy: Copy, answer: Answer<"kept">): void {
    const held = this.#heldByKey.get(key)
    const { length } = copy.bytes
    if (held === undefined || this.#underWayBytes + length > underWayBytes) {
      return queueMicrotask(() => answer("away"))
    }
    this.#underWayBytes += length
    const { depot, copyMs } = this.#parts
    const entry = { key: placeOf(key), data: this.#close(key, copy), forMs: copyMs }
    depot.put(entry, held.claim, (stood) => {
      this.#underWayBytes -= length
      answer(stood === true ? "kept" : "away")
    })
  }

  remove(key: string, answer: Answer<boolean>): void {
    this.#parts.depot.remove(placeOf(key), answer)
  }

  turn(key: string, how: "wait" | "seize", answer: Answer<Turn>): void {
    const wish = { name: `lfcc:copier:${key}`, value: this.#self, forMs: turnMs, how }
    this.#parts.depot.turn(wish, (claim) => {
      if (claim === "away") return answer("away")
      const held = this.#heldByKey.get(key)
      if (claim.value !== this.#self) {
        this.#heldByKey.delete(key)
        return answer("theirs")
      }
      this.#heldByKey.set(key, { claim, until: this.#now + turnMs })
      answer(held?.claim.fence === claim.fence ? "ours" : "new")
    })
  }

  tick(now: number): void {
    this.#now = now
    for (const [key, { until }] of this.#heldByKey) {
      if (now >= until) this.#heldByKey.delete(key)
    }
  }

  /** Gives up all turns, since the server goes: what is on its way is written before that. */
  flush(): void {
    for (const { claim } of this.#heldByKey.values()) this.#parts.depot.yield(claim)
    this.#heldByKey.clear()
  }

  #pump(): void {
    while (this.#reading < readsLimit) {
      const next = this.#waiting.shift()
      if (next === undefined) return
      this.#reading++
      next()
    }
  }

  #close(key: string, { kind, bytes, vector, merges }: Copy): Uint8Array {
    const { seal } = this.#parts
    const inner = new Writer().uint(merges).uint(vector === undefined ? 0 : 1)
    if (vector !== undefined) inner.bytes(vector)
    const rest = inner.raw(bytes).finish()
    const head = new Writer().uint(format).uint(kinds.indexOf(kind))
    if (seal === undefined) return head.uint(0).raw(rest).finish()
    return head.uint(1).raw(seal.close(key, rest)).finish()
  }

  #open(key: string, data: Uint8Array): Copy | "away" {
    try {
      const found = this.#read(key, data)
      if (found !== undefined) return found
    } catch {
      // The bytes end too early.
    }
    this.#parts.log.error("copy not opened")
    return "away"
  }

  /** Undefined for what we did not write, or with another key. Throws WireError for what is cut off. */
  #read(key: string, data: Uint8Array): Copy | undefined {
    const head = new Reader(data)
    const isKnown = head.uint() === format
    const kind = kinds[head.uint()]
    const isSealed = head.uint() === 1
    if (!isKnown || kind === undefined) return undefined
    const rest = head.take(head.left)
    const opened = isSealed ? this.#parts.seal?.open(key, rest) : rest
    if (opened === undefined) return undefined
    const inner = new Reader(opened)
    const merges = inner.uint()
    const vector = inner.uint() === 1 ? inner.bytes() : undefined
    return { kind, bytes: inner.take(inner.left), vector, merges }
  }
}

function placeOf(key: string): string {
  return `lfcc:copy:${key}`
}
