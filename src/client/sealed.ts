/**
 * End-to-end encryption of a room: what replicas say to each other, closed to the server. WebCrypto
 * only, so it works on https and on loopback.
 *
 * What always holds: nobody without the key can read what was sealed, nor make or change anything
 * that opens; what was sealed for one room or as one kind opens in no other room and as no other
 * kind; a nonce is drawn anew for each sealing. Bytes that do not open give undefined, never a part.
 *
 *     01 02 <12 bytes of nonce> <ciphertext> <16 bytes of tag>     a snapshot (2), sealed
 */

/** What a sealing holds. The numbers go over the wire. */
const kinds = { update: 1, snapshot: 2, presence: 3, version: 4 } as const

/** What a sealing holds. */
export type Kind = keyof typeof kinds

/** Seals and opens what one room's replicas say. */
export interface Sealing {
  /** Whether the room is one whose content is sealed. */
  readonly isSealed: boolean
  seal(kind: Kind, plain: Uint8Array): Promise<Uint8Array>
  /** What was sealed as one of `allowed`; undefined for bytes that do not open. */
  open(allowed: readonly Kind[], sealed: Uint8Array): Promise<Uint8Array | undefined>
}

/** For a room without a key: everything is as it is. */
export const unsealed: Sealing = {
  isSealed: false,
  seal: async (_kind, plain) => plain,
  open: async (_allowed, sealed) => sealed,
}

const format = 1
const headBytes = 2
const nonceBytes = 12
const tagBytes = 16
const keyBytes = 32
/** What OWASP asks of PBKDF2-SHA-256: about 0.3 s on a laptop, for each guess of a password too. */
const rounds = 600_000

const utf8 = new TextEncoder()

/** Web Crypto takes bytes that no other thread shares, and says so in its types. */
type Bytes = Uint8Array<ArrayBuffer>

/** The key of an encrypted room: 32 bytes, or a password. Who has it reads and writes the room. */
export class RoomKey {
  readonly #secret: { readonly bytes: Bytes } | { readonly password: string }

  private constructor(secret: { readonly bytes: Bytes } | { readonly password: string }) {
    this.#secret = secret
  }

  /** A new one, drawn at random. */
  static random(): RoomKey {
    return new RoomKey({ bytes: crypto.getRandomValues(new Uint8Array(keyBytes)) })
  }

  /** The key of these 32 bytes, which are copied. Throws RangeError for any other number of them. */
  static fromBytes(bytes: Uint8Array): RoomKey {
    if (bytes.length !== keyBytes) {
      throw new RangeError(`a room's key has ${keyBytes} bytes, these are ${bytes.length}`)
    }
    return new RoomKey({ bytes: Uint8Array.from(bytes) })
  }

  /** The key that `toText` gave. Throws RangeError for a text that is none. */
  static fromText(text: string): RoomKey {
    if (!/^[\w-]{43}$/.test(text)) {
      throw new RangeError("a room's key as text has 43 letters, digits, - and _")
    }
    return RoomKey.fromBytes(fromBase64(text.replaceAll("-", "+").replaceAll("_", "/")))
  }

  /**
   * The key of a password, which depends on the room's name too. It is as good as the password:
   * the server, and who taps the line, may guess as often as they like.
   */
  static fromPassword(password: string): RoomKey {
    return new RoomKey({ password: password.normalize() })
  }

  /** 43 characters that stand in a URL's fragment, which browsers keep to themselves; undefined for a password. */
  toText(): string | undefined {
    if ("password" in this.#secret) return undefined
    const text = toBase64(this.#secret.bytes)
    return text.replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "")
  }

  /**
   * What seals and opens in the room of this name. With a password it takes a third of a second.
   *
   * Rejects where the page has no WebCrypto: on http, but for loopback.
   */
  async forRoom(name: string): Promise<Sealing> {
    if (globalThis.crypto?.subtle === undefined) {
      throw new Error("encryption needs a page on https or loopback")
    }
    const bytes = "bytes" in this.#secret ? this.#secret.bytes : await stretch(this.#secret, name)
    const material = await crypto.subtle.importKey("raw", bytes, "HKDF", false, ["deriveKey"])
    const [content, presence] = await Promise.all([
      derive(material, name, "quartet relay content"),
      derive(material, name, "quartet relay presence"),
    ])
    return sealing(name, (kind) => (kind === "presence" ? presence : content))
  }
}

/** 32 bytes of a password, with the room's name as salt. */
async function stretch({ password }: { readonly password: string }, name: string): Promise<Bytes> {
  const material = await crypto.subtle.importKey("raw", utf8.encode(password), "PBKDF2", false, [
    "deriveBits",
  ])
  const salt = utf8.encode(name)
  const how = { name: "PBKDF2", hash: "SHA-256", salt, iterations: rounds }
  return new Uint8Array(await crypto.subtle.deriveBits(how, material, keyBytes * 8))
}

// The room's name is the salt: rooms that share 32 bytes do not share the nonces that those allow.
function derive(material: CryptoKey, name: string, info: string): Promise<CryptoKey> {
  const how = { name: "HKDF", hash: "SHA-256", salt: utf8.encode(name), info: utf8.encode(info) }
  const aes = { name: "AES-GCM", length: 256 }
  return crypto.subtle.deriveKey(how, material, aes, false, ["encrypt", "decrypt"])
}

function sealing(room: string, keyOf: (kind: Kind) => CryptoKey): Sealing {
  const name = utf8.encode(room)
  const how = (kind: number, iv: Bytes) => ({
    name: "AES-GCM",
    iv,
    additionalData: Uint8Array.of(kind, ...name),
  })
  return {
    isSealed: true,
    async seal(kind, plain) {
      const nonce = crypto.getRandomValues(new Uint8Array(nonceBytes))
      const number = kinds[kind]
      const closed = await crypto.subtle.encrypt(how(number, nonce), keyOf(kind), own(plain))
      const sealed = new Uint8Array(headBytes + nonceBytes + closed.byteLength)
      sealed.set([format, number])
      sealed.set(nonce, headBytes)
      sealed.set(new Uint8Array(closed), headBytes + nonceBytes)
      return sealed
    },
    async open(allowed, sealed) {
      const kind = allowed.find((each) => kinds[each] === sealed[1])
      const isWhole = sealed.length >= headBytes + nonceBytes + tagBytes
      if (kind === undefined || !isWhole || sealed[0] !== format) return undefined
      const bytes = own(sealed)
      const nonce = bytes.subarray(headBytes, headBytes + nonceBytes)
      try {
        const rest = bytes.subarray(headBytes + nonceBytes)
        return new Uint8Array(
          await crypto.subtle.decrypt(how(kinds[kind], nonce), keyOf(kind), rest),
        )
      } catch {
        // The one thing it throws for here: another key, or changed bytes.
        return undefined
      }
    },
  }
}

/** The same bytes where they lie in memory of their own; else a copy. */
function own(bytes: Uint8Array): Bytes {
  return bytes.buffer instanceof ArrayBuffer
    ? new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.length)
    : Uint8Array.from(bytes)
}

/** How many bytes become arguments of one call. */
const pieceBytes = 8 * 1024

/** Bytes as base64, with padding. */
export function toBase64(bytes: Uint8Array): string {
  let text = ""
  for (let at = 0; at < bytes.length; at += pieceBytes) {
    text += String.fromCharCode(...bytes.subarray(at, at + pieceBytes))
  }
  return btoa(text)
}

/** The bytes of a base64 text. Throws for a text that is none. */
export function fromBase64(text: string): Uint8Array {
  return Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0))
}
