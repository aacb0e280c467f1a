/**
 * Proofs of keys of encrypted pools, and what they open.
 *
 * What always holds: what is signed names pool, epoch, nonce, session, grade and app, so a proof is
 * good for one connection and once; a writer key is proven by who is a member in that epoch already.
 */
import { Refusal } from "../wire/pools-errors.ts"
import {
  type Certificate,
  type Grade,
  isSame,
  lengths,
  noBinding,
  proofBytes,
} from "../wire/trinity.ts"
import { gradeOf } from "../wire/trinity-record.ts"
import { bytesIn, countIn, type Fields } from "./encrypted-fields.ts"
import type { Verify } from "./keys.ts"
import type { Membership, ProvenKey } from "./pool.ts"
import { type Epoch, type SealedPool, stale, wrong } from "./trinity.ts"

/** Who proves something, and what it was given for that. */
export interface Prover {
  readonly appId: string
  readonly session: Uint8Array
  /** Undefined when there is none that is good still. */
  readonly nonce: Uint8Array | undefined
  /** In the pool, when it is a member. */
  readonly membership: Membership | undefined
  /** What its TLS connection exports for this; undefined where it has none. */
  readonly binding: Uint8Array | undefined
  /** Whether its proofs must be bound to that. */
  readonly bindings: Bindings
}

/** "required": zeros in place of a binding are refused. */
export type Bindings = "asked" | "required"

/** What a request says that it proves. */
interface Claimed {
  readonly number: number
  readonly grade: Grade
  readonly signature: Uint8Array
  readonly certificate: Certificate | undefined
  readonly binding: Uint8Array
}

/** What is proven, with the certificate that came with a writer key. */
export interface Proven {
  readonly key: ProvenKey
  readonly certificate: Certificate | undefined
}

/**
 * What a request proves. Throws a Refusal: "unauthenticated" where the proof does not hold, others
 * for what was asked wrongly or too late.
 */
export function provenBy(
  sealed: SealedPool,
  fields: Fields,
  { prover, now }: { readonly prover: Prover; readonly now: number },
): Proven {
  const claimed = claimedIn(sealed, fields, now)
  const { number, grade, certificate, binding, signature } = claimed
  const epoch = sealed.accepted(number)
  if (epoch === undefined && number < sealed.epoch) throw stale(number, sealed.epoch)
  const { appId, session, nonce, membership } = prover
  if (nonce === undefined) {
    throw refused("the nonce was used or is too old: join again for another")
  }
  if (epoch === undefined) throw refused(`there is no epoch ${number}`)
  checkBinding(binding, prover)
  const of = { poolId: sealed.id, epoch: number, nonce, session, grade, appId, binding }
  if (!verifierOf(sealed, epoch, claimed)(proofBytes(of), signature)) {
    throw refused(`the signature does not prove the ${grade} key`)
  }
  const key = membership?.key
  if (grade !== "writer") {
    const grades = new Set([...(key?.epoch === number ? key.grades : []), grade])
    return { key: { epoch: number, grades, writer: key?.writer }, certificate }
  }
  if (key?.epoch !== number || certificate === undefined) {
    const sentence = `prove the SigilKey or the CipherShard of epoch ${number} first`
    throw new Refusal("forbidden", sentence)
  }
  const writer = { key: certificate.writer.slice(), epoch: number }
  return { key: { ...key, writer }, certificate }
}

function checkBinding(claimed: Uint8Array, { binding, bindings }: Prover): void {
  if (isSame(claimed, noBinding)) {
    if (bindings === "asked") return
    throw refused("proofs here are bound to their TLS connection: zeros are not taken")
  }
  if (binding === undefined) throw refused("this connection has no channel binding: zeros")
  if (!isSame(claimed, binding)) throw refused("the binding is of another connection")
}

function claimedIn(sealed: SealedPool, fields: Fields, now: number): Claimed {
  const number = countIn(fields, "epoch")
  const grade = gradeOf(fields["grade"])
  if (grade === undefined) throw wrong("/grade", "must be 1, 2, 3 or 4")
  const signature = bytesIn(fields, "signature", lengths.signature)
  const binding =
    fields["binding"] === undefined ? noBinding : bytesIn(fields, "binding", lengths.key)
  const claimed = { number, grade, signature, binding }
  if (grade !== "writer") return { ...claimed, certificate: undefined }
  const bytes = bytesIn(fields, "certificate", lengths.certificate)
  const certificate = sealed.checkCertificate(bytes, now)
  if (certificate.epoch === number) return { ...claimed, certificate }
  throw wrong("/certificate", `must be of epoch ${number}`)
}

function verifierOf(sealed: SealedPool, epoch: Epoch, { grade, certificate }: Claimed): Verify {
  switch (grade) {
    case "sigil":
      return epoch.admit
    case "shard":
      return epoch.read
    case "seal":
      return epoch.seal
    case "writer":
      if (certificate !== undefined) return sealed.trial(certificate)
      throw new Error("never: a writer comes with its certificate")
  }
}

function refused(sentence: string): Refusal {
  return new Refusal("unauthenticated", sentence)
}

/** Whether a member may attach to a block. Throws the Refusal that names the key it has to prove. */
export function mayAttach({ pool, key }: Membership, mode: "read" | "write"): void {
  if (pool.sealed === undefined) return
  const hasSeal = key?.grades.has("seal") === true
  const hasKey = mode === "read" ? key?.grades.has("shard") === true : key?.writer !== undefined
  if (hasSeal || hasKey) return
  const names = mode === "read" ? "CipherShard" : "OblivionSeal, or of a certified writer key"
  throw new Refusal("forbidden", `to ${mode} blocks here takes a proof of the ${names}`)
}
