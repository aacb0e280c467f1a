/**
 * A small world of editors for a long run: they type, move their carets, leave, come, lose their
 * line and come back, and programs read what they write. All of them are the SDK's.
 *
 * What always holds: `compare` ends the typing and compares texts only when nothing is on its way
 * any more, so that they must be the same. Texts stay between two lengths.
 */
import { once } from "node:events"
import { type AddressInfo, connect as connectTo, createServer, type Socket } from "node:net"
import { setTimeout as sleep } from "node:timers/promises"
import { connect, Operation, type SharedText } from "../src/client/client.ts"
import { codePointCount } from "../src/ot/codepoints.ts"
import type { Target } from "./target.ts"

/** How much of everything there is. */
export interface Size {
  readonly documents: number
  /** Of each document. */
  readonly editors: number
}

/** Things done so far. */
export interface Counts {
  edits: number
  carets: number
  leaves: number
  cuts: number
  reads: number
  visits: number
}

/** One of so many sits behind the line that is cut. */
const farShare = 5
const words = ["a", "the ", "quartet\n", "ä", "🎉", "two words ", "\n"]
/** Longer ones are shortened rather than lengthened. */
const longText = 8_000
/** Documents that somebody visits shortly, one after the other. */
const visited = 60
/** What has not settled by then never will. */
const settleMs = 60_000

interface Seat {
  readonly id: string
  readonly isFar: boolean
  text: SharedText
}

/** Documents with editors in them. */
export class SoakWorld {
  readonly counts: Counts = { edits: 0, carets: 0, leaves: 0, cuts: 0, reads: 0, visits: 0 }
  /** What editors were told that none should hear. */
  readonly complaints: string[] = []
  readonly #target: Target
  readonly #line: Line
  readonly #seats: Seat[] = []
  readonly #ids: readonly string[]
  /** Who was told to close. */
  readonly #leaving = new WeakSet<SharedText>()
  #isTyping = true
  #drawn = 0

  private constructor(target: Target, line: Line, { documents, editors }: Size) {
    this.#target = target
    this.#line = line
    this.#ids = Array.from({ length: documents }, (_, index) => `soak-${index}`)
    for (const id of this.#ids) {
      for (let seat = 0; seat < editors; seat += 1) {
        const isFar = this.#seats.length % farShare === 0
        this.#seats.push({ id, isFar, text: this.#open(id, isFar) })
      }
    }
  }

  static async open(target: Target, size: Size): Promise<SoakWorld> {
    return new SoakWorld(target, await Line.open(target.port), size)
  }

  /** Somebody types. */
  type(): void {
    const { text } = this.#any()
    if (!this.#isTyping || text.state === "closed" || text.state === "connecting") return
    const length = codePointCount(text.text)
    const place = Math.floor(Math.random() * (length + 1))
    const deleted = Math.min(length - place, length > longText ? 40 : Math.random() < 0.2 ? 1 : 0)
    const inserted = words[Math.floor(Math.random() * words.length)] ?? ""
    text.edit(Operation.from([place, inserted, -deleted, length - place - deleted]))
    this.counts.edits += 1
  }

  /** Somebody moves a caret. */
  point(): void {
    const { text } = this.#any()
    if (text.state !== "synchronized") return
    const at = Math.floor(Math.random() * codePointCount(text.text))
    text.setCursors({ cursors: [at], selections: [[at, at]] })
    this.counts.carets += 1
  }

  /** Somebody leaves, and somebody else comes. */
  async swap(): Promise<void> {
    if (!this.#isTyping) return
    const seat = this.#any()
    const { text } = seat
    seat.text = this.#open(seat.id, seat.isFar)
    this.counts.leaves += 1
    await this.#leave(text)
  }

  /** Lines break, and those behind them come back. */
  cut(): void {
    this.counts.cuts += this.#line.cut()
  }

  /** A program reads. */
  async read(): Promise<void> {
    const id = this.#ids[Math.floor(Math.random() * this.#ids.length)]
    await this.#target.text(id ?? "")
    this.counts.reads += 1
  }

  /** Somebody looks into a document that nobody has open, types a word and goes. */
  async visit(): Promise<void> {
    const id = `visited-${this.counts.visits % visited}`
    this.counts.visits += 1
    const text = this.#open(id, false)
    await settled([text])
    const length = codePointCount(text.text)
    if (length < longText) text.edit(Operation.from([length, "visited "]))
    else text.edit(Operation.from([-length]))
    await this.#leave(text)
  }

  /** Waits until all edits have come to everybody, and resolves with what is wrong. */
  async compare(): Promise<readonly string[]> {
    this.#isTyping = false
    const wrong: string[] = []
    for (const id of this.#ids) {
      const texts = this.#seats.filter((seat) => seat.id === id).map(({ text }) => text)
      if (!(await settled(texts))) wrong.push(`${id} does not settle`)
      const whole = await this.#target.text(id)
      const others = texts.filter(({ text }) => text !== whole).length
      if (others > 0) wrong.push(`${id}: ${others} of ${texts.length} editors have another text`)
    }
    this.#isTyping = true
    return wrong
  }

  async close(): Promise<void> {
    await Promise.all(this.#seats.map(({ text }) => this.#leave(text)))
    this.#line.close()
  }

  #leave(text: SharedText): Promise<void> {
    this.#leaving.add(text)
    return text.close()
  }

  #any(): Seat {
    const seat = this.#seats[Math.floor(Math.random() * this.#seats.length)]
    if (seat === undefined) throw new Error("never: there are seats")
    return seat
  }

  #open(id: string, isFar: boolean): SharedText {
    const port = isFar ? this.#line.port : this.#target.port
    this.#drawn += 1
    const person = { name: `editor ${this.#drawn}`, hue: this.#drawn % 360 }
    const text = connect(`http://127.0.0.1:${port}`, person).documents.open(id)
    text.on("lost", ({ why }) => this.complaints.push(`${id}: ${why}`))
    text.on("refused", ({ sentence }) => this.complaints.push(`${id}: ${sentence}`))
    text.on("emptied", () => this.complaints.push(`${id}: emptied`))
    text.on("closed", ({ comesBack, sentence }) => {
      if (!comesBack && !this.#leaving.has(text)) this.complaints.push(`${id}: closed, ${sentence}`)
    })
    return text
  }
}

// Whether all of them came to have nothing on its way, at one revision.
async function settled(texts: readonly SharedText[]): Promise<boolean> {
  const end = performance.now() + settleMs
  while (performance.now() < end) {
    for (const text of texts) text.hurry()
    const isQuiet = texts.every(({ state }) => state === "synchronized")
    if (isQuiet && new Set(texts.map(({ revision }) => revision)).size === 1) return true
    await sleep(20)
  }
  return false
}

/** A line to the server that can be cut. */
class Line {
  readonly port: number
  readonly #server: ReturnType<typeof createServer>
  readonly #sockets: Set<Socket>

  private constructor(server: ReturnType<typeof createServer>, sockets: Set<Socket>) {
    this.#server = server
    this.#sockets = sockets
    this.port = (server.address() as AddressInfo).port // it listens on a port
  }

  static async open(to: number): Promise<Line> {
    const sockets = new Set<Socket>()
    const server = createServer((near) => {
      const far = connectTo(to, "127.0.0.1")
      near.pipe(far).pipe(near)
      for (const socket of [near, far]) {
        socket.setNoDelay(true)
        socket.on("error", () => {}) // told by "close" as well
      }
      sockets.add(near)
      near.on("close", () => {
        sockets.delete(near)
        far.destroy()
      })
      far.on("close", () => near.destroy())
    })
    server.listen(0, "127.0.0.1")
    await once(server, "listening")
    return new Line(server, sockets)
  }

  /** Cuts one connection; returns how many that were. */
  cut(): number {
    const sockets = [...this.#sockets]
    const socket = sockets[Math.floor(Math.random() * sockets.length)]
    socket?.destroy()
    return socket === undefined ? 0 : 1
  }

  close(): void {
    this.#server.close()
    for (const socket of this.#sockets) socket.destroy()
  }
}
