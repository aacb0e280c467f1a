/**
 * What programs see of the keys of encrypted pools: what they keep, hand out and ask for. Types, but
 * for one length of time.
 */
import type { Bytes, Grade } from "../wire/trinity.ts"
import type { Primitives } from "./keys-crypto.ts"
import type { EpochSecret, NewMember } from "./keys-epoch.ts"

/** What a program keeps to come back to an encrypted pool. All but `poolId` and `rootKey` is secret. */
export interface PoolKeys extends EpochSecret {
  readonly poolId: Uint8Array
  /** Of the owner root; it came by another way than the server. */
  readonly rootKey: Uint8Array
  /** Of which the secret is. */
  readonly epoch: number
  /** Its app's own Ed25519 seed: what it seals as. One for each app. */
  readonly writerSeed: Uint8Array
  /** X25519: what later epochs are wrapped to. */
  readonly memberSeed?: Uint8Array
  /** The owner's alone. */
  readonly rootSeed?: Uint8Array
}

export interface KeyringOptions {
  /** WebCrypto unless told: `nodePrimitives` is faster in programs. */
  readonly primitives?: Primitives
  /** ms since 1970. */
  readonly now?: () => number
  /** How long messages of an epoch are taken once the next is known, in ms. */
  readonly epochGraceMs?: number
}

/** A new record, and what its maker keeps once the server has taken it. */
export interface Rotated {
  readonly record: Bytes
  readonly keys: PoolKeys
}

export interface Rotation {
  /** Whom the new epoch's secret is wrapped to: nobody else can go on. */
  readonly members?: readonly NewMember[]
  /** 32 bytes; drawn unless told for a test. */
  readonly seal?: Uint8Array
}

/** What a server asks to be proven with. */
export interface Challenge {
  readonly grade: Grade
  readonly nonce: Uint8Array
  readonly session: Uint8Array
  readonly appId: string
  /** Zeros unless both ends of TLS can tell. */
  readonly binding?: Uint8Array
}

/** A certificate's life unless told: a day. */
export const certificateLifeMs = 86_400_000

/** What lets another app in: with these it draws its own seeds. */
export type LentKeys = Pick<PoolKeys, "poolId" | "rootKey" | "epoch" | "grade" | "secret">
