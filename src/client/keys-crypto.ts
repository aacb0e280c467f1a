/**
 * The cryptography that the keys of encrypted pools are made of, and its form on WebCrypto, which
 * browsers and Node have. `keys-node.ts` has a faster one for programs.
 *
 * What always holds: no primitive but SHA-256, HKDF-SHA-256, Ed25519, X25519 and AES-256-GCM with a
 * tag of 16 bytes; what does not verify or open gives false or undefined, never a part; secrets stay
 * in memory.
 */
import { type Bytes, joined } from "../wire/trinity.ts"

/** Signs with one key. */
export interface Signer {
  readonly publicKey: Bytes
  sign(message: Uint8Array): Promise<Bytes>
}

/** Whether a signature over a message is one key's. */
export type Verifier = (message: Uint8Array, signature: Uint8Array) => Promise<boolean>

/** What a nonce goes with, and what the sealed bytes are bound to. */
export interface Binding {
  readonly nonce: Uint8Array
  readonly bound: Uint8Array
}

/** Seals and opens with one key. Whoever calls it never uses a nonce twice. */
export interface Cipher {
  /** Ciphertext and tag. */
  seal(plain: Uint8Array, binding: Binding): Promise<Bytes>
  /** Undefined for bytes that this key has not sealed so. */
  open(sealed: Uint8Array, binding: Binding): Promise<Bytes | undefined>
}

/** One half of an agreement on a secret. */
export interface Exchange {
  readonly publicKey: Bytes
  /** Undefined where theirs is no key, or gives a secret of zeros. */
  agree(theirs: Uint8Array): Promise<Bytes | undefined>
}

/** All that is needed. Secrets, salts and hashes have 32 bytes, unless said. */
export interface Primitives {
  random(bytes: number): Bytes
  hash(bytes: Uint8Array): Promise<Bytes>
  /** HKDF; `salt` may have any length. */
  derive(secret: Uint8Array, salt: Uint8Array, info: Uint8Array): Promise<Bytes>
  signer(seed: Uint8Array): Promise<Signer>
  verifier(publicKey: Uint8Array): Promise<Verifier>
  cipher(key: Uint8Array): Promise<Cipher>
  exchange(seed: Uint8Array): Promise<Exchange>
  /** Where this runs: another text where memory was copied into another process or machine, as far as can be told. */
  place(): string
}

/** What a key's 32 bytes stand behind in PKCS 8. */
const ed25519Prefix = Uint8Array.of(
  ...[
    0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20,
  ],
)
const x25519Prefix = ed25519Prefix.with(11, 0x6e)
const keyBits = 256

/** On WebCrypto. Its calls reject where a page has none: on http, but for loopback. */
export const webPrimitives: Primitives = {
  random: (bytes) => crypto.getRandomValues(new Uint8Array(bytes)),
  async hash(bytes) {
    return new Uint8Array(await crypto.subtle.digest("SHA-256", own(bytes)))
  },
  async derive(secret, salt, info) {
    const material = await crypto.subtle.importKey("raw", own(secret), "HKDF", false, [
      "deriveBits",
    ])
    const how = { name: "HKDF", hash: "SHA-256", salt: own(salt), info: own(info) }
    return new Uint8Array(await crypto.subtle.deriveBits(how, material, keyBits))
  },
  async signer(seed) {
    const { key, publicKey } = await privateKey("Ed25519", joined(ed25519Prefix, seed), "sign")
    return {
      publicKey,
      async sign(message) {
        return new Uint8Array(await crypto.subtle.sign("Ed25519", key, own(message)))
      },
    }
  },
  async verifier(publicKey) {
    const key = await publicOf("Ed25519", publicKey, ["verify"])
    return async (message, signature) => {
      if (key === undefined) return false
      return crypto.subtle.verify("Ed25519", key, own(signature), own(message))
    }
  },
  async cipher(bytes) {
    const key = await crypto.subtle.importKey("raw", own(bytes), "AES-GCM", false, [
      ...["encrypt" as const, "decrypt" as const],
    ])
    const how = ({ nonce, bound }: Binding) => ({
      ...{ name: "AES-GCM", iv: own(nonce), additionalData: own(bound) },
    })
    return {
      async seal(plain, binding) {
        return new Uint8Array(await crypto.subtle.encrypt(how(binding), key, own(plain)))
      },
      async open(sealed, binding) {
        try {
          return new Uint8Array(await crypto.subtle.decrypt(how(binding), key, own(sealed)))
        } catch {
          // The one thing it throws for here: another key, or changed bytes.
          return undefined
        }
      },
    }
  },
  async exchange(seed) {
    const { key, publicKey } = await privateKey("X25519", joined(x25519Prefix, seed), "deriveBits")
    return {
      publicKey,
      async agree(theirs) {
        const other = await publicOf("X25519", theirs, [])
        if (other === undefined) return undefined
        try {
          const how = { name: "X25519", public: other }
          return notZeros(new Uint8Array(await crypto.subtle.deriveBits(how, key, keyBits)))
        } catch {
          // A key of small order: the secret would be zeros.
          return undefined
        }
      },
    }
  },
  place: () => "",
}

/** A secret that is one; undefined for zeros, which any third party can make come out. */
export function notZeros(secret: Bytes): Bytes | undefined {
  return secret.some((byte) => byte !== 0) ? secret : undefined
}

async function privateKey(name: "Ed25519" | "X25519", pkcs8: Bytes, use: "sign" | "deriveBits") {
  const key = await crypto.subtle.importKey("pkcs8", pkcs8, name, true, [use])
  const { x = "" } = await crypto.subtle.exportKey("jwk", key)
  const letters = atob(x.replaceAll("-", "+").replaceAll("_", "/"))
  return { key, publicKey: Uint8Array.from(letters, (letter) => letter.charCodeAt(0)) }
}

async function publicOf(
  name: "Ed25519" | "X25519",
  bytes: Uint8Array,
  uses: readonly "verify"[],
): Promise<CryptoKey | undefined> {
  try {
    return await crypto.subtle.importKey("raw", own(bytes), name, false, [...uses])
  } catch {
    // Bytes that are no key are nobody's.
    return undefined
  }
}

/** The same bytes where they lie in memory of their own; else a copy. */
function own(bytes: Uint8Array): Bytes {
  return bytes.buffer instanceof ArrayBuffer
    ? new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.length)
    : Uint8Array.from(bytes)
}
