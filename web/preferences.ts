/**
 * What this visitor has chosen, kept in this browser: theme, view of the text, keys, name and colour.
 *
 * Each is a cell; setting it keeps it. What always holds: a value is one the page can show, whatever
 * stood in the storage, and a browser that keeps nothing still lets one choose.
 */
import { Cell } from "./cell.ts"

/** Safari on a phone zooms into whatever is smaller than 16 px as soon as one writes in it. */
const usual = /iPhone|iPad/.test(navigator.userAgent) ? 16 : 14

/** The smallest, usual and largest size of the text, in px. */
export const fontSizes = { least: 10, usual, most: 32 } as const

/** How wide a tab is, in columns; one step of indentation is as wide. */
export const tabWidths = { least: 1, usual: 2, most: 8 } as const

export type Theme = "system" | "light" | "dark"

/** Their order is that in which the theme button goes round. */
export const themes: readonly Theme[] = ["system", "light", "dark"]

/** Who the visitor is to others. */
export interface Self {
  readonly name: string
  /** The angle of their colour, 0 to 359. */
  readonly hue: number
}

export const theme = kept<Theme>("theme", (text) => themes.find((one) => one === text) ?? "system")

/** Whether long lines are wrapped. A phone has no room to scroll sideways. */
export const wrap = kept<"on" | "off">("wrap", (text) => {
  if (text === "on" || text === "off") return text
  return matchMedia("(max-width: 640px)").matches ? "on" : "off"
})

export const fontSize = kept<number>("font-size", (text) => clampFontSize(Number(text ?? "")))

export const tabWidth = kept<number>("tab-width", (text) => clampTabWidth(Number(text ?? "")))

/** Whose keys the editor has. */
export const keys = kept<"usual" | "vim">("keys", (text) => (text === "vim" ? "vim" : "usual"))

/** Whether the text has the whole screen, without the rail. */
export const screen = kept<"whole" | "shared">("screen", (text) =>
  text === "whole" ? "whole" : "shared",
)

/** Whether a text in Markdown is shown as it will read, beside it. */
export const preview = kept<"shown" | "hidden">("preview", (text) =>
  text === "shown" ? "shown" : "hidden",
)

/** Undefined until the visitor has chosen a name or a colour. */
export const chosenSelf = kept<Self | undefined>("self", parseSelf)

/** The nearest size that can be shown; the usual one for what is no number. */
export function clampFontSize(size: number): number {
  if (!(size > 0)) return fontSizes.usual
  return Math.round(Math.min(fontSizes.most, Math.max(fontSizes.least, size)))
}

/** The nearest width of a tab that can be shown; the usual one for what is no number. */
export function clampTabWidth(width: number): number {
  if (!(width > 0)) return tabWidths.usual
  return Math.round(Math.min(tabWidths.most, Math.max(tabWidths.least, width)))
}

/** The self that was drawn for this tab: it survives a reload, and two tabs are two people. */
export function drawnSelf(draw: () => Self): Self {
  const before = parseSelf(read(() => sessionStorage, "self"))
  if (before !== undefined) return before
  const self = draw()
  write(() => sessionStorage, "self", self)
  return self
}

/** Keeps what was drawn anew for this tab. */
export function keepDrawnSelf(self: Self): void {
  write(() => sessionStorage, "self", self)
}

function parseSelf(text: string | undefined): Self | undefined {
  if (text === undefined) return undefined
  try {
    const self: unknown = JSON.parse(text)
    if (typeof self !== "object" || self === null) return undefined
    const { name, hue } = self as { readonly name?: unknown; readonly hue?: unknown } // checked below
    if (typeof name !== "string" || typeof hue !== "number" || !(hue >= 0 && hue < 360)) {
      return undefined
    }
    return { name, hue }
  } catch {
    return undefined // someone else's value under our key
  }
}

function kept<T>(key: string, parse: (text: string | undefined) => T): Cell<T> {
  const cell = new Cell<T>(parse(read(() => localStorage, key)))
  cell.watch(() => write(() => localStorage, key, cell.value))
  return cell
}

// Even naming the storage throws where a browser is told to keep nothing: hence a function.
function read(storage: () => Storage, key: string): string | undefined {
  try {
    return storage().getItem(`quartet.${key}`) ?? undefined
  } catch {
    return undefined
  }
}

function write(storage: () => Storage, key: string, value: unknown): void {
  try {
    const text = typeof value === "string" ? value : JSON.stringify(value)
    storage().setItem(`quartet.${key}`, text)
  } catch {
    // Nothing can be kept here: the choice holds until the page is closed.
  }
}
