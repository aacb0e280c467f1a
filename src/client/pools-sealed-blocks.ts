/**
 * Blocks of an encrypted pool: each generation is one envelope, sealed for its block and number.
 *
 * What always holds: content goes over the connection, sealed, and comes to a reader only if it opens
 * as what the server says that it is; nothing older than what was read before is given out. What
 * would leave a part of the content open is refused: patches, rings, pins, payloads of notices.
 */
import { Refusal } from "../wire/pools-errors.ts"
import { contentTypeName, contentTypeOf, contentTypes } from "../wire/pools-payload.ts"
import { envelopeExtraBytes, readEnvelope } from "../wire/trinity-envelope.ts"
import type {
  AttachOptions,
  Block,
  BlockNotice,
  BlockOptions,
  BlockRef,
  Lock,
  LockOptions,
  Pinned,
  PoolBlocks,
  ReadOptions,
  Ring,
  Sealed,
  Snapshot,
  SubscribeOptions,
  WriteOptions,
  Written,
} from "./blocks-shapes.ts"
import type { Keyring } from "./keys.ts"
import type { LaneGround } from "./pools-sealed.ts"
import type { Undo } from "./pools-shapes.ts"

/** So often a write is sealed anew because others were faster; then it is CONFLICT. */
const triesLimit = 100

interface Sealing {
  readonly ring: Keyring
  /** What a program is told. */
  readonly errorOf: LaneGround["errorOf"]
  /** Gets the keys of epochs before those that are known. */
  reachBack(): Promise<void>
}

/** The same blocks, whose content is sealed. */
export function sealedBlocks(blocks: PoolBlocks, sealing: Sealing): PoolBlocks {
  return {
    async create(id, size, options: BlockOptions = {}) {
      const { filling, ...rest } = options
      if (filling === true) throw unavailable(sealing, "blocks that are filled")
      const whole = { ...rest, map: "off" } as const
      return new SealedBlock(await blocks.create(id, size + envelopeExtraBytes, whole), sealing)
    },
    async attach(id, options: AttachOptions = {}) {
      return new SealedBlock(await blocks.attach(id, { ...options, map: "off" }), sealing)
    },
    async ring(): Promise<Ring> {
      throw unavailable(sealing, "rings")
    },
  }
}

class SealedBlock implements Block {
  readonly via = "socket"
  readonly #inner: Block
  readonly #sealing: Sealing
  readonly #uuid: Uint8Array
  #newest: Written = { generation: 0, length: 0 }

  constructor(inner: Block, sealing: Sealing) {
    this.#inner = inner
    this.#sealing = sealing
    this.#uuid = Uint8Array.from(inner.uuid.replaceAll("-", "").match(/../g) ?? [], (pair) =>
      Number.parseInt(pair, 16),
    )
  }

  get id(): string {
    return this.#inner.id
  }

  get uuid(): string {
    return this.#inner.uuid
  }

  get capacity(): number {
    return Math.max(0, this.#inner.capacity - envelopeExtraBytes)
  }

  async read({ offset = 0, length, generation: wanted }: ReadOptions = {}): Promise<Snapshot> {
    const snapshot = await this.#inner.read(wanted === undefined ? {} : { generation: wanted })
    const { generation, data, time } = snapshot
    if (generation === 0 && this.#newest.generation === 0) return { ...snapshot, offset }
    try {
      const { ring, reachBack } = this.#sealing
      if ((readEnvelope(data)?.epoch ?? ring.firstEpoch) < ring.firstEpoch) await reachBack()
      const { type, bytes } = await ring.openBlock({ uuid: this.#uuid, generation }, data)
      if (generation >= this.#newest.generation) {
        this.#newest = { generation, length: bytes.length }
      }
      const end = length === undefined ? bytes.length : offset + length
      const contentType = contentTypeName(type) ?? "json"
      return { data: bytes.slice(offset, end), generation, offset, contentType, time }
    } catch (thrown) {
      throw this.#sealing.errorOf(thrown)
    }
  }

  async write(data: Uint8Array, options: WriteOptions = {}): Promise<Written> {
    const { offset, ifGeneration, contentType = "bytes", fence } = options
    if (offset !== undefined) throw unavailable(this.#sealing, "patches of a block")
    const type = contentTypeOf(contentType) ?? contentTypes.bytes
    // Sealed after this call: what the program does with its bytes meanwhile is not written.
    const content = { type, bytes: Uint8Array.from(data) }
    let before = ifGeneration ?? this.#inner.ref().generation
    for (let tries = 1; ; tries++) {
      const envelope = await this.#sealed(before + 1, content)
      try {
        const lock = fence === undefined ? {} : { fence }
        const how = { ifGeneration: before, contentType: "bytes", ...lock }
        const { generation } = await this.#inner.write(envelope, how)
        this.#newest = { generation, length: data.length }
        return this.#newest
      } catch (thrown) {
        const newest = newestIn(thrown)
        const isOthers = ifGeneration === undefined && newest !== undefined
        if (!isOthers || tries >= triesLimit) throw thrown
        before = newest
      }
    }
  }

  peek(): Snapshot | undefined {
    throw this.#notLocal()
  }

  put(): Written {
    throw this.#notLocal()
  }

  async pin(): Promise<Pinned> {
    throw unavailable(this.#sealing, "pins")
  }

  seal(): Promise<Sealed> {
    return this.#inner.seal()
  }

  lock(mode: Lock["mode"], options?: LockOptions): Promise<Lock> {
    return this.#inner.lock(mode, options)
  }

  async subscribe(
    listener: (notice: BlockNotice) => void,
    { data = false }: SubscribeOptions = {},
  ): Promise<Undo> {
    if (data) throw unavailable(this.#sealing, "notices with content")
    return this.#inner.subscribe((notice) =>
      listener({ ...notice, length: Math.max(0, notice.length - envelopeExtraBytes) }),
    )
  }

  async notify(): Promise<void> {
    throw unavailable(this.#sealing, "notices of an app's own")
  }

  ref(options: Partial<Omit<BlockRef, "block">> = {}): BlockRef {
    const { generation, length } = this.#newest
    return { block: this.uuid, generation, offset: 0, length, ...options }
  }

  detach(): Promise<void> {
    return this.#inner.detach()
  }

  destroy(): Promise<void> {
    return this.#inner.destroy()
  }

  async #sealed(generation: number, content: { type: number; bytes: Uint8Array }) {
    try {
      return await this.#sealing.ring.sealBlock({ uuid: this.#uuid, generation }, content)
    } catch (thrown) {
      throw this.#sealing.errorOf(thrown)
    }
  }

  #notLocal(): Error {
    const sentence = "the content is sealed: read and write it"
    return this.#sealing.errorOf(new Refusal("not-local", sentence))
  }
}

function unavailable({ errorOf }: Sealing, what: string): Error {
  return errorOf(new Refusal("unavailable", `${what} are not available in encrypted pools`))
}

/** What the server says with CONFLICT is the newest generation. */
function newestIn(thrown: unknown): number | undefined {
  if (!(thrown instanceof Error) || !("code" in thrown) || thrown.code !== "CONFLICT") return
  const detail = "detail" in thrown ? thrown.detail : undefined
  if (typeof detail !== "object" || detail === null || !("newest" in detail)) return
  return typeof detail.newest === "number" ? detail.newest : undefined
}
