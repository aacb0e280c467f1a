/**
 * `quartet chat` at a terminal: what is typed becomes messages, and what comes is shown.
 *
 * What always holds: nothing is kept on a disk; what is typed while the line is down is sent after
 * the next login; and after a restart of the server nothing is sent again by itself.
 */
import type { Incoming, Operators, Outgoing } from "../client/operators-shapes.ts"
import { folded } from "../wire/operators.ts"
import { Contacts } from "./chat-contacts.ts"
import type { Screen } from "./chat-screen.ts"
import {
  commands,
  excerpt,
  helpText,
  markOf,
  messageRows,
  refusalWords,
  type Wish,
  wishOf,
} from "./chat-words.ts"
import { visible } from "./terminal.ts"

/** What follows within so long is shown as one step: sent and taken at once, most of the time. */
const markMs = 150
/** Messages that `/search` looks through. */
const rememberedLimit = 2_000

export interface TalkOptions {
  readonly operators: Operators
  readonly bell: boolean
  /** Whom to talk to first. */
  readonly target?: string
}

export class Talk {
  readonly #screen: Screen
  readonly #operators: Operators
  readonly #bell: boolean
  readonly #contacts = new Contacts()
  readonly #marked = new Map<Outgoing, ReturnType<typeof setTimeout>>()
  #remembered: { readonly sender: string; readonly text: string; readonly at: number }[] = []
  #mine: Outgoing[] = []
  #target: string | undefined
  #wasReady = false
  /** Why the line is down, as it was said last. */
  #why = ""

  constructor(screen: Screen, { operators, bell, target }: TalkOptions) {
    this.#screen = screen
    this.#operators = operators
    this.#bell = bell
    this.#target = target
    operators.onMessage((message) => this.#hear(message))
    operators.onOwn((message) => {
      this.#show({ sender: `${operators.callsign}→${message.target}`, text: message.text })
    })
    operators.onEpoch((lost) => this.#restarted(lost))
    operators.onState((state, why) => this.#onState(state, why))
    this.#draw()
  }

  complete(line: string): readonly string[] {
    const { names } = this.#contacts
    const [, head = "", word] = /^(@|\/to @?)(\S*)$/.exec(line) ?? []
    if (word === undefined) return commands.filter((each) => line !== "" && each.startsWith(line))
    const fit = names.filter((name) => folded(name).startsWith(folded(word)))
    return fit.map((name) => `${head}${name} `)
  }

  next(): void {
    const contact = this.#contacts.nextUnread(this.#target)
    if (contact !== undefined) this.#turnTo(contact.name)
  }

  entered(text: string, kind: "line" | "draft"): void {
    const wish = wishOf(text, kind)
    this.#perform(wish).catch((thrown: unknown) => {
      this.#note(thrown instanceof Error ? thrown.message : String(thrown))
    })
  }

  async #perform(wish: Wish): Promise<void> {
    switch (wish.kind) {
      case "say":
        return this.#say(wish.target ?? this.#target, wish.text)
      case "to":
        if (wish.isNew) this.#contacts.accept(wish.target)
        return this.#turnTo(wish.target)
      case "recall":
        return this.#recall(wish.id)
      case "waiting":
        return this.#listPending()
      case "sessions":
        return this.#listSessions()
      case "end":
        await this.#operators.end(wish.session)
        return this.#note(`session ${wish.session} is ended`)
      case "seen":
        return this.#screen.print(
          this.#contacts.all.map(({ name, generation }) => `   ${name} ${generation ?? ""}`),
        )
      case "search":
        return this.#search(wish.text)
      case "clear":
        this.#remembered = []
        return this.#screen.clear()
      case "die":
        return this.#die()
      case "quit":
        return this.#screen.close()
      case "help":
        return this.#screen.print(helpText)
      case "wrong":
        return this.#note(wish.why)
    }
  }

  #say(target: string | undefined, text: string): void {
    if (target === undefined) return this.#note("to whom? /to bob, or @bob TEXT; /help says more")
    const contact = this.#contacts.of(target)
    const { generation } = contact
    const pin = generation === undefined ? {} : { generation }
    const message = this.#operators.send(target, text, pin)
    this.#mine = [...this.#mine.filter((each) => isOpen(each)), message]
    this.#remember({ sender: `${this.#operators.callsign}→${target}`, text, at: Date.now() })
    if (this.#operators.state !== "ready") this.#mark(message)
    message.accepted.then(
      (how) => {
        if (message.generation !== undefined) this.#meet(target, message.generation)
        this.#mark(message)
        const why = how === "refused" ? refusalWords[message.reason ?? ""] : undefined
        if (why !== undefined) this.#note(why)
      },
      () => {}, // what is lost with an epoch is listed there
    )
    void message.ended.then((end) => {
      if (end !== "unknown") this.#mark(message)
    })
  }

  /** Shows how a message is doing, soon, unless that changes first. */
  #mark(message: Outgoing): void {
    if (this.#marked.has(message)) return
    const show = () => {
      this.#marked.delete(message)
      this.#screen.print([`   ${markOf(message)}  ${message.target}: ${excerpt(message.text)}`])
    }
    this.#marked.set(message, setTimeout(show, markMs))
  }

  #hear({ sender, generation, text, waitedSeconds }: Incoming): void {
    this.#meet(sender, generation)
    const isHere = this.#target !== undefined && folded(this.#target) === folded(sender)
    if (!isHere) this.#contacts.of(sender).unread += 1
    this.#show({ sender, text }, waitedSeconds)
    if (this.#target === undefined) this.#turnTo(sender)
    else this.#draw()
    if (this.#bell) this.#screen.ring()
  }

  #meet(name: string, generation: string): void {
    if (this.#contacts.meet(name, generation) === "known") return
    this.#note(
      `${name} was registered anew (${generation}) and may be somebody else. ` +
        `/to ${name}! accepts that`,
    )
  }

  #show(of: { readonly sender: string; readonly text: string }, waitedSeconds = 0): void {
    const message = { ...of, at: Date.now() }
    this.#remember(message)
    const shown = messageRows(message, this.#screen.columns)
    const waited = waitedSeconds < 1 ? [] : [`      (waited ${spanOf(waitedSeconds)})`]
    this.#screen.print([...shown, ...waited])
  }

  #remember(message: {
    readonly sender: string
    readonly text: string
    readonly at: number
  }): void {
    this.#remembered.push(message)
    if (this.#remembered.length > rememberedLimit) this.#remembered.shift()
  }

  #restarted(lost: readonly Outgoing[]): void {
    this.#note("the server restarted: what was waiting is lost")
    for (const { target, text, lost: how } of lost) {
      this.#note(
        `   not known to have arrived (${how ?? "unanswered"}): ${target}: ${excerpt(text)}`,
      )
    }
    if (lost.length > 0) this.#note("none of these is sent again by itself")
  }

  #onState(state: Operators["state"], why: string): void {
    if (state === "ready") {
      const { callsign, generation } = this.#operators
      this.#note(this.#wasReady ? "connected again" : `logged in as ${callsign} (${generation})`)
      this.#wasReady = true
      this.#why = ""
    } else if (state === "away" && why !== this.#why) {
      this.#note(`${visible(why)}; connecting again`)
      if (this.#bell && this.#wasReady && this.#why === "") this.#screen.ring()
      this.#why = why
    }
    this.#draw()
  }

  #turnTo(name: string): void {
    const contact = this.#contacts.of(name)
    contact.unread = 0
    this.#target = contact.name
    this.#draw()
  }

  async #recall(id: string | undefined): Promise<void> {
    const message =
      id === undefined
        ? this.#mine.findLast((each) => isOpen(each))
        : this.#mine.find((each) => each.id === id || each.ref === id)
    if (message === undefined) return this.#note("there is nothing to recall")
    if (await message.recall()) return
    this.#note(`too late: ${message.target}: ${excerpt(message.text)} (${markOf(message)})`)
  }

  #listPending(): void {
    const pending = this.#operators.pending()
    if (pending.length === 0) return this.#note("nothing of yours waits")
    this.#screen.print(
      pending.map((message) => {
        const { id, target, text } = message
        return `   ${id ?? "-"}  ${markOf(message)}  ${target}: ${excerpt(text)}`
      }),
    )
  }

  async #listSessions(): Promise<void> {
    const sessions = await this.#operators.sessions()
    this.#screen.print(
      sessions.map(({ number, openSeconds, quietSeconds, mode, here }) => {
        const times = `open ${spanOf(openSeconds)}, quiet ${spanOf(quietSeconds)}`
        return `   ${number}  ${mode}, ${times}${here ? ", this one" : ""}`
      }),
    )
  }

  #search(text: string): void {
    const wanted = text.toLowerCase()
    const found = this.#remembered.filter((each) => each.text.toLowerCase().includes(wanted))
    this.#note(`${found.length} found`)
    for (const each of found) this.#screen.print(messageRows(each, this.#screen.columns))
  }

  async #die(): Promise<void> {
    const { callsign } = this.#operators
    const question = `this deletes ${callsign} for good; type the callsign to go on: `
    const answer = await this.#screen.ask(question, "plain")
    if (answer !== callsign) return this.#note("nothing was deleted")
    await this.#operators.deleteAccount()
  }

  #note(sentence: string): void {
    this.#screen.print([`-- ${sentence}`])
  }

  #draw(): void {
    const unread = this.#contacts.all.filter((each) => each.unread > 0)
    const counts = unread.map(({ name, unread: count }) => `${name} ${count}`).join(" · ")
    const { callsign, state } = this.#operators
    const to = this.#target === undefined ? "" : `→${this.#target}`
    const away = state === "ready" ? "" : "(away) "
    this.#screen.setPrompt(`${counts === "" ? "" : `[${counts}] `}${away}${callsign}${to}> `)
  }
}

function isOpen({ state }: Outgoing): boolean {
  return state === "unsent" || state === "waiting" || state === "handed"
}

function spanOf(seconds: number): string {
  if (seconds < 120) return `${seconds} s`
  if (seconds < 7_200) return `${Math.floor(seconds / 60)} min`
  return `${Math.floor(seconds / 3_600)} h`
}
