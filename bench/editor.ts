/**
 * A cheap editor: a socket, and how far it has heard.
 *
 * What always holds: it checks that what it hears leads on from where it stands, without a gap, and
 * an edit is written for the revision it has heard, or is said to be at. Some take down how long
 * each edit took to reach them, and some keep every message, so that the whole text can be compared
 * in the end. At the floor there are no revisions: a message is one edit, and the editors count.
 */
import { Operation } from "../src/ot/operation.ts"
import { Pieces } from "../src/ot/pieces.ts"
import { documentsProtocol, type Welcome } from "../src/wire/documents-shapes.ts"
import type { Room } from "./editors.ts"
import { addressOf, LoadSocket } from "./socket.ts"

/** So many editors take down how long each edit took to reach them. */
const sampled = 10
const [letterH, letterE] = [0x48, 0x45]

/** What both servers tell of edits. */
export interface HistoryShape {
  readonly History: {
    readonly start: number
    readonly operations: readonly {
      readonly id: number
      readonly operation: readonly (number | string)[]
    }[]
  }
}

/** A change of one place: what `edit` makes a message of. */
export interface Change {
  readonly place: number
  readonly deleted: number
  readonly inserted: string
  /** The revision it is for, and the length of the text there, if not those its editor has heard. */
  readonly at?: { readonly revision: number; readonly length: number }
}

export class Editor {
  revision = 0
  /** Its user id. */
  id: number
  /** Undefined for one that keeps nothing. */
  readonly mirror: Mirror | undefined
  readonly #room: Room
  #socket: LoadSocket | undefined
  #seq = 0
  #joined: () => void = () => {}
  /** Of each author, how many of his edits it has heard; undefined if it takes down no times. */
  readonly #counts: Map<number, number> | undefined

  constructor(room: Room, index: number) {
    const { editors, mirrors = 3 } = room.options
    this.#room = room
    this.id = index
    this.mirror = index < mirrors ? new Mirror() : undefined
    // From the first to the last that joined: they are told in that order.
    const step = Math.max(1, Math.floor(editors / sampled))
    this.#counts = index % step === step - 1 ? new Map() : undefined
  }

  get socket(): LoadSocket {
    if (this.#socket === undefined) throw new Error("never: it was opened")
    return this.#socket
  }

  /** Connects and joins. */
  async open(): Promise<void> {
    const { target, options } = this.#room
    const isExtended = target.kind === "quartet" && options.shape !== "plain"
    const joined = new Promise<void>((resolve) => {
      this.#joined = resolve
    })
    this.#socket = await LoadSocket.open(
      {
        port: target.port,
        path: `/api/socket/${options.id}`,
        protocol: isExtended ? documentsProtocol : undefined,
        from: addressOf(options.id),
      },
      target.kind === "floor" ? this.#heardAtFloor : this.#heard,
    )
    this.#socket.onClosed = (code) => this.#room.fail(`editor ${this.id} was closed with ${code}`)
    const client = String(this.id).padStart(22, "A")
    if (isExtended) this.#socket.send(JSON.stringify({ Join: { client } }))
    if (target.kind === "quartet") await joined
  }

  /** The message that makes `change`, noted as sent now. */
  edit({ place, deleted, inserted, at }: Change): string {
    const room = this.#room
    const { revision, length } = at ?? {
      revision: this.revision,
      length: room.lengthAt(this.revision),
    }
    const operation = []
    if (place > 0) operation.push(place)
    if (inserted !== "") operation.push(JSON.stringify(inserted))
    if (deleted > 0) operation.push(-deleted)
    if (length > place + deleted) operation.push(length - place - deleted)
    return this.message(revision, operation.join())
  }

  /** The message that makes `operation`, as JSON without its brackets, noted as sent now. */
  message(revision: number, operation: string): string {
    const room = this.#room
    const sentAt = room.sentAt.get(this.id) ?? []
    if (sentAt.length === 0) room.sentAt.set(this.id, sentAt)
    sentAt.push(performance.now())
    this.#seq += 1
    // The floor sends what it gets, so it gets what Quartet sends: no byte less.
    if (room.target.kind === "floor") {
      return `{"History":{"start":${revision},"operations":[{"id":${this.id},"operation":[${operation}]}]}}`
    }
    const seq = room.options.shape === "plain" ? "" : `,"seq":${this.#seq}`
    return `{"Edit":{"revision":${revision},"operation":[${operation}]${seq}}}`
  }

  /** Begins anew to count what it hears of each author. */
  forgetCounts(): void {
    this.#counts?.clear()
  }

  send(...messages: readonly string[]): void {
    this.socket.send(...messages)
  }

  readonly #heard = (buffer: Buffer, start: number, end: number): void => {
    const letter = buffer[start + 2]
    const room = this.#room
    if (letter !== letterH) {
      if (this.#joined !== done || letter === letterE)
        this.#other(buffer.toString("utf8", start, end))
      return
    }
    const { start: first, known } = room.read(buffer, start, end)
    if (first !== this.revision) {
      room.fail(`editor ${this.id} stands at ${this.revision} and hears what follows ${first}`)
    }
    this.mirror?.keep(buffer, start, end)
    if (this.#counts !== undefined) this.#takeDown(known.authors)
    room.heard(this, known.end)
  }

  readonly #heardAtFloor = (buffer: Buffer, start: number, end: number): void => {
    if (this.#counts !== undefined) {
      const text = buffer.toString("utf8", start, end)
      const { operations } = (JSON.parse(text) as HistoryShape).History // what we sent
      this.#takeDown(operations.map(({ id }) => id))
    }
    this.#room.heard(this, this.revision + 1)
  }

  #takeDown(authors: readonly number[]): void {
    const room = this.#room
    const counts = this.#counts ?? new Map<number, number>()
    const now = performance.now()
    for (const author of authors) {
      const count = counts.get(author) ?? 0
      counts.set(author, count + 1)
      room.latencies.push(now - (room.sentAt.get(author)?.[count] ?? Number.NaN))
    }
  }

  #other(text: string): void {
    const [key, value] = Object.entries(JSON.parse(text) as object)[0] ?? []
    if (key === "Identity") {
      this.id = Number(value)
    } else if (key === "Welcome") {
      const { id, revision, text: whole = "" } = value as Welcome // our own server's
      this.id = id
      this.revision = revision
      this.mirror?.begin(whole, revision)
    } else {
      if (key === "Error" || key === "Ack") this.#room.fail(text)
      return
    }
    this.#joined()
    this.#joined = done
  }
}

/** All that an editor hears, kept as it came, to be made a text of when nothing is measured any more. */
class Mirror {
  readonly #messages: Buffer[] = []
  #begun = { text: "", revision: 0 }

  begin(text: string, revision: number): void {
    this.#begun = { text, revision }
  }

  keep(buffer: Buffer, start: number, end: number): void {
    this.#messages.push(Buffer.from(buffer.subarray(start, end)))
  }

  /** Throws when what came does not fit. */
  get text(): string {
    const pieces = Pieces.of(this.#begun.text)
    for (const message of this.#messages) {
      const { operations } = (JSON.parse(message.toString()) as HistoryShape).History
      for (const { operation } of operations) pieces.apply(Operation.from(operation))
    }
    return pieces.toString()
  }
}

function done(): void {}
