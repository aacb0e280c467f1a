/**
 * Find and replace, above the text: one row, and a second one for what it is replaced by. The
 * searching itself is CodeMirror's; this says how many there are and which one is selected.
 */
import {
  closeSearchPanel,
  findNext,
  findPrevious,
  getSearchQuery,
  replaceAll,
  replaceNext,
  SearchQuery,
  selectMatches,
  setSearchQuery,
} from "@codemirror/search"
import type { EditorState } from "@codemirror/state"
import { type Command, type EditorView, type Panel, runScopeHandlers } from "@codemirror/view"
import { render, type VNode } from "preact"
import { keyNames } from "../keys.ts"
import { Icon, type IconName } from "../more-icons.tsx"

/** Beyond this many they are not counted: nobody goes through a thousand one by one. */
const limitCounted = 1_000

/** The panel that `search({ createPanel })` wants. */
export function findPanel(view: EditorView): Panel {
  const dom = document.createElement("div")
  dom.className = "find"
  dom.setAttribute("role", "search")
  const draw = (): void => render(<Find view={view} />, dom)
  draw()
  return {
    dom,
    top: true,
    mount: () => dom.querySelector("input")?.select(),
    update(update) {
      const asked = update.transactions.some((one) =>
        one.effects.some((effect) => effect.is(setSearchQuery)),
      )
      if (update.docChanged || update.selectionSet || asked) draw()
    },
    destroy: () => render(null, dom),
  }
}

type Part = Partial<
  Pick<SearchQuery, "search" | "replace" | "caseSensitive" | "regexp" | "wholeWord">
>

function Find({ view }: { readonly view: EditorView }): VNode {
  const query = getSearchQuery(view.state)
  const ask = (part: Part): void => {
    const { search, replace, caseSensitive, regexp, wholeWord } = { ...query, ...part }
    const next = new SearchQuery({ search, replace, caseSensitive, regexp, wholeWord })
    view.dispatch({ effects: setSearchQuery.of(next) })
  }
  const onKeyDown = (event: KeyboardEvent): void => {
    if (runScopeHandlers(view, event, "search-panel")) return event.preventDefault()
    if (event.key !== "Enter" || event.isComposing) return
    event.preventDefault()
    const isReplacing = (event.target as Element).matches("[data-replace]") // listens to inputs only
    if (isReplacing) replaceNext(view)
    else if (event.shiftKey) findPrevious(view)
    else findNext(view)
  }
  return (
    <>
      <div class="find-row">
        <span class="find-field">
          <input
            main-field="true"
            type="text"
            aria-label="Find"
            placeholder="Find"
            autocomplete="off"
            autocapitalize="off"
            spellcheck={false}
            value={query.search}
            aria-invalid={query.search !== "" && !query.valid}
            onInput={(event) => ask({ search: event.currentTarget.value })}
            onKeyDown={onKeyDown}
          />
          <Toggle
            sign="Aa"
            name="Match case"
            isOn={query.caseSensitive}
            onClick={() => ask({ caseSensitive: !query.caseSensitive })}
          />
          <Toggle
            sign="|ab|"
            name="Whole words"
            isOn={query.wholeWord}
            onClick={() => ask({ wholeWord: !query.wholeWord })}
          />
          <Toggle
            sign=".*"
            name="Regular expression"
            isOn={query.regexp}
            onClick={() => ask({ regexp: !query.regexp })}
          />
        </span>
        <output class="find-count">{countOf(query, view.state)}</output>
        <Step view={view} icon="up" name="Previous match" keys="Shift-F3" command={findPrevious} />
        <Step view={view} icon="down" name="Next match" keys="F3" command={findNext} />
        <button type="button" class="button find-all" onClick={() => run(view, selectMatches)}>
          Select all
        </button>
        <Step view={view} icon="close" name="Close" keys="Escape" command={closeAndReturn} />
      </div>
      {!view.state.readOnly && (
        <div class="find-row">
          <span class="find-field">
            <input
              data-replace
              type="text"
              aria-label="Replace with"
              placeholder="Replace with"
              autocomplete="off"
              autocapitalize="off"
              spellcheck={false}
              value={query.replace}
              onInput={(event) => ask({ replace: event.currentTarget.value })}
              onKeyDown={onKeyDown}
            />
          </span>
          <button type="button" class="button" onClick={() => replaceNext(view)}>
            Replace
          </button>
          <button type="button" class="button" onClick={() => replaceAll(view)}>
            Replace all
          </button>
        </div>
      )}
    </>
  )
}

interface ToggleProps {
  readonly sign: string
  readonly name: string
  readonly isOn: boolean
  readonly onClick: () => void
}

function Toggle({ sign, name, isOn, onClick }: ToggleProps): VNode {
  return (
    <button
      type="button"
      class="find-toggle"
      aria-pressed={isOn}
      data-hint={name}
      onClick={onClick}
    >
      <span aria-hidden="true">{sign}</span>
      <span class="unseen">{name}</span>
    </button>
  )
}

interface StepProps {
  readonly view: EditorView
  readonly icon: IconName
  readonly name: string
  readonly keys: string
  readonly command: Command
}

function Step({ view, icon, name, keys, command }: StepProps): VNode {
  return (
    <button
      type="button"
      class="icon-button"
      data-hint={`${name}, ${keyNames(keys).join(" ")}`}
      onClick={() => command(view)}
    >
      <Icon name={icon} />
      <span class="unseen">{name}</span>
    </button>
  )
}

function closeAndReturn(view: EditorView): boolean {
  const closed = closeSearchPanel(view)
  view.focus()
  return closed
}

function run(view: EditorView, command: Command): void {
  command(view)
  view.focus()
}

/** "3 of 17", "17 found" where none of them is selected, "1000+ found", "None". */
function countOf(query: SearchQuery, state: EditorState): string {
  if (query.search === "") return ""
  if (!query.valid) return "Not a pattern"
  const { from, to } = state.selection.main
  const cursor = query.getCursor(state)
  let count = 0
  let selected = 0
  for (let next = cursor.next(); !next.done; next = cursor.next()) {
    count += 1
    if (next.value.from === from && next.value.to === to) selected = count
    if (count === limitCounted) return `${limitCounted}+ found`
  }
  if (count === 0) return "None"
  return selected === 0 ? `${count} found` : `${selected} of ${count}`
}
