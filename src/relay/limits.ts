/**
 * Every limit and choice of the relay by name, with its default, and the count of what they refused.
 *
 * What always holds: each queue, map and frame of this folder is bounded by a field of this table,
 * or by a constant beside it that says so. Times are ms, sizes are bytes.
 */

/** The bounds. A field that is not given takes the default below. */
export interface RelayLimits {
  /** Above so many a newcomer is closed as "too-many". */
  readonly rooms: number
  readonly replicasPerRoom: number
  /** Above so many a further row is refused and counted. */
  readonly presenceRowsPerRoom: number
  /** On one multiplexed socket: in all, and while not yet admitted. */
  readonly addressesPerSocket: number
  readonly pendingAddresses: number
  readonly frameLimitBytes: number
  /** An answer to an ask may be longer than what is sent unasked. Beyond it the room is too big. */
  readonly answerLimitBytes: number
  readonly presenceFrameBytes: number
  readonly presenceRowBytes: number
  readonly statelessBytes: number
  /** A longer vector is not kept: the room is untracked, and asked for everything. */
  readonly vectorBytes: number
  /** Above its rate a replica is not read until it may go on. 0 = no such rate. */
  readonly messagesPerSecond: number
  readonly messagesBurst: number
  readonly bytesPerSecond: number
  readonly bytesBurst: number
  /** A pause that does not end for so long closes as "flooding". */
  readonly pauseMs: number
  /** Asks for content that one holder may send in a minute. */
  readonly stepsPerMinute: number
  readonly roomBytesPerSecond: number
  /** What arrives on an address before it is admitted. */
  readonly earlyMessages: number
  readonly earlyBytes: number
  readonly joinMs: number
  readonly sendQueueBytes: number
  readonly stalledMs: number
  readonly behindBytes: number
  readonly asksPerReplica: number
  readonly askMs: number
  readonly snapshotMs: number
  readonly gatherMs: number
  readonly windowMs: number
  readonly windowMessages: number
  readonly windowBytes: number
  readonly presenceWindowMs: number
  readonly presenceGraceMs: number
  /** Rows that one connection may introduce. */
  readonly idsPerConnection: number
  /** A room is forgotten so long after its last replica. */
  readonly lingerMs: number
  readonly seedHoldMs: number
  readonly markMs: number
  readonly orphanHoldMs: number
  readonly copyBytes: number
  readonly copyTotalBytes: number
  readonly copyMs: number
  readonly copyQuietMs: number
  readonly copyRestMs: number
  /** What may wait for other servers while Redis is away. The oldest makes room. */
  readonly busQueueMessages: number
  readonly busQueueBytes: number
  /** A longer message for other servers travels as a key of Redis. */
  readonly parcelBytes: number
  /** What was sent to other servers is kept for those that missed it: per room, for how long, in all. */
  readonly ringBytesPerRoom: number
  readonly ringMs: number
  readonly ringBytesTotal: number
  /** After an outage so many rooms are looked after in a second. */
  readonly resyncRoomsPerSecond: number
}

/** What may be chosen besides. */
export interface RelayChoices {
  /** Whether a viewer's copy may be given to another viewer. */
  readonly viewersAnswer: boolean
  /** Whether viewers may show presence. */
  readonly viewersPresent: boolean
  /** Two histories under one name: let the CRDT merge them, or close the newcomer. */
  readonly divergent: "merge" | "refuse"
  /** Counts what each limit would have done, and does nothing. */
  readonly limitsDryRun: boolean
  /** While copies cannot be read: whether newcomers wait for them, or at `snapshotMs` go on without. */
  readonly copiesRequired: boolean
  /** While Redis is away: whether newcomers of a room that nobody here has wait, or begin it. */
  readonly outageAnswer: "wait" | "empty"
  /** What an acknowledgement says of a change: the relay gave it out, or another holder has it. */
  readonly ackNeeds: "relay" | "holder"
}

export type RelayOptions = RelayLimits & RelayChoices

/** The defaults. */
export const relayDefaults: RelayOptions = Object.freeze({
  rooms: 20_000,
  replicasPerRoom: 2_000,
  presenceRowsPerRoom: 2_000,
  addressesPerSocket: 200,
  pendingAddresses: 100,
  frameLimitBytes: 16 * 1024 * 1024,
  answerLimitBytes: 64 * 1024 * 1024,
  presenceFrameBytes: 64 * 1024,
  presenceRowBytes: 16 * 1024,
  statelessBytes: 64 * 1024,
  vectorBytes: 256 * 1024,
  messagesPerSecond: 200,
  messagesBurst: 400,
  bytesPerSecond: 1024 * 1024,
  bytesBurst: 8 * 1024 * 1024,
  pauseMs: 60_000,
  stepsPerMinute: 30,
  roomBytesPerSecond: 8 * 1024 * 1024,
  earlyMessages: 1_000,
  earlyBytes: 5 * 1024 * 1024,
  joinMs: 10_000,
  sendQueueBytes: 8 * 1024 * 1024,
  stalledMs: 10_000,
  behindBytes: 256 * 1024,
  asksPerReplica: 16,
  askMs: 2_000,
  snapshotMs: 10_000,
  gatherMs: 200,
  windowMs: 20,
  windowMessages: 50,
  windowBytes: 64 * 1024,
  presenceWindowMs: 50,
  presenceGraceMs: 2_000,
  idsPerConnection: 8,
  lingerMs: 5_000,
  seedHoldMs: 1_000,
  markMs: 60_000,
  orphanHoldMs: 5_000,
  copyBytes: 4 * 1024 * 1024,
  copyTotalBytes: 1024 * 1024 * 1024,
  copyMs: 30 * 24 * 60 * 60_000,
  copyQuietMs: 5_000,
  copyRestMs: 30_000,
  busQueueMessages: 10_000,
  busQueueBytes: 8 * 1024 * 1024,
  parcelBytes: 256 * 1024,
  ringBytesPerRoom: 256 * 1024,
  ringMs: 60_000,
  ringBytesTotal: 64 * 1024 * 1024,
  resyncRoomsPerSecond: 10_000,
  viewersAnswer: false,
  viewersPresent: true,
  divergent: "merge",
  limitsDryRun: false,
  copiesRequired: true,
  outageAnswer: "wait",
  ackNeeds: "relay",
})

/** The choices that are words. */
const choices = {
  divergent: ["merge", "refuse"],
  outageAnswer: ["wait", "empty"],
  ackNeeds: ["relay", "holder"],
} as const

/**
 * The options that `given` changes. Throws an Error that names every unknown name and every value
 * of another kind than the default's.
 */
export function relayOptions(given: Readonly<Record<string, unknown>>): RelayOptions {
  const problems = problemsOf(given)
  if (problems.length > 0) throw new Error(problems.join("\n"))
  return Object.freeze({ ...relayDefaults, ...given })
}

/** What is wrong with `given`, a sentence each. */
export function problemsOf(given: Readonly<Record<string, unknown>>): readonly string[] {
  const problems: string[] = []
  const known = new Map<string, unknown>(Object.entries(relayDefaults))
  for (const [name, value] of Object.entries(given)) {
    const usual = known.get(name)
    if (usual === undefined) problems.push(`${name}: there is no such limit`)
    else if (!isLike(value, usual)) {
      problems.push(`${name}: ${JSON.stringify(value)} is not ${wantedInstead(usual)}`)
    }
  }
  for (const [name, words] of Object.entries(choices)) {
    const value = given[name] ?? words[0]
    if (words.every((word) => word !== value)) {
      problems.push(`${name}: is not one of ${words.join(", ")}`)
    }
  }
  return problems
}

function wantedInstead(usual: unknown): string {
  if (typeof usual === "number") return "a whole number from 0"
  return typeof usual === "boolean" ? "true or false" : "a word"
}

function isLike(value: unknown, usual: unknown): boolean {
  if (typeof usual !== "number") return typeof value === typeof usual
  return typeof value === "number" && Number.isSafeInteger(value) && value >= 0
}
