/**
 * Everything one can do in a document, for the palette, with the keys that do the same; and those
 * of the keys that are the panel's own. A command that is not possible now is not listed.
 */
import {
  addCursorAbove,
  addCursorBelow,
  copyLineDown,
  deleteLine,
  indentSelection,
  moveLineDown,
  moveLineUp,
  toggleComment,
} from "@codemirror/commands"
import { foldAll, foldCode, unfoldAll, unfoldCode } from "@codemirror/language"
import type { Command, KeyBinding } from "@codemirror/view"
import { copy } from "../clipboard.ts"
import { type Choice, palette } from "../desk.ts"
import { isMac } from "../keys.ts"
import type { Editor } from "./editor.ts"
import { othersIn } from "./initials.tsx"
import { linkTo, place } from "./place.ts"
import { previewChoices } from "./preview.tsx"
import type { Session } from "./session.ts"
import { settingsChoices } from "./settings-choices.ts"
import { guard } from "./share-otp.ts"

/** The palette offers to go to so many people: who looks for one of more has the list. */
const limitOffered = 20

/** What the commands act on. */
export interface Scene {
  readonly session: Session
  readonly editor: Editor | undefined
  readonly newDocument: () => void
  readonly download: () => void
  readonly upload: () => void
  readonly openShare: () => void
  readonly openLanguages: () => void
  readonly openDrawer: () => void
  readonly openHistory: () => void
}

/** Keys that work in the editor and belong to the panel. */
export const panelKeys: readonly KeyBinding[] = [
  { key: "Mod-Alt-g", preventDefault: true, run: did(askForLine) },
]

/** What can be done now. A number in `query` is a line to go to. */
export function choicesIn(scene: Scene, query: string): readonly Choice[] {
  return [
    ...lineChoices(scene, query),
    ...documentChoices(scene),
    ...accessChoices(scene),
    ...peopleChoices(scene),
    ...textChoices(scene),
    ...previewChoices(scene.session.text),
    ...settingsChoices(),
  ]
}

function lineChoices({ editor }: Scene, query: string): readonly Choice[] {
  const number = /^\s*:?\s*(\d{1,9})\s*$/.exec(query)?.[1]
  if (number === undefined || editor === undefined) return []
  // The number itself is among its words: so the search that follows finds it.
  const words = `${query.trim()} line`
  return [{ title: `Go to line ${number}`, words, run: () => editor.goToLine(Number(number)) }]
}

function documentChoices(scene: Scene): readonly Choice[] {
  const { text } = scene.session
  const mayWrite = text.role !== "read"
  const group = "Document"
  return [
    { group, title: "Share…", words: "link invite send", run: scene.openShare },
    {
      group,
      title: "History…",
      words: "slider play back past restore revision who wrote",
      run: scene.openHistory,
    },
    {
      group,
      title: "Copy link",
      words: "share address url",
      run: () => void copy(linkTo(place.value), "Link"),
    },
    { group, title: "Copy id", words: "name document", run: () => void copy(text.id, "Id") },
    ...(mayWrite
      ? [
          {
            group,
            title: "Change language…",
            words: "syntax grammar highlight colours mode",
            run: scene.openLanguages,
          },
        ]
      : []),
    { group, title: "Download", words: "save file export", keys: "Mod-s", run: scene.download },
    ...(mayWrite
      ? [
          {
            group,
            title: "Upload a file…",
            words: "open import replace",
            keys: "Mod-o",
            run: scene.upload,
          },
        ]
      : []),
    { group, title: "New document", words: "create empty", run: scene.newDocument },
    ...(text.returnsAt === undefined
      ? []
      : [{ group, title: "Reconnect now", words: "offline online", run: () => text.hurry() }]),
  ]
}

function peopleChoices({ session, editor, openDrawer }: Scene): readonly Choice[] {
  const group = "People"
  const followed = editor?.following.value
  return [
    { group, title: "People and settings", words: "drawer side panel who", run: openDrawer },
    { group, title: "Change your name or colour…", words: "rename hue me", run: openDrawer },
    ...othersIn(session)
      .slice(0, limitOffered)
      .flatMap(({ id, name }) =>
        id === undefined || editor === undefined
          ? []
          : [
              { group, title: `Go to ${name}`, words: "jump visit", run: () => editor.visit(id) },
              ...(id === followed
                ? []
                : [{ group, title: `Follow ${name}`, run: () => editor.follow(id) }]),
            ],
      ),
    ...(followed === undefined || editor === undefined
      ? []
      : [{ group, title: "Stop following", keys: "Escape", run: () => void editor.letGo() }]),
  ]
}

function accessChoices({ session }: Scene): readonly Choice[] {
  if (session.text.role !== "full") return []
  const words = "otp password protect guard lock access"
  const group = "Document"
  return [
    session.text.protected
      ? { group, title: "Remove the OTP", words, run: () => void guard(session, "unprotect") }
      : {
          group,
          title: "Ask newcomers for an OTP",
          words,
          run: () => void guard(session, "protect"),
        },
  ]
}

function textChoices({ session, editor }: Scene): readonly Choice[] {
  if (editor === undefined) return []
  const { view } = editor
  const group = "Text"
  const run = (command: Command) => () => {
    view.focus()
    command(view)
  }
  const undoKeys = { keys: "Mod-z", run: () => editor.undo() }
  const redoKeys = { keys: isMac ? "Mod-Shift-z" : "Mod-y", run: () => editor.redo() }
  const mayWrite = session.text.role !== "read"
  const commands = mayWrite ? [...editCommands, ...foldCommands] : foldCommands
  return [
    ...(mayWrite
      ? [
          { group, title: "Undo", words: "own edit back", ...undoKeys },
          { group, title: "Redo", words: "own edit again", ...redoKeys },
        ]
      : []),
    {
      group,
      title: mayWrite ? "Find and replace" : "Find",
      words: "search",
      keys: "Mod-f",
      run: () => void editor.search("open"),
    },
    { group, title: "Go to line…", words: "jump number", keys: "Mod-Alt-g", run: askForLine },
    {
      group,
      title: "Select the next one like it",
      words: "multiple carets occurrence word",
      keys: "Mod-d",
      run: () => void editor.search("select next"),
    },
    {
      group,
      title: "Select all like it",
      words: "multiple carets occurrences",
      keys: "Mod-Shift-l",
      run: () => void editor.search("select all"),
    },
    ...commands.map(({ command, ...choice }) => ({ group, ...choice, run: run(command) })),
  ]
}

type TextCommand = Omit<Choice, "run"> & { readonly command: Command }

const editCommands: readonly TextCommand[] = [
  { title: "Comment or uncomment", keys: "Mod-/", command: toggleComment },
  { title: "Add a caret above", keys: "Mod-Alt-ArrowUp", command: addCursorAbove },
  { title: "Add a caret below", keys: "Mod-Alt-ArrowDown", command: addCursorBelow },
  { title: "Move lines up", keys: "Alt-ArrowUp", command: moveLineUp },
  { title: "Move lines down", keys: "Alt-ArrowDown", command: moveLineDown },
  {
    title: "Copy lines down",
    words: "duplicate",
    keys: "Alt-Shift-ArrowDown",
    command: copyLineDown,
  },
  { title: "Delete lines", keys: "Mod-Shift-k", command: deleteLine },
  { title: "Indent anew", words: "reindent", keys: "Mod-Alt-\\", command: indentSelection },
]

const foldCommands: readonly TextCommand[] = [
  { title: "Fold", keys: isMac ? "Mod-Alt-[" : "Ctrl-Shift-[", command: foldCode },
  { title: "Unfold", keys: isMac ? "Mod-Alt-]" : "Ctrl-Shift-]", command: unfoldCode },
  { title: "Fold all", keys: "Ctrl-Alt-[", command: foldAll },
  { title: "Unfold all", keys: "Ctrl-Alt-]", command: unfoldAll },
]

function askForLine(): void {
  palette.value = { query: ":" }
}

function did(what: () => void): Command {
  return () => {
    what()
    return true
  }
}
