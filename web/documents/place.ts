/**
 * Which document is open: one cell that follows the page's address and is written to it.
 *
 * Where the address names none, a fresh id is written to it in place of the empty one, so that
 * "back" does not come by an address that would make yet another document.
 */
import { type Address, formatAddress, newDocumentId, parseAddress } from "../address.ts"
import { Cell, type Undo } from "../cell.ts"
import { openPart } from "../panels.ts"

/** While another panel is open it waits for this one, and the address is the other's. */
export const place = new Cell<Address>(openPart.value === "documents" ? read() : fresh())

// Before anything is drawn: "back" from another panel opens what the address names.
openPart.watch(() => follow())

/** Follows the address until it is undone: back, forward, and what is typed into it. */
export function followAddress(): Undo {
  addEventListener("popstate", follow)
  addEventListener("hashchange", follow)
  return () => {
    removeEventListener("popstate", follow)
    removeEventListener("hashchange", follow)
  }
}

/** Opens another document. "Back" returns to this one. */
export function go(address: Address): void {
  history.pushState(null, "", formatAddress(address))
  place.value = address
}

/** Writes another OTP of the same document to the address. */
export function amend(address: Address): void {
  history.replaceState(null, "", formatAddress(address))
  place.value = address
}

/** What to send to a friend: the page's whole address, with the OTP if there is one. */
export function linkTo(address: Address): string {
  return new URL(formatAddress(address), location.href).href
}

function follow(): void {
  if (openPart.value !== "documents") return
  const { id, otp } = read()
  if (id !== place.value.id || otp !== place.value.otp) place.value = { id, otp }
}

function read(): Address {
  const named = parseAddress(location.hash)
  if (named !== undefined) return named
  const made = fresh()
  history.replaceState(null, "", formatAddress(made))
  return made
}

function fresh(): Address {
  return { id: newDocumentId(), otp: undefined }
}
