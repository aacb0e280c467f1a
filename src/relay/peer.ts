/**
 * A room at another server, as far as it is known here.
 *
 * What always holds: it stands for one server and one room; what it says of itself replaces what it
 * said before.
 */
import type { Beacon } from "../wire/bus.ts"
import { Window } from "./window.ts"

/** The room at another server. */
export interface Peer {
  readonly origin: string
  readonly window: Window
  /** Its last counted message when we met, and of which epoch. */
  readonly since: { readonly epoch: number; readonly seq: number }
  /** Whether it had content then, as far as it said. */
  readonly wasOpen: boolean
  holders: number
  isBlank: boolean
  seal: Beacon["seal"]
  hash: string
  /** Whether what it has was compared with what is here, or could not differ. */
  isMet: boolean
  /** Of its tracked vector, as it said last; encoded. Undefined until it did. */
  vector: Uint8Array | undefined
}

/** Whether somebody there has content. */
export function isOpen({ holders, isBlank }: Pick<Peer, "holders" | "isBlank">): boolean {
  return holders > 0 && !isBlank
}

/** One that was met just now, and had content then ("open") or none. All up to `since` counts as seen. */
export function newPeer(origin: string, since: Peer["since"], how: "open" | "blank"): Peer {
  const window = new Window(since.epoch, since.seq)
  const wasOpen = how === "open"
  return {
    origin,
    window,
    since,
    wasOpen,
    holders: 0,
    isBlank: true,
    seal: "unsaid",
    hash: "",
    vector: undefined,
    isMet: false,
  }
}
