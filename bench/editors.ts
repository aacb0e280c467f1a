/**
 * One document and its editors, many and cheap: they know revisions and lengths, and not the text.
 *
 * What a message holds is found out once for all who get the same one, by where it starts and how
 * long it is. What always holds: nobody waits for more than half a minute; and a load in which an
 * editor heard what it should not have is worth nothing, and says so.
 */
import { Editor, type HistoryShape } from "./editor.ts"
import { PeerEditor } from "./peer-editor.ts"
import type { LoadSocket } from "./socket.ts"
import type { DocumentsKind } from "./target.ts"

/** Where a room is opened: a server that listens on this host, and how to ask it for a text. */
export interface Place {
  readonly kind: DocumentsKind
  readonly port: number
  text(id: string): Promise<string>
}

export interface RoomOptions {
  readonly id: string
  readonly editors: number
  /** What the document holds before the load begins. No astral characters. */
  readonly text: string
  /** Without it they are extended ones. */
  readonly shape?: "plain"
  /** So many keep all they hear. */
  readonly mirrors?: number
}

/** A change of one place. */
export interface Change {
  readonly place: number
  readonly deleted: number
  readonly inserted: string
  /** The revision it is for, and the length of the text there, if not those its editor has heard. */
  readonly at?: { readonly revision: number; readonly length: number }
}

/** An editor in a room, whatever its server speaks. */
export interface Member {
  /** Up to which it has heard everything. */
  revision: number
  /** Its user id. */
  readonly id: number
  readonly socket: LoadSocket
  /** What it shows; undefined for one that keeps nothing. Throws when what it heard does not fit. */
  readonly text: string | undefined
  /** Connects and joins. */
  open(): Promise<void>
  /** The message that makes the document with `text` in it; undefined if that needs none. */
  begin(text: string): string | undefined
  /** The message that makes `change`, noted as sent now. */
  edit(change: Change): string
  /** The message that makes `operation`, as JSON without its brackets, noted as sent now. */
  message(revision: number, operation: string): string
  /** Begins anew to count what it hears of each author. */
  forgetCounts(): void
  send(...messages: readonly string[]): void
}

/** Joins in flight at once. */
const joining = 50
/** What has not come by then is taken for lost. */
const lateMs = 30_000
/** Messages whose content is remembered: all that can be on their way to somebody. */
const knownLimit = 10_000

const historyStart = '{"History":{"start":'.length

/** What a History message holds: the revision it leads to, and whose its operations are. */
interface Known {
  readonly end: number
  readonly authors: readonly number[]
}

/** One document and its editors. */
export class Room {
  readonly target: Place
  readonly options: RoomOptions
  readonly editors: Member[] = []
  /** The revision that the first of them has heard. */
  revision = 0
  /** Edits that have reached editors: each counts once for each editor. */
  deliveries = 0
  /** Messages that carried them. */
  messages = 0
  /** How long edits took to reach the sampled editors, in ms. */
  latencies: number[] = []
  /** Called whenever one of them has heard something. */
  onHeard: () => void = done
  /** Why the load is worthless, if it is. */
  #failure: Error | undefined
  /** When each editor sent its edits, by user id. */
  readonly sentAt = new Map<number, number[]>()
  readonly #lengths: number[] = [0]
  readonly #known = new Map<number, Known>()
  #goal = 0
  #behind = 0
  #reached: () => void = done
  #failed: (error: Error) => void = done

  private constructor(target: Place, options: RoomOptions) {
    this.target = target
    this.options = options
  }

  /** Makes the document and lets all editors in, the writer of its text first. */
  static async open(target: Place, options: RoomOptions): Promise<Room> {
    const room = new Room(target, options)
    await room.#join(0)
    const [writer] = room.editors
    const begun = writer?.begin(options.text)
    if (begun !== undefined) {
      writer?.send(begun)
      await room.reach(1)
    }
    for (let first = 1; first < options.editors; first += joining) {
      const count = Math.min(joining, options.editors - first)
      await Promise.all(Array.from({ length: count }, (_, index) => room.#join(first + index)))
    }
    await room.reach(room.revision)
    // From here on everybody hears every edit, so the times of sending can be counted off.
    room.sentAt.clear()
    for (const editor of room.editors) editor.forgetCounts()
    room.reset()
    return room
  }

  /** Forgets what was counted so far. */
  reset(): void {
    this.deliveries = 0
    this.messages = 0
    this.latencies = []
  }

  /** The load is worthless: whoever waits, or comes to wait, is told why. */
  fail(why: string): void {
    this.#failure ??= new Error(why)
    this.#failed(this.#failure)
  }

  /** Bytes that all its editors have read. */
  get bytes(): number {
    return this.editors.reduce((sum, { socket }) => sum + socket.bytes, 0)
  }

  /** The length of the text at a revision that somebody has heard. */
  lengthAt(revision: number): number {
    if (this.target.kind === "floor") return this.options.text.length
    return this.#lengths[revision] ?? 0
  }

  /**
   * Resolves once all editors have heard everything up to `goal`; one goal at a time. Rejects when
   * the load has failed, and when this takes half a minute.
   */
  async reach(goal: number): Promise<void> {
    if (this.#failure !== undefined) throw this.#failure
    let timer: NodeJS.Timeout | undefined
    const reached = new Promise<void>((resolve) => {
      this.#goal = goal
      this.#behind = this.editors.filter(({ revision }) => revision < goal).length
      this.#reached = resolve
      if (this.#behind === 0) resolve()
    })
    const late = new Promise<never>((_, reject) => {
      this.#failed = reject
      timer = setTimeout(() => reject(new Error(`revision ${goal} did not come`)), lateMs)
    })
    await Promise.race([reached, late])
    clearTimeout(timer)
  }

  /** Rejects if the server's text, or that of a mirror, is not what all of them should have. */
  async compare(): Promise<void> {
    if (this.#failure !== undefined) throw this.#failure
    if (this.target.kind === "floor") return
    const text = await this.target.text(this.options.id)
    for (const { revision, text: shown } of this.editors) {
      if (revision !== this.revision) throw new Error("an editor stayed behind")
      if (shown !== undefined && shown !== text) {
        throw new Error("the texts of server and editors differ")
      }
    }
  }

  async close(): Promise<void> {
    await Promise.all(this.editors.map(({ socket }) => socket.close()))
  }

  /** What a message holds; the first one to get it reads it for all. */
  read(
    buffer: Buffer,
    start: number,
    end: number,
  ): { readonly start: number; readonly known: Known } {
    let first = 0
    let at = start + historyStart
    for (let digit = buffer[at] ?? 0; digit >= 0x30 && digit <= 0x39; digit = buffer[at] ?? 0) {
      first = first * 10 + digit - 0x30
      at += 1
    }
    // Operations that follow one revision are always the same, so their length tells how many.
    const key = first * 2 ** 22 + (end - start)
    const known = this.#known.get(key) ?? this.#learn(buffer.toString("utf8", start, end))
    if (this.#known.size > knownLimit) this.#known.clear()
    this.#known.set(key, known)
    return { start: first, known }
  }

  /** The editor `author` sends an edit now. */
  sent(author: number): void {
    const times = this.sentAt.get(author) ?? []
    if (times.length === 0) this.sentAt.set(author, times)
    times.push(performance.now())
  }

  /** Whether `lengthAt` knows it. */
  knowsLength(revision: number): boolean {
    return this.#lengths[revision] !== undefined
  }

  /** The edit that follows `revision` makes the text so much longer. */
  learn(revision: number, growth: number): void {
    this.#lengths[revision + 1] ??= this.lengthAt(revision) + growth
  }

  /** `editor` has heard everything up to `revision`. */
  heard(editor: Member, revision: number): void {
    this.messages += 1
    this.deliveries += revision - editor.revision
    const wasBehind = editor.revision < this.#goal
    editor.revision = revision
    if (revision > this.revision) this.revision = revision
    this.onHeard()
    if (!wasBehind || revision < this.#goal) return
    this.#behind -= 1
    if (this.#behind === 0) this.#reached()
  }

  #learn(text: string): Known {
    const { start, operations } = (JSON.parse(text) as HistoryShape).History // our own server's
    let length = this.lengthAt(start)
    for (const [index, { operation }] of operations.entries()) {
      for (const component of operation) {
        if (typeof component === "string") length += component.length
        else if (component < 0) length += component
      }
      this.#lengths[start + index + 1] = length
    }
    return { end: start + operations.length, authors: operations.map(({ id }) => id) }
  }

  async #join(index: number): Promise<void> {
    const { kind } = this.target
    const isOurs = kind === "quartet" || kind === "floor"
    const editor = isOurs ? new Editor(this, index) : new PeerEditor(this, index, kind)
    await editor.open()
    this.editors.push(editor)
  }
}

function done(): void {}
