/** The bounds of blocks of shared memory: a part of the limits of pools. */

/** Sizes are bytes, times ms. */
export interface BlockLimits {
  readonly blockLimitBytes: number
  /** Of rings, and of blocks that are filled and then sealed. */
  readonly largeBlockLimitBytes: number
  /** Of all pools together: each has a file open. */
  readonly blockLimit: number
  readonly blocksPerPool: number
  readonly attachmentsPerApp: number
  /** All files together; 0: half of what is free at the start. */
  readonly shmLimitBytes: number
  /** A block that is not durable and that nobody is attached to is removed after this. */
  readonly blockIdleMs: number
  readonly writeWaitMs: number
  readonly writerStallMs: number
  readonly consumerStallMs: number
  readonly integrityMs: number
  readonly blockSaveMs: number
  readonly lockLeaseMs: number
  readonly lockLeaseLimitMs: number
  readonly locksWaitingPerBlock: number
  /** Locks of one block that are held at once. */
  readonly locksPerBlock: number
  readonly writesWaitingPerBlock: number
  /** What writes that wait hold, of all blocks together. */
  readonly writesWaitingBytes: number
  /** A block that was damaged so often within a minute is not replaced any more but ends. */
  readonly damagesPerMinute: number
  /** The most content that comes along with a notice, and the most of an app's own. */
  readonly noticeBytes: number
  readonly notifyBytes: number
}

const mebibyte = 1024 * 1024

/** What holds unless told. */
export const blockLimits: BlockLimits = {
  blockLimitBytes: 16 * mebibyte,
  largeBlockLimitBytes: 1024 * mebibyte,
  blockLimit: 10_000,
  blocksPerPool: 1_000,
  attachmentsPerApp: 256,
  shmLimitBytes: 0,
  blockIdleMs: 3_600_000,
  writeWaitMs: 100,
  writerStallMs: 5_000,
  consumerStallMs: 5_000,
  integrityMs: 60_000,
  blockSaveMs: 2_000,
  lockLeaseMs: 10_000,
  lockLeaseLimitMs: 600_000,
  locksWaitingPerBlock: 1_000,
  locksPerBlock: 1_000,
  writesWaitingPerBlock: 1_000,
  writesWaitingBytes: 64 * mebibyte,
  damagesPerMinute: 8,
  noticeBytes: 64 * 1024,
  notifyBytes: 4_096,
}
