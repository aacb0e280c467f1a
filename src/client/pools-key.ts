/**
 * The Ed25519 key of an app: proves its id to a server. WebCrypto, so in browsers and in Node.
 *
 * What always holds: the private half never leaves WebCrypto; what is signed names one session.
 */

/** Proves an app's id. `sign` gives 64 bytes; it may live elsewhere. */
export interface AppKey {
  /** 32 bytes. */
  readonly publicKey: Uint8Array
  sign(message: Uint8Array<ArrayBuffer>): Promise<Uint8Array>
}

const label = new TextEncoder().encode("quartet-app/v1\0")
/** What stands before the 32 bytes of a private key in PKCS #8. */
const pkcs8Head = [48, 46, 2, 1, 0, 48, 5, 6, 3, 43, 101, 112, 4, 34, 4, 32]

/** The key of 32 secret bytes, always the same. Throws TypeError for any other length. */
export async function keyFromSeed(seed: Uint8Array): Promise<AppKey> {
  if (seed.length !== 32) throw new TypeError("a seed has 32 bytes")
  const { subtle } = crypto
  const bytes = Uint8Array.of(...pkcs8Head, ...seed)
  // Extractable for a moment: WebCrypto tells a public half in no other way.
  const open = await subtle.importKey("pkcs8", bytes, "Ed25519", true, ["sign"])
  const { x = "" } = await subtle.exportKey("jwk", open)
  const secret = await subtle.importKey("pkcs8", bytes, "Ed25519", false, ["sign"])
  const letters = atob(x.replaceAll("-", "+").replaceAll("_", "/"))
  const publicKey = Uint8Array.from(letters, (letter) => letter.charCodeAt(0))
  const sign = async (message: Uint8Array<ArrayBuffer>) =>
    new Uint8Array(await subtle.sign("Ed25519", secret, message))
  return { publicKey, sign }
}

/** What an app signs: the label, the nonce, the session's id, and the app id behind its length. */
export function claimOf(
  nonce: Uint8Array,
  session: Uint8Array,
  app: string,
): Uint8Array<ArrayBuffer> {
  const name = new TextEncoder().encode(app)
  const length = Uint8Array.of(name.length >> 8, name.length & 0xff)
  return Uint8Array.of(...label, ...nonce, ...session, ...length, ...name)
}
