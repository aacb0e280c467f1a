/** One of a few, side by side. Radio buttons, in a `fieldset` whose legend says what is chosen. */
import type { VNode } from "preact"

interface SegmentsProps<T extends string> {
  /** Of the radio buttons; one of a kind on the page. */
  readonly name: string
  readonly options: readonly (readonly [value: T, words: string])[]
  readonly chosen: T
  readonly onChosen: (value: T) => void
}

export function Segments<T extends string>(props: SegmentsProps<T>): VNode {
  const { name, options, chosen, onChosen } = props
  return (
    <span class="segments">
      {options.map(([value, words]) => (
        <label key={value} class="segment">
          <input
            type="radio"
            name={name}
            class="unseen"
            checked={value === chosen}
            onChange={() => onChosen(value)}
          />
          <span>{words}</span>
        </label>
      ))}
    </span>
  )
}
