/** The button that names the language of the document. Its menu is loaded when it is first opened. */
import type { Ref, VNode } from "preact"
import { useEffect, useState } from "preact/hooks"
import type { SharedText } from "../../src/client/client.ts"
import { useRedraw } from "../cell.ts"
import { Icon } from "../icons.tsx"
import { tell } from "../notices.tsx"

interface ButtonProps {
  readonly text: SharedText
  readonly button: Ref<HTMLButtonElement>
  readonly onClick: () => void
}

export function LanguageButton({ text, button, onClick }: ButtonProps): VNode {
  const redraw = useRedraw()
  useEffect(() => text.on("access", redraw), [text])
  const word = text.language
  const languages = useLanguages(word)
  const name = word === undefined ? "Plain text" : (languages?.languageName(word) ?? word)
  if (text.role === "read") {
    return (
      <span class="line-button language">
        <span class="language-name">{name}</span>
      </span>
    )
  }
  return (
    <button
      ref={button}
      type="button"
      class="line-button language"
      aria-haspopup="dialog"
      onClick={onClick}
    >
      <span class="unseen">Language: </span>
      <span class="language-name">{name}</span>
      <Icon name="down" />
    </button>
  )
}

type Languages = typeof import("./languages.ts")

/** The list of languages, loaded for the first that is none but plain text; undefined until then. */
function useLanguages(word: string | undefined): Languages | undefined {
  const [languages, setLanguages] = useState<Languages>()
  const isNeeded = word !== undefined
  useEffect(() => {
    if (!isNeeded) return
    import("./languages.ts").then(setLanguages, () =>
      tell("languages", "The list of languages could not be loaded"),
    )
  }, [isNeeded])
  return languages
}
