/**
 * One attachment of this app to a block: made, told apart from others, made again.
 *
 * What always holds: while it is attached its facts and its mapping are those that the server told
 * last; a mapping that something is pinned in stays until that is released; one that could not be
 * made is asked for over the connection instead. Who is attached no more attaches with the next use.
 */

import { type Facts, factsOf, isLeaving } from "./blocks-facts.ts"
import type { Access, Mapper, Mapping } from "./blocks-mapping.ts"
import type { BlockNotice } from "./blocks-shapes.ts"
import { Pace } from "./blocks-waits.ts"
import { asPoolsError, fault } from "./pools-faults.ts"
import { type Fields, isFields, present, textIn } from "./pools-frames.ts"
import type { Ground } from "./pools-ground.ts"
import type { PoolsError } from "./pools-shapes.ts"

/** So long the server may take to find out whether the last writer lives, and how often it is asked. */
const leavingMs = 10_000
const leavingStepMs = 100

export interface Wants {
  readonly pool: string
  readonly id: string
  readonly kind: "block" | "ring"
  /** Tells apart what one app has of one block. */
  readonly key: string
  mode: "read" | "write"
  pin: boolean
  readonly map: "auto" | "off"
}

export interface SeatOwner {
  readonly ground: Ground
  readonly mapper: Mapper | undefined
  /** Notices of this attachment go to this seat. */
  seated(seat: Seat, attachment: number, before: number | undefined): void
  /** It is gone for good. */
  left(seat: Seat): void
}

export class Seat {
  readonly wants: Wants
  /** Tells what the server says of the block. */
  readonly listeners = new Set<(notice: BlockNotice) => void>()
  /** Told when all that rested on the connection, like locks, is lost. */
  readonly losers = new Set<(why: PoolsError) => void>()
  readonly #owner: SeatOwner
  #facts: Facts | undefined
  #state: { readonly is: "attached" | "away" } | { readonly is: "gone"; readonly why: PoolsError } =
    { is: "away" }
  #attaching: Promise<void> | undefined
  #mapping: Mapping | undefined
  #mapped = ""
  // A mapping that something is pinned in, and whether it is to go with that.
  #pinned: { readonly mapping: Mapping; isLeft: boolean } | undefined
  // The welcome under which mapping has failed.
  #unmappable: unknown
  #follows: "no" | "notices" | "data" = "no"
  #told = 0
  #isNotifying = false

  constructor(owner: SeatOwner, wants: Wants) {
    this.#owner = owner
    this.wants = wants
  }

  /** What was told last, attached or not. Throws before that. */
  get facts(): Facts {
    if (this.#facts === undefined) throw fault("no-block", "it is not attached")
    return this.#facts
  }

  /** 0 for a number that no attachment has. */
  get attachment(): number {
    return this.#state.is === "attached" ? (this.#facts?.attachment ?? 0) : 0
  }

  get isPinned(): boolean {
    return this.#pinned !== undefined
  }

  /** The memory, where it is mapped now. */
  get mapping(): Mapping | undefined {
    return this.#mapping
  }

  /** The memory. Throws NOT_LOCAL, BLOCK_RETIRED, or why it is gone. */
  local(): Mapping {
    if (this.#mapping !== undefined) return this.#mapping
    if (this.#state.is === "gone") throw this.#state.why
    if (this.#state.is === "away") throw fault("block-retired", "it has to be attached again")
    throw fault("not-local", "the block is reached over the connection")
  }

  /** Makes the block and attaches to it. */
  async create(fields: Fields): Promise<void> {
    const { requests } = this.#owner.ground
    const { pool, id } = this.wants
    const body = () => ({ ...this.#body(), operation: "create", ...fields, pool, block_id: id })
    await requests.ask(body, { heard: (result) => this.#hear(result) })
    requests.keep(this.#key, this.#holding())
    await this.ready()
  }

  /** Resolves when it is attached. Rejects with why it cannot be. */
  async ready(): Promise<void> {
    // What is under way may have been asked for before more was wanted.
    while (!this.#isEnough) {
      if (this.#state.is === "gone") throw this.#state.why
      const attaching = this.#attaching ?? this.#attach()
      this.#attaching = attaching
      try {
        await attaching
      } finally {
        if (this.#attaching === attaching) this.#attaching = undefined
      }
    }
  }

  /** Attaches again: its file is another, or it wants more than before. */
  async renew(): Promise<void> {
    if (this.#state.is === "attached") this.#state = { is: "away" }
    await this.ready()
  }

  /** Asks about this block, by the attachment that it has when that is said. */
  ask(operation: string, fields: Fields = {}, data?: Uint8Array): Promise<Fields> {
    const body = () => ({ type: "memory", operation, attachment: this.attachment, ...fields })
    return this.#owner.ground.requests.ask(body, data === undefined ? {} : { data })
  }

  /** Tells the server of what was written into the memory: once for all of a turn. */
  notifyWritten(): void {
    if (this.#isNotifying) return
    this.#isNotifying = true
    queueMicrotask(() => {
      this.#isNotifying = false
      const { attachment } = this
      if (attachment === 0) return
      const body = { type: "memory", operation: "notify", attachment }
      this.#owner.ground.say({ kind: "plain", body })
    })
  }

  /** Hears of new generations from now on, also after a return. */
  async follow(data: boolean): Promise<void> {
    const wanted = data || this.#follows === "data" ? "data" : "notices"
    await this.ready()
    const { generation } = await this.ask("subscribe", wanted === "data" ? { data: true } : {})
    if (this.#follows === "no" && typeof generation === "number") this.#told = generation
    this.#follows = wanted
  }

  async unfollow(): Promise<void> {
    this.#follows = "no"
    await this.ask("unsubscribe")
  }

  /** Holds the mapping; gives what lets it go. */
  hold(mapping: Mapping): () => void {
    const pinned = { mapping, isLeft: false }
    this.#pinned = pinned
    return () => {
      if (this.#pinned !== pinned) return
      this.#pinned = undefined
      if (pinned.isLeft) mapping.release()
    }
  }

  /** Lets go of the memory, before the server makes it another's. */
  unmap(): void {
    const mapping = this.#mapping
    this.#mapping = undefined
    this.#mapped = ""
    if (mapping === undefined) return
    if (this.#pinned?.mapping === mapping) this.#pinned.isLeft = true
    else mapping.release()
  }

  /** What the server says without being asked. `body` has what goes with an event. */
  told(notice: BlockNotice, body: Fields): void {
    switch (notice.event) {
      case "replaced":
      case "sealed":
        this.#told = Math.max(this.#told, notice.generation)
        if (notice.event === "sealed") this.wants.mode = "read"
        this.#hear(body)
        break
      case "retired":
        this.end(fault("no-block", textIn(body, "reason") ?? `block ${this.wants.id} is gone`))
        break
      case "detached":
        this.#state = { is: "away" }
        this.unmap()
        this.#lose(fault("block-retired", `it was detached: ${textIn(body, "reason") ?? ""}`))
        break
      default:
        this.#told = Math.max(this.#told, notice.generation)
    }
    for (const listener of [...this.listeners]) listener(notice)
  }

  /** The connection is lost. */
  lost(why: PoolsError): void {
    this.#lose(why)
  }

  /** It is gone for good. */
  end(why: PoolsError): void {
    if (this.#state.is === "gone") return
    this.#state = { is: "gone", why }
    this.#owner.ground.requests.forget(this.#key)
    this.unmap()
    this.#owner.left(this)
    this.#lose(why)
  }

  get #isEnough(): boolean {
    const mayWrite = this.wants.mode === "read" || this.#facts?.mode === "write"
    return this.#state.is === "attached" && mayWrite
  }

  get #key(): string {
    return `block ${this.wants.key}`
  }

  async #attach(): Promise<void> {
    const pace = new Pace(leavingMs, leavingStepMs)
    for (;;) {
      try {
        await this.#owner.ground.requests.hold(this.#key, this.#holding())
        return
      } catch (thrown) {
        if (!isLeaving(asPoolsError(thrown)) || pace.isOver) throw thrown
      }
      await pace.wait()
    }
  }

  #holding() {
    return {
      rank: "later" as const,
      body: () => this.#body(),
      heard: (result: Fields) => this.#hear(result),
      again: async () => {
        // It could not be mapped.
        if (this.#state.is !== "away") return
        const { requests } = this.#owner.ground
        await requests.askNow(this.#body(), (result) => this.#hear(result))
      },
      refused: ({ code }: PoolsError) => {
        // Sealed while this was away: what is left is to read.
        if (code === "BLOCK_SEALED") this.wants.mode = "read"
        if (this.#state.is !== "attached") return
        this.#state = { is: "away" }
        this.unmap()
      },
    }
  }

  #body(): Fields {
    const { pool, id, mode, pin, map } = this.wants
    const { mapper, ground } = this.#owner
    const shm = ground.welcome?.ack["shm"]
    const [dir, probe] = isFields(shm) ? [textIn(shm, "dir"), textIn(shm, "probe")] : []
    const isOpen = map === "auto" && this.#unmappable !== ground.welcome
    const isTold = dir !== undefined && probe !== undefined
    const mayMap = isOpen && isTold && mapper?.shares(dir, probe) === true
    return present({
      ...{ type: "memory", operation: "attach", block_id: id, pool, mode },
      via: mayMap ? "map" : "socket",
      ...(pin ? { pin } : {}),
      ...(mayMap ? mapper?.program : {}),
    })
  }

  /** An attachment, as the server tells it. */
  #hear(result: Fields): void {
    if (this.#state.is === "gone") return this.#giveBack(result)
    const facts = factsOf(result)
    const before = this.#facts
    if (before !== undefined && before.uuid !== facts.uuid) {
      this.#giveBack(result)
      return this.end(fault("no-block", `another block has the id ${this.wants.id} now`))
    }
    this.#facts = facts
    this.#state = { is: "attached" }
    this.#owner.seated(this, facts.attachment, before?.attachment)
    this.#map(facts)
    if (this.#follows !== "no") this.#followAgain(this.attachment).catch(() => {})
  }

  #map(facts: Facts): void {
    const { mapper, ground } = this.#owner
    const { via, path, state, fileBytes: bytes, uuid, attachment, fence } = facts
    const { kind, mode, pin } = this.wants
    // A consumer of a ring stores how far it is.
    const writes = kind === "ring" || mode === "write" || pin
    const access: Access = state === "sealed" ? "sealed" : writes ? "write" : "read"
    const wanted = via === "map" ? [path, attachment, fence, access].join(" ") : ""
    if (wanted === this.#mapped) return
    this.unmap()
    if (wanted === "" || mapper === undefined) return
    const mapping = mapper.map(path, { bytes, uuid, access, attachment, fence })
    if (typeof mapping === "string") {
      // Over the connection, until there is another one.
      this.#unmappable = ground.welcome
      this.#state = { is: "away" }
      return
    }
    this.#mapping = mapping
    this.#mapped = wanted
  }

  /** Hears again, first of what it has missed. Lost again, that will be done again. */
  async #followAgain(attachment: number): Promise<void> {
    if (attachment === 0) return
    const { requests } = this.#owner.ground
    const data = this.#follows === "data" ? { data: true } : {}
    const body = { type: "memory", operation: "subscribe", attachment, ...data }
    const { generation: newest } = await requests.askNow(body)
    if (typeof newest !== "number" || newest <= this.#told) return
    // What it has already: as it stands now.
    const { generation, length } = factsOf(await requests.askNow(this.#body()))
    if (generation <= this.#told) return
    const lost = generation - this.#told - 1
    this.#told = generation
    for (const listener of [...this.listeners]) listener({ generation, length, writer: "", lost })
  }

  /** Nobody here wants what was attached. */
  #giveBack(result: Fields): void {
    const body = { type: "memory", operation: "detach", attachment: factsOf(result).attachment }
    this.#owner.ground.say({ kind: "plain", body })
  }

  #lose(why: PoolsError): void {
    for (const loser of [...this.losers]) loser(asPoolsError(why))
  }
}
