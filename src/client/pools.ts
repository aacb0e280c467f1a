/**
 * The door of pools for browsers and for Node, over WebSocket. `quartet/client/tcp` has the same over
 * TCP, TLS and unix sockets.
 */
import { connectApp } from "./pools-app.ts"
import type { App, AppOptions } from "./pools-shapes.ts"
import { openSocketWire } from "./pools-socket.ts"

/** A server's pools, as a program sees them. Nothing is opened before it is used. */
export interface PoolsClient {
  /** Connects as an app. Rejects with PoolsError when it is refused, or nobody is there. */
  pools(options: AppOptions): Promise<App>
}

/**
 * The server at `url`, its `http(s)` or `ws(s)` address.
 *
 * ```ts
 * const app = await connect("https://pad.example.org/").pools({ app: "ada" })
 * await app.handle("add", ({ x, y }: { x: number; y: number }) => x + y)
 * console.log(await app.call("add", { x: 1, y: 2 }))
 * ```
 *
 * Throws TypeError when `url` is no such address.
 */
export function connect(url: string): PoolsClient {
  const open = openSocketWire(url)
  return { pools: (options) => connectApp(open, options) }
}

export type {
  AttachOptions,
  Block,
  BlockNotice,
  BlockOptions,
  BlockRef,
  Lock,
  LockOptions,
  Pinned,
  PoolBlocks,
  ReadOptions,
  Ring,
  RingOptions,
  RingRecord,
  Sealed,
  Snapshot,
  SubscribeOptions,
  WriteOptions,
  Written,
} from "./blocks-shapes.ts"
export { type AppKey, keyFromSeed } from "./pools-key.ts"
export type { CertifyOptions, HeldKeys, Keys } from "./pools-sealed.ts"
export {
  type AdminOptions,
  type Advice,
  type App,
  type AppOptions,
  type AppState,
  type CallContext,
  type CallOptions,
  type CancelMode,
  type Candidate,
  type Emit,
  type EmitOptions,
  type Explanation,
  type HandleOptions,
  type JoinOptions,
  type Member,
  type OnOptions,
  type Policy,
  type Pool,
  type PoolEvent,
  type PoolOptions,
  PoolsError,
  type Proof,
  type Reached,
  type Right,
  type Rights,
  type Stream,
  type Undo,
  type Work,
} from "./pools-shapes.ts"
