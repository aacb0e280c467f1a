/**
 * An app, as the server remembers it: live on no connection, on one, or on several that share its id.
 *
 * What always holds: what is stored is what it last registered, so that it may have it back; its
 * generation grows with every session, and only the newest session of an instance counts.
 */
import type { Offer, Proof, TopicOffer } from "../wire/pools-shapes.ts"
import type { Session } from "./session.ts"

/** What an app had registered, as it is stored. */
export interface Remembered {
  readonly pools: readonly string[]
  readonly triggers: readonly (Offer & { readonly pool: string })[]
  readonly topics: readonly (TopicOffer & { readonly pool: string })[]
  readonly metadata: unknown
}

/** What an id belongs to. A token's and a certificate's is the id itself. */
export type Binding =
  | { readonly to: "none" }
  | { readonly to: "key"; readonly key: Uint8Array }
  | { readonly to: "token" | "certificate" }

export const nothingRemembered: Remembered = {
  pools: [],
  triggers: [],
  topics: [],
  metadata: undefined,
}

export class App {
  readonly id: string
  binding: Binding = { to: "none" }
  remembered: Remembered = nothingRemembered
  protocol = "1.0"
  generation = 0
  readonly firstSeen: number
  lastSeen: number
  /** By instance number; 0 where only one may be. */
  readonly live = new Map<number, Session>()
  instances: "one" | "many" = "one"

  constructor(id: string, now: number) {
    this.id = id
    this.firstSeen = now
    this.lastSeen = now
  }

  get isLive(): boolean {
    return this.live.size > 0
  }

  /** Whether somebody who has shown this has shown enough to be it. */
  isProvenBy(proof: Proof, key: Uint8Array | undefined): boolean {
    switch (this.binding.to) {
      case "none":
        return proof !== "none"
      case "key":
        return proof === "key" && key !== undefined && sameBytes(key, this.binding.key)
      case "token":
      case "certificate":
        return proof === this.binding.to
    }
  }

  /** The lowest number that no live instance has. */
  nextInstance(): number {
    let number = 1
    while (this.live.has(number)) number++
    return number
  }
}

function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, at) => byte === b[at])
}
