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
