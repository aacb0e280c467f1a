/**
 * What is open, as the page's address says it (DC120): `#<id>`, or `#<id>?otp=<OTP>`.
 *
 * An id is written as it is, but for `%`, `?` and what a browser would write in its own way; it is
 * read percent-decoded. What follows `#` reaches no server and no log, so an OTP may stand there.
 */

/** A document, and the OTP that opens it where one is needed. */
export interface Address {
  readonly id: string
  readonly otp: string | undefined
}

const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
/** 62⁸ ids: who guesses a thousand a second needs thousands of years for one in use. */
const idLength = 8

/** The address that a location's hash names; undefined if it names none. */
export function parseAddress(hash: string): Address | undefined {
  const { name: id, query } = readFragment(hash)
  if (id === "") return undefined
  const otp = query.get("otp") ?? undefined
  return { id, otp: otp === "" ? undefined : otp }
}

/** The hash that names `address`, with its `#`. */
export function formatAddress({ id, otp }: Address): string {
  const fragment = `#${writeName(id)}`
  return otp === undefined ? fragment : `${fragment}?otp=${encodeURIComponent(otp)}`
}

/** The name in a location's hash, and what follows it behind a `?`; the name may be empty. */
export function readFragment(hash: string): {
  readonly name: string
  readonly query: URLSearchParams
} {
  const [name = "", query = ""] = split(hash.replace(/^#/, ""))
  return { name: decoded(name), query: new URLSearchParams(query) }
}

/** A name as it stands in a hash. */
export function writeName(name: string): string {
  return name.replace(/[%?\s"<>`]/gu, encodeURIComponent)
}

/** A fresh id of 8 letters and digits, each as likely as any other. */
export function newDocumentId(): string {
  let id = ""
  while (id.length < idLength) {
    for (const byte of crypto.getRandomValues(new Uint8Array(idLength))) {
      // A byte has room for each letter four times; what is above would make the first ones likelier.
      if (byte < alphabet.length * 4 && id.length < idLength) id += alphabet[byte % alphabet.length]
    }
  }
  return id
}

function split(fragment: string): readonly string[] {
  const at = fragment.indexOf("?")
  return at < 0 ? [fragment] : [fragment.slice(0, at), fragment.slice(at + 1)]
}

// An address typed by hand may hold a `%` that stands for itself.
function decoded(name: string): string {
  try {
    return decodeURIComponent(name)
  } catch {
    return name
  }
}
