/**
 * What the relay counted since it began, as plain numbers that are read when somebody scrapes them.
 *
 * What always holds: they only grow; the keys of a tally are our closed lists, never a name that a
 * stranger chose.
 */

/** Counts by cause. */
export class Tally<Cause extends string> {
  readonly #counts = new Map<Cause, number>()

  add(cause: Cause, count = 1): void {
    this.#counts.set(cause, (this.#counts.get(cause) ?? 0) + count)
  }

  get counts(): ReadonlyMap<string, number> {
    return this.#counts
  }

  get sum(): number {
    let sum = 0
    for (const count of this.#counts.values()) sum += count
    return sum
  }
}

export class Counts {
  /** Changes and presence that replicas here sent. */
  localMessages = 0
  /** Changes, presence, answers and texts, each counted for every replica that it was handed to. */
  delivered = 0
  /** Told how many changes a window let go at once. */
  batchSize: (changes: number) => void = () => {}
  /** Wishes for content that were fulfilled, by where it came from. */
  readonly requests = new Tally<"local" | "remote" | "copy" | "empty">()
  /** Answers that replicas gave to asks. */
  responses = 0
  /** Messages over the rate of their sender, or of its room. */
  rateLimited = 0
  /** "paused": a replica was not read for a while. "coalesced": presence waited until one has drained. */
  readonly backpressure = new Tally<"paused" | "coalesced">()
  /** Suspicions that something is missing: a replica's change that came too early, or another server's. */
  readonly gaps = new Tally<"replica" | "hole" | "news" | "difference">()
  /**
   * What came of asking other servers for what may be missing: they had some of it, or "nothing", or
   * have to be asked once more.
   */
  readonly resyncs = new Tally<"mended" | "nothing" | "unanswered">()
  /** Counted messages of other servers that had come before. */
  duplicates = 0
  /** What servers sent each other to mend them. */
  resyncBytes = 0
  /** Messages of other servers. */
  remoteMessages = 0
  /** Of servers that did not say HELLO. */
  unknownOrigins = 0
  /** Our own, come back. */
  echoes = 0
  seedGrants = 0
  seedHeld = 0
  divergences = 0
  readonly presenceRefused = new Tally<
    "foreign" | "claim" | "ids" | "rows" | "oversize" | "viewer"
  >()
  acks = 0
  readonly badFrames = new Tally<"yjs" | "hocuspocus" | "lfcc" | "bus">()
  readonly refused = new Tally<
    | "token"
    | "role"
    | "denied"
    | "full"
    | "too-big"
    | "never-joined"
    | "steps"
    | "unasked"
    | "foreign"
    | "foreign-kind"
    | "sealed"
  >()
  readonly copies = new Tally<"taken" | "given" | "too-big" | "failed">()
}
