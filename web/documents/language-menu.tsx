/** The language of the document: the button that names it, and the menu that it opens. */
import type { Ref, VNode } from "preact"
import { useEffect, useState } from "preact/hooks"
import type { SharedText } from "../../src/client/client.ts"
import { useRedraw } from "../cell.ts"
import type { Choice } from "../desk.ts"
import { Icon } from "../icons.tsx"
import { tell } from "../notices.tsx"
import { Picker } from "../picker.tsx"

type Languages = typeof import("./languages.ts")

/** The list of languages, loaded when first needed; undefined until then. */
function useLanguages(isNeeded: "now" | "later"): Languages | undefined {
  const [languages, setLanguages] = useState<Languages>()
  useEffect(() => {
    if (isNeeded === "later") return
    import("./languages.ts").then(setLanguages, () =>
      tell("languages", "The list of languages could not be loaded"),
    )
  }, [isNeeded])
  return languages
}

interface ButtonProps {
  readonly text: SharedText
  readonly button: Ref<HTMLButtonElement>
  readonly onClick: () => void
}

export function LanguageButton({ text, button, onClick }: ButtonProps): VNode {
  const redraw = useRedraw()
  useEffect(() => text.on("access", redraw), [text])
  const word = text.language
  const languages = useLanguages(word === undefined ? "later" : "now")
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

interface MenuProps {
  readonly text: SharedText
  readonly under: Element | undefined
  readonly onChosen: () => void
  readonly onClose: () => void
}

export function LanguageMenu({ text, under, onChosen, onClose }: MenuProps): VNode | null {
  const languages = useLanguages("now")
  if (languages === undefined) return null // the fraction of a second until it is loaded
  const chosen = text.language ?? languages.plainText
  const choices = languages.allLanguages.map(
    ({ word, name, aliases, isFrequent }): Choice => ({
      title: name,
      words: aliases.join(" "),
      group: isFrequent ? "Often used" : "All",
      isChosen: word === chosen,
      run: () => {
        text.setLanguage(word)
        onChosen()
      },
    }),
  )
  return (
    <Picker
      label="Languages"
      hint="Find a language"
      choicesFor={() => choices}
      mark="chosen"
      under={under}
      onClose={onClose}
    />
  )
}
