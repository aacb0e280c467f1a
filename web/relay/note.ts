/**
 * One replica of a note: its Yjs document, its line to the relay, and what the page shows of both.
 *
 * What always holds: what was typed stays in the document whatever becomes of the line; the token
 * is kept in memory only; tabs of one browser meet through the relay, as strangers do.
 */
import * as Y from "yjs"
import { RoomKey } from "../../src/client/sealed.ts"
import { WebsocketProvider } from "../../src/client/yjs.ts"
import { announce } from "../announcer.tsx"
import { Cell } from "../cell.ts"
import type { Line } from "../desk.ts"
import type { Self } from "../preferences.ts"
import { selfIn } from "./fields.ts"
import { Frames } from "./frames.ts"
import type { NoteAddress } from "./place.ts"
import { standingOf } from "./standing.ts"

/** Edits that are on their way for less than this are not worth a word. */
const momentMs = 1_000

/** The name of the text in the document: whoever wants to join in must know it. */
export const textName = "note"

/** Somebody in the room, as they show themselves. */
export interface Person extends Self {
  readonly id: number
  readonly isSelf: boolean
}

/** Why the server sent a replica away. */
export interface Refusal {
  readonly code: number
  readonly sentence: string
}

/** What a replica is made with. */
export interface NoteOptions {
  readonly address: NoteAddress
  readonly self: Self
  readonly token: string | undefined
  /** What the note begins with. Only for one that nobody else can have. */
  readonly begins: string
  /** Whether a screen reader is told who comes and goes here. */
  readonly tells: "others" | "nothing"
}

export class Note {
  readonly text: Y.Text
  readonly standing = new Cell<Line>({ tone: "busy", words: "Connecting" })
  readonly people = new Cell<readonly Person[]>([])
  readonly isAway = new Cell(false)
  /** Why it is closed for good; undefined while it is not. */
  readonly refusal = new Cell<Refusal | undefined>(undefined)
  readonly isEmpty = new Cell(true)
  readonly frames = new Frames()
  readonly #doc = new Y.Doc()
  readonly #options: NoteOptions
  #line: WebsocketProvider
  #hasBeenIn = false
  #isForeign = false
  #unsentSince: number | undefined
  #timer: ReturnType<typeof setTimeout> | undefined

  /** Throws RangeError for a key that is none. */
  constructor(options: NoteOptions) {
    this.#options = options
    this.text = this.#doc.getText(textName)
    this.text.observe(() => {
      this.isEmpty.value = this.text.length === 0
    })
    if (options.begins !== "") this.text.insert(0, options.begins)
    this.#line = this.#dial(options.token)
    this.#look()
  }

  get awareness(): WebsocketProvider["awareness"] {
    return this.#line.awareness
  }

  /** How others see this replica. */
  show({ name, hue }: Self): void {
    // What other editors on Yjs read: a colour they can paint with.
    const color = `hsl(${hue} 55% 45%)`
    this.awareness.setLocalStateField("user", { name, hue, color, colorLight: `${color}33` })
  }

  /** Cuts the line: what is typed meanwhile waits here. */
  leave(): void {
    this.isAway.value = true
    this.#line.disconnect()
    this.#look()
  }

  /** Connects again, and both sides' edits meet. */
  comeBack(): void {
    this.isAway.value = false
    this.#line.connect()
    this.#look()
  }

  /** Tries again with this token; what was typed stays. */
  admit(token: string | undefined): void {
    const { awareness } = this
    this.refusal.value = undefined
    this.#line.destroy()
    this.#line = this.#dial(token, awareness)
    this.#look()
  }

  destroy(): void {
    clearTimeout(this.#timer)
    this.#line.destroy()
    this.#line.awareness.destroy()
    this.#doc.destroy()
  }

  #dial(token: string | undefined, awareness?: WebsocketProvider["awareness"]): WebsocketProvider {
    const { address } = this.#options
    const key = address.key === undefined ? undefined : RoomKey.fromText(address.key)
    const line = new WebsocketProvider(serverUrl("yjs"), roomOf(address), this.#doc, {
      // Two replicas in one window, or one that is "away", must not meet behind the relay's back.
      disableBc: true,
      WebSocketPolyfill: this.frames.Line,
      connect: false,
      ...(awareness === undefined ? {} : { awareness }),
      ...(token === undefined ? {} : { token }),
      ...(key === undefined ? {} : { key }),
    })
    line.on("state", () => this.#look())
    line.on("unacknowledged", () => this.#look())
    line.on("synced", () => this.#look())
    line.on("connection-error", (error) => {
      // Of an encrypted room only: bytes of others that this key does not open.
      if (key !== undefined && error instanceof Error) this.#isForeign = true
      this.#look()
    })
    line.on("closed", ({ code, reason }) => {
      this.refusal.value = { code, sentence: reason }
      this.#look()
    })
    if (awareness === undefined) {
      line.awareness.on("change", () => this.#greet())
      line.awareness.on("update", () => this.#greet())
    }
    this.#line = line
    this.show(this.#options.self)
    line.connect()
    return line
  }

  #look(): void {
    clearTimeout(this.#timer)
    const { state, unacknowledged, synced } = this.#line
    if (synced) this.#hasBeenIn = true
    if (unacknowledged === 0) this.#unsentSince = undefined
    else this.#unsentSince ??= Date.now()
    const sinceMs = this.#unsentSince === undefined ? 0 : Date.now() - this.#unsentSince
    const standing = standingOf({
      state,
      isAway: this.isAway.value,
      hasBeenIn: this.#hasBeenIn,
      unacknowledged,
      isSlow: sinceMs >= momentMs,
      others: this.people.value.filter(({ isSelf }) => !isSelf).length,
      isForeign: this.#isForeign,
      reason: this.refusal.value?.sentence ?? "",
    })
    const before = this.standing.value
    if (before.words !== standing.words || before.tone !== standing.tone) {
      this.standing.value = standing
    }
    if (this.#unsentSince !== undefined && sinceMs < momentMs) {
      this.#timer = setTimeout(() => this.#look(), momentMs)
    }
  }

  #greet(): void {
    const before = this.people.value
    const people = peopleIn(this.awareness)
    if (JSON.stringify(before) === JSON.stringify(people)) return
    this.people.value = people
    this.#look()
    // Before it is in, and after its line is gone, nobody comes or goes: they are seen, or not.
    if (this.#options.tells === "nothing" || !this.#line.synced) return
    const known = new Set(before.map(({ id }) => id))
    for (const { id, name, isSelf } of people) {
      if (!isSelf && !known.delete(id)) announce(`note ${id}`, `${name} has come.`)
    }
    for (const { id, name, isSelf } of before) {
      if (!isSelf && known.has(id)) announce(`note ${id}`, `${name} has left.`)
    }
  }
}

/** The name of a note's room on the relay. */
export function roomOf({ name, key }: NoteAddress): string {
  // An open room's name is put into an address as it is; an encrypted one's is written by the SDK.
  return key === undefined ? `demo/${encodeURIComponent(name)}` : `demo/${name}`
}

/** The address of this server's WebSockets at `path`: it is where the page is. */
export function serverUrl(path: string): string {
  const url = new URL(`./${path}`, location.href)
  url.protocol = url.protocol.replace("http", "ws")
  url.hash = ""
  return url.href
}

/** Whoever shows themselves, the replica itself first, then by their ids. */
function peopleIn(awareness: WebsocketProvider["awareness"]): readonly Person[] {
  const own = awareness.clientID
  return [...awareness.getStates()]
    .map(([id, state]) => ({ ...selfIn(state, id), id, isSelf: id === own }))
    .sort((one, other) => Number(other.isSelf) - Number(one.isSelf) || one.id - other.id)
}
