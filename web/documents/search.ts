/**
 * Searching, as one piece that is loaded when it is first needed: the panel, its keys, and the
 * marks on what is like the selection.
 */
import {
  findNext,
  highlightSelectionMatches,
  openSearchPanel,
  search,
  searchKeymap,
  selectNextOccurrence,
  selectSelectionMatches,
} from "@codemirror/search"
import type { Extension } from "@codemirror/state"
import { type Command, keymap } from "@codemirror/view"
import type { SearchCommand } from "./editor.ts"
import { findPanel } from "./find.tsx"

/** What the editor gains. Going to a line is left out: that is the palette's. */
export const searching: Extension = [
  search({ top: true, createPanel: findPanel }),
  highlightSelectionMatches({ minSelectionLength: 2 }),
  keymap.of(searchKeymap.filter((binding) => binding.key !== "Mod-Alt-g")),
]

/** What can be asked for before this is loaded. */
export const searchCommands: Readonly<Record<SearchCommand, Command>> = {
  open: openSearchPanel,
  next: findNext,
  "select next": selectNextOccurrence,
  "select all": selectSelectionMatches,
}
