/**
 * What subscribers of blocks are told.
 *
 * What always holds: of new generations a subscriber hears at most once a turn, always the newest,
 * with how many it missed; one whose socket is behind hears when it has caught up.
 */
import { at, Damaged } from "../wire/layout.ts"
import type { Notice } from "../wire/pools-memory.ts"
import { Copies } from "../wire/pools-told.ts"
import type { Attachment, Block } from "./blocks-block.ts"
import type { Limits } from "./limits.ts"
import type { Session } from "./session.ts"

export class Notices {
  readonly #limits: Limits
  readonly #wake: (withinMs: 0 | 10) => void
  // Blocks with a generation that somebody has not been told of.
  readonly #due = new Set<Block>()

  /** `wake` asks for a tick at the end of this turn, or within 10 ms. */
  constructor(limits: Limits, wake: (withinMs: 0 | 10) => void) {
    this.#limits = limits
    this.#wake = wake
  }

  /** There is a new generation. */
  changed(block: Block): void {
    if (![...block.attachments.values()].some(({ following }) => following !== undefined)) return
    this.#due.add(block)
    this.#wake(0)
  }

  /** An app tells something of its own. */
  tell(from: Attachment, payload: unknown): void {
    const { block } = from
    for (const each of block.attachments.values()) {
      if (each.following === undefined || each.session.connection.behind) continue
      each.session.send({ ...headOf(each), ...newest(block), writer: from.session.name, payload })
    }
  }

  /** Something has become of the block itself: all who are attached hear it. */
  event(
    block: Block,
    event: NonNullable<Notice["event"]>,
    more: (attachment: Attachment) => Readonly<Record<string, unknown>> = () => ({}),
  ): void {
    for (const each of block.attachments.values()) this.one(each, event, more(each))
  }

  one(
    to: Attachment,
    event: NonNullable<Notice["event"]>,
    more: Readonly<Record<string, unknown>> = {},
  ): void {
    to.session.send({ ...headOf(to), ...newest(to.block), writer: "", event, more })
  }

  tick(): void {
    for (const block of [...this.#due]) {
      if (block.state === "gone" || this.#isTold(block)) this.#due.delete(block)
    }
    // Who is behind is so for a while: it is looked at again, but not in every turn.
    if (this.#due.size > 0) this.#wake(10)
  }

  #isTold(block: Block): boolean {
    try {
      return this.#flush(block) === "told"
    } catch (thrown) {
      // Whoever asks for the block next, or looks after it, finds that too, and replaces it.
      if (thrown instanceof Damaged) return true
      throw thrown
    }
  }

  #flush(block: Block): "told" | "waiting" {
    const { generation, length } = newest(block)
    let state: "told" | "waiting" = "told"
    const writer = writerOf(block, generation)
    for (const each of block.attachments.values()) {
      const { following, session } = each
      if (following === undefined || following.told === generation) continue
      if (session.connection.behind) {
        state = "waiting"
        continue
      }
      const lost = block.isRing ? 0 : Math.max(0, generation - following.told - 1)
      following.told = generation
      const content =
        following.wantsData && !block.isRing ? this.#content(block, generation) : undefined
      const notice: Notice = {
        ...headOf(each),
        ...{ generation, length, writer },
        ...(lost === 0 ? {} : { lost }),
        ...(content === undefined ? {} : { content }),
      }
      session.sendCopy(new Copies(notice))
    }
    return state
  }

  #content(block: Block, generation: number) {
    const taken = block.edition.slots.read({ generation })
    if (taken.is !== "content" || taken.data.length > this.#limits.noticeBytes) return undefined
    return { data: taken.data, contentType: taken.of.contentType }
  }
}

function headOf(to: Attachment) {
  const { block, number: attachment } = to
  return { kind: "notice", pool: block.pool.name, blockId: block.name, attachment } as const
}

function newest(block: Block): { readonly generation: number; readonly length: number } {
  if (block.state === "filling") return { generation: 0, length: 0 }
  const { slots } = block.edition
  try {
    // Of a ring: its tail, which moves with every record.
    if (block.isRing) return { generation: block.edition.area.load(at.latest), length: 0 }
    const generation = slots.newest()
    return { generation, length: generation === 0 ? 0 : slots.recordOf(generation).length }
  } catch (thrown) {
    // Of a block that was damaged nothing newer is known.
    if (!(thrown instanceof Damaged)) throw thrown
    return { generation: block.seen, length: 0 }
  }
}

function writerOf(block: Block, generation: number): string {
  if (generation === 0 || block.isRing) return block.writer?.session.name ?? ""
  const { writer } = block.edition.slots.recordOf(generation)
  const session: Session | undefined = block.attachments.get(writer)?.session
  return session?.name ?? ""
}
