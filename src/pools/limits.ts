/**
 * The bounds of pools. What always holds: each queue, map keyed by strangers and wait of this part
 * has one of these, and the name that stands here is the name that errors and acknowledgements tell.
 */

import { type BlockLimits, blockLimits } from "./blocks-limits.ts"

/** Sizes are bytes, times ms. */
export interface Limits extends BlockLimits {
  readonly frameLimitBytes: number
  readonly earlyFrameLimitBytes: number
  readonly ingressBudgetBytes: number
  readonly sendLimitBytes: number
  readonly unshakenLimit: number
  readonly handshakeLimitMs: number
  /** Requests a second of one connection, and at once; of this machine's programs, and of others. */
  readonly localMessagesPerSecond: number
  readonly remoteMessagesPerSecond: number
  readonly localBytesPerSecond: number
  readonly remoteBytesPerSecond: number
  readonly badMessageLimit: number
  readonly heartbeatMs: number
  readonly probeMs: number
  readonly nonceMs: number
  readonly appMemoryMs: number
  /** Remembered apps. One more makes the unbound one that was away longest be forgotten. */
  readonly appLimit: number
  readonly poolLimit: number
  readonly poolsPerApp: number
  readonly triggersPerPool: number
  readonly emptyPoolMs: number
  /** Metadata, schemas and descriptions of one app together. */
  readonly metadataLimitBytes: number
  readonly inFlightLimit: number
  readonly inFlightPerApp: number
  readonly queuedBytesLimit: number
  /** Of a registration that does not say. */
  readonly concurrency: number
  readonly queue: number
  readonly attemptLimit: number
  readonly ttlLimitMs: number
  readonly cancelGraceMs: number
  /** With more unsent than this a handler gets no further call. */
  readonly behindBytes: number
  /** Chunks that may be sent ahead: unless told, and at most. */
  readonly credit: number
  readonly creditLimit: number
  readonly chunkLimitBytes: number
  readonly idempotencyWindowMs: number
  readonly idempotencyKeys: number
  readonly idempotencyBytes: number
  readonly subscriptionDepth: number
  readonly subscriptionBytes: number
  readonly subscriptionsPerApp: number
  readonly retainedPerPool: number
  readonly retainedBytes: number
  readonly recentCalls: number
  /** How long an epoch of an encrypted pool is taken after the next has come. */
  readonly epochGraceMs: number
  /** Certified and revoked writers of one encrypted pool. */
  readonly certificatesPerPool: number
  /** The longest life of a writer's certificate. */
  readonly certificateLifeMs: number
  /** Records of epochs in one answer; one at least. */
  readonly recordsBytes: number
  /** Whether the server itself looks at the signature of each envelope: about 0.1 ms. */
  readonly verifyWrites: boolean
}

const mebibyte = 1024 * 1024
const gibibyte = 1024 * mebibyte

/** What holds unless told. */
export const limits: Limits = {
  ...blockLimits,
  frameLimitBytes: 16 * mebibyte,
  earlyFrameLimitBytes: 64 * 1024,
  ingressBudgetBytes: 256 * mebibyte,
  sendLimitBytes: 32 * mebibyte,
  unshakenLimit: 256,
  handshakeLimitMs: 10_000,
  localMessagesPerSecond: 250_000,
  remoteMessagesPerSecond: 5_000,
  localBytesPerSecond: gibibyte,
  remoteBytesPerSecond: 64 * mebibyte,
  badMessageLimit: 100,
  heartbeatMs: 15_000,
  probeMs: 2_000,
  nonceMs: 30_000,
  appMemoryMs: 7 * 86_400_000,
  appLimit: 100_000,
  poolLimit: 10_000,
  poolsPerApp: 100,
  triggersPerPool: 10_000,
  emptyPoolMs: 300_000,
  metadataLimitBytes: 64 * 1024,
  inFlightLimit: 65_536,
  inFlightPerApp: 8_192,
  queuedBytesLimit: 256 * mebibyte,
  concurrency: 256,
  queue: 1_000,
  attemptLimit: 3,
  ttlLimitMs: 600_000,
  cancelGraceMs: 2_000,
  behindBytes: mebibyte,
  credit: 16,
  creditLimit: 1_024,
  chunkLimitBytes: mebibyte,
  idempotencyWindowMs: 600_000,
  idempotencyKeys: 100_000,
  idempotencyBytes: 64 * 1024,
  subscriptionDepth: 256,
  subscriptionBytes: mebibyte,
  subscriptionsPerApp: 1_000,
  retainedPerPool: 10_000,
  retainedBytes: 64 * 1024,
  recentCalls: 10_000,
  epochGraceMs: 60_000,
  certificatesPerPool: 4_096,
  certificateLifeMs: 90 * 86_400_000,
  recordsBytes: 4 * mebibyte,
  verifyWrites: true,
}
