/**
 * Messages too long for a channel, which travel as a key: Redis ends a listener whose unsent bytes
 * pass a limit, and a long message would be copied to every server.
 *
 * What always holds: what comes on a channel after a parcel waits for it, whoever sent it, so that
 * an ask never overtakes a change; a parcel that does not come within two seconds is told as
 * missed, and the others go on. Our own are not fetched.
 */
import type { Random } from "../service.ts"
import type { After } from "./lines.ts"

export interface ParcelWorld {
  readonly random: Random
  readonly after: After
  fetch(key: string): Promise<Uint8Array | undefined>
  /** What a fetched parcel holds; undefined where it is forged. */
  open(channel: string, fetched: Uint8Array): Uint8Array | undefined
  deliver(channel: string, data: Uint8Array): void
  missed(channel: string): void
}

/** A long message, and the short one that names it. */
export interface Parcel {
  readonly key: string
  readonly pointer: Uint8Array
}

const flagsAt = 2
const flag = 1
const lateMs = 2_000
/** One that is not there is looked for again after this, and then after twice as long each time. */
const firstAgainMs = 10
/** So much waits behind the parcels of all channels; what comes then is missed. */
const behindMessages = 10_000
const behindBytes = 32 * 1024 * 1024
/** Those of ours that have not come back to us. The oldest makes room: it is fetched, and does no harm. */
const ownLimit = 1_000

export class Parcels {
  /** A parcel is kept so long. */
  static readonly keptMs = 30_000
  readonly #world: ParcelWorld
  /** What came on a channel behind a parcel that is being fetched. */
  readonly #behind = new Map<string, Uint8Array[]>()
  readonly #own = new Set<string>()
  #messages = 0
  #bytes = 0

  constructor(world: ParcelWorld) {
    this.#world = world
  }

  /** The key under which `data` is put, and the message that names it. */
  wrap(data: Uint8Array): Parcel {
    const id = Buffer.from(this.#world.random(16)).toString("hex")
    const pointer = Buffer.concat([data.subarray(0, flagsAt + 1), Buffer.from(id, "latin1")])
    pointer[flagsAt] = (data[flagsAt] ?? 0) | flag
    this.#own.add(id)
    const oldest = this.#own.keys().next()
    if (this.#own.size > ownLimit && oldest.done !== true) this.#own.delete(oldest.value)
    return { key: keyOf(id), pointer }
  }

  /** A message came. */
  receive(channel: string, data: Uint8Array): void {
    const behind = this.#behind.get(channel)
    if (behind === undefined) return this.#work(channel, data)
    if (this.#messages >= behindMessages || this.#bytes + data.length > behindBytes) {
      return this.#world.missed(channel)
    }
    behind.push(data)
    this.#count([data], 1)
  }

  /** The connection ended: nothing is fetched any more. */
  clear(): void {
    this.#behind.clear()
    this.#own.clear()
    this.#messages = 0
    this.#bytes = 0
  }

  #work(channel: string, data: Uint8Array): void {
    if (((data[flagsAt] ?? 0) & flag) === 0) return this.#world.deliver(channel, data)
    const id = Buffer.from(data.subarray(flagsAt + 1)).toString("latin1")
    if (this.#own.delete(id)) return
    this.#fetch(channel, id)
  }

  #fetch(channel: string, id: string): void {
    const behind: Uint8Array[] = []
    this.#behind.set(channel, behind)
    const settle = (data: Uint8Array | undefined) => {
      callOff()
      if (this.#behind.get(channel) !== behind) return
      this.#behind.delete(channel)
      if (data === undefined) this.#world.missed(channel)
      else this.#world.deliver(channel, data)
      this.#goOn(channel, behind)
    }
    const callOff = this.#world.after(lateMs, () => settle(undefined))
    // In a cluster it goes through another master than the message that names it, and may come later.
    const ask = (againMs: number): void => {
      if (this.#behind.get(channel) !== behind) return
      this.#world.fetch(keyOf(id)).then(
        (fetched) => {
          if (fetched !== undefined) settle(this.#world.open(channel, fetched))
          else if (againMs < lateMs) this.#world.after(againMs, () => ask(2 * againMs))
        },
        () => settle(undefined),
      )
    }
    ask(firstAgainMs)
  }

  #goOn(channel: string, behind: readonly Uint8Array[]): void {
    this.#count(behind, -1)
    for (const [index, data] of behind.entries()) {
      this.#work(channel, data)
      const later = this.#behind.get(channel)
      if (later === undefined) continue
      // Another parcel: the rest waits for that one.
      const rest = behind.slice(index + 1)
      later.push(...rest)
      return this.#count(rest, 1)
    }
  }

  #count(messages: readonly Uint8Array[], sign: 1 | -1): void {
    this.#messages += sign * messages.length
    for (const { length } of messages) this.#bytes += sign * length
  }
}

function keyOf(id: string): string {
  return `lfcc:parcel:${id}`
}
