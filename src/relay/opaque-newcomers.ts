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
import type { Ask, Wish } from "./asks.ts"
import type { Copy } from "./copies.ts"
import type { OpaqueReplica } from "./opaque-fan-out.ts"
import { Questions } from "./opaque-questions.ts"
import { Returns } from "./opaque-returns.ts"
import type { OpaqueNewcomerWorld, Snapshot } from "./opaque-shapes.ts"
import type { OpaqueOutlet } from "./replica.ts"

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

/** So long a far end may take to say its first word. */
const hearMs = 100

export class OpaqueNewcomers {
  readonly #world: OpaqueNewcomerWorld
  readonly #guests = new Map<OpaqueReplica, Guest>()
  readonly #questions: Questions
  readonly #served = new WeakSet<OpaqueWish>()
  readonly returning: Returns
  #wasHeld = false
  /** Whether any content ever came by, or somebody said that there is some. */
  isThere = false

  constructor(world: OpaqueNewcomerWorld) {
    this.#world = world
    this.#questions = new Questions(world.docId, world.asks)
    const ask = (replica: OpaqueReplica, now: number) => this.ask(replica, "joining", now)
    this.returning = new Returns({ ...world, replicas: world.occupants.replicas, ask })
  }

  enter(replica: OpaqueReplica, has: "nothing" | "snapshot", now: number): void {
    const guest: Guest = { hearUntil: now + hearMs, isReturning: false, isAsking: false }
    this.#guests.set(replica, guest)
    if (has === "snapshot") this.#returns(replica, guest, now)
  }

  leave(replica: OpaqueReplica): void {
    this.#guests.delete(replica)
    this.returning.left(replica)
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
    if (holder.isFar) return !asker.isFar
    if (!this.isThere) return false
    if (holder.standing === "holder") return true
    const { viewersAnswer } = this.#world.options
    return holder.standing === "reader" && viewersAnswer && !asker.mayWrite
  }

  /** Which wishes share an ask. */
  groupOf(wish: OpaqueWish): string {
    return this.#questions.groupOf(wish)
  }

  /** Puts an ask to a holder. */
  put(holder: OpaqueReplica, ask: OpaqueAsk, now: number): void {
    this.#questions.put(holder, ask, now)
  }

  /** Asks one replica for all that it has. */
  ask(replica: OpaqueReplica, purpose: "joining" | "copy", now: number): void {
    this.#questions.ask(replica, purpose, now)
  }

  /** The ask of `replica` that an answer of this name is for. */
  askOf(replica: OpaqueReplica, requestId: string | undefined): OpaqueAsk | undefined {
    return this.#questions.askOf(replica, requestId)
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
    const { asks, occupants, docId, counts } = this.#world
    const requestId = this.#questions.nameOf(ask) ?? ""
    const stamp = { docId, ts: now, requestId }
    // One message for all, so that it is encoded once.
    const message: ToOpaque | undefined = answer && {
      kind: "snapshot-response",
      ...stamp,
      content: "given",
      ...answer,
    }
    for (const wish of ask.wishes) {
      const { asker } = wish
      if (!occupants.everyone.has(asker) || this.#served.has(wish)) continue
      if (message === undefined || !this.suits(holder, asker)) {
        if (ask.state === "open") asks.wish(wish)
        continue
      }
      this.#settle(wish)
      if (!asker.isFar) {
        counts.requests.add(holder.isFar ? "remote" : "local")
        counts.delivered++
      }
      asker.outlet.send(message)
      if (holder.isFar && asker.mayWrite) this.#wasHeld = true
    }
    if (holder.isFar && message !== undefined) this.filled(now)
  }

  /** There is content from here on; who waited for it is served. */
  filled(now: number): void {
    if (this.isThere) return
    this.isThere = true
    this.#world.seeds.filled(now)
    this.serve(now)
  }

  /** What a holder elsewhere has, for all who are here: something of it may have been missed (RL52). */
  mend(snapshot: Snapshot, now: number): void {
    const { occupants, docId, counts } = this.#world
    const requestId = this.#questions.draw()
    const stamp = { docId, ts: now, requestId }
    const message = { kind: "snapshot-response", ...stamp, content: "given", ...snapshot } as const
    for (const { outlet } of occupants.replicas) {
      counts.delivered++
      outlet.send(message)
    }
    this.filled(now)
  }

  /** Serves whoever waits, as far as it can be served now. */
  serve(now: number): void {
    const { asks } = this.#world
    this.#questions.tick(now)
    this.returning.pull(now)
    if (asks.waiting.length === 0) return
    if (this.isThere || this.#world.far.hasContent) asks.serve(now)
    const isHeld = this.#isHeld
    for (const wish of [...asks.waiting]) {
      // What stands for another server is told by its own that nobody has it.
      if (!asks.waiting.includes(wish) || wish.asker.isFar) continue
      if (wish.asker.standing !== "newcomer") this.#comfort(wish, now)
      else if (!isHeld) this.#begin(wish, now)
    }
  }

  /** Someone left, or may no longer write: its grant goes on to someone who is here, if any can be told (RL39). */
  lost(replica: OpaqueReplica, now: number): void {
    const { seeds, occupants, counts } = this.#world
    const wasGranted = seeds.grantee === replica
    seeds.left(replica)
    if (this.isThere || !wasGranted) return
    for (const each of occupants.replicas) {
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
    for (const wish of asks.wishes) {
      const { asker, since } = wish
      const closesAt = since + 3 * snapshotMs
      const isHeld = this.#isHeld
      if (isHeld && !asker.isFar && now >= since + snapshotMs) copy.ease(wish, now)
      if (asker.standing === "newcomer" && now >= closesAt && (isHeld || copy.isAway)) {
        asker.outlet.close("unavailable", "who has this document does not answer")
      }
      const dues = [now + askMs, since + orphanHoldMs, since + snapshotMs, closesAt]
      for (const due of [...dues, seeds.heldUntil]) if (due > now) next = Math.min(next, due)
    }
    copy.release()
    return next
  }

  get #isHeld(): boolean {
    return (this.isThere && this.#world.occupants.holders > 0) || this.#world.far.hasContent
  }

  #returns(replica: OpaqueReplica, guest: Guest, now: number): void {
    const { asks, copy, far, occupants } = this.#world
    guest.isReturning = true
    for (const wish of asks.waiting) if (wish.asker === replica) this.#settle(wish)
    replica.filled()
    if (!replica.mayWrite) return
    this.#wasHeld = true
    // It may lack what was written while it was away.
    if (occupants.holders === 1) {
      copy.owe()
      far.compare()
    }
    copy.changed(now)
    this.filled(now)
    this.serve(now)
  }

  /** What it wrote while away is to reach the others. With a version it sends that by itself. */
  #owe(replica: OpaqueReplica, version: Uint8Array | undefined, now: number): void {
    if (version === undefined) this.returning.owe(replica, now)
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
    const { asker, since } = wish
    const { occupants, far, options } = this.#world
    if (far.standing === "opening" && now < since + options.snapshotMs) return
    for (const each of occupants.everyone) {
      if (each !== asker && this.suits(each, asker)) return
    }
    this.#settle(wish)
    this.#sayEmpty(asker, now)
  }

  /** A wish for what nobody here is known to have (RL33). */
  #begin(wish: OpaqueWish, now: number): void {
    const { options, seeds, copy, far, occupants } = this.#world
    const { asker, since } = wish
    const isAbandoned = occupants.holders === 0
    const isLate = now >= since + options.snapshotMs
    if (far.standing === "opening" && !isLate) return
    if (far.standing === "away" && isAbandoned) {
      const isOver = isLate && options.outageAnswer === "empty" && asker.mayWrite
      if (isOver) this.#tellEmpty(wish, "later", now)
      return
    }
    const found = isAbandoned ? copy.look(now) : "none"
    if (found === "asked") return
    if (found === "away") {
      if (options.copiesRequired || !isLate) return
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
    if (isLate) return this.#tellEmpty(wish, "later", now)
    if (mark === "unknown") return
    const turn = seeds.ask(asker, now)
    if (turn !== "wait") this.#tellEmpty(wish, turn === "yes" ? "first" : "later", now)
  }

  /** Nobody here has the content: the copy is given. */
  #giveCopy({ wish, found }: { readonly wish: OpaqueWish; readonly found: Copy }, now: number) {
    this.#settle(wish)
    if (wish.asker.mayWrite) this.#wasHeld = true
    this.#world.copy.give(wish.asker, { found, requestId: this.#questions.draw() }, now)
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
    const { seeds } = this.#world
    const isGranted = !this.isThere && seeds.grantee === replica && replica.outlet.hearsSeeds
    this.#questions.sayNothing(replica, isGranted ? "seed" : "empty", now)
  }

  /** A wish is fulfilled: its replica has the content, or knows that there is none. */
  #settle(wish: OpaqueWish): void {
    this.#world.asks.drop(wish)
    this.#served.add(wish)
    if (wish.asker.standing === "newcomer") wish.asker.filled()
  }
}
