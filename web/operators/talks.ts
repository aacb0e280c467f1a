/**
 * Every conversation of this tab, over one line to the operators. In memory, and nowhere else.
 *
 * What always holds: a name comes from the server's own field and never from a text; at most 2,000
 * entries are in view, the oldest go first; what is being written is kept through reconnects,
 * refusals and another sign-in, until it was sent or the visitor has signed out.
 */
import type { Incoming, Operators, Outgoing } from "../../src/client/operators-shapes.ts"
import { Cell, type Undo } from "../cell.ts"
import { Contact, type Entry } from "./contact.ts"
import { isOver, mayRecall } from "./words.ts"

/** More is not kept in view, over all conversations. */
const limitEntries = 2_000
/** More callsigns are not kept: the server has at most as many. */
const limitContacts = 1_000

/** An entry before it has its place. */
type News = Entry extends infer E ? (E extends Entry ? Omit<E, "key" | "at"> : never) : never

export class Talks {
  /** Goes up whenever something here has changed. */
  readonly changes = new Cell(0)
  /** Whom one is talking to. */
  readonly open = new Cell<Contact | undefined>(undefined)
  /** Called for each message; "unseen" where nobody was looking at its conversation. */
  onHeard: (message: Incoming, how: "seen" | "unseen") => void = () => {}
  /** Whether the visitor can see the conversation that is open. */
  isSeen: () => boolean = () => true
  /** Why the line stands as it does, as a sentence; empty while all is well. */
  why = ""
  readonly #contacts = new Map<string, Contact>()
  #operators: Operators
  #undo: readonly Undo[] = []
  /** Of the server's last start that one was in. */
  #epoch = ""
  #count = 0
  #keys = 0

  constructor(operators: Operators) {
    this.#operators = operators
    this.#listen()
  }

  get operators(): Operators {
    return this.#operators
  }

  /** In the order in which they came, so that none moves while one reaches for it. */
  get contacts(): readonly Contact[] {
    return [...this.#contacts.values()]
  }

  get unread(): number {
    return this.contacts.reduce((sum, { unread }) => sum + unread, 0)
  }

  /** Whether closing the tab would lose something that nobody else has. */
  get wouldLose(): boolean {
    const isUnsent = this.#operators.pending().some(({ state }) => state === "unsent")
    return isUnsent || this.contacts.some(({ draft }) => draft !== "")
  }

  /** Goes on over another line: what was said and written stays. */
  continueWith(operators: Operators): void {
    this.stop()
    this.#operators = operators
    this.#listen()
    this.#changed()
  }

  /** Ends the line. */
  stop(): void {
    for (const undo of this.#undo) undo()
    this.#undo = []
    this.#operators.close()
  }

  /** Opens the conversation with `callsign`, which the server would take for one. */
  talkTo(callsign: string): void {
    this.show(this.#contactOf(callsign))
  }

  /** Opens a conversation; undefined closes the one that is open. */
  show(contact: Contact | undefined): void {
    const before = this.open.value
    if (before !== contact && before !== undefined) before.unreadFrom = undefined
    this.open.value = contact
    this.read()
    this.#changed()
  }

  /** What is open has been seen. */
  read(): void {
    const contact = this.open.value
    if (contact === undefined || !this.isSeen() || contact.unread === 0) return
    contact.unread = 0
    this.#changed()
  }

  /**
   * Sends what stands in the field. Throws what the SDK throws, and the draft stays; so it does
   * while there is a newcomer to say yes to first, which is `asked`.
   */
  send(contact: Contact): "sent" | "asked" | "nothing" {
    if (contact.draft === "") return "nothing"
    if (contact.newcomer !== undefined) return "asked"
    this.#sendTo(contact, contact.draft)
    contact.draft = ""
    contact.unreadFrom = undefined
    this.#changed()
    return "sent"
  }

  /** The visitor takes the new registration of the callsign for whom they mean. */
  accept(contact: Contact): void {
    contact.generation = contact.newcomer?.generation
    contact.newcomer = undefined
    this.#changed()
  }

  /**
   * The text once more. What has no known end goes under its old ref: a server that has it says
   * what became of it and sends nothing.
   */
  sendAgain(contact: Contact, { text, state, ref }: Outgoing): void {
    if (contact.newcomer !== undefined) return
    this.#sendTo(contact, text, state === "unknown" ? { ref } : {})
    this.#changed()
  }

  /** A text back into the field, below what stands there. */
  putBack(contact: Contact, text: string): void {
    contact.draft = contact.draft === "" ? text : `${contact.draft}\n${text}`
    this.#changed()
  }

  /** Takes the newest message that nobody was handed back into the field. Gives whether there was one. */
  async editLast(contact: Contact): Promise<boolean> {
    const last = contact.mine().findLast(mayRecall)
    if (last === undefined || !(await last.recall())) return false
    this.putBack(contact, last.text)
    return true
  }

  /** The conversation that Alt and an arrow lead to: the next unread one, else the next of all. */
  next(step: 1 | -1): Contact | undefined {
    const all = this.contacts
    const at = this.open.value === undefined ? -1 : all.indexOf(this.open.value)
    const from = at < 0 && step === -1 ? 0 : at
    const round = all.map((_, index) => all.at((from + step * (index + 1)) % all.length))
    return round.find((contact) => contact !== undefined && contact.unread > 0) ?? round[0]
  }

  #sendTo(contact: Contact, text: string, ref: { readonly ref?: string } = {}): void {
    const { generation } = contact
    const pin = generation === undefined ? {} : { generation }
    const message = this.#operators.send(contact.name, text, { ...ref, ...pin })
    this.#add(contact, { kind: "mine", message, from: "here" })
  }

  #listen(): void {
    const operators = this.#operators
    this.#undo = [
      operators.onMessage((message) => this.#heard(message)),
      operators.onOwn((message) => {
        this.#add(this.#contactOf(message.target), { kind: "mine", message, from: "elsewhere" })
        this.#changed()
      }),
      operators.onState((state, why) => {
        this.why = why
        if (state === "ready") this.#meetsEpoch(operators.epoch)
        this.#changed()
      }),
      operators.onEpoch((lost) => this.#restarted(lost)),
    ]
  }

  #heard(message: Incoming): void {
    const contact = this.#contactOf(message.sender)
    contact.name = message.sender
    this.#meets(contact, message.generation)
    const key = this.#add(contact, { kind: "theirs", message })
    const isSeen = contact === this.open.value && this.isSeen()
    if (!isSeen) {
      contact.unread += 1
      contact.unreadFrom ??= key
    }
    this.#changed()
    this.onHeard(message, isSeen ? "seen" : "unseen")
  }

  /** What is known of a registration that has just been told. */
  #meets(contact: Contact, generation: string): void {
    const { newcomer } = contact
    if (generation === contact.generation || generation === newcomer?.generation) return
    if (newcomer === undefined && contact.generation === undefined) contact.generation = generation
    else this.#isNew(contact, generation)
  }

  /** Says so in the conversation, once for each registration. */
  #isNew(contact: Contact, generation: string | undefined): void {
    const wasTold = contact.newcomer !== undefined && contact.newcomer.generation === undefined
    contact.newcomer = { generation }
    if (!wasTold) this.#add(contact, { kind: "newcomer", generation })
  }

  /** A line that was opened anew tells of no restart before it: then this does. */
  #meetsEpoch(epoch: string): void {
    const before = this.#epoch
    if (before !== "" && before !== epoch) this.#restarted([])
    this.#epoch = epoch
  }

  #restarted(lost: readonly Outgoing[]): void {
    this.#epoch = this.#operators.epoch
    const touched = new Set(lost.map(({ target }) => this.#contactOf(target)))
    if (this.open.value !== undefined) touched.add(this.open.value)
    for (const contact of touched) {
      const own = lost.filter(({ target }) => this.#contactOf(target) === contact)
      this.#add(contact, { kind: "restart", lost: own })
    }
    this.#changed()
  }

  #add(contact: Contact, news: News): number {
    this.#keys += 1
    const before = contact.entries.length
    contact.add({ ...news, key: this.#keys, at: Date.now() })
    this.#count += contact.entries.length - before
    if (this.#count > limitEntries) this.#dropOldest()
    if (news.kind === "mine") this.#follow(contact, news.message)
    return this.#keys
  }

  #follow(contact: Contact, message: Outgoing): void {
    const settled = (): void => {
      if (message.reason === "changed" && contact.newcomer === undefined) {
        this.#isNew(contact, undefined)
      } else if (message.generation !== undefined) this.#meets(contact, message.generation)
      this.#changed()
    }
    // Either may reject when the line is closed for good: then too it is drawn as it stands.
    message.accepted.then(settled, settled)
    if (!isOver(message)) message.ended.then(settled, settled)
  }

  #dropOldest(): void {
    const key = (contact: Contact): number => contact.entries[0]?.key ?? Number.POSITIVE_INFINITY
    const [first, ...others] = this.#contacts.values()
    if (first === undefined) return
    others.reduce((oldest, each) => (key(each) < key(oldest) ? each : oldest), first).dropOldest()
    this.#count -= 1
  }

  #contactOf(callsign: string): Contact {
    const folded = callsign.toLowerCase()
    const known = this.#contacts.get(folded)
    if (known !== undefined) return known
    if (this.#contacts.size >= limitContacts) this.#forgetOne()
    const contact = new Contact(callsign, Date.now())
    this.#contacts.set(folded, contact)
    return contact
  }

  /** The one that has been silent longest; what is being written is never lost by it. */
  #forgetOne(): void {
    const spare = this.contacts
      .filter((each) => each.draft === "" && each !== this.open.value)
      .sort((one, other) => one.movedAt - other.movedAt)[0]
    if (spare === undefined) return
    this.#contacts.delete(spare.name.toLowerCase())
    this.#count -= spare.entries.length
  }

  #changed(): void {
    this.changes.value += 1
  }
}
