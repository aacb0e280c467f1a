/**
 * `quartet chat --classic`: a terminal for a server that answers nothing, as the original does.
 *
 * What always holds: what is shown went through `rows`; a line that is no delivery is shown as what
 * it is, and nothing claims that a message has arrived.
 */
import type { Line, OpenLine } from "../client/operators-shapes.ts"
import { folded, isCallsign } from "../wire/operators.ts"
import type { Screen } from "./chat-screen.ts"
import { helpText, messageRows, wishOf } from "./chat-words.ts"
import { rows, visible } from "./terminal.ts"

export interface ClassicOptions {
  readonly open: OpenLine
  readonly callsign: string
  readonly password: string
  /** Said twice, a login registers a callsign that nobody has. */
  readonly logins: 1 | 2
  readonly invite: string | undefined
}

const classicWarning = [
  "-- classic: the server answers nothing. A wrong password is not told, nor what became of a text;",
  "-- what is typed while the line is down is not sent, and what was under way may be lost.",
]

export class ClassicTalk {
  readonly #screen: Screen
  readonly #options: ClassicOptions
  readonly #line: Line
  #isOpen = false
  #target: string | undefined

  constructor(screen: Screen, options: ClassicOptions) {
    this.#screen = screen
    this.#options = options
    screen.print(classicWarning)
    this.#line = options.open({
      opened: () => this.#onOpened(),
      heard: (line) => this.#hear(line),
      lost: ({ sentence, comesBack }) => {
        this.#isOpen = false
        screen.print([`-- ${visible(sentence)}${comesBack ? "; connecting again" : ""}`])
        this.#draw()
      },
    })
    this.#draw()
  }

  entered(text: string, kind: "line" | "draft"): void {
    const wish = wishOf(text, kind)
    if (wish.kind === "say") return this.#say(wish.target ?? this.#target, wish.text)
    if (wish.kind === "to") {
      this.#target = wish.target
      return this.#draw()
    }
    if (wish.kind === "quit") return this.#screen.close()
    if (wish.kind === "help") return this.#screen.print(helpText)
    if (wish.kind === "clear") return this.#screen.clear()
    if (wish.kind === "die") return void this.#die()
    const why = wish.kind === "wrong" ? wish.why : "an original server cannot tell that"
    this.#screen.print([`-- ${why}`])
  }

  close(): void {
    this.#line.close()
  }

  #onOpened(): void {
    const { callsign, password, logins, invite } = this.#options
    this.#isOpen = true
    if (invite !== undefined) this.#line.send(`$ invite ${invite}`)
    for (let count = 0; count < logins; count++) this.#line.send(`$ ${callsign} ${password}`)
    this.#line.settle()
    this.#screen.print(["-- connected; whether the login worked is not told"])
    this.#draw()
  }

  #hear(line: string): void {
    const [, sender, text] = /^([^ :]+): ?([\s\S]*)$/.exec(line) ?? []
    const { columns } = this.#screen
    if (sender === undefined || text === undefined || !isCallsign(sender)) {
      const text = line.startsWith("| ") ? line.slice(2) : line
      return this.#screen.print(rows(text, { columns, first: "      │ ", rest: "      │ " }))
    }
    this.#screen.print(messageRows({ sender, text, at: Date.now() }, columns))
    this.#target ??= sender
    this.#draw()
  }

  #say(target: string | undefined, text: string): void {
    if (target === undefined) return this.#screen.print(["-- to whom? /to bob, or @bob TEXT"])
    const lines = text.split("\n")
    const isEnd = lines.includes("$")
    if (isEnd) return this.#screen.print(['-- a line "$" alone cannot be sent to such a server'])
    if (!this.#isOpen) return this.#screen.print(["-- not sent: the line is down"])
    const isBlock = lines.length > 1 || text === "" || text.startsWith("$")
    const said = isBlock ? [`${target} $ `, ...lines, "$"] : [`${target} ${text}`]
    for (const line of said) this.#line.send(line)
  }

  async #die(): Promise<void> {
    const { callsign } = this.#options
    const question = `this deletes ${callsign} for good; type the callsign to go on: `
    const answer = await this.#screen.ask(question, "plain")
    if (folded(answer ?? "") !== folded(callsign))
      return this.#screen.print(["-- nothing was deleted"])
    this.#line.send("$ die")
    this.#line.close()
    this.#screen.close()
  }

  #draw(): void {
    const to = this.#target === undefined ? "" : `→${this.#target}`
    this.#screen.setPrompt(`${this.#isOpen ? "" : "(away) "}${this.#options.callsign}${to}> `)
  }
}
