/**
 * Which note is open: one cell that follows the page's address, `/relay#<name>`, with the key of an
 * encrypted one behind it as `?key=…`. What follows `#` reaches no server and no log.
 *
 * Where the address names none, a fresh name is written to it in place of the empty one.
 */
import { newDocumentId, readFragment, writeName } from "../address.ts"
import { Cell } from "../cell.ts"
import { openPart } from "../panels.ts"

/** A note, and the key of an encrypted one. */
export interface NoteAddress {
  readonly name: string
  /** As it stands in the address, whole or not. */
  readonly key: string | undefined
}

/** While another panel is open it waits for this one, and the address is the other's. */
export const place = new Cell<NoteAddress>(openPart.value === "relay" ? read() : fresh())

openPart.watch(follow)
addEventListener("popstate", follow)
addEventListener("hashchange", follow)

/** Opens another note, or this one under another key. "Back" returns. */
export function go(address: NoteAddress): void {
  history.pushState(null, "", formatNote(address))
  place.value = address
}

/** The hash that names a note, with its `#`. */
export function formatNote({ name, key }: NoteAddress): string {
  return key === undefined ? `#${writeName(name)}` : `#${writeName(name)}?key=${key}`
}

/** The note that a location's hash names; undefined if it names none. */
export function parseNote(hash: string): NoteAddress | undefined {
  const { name, query } = readFragment(hash)
  if (name === "") return undefined
  const key = query.get("key") ?? ""
  return { name, key: key === "" ? undefined : key }
}

/** A note that nobody has open. */
export function fresh(): NoteAddress {
  return { name: newDocumentId(), key: undefined }
}

function follow(): void {
  if (openPart.value !== "relay") return
  const { name, key } = read()
  if (name !== place.value.name || key !== place.value.key) place.value = { name, key }
}

function read(): NoteAddress {
  const named = parseNote(location.hash)
  if (named !== undefined) return named
  const made = fresh()
  history.replaceState(null, "", formatNote(made))
  return made
}
