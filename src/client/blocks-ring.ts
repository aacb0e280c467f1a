/**
 * One end of a ring as a program sees it, over the connection or in mapped memory.
 *
 * What always holds: records come in order and each once; a consumer that the server detached is told
 * so, and begins again at the tail when it goes on; who waits for a record is woken by the
 * connection, and looks again whenever it was.
 */
import { contentTypeName, contentTypeOf } from "../wire/pools-payload.ts"
import type { Received } from "../wire/ring.ts"
import { dataIn } from "./blocks-results.ts"
import type { Seat } from "./blocks-seat.ts"
import type { Ring, RingRecord } from "./blocks-shapes.ts"
import { Pace } from "./blocks-waits.ts"
import { asPoolsError, fault } from "./pools-faults.ts"
import { numberIn, present, textIn } from "./pools-frames.ts"
import type { PoolsError } from "./pools-shapes.ts"

export interface RingOwner {
  readonly writeWaitMs: number
  leave(): Promise<void>
}

export class OpenRing implements Ring {
  readonly seat: Seat
  readonly #owner: RingOwner
  // Counts what may have brought a record.
  #bells = 0
  readonly #sleeping = new Set<() => void>()
  #isFollowing = false
  #why: PoolsError | undefined
  #isLeft = false

  constructor(seat: Seat, owner: RingOwner) {
    this.seat = seat
    this.#owner = owner
    seat.listeners.add((notice) => {
      if (notice.event !== "detached") return this.#wake()
      this.#why = fault("block-retired", "this consumer held its producer up and was detached")
      this.#wake()
    })
    // After a return there may be records.
    seat.losers.add(() => this.#wake())
  }

  get id(): string {
    return this.seat.wants.id
  }

  get via(): "map" | "socket" {
    return this.seat.mapping === undefined ? "socket" : "map"
  }

  get capacity(): number {
    return this.seat.facts.capacity
  }

  send(data: Uint8Array, { contentType }: { readonly contentType?: string } = {}) {
    const { mapping, wants } = this.seat
    if (wants.mode !== "write") throw fault("forbidden", "this is the other end of the ring")
    const type = contentType === undefined ? undefined : contentTypeOf(contentType)
    const sent = mapping?.send(data, type)
    if (sent?.is === "sent") {
      if ((mapping?.subscribers ?? 0) > 0) this.seat.notifyWritten()
      return true
    }
    if (sent?.is === "too-long") throw tooLong()
    return this.#sendLater(data, contentType)
  }

  next(): RingRecord | undefined {
    const { cell } = this.seat.facts
    const mapping = this.seat.local()
    if (cell === undefined) throw fault("forbidden", "this is the other end of the ring")
    return this.#recordOf(mapping.next(cell))
  }

  async *receive({ spinMs = 0 }: { readonly spinMs?: number } = {}): AsyncGenerator<RingRecord> {
    while (!this.#isLeft) {
      if (this.#why !== undefined) {
        const why = this.#why
        this.#why = undefined
        throw why
      }
      await this.seat.ready()
      const { mapping } = this.seat
      const bells = this.#bells
      const record =
        mapping === undefined ? await this.#nextFar() : this.#recordSoon(mapping.latest, spinMs)
      if (record !== undefined) {
        yield record
        continue
      }
      if (this.#isFollowing) {
        await this.#bell(bells)
      } else {
        // Then it looks once more: what came before this was not told.
        this.#isFollowing = true
        await this.seat.follow(false)
      }
    }
  }

  detach(): Promise<void> {
    this.#isLeft = true
    this.#wake()
    return this.#owner.leave()
  }

  async destroy(): Promise<void> {
    const { pool, id } = this.seat.wants
    this.#isLeft = true
    await this.seat.ask("destroy", { pool, block_id: id, attachment: undefined })
    this.seat.end(fault("no-block", `ring ${id} is gone`))
  }

  /** Until a consumer gives way, or the memory is reached again. */
  async #sendLater(data: Uint8Array, contentType: string | undefined): Promise<void> {
    const { seat } = this
    const type = contentType === undefined ? undefined : contentTypeOf(contentType)
    // What the program does with its bytes while this waits is no part of the record.
    const own = data.slice()
    const pace = new Pace(this.#owner.writeWaitMs)
    for (;;) {
      await seat.ready()
      const { mapping } = seat
      try {
        const sent = mapping?.send(own, type) ?? (await this.#sendFar(own, contentType))
        if (sent.is === "too-long") throw tooLong()
        if (sent.is === "retired") await seat.renew()
        else if (sent.is === "sent") {
          if ((mapping?.subscribers ?? 0) > 0) seat.notifyWritten()
          return
        }
        if (sent.is === "full" && pace.isOver) {
          throw fault("ring-full", "a consumer is behind", { retryAfterMs: 10 })
        }
        if (sent.is === "busy" && pace.isOver) throw fault("locked", "somebody else writes")
      } catch (thrown) {
        const { code } = asPoolsError(thrown)
        if (code !== "RING_FULL" || pace.isOver) throw thrown
      }
      await pace.wait()
    }
  }

  async #sendFar(data: Uint8Array, contentType: string | undefined) {
    await this.seat.ask("write", present({ content_type: contentType }), data)
    return { is: "sent" } as const
  }

  #recordSoon(latest: number, spinMs: number): RingRecord | undefined {
    const first = this.next()
    if (first !== undefined || spinMs <= 0) return first
    const until = performance.now() + spinMs
    let known = latest
    while (performance.now() < until) {
      const { mapping } = this.seat
      if (mapping === undefined || mapping.latest === known) continue
      known = mapping.latest
      const record = this.next()
      if (record !== undefined) return record
    }
    return undefined
  }

  async #nextFar(): Promise<RingRecord | undefined> {
    try {
      const result = await this.seat.ask("read")
      return {
        data: dataIn(result["data"]),
        contentType: textIn(result, "content_type") ?? "bytes",
        number: numberIn(result, "generation") ?? 0,
        lost: numberIn(result, "lost") ?? 0,
      }
    } catch (thrown) {
      const { code } = asPoolsError(thrown)
      if (code === "GENERATION_GONE" || code === "CONNECTION_LOST") return undefined
      if (code !== "BLOCK_RETIRED") throw thrown
      await this.seat.renew()
      return undefined
    }
  }

  #recordOf(received: Received): RingRecord | undefined {
    switch (received.is) {
      case "record": {
        const { data, number, contentType } = received.record
        const name = contentTypeName(contentType) ?? "json"
        return { data, number, contentType: name, lost: received.lost }
      }
      case "nothing":
        return undefined
      case "damaged":
        throw fault("integrity", "the ring holds what no producer writes")
      case "detached":
      case "retired":
        // It is attached again, and there will be a word of it.
        void this.seat.renew().then(
          () => this.#wake(),
          () => this.#wake(),
        )
        return undefined
    }
  }

  /** Sleeps until a bell has rung since. */
  async #bell(since: number): Promise<void> {
    while (this.#bells === since && !this.#isLeft) {
      await new Promise<void>((resolve) => {
        this.#sleeping.add(resolve)
      })
    }
  }

  #wake(): void {
    this.#bells += 1
    for (const resolve of this.#sleeping) resolve()
    this.#sleeping.clear()
  }
}

function tooLong(): PoolsError {
  return fault("out-of-range", "a record has at most an eighth of the ring")
}
