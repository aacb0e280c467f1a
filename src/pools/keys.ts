/**
 * Proofs of who an app is: signatures by an Ed25519 key over a nonce that is good once.
 *
 * What always holds: what is signed names this session and this app, so that a signature made for one
 * connection proves nothing on another.
 */
import { createHash, createPublicKey, timingSafeEqual, verify } from "node:crypto"
import { encode64Url } from "../wire/base64.ts"

const label = new TextEncoder().encode("quartet-app/v1\0")

/** What an app signs: the label, the nonce, the session's id, and the app id behind its length. */
export function signedBytes(nonce: Uint8Array, session: Uint8Array, appId: string): Uint8Array {
  const name = new TextEncoder().encode(appId)
  const bytes = new Uint8Array(label.length + nonce.length + session.length + 2 + name.length)
  let at = 0
  for (const part of [label, nonce, session]) {
    bytes.set(part, at)
    at += part.length
  }
  new DataView(bytes.buffer).setUint16(at, name.length)
  bytes.set(name, at + 2)
  return bytes
}

/** Whether `signature` is the key's. Takes about 0.1 ms. */
export function isSigned(message: Uint8Array, key: Uint8Array, signature: Uint8Array): boolean {
  try {
    const jwk = { kty: "OKP", crv: "Ed25519", x: encode64Url(key) }
    return verify(null, message, createPublicKey({ key: jwk, format: "jwk" }), signature)
  } catch {
    // 32 bytes that are no point of the curve are nobody's key.
    return false
  }
}

/** Whether a signature over a message is one key's. Takes about 0.1 ms. */
export type Verify = (message: Uint8Array, signature: Uint8Array) => boolean

/** What verifies for a key, made once. For bytes that are no key nothing verifies. */
export function verifierOf(key: Uint8Array): Verify {
  try {
    const jwk = { kty: "OKP", crv: "Ed25519", x: encode64Url(key) }
    const made = createPublicKey({ key: jwk, format: "jwk" })
    return (message, signature) => verify(null, message, made, signature)
  } catch {
    // 32 bytes that are no point of the curve are nobody's key.
    return () => false
  }
}

/** The SHA-256 of some bytes. */
export function digestOf(bytes: Uint8Array): Uint8Array {
  return createHash("sha256").update(bytes).digest()
}

/** Tells which secrets a stranger's `shown` is, in a time that tells nothing about either. */
export function sameAs(shown: string): (secret: string) => boolean {
  const digest = digestOf(new TextEncoder().encode(shown))
  return (secret) => timingSafeEqual(digest, digestOf(new TextEncoder().encode(secret)))
}
