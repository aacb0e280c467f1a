/**
 * How a replica of an opaque room gets the content: from a holder, else from a copy, else by being
 * told that there is none; and how what a returning one has reaches the others.
 *
 * What always holds: a holder is one who said that it has the content, was given it, or was told
 * that there is none and has seen all that came since. An empty answer goes only to who asked for
 * one, and to nobody while a holder is known (RL31). Who has not said a word is given a moment to
 * say what it has, before it is taken for a newcomer.
 */
import type { ToOpaque } from "../wire/relay.ts"
import type { Ask, Asks, Wish } from "./asks.ts"
import type { Copy } from "./copies.ts"
import type { OpaqueCopy } from "./copies-opaque.ts"
import type { Counts } from "./counts.ts"
import type { RelayOptions } from "./limits.ts"
import type { OpaqueReplica } from "./opaque-fan-out.ts"
import type { OpaqueOutlet } from "./replica.ts"
import type { Seeds } from "./seeds.ts"

/** The parts of a room that newcomers are served from. */
export interface OpaqueNewcomerWorld {
  readonly docId: string
  readonly options: RelayOptions
  readonly counts: Counts
  readonly replicas: ReadonlySet<OpaqueReplica>
  readonly asks: Asks<OpaqueOutlet>
  readonly seeds: Seeds<OpaqueReplica>
  readonly copy: OpaqueCopy
}

/** An answer of a holder. */
export interface Snapshot {
  readonly snapshot: Uint8Array
  readonly version: Uint8Array | undefined
}

type OpaqueWish = Wish<OpaqueOutlet>
type OpaqueAsk = Ask<OpaqueOutlet>

interface Guest {
  /** Until when it may say what it has; undefined once it has spoken, or has been silent for so long. */
  hearUntil: number | undefined
  /** It said that it has the content. */
  isReturning: boolean
  /** It asked for an answer, so it is told when there is nothing. */
  isAsking: boolean
}

/** The group of those who get everything. */
const whole = "whole"
/** So many may be given a difference of their own in a second. */
const differences = 8
const secondMs = 1_000
/** So long a far end may take to say its first word. */
const hearMs = 100

export class OpaqueNewcomers {
  readonly #world: OpaqueNewcomerWorld
  readonly #guests = new Map<OpaqueReplica, Guest>()
  readonly #names = new WeakMap<OpaqueAsk, string>()
  readonly #served = new WeakSet<OpaqueWish>()
  /** Returning replicas that are still to be asked what they have, and the one that is asked now. */
  readonly #pulls = new Set<OpaqueReplica>()
  #pulled: OpaqueReplica | undefined
  #drawn = 0
  /** Differences that holders were asked for in this second. */
  #differences = 0
  #secondUntil = 0
  #wasHeld = false
  /** Whether any content ever came by, or somebody said that there is some. */
  isThere = false

  constructor(world: OpaqueNewcomerWorld) {
    this.#world = world
  }

  get holders(): number {
    let count = 0
    for (const { standing } of this.#world.replicas) if (standing === "holder") count++
    return count
  }

  enter(replica: OpaqueReplica, has: "nothing" | "snapshot", now: number): void {
    const guest: Guest = { hearUntil: now + hearMs, isReturning: false, isAsking: false }
    this.#guests.set(replica, guest)
    if (has === "snapshot") this.#returns(replica, guest, now)
  }

  leave(replica: OpaqueReplica): void {
    this.#guests.delete(replica)
    this.#pulls.delete(replica)
    if (this.#pulled === replica) this.#pulled = undefined
  }

  /** Its first word tells what it has; later ones say nothing new. `version` is what it said of it. */
  heard(replica: OpaqueReplica, version: Uint8Array | undefined, now: number): void {
    const guest = this.#guests.get(replica)
    if (guest?.hearUntil === undefined) return
    guest.hearUntil = undefined
    if (!guest.isReturning) this.#wish(replica, version, now)
    else this.#owe(replica, version, now)
  }

  /** It says that it has the content. */
  returns(replica: OpaqueReplica, version: Uint8Array | undefined, now: number): void {
    const guest = this.#guests.get(replica)
    if (guest === undefined || guest.isReturning) return
    this.#returns(replica, guest, now)
    if (guest.hearUntil === undefined) this.#owe(replica, version, now)
  }

  /** It asks for the content. */
  request(replica: OpaqueReplica, version: Uint8Array | undefined, now: number): void {
    const { asks, options, counts } = this.#world
    const guest = this.#guests.get(replica)
    if (guest === undefined) return
    guest.isAsking = true
    if (asks.wants(replica)) return
    if (replica.standing === "newcomer") return this.#wish(replica, version, now)
    if (!replica.mayStep(options.stepsPerMinute, now)) {
      counts.refused.add("steps")
      if (!options.limitsDryRun) return
    }
    this.#wish(replica, version, now)
  }

  /** Whether `holder` may be asked for the content on behalf of `asker`. */
  suits(holder: OpaqueReplica, asker: OpaqueReplica): boolean {
    if (!this.isThere) return false
    if (holder.standing === "holder") return true
    const { viewersAnswer } = this.#world.options
    return holder.standing === "reader" && viewersAnswer && !asker.mayWrite
  }

  /**
   * Which wishes share an ask. Versions have no minimum, so only those of one version share a
   * difference; above `differences` in a second all who wait share the whole (RL25).
   */
  groupOf({ has }: OpaqueWish): string {
    if (has === undefined || this.#differences >= differences) return whole
    return `version ${Buffer.from(has).toString("latin1")}`
  }

  /** Puts an ask to a holder. */
  put(holder: OpaqueReplica, ask: OpaqueAsk, now: number): void {
    const requestId = this.#draw()
    this.#names.set(ask, requestId)
    const [wish] = ask.wishes
    const stamp = { docId: this.#world.docId, ts: now }
    const version = ask.group === whole ? undefined : wish?.has
    if (version !== undefined) this.#differences++
    holder.outlet.send({ kind: "snapshot-request", ...stamp, requestId, version })
  }

  /** The ask of `replica` that bears this name, or its oldest where the answer bears none. */
  askOf(replica: OpaqueReplica, requestId: string | undefined): OpaqueAsk | undefined {
    if (requestId === undefined) return replica.asked[0]
    return replica.asked.find((ask) => this.#names.get(ask) === requestId)
  }

  /**
   * Gives a holder's answer to those who wished for it. Who may not have it from there waits again;
   * so do all where the answer was none.
   */
  answer(
    holder: OpaqueReplica,
    { ask, answer }: { readonly ask: OpaqueAsk; readonly answer: Snapshot | undefined },
    now: number,
  ): void {
    const { asks, replicas, docId, counts } = this.#world
    const requestId = this.#names.get(ask) ?? ""
    const stamp = { docId, ts: now }
    const content = { requestId, content: "given" } as const
    // One message for all, so that it is encoded once.
    const message: ToOpaque | undefined = answer && {
      kind: "snapshot-response",
      ...stamp,
      ...content,
      ...answer,
    }
    for (const wish of ask.wishes) {
      const { asker } = wish
      if (!replicas.has(asker) || this.#served.has(wish)) continue
      if (message === undefined || !this.suits(holder, asker)) {
        if (ask.state === "open") asks.wish(wish)
        continue
      }
      this.#settle(wish)
      counts.requests.add("local")
      counts.delivered++
      asker.outlet.send(message)
    }
  }

  /** There is content from here on; who waited for it is served. */
  filled(now: number): void {
    if (this.isThere) return
    this.isThere = true
    this.#world.seeds.filled(now)
    this.serve(now)
  }

  /** Serves whoever waits, as far as it can be served now. */
  serve(now: number): void {
    const { asks } = this.#world
    if (now >= this.#secondUntil) {
      this.#secondUntil = now + secondMs
      this.#differences = 0
    }
    this.#pull(now)
    if (asks.waiting.length === 0) return
    if (this.isThere) asks.serve(now)
    const isHeld = this.isThere && this.holders > 0
    for (const wish of [...asks.waiting]) {
      if (!asks.waiting.includes(wish)) continue
      if (wish.asker.standing !== "newcomer") this.#comfort(wish, now)
      else if (!isHeld) this.#begin(wish, now)
    }
  }

  /** Someone left, or may no longer write: its grant goes on to someone who is here, if any can be told (RL39). */
  lost(replica: OpaqueReplica, now: number): void {
    const { seeds, replicas, counts } = this.#world
    const wasGranted = seeds.grantee === replica
    seeds.left(replica)
    if (this.isThere || !wasGranted) return
    for (const each of replicas) {
      if (each.standing !== "holder" || !each.outlet.hearsSeeds) continue
      if (seeds.ask(each, now) !== "yes") return
      counts.seedGrants++
      return this.#sayEmpty(each, now)
    }
  }

  /** Ends the waiting for a first word, and for holders that do not answer (RL31). Returns when to look again. */
  tick(now: number): number {
    const { asks, options, seeds, copy } = this.#world
    const { snapshotMs, askMs, orphanHoldMs } = options
    let next = Number.POSITIVE_INFINITY
    for (const [replica, { hearUntil }] of this.#guests) {
      if (hearUntil === undefined) continue
      if (hearUntil <= now) this.heard(replica, undefined, now)
      else next = Math.min(next, hearUntil)
    }
    for (const wish of asks.waiting) {
      const { asker, since } = wish
      const closesAt = since + 3 * snapshotMs
      const isHeld = this.isThere && this.holders > 0
      if (isHeld && now >= since + snapshotMs) copy.ease(wish, now)
      if (asker.standing === "newcomer" && now >= closesAt && (isHeld || copy.isAway)) {
        asker.outlet.close("unavailable", "who has this document does not answer")
      }
      const dues = [now + askMs, since + orphanHoldMs, since + snapshotMs, closesAt]
      for (const due of [...dues, seeds.heldUntil]) if (due > now) next = Math.min(next, due)
    }
    copy.release()
    return next
  }

  #returns(replica: OpaqueReplica, guest: Guest, now: number): void {
    const { asks } = this.#world
    guest.isReturning = true
    for (const wish of asks.waiting) if (wish.asker === replica) this.#settle(wish)
    replica.filled()
    if (!replica.mayWrite) return
    this.#wasHeld = true
    const { copy } = this.#world
    // It may lack what was written while it was away.
    if (this.holders === 1) copy.owe()
    copy.changed(now)
    this.filled(now)
    this.serve(now)
  }

  /** What it wrote while away is to reach the others. With a version it sends that by itself. */
  #owe(replica: OpaqueReplica, version: Uint8Array | undefined, now: number): void {
    if (version !== undefined || !replica.mayWrite) return
    this.#pulls.add(replica)
    this.#pull(now)
  }

  #wish(asker: OpaqueReplica, version: Uint8Array | undefined, now: number): void {
    const { asks, options } = this.#world
    // Nobody keeps a version that long: it is asked for everything.
    const has = version !== undefined && version.length <= options.vectorBytes ? version : undefined
    asks.wish({ asker, has: has?.slice(), since: now })
    this.serve(now)
  }

  /** It has the content and asks again: where nobody else has, it is told so (RL36). */
  #comfort(wish: OpaqueWish, now: number): void {
    const { asker } = wish
    for (const each of this.#world.replicas) {
      if (each !== asker && this.suits(each, asker)) return
    }
    this.#settle(wish)
    this.#sayEmpty(asker, now)
  }

  /** A wish for what nobody here is known to have (RL33). */
  #begin(wish: OpaqueWish, now: number): void {
    const { options, seeds, copy } = this.#world
    const { asker, since } = wish
    const found = this.holders === 0 ? copy.look(now) : "none"
    if (found === "asked") return
    if (found === "away") {
      if (options.copiesRequired || now < since + options.snapshotMs) return
      copy.owe()
    } else if (found !== "none") return this.#giveCopy({ wish, found }, now)
    // A viewer's copy is asked of nobody, so a room of viewers has nothing to give (RL35).
    if (!asker.mayWrite) return
    const mark = this.isThere && this.#wasHeld ? "marked" : seeds.marked(now)
    if (mark === "marked") {
      if (now >= since + options.orphanHoldMs) this.#tellEmpty(wish, "later", now)
      return
    }
    // What there is it wrote itself just now, or others did who are as new.
    if (mark === "unmarked" && this.isThere) return this.#tellEmpty(wish, "later", now)
    if (now >= since + options.snapshotMs) return this.#tellEmpty(wish, "later", now)
    if (mark === "unknown") return
    const turn = seeds.ask(asker, now)
    if (turn !== "wait") this.#tellEmpty(wish, turn === "yes" ? "first" : "later", now)
  }

  /** Nobody here has the content: the copy is given. */
  #giveCopy({ wish, found }: { readonly wish: OpaqueWish; readonly found: Copy }, now: number) {
    this.#settle(wish)
    if (wish.asker.mayWrite) this.#wasHeld = true
    this.#world.copy.give(wish.asker, { found, requestId: this.#draw() }, now)
    this.filled(now)
  }

  #tellEmpty(wish: OpaqueWish, turn: "first" | "later", now: number): void {
    const { counts } = this.#world
    if (turn === "first") counts.seedGrants++
    else counts.seedHeld++
    counts.requests.add("empty")
    this.#settle(wish)
    this.#wasHeld = true
    if (this.#guests.get(wish.asker)?.isAsking === true) this.#sayEmpty(wish.asker, now)
  }

  #sayEmpty(replica: OpaqueReplica, now: number): void {
    const { seeds, docId } = this.#world
    const isGranted = !this.isThere && seeds.grantee === replica && replica.outlet.hearsSeeds
    replica.outlet.send({
      kind: "snapshot-response",
      docId,
      ts: now,
      requestId: this.#draw(),
      snapshot: new Uint8Array(),
      version: undefined,
      content: isGranted ? "seed" : "empty",
    })
  }

  /** A wish is fulfilled: its replica has the content, or knows that there is none. */
  #settle(wish: OpaqueWish): void {
    this.#world.asks.drop(wish)
    this.#served.add(wish)
    if (wish.asker.standing === "newcomer") wish.asker.filled()
  }

  /** Asks a returning replica what it has, one at a time, where others are who may lack it. */
  #pull(now: number): void {
    const { asks, replicas } = this.#world
    if (this.#pulls.size === 0) return
    if (this.#pulled !== undefined && asks.isAsked(this.#pulled, "joining")) return
    for (const replica of this.#pulls) {
      this.#pulls.delete(replica)
      const isAlone = ![...replicas].some(
        (each) => each !== replica && each.standing !== "newcomer",
      )
      if (isAlone || !replica.mayWrite) continue
      this.#pulled = replica
      return this.ask(replica, "joining", now)
    }
  }

  /** Asks one replica for all that it has. */
  ask(replica: OpaqueReplica, purpose: "joining" | "copy", now: number): void {
    const { asks, docId } = this.#world
    const requestId = this.#draw()
    this.#names.set(asks.note(replica, purpose, now), requestId)
    const stamp = { docId, ts: now, requestId, version: undefined }
    replica.outlet.send({ kind: "snapshot-request", ...stamp })
  }

  #draw(): string {
    this.#drawn++
    return `r${this.#drawn}`
  }
}
