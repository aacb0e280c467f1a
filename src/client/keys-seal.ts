/**
 * Sealing: one writer's envelopes.
 *
 * What always holds: no pair of data key and nonce is used twice. The counter only grows and lives in
 * memory alone; it belongs to a salt that was drawn when it began, so a restart, a crash or a restored
 * disk has another key; a process that finds itself elsewhere (a fork, another boot), a salt that has
 * done its part, and a new epoch draw another. Counter and salt are taken before anything is waited
 * for, so calls that overlap never share one.
 */
import { type Bytes, derivation, joined, lengths } from "../wire/trinity.ts"
import {
  type EnvelopeHead,
  envelopeHead,
  envelopeSigned,
  nonceOf,
} from "../wire/trinity-envelope.ts"
import type { Cipher, Primitives, Signer } from "./keys-crypto.ts"

/** What is sealed: bytes and what they are. */
export interface Content {
  /** 0 none, 1 JSON, 2 text, 3 bytes, 128 to 255 the apps' own. */
  readonly type: number
  readonly bytes: Uint8Array
}

/** What an envelope is about. */
export interface About {
  /** 16 bytes. */
  readonly object: Uint8Array
  /** A block's; undefined for a message, whose counter stands in its place. */
  readonly generation: number | undefined
}

/** The epoch that content is sealed for. */
export interface SealingEpoch {
  readonly poolId: Uint8Array
  readonly epoch: number
  readonly shard: Uint8Array
}

/** A salt is good for so many envelopes, and so many bytes. */
export interface SaltLimits {
  readonly messages: number
  readonly bytes: number
}

const saltLimits: SaltLimits = { messages: 2 ** 32, bytes: 2 ** 48 }

interface Stretch {
  readonly epoch: number
  readonly place: string
  readonly salt: Bytes
  readonly cipher: Promise<Cipher>
  counter: number
  bytes: number
}

export class Sealer {
  readonly #primitives: Primitives
  readonly #writer: Signer
  readonly #limits: SaltLimits
  readonly #drawSalt: () => Bytes
  #stretch: Stretch | undefined

  /** `drawSalt` is chance, unless told for a test. */
  constructor(
    primitives: Primitives,
    writer: Signer,
    options: { readonly limits?: SaltLimits; readonly drawSalt?: () => Bytes } = {},
  ) {
    this.#primitives = primitives
    this.#writer = writer
    this.#limits = options.limits ?? saltLimits
    this.#drawSalt = options.drawSalt ?? (() => primitives.random(lengths.salt))
  }

  /** The writer's public key. */
  get key(): Bytes {
    return this.#writer.publicKey
  }

  /** Draws another salt for what is sealed next: after a copy of the whole machine was restored. */
  renew(): void {
    this.#stretch = undefined
  }

  /** An envelope: 196 bytes more than the content. */
  async seal(epoch: SealingEpoch, about: About, content: Content): Promise<Bytes> {
    const stretch = this.#stretchFor(epoch, content.bytes.length)
    const counter = ++stretch.counter
    stretch.bytes += content.bytes.length
    const fields: EnvelopeHead = {
      poolId: epoch.poolId,
      object: about.object,
      epoch: epoch.epoch,
      generation: about.generation ?? counter,
      contentType: content.type,
      writer: this.key,
      salt: stretch.salt,
      counter,
      plainBytes: content.bytes.length,
    }
    const head = envelopeHead(fields)
    const cipher = await stretch.cipher
    const sealed = await cipher.seal(content.bytes, { nonce: nonceOf(counter), bound: head })
    const digest = await this.#primitives.hash(sealed)
    return joined(head, sealed, await this.#writer.sign(envelopeSigned(head, digest)))
  }

  #stretchFor(of: SealingEpoch, more: number): Stretch {
    const now = this.#stretch
    const place = this.#primitives.place()
    const isGood =
      now !== undefined &&
      now.epoch === of.epoch &&
      now.place === place &&
      now.counter < this.#limits.messages &&
      now.bytes + more <= this.#limits.bytes
    if (isGood) return now
    const salt = this.#drawSalt()
    const cipher = dataCipher(this.#primitives, of, { writer: this.key, salt })
    this.#stretch = { epoch: of.epoch, place, salt, cipher, counter: 0, bytes: 0 }
    return this.#stretch
  }
}

/** What one writer seals with under one salt. */
export async function dataCipher(
  primitives: Primitives,
  { poolId, epoch, shard }: SealingEpoch,
  of: { readonly writer: Uint8Array; readonly salt: Uint8Array },
): Promise<Cipher> {
  const info = derivation("data", epoch, joined(of.writer, of.salt))
  return primitives.cipher(await primitives.derive(shard, poolId, info))
}
