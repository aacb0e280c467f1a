/**
 * A keyed hash at the end of each message, where a secret is shared: who does not know it can
 * neither forge a message nor move one to another channel.
 *
 * What always holds: a message begins with format, kind and flags; bit 1 of the flags says that a
 * hash ends it: the first 16 bytes of HMAC-SHA-256 over channel, a zero byte and all before it.
 */
import { createHmac, timingSafeEqual } from "node:crypto"
import { nameThere } from "./place.ts"

const flagsAt = 2
const sealed = 2
const hashBytes = 16

export class Seal {
  readonly #secret: string | undefined
  readonly #prefix: string | undefined

  /** Without a secret nothing is put on, and nothing asked for. `prefix` is that of names in Redis. */
  constructor(secret: string | undefined, prefix?: string) {
    this.#secret = secret
    this.#prefix = prefix
  }

  /** `data` with its hash. */
  put(channel: string, data: Uint8Array): Uint8Array {
    if (this.#secret === undefined) return data
    const whole = new Uint8Array(data.length + hashBytes)
    whole.set(data)
    whole[flagsAt] = (data[flagsAt] ?? 0) | sealed
    const body = whole.subarray(0, data.length)
    whole.set(this.#hash(this.#secret, channel, body), data.length)
    return whole
  }

  /** The data without its hash; undefined where the hash is missing or wrong. */
  take(channel: string, whole: Uint8Array): Uint8Array | undefined {
    const flags = whole[flagsAt]
    if (flags === undefined) return undefined
    if (this.#secret === undefined) return (flags & sealed) === 0 ? whole : undefined
    if ((flags & sealed) === 0 || whole.length <= flagsAt + hashBytes) return undefined
    const body = whole.subarray(0, whole.length - hashBytes)
    const hash = this.#hash(this.#secret, channel, body)
    if (!timingSafeEqual(hash, whole.subarray(body.length))) return undefined
    const data = body.slice()
    data[flagsAt] = flags & ~sealed
    return data
  }

  #hash(secret: string, channel: string, body: Uint8Array): Uint8Array {
    const name = nameThere(channel, this.#prefix)
    const hmac = createHmac("sha256", secret).update(name).update("\0").update(body)
    return new Uint8Array(hmac.digest()).subarray(0, hashBytes)
  }
}
