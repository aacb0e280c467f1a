/** Copying: by the browser's clipboard, or, where a page over plain HTTP gets none, by a selection. */
import { tell } from "./notices.tsx"

/** Puts `text` on the clipboard, says so or that it could not be, and gives which. */
export async function copy(text: string, what: string): Promise<boolean> {
  const copied = await write(text)
  tell("copy", copied ? `${what} copied` : `${what} could not be copied: this browser forbids it`)
  return copied
}

async function write(text: string): Promise<boolean> {
  try {
    // Undefined outside of a secure context, whatever its type says: that throws too.
    await navigator.clipboard.writeText(text)
    return true
  } catch {
    return writeBySelection(text)
  }
}

function writeBySelection(text: string): boolean {
  const before = document.activeElement
  const area = document.createElement("textarea")
  area.className = "unseen"
  area.value = text
  // While a modal dialog is open everything beside it is inert: then the selection must be in it.
  const host = document.querySelector("dialog[open]") ?? document.body
  host.append(area)
  area.select()
  const copied = document.execCommand("copy")
  area.remove()
  if (before instanceof HTMLElement) before.focus()
  return copied
}
