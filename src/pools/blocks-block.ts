/**
 * One block of shared memory and who is attached to it.
 *
 * What always holds: its number of subscribers and of pin cells stands in its header whenever either
 * changes; an attachment has at most one cell, and gives it back when it ends.
 */
import type { BlockFile, Program } from "../memory.ts"
import {
  at,
  type BlockFlag,
  Damaged,
  FileArea,
  type Header,
  pinCells,
  states,
} from "../wire/layout.ts"
import { Refusal } from "../wire/pools-errors.ts"
import type { MemoryRequest } from "../wire/pools-memory.ts"
import {
  type Consumer,
  consumerAt,
  consumerLimit,
  consumerStates,
  inConsumer,
  Producer,
} from "../wire/ring.ts"
import { Slots } from "../wire/slots.ts"
import type { Crc } from "../wire/slots-shapes.ts"
import type { Locks } from "./locks.ts"
import type { Pool } from "./pool.ts"
import type { Session } from "./session.ts"

/** Who may read and write it, among those who may in its pool; undefined: all of them. */
export interface Permissions {
  readonly read?: readonly string[]
  readonly write?: readonly string[]
}

/** What of a block never changes, and what of it is stored. */
export interface BlockFacts {
  readonly id: string
  /** As text; in the header it is 16 bytes. */
  readonly uuid: string
  readonly header: Header
  readonly permissions: Permissions
  readonly createdAt: number
}

export interface Attachment {
  readonly number: number
  readonly session: Session
  readonly block: Block
  readonly mode: "read" | "write"
  readonly via: "socket" | "map"
  /** A process of this machine that was there when it attached. */
  readonly program: Program | undefined
  /** Where it pins; of a ring, its place as a consumer. */
  cell: number | undefined
  consumer: Consumer | undefined
  following: Following | undefined
}

/** What a subscriber has been told. */
export interface Following {
  readonly wantsData: boolean
  /** The generation it was told of last. */
  told: number
}

/** A writer whose connection ended while it had the file mapped. */
export interface Leaving {
  readonly program: Program | undefined
  readonly since: number
}

/** A write that waits for the writer word. */
export interface WaitingWrite {
  readonly attachment: Attachment
  readonly request: MemoryRequest
  readonly since: number
}

/** The file a block is in now. */
export interface Edition {
  readonly number: number
  readonly file: BlockFile
  readonly area: FileArea
  readonly header: Header
  readonly slots: Slots
  readonly producer: Producer
}

/** An edition over a file. */
export function editionOf(
  file: BlockFile,
  header: Header,
  of: { number: number; crc: Crc },
): Edition {
  const area = new FileArea(file)
  const slots = new Slots(area, header, of.crc)
  return {
    number: of.number,
    file,
    area,
    header,
    slots,
    producer: new Producer(area, header, of.crc),
  }
}

export class Block {
  readonly pool: Pool
  readonly facts: BlockFacts
  readonly locks: Locks<Session>
  readonly attachments = new Map<number, Attachment>()
  readonly waitingWrites: WaitingWrite[] = []
  edition: Edition
  /** "zeroing": its file is being filled with zeros, and nobody knows of it yet. */
  state: "zeroing" | "live" | "filling" | "sealed" | "gone" = "zeroing"
  /** SHA-256 of a sealed block. */
  sum: Uint8Array | undefined
  /** The fence of the present writer grant, where one writes alone. */
  grant = 0
  leaving: Leaving | undefined
  /** Since when the writer word has been waited for, by whom it was held. */
  stalled: { readonly holder: number; readonly since: number } | undefined
  idleSince: number | undefined
  /** The newest generation that is known to have been there. */
  seen = 0
  savedGeneration = 0
  savedAt = 0
  checkedAt: number
  /** When it was damaged, the last times. */
  damagedAt: readonly number[] = []

  constructor(
    pool: Pool,
    facts: BlockFacts,
    of: { readonly edition: Edition; readonly locks: Locks<Session>; readonly now: number },
  ) {
    this.pool = pool
    this.facts = facts
    this.edition = of.edition
    this.locks = of.locks
    this.checkedAt = of.now
  }

  has(flag: BlockFlag): boolean {
    return this.facts.header.flags.has(flag)
  }

  get isRing(): boolean {
    return this.has("ring")
  }

  get name(): string {
    return this.facts.id
  }

  /** Who writes alone, if anybody does. */
  get writer(): Attachment | undefined {
    return [...this.attachments.values()].find(({ mode }) => mode === "write")
  }

  /** The newest generation; of a ring, its tail. Throws Damaged when it was there and is not any more. */
  newest(): number {
    if (this.isRing) return this.edition.area.load(at.latest)
    const newest = this.edition.slots.newest()
    if (newest < this.seen) throw new Damaged("its generations went back")
    this.seen = newest
    return newest
  }

  /** A place to pin in, or to consume at. Throws LIMIT when all are taken. */
  freeCell(): number {
    const taken = new Set([...this.attachments.values()].map(({ cell }) => cell))
    const most = this.isRing ? consumerLimit : pinCells
    for (let cell = 0; cell < most; cell++) if (!taken.has(cell)) return cell
    throw new Refusal("limit", `a block has ${most} places to ${this.isRing ? "consume" : "pin"}`)
  }

  /** Ends an attachment. What it held of the block is free. */
  remove(attachment: Attachment): void {
    if (!this.attachments.delete(attachment.number)) return
    const { cell } = attachment
    const { area, slots } = this.edition
    if (cell !== undefined && this.isRing) {
      area.store(consumerAt(cell) + inConsumer.state, consumerStates.free)
    } else if (cell !== undefined) {
      slots.unpin(cell)
    }
    this.counted()
  }

  /** Writes into the header how many listen and may pin. */
  counted(): void {
    const all = [...this.attachments.values()]
    const { area } = this.edition
    area.store(at.subscribers, all.filter(({ following }) => following !== undefined).length)
    area.store(at.pinners, this.isRing ? 0 : all.filter(({ cell }) => cell !== undefined).length)
  }

  /** Nobody may write by what was granted before. Gives the new fence. */
  grantTo(attachment: Attachment | undefined): number {
    this.grant++
    const { area } = this.edition
    area.store(at.fence, this.grant)
    area.store(at.writer, attachment?.number ?? 0)
    const { pid = 0, started = 0 } = attachment?.program ?? {}
    area.store(at.pid, pid)
    area.store(at.started, started % 0x1_0000_0000)
    area.store(at.started + 4, Math.floor(started / 0x1_0000_0000))
    return this.grant
  }

  setState(state: keyof typeof states): void {
    this.edition.area.store(at.state, states[state])
  }
}
