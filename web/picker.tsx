/**
 * A list one searches by typing: the palette and the language menu.
 *
 * The keyboard stays in the field; the arrows move a mark through the list, as screen readers know
 * it from a combobox. What always holds: as long as anything is listed, one of it is marked, and
 * what was chosen runs after the list is gone and the focus is back.
 */
import type { VNode } from "preact"
import { useEffect, useMemo, useRef, useState } from "preact/hooks"
import type { Choice } from "./desk.ts"
import { Dialog } from "./dialog.tsx"
import { Icon } from "./icons.tsx"
import { keyNames } from "./keys.ts"

interface PickerProps {
  readonly label: string
  readonly hint: string
  /** What may be chosen while `query` stands in the field; it is filtered here. */
  readonly choicesFor: (query: string) => readonly Choice[]
  readonly query?: string
  /** What is marked at first. */
  readonly mark?: "first" | "chosen"
  readonly under?: Element | undefined
  readonly onClose: () => void
}

/** How far Page Up and Page Down go. */
const pageRows = 8

export function Picker(props: PickerProps): VNode {
  const { label, hint, choicesFor, onClose } = props
  const [query, setQuery] = useState(props.query ?? "")
  const found = useMemo(() => matching(choicesFor(query), query), [query, choicesFor])
  const [marked, setMarked] = useState(() =>
    props.mark === "chosen"
      ? Math.max(
          0,
          found.findIndex((one) => one.isChosen),
        )
      : 0,
  )
  const list = useRef<HTMLDivElement>(null)
  const chosen = useRef<Choice>(undefined)
  const at = Math.min(marked, found.length - 1)

  useEffect(() => {
    list.current?.querySelector("[aria-selected=true]")?.scrollIntoView({ block: "nearest" })
  }, [at, found])

  const choose = (choice: Choice | undefined): void => {
    if (choice === undefined) return
    chosen.current = choice
    onClose()
  }
  const onKeyDown = (event: KeyboardEvent): void => {
    if (event.isComposing) return
    const goal = goalOf(event.key, at, found.length)
    if (event.key === "Enter") choose(found[at])
    else if (goal === undefined) return
    else setMarked(goal)
    event.preventDefault()
  }

  return (
    <Dialog
      label={label}
      class="picker"
      under={props.under}
      onDismiss={onClose}
      onClosed={() => chosen.current?.run()}
    >
      <input
        class="picker-field"
        type="text"
        role="combobox"
        aria-label={hint}
        aria-expanded="true"
        aria-controls="picker-list"
        aria-activedescendant={found.length > 0 ? `picker-${at}` : undefined}
        aria-autocomplete="list"
        autocomplete="off"
        autocapitalize="off"
        spellcheck={false}
        placeholder={hint}
        value={query}
        onInput={(event) => {
          setQuery(event.currentTarget.value)
          setMarked(0)
        }}
        onKeyDown={onKeyDown}
      />
      <div class="picker-list" id="picker-list" role="listbox" aria-label={label} ref={list}>
        {found.map((choice, index) => (
          <Row
            key={`${choice.group}/${choice.title}`}
            choice={choice}
            index={index}
            isMarked={index === at}
            heading={choice.group === found[index - 1]?.group ? undefined : choice.group}
            onPoint={() => setMarked(index)}
            onChoose={() => choose(choice)}
          />
        ))}
      </div>
      {found.length === 0 && <p class="picker-nothing">Nothing here is called that.</p>}
    </Dialog>
  )
}

interface RowProps {
  readonly choice: Choice
  readonly index: number
  readonly isMarked: boolean
  readonly heading: string | undefined
  readonly onPoint: () => void
  readonly onChoose: () => void
}

function Row({ choice, index, isMarked, heading, onPoint, onChoose }: RowProps): VNode {
  return (
    <>
      {heading !== undefined && (
        <div class="picker-heading" role="presentation">
          {heading}
        </div>
      )}
      {/* The field has the keyboard: arrows and Enter do there what the pointer does here. */}
      {/* biome-ignore lint/a11y/useKeyWithClickEvents lint/a11y/useFocusableInteractive: see above */}
      <div
        id={`picker-${index}`}
        class="picker-row"
        role="option"
        aria-selected={isMarked}
        onPointerMove={() => !isMarked && onPoint()}
        onClick={onChoose}
      >
        <span class="picker-title">{choice.title}</span>
        {choice.detail !== undefined && <span class="picker-detail">{choice.detail}</span>}
        {choice.isChosen && (
          <>
            <Icon name="check" />
            <span class="unseen">(current)</span>
          </>
        )}
        {choice.keys !== undefined && <Keys keys={choice.keys} />}
      </div>
    </>
  )
}

/** Keys to be pressed, as a row of caps. */
export function Keys({ keys }: { readonly keys: string }): VNode {
  return (
    <span class="keys">
      {keyNames(keys).map((name) => (
        <kbd key={name}>{name}</kbd>
      ))}
    </span>
  )
}

function goalOf(key: string, at: number, count: number): number | undefined {
  switch (key) {
    case "ArrowDown":
      return (at + 1) % count
    case "ArrowUp":
      return (at - 1 + count) % count
    case "PageDown":
      return Math.min(count - 1, at + pageRows)
    case "PageUp":
      return Math.max(0, at - pageRows)
  }
  return undefined
}

/** Those that have every word of `query`; better ones first, and no headings then. */
function matching(choices: readonly Choice[], query: string): readonly Choice[] {
  const words = query.toLowerCase().split(/\s+/).filter(Boolean)
  if (words.length === 0) return choices
  const scored = choices.map((choice) => ({ choice, score: score(choice, words) }))
  return scored
    .filter(({ score: each }) => each > 0)
    .sort((one, other) => other.score - one.score)
    .map(({ choice: { group: _, ...choice } }) => choice)
}

/** 0 for no match; a title that begins with a word counts most, one that holds it least. */
function score(choice: Choice, words: readonly string[]): number {
  const title = choice.title.toLowerCase()
  const all = `${title} ${choice.words?.toLowerCase() ?? ""}`
  let sum = 0
  for (const word of words) {
    if (title === word) sum += 8
    else if (title.startsWith(word)) sum += 4
    else if (all.split(/[\s/]+/).some((each) => each.startsWith(word))) sum += 2
    else if (all.includes(word)) sum += 1
    else return 0
  }
  return sum
}
