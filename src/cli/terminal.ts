/**
 * What strangers wrote, as it may be printed on a terminal.
 *
 * What always holds: nothing that goes through here moves the cursor, changes a setting of the
 * terminal or turns the direction of reading; each such character is shown as U+FFFD.
 */

/** All controls but TAB and LF, what ends lines elsewhere, and what overrides or isolates direction. */
const unsafe = /[\0-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]/g

/** `text` without anything that a terminal would obey. */
export function harmless(text: string): string {
  return text.replace(unsafe, "\ufffd")
}

/** Prints `text` as it is where a program or a file reads it, and harmless where a person does. */
export function print(text: string): void {
  process.stdout.write(process.stdout.isTTY ? harmless(text) : text)
}

/**
 * Controls, what turns the direction, and what no one sees; not what chooses the look of the
 * character before it, as in emoji.
 */
const unseen = /[[\p{Cc}\p{Cf}\p{Default_Ignorable_Code_Point}\u2028\u2029]--[\t\n\ufe00-\ufe0f]]/gv

/** `text` with each character that one cannot see shown by its number: `<U+202E>`. Lines stay lines. */
export function visible(text: string): string {
  return text.toWellFormed().replace(unseen, (character) => {
    const point = character.codePointAt(0) ?? 0
    return `<U+${point.toString(16).toUpperCase().padStart(4, "0")}>`
  })
}

/**
 * `text`, made visible, in rows that no terminal of so many `columns` breaks itself: the first
 * begins with `first`, all others with `rest`, so that no text stands where a row of ours begins.
 */
export function rows(
  text: string,
  {
    columns,
    first,
    rest,
  }: { readonly columns: number; readonly first: string; readonly rest: string },
): readonly string[] {
  const done: string[] = []
  for (const line of visible(text).replaceAll("\t", "    ").split("\n")) {
    let begun = done.length === 0 ? first : rest
    let width = widthOf(begun)
    let isEmpty = true
    for (const character of line) {
      const wide = widthOf(character)
      if (!isEmpty && width + wide > columns) {
        done.push(begun)
        begun = rest
        width = widthOf(rest)
      }
      begun += character
      width += wide
      isEmpty = false
    }
    done.push(begun)
  }
  return done
}

/** At least as many columns as any terminal takes: what is not ASCII may take two. */
function widthOf(text: string): number {
  let width = 0
  for (const character of text) width += character <= "\x7f" ? 1 : 2
  return width
}
