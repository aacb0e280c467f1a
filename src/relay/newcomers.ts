/**
 * How a newcomer gets the content of a Yjs room: from a holder, else from a copy, else by being told
 * that there is none.
 *
 * What always holds: "synced" is said by a replica's answer, or where nobody is believed to have
 * anything (RL31). Of those who come empty to a new room one is granted its seed, and the others
 * wait for what it puts in (RL37, RL38). Whoever becomes the first holder may lack what others
 * here wrote before: they are asked for it.
 */
import type { Ask, Asks, Wish } from "./asks.ts"
import type { Content } from "./content.ts"
import type { Copy } from "./copies.ts"
import { lackedOf } from "./copies-merge.ts"
import type { YjsCopy } from "./copies-yjs.ts"
import type { Counts } from "./counts.ts"
import type { Far } from "./far.ts"
import type { RelayOptions } from "./limits.ts"
import type { Occupants } from "./occupants.ts"
import { Patience } from "./patience.ts"
import type { Replica, YjsOutlet } from "./replica.ts"
import type { Seeds } from "./seeds.ts"
import { spansOf } from "./spans.ts"
import { advance, emptyUpdate, encodeVector, minimum, type Vector, vectorOf } from "./vectors.ts"

/** The parts of a room that newcomers are served from. */
export interface NewcomerWorld {
  readonly options: RelayOptions
  readonly counts: Counts
  readonly occupants: Pick<Occupants<YjsOutlet>, "replicas" | "everyone" | "holders">
  /** The room on other servers. */
  readonly far: Pick<Far, "standing" | "hasContent" | "vector" | "stand" | "doubt">
  readonly asks: Asks<YjsOutlet>
  readonly seeds: Seeds
  readonly content: Content
  readonly copy: YjsCopy
  /** Until then nobody knows which rooms had content a moment ago. */
  readonly marksUnknownUntil: number
  /** Asks a replica for what it has beyond what is tracked, or beyond what others have. */
  pull(replica: Replica, now: number, beyond?: Uint8Array): void
}

type YjsWish = Wish<YjsOutlet>

export class Newcomers {
  readonly #world: NewcomerWorld
  readonly #patience: Patience
  /** Wishes that are fulfilled: another answer to them may still come. */
  #served: WeakSet<YjsWish> | undefined

  constructor(world: NewcomerWorld) {
    this.#world = world
    this.#patience = new Patience({
      ...world,
      isAnswerable: (asker) => this.isAnswerable(asker),
    })
  }

  /** Which wishes share an ask: those who come empty, and those who come with something; viewers only where viewers answer them. */
  groupOf({ asker, has }: YjsWish): string {
    const part = has === undefined ? "whole" : "part"
    return this.#world.options.viewersAnswer && !asker.mayWrite ? `${part} for viewers` : part
  }

  /** Whether `holder` may be asked for the content on behalf of `asker`. */
  suits(holder: Replica, asker: Replica): boolean {
    if (holder.isFar && asker.isFar) return false
    if (holder.standing === "holder") return true
    const { viewersAnswer } = this.#world.options
    return holder.standing === "reader" && viewersAnswer && !asker.mayWrite
  }

  /** Whether somebody here or elsewhere may answer `asker`. */
  isAnswerable(asker: Replica): boolean {
    for (const each of this.#world.occupants.everyone) {
      if (each !== asker && this.suits(each, asker)) return true
    }
    return false
  }

  /** Serves whoever waits, as far as it can be served now. */
  serve(now: number): void {
    const { asks, content, far, occupants } = this.#world
    if (asks.waiting.length === 0) return
    if (content.tracked === undefined && !far.hasContent) this.#adopt(now)
    for (const wish of asks.waiting) this.#relieve(wish)
    if (content.isThere || far.hasContent) asks.serve(now)
    for (const wish of [...asks.waiting]) {
      // The first who is told that there is nothing has what the next ones ask for.
      if ((content.isThere && occupants.holders > 0) || far.hasContent) break
      // What stands for another server is answered by who has content, or told that nobody has.
      if (occupants.replicas.has(wish.asker) && asks.waiting.includes(wish)) this.#begin(wish, now)
    }
    if (content.isThere) asks.serve(now)
  }

  /**
   * The answer of `holder` to an ask, for those who asked. Who may not have it from there waits
   * again, and so do all where it is no update: then it throws WireError "bad-message".
   */
  answer(
    holder: Replica,
    ask: Ask<YjsOutlet>,
    { update, now }: { readonly update: Uint8Array; readonly now: number },
  ): void {
    const { asks, occupants, counts } = this.#world
    try {
      spansOf(update)
    } catch (thrown) {
      asks.refuse(holder, ask, now)
      throw thrown
    }
    const isLess = holder.isFar && occupants.holders > 0
    for (const wish of ask.wishes) {
      const { asker } = wish
      if (!occupants.everyone.has(asker)) continue
      if (!this.suits(holder, asker)) {
        if (ask.state === "open") asks.wish(wish)
      } else if (isLess) {
        // Somebody here has come to have it, who may have more: that one answers.
        if (ask.state === "open") asks.wish(wish)
        counts.delivered++
        asker.outlet.send({ kind: "update", update })
      } else if (!this.#served?.has(wish)) {
        counts.requests.add(holder.isFar ? "remote" : "local")
        this.#give(wish, update)
      } else {
        // It was served by another, and was told "synced" then: this brings what that one lacked.
        counts.delivered++
        asker.outlet.send({ kind: "update", update })
      }
    }
    if (holder.isFar && !isLess) this.#brought(ask.wishes, update, now)
  }

  /** The answer of another server: who got it has what stood there, and may have more (RL24). */
  #brought(wishes: readonly YjsWish[], update: Uint8Array, now: number): void {
    const { occupants, far, pull } = this.#world
    const filled = wishes.filter(({ asker }) => occupants.replicas.has(asker) && asker.mayWrite)
    const [first] = filled
    if (first === undefined) return
    const vector = new Map(minimum(filled.map(({ has }) => vectorOf(has))))
    advance(vector, spansOf(update))
    this.#found(undefined, vector, now)
    const beyond = encodeVector(minimum([far.vector, vector]))
    for (const { asker, has } of filled) if (has !== undefined) pull(asker, now, beyond)
    // What came to all of them meanwhile one can tell.
    if (first.has === undefined && !first.asker.hasWritten) pull(first.asker, now)
    far.doubt()
    this.filled(now)
    far.stand()
  }

  /** The room has content from here on; who waited for its seed is served. */
  filled(now: number): void {
    if (this.#world.content.isThere) return
    this.#world.content.isThere = true
    this.#world.seeds.filled(now)
    this.#world.far.stand()
    this.serve(now)
  }

  /** Someone left, or may no longer write: a grant of its goes on to someone who is here, if any can be told (RL39). */
  lost(replica: Replica, now: number): void {
    const { seeds, occupants, content, counts, far } = this.#world
    seeds.left(replica)
    if (occupants.holders === 0) content.end()
    far.stand()
    if (content.isThere || !seeds.isFree) return
    for (const each of occupants.replicas) {
      if (!each.mayWrite || each.standing !== "holder" || !each.outlet.hearsSeeds) continue
      if (seeds.ask(each, now) !== "yes") return
      counts.seedGrants++
      return each.outlet.notice({ kind: "seed", granted: true })
    }
  }

  /** Closes who has waited too long for holders that do not answer (RL31). Returns when to look again. */
  outwait(now: number): number {
    return this.#patience.tick(now)
  }

  /** Who has the content, and asks again in vain, is told that there is no more (RL36). */
  #relieve(wish: YjsWish): void {
    const { asks, content } = this.#world
    const { asker } = wish
    if (asker.standing === "newcomer" || (content.isThere && this.isAnswerable(asker))) return
    asks.drop(wish)
    asker.outlet.send({ kind: "step2", update: emptyUpdate })
  }

  /** A newcomer has the content then. */
  #give(wish: YjsWish, update: Uint8Array): void {
    const { asker } = wish
    this.#world.asks.drop(wish)
    this.#served ??= new WeakSet()
    this.#served.add(wish)
    asker.outlet.send({ kind: "step2", update })
    if (asker.standing !== "newcomer") return
    asker.filled()
    const { verdict } = asker
    asker.verdict = undefined
    if (verdict !== undefined) asker.outlet.acknowledge(verdict)
    asker.outlet.notice({ kind: "room", state: "open" })
  }

  /** Nobody here has the content: the first who brings some is believed. */
  #adopt(now: number): void {
    const { asks, counts, copy } = this.#world
    const { far, occupants } = this.#world
    const wish = asks.waiting.find(
      ({ asker, has }) => has !== undefined && asker.mayWrite && occupants.replicas.has(asker),
    )
    if (wish === undefined || (far.standing === "opening" && !this.#isLate(wish, now))) return
    const found = copy.look(now)
    // A copy is given to it first; while none can be looked at, it does not wait for that.
    if (found === "away") copy.owe()
    else if (found !== "none") return
    counts.requests.add("empty")
    this.#give(wish, emptyUpdate)
    this.#found(wish.asker, vectorOf(wish.has), now)
    far.doubt()
    copy.changed(now)
    this.filled(now)
  }

  /** Nobody here has the content: the copy is given, and what its receiver has beyond it is asked for. */
  #giveCopy({ wish, found }: { readonly wish: YjsWish; readonly found: Copy }, now: number): void {
    const { asks, counts, content, copy, pull } = this.#world
    const { asker, has } = wish
    counts.requests.add("copy")
    copy.given(now)
    this.#give(wish, lackedOf(found, vectorOf(has)))
    if (asker.mayWrite && content.tracked === undefined) {
      this.#found(asker, vectorOf(found.vector), now)
      if (has !== undefined && !asks.isAsked(asker, "joining")) pull(asker, now)
    }
    this.filled(now)
  }

  /**
   * Those who have just been given the content have `vector`. What others wrote before they came,
   * brought, or heard meanwhile, they may lack. `asker` is who was given it alone.
   */
  #found(asker: Replica | undefined, vector: Vector, now: number): void {
    const { content, occupants, asks, pull } = this.#world
    content.begin(vector, asker)
    this.#world.far.stand()
    const bringing = asks.wishes.filter((wish) => content.isThere || wish.has !== undefined)
    const askers = new Set(bringing.map((wish) => wish.asker))
    for (const each of occupants.replicas) {
      if (each === asker || !each.mayWrite) continue
      if (each.hasWritten || askers.has(each)) pull(each, now)
    }
  }

  /** A wish for what nobody is known to have (RL33). */
  #begin(wish: YjsWish, now: number): void {
    const { options, seeds, content, copy, far, occupants } = this.#world
    const { asker, since, has } = wish
    const isHeld = occupants.holders > 0
    const isLate = this.#isLate(wish, now)
    if (far.standing === "opening" && !isLate) return
    if (far.standing === "away" && !isHeld) return this.#outlast(wish, now)
    const found = isHeld ? "none" : copy.look(now)
    if (found === "asked") return
    if (found === "away") {
      if (options.copiesRequired || !isLate) return
      copy.owe()
    } else if (found !== "none") return this.#giveCopy({ wish, found }, now)
    const isBlank = !content.isThere
    if (!asker.mayWrite || has !== undefined) {
      // A viewer's copy is asked of nobody, so a room of viewers has nothing to give (RL35).
      if (isBlank && isHeld && now >= seeds.heldUntil) this.#tellEmpty(wish, "later", now)
      return
    }
    const mark = content.isThere && content.wasHeld ? "marked" : seeds.marked(now)
    if (mark === "unknown" && !isLate) return
    if (mark !== "unmarked") {
      // While somebody who has nothing is here, nobody is about to come back.
      const isAwaited = now < since + options.orphanHoldMs && !(isBlank && isHeld)
      if (!isAwaited) this.#tellEmpty(wish, "later", now)
      return
    }
    // What there is it wrote itself just now, or others did who are as new.
    if (content.isThere) return this.#tellEmpty(wish, "later", now)
    const turn = seeds.ask(asker, now)
    if (turn === "wait" && !isLate) return
    this.#tellEmpty(wish, turn === "yes" ? "first" : "later", now)
  }

  #isLate({ since }: YjsWish, now: number): boolean {
    return now >= since + this.#world.options.snapshotMs
  }

  /** Other servers may have the content, and are out of reach. */
  #outlast(wish: YjsWish, now: number): void {
    const { options } = this.#world
    this.#patience.tell(wish, "outage")
    const isEmpty = wish.has === undefined && options.outageAnswer === "empty"
    if (isEmpty && this.#isLate(wish, now)) this.#tellEmpty(wish, "later", now)
  }

  #tellEmpty(wish: YjsWish, turn: "first" | "later", now: number): void {
    const { counts, content } = this.#world
    if (turn === "first") counts.seedGrants++
    else counts.seedHeld++
    counts.requests.add("empty")
    this.#give(wish, emptyUpdate)
    if (wish.asker.mayWrite && content.tracked === undefined) {
      this.#found(wish.asker, vectorOf(wish.has), now)
    }
    wish.asker.outlet.notice({ kind: "seed", granted: turn === "first" })
  }
}
