/**
 * What comes from a keyboard, before readline sees it: pastes are taken out, and Alt-Enter.
 *
 * What always holds: cut at any byte the same comes out; nothing that was pasted is a key, so no
 * newline in it sends anything. A paste is kept up to a limit, and told as too long beyond it.
 *
 *     1b 5b 32 30 30 7e … 1b 5b 32 30 31 7e    a paste between its marks
 */
import { PassThrough } from "node:stream"
import { StringDecoder } from "node:string_decoder"

const begin = "\u001b[200~"
const end = "\u001b[201~"
const altEnters = ["\u001b\r", "\u001b\n"]
/** An escape that nothing follows for so long is the key, not the beginning of a mark. */
const escapeMs = 50
/** Units of UTF-16, four times what a message holds. */
const pasteLimit = 65_536

export interface KeysOwner {
  /** `text` was pasted, its lines ended by LF; undefined when it was too long. */
  pasted(text: string | undefined): void
  /** Alt-Enter was pressed. */
  newline(): void
}

/** `push` takes bytes of the keyboard; what is left of them comes out of `keys`. */
export class Keys {
  /** For readline. */
  readonly keys = new PassThrough()
  readonly #owner: KeysOwner
  readonly #decoder = new StringDecoder("utf8")
  #begun = ""
  #paste: string | undefined
  #isTooLong = false
  #timer: ReturnType<typeof setTimeout> | undefined

  constructor(owner: KeysOwner) {
    this.#owner = owner
  }

  push(chunk: Uint8Array): void {
    clearTimeout(this.#timer)
    this.#begun += this.#decoder.write(Buffer.from(chunk))
    while (this.#step()) {
      // Each step takes something off.
    }
    if (this.#begun !== "" && this.#paste === undefined) {
      this.#timer = setTimeout(() => this.#flush(), escapeMs)
    }
  }

  close(): void {
    clearTimeout(this.#timer)
    this.keys.end()
  }

  /** Takes what is whole; false when there is no more. */
  #step(): boolean {
    return this.#paste === undefined ? this.#typed() : this.#pasting()
  }

  #typed(): boolean {
    const text = this.#begun
    const at = text.indexOf("\u001b")
    if (at !== 0) {
      const length = at < 0 ? text.length : at
      if (length > 0) this.#pass(length)
      return length > 0
    }
    if (text.startsWith(begin)) {
      this.#begun = text.slice(begin.length)
      this.#paste = ""
      this.#isTooLong = false
      return true
    }
    const alt = altEnters.find((each) => text.startsWith(each))
    if (alt !== undefined) {
      this.#begun = text.slice(alt.length)
      this.#owner.newline()
      return true
    }
    if ([begin, ...altEnters].some((each) => each.startsWith(text))) return false
    this.#pass(1)
    return true
  }

  #pasting(): boolean {
    const at = this.#begun.indexOf(end)
    if (at >= 0) {
      this.#keep(this.#begun.slice(0, at))
      const paste = (this.#paste ?? "").replace(/\r\n?/g, "\n")
      this.#begun = this.#begun.slice(at + end.length)
      this.#paste = undefined
      this.#owner.pasted(this.#isTooLong ? undefined : paste)
      return true
    }
    // The mark may have begun: as much as it is long stays.
    const sure = Math.max(0, this.#begun.length - end.length + 1)
    this.#keep(this.#begun.slice(0, sure))
    this.#begun = this.#begun.slice(sure)
    return false
  }

  #keep(text: string): void {
    const paste = (this.#paste ?? "") + text
    if (paste.length > pasteLimit) this.#isTooLong = true
    this.#paste = this.#isTooLong ? "" : paste
  }

  #flush(): void {
    if (this.#paste === undefined) this.#pass(this.#begun.length)
  }

  #pass(length: number): void {
    // Told in this turn: a key that comes before a paste must not be taken after it.
    this.keys.emit("data", Buffer.from(this.#begun.slice(0, length)))
    this.#begun = this.#begun.slice(length)
  }
}
