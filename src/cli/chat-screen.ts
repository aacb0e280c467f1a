/**
 * A terminal with a prompt at its end: lines are printed above it, what is typed stays.
 *
 * What always holds: only rows that went through `rows` or are our own words are written; a
 * password is neither echoed nor kept in the history; the terminal is left as it was found.
 */
import {
  clearScreenDown,
  createInterface,
  cursorTo,
  type Interface,
  moveCursor,
} from "node:readline"
import { Writable } from "node:stream"
import { Keys } from "./chat-keys.ts"
import { harmless, rows } from "./terminal.ts"

const pasteOn = "\u001b[?2004h"
const pasteOff = "\u001b[?2004l"
/** Lines of a draft that are shown whole. */
const shownLines = 3
const historyLines = 200

export interface ScreenOwner {
  /** A line was entered, or a draft of several. */
  entered(text: string, kind: "line" | "draft"): void
  /** Alt-Down. */
  next(): void
  /** Ctrl-D, or Ctrl-C with nothing typed. */
  left(): void
  complete(line: string): readonly string[]
}

/** What readline writes to: the terminal, or nothing while a password is typed. */
class Paper extends Writable {
  isMuted = false
  readonly isTTY = true
  readonly #out: NodeJS.WriteStream

  constructor(out: NodeJS.WriteStream) {
    super({ decodeStrings: false })
    this.#out = out
    out.on("resize", () => this.emit("resize"))
  }

  get columns(): number {
    return this.#out.columns || 80
  }

  override _write(chunk: string | Buffer, _encoding: string, done: () => void): void {
    if (!this.isMuted) this.#out.write(chunk)
    done()
  }
}

export class Screen {
  readonly #owner: ScreenOwner
  readonly #paper = new Paper(process.stdout)
  readonly #keys: Keys
  readonly #readline: Interface
  #draft: string[] = []
  #asks: { readonly secret: boolean; readonly answer: (line: string | undefined) => void }[] = []
  #prompt = ""
  #isOver = false

  constructor(owner: ScreenOwner) {
    this.#owner = owner
    this.#keys = new Keys({
      pasted: (text) => this.#onPaste(text),
      newline: () => this.#onNewline(),
    })
    process.stdin.setRawMode(true)
    process.stdin.on("data", this.#onData)
    process.stdin.on("end", this.#onEnd)
    process.stdout.write(pasteOn)
    this.#readline = createInterface({
      input: this.#keys.keys,
      output: this.#paper,
      terminal: true,
      historySize: historyLines,
      completer: (line: string) => [[...owner.complete(line)], line],
    })
    this.#readline.on("line", (line) => this.#onLine(line))
    this.#readline.on("history", (history) => {
      if (this.#paper.isMuted) history.shift()
    })
    this.#readline.on("SIGINT", () => this.#onInterrupt())
    this.#readline.on("close", () => this.#leave())
    this.#keys.keys.on(
      "keypress",
      (_, key?: { readonly name?: string; readonly meta?: boolean }) => {
        if (key?.name === "down" && key.meta === true) owner.next()
      },
    )
  }

  get columns(): number {
    return this.#paper.columns
  }

  /** Prints rows above the prompt. They must be harmless already. */
  print(lines: readonly string[]): void {
    if (this.#isOver) return
    const text = `${lines.join("\n")}\n`
    // While a password is typed there is a question at the end, and nothing of the answer.
    const wasMuted = this.#paper.isMuted
    this.#paper.isMuted = false
    const { rows: down } = this.#readline.getCursorPos()
    moveCursor(this.#paper, 0, -down)
    cursorTo(this.#paper, 0)
    clearScreenDown(this.#paper)
    this.#paper.write(text)
    // readline moves up by the rows that it believes to stand above, before it draws its line anew.
    if (wasMuted) this.#paper.write(this.#readline.getPrompt())
    else this.#paper.write("\n".repeat(this.#rowsBelieved))
    this.#paper.isMuted = wasMuted
    if (!wasMuted) this.#readline.prompt(true)
  }

  /** The prompt from now on. */
  setPrompt(prompt: string): void {
    if (prompt === this.#prompt) return
    this.#prompt = prompt
    if (this.#asks.length === 0) this.#draw()
  }

  /** Asks for a line. "secret" is not echoed. Undefined when the person left. */
  ask(question: string, kind: "secret" | "plain"): Promise<string | undefined> {
    return new Promise((answer) => {
      this.#asks.push({ secret: kind === "secret", answer })
      this.#readline.setPrompt(question)
      this.#readline.prompt()
      this.#paper.isMuted = kind === "secret"
    })
  }

  ring(): void {
    if (!this.#isOver) process.stdout.write("\u0007")
  }

  clear(): void {
    process.stdout.write("\u001b[2J\u001b[3J\u001b[H")
    this.#draw()
  }

  close(): void {
    if (this.#isOver) return
    this.#leave()
    this.#readline.close()
  }

  readonly #onData = (chunk: Buffer) => this.#keys.push(chunk)
  readonly #onEnd = () => this.#readline.close()

  /** Not in the manual of readline: 0 after plain typing, the real number after it has drawn. */
  get #rowsBelieved(): number {
    const rows: unknown = Reflect.get(this.#readline, "prevRows")
    return typeof rows === "number" ? rows : 0
  }

  #draw(): void {
    if (this.#isOver) return
    const more = this.#draft.length === 0 ? "" : `(${this.#size}) `
    this.#readline.setPrompt(`${more}${this.#prompt}`)
    this.#readline.prompt(true)
  }

  #onLine(line: string): void {
    const ask = this.#asks.shift()
    if (ask !== undefined) {
      const wasMuted = this.#paper.isMuted
      this.#paper.isMuted = false
      if (wasMuted) process.stdout.write("\n")
      ask.answer(line)
      if (this.#asks.length === 0) this.#draw()
      return
    }
    const draft = this.#draft
    this.#draft = []
    if (draft.length > 0) {
      this.#owner.entered([...draft, ...(line === "" ? [] : [line])].join("\n"), "draft")
    } else if (line !== "") {
      this.#owner.entered(line, "line")
    }
    this.#draw()
  }

  #onPaste(text: string | undefined): void {
    if (text === undefined)
      return this.print(["-- that is too long for a message; nothing was taken"])
    // One line is as if it had been typed; a TAB in it would complete something.
    const line = text.trimEnd().replaceAll("\t", " ")
    if (this.#asks.length > 0) return this.#readline.write(harmless(line.replaceAll("\n", " ")))
    // What a terminal would obey is not typed but shown, as what it is.
    if (!line.includes("\n") && harmless(line) === line) return this.#readline.write(line)
    const typed = this.#readline.line
    this.#readline.write(null, { ctrl: true, name: "e" })
    this.#readline.write(null, { ctrl: true, name: "u" })
    this.#draft.push(...`${typed}${text.replace(/\n+$/, "")}`.split("\n"))
    this.#showDraft()
  }

  #onNewline(): void {
    if (this.#asks.length > 0) return
    this.#draft.push(this.#readline.line)
    this.#readline.write(null, { ctrl: true, name: "e" })
    this.#readline.write(null, { ctrl: true, name: "u" })
    this.#showDraft()
  }

  #showDraft(): void {
    const shown = this.#draft.slice(-shownLines).join("\n")
    const more = this.#draft.length - shownLines
    this.print([
      ...(more > 0 ? [`   ${more} more above`] : []),
      ...rows(shown, { columns: this.columns, first: "   │ ", rest: "   │ " }),
      `-- ${this.#size} of one message: Enter sends it, Ctrl-C drops it`,
    ])
    this.#draw()
  }

  get #size(): string {
    return this.#draft.length === 1 ? "1 line" : `${this.#draft.length} lines`
  }

  #onInterrupt(): void {
    const isIdle = this.#draft.length === 0 && this.#readline.line === ""
    if (isIdle || this.#asks.length > 0) return this.#readline.close()
    this.#draft = []
    this.#readline.write(null, { ctrl: true, name: "e" })
    this.#readline.write(null, { ctrl: true, name: "u" })
    this.#draw()
  }

  #leave(): void {
    if (this.#isOver) return
    this.#isOver = true
    process.stdin.off("data", this.#onData).off("end", this.#onEnd)
    process.stdin.setRawMode(false)
    process.stdin.pause()
    this.#keys.close()
    this.#paper.isMuted = false
    process.stdout.write(`${pasteOff}\n`)
    for (const { answer } of this.#asks.splice(0)) answer(undefined)
    this.#owner.left()
  }
}
