/**
 * A line for an encrypted Yjs document: a raw room of the relay, all of whose bytes are sealed.
 *
 * What always holds: the document and its presence cross as sealed bytes only; what a replica lacks
 * is told by its vector, sealed as a version. Who is in the room is present: a state stays for as
 * long as its replica's line.
 */
import { applyAwarenessUpdate, removeAwarenessStates } from "y-protocols/awareness"
import * as Y from "yjs"
import { encodeRows } from "../wire/awareness.ts"
import { Room } from "./room.ts"
import type { RoomKey } from "./sealed.ts"
import type { Ending } from "./socket.ts"
import type { Line, LineOwner, Token } from "./yjs-parts.ts"

/** y-protocols forgets a state that was not renewed for 30 s. */
const renewMs = 10_000
/** "There is nothing in here": an encoded vector of no clients. */
const emptyVectorBytes = 1

/** What such a line is made with. */
export interface SealedOptions {
  /** The address of the server's Yjs rooms, as `wss://host/yjs`. */
  readonly serverUrl: string
  readonly room: string
  readonly key: RoomKey
  readonly token: Token | undefined
  readonly WebSocket: typeof WebSocket
  params(): Readonly<Record<string, string>>
}

/** What a replica shows of itself: the client of its document, and its state. */
interface Shown {
  readonly client: number
  readonly state: object
}

export class SealedLine implements Line {
  readonly socket = null
  readonly #options: SealedOptions
  readonly #owner: LineOwner
  readonly #url: string
  readonly #renewal: ReturnType<typeof setInterval>
  #room: Room | undefined
  #isConnected = false
  /** Whose state came from whom. */
  readonly #shown = new Map<string, Shown>()
  /** Edits that were made while there was no room to give them to. */
  #waiting = 0

  /** Throws TypeError where `serverUrl` is not the address of Yjs rooms. */
  constructor(options: SealedOptions, owner: LineOwner) {
    if (!/\/yjs$/.test(options.serverUrl)) {
      throw new TypeError("with a key the server's address ends in /yjs")
    }
    this.#options = options
    this.#owner = owner
    this.#url = options.serverUrl.replace(/yjs$/, "collab/") + encodeURIComponent(options.room)
    this.#renewal = setInterval(() => this.#renew(), renewMs)
  }

  get unacknowledged(): number {
    return this.#waiting + (this.#room?.unacknowledged ?? 0)
  }

  open(): void {
    if (this.#room !== undefined) return
    const { doc } = this.#owner.replica
    this.#owner.connecting()
    const token = this.#options.token ?? this.#options.params()["token"]
    const room = new Room(this.#url, this.#options.room, {
      ...(token === undefined ? {} : { token }),
      key: this.#options.key,
      WebSocket: this.#options.WebSocket,
      hasSnapshot: Y.encodeStateVector(doc).length > emptyVectorBytes,
      receive: (update) => Y.applyUpdate(doc, update, this.#owner.origin),
      snapshot: (version) => Y.encodeStateAsUpdate(doc, version),
      version: () => Y.encodeStateVector(doc),
      seed: () => {
        // What it puts in is told by the document, as every change is.
        this.#owner.seed()
        return undefined
      },
    })
    this.#room = room
    room.on("state", (state) => room === this.#room && this.#stand(state))
    room.on("others", (others) => room === this.#room && this.#look(others))
    room.on("acknowledged", () => this.#owner.acknowledged())
    room.on("closed", (ending) => room === this.#room && this.#lost(ending))
    room.on("fault", (error) => this.#owner.failed(error))
    this.#show()
  }

  end(): void {
    const room = this.#room
    if (room === undefined) return
    this.#waiting += room.unacknowledged
    this.#room = undefined
    room.close()
    this.#part(null)
  }

  destroy(): void {
    clearInterval(this.#renewal)
  }

  update(update: Uint8Array): void {
    if (this.#room === undefined) this.#waiting += 1
    else this.#room.send(update)
    this.#owner.acknowledged()
  }

  presence(ids: number[]): void {
    if (ids.includes(this.#owner.replica.doc.clientID)) this.#show()
  }

  goodbye(): void {
    this.#room?.present(null)
  }

  /** What was missed is asked for at each return, and the relay skips nothing in between. */
  resync(): void {}

  #show(): void {
    const { awareness, doc } = this.#owner.replica
    const state = awareness.getLocalState()
    this.#room?.present(state === null ? null : { client: doc.clientID, state })
  }

  #stand(state: Room["state"]): void {
    switch (state) {
      case "waiting":
        this.#isConnected = true
        this.#owner.connected()
        return this.#owner.stands("waiting")
      case "open":
        // What was written before is in the content, which the others are given.
        this.#waiting = 0
        this.#owner.acknowledged()
        return this.#owner.synced()
      case "connecting":
      case "closed":
        return
    }
  }

  #lost({ code, sentence, comesBack }: Ending): void {
    const closing = { code, reason: sentence }
    this.#part(closing)
    if (!comesBack || !this.#owner.returns(closing)) {
      const room = this.#room
      this.#room = undefined
      room?.close()
      this.#owner.closed(closing)
    } else this.#owner.connecting()
  }

  #part(closing: { readonly code: number; readonly reason: string } | null): void {
    this.#shown.clear()
    const from = this.#isConnected ? "connected" : "connecting"
    this.#isConnected = false
    this.#owner.lost(closing, from)
  }

  #look(others: ReadonlyMap<string, unknown>): void {
    for (const [name, { client }] of this.#shown) {
      if (shownOf(others.get(name))?.client === client) continue
      this.#shown.delete(name)
      const { replica, origin } = this.#owner
      removeAwarenessStates(replica.awareness, [client], origin)
    }
    for (const [name, value] of others) {
      const shown = shownOf(value)
      if (shown === undefined || shown.state === this.#shown.get(name)?.state) continue
      this.#shown.set(name, shown)
      this.#apply(shown)
    }
  }

  #renew(): void {
    for (const shown of this.#shown.values()) this.#apply(shown)
  }

  /** With a clock above the last, so that it counts also for one that was here before. */
  #apply({ client, state }: Shown): void {
    const { replica, origin } = this.#owner
    const { awareness, doc } = replica
    if (client === doc.clientID) return
    const clock = (awareness.meta.get(client)?.clock ?? 0) + 1
    const rows = encodeRows([{ id: client, clock, state: JSON.stringify(state) }])
    applyAwarenessUpdate(awareness, rows, origin)
  }
}

/** What another replica shows, if it is what this file writes. */
function shownOf(value: unknown): Shown | undefined {
  if (typeof value !== "object" || value === null) return undefined
  if (!("client" in value && "state" in value)) return undefined
  const { client, state } = value
  if (typeof client !== "number" || !Number.isSafeInteger(client) || client < 0) return undefined
  if (typeof state !== "object" || state === null) return undefined
  return { client, state }
}
