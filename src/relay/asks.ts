/**
 * Who is asked for what others lack, when, and what becomes of the answer.
 *
 * What always holds: a replica answers what it is asked in the order in which it was asked (RL23),
 * so each keeps a list of the asks put to it, and an answer belongs to the oldest. An ask that was
 * late keeps its place there. A wish is either waiting or under way in one ask; it ends when it is
 * given its content or its replica leaves. Nobody shares an ask that was put before it joined.
 */
import type { Outlet, Replica } from "./replica.ts"

/** Content that someone lacks. */
export interface Wish<O extends Outlet<never>> {
  readonly asker: Replica<O>
  /** What it has: an encoded vector, or a version of its own making; undefined for nothing. */
  readonly has: Uint8Array | undefined
  /** ms since 1970. */
  readonly since: number
}

/**
 * A question put to one replica. "content" is for those who wish for it; "joining" asks a newcomer
 * for what it wrote while away, "gap" a replica for what its last change builds on, "copy" a holder
 * for the room's copy.
 */
export interface Ask<O extends Outlet<never>> {
  readonly purpose: "content" | "joining" | "gap" | "copy"
  readonly group: string
  readonly wishes: readonly Wish<O>[]
  /** ms since 1970. */
  readonly at: number
  /** "late": its wishes went elsewhere, its answer may still come. */
  state: "open" | "late"
}

/** How a kind of room asks. */
export interface Manner<O extends Outlet<never>> {
  /** Wishes of one group share an ask. */
  groupOf(wish: Wish<O>): string
  /** Whether `holder` may answer `asker`. */
  suits(holder: Replica<O>, asker: Replica<O>): boolean
  /** Puts an ask for content; what waits for this holder must leave before it (RL28). */
  put(holder: Replica<O>, ask: Ask<O>): void
}

/** What asks need of the options of the relay. */
export interface AskLimits {
  readonly askMs: number
  readonly asksPerReplica: number
  readonly gatherMs: number
}

/** So many late answers in a row, and a replica is left alone for so long. */
const missesLimit = 3
const restMs = 30_000
/** An ask shared by more makes the next of its group wait. */
const crowd = 8
/** So many asks of a group may come at once, and then one each `gatherMs`. */
const burst = 5

export class Asks<O extends Outlet<never>> {
  readonly #limits: AskLimits
  readonly #manner: Manner<O>
  /** Every replica of the room, the longest here first. */
  readonly #replicas: ReadonlySet<Replica<O>>
  #waiting: Wish<O>[] = []
  // The next three are undefined while they are empty: of ten thousand rooms most are quiet.
  /** Those to whom an open ask was put. */
  #busy: Set<Replica<O>> | undefined
  /** Groups with an open ask for content. */
  #out: Map<string, Ask<O>> | undefined
  /** When the next ask of a group may be put, where it may not at once, and what its asks have used up. */
  #rests: Map<string, { from: number; spentUntil: number }> | undefined

  constructor(limits: AskLimits, manner: Manner<O>, replicas: ReadonlySet<Replica<O>>) {
    this.#limits = limits
    this.#manner = manner
    this.#replicas = replicas
  }

  /** The wishes that no ask is out for, oldest first. */
  get waiting(): readonly Wish<O>[] {
    return this.#waiting
  }

  /** All wishes that are not fulfilled, those that an ask is out for among them. */
  get wishes(): readonly Wish<O>[] {
    if (this.#out === undefined) return this.#waiting
    return [...this.#waiting, ...[...this.#out.values()].flatMap(({ wishes }) => wishes)]
  }

  /** Whether `replica` has a wish here, waiting or under way. */
  wants(replica: Replica<O>): boolean {
    return this.wishes.some(({ asker }) => asker === replica)
  }

  /** Adds a wish. `serve` asks for it. */
  wish(wish: Wish<O>): void {
    this.#waiting.push(wish)
  }

  /** Takes back a wish that needs no answer any more. */
  drop(wish: Wish<O>): void {
    this.#waiting = this.#waiting.filter((each) => each !== wish)
  }

  /** Notes a question that was put to `replica` outside of any wish. */
  note(replica: Replica<O>, purpose: "joining" | "gap" | "copy", now: number): Ask<O> {
    const ask: Ask<O> = { purpose, group: "", wishes: [], at: now, state: "open" }
    this.#record(replica, ask)
    return ask
  }

  /** Whether an open question of this purpose is with `replica`. */
  isAsked(replica: Replica<O>, purpose: Ask<O>["purpose"]): boolean {
    return replica.asked.some((ask) => ask.purpose === purpose && ask.state === "open")
  }

  /** A holder that is asked nothing, where nobody waits for content: the one longest here. */
  free(now: number): Replica<O> | undefined {
    if (this.wishes.length > 0) return undefined
    for (const replica of this.#replicas) {
      const isFree = replica.asked.length === 0 && replica.restsUntil <= now
      if (isFree && replica.standing === "holder" && !replica.isFar) return replica
    }
    return undefined
  }

  /** Puts asks for whatever waits and has somebody who may answer. */
  serve(now: number): void {
    if (this.#waiting.length === 0) return
    const groups = new Map<string, Wish<O>[]>()
    for (const wish of this.#waiting) {
      const group = this.#manner.groupOf(wish)
      const others = groups.get(group)
      if (others === undefined) groups.set(group, [wish])
      else others.push(wish)
    }
    for (const [group, wishes] of groups) {
      if (this.#out?.has(group) || (this.#rests?.get(group)?.from ?? 0) > now) continue
      this.#ask(group, wishes, now)
    }
  }

  /** The ask that an answer of `replica` belongs to: the oldest, unless it said which. Undefined if it was not asked. */
  answered(replica: Replica<O>, ask: Ask<O> | undefined = replica.asked[0]): Ask<O> | undefined {
    if (ask === undefined) return undefined
    replica.asked.splice(replica.asked.indexOf(ask), 1)
    replica.missed = 0
    this.#settle(replica, ask)
    if (ask.state === "open" && ask.wishes.length > crowd) {
      this.#rest(ask.group, ask.at + this.#limits.gatherMs)
    }
    return ask
  }

  /** What `replica` answered to `ask` is no answer: others are asked, and it is left alone for a while. */
  refuse(replica: Replica<O>, ask: Ask<O>, now: number): void {
    replica.restsUntil = now + restMs
    if (ask.state === "open") this.#again(replica, ask)
  }

  /** It may not answer those it was asked for any more: they are served elsewhere. */
  retire(replica: Replica<O>): void {
    for (const ask of replica.asked) {
      if (ask.state === "late" || ask.purpose !== "content") continue
      this.#again(replica, ask)
      ask.state = "late"
    }
    this.#settle(replica, undefined)
  }

  /** Its asks go elsewhere at once, and its wishes are gone (RL27). */
  left(replica: Replica<O>): void {
    this.#waiting = this.#waiting.filter(({ asker }) => asker !== replica)
    for (const ask of replica.asked) if (ask.state === "open") this.#again(replica, ask)
    replica.asked.length = 0
    this.#settle(replica, undefined)
  }

  /** Time-outs (RL26). What timed out waits again: serve it, then ask when the next one is due. */
  tick(now: number): void {
    for (const replica of this.#busy === undefined ? [] : [...this.#busy]) {
      for (const ask of replica.asked) {
        if (ask.state === "late" || ask.at + this.#limits.askMs > now) continue
        replica.missed++
        if (replica.missed >= missesLimit && !replica.isFar) replica.restsUntil = now + restMs
        this.#again(replica, ask)
        ask.state = "late"
      }
      this.#settle(replica, undefined)
    }
    if (this.#rests === undefined) return
    for (const [group, { from, spentUntil }] of this.#rests) {
      if (from <= now && spentUntil <= now) this.#rests.delete(group)
    }
    if (this.#rests.size === 0) this.#rests = undefined
  }

  /** When to look again, in ms since 1970. */
  dueAfter(now: number): number {
    let next = Number.POSITIVE_INFINITY
    for (const { asked } of this.#busy ?? []) {
      for (const { state, at } of asked) {
        if (state === "open") next = Math.min(next, at + this.#limits.askMs)
      }
    }
    if (this.#waiting.length === 0 || this.#rests === undefined) return next
    for (const { from } of this.#rests.values()) if (from > now) next = Math.min(next, from)
    return next
  }

  #ask(group: string, wishes: readonly Wish<O>[], now: number): void {
    const [first] = wishes
    const holder = first && this.#holderFor(wishes, now)
    if (holder === undefined) return
    const served = wishes.filter(
      ({ asker }) => asker !== holder && this.#manner.suits(holder, asker),
    )
    const ask: Ask<O> = { purpose: "content", group, wishes: served, at: now, state: "open" }
    this.#waiting = this.#waiting.filter((wish) => !served.includes(wish))
    this.#out ??= new Map()
    this.#out.set(group, ask)
    this.#spend(group, now)
    this.#manner.put(holder, ask)
    this.#record(holder, ask)
  }

  /** However quickly holders answer, a thousand newcomers in a second cost them ten uploads (RL25). */
  #spend(group: string, now: number): void {
    const { gatherMs } = this.#limits
    this.#rests ??= new Map()
    const spentUntil = Math.max(this.#rests.get(group)?.spentUntil ?? 0, now) + gatherMs
    this.#rests.set(group, { from: spentUntil - (burst - 1) * gatherMs, spentUntil })
  }

  #rest(group: string, until: number): void {
    this.#rests ??= new Map()
    const rest = this.#rests.get(group)
    if (rest !== undefined) rest.from = Math.max(rest.from, until)
    else this.#rests.set(group, { from: until, spentUntil: 0 })
  }

  /**
   * The one with the fewest open asks who may answer one of `wishes`; among equals the one longest
   * here (RL29). One that stands for another server is asked where nobody here can be (RL21).
   */
  #holderFor(wishes: readonly Wish<O>[], now: number): Replica<O> | undefined {
    let best: Replica<O> | undefined
    for (const replica of this.#replicas) {
      if (replica.standing === "newcomer" || replica.restsUntil > now) continue
      if (replica.asked.length >= this.#limits.asksPerReplica) continue
      if (best !== undefined && !isBetter(replica, best)) continue
      const suits = wishes.some(
        ({ asker }) => asker !== replica && this.#manner.suits(replica, asker),
      )
      if (suits) best = replica
    }
    return best
  }

  #record(replica: Replica<O>, ask: Ask<O>): void {
    replica.asked.push(ask)
    this.#busy ??= new Set()
    this.#busy.add(replica)
  }

  /** Its wishes wait again, before those that came later. */
  #again(replica: Replica<O>, ask: Ask<O>): void {
    this.#settle(replica, ask)
    const stay = ask.wishes.filter(({ asker }) => this.#replicas.has(asker))
    this.#waiting = [...stay, ...this.#waiting]
  }

  #settle(replica: Replica<O>, ask: Ask<O> | undefined): void {
    if (ask !== undefined && this.#out?.get(ask.group) === ask) {
      this.#out.delete(ask.group)
      if (this.#out.size === 0) this.#out = undefined
    }
    if (this.#busy === undefined || replica.asked.some(({ state }) => state === "open")) return
    this.#busy.delete(replica)
    if (this.#busy.size === 0) this.#busy = undefined
  }
}

function isBetter<O extends Outlet<never>>(one: Replica<O>, other: Replica<O>): boolean {
  if (one.isFar !== other.isFar) return other.isFar
  return one.asked.length < other.asked.length
}
