/**
 * A cheap editor at a peer's server: a socket, and how far it has heard.
 *
 * What always holds: it checks that edits come without a gap; an edit is written for the revision
 * it has heard, or is said to be at, whatever of its own is still on its way, as at Quartet. Who
 * keeps the text moves its own edits with the peer's package, which is not measured.
 */
import { Arrivals } from "./arrivals.ts"
import type { Change, Member, Room } from "./editors.ts"
import { type PeerOperation, type PeerTexts, textsOf } from "./peers/texts.ts"
import { LoadSocket } from "./socket.ts"
import { type Said, type Speech, speechOf } from "./speech.ts"
import type { Peer } from "./target.ts"

/** An edit on its way, as it was written. */
interface Flight {
  readonly seq: number
  readonly revision: number
  readonly operation: PeerOperation
}

export class PeerEditor implements Member {
  revision = 0
  id: number
  readonly #room: Room
  readonly #index: number
  readonly #speech: Speech
  readonly #mirror: Mirror | undefined
  readonly #arrivals: Arrivals | undefined
  #socket: LoadSocket | undefined
  #seq = 0
  /** Not acknowledged yet, oldest first. */
  #flights: Flight[] = []
  #joined: () => void = done

  constructor(room: Room, index: number, peer: Peer) {
    const { id, mirrors = 3 } = room.options
    this.#room = room
    this.#index = index
    this.id = index
    this.#speech = speechOf(peer, id)
    this.#mirror = index < mirrors ? new Mirror(this.#speech, textsOf(peer)) : undefined
    this.#arrivals = Arrivals.of(room, index)
  }

  get socket(): LoadSocket {
    if (this.#socket === undefined) throw new Error("never: it was opened")
    return this.#socket
  }

  get text(): string | undefined {
    return this.#mirror?.text
  }

  async open(): Promise<void> {
    const { target, options } = this.#room
    const joined = new Promise<void>((resolve) => {
      this.#joined = resolve
    })
    const address = { port: target.port, path: `/api/socket/${options.id}` }
    this.#socket = await LoadSocket.open(address, this.#heard)
    this.#socket.onClosed = (code) => this.#room.fail(`editor ${this.id} was closed with ${code}`)
    this.send(...this.#speech.join(this.#index))
    await joined
  }

  begin(text: string): string | undefined {
    const message = this.#speech.begin(text)
    const operation = this.#speech.operation({ ...whole(text), seq: 0, revision: 0 })
    this.#flights.push({ seq: 0, revision: 0, operation })
    this.#room.sent(this.id)
    return message
  }

  edit({ place, deleted, inserted, at }: Change): string {
    const room = this.#room
    const { revision, length } = at ?? {
      revision: this.revision,
      length: room.lengthAt(this.revision),
    }
    this.#seq += 1
    const written = { seq: this.#seq, revision, place, deleted, inserted, length }
    this.#flights.push({ seq: this.#seq, revision, operation: this.#speech.operation(written) })
    room.sent(this.id)
    return this.#speech.edit(written)
  }

  message(): string {
    throw new Error("sessions are replayed at Quartet and at the floor")
  }

  forgetCounts(): void {
    this.#arrivals?.forget()
  }

  send(...messages: readonly string[]): void {
    this.socket.send(...messages)
  }

  readonly #heard = (buffer: Buffer, start: number, end: number): void => {
    const at = this.#speech.revisionAt(buffer, start)
    if (at === undefined) {
      this.#take(this.#speech.read(buffer.toString("utf8", start, end)))
      return
    }
    let revision = 0
    for (let index = at; isDigit(buffer[index]); index += 1) {
      revision = revision * 10 + (buffer[index] ?? 0) - digit0
    }
    // ShareDB tells an author what it has missed, and then tells it again.
    if (revision < this.revision || !this.#isNext(revision)) return
    if (this.#arrivals !== undefined || !this.#room.knowsLength(revision + 1)) {
      const said = this.#speech.read(buffer.toString("utf8", start, end))
      if (said.kind !== "edit") return this.#room.fail("an edit cannot be read")
      this.#arrivals?.takeDown([said.author])
      this.#room.learn(revision, growthOf(said.operation))
    }
    this.#mirror?.keep(Buffer.from(buffer.subarray(start, end)))
    this.#room.heard(this, revision + 1)
  }

  #take(said: Said): void {
    const room = this.#room
    if (said.kind === "joined") {
      this.id = said.author
      this.revision = said.revision
      this.#mirror?.begin(said.text, said.revision)
      this.#joined()
    } else if (said.kind === "acknowledged") {
      // Of several on their way, ShareDB may accept a later one first.
      const found = this.#flights.findIndex(({ seq }) => seq === said.seq)
      const [flight] = this.#flights.splice(Math.max(0, found), 1)
      if (flight === undefined || !this.#isNext(said.revision)) return
      this.#arrivals?.takeDown([this.id])
      room.learn(said.revision, growthOf(flight.operation))
      this.#mirror?.keep(flight)
      room.heard(this, said.revision + 1)
    } else if (said.kind !== "nothing") {
      room.fail(`editor ${this.id} heard: ${said.kind}`)
    }
  }

  #isNext(revision: number): boolean {
    if (revision === this.revision) return true
    this.#room.fail(`editor ${this.id} stands at ${this.revision} and hears ${revision}`)
    return false
  }
}

const digit0 = 0x30

function isDigit(byte: number | undefined): boolean {
  return byte !== undefined && byte >= digit0 && byte <= digit0 + 9
}

function whole(text: string): Pick<Change, "place" | "deleted" | "inserted"> & { length: number } {
  return { place: 0, deleted: 0, inserted: text, length: 0 }
}

// How much longer it makes the text. No astral characters here.
function growthOf(operation: PeerOperation): number {
  let growth = 0
  for (const component of operation) {
    if (typeof component === "string") growth += component.length
    else if (typeof component === "object") growth -= component.d
    else if (component < 0) growth += component
  }
  return growth
}

/** What an editor hears and has acknowledged, to be made a text of when nothing is measured any more. */
class Mirror {
  readonly #speech: Speech
  readonly #texts: PeerTexts
  readonly #kept: (Buffer | Flight)[] = []
  #begun = { text: "", revision: 0 }

  constructor(speech: Speech, texts: PeerTexts) {
    this.#speech = speech
    this.#texts = texts
  }

  begin(text: string, revision: number): void {
    this.#begun = { text, revision }
  }

  keep(edit: Buffer | Flight): void {
    this.#kept.push(edit)
  }

  /** Throws when what came does not fit. */
  get text(): string {
    const accepted: PeerOperation[] = []
    let { text } = this.#begun
    for (const kept of this.#kept) {
      const operation = Buffer.isBuffer(kept) ? this.#read(kept) : this.#moved(kept, accepted)
      accepted.push(operation)
      text = this.#texts.apply(text, operation)
    }
    return text
  }

  #read(message: Buffer): PeerOperation {
    const said = this.#speech.read(message.toString())
    if (said.kind !== "edit") throw new Error("never: only edits are kept")
    return said.operation
  }

  #moved({ operation, revision }: Flight, accepted: readonly PeerOperation[]): PeerOperation {
    const since = accepted.slice(revision - this.#begun.revision)
    return since.reduce((moved, other) => this.#texts.move(moved, other), operation)
  }
}

function done(): void {}
