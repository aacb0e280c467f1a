/**
 * Which class each kind of word gets. The colours stand in the style sheet, once for both themes;
 * so a change of theme changes no text.
 */
import { syntaxHighlighting } from "@codemirror/language"
import type { Extension } from "@codemirror/state"
import { type Highlighter, tagHighlighter, tags } from "@lezer/highlight"

/** Gives each tag of a grammar its class. */
export const wordClasses: Highlighter = tagHighlighter([
  {
    tag: [tags.keyword, tags.modifier, tags.operatorKeyword, tags.controlKeyword],
    class: "tok-keyword",
  },
  { tag: [tags.string, tags.special(tags.brace), tags.attributeValue], class: "tok-string" },
  { tag: [tags.regexp, tags.escape], class: "tok-escape" },
  {
    tag: [tags.number, tags.bool, tags.null, tags.atom, tags.unit, tags.color],
    class: "tok-number",
  },
  {
    tag: [tags.comment, tags.lineComment, tags.blockComment, tags.docComment],
    class: "tok-comment",
  },
  {
    tag: [tags.function(tags.variableName), tags.function(tags.propertyName), tags.labelName],
    class: "tok-function",
  },
  {
    tag: [tags.typeName, tags.className, tags.namespace, tags.standard(tags.name), tags.self],
    class: "tok-type",
  },
  { tag: [tags.tagName, tags.macroName, tags.annotation], class: "tok-tag" },
  { tag: [tags.propertyName, tags.attributeName], class: "tok-property" },
  {
    tag: [tags.definition(tags.variableName), tags.constant(tags.name)],
    class: "tok-definition",
  },
  { tag: [tags.punctuation, tags.operator, tags.derefOperator], class: "tok-punctuation" },
  { tag: [tags.meta, tags.processingInstruction, tags.documentMeta], class: "tok-meta" },
  { tag: tags.heading, class: "tok-heading" },
  { tag: tags.strong, class: "tok-strong" },
  { tag: tags.emphasis, class: "tok-emphasis" },
  { tag: tags.strikethrough, class: "tok-strikethrough" },
  { tag: [tags.link, tags.url], class: "tok-link" },
  { tag: tags.quote, class: "tok-comment" },
  { tag: tags.monospace, class: "tok-string" },
  { tag: tags.inserted, class: "tok-inserted" },
  { tag: [tags.deleted, tags.invalid], class: "tok-deleted" },
])

/** The extension that marks what a grammar found. */
export const highlighting: Extension = syntaxHighlighting(wordClasses)
