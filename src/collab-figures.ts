/** What a relay in somebody else's program tells of itself. Plain values, read when asked for. */
import type { MessageBusMetrics, Reach } from "./collab-bus.ts"

/** What a relay has done since it began, and what it has to do with now. */
export interface CollabMetrics {
  readonly activeConnections: number
  readonly activeDocuments: number
  /** Changes and presence that far ends here sent. */
  readonly localMessages: number
  /** Messages that other relays sent it. */
  readonly remoteMessages: number
  /** Newcomers that were given content, or told that there is none. */
  readonly snapshotRequests: number
  readonly snapshotResponses: number
  readonly rateLimitedMessages: number
  /** Far ends that were not read for a while, whose presence waited, or that were closed as too slow. */
  readonly backpressureEvents: number
  /** Of its bus, which it may share. */
  readonly redis: MessageBusMetrics
}

/** How a relay is. */
export interface CollabHealth {
  readonly ok: boolean
  /** "starting" before `initialize`, "draining" from `shutdown` on; "degraded" without its bus. */
  readonly status: "starting" | "healthy" | "degraded" | "draining"
  readonly serverId: string
  /** A bus in memory is no Redis: neither `configured` nor `connected`. */
  readonly redis: Reach
  /** Those who are in a document. */
  readonly connections: number
  readonly documents: number
  /** Of the documents: those where somebody waits for content, and those too large to be followed. */
  readonly rooms: { readonly waiting: number; readonly untracked: number }
}

/** A connection, as a program may see it. */
export interface DocumentConnection {
  readonly docId: string
  readonly senderId: string
  readonly dialect: "lfcc" | "yjs"
  /** ms since 1970. */
  readonly joinedAt: number
}
