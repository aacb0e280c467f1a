/** What pools are made with: where they keep things, where time and chance come from, what they may. */
import type { Log } from "../log.ts"
import type { Memory } from "../memory.ts"
import type { Metrics } from "../metrics.ts"
import type { Random, Wake } from "../service.ts"
import type { Store } from "../store.ts"
import type { DamagedContents } from "./blocks-restored.ts"
import type { Bindings } from "./encrypted-proofs.ts"
import type { Ask } from "./entry.ts"
import type { Limits } from "./limits.ts"

export interface PoolsOptions {
  readonly store: Store
  /** Where blocks lie. */
  readonly memory: Memory
  /** For recent calls: always in memory. */
  readonly recentStore: Store
  readonly log: Log
  readonly metrics: Metrics
  readonly random: Random
  readonly wake: Wake
  /** ms since 1970, finer than the tick: a call's time is measured by it. */
  readonly now: () => number
  /** Undefined without a key for tokens. */
  readonly ask: Ask | undefined
  readonly serverVersion: string
  /** How long calls may take to end once the server stops, in ms. */
  readonly drainMs: number
  /** Ends the server, as its admin may ask. */
  readonly shutDown: () => void
  readonly limits?: Partial<Limits>
  /** Whether proofs of keys must be bound to a TLS connection; "asked" unless told. */
  readonly bindings?: Bindings
  /** Durable blocks whose contents are damaged; "refuse" unless told. */
  readonly damagedBlocks?: DamagedContents
}
