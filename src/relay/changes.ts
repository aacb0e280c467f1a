/**
 * What the replicas of a Yjs room write: taken, followed by its clocks, and spread.
 *
 * What always holds: nothing is spread that Yjs could not read; what is tracked moves before the
 * change is spread, and by nothing but what was; a change with something missing before it is
 * spread all the same, and its sender is asked for what is missing (RL44); and a change is
 * acknowledged once everyone here was given it, and the bus (RL120).
 */
import { WireError } from "../wire/error.ts"
import type { Ask, Asks } from "./asks.ts"
import { Batches } from "./batches.ts"
import type { Content } from "./content.ts"
import type { Counts } from "./counts.ts"
import { fanOut, type Spread } from "./fan-out.ts"
import type { Far } from "./far.ts"
import type { RelayOptions } from "./limits.ts"
import { type Fate, OwedAcks, type Settle } from "./owed.ts"
import type { Replica, YjsOutlet } from "./replica.ts"
import { type Span, spansOf } from "./spans.ts"
import type { Traffic } from "./traffic.ts"
import {
  coversSpans,
  emptyVector,
  encodeVector,
  isEmptyUpdate,
  shareClient,
  type Vector,
} from "./vectors.ts"

/** The parts of a room that changes pass through. */
export interface ChangeWorld {
  readonly options: RelayOptions
  readonly counts: Counts
  readonly replicas: ReadonlySet<Replica>
  readonly traffic: Pick<Traffic, "edit">
  readonly asks: Asks<YjsOutlet>
  readonly content: Content
  /** The room on other servers. */
  readonly far: Pick<Far, "publish" | "want" | "hasContent">
  /** There is content. */
  filled(now: number): void
  rouse(): void
}

/** Who wrote what nobody else is known to have is asked for it so often, while somebody else is there. */
const askAgainMs = 5_000

export class Changes {
  readonly #world: ChangeWorld
  readonly #batches: Batches<Spread>
  readonly #owed = new OwedAcks<Replica>()
  /** Asks that are put with nothing as what others have. */
  readonly #whole = new WeakSet<Ask<YjsOutlet>>()
  #askAgainAt = 0

  constructor(world: ChangeWorld) {
    this.#world = world
    this.#batches = new Batches(world.options, (changes) => this.#deliver(changes))
  }

  /** A change. Throws WireError for bytes that are no update, and for too many. */
  take(replica: Replica, update: Uint8Array, now: number): void {
    const { counts, options, content } = this.#world
    if (!replica.mayWrite) {
      counts.refused.add("role")
      return replica.outlet.acknowledge(false)
    }
    if (update.length > options.frameLimitBytes) {
      counts.refused.add("too-big")
      const sentence = `a change holds at most ${options.frameLimitBytes} bytes, this one has ${update.length}`
      if (!options.limitsDryRun) throw new WireError("too-large", sentence)
    }
    const spans = spansOf(update)
    const reach = content.add(spans, replica)
    replica.hasWritten = true
    if (reach === "gap") this.#askForGap(replica, spans, now)
    const isMergeable = reach === "contiguous"
    const change = { from: replica, update, isMergeable }
    this.#spread({ ...change, awaits: "status", covers: "nothing" }, now)
  }

  /** What a replica had that the room lacks: its answer to an ask of `pull`. Throws as `take` does. */
  bring(
    replica: Replica,
    ask: Ask<YjsOutlet>,
    { update, now }: { readonly update: Uint8Array; readonly now: number },
  ): void {
    const { content } = this.#world
    const { outlet, mayWrite } = replica
    const spans = spansOf(update)
    const isAwaited = ask.purpose === "joining" && outlet.isAcknowledged
    if (!mayWrite) {
      const isKnown = coversSpans(content.tracked ?? emptyVector, spans)
      if (isAwaited) this.#judge(replica, isKnown)
      return
    }
    const isMergeable = content.add(spans, replica) === "contiguous"
    const awaits = isAwaited ? "verdict" : "nothing"
    const covers = this.#whole.has(ask) ? "all" : "rest"
    const change: Spread = { from: replica, update, isMergeable, awaits, covers }
    if (content.isStale(update)) {
      // There is nothing in it that another would have to take.
      if (isAwaited) this.#owed.owe(replica, () => this.#judge(replica, true))("taken")
      return
    }
    // Who has no content yet is told with that.
    const isEarly = isAwaited && replica.standing === "newcomer" && !this.#isPatient
    if (isEarly) this.#judge(replica, true)
    this.#spread(isEarly ? { ...change, awaits: "nothing" } : change, now)
  }

  /** A change of a replica on another server. Throws WireError for bytes that are no update. */
  hear(update: Uint8Array, now: number): void {
    const { content, far } = this.#world
    if (isEmptyUpdate(update)) return
    const spans = spansOf(update)
    const reach = content.add(spans, far)
    if (reach === "gap") far.want(spans)
    if (content.isStale(update)) return
    const change = { from: undefined, update, isMergeable: reach === "contiguous" }
    this.#spread({ ...change, awaits: "nothing", covers: "nothing" }, now)
  }

  /**
   * Asks "what do you have that the others lack?" So offline edits arrive (RL24). Who answers
   * nothing is asked no more. `beyond` is what the others have, where that is less than what is
   * tracked here. Returns what was asked; undefined where it is asked too much already.
   */
  pull(
    replica: Replica,
    { purpose, now, beyond }: { purpose: "joining" | "gap"; now: number; beyond?: Uint8Array },
  ): Ask<YjsOutlet> | undefined {
    if (replica.asked.length >= this.#world.options.asksPerReplica) return undefined
    const ask = this.#world.asks.note(replica, purpose, now)
    replica.outlet.send({ kind: "step1", vector: beyond ?? this.#world.content.encoded })
    return ask
  }

  /** What `replica` is owed by now: to be called once another holder, or the copy, has what it has. */
  owedTo(replica: Replica): Settle {
    return this.#owed.upToNow(replica)
  }

  /** It counts anew what is not acknowledged. */
  recount(replica: Replica): void {
    // What it wrote before may still wait to leave.
    this.flush()
    this.#owed.recount(replica)
  }

  left(replica: Replica): void {
    this.#owed.forget(replica)
  }

  /** A newcomer's vector: is it of this document (RL41)? Throws WireError "diverged" where that is refused. */
  compare(replica: Replica, vector: Vector): void {
    const { options, counts, content } = this.#world
    const { tracked } = content
    if (tracked === undefined || tracked.size === 0 || vector.size === 0) return
    if (shareClient(vector, tracked)) return
    counts.divergences++
    if (options.divergent === "refuse") {
      throw new WireError("diverged", "this document and the room's have no history in common")
    }
    replica.outlet.notice({ kind: "room", state: "divergent" })
  }

  /** What waits leaves now. */
  flush(): void {
    this.#batches.flush()
  }

  /** The end of a window. Returns the ms since 1970 of the next one. */
  tick(now: number): number {
    return Math.min(this.#batches.tick(now), this.#askForUnheld(now))
  }

  /** Whether an acknowledgement waits for another holder. */
  get #isPatient(): boolean {
    return this.#world.options.ackNeeds === "holder"
  }

  #deliver(changes: readonly Spread[]): void {
    const { far, replicas, counts } = this.#world
    if (!this.#isPatient) {
      far.publish(changes)
      fanOut(changes, replicas, counts)
      for (const change of changes) this.#acknowledge(change, 1)
      return
    }
    fanOut(changes, replicas, counts)
    const open = changes.map((change) => this.#owe(change))
    far.publish(changes, (fate) => {
      for (const tell of open) tell(fate)
    })
  }

  /** A change was given to who is here. Returns what is to be told whether another server has it. */
  #owe(change: Spread): (fate: Fate) => void {
    const { from, awaits, covers } = change
    if (from === undefined) return () => {}
    const isHeld = this.#hasOther(from)
    const settle = this.#owed.upToNow(from)
    if (isHeld && covers !== "nothing") settle()
    const tell =
      awaits === "nothing"
        ? () => {}
        : this.#owed.owe(from, (times) => this.#acknowledge(change, times))
    if (isHeld) tell("taken")
    return (fate) => {
      if (covers === "all" && fate === "taken") settle()
      tell(fate)
    }
  }

  /** Whether somebody besides `replica` has the content here. */
  #hasOther(replica: Replica): boolean {
    for (const each of this.#world.replicas) {
      if (each !== replica && each.standing === "holder") return true
    }
    return false
  }

  /**
   * What somebody wrote that others may have by now, and may lack, is in its answer. Returns the ms
   * since 1970 when it is time again.
   */
  #askForUnheld(now: number): number {
    const { far, asks } = this.#world
    const writers = this.#owed.unheld.filter((each) => far.hasContent || this.#hasOther(each))
    if (writers.length === 0) return Number.POSITIVE_INFINITY
    if (now < this.#askAgainAt) return this.#askAgainAt
    this.#askAgainAt = now + askAgainMs
    for (const writer of writers) {
      if (asks.isAsked(writer, "gap")) continue
      const ask = this.pull(writer, { purpose: "gap", now, beyond: encodeVector(emptyVector) })
      if (ask !== undefined) this.#whole.add(ask)
    }
    return this.#askAgainAt
  }

  #acknowledge({ from, awaits }: Spread, times: number): void {
    if (from === undefined || awaits === "nothing") return
    this.#world.counts.acks += times
    for (let told = 0; told < times; told++) {
      if (awaits === "verdict") this.#judge(from, true)
      else from.outlet.acknowledge(true)
    }
  }

  /** Whether what a replica brought was accepted: told once it has the content, since it may call itself synced then (RL31). */
  #judge(replica: Replica, accepted: boolean): void {
    if (replica.standing === "newcomer") replica.verdict = accepted
    else replica.outlet.acknowledge(accepted)
  }

  /** Often it is the sender of a change who has what it builds on (RL44). */
  #askForGap(replica: Replica, spans: readonly Span[], now: number): void {
    const { counts, asks, far } = this.#world
    counts.gaps.add("replica")
    far.want(spans)
    if (!asks.isAsked(replica, "gap")) this.pull(replica, { purpose: "gap", now })
  }

  #spread(change: Spread, now: number): void {
    const { counts, options, traffic, filled, rouse } = this.#world
    if (change.from !== undefined) {
      counts.localMessages++
      traffic.edit(now)
    }
    // Merging takes time in what is merged: one sender's megabytes would be everybody's wait.
    const isMergeable = change.isMergeable && change.update.length <= options.windowBytes
    // Added first: whoever is asked because there is content now has been given it before.
    this.#batches.add({ ...change, isMergeable }, now)
    if (!isEmptyUpdate(change.update)) filled(now)
    rouse()
  }
}
