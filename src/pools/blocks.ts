/**
 * Blocks of shared memory: what apps ask about them, one operation at a time.
 *
 * What always holds: each request is answered once, some in a later turn; a refusal changes nothing;
 * a session's end takes its locks, grants and pins in the same turn. A file that was damaged from
 * outside is answered INTEGRITY and replaced.
 */
import type { Log } from "../log.ts"
import type { Memory } from "../memory.ts"
import type { Random } from "../service.ts"
import type { Store } from "../store.ts"
import { encode64Url } from "../wire/base64.ts"
import { Refusal } from "../wire/pools-errors.ts"
import type { MemoryRequest } from "../wire/pools-memory.ts"
import type { Id } from "../wire/pools-shapes.ts"
import { activate } from "../wire/ring.ts"
import type { Attachment, Block } from "./blocks-block.ts"
import { Care } from "./blocks-care.ts"
import { Contents } from "./blocks-content.ts"
import { Creating } from "./blocks-creating.ts"
import { Finding } from "./blocks-finding.ts"
import { Grants, mayUse, noBlock } from "./blocks-grants.ts"
import { Making } from "./blocks-making.ts"
import { Notices } from "./blocks-notices.ts"
import { Reading } from "./blocks-reading.ts"
import { References } from "./blocks-references.ts"
import { missing } from "./blocks-refusals.ts"
import { type DamagedContents, restored } from "./blocks-restored.ts"
import { attached } from "./blocks-shown.ts"
import { StoredBlocks } from "./blocks-stored.ts"
import { BlockTables } from "./blocks-tables.ts"
import { SealedBlocks } from "./encrypted-blocks.ts"
import { Payloads } from "./encrypted-payloads.ts"
import type { Result } from "./governing.ts"
import type { Limits } from "./limits.ts"
import type { Membership, Pool } from "./pool.ts"
import type { Realm } from "./realm.ts"
import type { Session } from "./session.ts"

export interface BlocksOptions {
  readonly memory: Memory
  readonly store: Store
  readonly limits: Limits
  readonly realm: Realm
  readonly log: Log
  readonly random: Random
  readonly now: () => number
  readonly damaged: DamagedContents
  /** Asks for a tick at the end of this turn, or within 10 ms. */
  readonly wake: (withinMs: 0 | 10) => void
}

const lockTimeoutMs = 5_000

export class Blocks {
  readonly #options: BlocksOptions
  readonly making: Making
  readonly care: Care
  /** Payloads that lie in blocks. */
  readonly references: References
  readonly #grants: Grants
  readonly #notices: Notices
  readonly #contents: Contents
  readonly #creating: Creating
  readonly #sealed: SealedBlocks
  readonly #stored: StoredBlocks
  readonly #finding: Finding
  readonly #reading: Reading

  constructor(options: BlocksOptions) {
    this.#options = options
    const { memory, limits, random, now, log, wake, realm } = options
    const tables = new BlockTables(options.store)
    this.#stored = new StoredBlocks({ tables, memory, log })
    const { crc } = memory
    const { frameLimitBytes } = limits
    this.#reading = new Reading({ crc, frameLimitBytes })
    const making = new Making({ memory, limits, now })
    this.making = making
    const notices = new Notices(limits, wake)
    this.#notices = notices
    const contents = new Contents({
      limits,
      notices,
      now,
      wakeSoon: () => wake(10),
    })
    this.#contents = contents
    this.#grants = new Grants({
      ...{ memory, limits, now },
      left: (block) => this.care.settle(block, now()),
    })
    const retire = this.#retire.bind(this)
    this.care = new Care({ memory, making, tables, notices, contents, limits, log, now, retire })
    this.#creating = new Creating({
      ...{ memory, making, tables, limits, random, now },
      wake: () => wake(0),
      count: () => this.#count(),
      undone: (block) => this.#undone(block),
      made: (block, session, request) => this.#made(block, session, request),
    })
    this.#sealed = new SealedBlocks(new Payloads(now))
    this.#finding = new Finding(realm, this.#grants)
    this.references = new References(this.#grants, { all: () => this.all(), frameLimitBytes })
    restored({ memory, making, tables, realm, limits, log, now, damaged: options.damaged })
  }

  /** For figures: all blocks, attachments, bytes, locks. */
  get kept() {
    let [blocks, held, waiting] = [0, 0, 0]
    for (const block of this.all()) {
      blocks++
      held += block.locks.held().length
      waiting += block.locks.waiting
    }
    return { blocks, attachments: this.#grants.size, bytes: this.making.used, held, waiting }
  }

  *all(): Iterable<Block> {
    for (const pool of this.#options.realm.all()) yield* pool.blocks.values()
  }

  /** Answers a request. Throws the Refusal that says why not. */
  receive(session: Session, request: MemoryRequest): void {
    const { operation, id } = request
    if (operation === "create") {
      const pool = this.#finding.poolFor(session, request)
      this.#sealed.checkCreate(pool, request)
      return this.#creating.create(session, pool, request)
    }
    const block = this.#finding.block(session, request)
    if (block.state === "zeroing") throw noBlock(block.name)
    this.care.orReplace(block, () => {
      switch (operation) {
        case "attach":
          return answer(session, id, this.#attach(session, block, request))
        case "destroy":
          mayUse(session, block, "write")
          this.#retire(block, "dropped")
          return answer(session, id, {})
        case "lock":
          return this.#lock(session, block, request)
        case "renew":
          return answer(session, id, grantBody(this.#renew(session, block, request)))
        case "unlock": {
          const fence = block.locks.unlock(session, request.fields.lock_id, this.#options.now())
          return answer(session, id, { fence })
        }
      }
      this.#attached(this.#finding.attachment(session, block, request), request)
    })
  }

  /** A session has ended: what it held of blocks is free in this turn. */
  left(session: Session): void {
    const now = this.#options.now()
    // Who has a lock is a member.
    for (const { pool } of session.memberships.values()) {
      for (const block of pool.blocks.values()) {
        if (!block.locks.isIdle) block.locks.left(session, now)
      }
    }
    for (const each of this.#grants.all(session)) this.#lose(each)
  }

  #lose(attachment: Attachment): void {
    const { block, number } = attachment
    const lose = () => this.#grants.lose(attachment)
    this.care.guarded(block, lose)
    // Its file was damaged, and is another now.
    if (block.attachments.has(number)) this.care.guarded(block, lose)
  }

  /** A membership has ended or may less. */
  narrowed(membership: Membership): void {
    const { session, pool } = membership
    for (const each of this.#grants.narrowed(membership)) {
      this.#notices.one(each, "retired", { reason: "no right is left" })
      this.#lose(each)
    }
    const [reads, writes] = [membership.rights.has("read"), membership.rights.has("write")]
    if (reads && writes) return
    const now = this.#options.now()
    for (const { locks } of pool.blocks.values()) {
      if (locks.isIdle) continue
      if (reads) locks.narrowed(session, now)
      else locks.left(session, now)
    }
  }

  /** A pool is gone, with its blocks. */
  destroyed(pool: Pool): void {
    for (const block of [...pool.blocks.values()]) this.#undone(block)
  }

  #undone(block: Block): void {
    this.#retire(block, "kept")
    if (block.has("durable")) this.#stored.later(block.facts.uuid)
  }

  #count(): number {
    let sum = 0
    for (const { blocks } of this.#options.realm.all()) sum += blocks.size
    return sum
  }

  tick(now: number): void {
    this.#creating.tick()
    this.#stored.tick()
    this.#notices.tick()
    this.care.tick([...this.all()], now)
  }

  /** Saves what is durable, and gives the memory back. */
  stop(): void {
    for (const block of this.all()) {
      try {
        if (block.state !== "zeroing") this.care.save(block, this.#options.now())
      } catch (thrown) {
        const why = String(thrown)
        this.#options.log.error("a block was not saved", { block: block.facts.uuid, why })
      }
      this.making.drop(block.edition)
      block.state = "gone"
    }
    this.#options.memory.close()
  }

  #attached(attachment: Attachment, request: MemoryRequest): void {
    const { block, session } = attachment
    const { id, operation } = request
    this.#sealed.check(session, block, request)
    switch (operation) {
      case "detach":
        this.#grants.detach(attachment)
        return answer(session, id, { generation: block.newest() })
      case "read":
        return this.#reading.read(attachment, request)
      case "write": {
        const wrote = this.#contents.write(attachment, request)
        return wrote === "waits" ? undefined : answer(session, id, wrote)
      }
      case "notify":
        return answer(session, id, this.#contents.notify(attachment, request))
      case "pin":
        return answer(session, id, this.#reading.pin(attachment))
      case "unpin":
        return answer(session, id, this.#reading.unpin(attachment))
      case "subscribe": {
        const told = block.newest()
        attachment.following = { wantsData: request.wantsData === true, told }
        block.counted()
        return answer(session, id, { generation: told })
      }
      case "unsubscribe":
        attachment.following = undefined
        block.counted()
        return answer(session, id, { generation: block.newest() })
      case "seal":
        return answer(session, id, this.#seal(attachment, request))
    }
    throw new Refusal("unknown-type", `blocks have no operation ${operation.slice(0, 64)}`)
  }

  #attach(session: Session, block: Block, request: MemoryRequest): Result {
    this.#sealed.checkAttach(session, block, request)
    const attachment = this.#grants.attach(session, block, request)
    if (block.isRing && attachment.cell !== undefined && attachment.consumer === undefined) {
      activate(block.edition.area, attachment.cell, attachment.number)
    }
    return attached(attachment)
  }

  #made(block: Block, session: Session, request: MemoryRequest): void {
    if (session.isGone || !session.memberships.has(block.pool.name)) return
    const fields = { ...request.fields, mode: request.fields.mode ?? "write" }
    answer(session, request.id, this.#attach(session, block, { ...request, fields }))
  }

  #lock(session: Session, block: Block, { id, fields }: MemoryRequest): void {
    const { lockLeaseMs, lockLeaseLimitMs } = this.#options.limits
    const { mode, timeout = lockTimeoutMs, lease_ms: leaseMs = lockLeaseMs } = fields
    if (mode === undefined) throw missing("/mode", "must be read, write or exclusive")
    if (mode !== "read" && mode !== "write" && mode !== "exclusive") throw missing("/mode", "?")
    mayUse(session, block, mode === "read" ? "read" : "write")
    const now = this.#options.now()
    block.locks.ask(
      {
        ...{ owner: session, mode, until: now + Math.min(timeout, lockLeaseLimitMs) },
        leaseMs: Math.min(leaseMs, lockLeaseLimitMs),
        granted: (grant) => answer(session, id, grantBody(grant)),
        refused: ({ fault }) => session.refuse(id, fault),
      },
      now,
    )
  }

  #renew(session: Session, block: Block, { fields }: MemoryRequest) {
    return block.locks.renew(session, fields.lock_id, this.#options.now())
  }

  #seal(attachment: Attachment, { fields }: MemoryRequest): Result {
    const { block } = attachment
    if (attachment.mode !== "write") throw new Refusal("forbidden", "attach with mode write first")
    if (block.isRing) throw new Refusal("forbidden", "a ring is never sealed")
    if (block.state === "sealed") throw new Refusal("block-sealed", "the block is sealed")
    const { now, memory } = this.#options
    const isFilling = block.state === "filling"
    const content = isFilling
      ? this.making.publish(block, attachment.number, fields.length)
      : this.making.seal(block)
    block.state = "sealed"
    block.sum = memory.digest(content.data)
    this.#notices.event(block, "sealed", (each) => attached(each))
    this.care.trySave(block, now())
    const sha256 = encode64Url(block.sum)
    return { generation: block.newest(), sha256 }
  }

  #retire(block: Block, stored: "dropped" | "kept"): void {
    const { uuid } = block.facts
    if (stored === "dropped" && block.has("durable")) this.#stored.drop(uuid)
    if (block.state !== "zeroing") this.#notices.event(block, "retired")
    block.pool.blocks.delete(block.name)
    this.making.drop(block.edition)
    block.state = "gone"
    block.locks.end(new Refusal("no-block", `block ${block.name} is gone`))
    for (const each of [...block.attachments.values()]) this.#grants.detach(each)
  }
}

function answer(session: Session, id: Id | undefined, result: Result): void {
  if (id !== undefined) session.answer(id, result)
}

function grantBody(of: {
  readonly lock: string
  readonly fence: number
  readonly leaseMs: number
}) {
  return { lock_id: of.lock, fence: of.fence, lease_ms: of.leaseMs }
}
