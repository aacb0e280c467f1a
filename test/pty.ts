/**
 * A program under a pseudo-terminal, which Python makes: what a person would see, and type.
 *
 * `types` sends keys; `sees` waits until the screen has said something since the last time; `rows`
 * is what a terminal would show, as far as the sequences that readline writes go.
 */
import { type ChildProcess, spawn } from "node:child_process"
import { once } from "node:events"
import type { TestContext } from "node:test"
import { eventually } from "./harness.ts"

const bridge = `
import fcntl, os, pty, select, signal, struct, sys, termios
columns, rows = int(sys.argv[1]), int(sys.argv[2])
pid, master = pty.fork()
if pid == 0:
    os.execv(sys.argv[3], sys.argv[3:])
fcntl.ioctl(master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
signal.signal(signal.SIGTERM, lambda *_: os.kill(pid, signal.SIGKILL))
open_ = [0, master]
while master in open_:
    for ready in select.select(open_, [], [])[0]:
        try:
            data = os.read(ready, 65536)
        except OSError:
            data = b""
        if not data:
            open_.remove(ready)
        elif ready == 0:
            while data:
                data = data[os.write(master, data):]
        else:
            os.write(1, data)
status = os.waitpid(pid, 0)[1]
sys.exit(os.waitstatus_to_exitcode(status) & 255)
`

/** Beyond this a program does not say it any more; what it said instead is told. */
const patienceMs = 15_000

export class Terminal {
  readonly columns: number
  readonly #process: ChildProcess
  /** Everything that was written. */
  raw = ""
  #seen = 0
  readonly #ended: Promise<unknown[]>

  constructor(t: TestContext, words: readonly string[], size = { columns: 80, rows: 24 }) {
    this.columns = size.columns
    const numbers = [`${size.columns}`, `${size.rows}`]
    this.#process = spawn("python3", ["-c", bridge, ...numbers, ...words], {
      env: { PATH: process.env["PATH"], TERM: "xterm", TZ: "UTC" },
      stdio: ["pipe", "pipe", "inherit"],
    })
    t.after(() => this.#process.kill("SIGTERM"))
    this.#ended = once(this.#process, "close")
    this.#process.stdout?.setEncoding("utf8").on("data", (text: string) => {
      this.raw += text
    })
    // Told by its end as well.
    this.#process.stdin?.on("error", () => {})
  }

  types(keys: string): void {
    this.#process.stdin?.write(keys)
  }

  pastes(text: string): void {
    this.types(`\u001b[200~${text}\u001b[201~`)
  }

  /** Resolves when `what` has been written after what was seen before. */
  async sees(what: string): Promise<void> {
    const end = performance.now() + patienceMs
    await eventually(() => {
      if (performance.now() > end) {
        throw new Error(`"${what}" was not seen in ${JSON.stringify(this.raw.slice(this.#seen))}`)
      }
      const at = this.raw.indexOf(what, this.#seen)
      if (at < 0) return undefined
      this.#seen = at + what.length
      return true
    })
  }

  async code(): Promise<number> {
    const [code] = await this.#ended
    return Number(code)
  }

  /** What stands on the screen, a row each, spaces at the end left out. */
  get rows(): readonly string[] {
    return drawn(this.raw, this.columns)
  }
}

/** Plays text and the cursor sequences of readline on rows of `columns`. Throws at any other sequence. */
export function drawn(raw: string, columns: number): readonly string[] {
  const rows: string[][] = [[]]
  let [row, column] = [0, 0]
  const known =
    /\u001b\[(\d*)([ABCDGJK])|\u001b\[\?2004[hl]|\u001b\[(?:2J|3J|H)|[\r\n\u0007]|[^\u001b\p{Cc}]/gu
  let at = 0
  for (const match of raw.matchAll(known)) {
    if (match.index !== at)
      throw new Error(`what is ${JSON.stringify(raw.slice(at, match.index))}?`)
    const [all, number = "", verb] = match
    at += all.length
    const count = Number(number === "" ? 1 : number)
    if (verb === "A") row = Math.max(0, row - count)
    else if (verb === "B") row += count
    else if (verb === "C") column = Math.min(columns - 1, column + count)
    else if (verb === "D") column = Math.max(0, column - count)
    else if (verb === "G") column = count - 1
    else if (verb === "K") rows[row]?.splice(column)
    else if (verb === "J") {
      rows.splice(row + 1)
      rows[row]?.splice(column)
    } else if (all === "\r") column = 0
    else if (all === "\n") row += 1
    else if (all.length <= 2 && all !== "\u0007") {
      if (column >= columns) [row, column] = [row + 1, 0]
      while (rows.length <= row) rows.push([])
      const cells = rows[row] ?? []
      while (cells.length < column) cells.push(" ")
      cells[column] = all
      column += 1
    }
    while (rows.length <= row) rows.push([])
  }
  if (at !== raw.length) throw new Error(`what is ${JSON.stringify(raw.slice(at))}?`)
  return rows.map((cells) => cells.join("").trimEnd())
}
