/**
 * What the replicas of a Yjs room write: taken, followed by its clocks, and spread.
 *
 * What always holds: nothing is spread that Yjs could not read; what is tracked moves before the
 * change is spread, and by nothing but what was; a change with something missing before it is
 * spread all the same, and its sender is asked for what is missing (RL44).
 */
import { WireError } from "../wire/error.ts"
import type { Ask, Asks } from "./asks.ts"
import { Batches } from "./batches.ts"
import type { Content } from "./content.ts"
import type { Counts } from "./counts.ts"
import { fanOut, type Spread } from "./fan-out.ts"
import type { Far } from "./far.ts"
import type { RelayOptions } from "./limits.ts"
import type { Replica, YjsOutlet } from "./replica.ts"
import { type Span, spansOf } from "./spans.ts"
import { coversSpans, emptyVector, isEmptyUpdate, shareClient, type Vector } from "./vectors.ts"

/** The parts of a room that changes pass through. */
export interface ChangeWorld {
  readonly options: RelayOptions
  readonly counts: Counts
  readonly replicas: ReadonlySet<Replica>
  readonly asks: Asks<YjsOutlet>
  readonly content: Content
  /** The room on other servers. */
  readonly far: Pick<Far, "publish" | "want">
  /** There is content. */
  filled(now: number): void
  rouse(): void
}

export class Changes {
  readonly #world: ChangeWorld
  readonly #batches: Batches<Spread>

  constructor(world: ChangeWorld) {
    const { options, replicas, counts, far } = world
    this.#world = world
    this.#batches = new Batches(options, (changes) => {
      // An acknowledged change was given to the bus, too (RL120).
      far.publish(changes)
      fanOut(changes, replicas, counts)
    })
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
    this.#spread({ from: replica, update, isMergeable, isAwaited: true }, now)
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
    if (!content.isStale(update)) {
      const isEarly = isAwaited && replica.standing === "newcomer"
      if (isEarly) this.#judge(replica, true)
      this.#spread({ from: replica, update, isMergeable, isAwaited: isAwaited && !isEarly }, now)
    } else if (isAwaited) this.#judge(replica, true)
  }

  /** A change of a replica on another server. Throws WireError for bytes that are no update. */
  hear(update: Uint8Array, now: number): void {
    const { content, far } = this.#world
    if (isEmptyUpdate(update)) return
    const spans = spansOf(update)
    const reach = content.add(spans, far)
    if (reach === "gap") far.want(spans)
    if (content.isStale(update)) return
    this.#spread(
      { from: undefined, update, isMergeable: reach === "contiguous", isAwaited: false },
      now,
    )
  }

  /**
   * Asks "what do you have that the others lack?" So offline edits arrive (RL24). Who answers
   * nothing is asked no more. `beyond` is what the others have, where that is less than what is
   * tracked here.
   */
  pull(
    replica: Replica,
    { purpose, now, beyond }: { purpose: "joining" | "gap"; now: number; beyond?: Uint8Array },
  ): void {
    if (replica.asked.length >= this.#world.options.asksPerReplica) return
    this.#world.asks.note(replica, purpose, now)
    replica.outlet.send({ kind: "step1", vector: beyond ?? this.#world.content.encoded })
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
    return this.#batches.tick(now)
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
    const { counts, options, filled, rouse } = this.#world
    if (change.from !== undefined) counts.localMessages++
    // Merging takes time in what is merged: one sender's megabytes would be everybody's wait.
    const isMergeable = change.isMergeable && change.update.length <= options.windowBytes
    // Added first: whoever is asked because there is content now has been given it before.
    this.#batches.add({ ...change, isMergeable }, now)
    if (!isEmptyUpdate(change.update)) filled(now)
    rouse()
  }
}
