/**
 * The whole screen for the text. The rail goes, and the browser is asked for its own full screen
 * as far as it has one; what always holds: who leaves that in the browser's way has the rail back.
 */
import type { Undo } from "../cell.ts"
import { screen } from "../preferences.ts"

/** Shows the page as `screen` says. After a reload the rail stays away, without the browser's part. */
export function followScreen(): Undo {
  const root = document.documentElement
  const show = (): void => {
    root.dataset["screen"] = screen.value
  }
  const onChange = (): void => {
    if (document.fullscreenElement === null) screen.value = "shared"
  }
  show()
  document.addEventListener("fullscreenchange", onChange)
  const undo = screen.watch(show)
  return () => {
    undo()
    document.removeEventListener("fullscreenchange", onChange)
  }
}

/** Must be called by a press: a browser gives its screen away for nothing else. */
export function toggleScreen(): void {
  if (screen.value === "whole") {
    screen.value = "shared"
    if (document.fullscreenElement !== null) void document.exitFullscreen()
    return
  }
  screen.value = "whole"
  void fillScreen()
}

async function fillScreen(): Promise<void> {
  try {
    await document.documentElement.requestFullscreen()
    await keepEscape()
  } catch {
    // A browser without it, or one told not to: the rail is away, and that is all there is.
  }
}

/** Escape is a key of the editor: where the browser lets go of it, full screen ends by holding it. */
async function keepEscape(): Promise<void> {
  const keyboard: unknown = "keyboard" in navigator ? navigator.keyboard : undefined
  if (typeof keyboard !== "object" || keyboard === null) return
  if (!("lock" in keyboard) || typeof keyboard.lock !== "function") return
  await keyboard.lock(["Escape"])
}
