/**
 * What those who govern rooms did, on all servers: revocations and denials.
 *
 * What always holds: an act holds here at once, on servers within reach as soon as the bus has told
 * them, and on others when they come: the bus keeps all acts that still matter under one key, which
 * is written only by who holds its claim.
 */
import type { Bus } from "../bus/bus.ts"
import { decodeActs, encodeActs, type Ruling } from "../wire/bus-acts.ts"
import type { Group } from "./group.ts"
import { dropOldest } from "./oldest.ts"

/** What acts need. */
export interface ActWorld {
  readonly bus: Bus
  readonly group: Pick<Group, "announce" | "origin">
  /** Does it here. The same act may come twice. */
  apply(act: Ruling): void
}

const key = "lfcc:acts"
const claimName = "lfcc:acts:writer"
const claimMs = 5_000
/** No token lives longer than a day: what was revoked before cannot come back. */
const keptMs = 25 * 60 * 60_000
/** The oldest makes room. */
const limit = 11_000

export class Acts {
  readonly #world: ActWorld
  /** All that still matter, by whom or what they concern. */
  readonly #kept = new Map<string, Ruling>()
  #isWriting = false
  /** Something is not written yet. */
  #isDirty = false

  constructor(world: ActWorld) {
    this.#world = world
    world.bus.onGap((channel) => {
      if (channel === undefined) this.#read()
    })
    this.#read()
  }

  /** Done here, by somebody who may. Throws what doing it throws; nobody is told of it then. */
  do(act: Ruling): void {
    this.#world.apply(act)
    this.#keep(act)
    this.#world.group.announce(act)
    this.#isDirty = true
    this.#write()
  }

  /** Done on another server. */
  hear(act: Ruling): void {
    if (this.#keep(act)) this.#world.apply(act)
  }

  /** It is `now`, in ms since 1970: what could not be written is tried again. */
  tick(): void {
    this.#write()
  }

  /** False where a newer one of its kind is known. */
  #keep(act: Ruling): boolean {
    const place = placeOf(act)
    const known = this.#kept.get(place)
    if (known !== undefined && known.at >= act.at) return false
    this.#kept.delete(place)
    this.#kept.set(place, act)
    dropOldest(this.#kept, limit)
    return true
  }

  #read(): void {
    this.#world.bus.get(key, (found) => {
      if (found !== undefined && found !== "away") this.#merge(found)
      // A Redis that came back empty gets back what we know.
      if (found !== "away" && this.#kept.size > 0) {
        this.#isDirty = true
        this.#write()
      }
    })
  }

  #merge(found: Uint8Array): void {
    for (const act of decodeActs(found)) this.hear(act)
  }

  #write(): void {
    const { bus, group } = this.#world
    if (!this.#isDirty || this.#isWriting || bus.state === "away") return
    this.#isWriting = true
    bus.claim(claimName, group.origin, claimMs, (claim) => {
      if (claim === "away" || claim.value !== group.origin) {
        this.#isWriting = false
        return
      }
      bus.get(key, (found) => {
        this.#isWriting = false
        if (found === "away") return
        if (found !== undefined) this.#merge(found)
        this.#isDirty = false
        const now = bus.now()
        for (const [place, { at, kind }] of this.#kept) {
          if (kind === "revoke" && at < now - keptMs) this.#kept.delete(place)
        }
        bus.put(key, encodeActs([...this.#kept.values()]), keptMs, claim)
        bus.renew(claim, 0, () => {})
      })
    })
  }
}

function placeOf(act: Ruling): string {
  return act.kind === "revoke" ? `u/${act.subject}/${act.room ?? ""}` : `p/${act.pattern}`
}
