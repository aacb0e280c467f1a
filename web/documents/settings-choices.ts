/** How the text is shown and with whose keys, as things to choose in the palette and to press in the drawer. */
import type { Choice } from "../desk.ts"
import {
  clampFontSize,
  clampTabWidth,
  fontSize,
  keys,
  screen,
  tabWidth,
  wrap,
} from "../preferences.ts"
import { toggleScreen } from "./settings-screen.ts"

/** The rows of the palette. */
export function settingsChoices(): readonly Choice[] {
  const group = "View"
  return [
    {
      group,
      title: wrap.value === "on" ? "Do not wrap long lines" : "Wrap long lines",
      words: "word wrap",
      run: toggleWrap,
    },
    { group, title: "Larger text", words: "font size zoom", run: () => resize(1) },
    { group, title: "Smaller text", words: "font size zoom", run: () => resize(-1) },
    { group, title: "Wider tabs", words: "tab width indentation", run: () => widenTabs(1) },
    { group, title: "Narrower tabs", words: "tab width indentation", run: () => widenTabs(-1) },
    {
      group,
      title: keys.value === "vim" ? "Usual keys" : "Vim keys",
      words: "vim vi modal keyboard keys",
      run: toggleVim,
    },
    {
      group,
      title: screen.value === "whole" ? "Leave full screen" : "Full screen",
      words: "fullscreen whole focus zen",
      run: toggleScreen,
    },
  ]
}

/** By so many px; stays within the bounds. */
export function resize(by: number): void {
  fontSize.value = clampFontSize(fontSize.value + by)
}

/** By so many columns; stays within the bounds. */
export function widenTabs(by: number): void {
  tabWidth.value = clampTabWidth(tabWidth.value + by)
}

/** Wraps long lines, or leaves them. */
export function toggleWrap(): void {
  wrap.value = wrap.value === "on" ? "off" : "on"
}

/** Vim's keys, or the usual ones. */
export function toggleVim(): void {
  keys.value = keys.value === "vim" ? "usual" : "vim"
}
