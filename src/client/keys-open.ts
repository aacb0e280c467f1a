/**
 * Opening: what a reader looks at before it gives out anything of an envelope.
 *
 * What always holds: the order is shape, certificate, epoch, replay, signature, and only then the
 * tag; whatever fails is a Refusal "integrity" with nothing of the plaintext. Certificates are
 * verified when they come, and judged by the clock whenever they are used.
 */
import { Refusal } from "../wire/pools-errors.ts"
import {
  type Bytes,
  type Certificate,
  certificateSigned,
  isSame,
  lengths,
  readCertificate,
  type WriterRight,
  writerRights,
} from "../wire/trinity.ts"
import { type Envelope, envelopeSigned, readEnvelope } from "../wire/trinity-envelope.ts"
import type { Cipher, Primitives, Verifier } from "./keys-crypto.ts"
import { hex, Replays } from "./keys-replays.ts"
import { type Content, dataCipher, type SealingEpoch } from "./keys-seal.ts"

/** Clocks may differ by so much when it is said whether a certificate has expired. */
export const clockToleranceMs = 60_000
/** Data keys that are kept ready; the one that was made first goes. */
const cipherLimit = 256
/** Certificates that are kept; above it new ones are refused. */
const certificateLimit = 65_536

/** What somebody expects an envelope to be. */
export interface Expected {
  readonly object: Uint8Array
  readonly right: WriterRight
  /**
   * "once": a message. "newest": content of a block. "later": a chunk, behind the counter `after`.
   * "again": a retained emit, which may have been heard before.
   */
  readonly order: "once" | "newest" | "again" | { readonly after: number }
  /** Of a block, where its slot says one. */
  readonly generation?: number | undefined
}

/** What an envelope held, and who wrote it. */
export interface Opened extends Content {
  readonly writer: Uint8Array
  readonly epoch: number
  readonly counter: number
}

export interface OpenerOptions {
  readonly primitives: Primitives
  readonly poolId: Uint8Array
  /** ms since 1970. */
  readonly now: () => number
  /** The keys of an epoch; undefined for one that is not known. */
  readonly epoch: (epoch: number) => SealingEpoch | undefined
  /** Whether messages of an epoch are still taken. */
  readonly isAccepted: (epoch: number) => boolean
}

interface Known {
  readonly certificate: Certificate
  readonly verify: Verifier
}

export class Opener {
  readonly #options: OpenerOptions
  readonly #certificates = new Map<string, Known>()
  readonly #revoked = new Set<string>()
  readonly #ciphers = new Map<string, Promise<Cipher>>()
  readonly #replays = new Replays()

  constructor(options: OpenerOptions) {
    this.#options = options
  }

  /**
   * A writer is known from now on. `sealKey` is that of its epoch's record. Throws a Refusal
   * "integrity" when that key has not signed the certificate.
   */
  async addCertificate(bytes: Uint8Array, sealKey: Uint8Array): Promise<void> {
    const { primitives, poolId } = this.#options
    const certificate = readCertificate(Uint8Array.from(bytes))
    if (certificate === undefined) throw integrity("this is no certificate")
    const verify = await primitives.verifier(sealKey)
    const signed = certificateSigned(poolId, certificate.head)
    if (!(await verify(signed, certificate.signature))) {
      throw integrity("the epoch's OblivionSeal has not signed this certificate")
    }
    const key = writerKey(certificate.writer, certificate.epoch)
    const known = this.#certificates.get(key)
    if (known !== undefined && known.certificate.notAfter >= certificate.notAfter) return
    if (known === undefined && this.#certificates.size >= certificateLimit) {
      throw integrity(`more than ${certificateLimit} certificates were given`)
    }
    const writer = await primitives.verifier(certificate.writer)
    this.#certificates.set(key, { certificate, verify: writer })
  }

  /** Nothing of this writer is taken any more, in the epoch in which it was revoked. */
  revoke(writer: Uint8Array, epoch: number): void {
    this.#revoked.add(writerKey(writer, epoch))
  }

  /** What an envelope holds. Throws a Refusal "integrity" that says which look failed. */
  async open(bytes: Uint8Array, expected: Expected): Promise<Opened> {
    const { primitives, poolId, epoch: epochOf, isAccepted } = this.#options
    // A copy: the bytes may lie where somebody else still writes.
    const envelope = readEnvelope(Uint8Array.from(bytes))
    if (envelope === undefined) throw integrity("this is no envelope")
    if (!isSame(envelope.poolId, poolId)) throw integrity("it was sealed for another pool")
    if (!isSame(envelope.object, expected.object)) {
      throw integrity("it was sealed for another block, call or name")
    }
    if ((expected.generation ?? envelope.generation) !== envelope.generation) {
      throw integrity("it was sealed as another generation")
    }
    const { verify } = this.#writerOf(envelope, expected.right)
    const epoch = epochOf(envelope.epoch)
    const isOld = !isStored(expected) && !isAccepted(envelope.epoch)
    if (epoch === undefined || isOld) {
      throw integrity(`epoch ${envelope.epoch} is not accepted`)
    }
    this.#checkOrder(envelope, expected)
    const digest = await primitives.hash(envelope.sealed)
    if (!(await verify(envelopeSigned(envelope.head, digest), envelope.signature))) {
      throw integrity("its writer has not signed it")
    }
    const cipher = await this.#cipherOf(epoch, envelope)
    const { nonce, head: bound } = envelope
    const plain = await cipher.open(envelope.sealed, { nonce, bound })
    if (plain === undefined) throw integrity("its tag is wrong")
    if (!this.#take(envelope, expected)) throw replayed()
    return openedOf(envelope, plain)
  }

  #writerOf({ writer, epoch }: Envelope, right: WriterRight): Known {
    const key = writerKey(writer, epoch)
    const known = this.#certificates.get(key)
    if (known === undefined) throw integrity("its writer has no certificate")
    const { notAfter, rights } = known.certificate
    if (notAfter + clockToleranceMs < this.#options.now()) {
      throw integrity("its writer's certificate has expired")
    }
    if ((rights & writerRights[right]) === 0) throw integrity(`its writer has no right to ${right}`)
    if (this.#revoked.has(key)) throw integrity("its writer was revoked")
    return known
  }

  #checkOrder(envelope: Envelope, { order }: Expected): void {
    if (order === "again") return
    const isGood =
      order === "newest"
        ? this.#replays.isCurrent(envelope)
        : envelope.generation === envelope.counter &&
          this.#replays.isNew(envelope) &&
          (order === "once" || envelope.counter > order.after)
    if (!isGood) throw replayed()
  }

  #take(envelope: Envelope, { order }: Expected): boolean {
    if (order === "again") return true
    return order === "newest" ? this.#replays.takeBlock(envelope) : this.#replays.take(envelope)
  }

  #cipherOf(epoch: SealingEpoch, { writer, salt }: Envelope): Promise<Cipher> {
    const key = `${epoch.epoch} ${hex(writer)} ${hex(salt)}`
    const known = this.#ciphers.get(key)
    if (known !== undefined) return known
    const [first] = this.#ciphers.keys()
    if (first !== undefined && this.#ciphers.size >= cipherLimit) this.#ciphers.delete(first)
    const cipher = dataCipher(this.#options.primitives, epoch, { writer, salt })
    this.#ciphers.set(key, cipher)
    return cipher
  }
}

/** Whether it may be of an epoch that is over: what is stored outlives the epoch it was sealed in. */
function isStored({ order }: Expected): boolean {
  return order === "newest" || order === "again"
}

function openedOf({ contentType, writer, epoch, counter }: Envelope, bytes: Bytes): Opened {
  return { type: contentType, bytes, writer, epoch, counter }
}

function writerKey(writer: Uint8Array, epoch: number): string {
  return `${epoch} ${hex(writer.subarray(0, lengths.key))}`
}

export function integrity(sentence: string): Refusal {
  return new Refusal("integrity", sentence)
}

function replayed(): Refusal {
  return integrity("it is older than what was read before, or was read already")
}
