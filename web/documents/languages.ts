/**
 * The languages a text can be shown in: all grammars of @codemirror/language-data, each loaded when
 * it is first used. This file itself is loaded when a language is first asked for.
 *
 * A document's language is one word that all editors share, also those of other makers: so it is
 * written as they write it (`javascript`, `cpp`, `plaintext`) and read by name or alias.
 */
import { closeBrackets, closeBracketsKeymap } from "@codemirror/autocomplete"
import { LanguageDescription } from "@codemirror/language"
import { languages as known } from "@codemirror/language-data"
import type { Extension } from "@codemirror/state"
import { keymap } from "@codemirror/view"

/** The word for no language at all. */
export const plainText = "plaintext"

/** A language for the menu. */
export interface Language {
  /** What the document says. */
  readonly word: string
  readonly name: string
  readonly aliases: readonly string[]
  /** Asked for often: it stands above the others. */
  readonly isFrequent: boolean
}

/** Markdown as people write it, with tables and tasks; code in it is coloured by its own grammar. */
const languages: readonly LanguageDescription[] = known.map((description) =>
  description.name !== "Markdown"
    ? description
    : LanguageDescription.of({
        name: description.name,
        alias: description.alias,
        extensions: description.extensions,
        load: async () => {
          const { markdown, markdownLanguage } = await import("@codemirror/lang-markdown")
          return markdown({ base: markdownLanguage, codeLanguages: known })
        },
      }),
)

const frequent: ReadonlySet<string> = new Set(
  (
    "Plain text,Markdown,JavaScript,TypeScript,Python,Rust,Go,Java,C++,C#,HTML,CSS,JSON,SQL," +
    "Shell,YAML"
  ).split(","),
)

/** Where the list of grammars names a rarer ending first, or none. */
const endings: ReadonlyMap<string, string> = new Map([
  ["Common Lisp", "lisp"],
  ["LaTeX", "tex"],
  ["MariaDB SQL", "sql"],
  ["MS SQL", "sql"],
  ["MySQL", "sql"],
  ["Pascal", "pas"],
  ["PostgreSQL", "sql"],
  ["Python", "py"],
  ["SQLite", "sql"],
])

/** What a document may say (DC62), without spaces: nobody writes those in such a word. */
const wordForm = /^[a-z0-9.-]{1,64}$/

/** Every language, by name; the frequent ones first. */
export const allLanguages: readonly Language[] = [
  { word: plainText, name: "Plain text", aliases: ["text", "none"], isFrequent: true },
  ...languages.map((description) => ({
    word: wordOf(description),
    name: description.name,
    aliases: [...description.alias, ...description.extensions],
    isFrequent: frequent.has(description.name),
  })),
].sort(
  (one, other) =>
    Number(other.isFrequent) - Number(one.isFrequent) || one.name.localeCompare(other.name, "en"),
)

/** What people call the language `word`; the word itself where it is not known here. */
export function languageName(word: string): string {
  if (word === plainText) return "Plain text"
  return describe(word)?.name ?? word
}

/**
 * What a text in the language `word` is edited with: its grammar, and brackets that close
 * themselves; nothing where it is not known. Rejects when it cannot be loaded.
 */
export async function grammarFor(word: string): Promise<Extension> {
  const grammar = await describe(word)?.load()
  return grammar === undefined ? [] : [grammar, closeBrackets(), keymap.of(closeBracketsKeymap)]
}

/** The word for the language that a file of this name is in; undefined where the name does not say. */
export function languageOfFile(name: string): string | undefined {
  if (/\.(?:txt|text|log)$/i.test(name)) return plainText
  const description = LanguageDescription.matchFilename(languages, name.toLowerCase())
  return description === null ? undefined : wordOf(description)
}

/** The ending of files in this language, without a dot. */
export function extensionFor(word: string): string {
  const description = describe(word)
  if (description === undefined) return "txt"
  return endings.get(description.name) ?? description.extensions[0] ?? "txt"
}

function describe(word: string): LanguageDescription | undefined {
  if (word === plainText) return undefined
  const named = languages.find((description) => wordOf(description) === word)
  return named ?? LanguageDescription.matchLanguageName(languages, word, false) ?? undefined
}

function wordOf({ name, alias }: LanguageDescription): string {
  const words = [name.toLowerCase(), ...alias]
  return words.find((word) => wordForm.test(word)) ?? name.toLowerCase().replace(/[^a-z0-9]+/g, "-")
}
