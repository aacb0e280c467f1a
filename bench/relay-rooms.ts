/**
 * Replicas for load: rooms of sockets that speak as y-websocket or as a Hocuspocus provider does.
 *
 * What always holds: the last replica of each room, which is also the last to be served, keeps a
 * real document, and a change has arrived when it is in there; the others read their frames and no
 * more, so that a thousand of them in one process are no narrower than the server under test. All
 * join before the first change, so every question of the server is answered as empty.
 */
import * as decoding from "lib0/decoding"
import * as encoding from "lib0/encoding"
import * as Y from "yjs"
import { type Heard, LoadSocket } from "./socket.ts"

/** How a server is spoken to. */
export interface Speech {
  /** Where a room lies. */
  path(room: string): string
  /** What stands before every message. */
  prefix(room: string): Uint8Array
  /** What is said first, besides "what do you have?". */
  readonly hello: Uint8Array | undefined
}

export const yjsSpeech: Speech = {
  path: (room) => `/yjs/${room}`,
  prefix: () => new Uint8Array(),
  hello: undefined,
}

export const hocuspocusSpeech: Speech = {
  path: () => "/hocuspocus",
  prefix(room) {
    const encoder = encoding.createEncoder()
    encoding.writeVarString(encoder, room)
    return encoding.toUint8Array(encoder)
  },
  // Authentication, with an empty token.
  hello: Uint8Array.of(2, 0, 0),
}

const step1 = Uint8Array.of(0, 0, 1, 0)
const emptyStep2 = Uint8Array.of(0, 1, 2, 0, 0)
/** What has not come by then is taken for lost. */
const lateMs = 30_000
/** Joins in flight at once. */
const joining = 50

/** What a replica speaks over. */
export interface Line {
  /** Called with the code with which the far end closes it. */
  onClosed: (code: number) => void
  /** In one write. */
  sendBytes(...messages: readonly Uint8Array[]): void
  close(): Promise<void>
}

/** What a room is made of; the first `writers` of its replicas write, and one more reads at least. */
export interface RoomOptions {
  readonly room: string
  readonly replicas: number
  readonly writers: number
  readonly speech: Speech
  /** Where the last replica connects, if not where the others do. */
  readonly lastPort?: number
  /** Opens the line of the replica with this number, if it is not to be a socket of its own. */
  readonly open?: (replica: number, heard: Heard) => Promise<Line>
}

export class RoomLoad {
  readonly #options: RoomOptions
  readonly #prefix: Buffer
  readonly #sockets: Line[] = []
  readonly #writers: Writer[] = []
  /** What the last replica has. */
  readonly #seen = new Y.Doc()
  /** When changes were sent that it has not, by client. */
  readonly #underway = new Map<number, { readonly clock: number; readonly at: number }[]>()
  #answered = 0
  #changed: () => void = () => {}
  #failure: Error | undefined
  /** Changes sent, since the last `reset`. */
  sent = 0
  /** Messages with changes that its replicas got since then. */
  messages = 0
  /** How long changes took to the last replica, in ms, since then. */
  latencies: number[] = []

  private constructor(options: RoomOptions) {
    this.#options = options
    this.#prefix = Buffer.from(options.speech.prefix(options.room))
  }

  /** Resolves when all replicas are told that they are synced. */
  static async open(port: number, options: RoomOptions): Promise<RoomLoad> {
    const load = new RoomLoad(options)
    const others = options.replicas - 1
    for (let first = 0; first < others; first += joining) {
      const count = Math.min(joining, others - first)
      const some = Array.from({ length: count }, (_, index) => load.#join(port, first + index))
      const opened = await Promise.all(some)
      load.#sockets.push(...opened)
    }
    load.#sockets.push(await load.#join(options.lastPort ?? port, others))
    await load.#until(() => load.#answered >= options.replicas)
    for (let each = 0; each < options.writers; each += 1) load.#writers.push(new Writer(each + 1))
    return load
  }

  reset(): void {
    this.sent = 0
    this.messages = 0
    this.latencies = []
  }

  /** One writer sends `changes` of some `bytes` in one write. */
  write(index: number, { changes, bytes }: { changes: number; bytes: number }): void {
    const writer = this.#writers[index]
    if (writer === undefined) throw new Error("never: there are so many writers")
    const frames: Buffer[] = []
    const at = performance.now()
    const underway = this.#underway.get(writer.client) ?? []
    this.#underway.set(writer.client, underway)
    for (let each = 0; each < changes; each += 1) {
      frames.push(this.#framed(writer.next(bytes)))
      underway.push({ clock: writer.clock, at })
    }
    this.#sockets[index]?.sendBytes(...frames)
    this.sent += changes
  }

  /** Resolves when the last replica has all that was written; rejects after half a minute, and when one was closed. */
  settled(): Promise<void> {
    return this.#until(() => [...this.#underway.values()].every(({ length }) => length === 0))
  }

  async close(): Promise<void> {
    await Promise.all(this.#sockets.map((socket) => socket.close()))
  }

  async #join(port: number, replica: number): Promise<Line> {
    const { room, replicas, speech } = this.#options
    const { hello } = speech
    const path = speech.path(room)
    // A question may come along with the answer to the handshake.
    const heard: Heard = (buffer, start, end) => {
      const at = start + this.#prefix.length
      // Type 0 is sync; what follows is 0, 1 or 2: a question, its answer, a change.
      if (buffer[at] !== 0) return
      const kind = buffer[at + 1]
      if (kind === 0) {
        void opened.then((open) => open.sendBytes(this.#framed(emptyStep2)))
        return
      }
      if (kind === 2) this.messages += 1
      if (replica === replicas - 1) this.#read(buffer.subarray(at + 2, end))
      if (kind !== 1) return
      this.#answered += 1
      this.#changed()
    }
    const { open = () => LoadSocket.open({ port, path }, heard) } = this.#options
    const opened: Promise<Line> = open(replica, heard)
    const socket = await opened
    socket.onClosed = (code) => {
      this.#failure ??= new Error(`a replica of ${room} was closed with ${code}`)
      this.#changed()
    }
    if (hello !== undefined) socket.sendBytes(this.#framed(hello))
    socket.sendBytes(this.#framed(step1))
    return socket
  }

  #read(message: Uint8Array): void {
    Y.applyUpdate(this.#seen, decoding.readVarUint8Array(decoding.createDecoder(message)))
    const now = performance.now()
    for (const [client, underway] of this.#underway) {
      const clock = Y.getState(this.#seen.store, client)
      const arrived = underway.findIndex((change) => change.clock > clock)
      const changes = underway.splice(0, arrived < 0 ? underway.length : arrived)
      for (const { at } of changes) this.latencies.push(now - at)
    }
    this.#changed()
  }

  #framed(message: Uint8Array): Buffer {
    return Buffer.concat([this.#prefix, message])
  }

  async #until(isDone: () => boolean): Promise<void> {
    if (this.#failure !== undefined) throw this.#failure
    if (isDone()) return
    let timer: NodeJS.Timeout | undefined
    await new Promise<void>((resolve, reject) => {
      timer = setTimeout(() => reject(new Error(`${this.#options.room} stayed behind`)), lateMs)
      this.#changed = () => {
        if (this.#failure !== undefined) reject(this.#failure)
        else if (isDone()) resolve()
      }
    })
    this.#changed = () => {}
    clearTimeout(timer)
  }
}

/** Changes of one client, each an insert behind the one before: made as Yjs makes them. */
class Writer {
  readonly #doc = new Y.Doc()
  readonly #text = this.#doc.getText("text")
  #update: Uint8Array = new Uint8Array()

  constructor(client: number) {
    this.#doc.clientID = client
    this.#doc.on("update", (update: Uint8Array) => {
      this.#update = update
    })
  }

  get client(): number {
    return this.#doc.clientID
  }

  get clock(): number {
    return Y.getState(this.#doc.store, this.client)
  }

  /** A message with a change whose update has about `bytes`. */
  next(bytes: number): Uint8Array {
    this.#text.insert(this.#text.length, "x".repeat(Math.max(1, bytes - overhead)))
    const encoder = encoding.createEncoder()
    encoding.writeVarUint(encoder, 0)
    encoding.writeVarUint(encoder, 2)
    encoding.writeVarUint8Array(encoder, this.#update)
    return encoding.toUint8Array(encoder)
  }
}

/** What Yjs puts around the text of such a change. */
const overhead = 16
