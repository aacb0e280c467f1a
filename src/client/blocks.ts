/**
 * The blocks of an app: what it is attached to, by pool and id, and who hears of which.
 *
 * What always holds: an app has at most one attachment to a block, and one for each end of a ring;
 * whoever attaches again shares it, and it ends when all have let go; a notice reaches whom its
 * attachment belongs to.
 */
import { contentTypeName } from "../wire/pools-payload.ts"
import { OpenBlock } from "./blocks-block.ts"
import type { LoadMapper, Mapper } from "./blocks-mapping.ts"
import { dataIn } from "./blocks-results.ts"
import { OpenRing } from "./blocks-ring.ts"
import { Seat, type SeatOwner } from "./blocks-seat.ts"
import type {
  AttachOptions,
  Block,
  BlockNotice,
  BlockOptions,
  Ring,
  RingOptions,
} from "./blocks-shapes.ts"
import { asPoolsError, fault } from "./pools-faults.ts"
import { type Fields, type Hearing, numberIn, present, textIn } from "./pools-frames.ts"
import type { Ground } from "./pools-ground.ts"
import type { PoolsError } from "./pools-shapes.ts"

/** Until the server has said how long a writer waits for another. */
const writeWaitMs = 100

interface Place<Of> {
  readonly of: Of
  readonly seat: Seat
  /** How many have attached and not let go. */
  users: number
}

export class Blocks {
  readonly #ground: Ground
  readonly #loadMapper: LoadMapper | undefined
  #loading: Promise<Mapper | undefined> | undefined
  #mapper: Mapper | undefined
  readonly #blocks = new Map<string, Place<OpenBlock>>()
  readonly #rings = new Map<string, Place<OpenRing>>()
  readonly #seats = new Map<number, Seat>()

  constructor(ground: Ground, loadMapper: LoadMapper | undefined) {
    this.#ground = ground
    this.#loadMapper = loadMapper
  }

  async create(
    pool: string,
    id: string,
    options: BlockOptions & { readonly size: number },
  ): Promise<Block> {
    const { mode = "write", map = "auto", ...rest } = options
    await this.#load()
    const place = this.#blockAt({ pool, id, mode, map }, "fresh")
    await place.seat.create(present({ ...rest, initial: "empty" }))
    this.#blocks.set(place.seat.wants.key, place)
    return place.of
  }

  async attach(pool: string, id: string, options: AttachOptions): Promise<Block> {
    const { mode = "read", map = "auto" } = options
    await this.#load()
    const place = this.#blockAt({ pool, id, mode, map }, "known")
    const { seat } = place
    place.users += 1
    try {
      if (mode === "write" && seat.wants.mode === "read") await this.#upgrade(seat)
      else await seat.ready()
    } catch (thrown) {
      await this.#leave(this.#blocks, place)
      throw thrown
    }
    return place.of
  }

  async ring(
    pool: string,
    id: string,
    options: RingOptions & { readonly size: number },
  ): Promise<Ring> {
    const { side = "receive", map = "auto", mode: _, ring = "block", ...rest } = options
    await this.#load()
    const mode = side === "send" ? "write" : "read"
    const key = `${pool} ${id} ${side}`
    const known = this.#rings.get(key)
    const place = known ?? this.#ringAt({ kind: "ring", pool, id, key, mode, pin: false, map })
    this.#rings.set(key, place)
    place.users += 1
    try {
      if (known !== undefined) await place.seat.ready()
      else await openRing(place.seat, present({ ...rest, ring }))
    } catch (thrown) {
      await this.#leave(this.#rings, place)
      throw thrown
    }
    return place.of
  }

  hear(message: Hearing): "taken" | "other" {
    if (message.kind === "notice") {
      const { attachment, generation, length, writer, lost = 0, content } = message
      const more =
        content === undefined
          ? {}
          : {
              data: dataIn(content.data),
              contentType: contentTypeName(content.contentType) ?? "json",
            }
      this.#tell(attachment, { generation, length, writer, lost, ...more }, {})
      return "taken"
    }
    if (message.kind !== "plain" || message.body["type"] !== "memory") return "other"
    const { body, raw } = message
    this.#tell(numberIn(body, "attachment") ?? 0, noticeOf(body, raw), body)
    return "taken"
  }

  /** The connection is lost: attachments have other numbers on the next. */
  lost(why: PoolsError): void {
    this.#seats.clear()
    for (const seat of this.#all()) seat.lost(why)
  }

  /** This app is out of a pool. */
  leave(pool: string): void {
    const why = fault("not-member", `this app is not in pool ${pool}`)
    for (const seat of this.#all()) if (seat.wants.pool === pool) seat.end(why)
  }

  end(why: PoolsError): void {
    for (const seat of this.#all()) seat.end(why)
  }

  #blockAt(
    of: { pool: string; id: string; mode: "read" | "write"; map: "auto" | "off" },
    how: "known" | "fresh",
  ): Place<OpenBlock> {
    const key = `${of.pool} ${of.id}`
    const known = this.#blocks.get(key)
    if (known !== undefined && how === "known") return known
    const seat = this.#seat({ ...of, kind: "block", key, pin: false })
    const block: OpenBlock = new OpenBlock(seat, {
      mapper: this.#mapper,
      writeWaitMs: this.#writeWaitMs,
      leave: () => this.#leave(this.#blocks, place),
    })
    const place: Place<OpenBlock> = { of: block, seat, users: how === "fresh" ? 1 : 0 }
    if (how === "known") this.#blocks.set(key, place)
    return place
  }

  #ringAt(wants: Seat["wants"]): Place<OpenRing> {
    const seat = this.#seat(wants)
    const of: OpenRing = new OpenRing(seat, {
      writeWaitMs: this.#writeWaitMs,
      leave: () => this.#leave(this.#rings, place),
    })
    const place: Place<OpenRing> = { of, seat, users: 0 }
    return place
  }

  #seat(wants: Seat["wants"]): Seat {
    const owner: SeatOwner = {
      ground: this.#ground,
      mapper: this.#mapper,
      seated: (seat, attachment, before) => {
        if (before !== undefined && this.#seats.get(before) === seat) this.#seats.delete(before)
        this.#seats.set(attachment, seat)
      },
      left: (seat) => {
        for (const [number, each] of this.#seats) if (each === seat) this.#seats.delete(number)
        const { key } = seat.wants
        if (this.#blocks.get(key)?.seat === seat) this.#blocks.delete(key)
        if (this.#rings.get(key)?.seat === seat) this.#rings.delete(key)
      },
    }
    return new Seat(owner, wants)
  }

  get #writeWaitMs(): number {
    return this.#ground.welcome?.limits.get("writeWaitMs") ?? writeWaitMs
  }

  async #load(): Promise<void> {
    this.#loading ??= this.#loadMapper?.() ?? Promise.resolve(undefined)
    this.#mapper = await this.#loading
  }

  async #upgrade(seat: Seat): Promise<void> {
    seat.wants.mode = "write"
    try {
      await seat.renew()
    } catch (thrown) {
      // Who reads goes on reading.
      seat.wants.mode = "read"
      seat.renew().catch(() => {})
      throw thrown
    }
  }

  /** One user fewer; with the last the attachment ends. */
  async #leave<Of>(places: Map<string, Place<Of>>, place: Place<Of>): Promise<void> {
    place.users -= 1
    const { seat } = place
    if (place.users > 0 || places.get(seat.wants.key) !== place) return
    const { attachment } = seat
    seat.end(fault("no-block", `block ${seat.wants.id} was detached`))
    if (attachment === 0) return
    try {
      await this.#ground.requests.ask({ type: "memory", operation: "detach", attachment })
    } catch (thrown) {
      // With the connection, or with the block, it went anyway.
      const { code } = asPoolsError(thrown)
      if (code !== "CONNECTION_LOST" && code !== "NO_BLOCK") throw thrown
    }
  }

  #tell(attachment: number, notice: BlockNotice, body: Fields): void {
    this.#seats.get(attachment)?.told(notice, body)
  }

  #all(): readonly Seat[] {
    return [...this.#blocks.values(), ...this.#rings.values()].map(({ seat }) => seat)
  }
}

/** Attaches to a ring, or makes it. */
async function openRing(seat: Seat, fields: Fields): Promise<void> {
  try {
    await seat.create({ ...fields, mode: seat.wants.mode })
  } catch (thrown) {
    if (asPoolsError(thrown).code !== "BLOCK_EXISTS") throw thrown
    await seat.ready()
  }
}

function noticeOf(body: Fields, raw: Uint8Array | undefined): BlockNotice {
  const data = raw ?? body["data"]
  const { payload } = body
  const event = textIn(body, "event")
  return {
    generation: numberIn(body, "generation") ?? 0,
    length: numberIn(body, "length") ?? 0,
    writer: textIn(body, "writer") ?? "",
    lost: numberIn(body, "lost") ?? 0,
    ...(data === undefined
      ? {}
      : { data: dataIn(data), contentType: textIn(body, "content_type") ?? "json" }),
    ...(payload === undefined ? {} : { payload }),
    ...(event === undefined ? {} : { event }),
  }
}
