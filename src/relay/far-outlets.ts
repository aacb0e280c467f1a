/**
 * What stands for another server among the replicas of a room, as each kind of room speaks to it.
 *
 * What always holds: of all that a replica is told, it hears what it is asked, and what it is given.
 */
import type { FarWay } from "./far-asks.ts"
import type { OpaqueOutlet, YjsOutlet } from "./replica.ts"

const nothing = new Uint8Array()

/** In a Yjs room. */
export function yjsFarOutlet({ asked, given, closed }: FarWay): YjsOutlet {
  return {
    behind: false,
    hearsSeeds: false,
    isAcknowledged: false,
    notice: () => {},
    acknowledge: () => {},
    stateless: () => {},
    send: (message) => {
      if (message.kind === "step1") asked(message.vector)
      if (message.kind === "step2") given({ update: message.update, version: nothing })
    },
    close: closed,
  }
}

/** In an opaque room. */
export function opaqueFarOutlet({ asked, given, closed }: FarWay): OpaqueOutlet {
  return {
    behind: false,
    hasBatches: false,
    hearsSeeds: false,
    hearsAcks: false,
    send: (message) => {
      if (message.kind === "snapshot-request") asked(message.version ?? nothing)
      if (message.kind !== "snapshot-response") return
      if (message.content !== "given") given(undefined)
      else given({ update: message.snapshot, version: message.version ?? nothing })
    },
    close: closed,
  }
}
