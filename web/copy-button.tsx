/** A button that copies a text. */
import type { VNode } from "preact"
import { copy } from "./clipboard.ts"
import { Icon } from "./icons.tsx"

interface CopyButtonProps {
  /** What it does, for who does not see it: "Copy the app". */
  readonly label: string
  readonly text: string
  /** What is told to be copied: "The app". */
  readonly what: string
}

export function CopyButton({ label, text, what }: CopyButtonProps): VNode {
  return (
    <button
      type="button"
      class="icon-button"
      aria-label={label}
      data-hint="Copy"
      onClick={() => void copy(text, what)}
    >
      <Icon name="copy" />
    </button>
  )
}
