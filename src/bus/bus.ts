/**
 * How servers reach each other: the contract.
 *
 * What always holds: nothing may rest on the bus. It carries bytes at most once, in order per
 * channel and sender, and may lose any message at any time; who needs more repairs it above.
 */
import type { Log } from "../log.ts"
import type { Answer, Undo } from "../service.ts"
import { MemoryHub } from "./memory.ts"

/** That `value` holds `name`. The fence is greater than that of any holder before. */
export interface Claim {
  readonly name: string
  readonly value: string
  readonly fence: number
}

/** Carries bytes between servers. Over Redis, or in memory; alone it is complete. */
export interface Bus {
  readonly server: string
  readonly state: "ready" | "away"
  /** ms since 1970 on the clock all servers share. */
  now(): number
  /** Waits while the bus is away, up to a limit. `heard` gets the number of servers that had it, ourselves too. */
  publish(channel: string, data: Uint8Array, heard?: Answer<number>): void
  /** Returns its undo. Leaves out our own messages. `confirmed` comes when the bus has the subscription. */
  subscribe(channel: string, listener: (data: Uint8Array) => void, confirmed?: () => void): Undo
  /** Something may have been missed: on one channel, or (undefined) on all. */
  onGap(listener: (channel: string | undefined) => void): Undo
  /** Takes `name` unless someone holds it; the answer is the claim that stands. */
  claim(name: string, value: string, forMs: number, answer: Answer<Claim>): void
  /** Prolongs a claim, or gives it up with 0; the answer is whether it still stood. */
  renew(claim: Claim, forMs: number, answer: Answer<boolean>): void
  /** Keeps a few bytes for a time; with a claim, only while it stands. */
  put(key: string, data: Uint8Array, forMs: number, claim?: Claim): void
  get(key: string, answer: Answer<Uint8Array | undefined>): void
  /** The ms a message to ourselves took, through the bus and back. */
  probe(answer: Answer<number>): void
  close(): Promise<void>
}

/** What a bus is made with. */
export interface BusOptions {
  /** Who we are on the bus; no other server has this name. */
  readonly server: string
  /** ms since 1970. */
  readonly now: () => number
  readonly log: Log
}

/** Makes the bus of this server. One process alone needs no more than memory; several in one share a hub. */
export function createBus(options: BusOptions, hub = new MemoryHub()): Bus {
  return hub.join(options)
}
