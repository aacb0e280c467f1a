/**
 * The secret name an editor chooses for itself. The server gives whoever brings it the same user
 * id, and applies no numbered edit of it twice; so nobody else may know it (DC44, DC45).
 */

/** 128 bits: nobody guesses one. */
const bytes = 16

/** A fresh client key: 22 base64url characters. */
export function drawClientKey(): string {
  const drawn = crypto.getRandomValues(new Uint8Array(bytes))
  const text = btoa(String.fromCharCode(...drawn))
  return text.replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "")
}
