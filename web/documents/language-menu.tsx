/** The menu of languages, loaded with their list when it is first opened. */
import type { VNode } from "preact"
import type { SharedText } from "../../src/client/client.ts"
import type { Choice } from "../desk.ts"
import { Picker } from "../picker.tsx"
import { allLanguages, plainText } from "./languages.ts"

interface MenuProps {
  readonly text: SharedText
  readonly under: Element | undefined
  readonly onChosen: () => void
  readonly onClose: () => void
}

export function LanguageMenu({ text, under, onChosen, onClose }: MenuProps): VNode {
  const chosen = text.language ?? plainText
  const choices = allLanguages.map(
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
