/** Keys as people know them: `Mod-Shift-f` is `Ctrl Shift F`, on a Mac `⌘ ⇧ F`. */

/** `Mod` is Command here, and Control elsewhere. */
export const isMac = /Mac|iPhone|iPad/.test(navigator.platform)

/** Calls `run` for Ctrl and `letter`, on a Mac ⌘, wherever the focus is; returns what undoes that. */
export function listenForKey(letter: string, run: () => void): () => void {
  // While capturing: the editor has meanings of its own for some of these, and browsers too.
  const onKeyDown = (event: KeyboardEvent): void => {
    const isMod = isMac ? event.metaKey : event.ctrlKey
    if (!isMod || event.shiftKey || event.altKey || event.key.toLowerCase() !== letter) return
    event.preventDefault()
    event.stopPropagation()
    run()
  }
  addEventListener("keydown", onKeyDown, { capture: true })
  return () => removeEventListener("keydown", onKeyDown, { capture: true })
}

const onMac = new Map([
  ["Mod", "⌘"],
  ["Shift", "⇧"],
  ["Alt", "⌥"],
  ["Ctrl", "⌃"],
])

const elsewhere = new Map([["Mod", "Ctrl"]])

const signs = new Map([
  ["ArrowUp", "↑"],
  ["ArrowDown", "↓"],
  ["Escape", "Esc"],
])

/** The names of the keys to be pressed together. */
export function keyNames(keys: string): readonly string[] {
  return keys.split("-").map((name) => {
    const modifier = (isMac ? onMac : elsewhere).get(name)
    return modifier ?? signs.get(name) ?? (name.length === 1 ? name.toUpperCase() : name)
  })
}
