/**
 * The connections to Redis, as the bus needs them: one Redis, or the masters of a cluster.
 *
 * What always holds: either all of them are usable or this life is over, told once; a new life
 * begins with nothing subscribed. They wait for nothing by themselves and try nothing again.
 */
import type { Undo } from "../service.ts"

/** What a life tells its owner. */
export interface Told {
  /** A message came on a channel. The bytes are the owner's. */
  message(channel: string, data: Uint8Array): void
  /** Redis does not serve this subscription any more: it may be made again at once. */
  moved(channel: string): void
  /** It is over; `why` is a sentence without secrets. Told once, and not after `close`. */
  ended(why: string): void
}

/** What a script gets: names of keys, and texts or bytes. */
export interface ScriptInput {
  readonly keys: readonly string[]
  readonly arguments: readonly (string | Buffer)[]
}

/** One life of the connections. Every promise rejects when it is over, or when Redis refuses. */
export interface Lines {
  /** Connects. Once. */
  open(): Promise<void>
  /** Resolves with the number of listeners that had it. */
  publish(channel: string, data: Uint8Array): Promise<number>
  /** Resolves when Redis has confirmed all of `channels`. */
  subscribe(channels: readonly string[]): Promise<void>
  unsubscribe(channel: string): Promise<void>
  get(key: string): Promise<Uint8Array | undefined>
  set(key: string, data: Uint8Array, forMs: number): Promise<void>
  /** Resolves with the text or number that the script returns, as text. */
  run(script: string, of: ScriptInput): Promise<string>
  /** ms since 1970, on the one clock that all servers ask. */
  time(): Promise<number>
  /** Channels that begin with `name`, one for each Redis that has to deliver. */
  probes(name: string): readonly string[]
  /** Ends all at once. What is under way is rejected. */
  close(): void
}

/** Connecting takes no longer, in ms: what is accepted and not served then is given up (RL60). */
export const openMs = 15_000

/** Calls `work` once, after so many ms; returns what calls it off. */
export type After = (ms: number, work: () => void) => Undo

/** What went wrong, in one line. Redis and Node put no password into it. */
export function sentenceOf(thrown: unknown): string {
  if (thrown instanceof AggregateError) return sentenceOf(thrown.errors[0])
  return thrown instanceof Error ? (thrown.message.split("\n")[0] ?? "") : String(thrown)
}
