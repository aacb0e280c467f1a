/**
 * Tabs of one browser, or replicas of one process, that talk to each other without a server. The
 * channel and what is said on it are those of y-websocket, so tabs of an old and a new build meet.
 */
import { publish, subscribe, unsubscribe } from "lib0/broadcastchannel"
import { content, presence, query, question, type Replica, readMessage } from "./yjs-messages.ts"

export class Tabs {
  readonly #channel: string
  readonly #replica: Replica
  readonly #origin: object
  #isOpen = false

  /** `origin` is what changes that come from another tab are applied with. */
  constructor(channel: string, replica: Replica, origin: object) {
    this.#channel = channel
    this.#replica = replica
    this.#origin = origin
  }

  get isOpen(): boolean {
    return this.#isOpen
  }

  /** Tells the others what is here, and asks what they have. */
  open(): void {
    if (!this.#isOpen) subscribe(this.#channel, this.#hear)
    this.#isOpen = true
    const { doc } = this.#replica
    for (const said of [question(doc), content(doc), query()]) this.say(said)
    this.say(presence(this.#replica, [doc.clientID]))
  }

  close(): void {
    if (!this.#isOpen) return
    this.say(presence(this.#replica, [this.#replica.doc.clientID], new Map()))
    unsubscribe(this.#channel, this.#hear)
    this.#isOpen = false
  }

  say(message: Uint8Array): void {
    if (this.#isOpen) publish(this.#channel, message, this.#origin)
  }

  readonly #hear = (data: ArrayBuffer | Uint8Array, from: unknown): void => {
    if (from === this.#origin) return
    try {
      const heard = readMessage(new Uint8Array(data), this.#replica, this.#origin)
      if ("answer" in heard) this.say(heard.answer)
    } catch {
      // Another build on this channel may say what this one cannot read; the server has it too.
    }
  }
}
