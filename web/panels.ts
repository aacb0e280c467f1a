/**
 * Which part's panel is open, as the page's path says it: one segment below the page's own path,
 * and none for what comes first. What stands behind the path is the panel's own.
 *
 * What always holds: only a part that runs is open; changing panels changes the address and loads
 * nothing, so that what is connected stays so.
 */
import { Cell } from "./cell.ts"
import { parts } from "./served.ts"

/** Parts that have a panel, in the order of the rail. */
const known = ["documents", "relay", "operators", "pools"] as const

/** A part that has a panel. */
export type Part = (typeof known)[number]

/** Those that run here. */
export const panelParts: readonly Part[] = known.filter((part) => parts.includes(part))

/** Undefined where nothing that has a panel runs. */
export const openPart = new Cell<Part | undefined>(partAt(location.pathname))

/** Parts in whose panel something happened while another was open. */
export const news = new Cell<ReadonlySet<Part>>(new Set())

// The first to hear of it: panels that follow the address then know whether it is theirs.
addEventListener("popstate", () => open(partAt(location.pathname)))

/** Opens the panel of `part` at `address`, which is one of its own. "Back" returns to the other. */
export function goTo(part: Part, address: string): void {
  if (part === openPart.value) return
  history.pushState(null, "", address)
  open(part)
}

/** Something happened in a panel: worth a dot while another is open. */
export function hasNews(part: Part): void {
  if (part !== openPart.value) news.value = new Set([...news.value, part])
}

/** The address of a panel without what is open in it, relative to the page. */
export function pathOf(part: Part): string {
  return part === "documents" ? "./" : `./${part}`
}

function open(part: Part | undefined): void {
  openPart.value = part
  if (part === undefined || !news.value.has(part)) return
  news.value = new Set([...news.value].filter((each) => each !== part))
}

/** The first one also answers at the page's own path. */
function partAt(path: string): Part | undefined {
  const name = path.slice(path.lastIndexOf("/") + 1)
  return panelParts.find((part) => part === name) ?? panelParts[0]
}
