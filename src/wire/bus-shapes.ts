/**
 * What all bodies of the bus are written with: hex digits, lists, words by their number.
 *
 * What always holds: bytes that are no such thing throw a WireError "bad-message".
 */
import { WireError } from "./error.ts"
import type { Reader } from "./varints.ts"

/** An origin takes so many bytes. */
export const originBytes = 8
/** So many bytes the name of a room, a sender or a user has at most. */
export const nameBytes = 1024
/** So many a state of presence has at most, as JSON. */
export const stateBytes = 64 * 1024

/** `bytes` in hex digits. */
export function hexOf(bytes: Uint8Array): string {
  let text = ""
  for (const byte of bytes) text += byte.toString(16).padStart(2, "0")
  return text
}

/** The bytes that hex digits spell. */
export function bytesOfHex(text: string): Uint8Array {
  return Uint8Array.from({ length: text.length / 2 }, (_, index) =>
    Number.parseInt(text.slice(2 * index, 2 * index + 2), 16),
  )
}

/** As many as it says, each of at least `leastBytes`: a huge count costs nothing. */
export function list<T>(reader: Reader, leastBytes: number, next: () => T): readonly T[] {
  const length = reader.uint()
  if (length * leastBytes > reader.left) throw bad("cut off")
  return Array.from({ length }, next)
}

/** The word of this number. */
export function oneOf<T>(words: readonly T[], number: number): T {
  const word = words[number]
  if (word === undefined) throw bad("one with an unknown word in it")
  return word
}

/** The error of bytes that are no message of the bus. */
export function bad(what: string): WireError {
  return new WireError("bad-message", `a message of the bus is ${what}`)
}
