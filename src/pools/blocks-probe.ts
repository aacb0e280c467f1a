/**
 * A block inside the server that is written and read back: what `/health` asks before it says that
 * blocks work.
 *
 * What always holds: it goes the way of every block, through the same memory and the same layout, and
 * no app can name it.
 */
import type { Header } from "../wire/layout.ts"
import type { Blocks } from "./blocks.ts"
import type { Edition } from "./blocks-block.ts"
import type { Making } from "./blocks-making.ts"

const uuid = "00000000-0000-4000-8000-000000000000"
const capacity = 64

export class BlocksProbe {
  readonly #making: Making
  #edition: Edition | undefined
  #turn = 0

  constructor(making: Making) {
    this.#making = making
  }

  /** Whether what is written now is read back, whole. */
  works(): boolean {
    try {
      this.#edition ??= this.#made()
      const { slots } = this.#edition
      const data = new Uint8Array(capacity).fill(++this.#turn)
      slots.write({ offset: "whole", data, writer: 0, fence: 0, time: 0 })
      const taken = slots.read()
      return taken.is === "content" && taken.data.every((byte) => byte === data[0])
    } catch {
      // Full, removed or cut short: that is the answer to the question. The next one makes a file anew.
      if (this.#edition !== undefined) this.#making.drop(this.#edition)
      this.#edition = undefined
      return false
    }
  }

  #made(): Edition {
    const header: Header = {
      ...{ uuid: new Uint8Array(16), flags: new Set(), slots: 2, capacity, createdAt: 0 },
    }
    // Whatever is left of one that broke is not in the way: the number is another.
    const edition = this.#making.begin({ uuid, header, number: ++this.#turn })
    while (this.#making.fill(edition) === "more");
    return edition
  }
}

/** What `/health` says of blocks. */
export function blockHealth(blocks: Blocks, probe: BlocksProbe): "ok" | "degraded" | "down" {
  if (!probe.works()) return "down"
  return blocks.care.state === "well" ? "ok" : "degraded"
}
