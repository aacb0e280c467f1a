/**
 * A stay in a room on one line: what is said and heard on it, each in order, sealed and opened.
 *
 * What always holds: frames leave in the order in which they were said, and are heard in the order
 * in which they came, though sealing and opening take time; once the line is gone nothing of it is
 * heard any more, and nothing that was said for it leaves on another.
 */
import { type Frame, read, withBytes } from "./room-frames.ts"
import { Lane } from "./room-lane.ts"
import type { Parcel } from "./room-outbox.ts"
import { type Kind, type Sealing, toBase64 } from "./sealed.ts"
import type { Socket } from "./socket.ts"

/** More bytes than that wait to be opened: the line is given up, and what was missed asked for anew. */
const limitUnopened = 64 * 1024 * 1024

/** What a stay is made with. */
export interface StayParts {
  readonly docId: string
  readonly senderId: string
  readonly socket: Socket
  readonly sealing: Promise<Sealing>
  /** Whether this replica had content when it came. */
  readonly hadContent: boolean
}

/** What every frame of a head may say besides. */
export interface Head {
  readonly type: string
  readonly payload?: object
  readonly token?: string
  readonly ref?: number
}

export class Stay {
  readonly hadContent: boolean
  /** It gave content before it had been given what it lacks itself. */
  gaveEarly = false
  readonly #parts: StayParts
  readonly #heard = new Lane()
  readonly #said = new Lane()

  constructor(parts: StayParts) {
    this.#parts = parts
    this.hadContent = parts.hadContent
  }

  /** Nothing is heard any more. */
  get isOver(): boolean {
    return this.#heard.isOver
  }

  /** Says what has no content, in its turn. */
  say(head: Head): void {
    this.#said.add(() => this.#speak(head))
  }

  /** Says that it is here, and asks for the content. */
  join(payload: object, version: Uint8Array | undefined): void {
    this.#said.add(async () => {
      const { isSealed } = await this.#parts.sealing
      const known = await this.#sealed(version)
      this.#speak({ type: "JOIN", payload: { ...payload, sealed: isSealed, ...known } })
      this.#speak({ type: "SNAPSHOT_REQUEST", payload: known })
    })
  }

  update({ ref, bytes }: Parcel): void {
    this.#said.add(async () => {
      const { seal } = await this.#parts.sealing
      this.#speak({ type: "CRDT_UPDATE", ref }, await seal("update", bytes))
    })
  }

  /** Gives the content to who asked for it under that name. */
  answer(requestId: unknown, content: Uint8Array, version: Uint8Array | undefined): void {
    this.#said.add(async () => {
      const { seal } = await this.#parts.sealing
      const payload = { requestId, ...(await this.#sealed(version)) }
      this.#speak({ type: "SNAPSHOT_RESPONSE", payload }, await seal("snapshot", content))
    })
  }

  /** Shows something; nothing, an empty object, is not sealed. */
  show(payload: object): void {
    this.#said.add(async () => {
      const { isSealed, seal } = await this.#parts.sealing
      if (!isSealed || Object.keys(payload).length === 0) {
        return this.#speak({ type: "PRESENCE", payload })
      }
      const plain = new TextEncoder().encode(JSON.stringify(payload))
      const sealed = toBase64(await seal("presence", plain))
      this.#speak({ type: "PRESENCE", payload: { sealed } })
    })
  }

  /** Does `step` when all that was said has left. */
  afterwards(step: () => void): void {
    this.#said.add(step)
  }

  /** Hears a frame in its turn. */
  hear(frame: string | Uint8Array, take: (frame: Frame) => Promise<void> | void): void {
    if (this.#heard.bytes > limitUnopened) return this.#parts.socket.rejoin()
    this.#heard.add(() => {
      const said = read(frame)
      if (said !== undefined) return take(said)
    }, frame.length)
  }

  /** What was sealed as one of these; undefined for what does not open. */
  async open(kinds: readonly Kind[], sealed: Uint8Array): Promise<Uint8Array | undefined> {
    return (await this.#parts.sealing).open(kinds, sealed)
  }

  /** Nothing is heard any more; "now": what was said and has not left does not leave either. */
  end(when: "now" | "when-said"): void {
    this.#heard.end()
    if (when === "now") this.#said.end()
  }

  async #sealed(version: Uint8Array | undefined): Promise<{ readonly version?: string }> {
    if (version === undefined) return {}
    const { seal } = await this.#parts.sealing
    return { version: toBase64(await seal("version", version)) }
  }

  #speak(head: Head, bytes?: Uint8Array): void {
    if (this.#said.isOver) return
    const { docId, senderId, socket } = this.#parts
    const frame = { ...head, docId, senderId, ts: Date.now() }
    socket.send(bytes === undefined ? JSON.stringify(frame) : withBytes(frame, bytes))
  }
}
