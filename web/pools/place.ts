/**
 * What is chosen in the panel: one cell that follows the page's address. `/pools` alone is the whole
 * server, `#<pool>` a pool, `#<pool>/trigger/<name>` a trigger, and likewise `block` and `app`. What
 * follows `#` reaches no server and no log.
 */
import { readFragment, writeName } from "../address.ts"
import { Cell } from "../cell.ts"
import { openPart } from "../panels.ts"
import { shown } from "./panel.tsx"

const kinds = ["trigger", "block", "app"] as const

/** What stands in a pool, with its name; or a pool; or everything. */
export type Place =
  | { readonly kind: "all" }
  | { readonly kind: "pool"; readonly pool: string }
  | { readonly kind: (typeof kinds)[number]; readonly pool: string; readonly name: string }

/** While another panel is open it stays as it was, and the address is the other's. */
export const place = new Cell<Place>(parsePlace(openPart.value === "pools" ? location.hash : ""))

openPart.watch(follow)
addEventListener("popstate", follow)
addEventListener("hashchange", follow)
follow()

/** The hash that names a place; nothing for the whole server. */
export function formatPlace(at: Place): string {
  if (at.kind === "all") return ""
  if (at.kind === "pool") return `#${writeName(at.pool)}`
  return `#${writeName(at.pool)}/${at.kind}/${writeName(at.name)}`
}

/** What a hash names; the whole server where it names nothing. */
export function parsePlace(hash: string): Place {
  const { name: text } = readFragment(hash)
  if (text === "") return { kind: "all" }
  const [pool = "", word, ...rest] = text.split("/")
  const kind = kinds.find((each) => each === word)
  // A trigger's name may hold slashes.
  if (kind !== undefined && rest.length > 0) return { kind, pool, name: rest.join("/") }
  return { kind: "pool", pool }
}

/** Opens another place. "Back" returns. */
export function go(at: Place): void {
  const hash = formatPlace(at)
  history.pushState(null, "", hash === "" ? location.pathname : hash)
  follow()
}

function follow(): void {
  if (openPart.value !== "pools") return
  const at = parsePlace(location.hash)
  shown.hash = formatPlace(at)
  if (formatPlace(place.value) !== shown.hash) place.value = at
}
