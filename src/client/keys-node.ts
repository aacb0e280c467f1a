/**
 * The cryptography of encrypted pools on `node:crypto`: the same as on WebCrypto, byte for byte, and
 * faster, since nothing goes to another thread. For programs on Node.
 *
 * What always holds: as in `keys-crypto.ts`; the place changes with the process and with the boot of
 * its machine.
 */
import {
  createCipheriv,
  createDecipheriv,
  createHash,
  createPrivateKey,
  createPublicKey,
  diffieHellman,
  hkdfSync,
  type KeyObject,
  randomFillSync,
  sign,
  verify,
} from "node:crypto"
import { readFileSync } from "node:fs"
import { encode64Url } from "../wire/base64.ts"
import { type Bytes, lengths } from "../wire/trinity.ts"
import { notZeros, type Primitives } from "./keys-crypto.ts"

const algorithm = "aes-256-gcm"
const tag = { authTagLength: lengths.tag }

/** On `node:crypto`. */
export const nodePrimitives: Primitives = {
  random: (bytes) => randomFillSync(new Uint8Array(bytes)),
  hash: async (bytes) => plain(createHash("sha256").update(bytes).digest()),
  derive: async (secret, salt, info) =>
    new Uint8Array(hkdfSync("sha256", secret, salt, info, lengths.key)),
  async signer(seed) {
    const { key, publicKey } = privateKey("Ed25519", seed)
    return { publicKey, sign: async (message) => plain(sign(null, message, key)) }
  },
  async verifier(bytes) {
    const key = publicOf("Ed25519", bytes)
    return async (message, signature) => key !== undefined && verify(null, message, key, signature)
  },
  async cipher(key) {
    return {
      async seal(bytes, { nonce, bound }) {
        const cipher = createCipheriv(algorithm, key, nonce, tag).setAAD(bound)
        return plain(Buffer.concat([cipher.update(bytes), cipher.final(), cipher.getAuthTag()]))
      },
      async open(sealed, { nonce, bound }) {
        if (sealed.length < lengths.tag) return undefined
        const end = sealed.length - lengths.tag
        const cipher = createDecipheriv(algorithm, key, nonce, tag).setAAD(bound)
        cipher.setAuthTag(sealed.subarray(end))
        const opened = cipher.update(sealed.subarray(0, end))
        try {
          cipher.final()
        } catch {
          // The one thing it throws for here: another key, or changed bytes.
          return undefined
        }
        return plain(opened)
      },
    }
  },
  async exchange(seed) {
    const { key, publicKey } = privateKey("X25519", seed)
    return {
      publicKey,
      async agree(theirs) {
        const other = publicOf("X25519", theirs)
        if (other === undefined) return undefined
        try {
          const secret = plain(diffieHellman({ privateKey: key, publicKey: other }))
          return notZeros(secret)
        } catch {
          // A key of small order: the secret would be zeros.
          return undefined
        }
      },
    }
  },
  place: () => `${process.pid} ${bootId()}`,
}

function bootId(): string {
  try {
    return readFileSync("/proc/sys/kernel/random/boot_id", "latin1")
  } catch {
    return "" // not Linux: only the process can be told apart
  }
}

function privateKey(crv: "Ed25519" | "X25519", seed: Uint8Array) {
  const der = crv === "Ed25519" ? 0x70 : 0x6e
  const prefix = Buffer.from("302e020100300506032b650004220420", "hex")
  prefix[11] = der
  const pkcs8 = Buffer.concat([prefix, seed])
  const key = createPrivateKey({ key: pkcs8, format: "der", type: "pkcs8" })
  const { x = "" } = createPublicKey(key).export({ format: "jwk" })
  return { key, publicKey: plain(Buffer.from(x, "base64url")) }
}

function publicOf(crv: "Ed25519" | "X25519", bytes: Uint8Array): KeyObject | undefined {
  try {
    const jwk = { kty: "OKP", crv, x: encode64Url(bytes) }
    return createPublicKey({ key: jwk, format: "jwk" })
  } catch {
    // Bytes that are no key are nobody's.
    return undefined
  }
}

/** Without what only Node's own bytes can, and in memory of its own. */
function plain(bytes: Uint8Array): Bytes {
  return Uint8Array.from(bytes)
}
