/**
 * The past of a text as a tape: its text at any revision that is kept, and who wrote each letter.
 *
 * Both are CodeMirror texts, trees that share what is equal: so a page of the tape kept for every
 * few revisions costs what was changed between them, and any revision is some small changes away
 * from one. Who wrote what is a second text of the same shape, where each letter stands for an
 * author instead of a character; lines break in both at the same places.
 *
 * What always holds: the pages' revisions are `first`, `first + spacing`, …; a text at `revision`
 * is the one at `first` after `steps[0 … revision − first]`.
 */
import { ChangeSet, Text } from "@codemirror/state"
import type { Operation, Playback } from "../../src/client/client.ts"
import { replacementsOf } from "../../src/client/mapping.ts"

/** Every so many revisions a page is kept: to any other it is at most so many changes, 1 ms. */
const spacing = 40

/** One change: what makes a revision of the one before it. */
export interface Step {
  /** The author's id; never that of `unknownAuthor`. */
  readonly author: number
  /** In ms since 1970. */
  readonly at: number
  readonly operation: Operation
}

/** How a text was at one revision. */
export interface Page {
  readonly revision: number
  readonly text: Text
  /** As `text`, with a letter for its author in place of each UTF-16 unit. */
  readonly authors: Text
}

/** Who wrote what was there before the tape begins. */
export const unknownAuthor = -1

/** Letters begin above what could be taken for the end of a line, and end below surrogates. */
const firstLetter = 0x100
const lastLetter = 0xd7ff

/** Authors as letters. Those beyond the last letter share it: 55,000 people are not told apart. */
class Alphabet {
  readonly #letters = new Map<number, string>()
  readonly #authors: number[] = []

  letterOf(author: number): string {
    const known = this.#letters.get(author)
    if (known !== undefined) return known
    const code = Math.min(lastLetter, firstLetter + this.#authors.length)
    const letter = String.fromCharCode(code)
    this.#letters.set(author, letter)
    if (this.#authors.length <= lastLetter - firstLetter) this.#authors.push(author)
    return letter
  }

  authorOf(letter: number): number {
    return this.#authors[letter - firstLetter] ?? unknownAuthor
  }
}

export class Tape {
  readonly epoch: string
  readonly first: number
  readonly #alphabet = new Alphabet()
  readonly #steps: Step[] = []
  readonly #pages: Page[]
  #names = new Map<number, { readonly name: string; readonly hue: number }>()
  #end: Page

  /** The tape that begins with `playback`. */
  constructor(playback: Playback) {
    this.epoch = playback.epoch
    this.first = playback.from
    const text = textOf(playback.text)
    const authors = written(playback.text, this.#alphabet.letterOf(unknownAuthor))
    this.#end = { revision: playback.from, text, authors }
    this.#pages = [this.#end]
    this.add(playback)
  }

  /** The newest revision it has. */
  get last(): number {
    return this.#end.revision
  }

  /** Goes on with `playback`, which begins where this ends. Takes some 20 µs for each operation. */
  add({ operations, authors, from }: Playback): void {
    if (from !== this.last) throw new Error(`never: a stretch from ${from} after ${this.last}`)
    for (const [id, info] of authors) this.#names.set(id, info)
    for (const { id, at, operation } of operations) {
      const step = { author: id, at: at.getTime(), operation }
      this.#steps.push(step)
      this.#end = this.#after(this.#end, step)
      if ((this.#end.revision - this.first) % spacing === 0) this.#pages.push(this.#end)
    }
  }

  /** The change that made `revision`; undefined for the first. */
  step(revision: number): Step | undefined {
    return this.#steps[revision - this.first - 1]
  }

  /** How the text was at `revision`, from `first` to `last`. Takes at most `spacing` small changes. */
  page(revision: number): Page {
    if (revision === this.last) return this.#end
    const found = this.#pages[Math.floor((revision - this.first) / spacing)]
    if (found === undefined) throw new Error(`never: revision ${revision} is not on the tape`)
    let page = found
    while (page.revision < revision) {
      const step = this.step(page.revision + 1)
      if (step === undefined) throw new Error(`never: nothing after revision ${page.revision}`)
      page = this.#after(page, step)
    }
    return page
  }

  /** What makes the text at revision `to` of the one at `from`. Takes time in the changes between. */
  changes(from: number, to: number): ChangeSet {
    if (from > to) return this.changes(to, from).invert(this.page(to).text)
    let page = this.page(from)
    let changes = ChangeSet.empty(page.text.length)
    for (let revision = from + 1; revision <= to; revision += 1) {
      const step = this.step(revision)
      if (step === undefined) throw new Error(`never: revision ${revision} is not on the tape`)
      const replacements = [...replacementsOf(step.operation, page.text)]
      changes = changes.compose(ChangeSet.of(replacements, page.text.length, "\n"))
      page = this.#after(page, step)
    }
    return changes
  }

  /** Who has that id: a name and a hue, drawn from the id where none was told. */
  person(author: number): { readonly name: string; readonly hue: number } {
    if (author === unknownAuthor) return { name: "Earlier", hue: 0 }
    return this.#names.get(author) ?? { name: "Anonymous", hue: (author * 137) % 360 }
  }

  /** Who wrote most of a line whose authors' letters are these; undefined for an empty one. */
  mainAuthor(letters: string): number | undefined {
    const counts = new Map<number, number>()
    for (let at = 0; at < letters.length; at += 1) {
      const letter = letters.charCodeAt(at)
      counts.set(letter, (counts.get(letter) ?? 0) + 1)
    }
    let main: number | undefined
    let most = 0
    for (const [letter, count] of counts) {
      if (count <= most) continue
      main = letter
      most = count
    }
    return main === undefined ? undefined : this.#alphabet.authorOf(main)
  }

  /** Everybody who wrote in such a line, who wrote first in it first. */
  authorsIn(letters: string): readonly number[] {
    const found = new Set<number>()
    for (let at = 0; at < letters.length; at += 1) {
      found.add(this.#alphabet.authorOf(letters.charCodeAt(at)))
    }
    return [...found]
  }

  #after(page: Page, { author, operation }: Step): Page {
    const letter = this.#alphabet.letterOf(author)
    let { text, authors } = page
    // The last place first: so the places before it stay where they are.
    for (const { from, to, insert } of replacementsOf(operation, page.text).toReversed()) {
      text = text.replace(from, to, textOf(insert))
      authors = authors.replace(from, to, written(insert, letter))
    }
    return { revision: page.revision + 1, text, authors }
  }
}

/** Where in the text after it the last thing that `operation` does ends, and begins; in units. */
export function touchedBy(operation: Operation, before: Text): readonly [from: number, to: number] {
  let shift = 0
  let touched: readonly [number, number] = [0, 0]
  for (const { from, to, insert } of replacementsOf(operation, before)) {
    touched = [from + shift, from + shift + insert.length]
    shift += insert.length - (to - from)
  }
  return touched
}

function textOf(content: string): Text {
  return Text.of(content.split("\n"))
}

function written(content: string, letter: string): Text {
  return Text.of(content.split("\n").map((line) => letter.repeat(line.length)))
}
