/**
 * A Yjs document on a relay, with the interface of y-websocket's class, so that an import can be
 * swapped. Home of `yjs` and `y-protocols`, with the files yjs-*.ts; `quartet/client/yjs`.
 *
 * What always holds: what was written here and is not with others yet is given to them after each
 * return; changes from others are applied with this object as their origin, and no others are.
 * With a key, what leaves this process for the server is sealed.
 */
import { ObservableV2 } from "lib0/observable"
import { Awareness, removeAwarenessStates } from "y-protocols/awareness"
import type * as Y from "yjs"
import type { RoomKey } from "./sealed.ts"
import { YjsLine } from "./yjs-line.ts"
import { change, presence, type Replica } from "./yjs-messages.ts"
import type { Closing, Line, LineOwner, Token } from "./yjs-parts.ts"
import { SealedLine } from "./yjs-sealed.ts"
import { Tabs } from "./yjs-tabs.ts"

/** Longest wait before a return, in ms: what y-websocket has. */
const defaultBackOffMs = 2_500

/**
 * "connecting" until it has what the others had; "waiting" where others have the document and none
 * has answered yet; "outage" while other servers are out of reach; "divergent" where it brought a
 * history of its own into the room; "closed" when it does not come back by itself.
 */
export type LineState = "connecting" | "waiting" | "open" | "outage" | "divergent" | "closed"

/** What can be listened to. All but the last two are y-websocket's. */
export type WebsocketEvents = {
  status(event: { status: "connecting" | "connected" | "disconnected" }): void
  sync(isSynced: boolean): void
  synced(isSynced: boolean): void
  /** null where this side closed. */
  "connection-close"(closing: Closing | null, line: WebsocketProvider): void
  "connection-error"(error: Event | Error, line: WebsocketProvider): void
  /** The server said not to come back. */
  closed(closing: { code: number; reason: string }, line: WebsocketProvider): void
  state(state: LineState): void
  /** So many edits are not accepted yet. */
  unacknowledged(count: number): void
}

/** All are optional. Those from `token` on are ours. */
export interface WebsocketOptions {
  /** Whether to connect at once. */
  readonly connect?: boolean
  readonly awareness?: Awareness
  /** Put into the address, anew for each try. */
  readonly params?: Record<string, string>
  readonly protocols?: string[]
  /** Another class of WebSocket. */
  readonly WebSocketPolyfill?: typeof WebSocket
  /** Asks for what may have been missed each so many ms; it is missing nothing by itself. */
  readonly resyncInterval?: number
  /** Longest wait before a return, in ms. Not with `key`. */
  readonly maxBackoffTime?: number
  /** Without the channel between tabs of one browser. */
  readonly disableBc?: boolean
  /** By default all closings are come back from but 4400 to 4499. */
  readonly shouldReconnect?: (closing: Closing, line: WebsocketProvider) => boolean
  readonly token?: Token
  /** Fills the document of a new room. It is called on exactly one replica. */
  readonly seed?: (doc: Y.Doc) => void
  /** Encrypts all content and presence; all replicas of the room need it. */
  readonly key?: RoomKey
}

// The interface is theirs: an observable with these names.
export class WebsocketProvider extends ObservableV2<WebsocketEvents> {
  readonly doc: Y.Doc
  readonly awareness: Awareness
  readonly roomname: string
  readonly serverUrl: string
  readonly bcChannel: string
  readonly protocols: string[]
  /** May be changed; the next try takes what it is then. */
  params: Record<string, string>
  maxBackoffTime: number
  shouldReconnect: (closing: Closing, line: WebsocketProvider) => boolean
  shouldConnect: boolean
  disableBc: boolean
  wsconnected = false
  wsconnecting = false
  readonly #seed: ((doc: Y.Doc) => void) | undefined
  readonly #line: Line
  readonly #tabs: Tabs
  readonly #resync: ReturnType<typeof setInterval> | undefined
  #state: LineState = "connecting"
  #isSynced = false
  #told = 0

  /**
   * `serverUrl` is the server's, as `wss://host/yjs`. Throws TypeError for options that `key` does
   * not go with.
   */
  constructor(serverUrl: string, roomname: string, doc: Y.Doc, options: WebsocketOptions = {}) {
    super()
    this.doc = doc
    this.roomname = roomname
    this.serverUrl = serverUrl.replace(/\/+$/, "")
    this.bcChannel = `${this.serverUrl}/${roomname}`
    this.awareness = options.awareness ?? new Awareness(doc)
    this.protocols = options.protocols ?? []
    this.params = options.params ?? {}
    this.maxBackoffTime = options.maxBackoffTime ?? defaultBackOffMs
    this.shouldReconnect = options.shouldReconnect ?? returns
    this.disableBc = options.disableBc ?? false
    this.shouldConnect = options.connect ?? true
    this.#seed = options.seed
    const replica = { doc, awareness: this.awareness }
    this.#tabs = new Tabs(this.bcChannel, replica, this)
    this.#line = this.#lineOf(options, replica)
    doc.on("update", this.#onUpdate)
    this.awareness.on("update", this.#onAwareness)
    const { resyncInterval = 0 } = options
    if (resyncInterval > 0) this.#resync = setInterval(() => this.#line.resync(), resyncInterval)
    if (this.shouldConnect) this.connect()
  }

  /** The address, with `params` as they are now. */
  get url(): string {
    const params = Object.entries(this.params).map(
      ([name, value]) => `${encodeURIComponent(name)}=${encodeURIComponent(value)}`,
    )
    return `${this.bcChannel}${params.length === 0 ? "" : `?${params.join("&")}`}`
  }

  /** It has had what the others had, on this connection. */
  get synced(): boolean {
    return this.#isSynced
  }

  get bcconnected(): boolean {
    return this.#tabs.isOpen
  }

  /** The socket, for who must look; null without one, and with a key. */
  get ws(): WebSocket | null {
    return this.#line.socket
  }

  get state(): LineState {
    return this.#state
  }

  /** Edits made here that the relay has not accepted yet. A server that says nothing of it leaves them counted. */
  get unacknowledged(): number {
    return this.#line.unacknowledged
  }

  connect(): void {
    this.shouldConnect = true
    if (this.wsconnected || this.wsconnecting) return
    if (!this.disableBc) this.#tabs.open()
    this.#line.open()
  }

  disconnect(): void {
    this.shouldConnect = false
    this.#line.goodbye()
    this.#tabs.close()
    this.#line.end()
    this.#stand("closed")
  }

  override destroy(): void {
    clearInterval(this.#resync)
    this.disconnect()
    this.#line.destroy()
    this.doc.off("update", this.#onUpdate)
    this.awareness.off("update", this.#onAwareness)
    super.destroy()
  }

  readonly #onUpdate = (update: Uint8Array, origin: unknown): void => {
    if (origin === this) return
    this.#line.update(update)
    this.#tabs.say(change(update))
  }

  readonly #onAwareness = (
    { added, updated, removed }: Record<"added" | "updated" | "removed", number[]>,
    origin: unknown,
  ): void => {
    // What came over the line is not sent back: the relay has told everybody.
    if (origin === this) return
    const ids = [...added, ...updated, ...removed]
    this.#line.presence(ids)
    this.#tabs.say(presence({ doc: this.doc, awareness: this.awareness }, ids))
  }

  #lineOf(options: WebsocketOptions, replica: Replica): Line {
    const { token, key, WebSocketPolyfill: Socket = WebSocket } = options
    const owner = this.#owner(replica)
    if (key !== undefined) {
      if (this.protocols.length > 0) throw new TypeError("with a key there are no protocols")
      const params = () => this.params
      const { serverUrl, roomname: room } = this
      return new SealedLine({ serverUrl, room, key, token, WebSocket: Socket, params }, owner)
    }
    return new YjsLine(
      {
        url: () => this.url,
        protocols: this.protocols,
        token,
        WebSocket: Socket,
        longestWaitMs: () => this.maxBackoffTime,
      },
      owner,
    )
  }

  #owner(replica: Replica): LineOwner {
    return {
      replica,
      origin: this,
      connecting: () => {
        this.wsconnecting = true
        this.#stand("connecting")
        this.emit("status", [{ status: "connecting" }])
      },
      connected: () => {
        this.wsconnecting = false
        this.wsconnected = true
        this.emit("status", [{ status: "connected" }])
      },
      lost: (closing, from) => this.#lost(closing, from),
      returns: (closing) => this.shouldReconnect(closing, this),
      closed: ({ code, reason }) => {
        this.shouldConnect = false
        this.#stand("closed")
        this.emit("closed", [{ code, reason }, this])
      },
      failed: (error) => this.emit("connection-error", [error, this]),
      synced: () => {
        this.#sync(true)
        if (this.#state !== "divergent") this.#stand("open")
      },
      stands: (state) => this.#stand(state),
      acknowledged: () => {
        const count = this.unacknowledged
        if (count === this.#told) return
        this.#told = count
        this.emit("unacknowledged", [count])
      },
      seed: () => this.#fill(),
    }
  }

  #lost(closing: Closing | null, from: "connecting" | "connected"): void {
    this.emit("connection-close", [closing, this])
    this.wsconnecting = false
    if (from === "connecting") return
    this.wsconnected = false
    this.#stand(this.shouldConnect ? "connecting" : "closed")
    this.#sync(false)
    const others = [...this.awareness.getStates().keys()].filter((id) => id !== this.doc.clientID)
    removeAwarenessStates(this.awareness, others, this)
    this.emit("status", [{ status: "disconnected" }])
  }

  #fill(): "something" | "nothing" | "not-asked" {
    if (this.#seed === undefined) return "not-asked"
    let filled: "something" | "nothing" = "nothing"
    const look = (): void => {
      filled = "something"
    }
    this.doc.on("update", look)
    this.#seed(this.doc)
    this.doc.off("update", look)
    return filled
  }

  #sync(isSynced: boolean): void {
    if (this.#isSynced === isSynced) return
    this.#isSynced = isSynced
    this.emit("synced", [isSynced])
    this.emit("sync", [isSynced])
  }

  #stand(state: LineState): void {
    // A room that it diverged from is open, too.
    if (this.#state === state || (this.#state === "divergent" && state === "open")) return
    this.#state = state
    this.emit("state", [state])
  }
}

/** As y-websocket has it: the server's word that coming back is no use, and nothing else. */
function returns({ code }: Closing): boolean {
  return !(code >= 4400 && code <= 4499)
}
