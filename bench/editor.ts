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
import { Arrivals } from "./arrivals.ts"
import type { Change, Member, Room } from "./editors.ts"
import { addressOf, LoadSocket } from "./socket.ts"

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

/** An editor at Quartet or at the floor. */
export class Editor implements Member {
  revision = 0
  /** Its user id. */
  id: number
  readonly #mirror: Mirror | undefined
  readonly #room: Room
  #socket: LoadSocket | undefined
  #seq = 0
  #joined: () => void = () => {}
  readonly #arrivals: Arrivals | undefined

  constructor(room: Room, index: number) {
    const { mirrors = 3 } = room.options
    this.#room = room
    this.id = index
    this.#mirror = index < mirrors ? new Mirror() : undefined
    this.#arrivals = Arrivals.of(room, index)
  }

  get socket(): LoadSocket {
    if (this.#socket === undefined) throw new Error("never: it was opened")
    return this.#socket
  }

  get text(): string | undefined {
    return this.#mirror?.text
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

  begin(text: string): string | undefined {
    if (this.#room.target.kind === "floor" || text === "") return undefined
    return this.edit({ place: 0, deleted: 0, inserted: text })
  }

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

  message(revision: number, operation: string): string {
    const room = this.#room
    room.sent(this.id)
    this.#seq += 1
    // The floor sends what it gets, so it gets what Quartet sends: no byte less.
    if (room.target.kind === "floor") {
      return `{"History":{"start":${revision},"operations":[{"id":${this.id},"operation":[${operation}]}]}}`
    }
    const seq = room.options.shape === "plain" ? "" : `,"seq":${this.#seq}`
    return `{"Edit":{"revision":${revision},"operation":[${operation}]${seq}}}`
  }

  forgetCounts(): void {
    this.#arrivals?.forget()
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
    this.#mirror?.keep(buffer, start, end)
    this.#arrivals?.takeDown(known.authors)
    room.heard(this, known.end)
  }

  readonly #heardAtFloor = (buffer: Buffer, start: number, end: number): void => {
    if (this.#arrivals !== undefined) {
      const text = buffer.toString("utf8", start, end)
      const { operations } = (JSON.parse(text) as HistoryShape).History // what we sent
      this.#arrivals.takeDown(operations.map(({ id }) => id))
    }
    this.#room.heard(this, this.revision + 1)
  }

  #other(text: string): void {
    const [key, value] = Object.entries(JSON.parse(text) as object)[0] ?? []
    if (key === "Identity") {
      this.id = Number(value)
    } else if (key === "Welcome") {
      const { id, revision, text: whole = "" } = value as Welcome // our own server's
      this.id = id
      this.revision = revision
      this.#mirror?.begin(whole, revision)
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
