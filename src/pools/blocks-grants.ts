/**
 * Who is attached to which block, and what of that lets it write.
 *
 * What always holds: a block that one writes has at most one writer, and its fence grows with every
 * grant; an app attaches within its rights in the pool and the block's own lists, and its
 * attachments end with either.
 */
import type { Memory } from "../memory.ts"
import { at } from "../wire/layout.ts"
import { Refusal } from "../wire/pools-errors.ts"
import type { MemoryRequest } from "../wire/pools-memory.ts"
import type { Attachment, Block } from "./blocks-block.ts"
import type { Limits } from "./limits.ts"
import { covers, type Membership } from "./pool.ts"
import { forbidden, limit } from "./realm.ts"
import type { Session } from "./session.ts"

export interface GrantsOptions {
  readonly memory: Memory
  readonly limits: Limits
  readonly now: () => number
  /** A writer's connection ended with the file mapped. */
  readonly left: (block: Block) => void
}

export class Grants {
  readonly #options: GrantsOptions
  readonly #bySession = new Map<Session, Map<number, Attachment>>()
  #last = 0

  constructor(options: GrantsOptions) {
    this.#options = options
  }

  /** Of all apps. */
  get size(): number {
    return [...this.#bySession.values()].reduce((sum, { size }) => sum + size, 0)
  }

  /** Attaches, or gives what the session has already. Throws the Refusal that says why not. */
  attach(session: Session, block: Block, request: MemoryRequest): Attachment {
    const { fields } = request
    const mode = fields.mode === "write" || fields.mode === "exclusive" ? "write" : "read"
    const place = this.#options.memory.place
    const isNear = place !== undefined && session.entrance.place === "local"
    const via = fields.via === "map" && isNear ? "map" : "socket"
    const known = this.of(session, block).find((each) => !block.isRing || each.mode === mode)
    const isEnough = known?.mode === mode || known?.mode === "write"
    if (known !== undefined && isEnough && known.via === via) return this.#celled(known, request)
    this.#check(session, block, mode)
    const program = via === "map" ? this.#programOf(request) : undefined
    const attachment: Attachment = {
      ...{ number: ++this.#last, session, block, mode, via, program },
      ...{ cell: undefined, consumer: undefined, following: known?.following },
    }
    if (known === undefined) this.#checkCount(session)
    this.#celled(attachment, request)
    if (known !== undefined) this.detach(known)
    const own = this.#bySession.get(session) ?? new Map<number, Attachment>()
    own.set(attachment.number, attachment)
    this.#bySession.set(session, own)
    block.attachments.set(attachment.number, attachment)
    block.counted()
    const isAlone = mode === "write" && !block.has("many") && block.state === "live"
    if (isAlone) block.grantTo(attachment)
    return attachment
  }

  /** What a session has of a block. */
  of(session: Session, block: Block): readonly Attachment[] {
    const own = this.#bySession.get(session)?.values() ?? []
    // A consumer that was detached is attached no more.
    return [...own].filter((each) => each.block === block && block.attachments.has(each.number))
  }

  /** By the number it was told. Throws NO_BLOCK. */
  get(session: Session, number: number): Attachment {
    const found = this.#bySession.get(session)?.get(number)
    if (found === undefined || !found.block.attachments.has(number)) {
      throw new Refusal("no-block", `there is no attachment ${number} of this connection`)
    }
    return found
  }

  /** The app lets go, with nothing of it still being written. */
  detach(attachment: Attachment): void {
    const { block } = attachment
    this.#forget(attachment)
    if (attachment.mode !== "write" || block.state !== "live") return
    const { area } = block.edition
    if (!block.has("many")) block.grantTo(undefined)
    else if (area.load(at.writer) === attachment.number) area.store(at.writer, 0)
  }

  /** The app may be in the middle of a write: its mapping lives on. */
  lose(attachment: Attachment): void {
    const { block, via, mode, number, program } = attachment
    const holds = !block.has("many") || block.edition.area.load(at.writer) === number
    if (via !== "map" || mode !== "write" || block.state !== "live" || !holds) {
      return this.detach(attachment)
    }
    this.#forget(attachment)
    block.leaving = { program, since: this.#options.now() }
    this.#options.left(block)
  }

  /** All that a session has. */
  all(session: Session): readonly Attachment[] {
    return [...(this.#bySession.get(session)?.values() ?? [])]
  }

  /** A membership has ended or may less: attachments that rested on it end. */
  narrowed({ session, pool, rights }: Membership): readonly Attachment[] {
    return this.all(session).filter(
      ({ block, mode }) => block.pool === pool && !rights.has(mode === "write" ? "write" : "read"),
    )
  }

  #check(session: Session, block: Block, mode: "read" | "write"): void {
    mayUse(session, block, mode)
    if (block.state === "filling" && block.attachments.size > 0) {
      throw new Refusal("forbidden", "whoever made it fills it, and has not sealed it yet")
    }
    if (mode === "read") return
    if (block.state === "sealed") throw new Refusal("block-sealed", "the block is sealed")
    if (block.has("many")) return
    const writer = block.writer?.session
    const isTaken = writer !== undefined && writer !== session
    if (isTaken || block.leaving !== undefined) {
      const name = writer?.name ?? null
      const sentence = `${name ?? "a writer that has just left"} writes this block`
      throw new Refusal("writer-exists", sentence, { detail: { writer: name }, retryAfterMs: 200 })
    }
  }

  #celled(attachment: Attachment, { fields }: MemoryRequest): Attachment {
    const { block, mode, cell } = attachment
    const wantsCell = fields.pin === true || (block.isRing && mode === "read")
    if (wantsCell && cell === undefined && block.state !== "sealed") {
      attachment.cell = block.freeCell()
    }
    if (block.attachments.has(attachment.number)) block.counted()
    return attachment
  }

  /** A process that is here now: so that, later, its absence means that it has gone. */
  #programOf({ fields }: MemoryRequest) {
    const { pid, started } = fields
    if (pid === undefined || started === undefined) return undefined
    const program = { pid, started }
    return this.#options.memory.lives(program) === "here" ? program : undefined
  }

  #checkCount(session: Session): void {
    const { attachmentsPerApp } = this.#options.limits
    const own = this.#bySession.get(session)
    if (own === undefined || own.size < attachmentsPerApp) return
    // Those that were taken from it count no more.
    for (const each of own.values()) {
      if (!each.block.attachments.has(each.number)) own.delete(each.number)
    }
    if (own.size >= attachmentsPerApp) throw limit("attachmentsPerApp", attachmentsPerApp)
  }

  #forget(attachment: Attachment): void {
    const { session, block } = attachment
    const own = this.#bySession.get(session)
    own?.delete(attachment.number)
    if (own?.size === 0) this.#bySession.delete(session)
    if (block.state !== "gone") block.remove(attachment)
    else block.attachments.delete(attachment.number)
    const waiting = block.waitingWrites.filter((each) => each.attachment !== attachment)
    const ended = block.waitingWrites.filter((each) => each.attachment === attachment)
    block.waitingWrites.splice(0, block.waitingWrites.length, ...waiting)
    const sentence = "the attachment has ended"
    for (const { request } of ended) session.refuse(request.id, { code: "no-block", sentence })
    const { area } = block.edition
    // Nobody waits any more: those that have the file mapped may write on.
    if (waiting.length === 0 && block.state === "live") area.store(at.wanted, 0)
  }
}

/** Whether a session may read or write a block, by its pool and by the block's own lists. */
export function mayUse(session: Session, block: Block, right: "read" | "write"): void {
  const { pool, facts } = block
  const membership = session.memberships.get(pool.name)
  if (membership === undefined) throw new Refusal("not-member", `join pool ${pool.name} first`)
  const list = facts.permissions[right]
  const isListed = list === undefined || list.some((each) => covers(each, session.app?.id ?? ""))
  if (!membership.rights.has(right) || !isListed) throw forbidden(right, pool.name)
}

export function noBlock(name: string): Refusal {
  return new Refusal("no-block", `there is no block ${name}`)
}
