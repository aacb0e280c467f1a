/**
 * A line to a server that speaks the Yjs dialect: one socket at a time, which comes back.
 *
 * What always holds: a socket that was given up is not heard any more; the first thing said on each
 * is what this replica has, so what was written while away is asked for by who lacks it; edits
 * count as unacknowledged until the relay has said that it accepted them.
 */
import type { CloseCode } from "../wire/error.ts"
import { type Token, tokenOf } from "./room-token.ts"
import { change, type Heard, notify, presence, question, readMessage } from "./yjs-messages.ts"
import type { Closing, Line, LineOwner } from "./yjs-parts.ts"

/** Without a word for so long a line counts as dead: the relay speaks every 10 s. */
const silenceMs = 30_000
/** How often that is looked at. */
const lookMs = 3_000
/** The first wait is twice that; it doubles with each try that fails. */
const backOffMs = 100
/** An update that changes nothing. */
const nothing = Uint8Array.of(0, 0)
const unauthenticated: CloseCode<"unauthenticated"> = 4401

/** What a line is made with. */
export interface LineOptions {
  /** The address, asked for each try. */
  url(): string
  readonly protocols: readonly string[]
  readonly token: Token | undefined
  readonly WebSocket: typeof WebSocket
  longestWaitMs(): number
}

export class YjsLine implements Line {
  readonly #options: LineOptions
  readonly #owner: LineOwner
  readonly #edits = new Edits()
  readonly #watch: ReturnType<typeof setInterval>
  #socket: WebSocket | undefined
  /** The try that is under way: also while its token is waited for, when there is no socket yet. */
  #attempt: object | undefined
  #timer: ReturnType<typeof setTimeout> | undefined
  #tries = 0
  #heardAt = 0
  #isOpen = false
  #isSynced = false
  #isViewer = false

  constructor(options: LineOptions, owner: LineOwner) {
    this.#options = options
    this.#owner = owner
    this.#watch = setInterval(() => this.#look(), lookMs)
  }

  get socket(): WebSocket | null {
    return this.#socket ?? null
  }

  get unacknowledged(): number {
    return this.#edits.count
  }

  open(): void {
    if (this.#attempt !== undefined) return
    clearTimeout(this.#timer)
    const attempt = {}
    this.#attempt = attempt
    this.#owner.connecting()
    const token = tokenOf(this.#options.token)
    if (!(token instanceof Promise)) return this.#dial(token)
    token.then(
      (known) => this.#attempt === attempt && this.#dial(known),
      (thrown: unknown) => {
        if (this.#attempt !== attempt) return
        this.#owner.failed(thrown instanceof Error ? thrown : new Error(String(thrown)))
        this.#lose("broken")
      },
    )
  }

  end(): void {
    if (this.#attempt !== undefined) this.#lose("given-up")
    clearTimeout(this.#timer)
  }

  destroy(): void {
    clearInterval(this.#watch)
  }

  update(update: Uint8Array): void {
    if (this.#send(change(update))) this.#edits.sent()
    else this.#edits.made()
    this.#owner.acknowledged()
  }

  presence(ids: number[]): void {
    if (this.#isOpen) this.#send(presence(this.#owner.replica, ids))
  }

  goodbye(): void {
    const { replica } = this.#owner
    this.#send(presence(replica, [replica.doc.clientID], new Map()))
  }

  resync(): void {
    this.#send(question(this.#owner.replica.doc))
  }

  #dial(token: string | undefined): void {
    const { url, protocols, WebSocket } = this.#options
    const bearer = token === undefined ? [] : [`bearer.${token}`]
    const socket = new WebSocket(withNotices(url()), [...protocols, ...bearer])
    this.#socket = socket
    socket.binaryType = "arraybuffer"
    // Each listener asks first whether this socket still counts: one that was given up may yet speak.
    socket.onopen = () => this.#socket === socket && this.#opened()
    socket.onmessage = ({ data }: { readonly data: unknown }) => {
      if (this.#socket !== socket) return
      this.#heardAt = Date.now()
      if (data instanceof ArrayBuffer) this.#hear(new Uint8Array(data))
    }
    socket.onerror = (event: Event) => this.#socket === socket && this.#owner.failed(event)
    socket.onclose = (event: CloseEvent) => this.#socket === socket && this.#lose(event)
  }

  #opened(): void {
    this.#isOpen = true
    this.#heardAt = Date.now()
    this.#owner.connected()
    const { doc, awareness } = this.#owner.replica
    this.#send(question(doc))
    if (awareness.getLocalState() !== null) this.presence([doc.clientID])
  }

  #hear(bytes: Uint8Array): void {
    try {
      this.#take(readMessage(bytes, this.#owner.replica, this.#owner.origin))
    } catch (thrown) {
      // What cannot be read is told and left; the next message may be good.
      this.#owner.failed(thrown instanceof Error ? thrown : new Error(String(thrown)))
    }
  }

  #take(heard: Heard): void {
    switch (heard.kind) {
      case "step1":
        this.#send(heard.answer)
        // Asked before it is answered itself: this is the question for what it wrote while away. An
        // answer is not acknowledged, but what is sent right after it is.
        if (!this.#isSynced && this.#edits.gather()) this.#send(change(nothing))
        return
      case "query":
        return void this.#send(heard.answer)
      case "step2":
        // What a viewer wrote is accepted by nobody.
        if (!this.#isSynced && !this.#isViewer) this.#edits.settled()
        this.#isSynced = true
        this.#tries = 0
        this.#owner.acknowledged()
        return this.#owner.synced()
      case "notice":
        return this.#notice(heard.notice)
      case "denied":
        return this.#owner.failed(new Error(heard.reason))
      case "update":
      case "awareness":
      case "unknown":
        return
    }
  }

  #notice(notice: { readonly kind?: unknown } & object): void {
    const { kind } = notice
    if (kind === "ack" && "count" in notice) {
      this.#edits.accepted(Number(notice.count))
      this.#owner.acknowledged()
    } else if (kind === "room" && "state" in notice) {
      const { state } = notice
      if (state === "open" || state === "waiting" || state === "outage" || state === "divergent") {
        this.#owner.stands(state)
      }
    } else if (kind === "seed" && "granted" in notice && notice.granted === true) {
      const decline = (): void => void this.#send(notify({ kind: "seed", declined: true }))
      if (this.#owner.seed() === "nothing") decline()
    } else if (kind === "role" && "role" in notice) {
      this.#isViewer = notice.role === "viewer"
    } else if (kind === "token") this.#renew()
  }

  /** The token ends soon: a newer one prolongs the stay, if there is a function that gives it. */
  #renew(): void {
    if (typeof this.#options.token !== "function") return
    const attempt = this.#attempt
    Promise.resolve(tokenOf(this.#options.token)).then(
      (token) => this.#attempt === attempt && this.#send(notify({ kind: "token", token })),
      // Without a newer one the relay closes at the end of this one, and the next try asks again.
      (thrown: unknown) =>
        this.#owner.failed(thrown instanceof Error ? thrown : new Error("token")),
    )
  }

  /** True when it was given to an open socket. */
  #send(frame: Uint8Array): boolean {
    const socket = this.#socket
    if (socket === undefined || socket.readyState !== socket.OPEN) return false
    // A Writer's result is in memory of its own, which the types of a socket ask for.
    socket.send(Uint8Array.from(frame))
    return true
  }

  #look(): void {
    if (this.#isOpen && Date.now() - this.#heardAt > silenceMs) this.#lose("broken")
  }

  /** "given-up" was asked for; all else may come back. */
  #lose(how: Closing | "given-up" | "broken"): void {
    const wasOpen = this.#isOpen
    const wasSynced = this.#isSynced
    this.#release()
    this.#tries += 1
    const closing = typeof how === "string" ? null : how
    this.#owner.lost(closing, wasOpen ? "connected" : "connecting")
    // Who was in and can get another token was away when the last one ended.
    const canRenew = wasSynced && typeof this.#options.token === "function"
    const isStale = closing?.code === unauthenticated && canRenew
    if (how === "given-up") return
    if (closing !== null && !isStale && !this.#owner.returns(closing)) {
      return this.#owner.closed(closing)
    }
    const longestMs = Math.min(2 ** this.#tries * backOffMs, this.#options.longestWaitMs())
    // Half of it by chance: a server that restarts does not meet all of its clients at once.
    const waitMs = longestMs * (0.5 + Math.random() / 2)
    this.#timer = setTimeout(() => this.open(), waitMs)
  }

  #release(): void {
    const socket = this.#socket
    this.#socket = undefined
    this.#attempt = undefined
    this.#isOpen = false
    this.#isSynced = false
    this.#edits.cut()
    if (socket === undefined) return
    socket.onopen = null
    socket.onmessage = null
    socket.onclose = null
    // In Node an error event without a listener ends the process.
    socket.onerror = () => {}
    socket.close()
  }
}

/** With the feature that says what was accepted, who may fill the room, and when a token ends. */
function withNotices(url: string): string {
  return `${url}${url.includes("?") ? "&" : "?"}features=notice`
}

/**
 * How many edits the relay has not accepted yet. Numbers only, so that a server that accepts
 * nothing costs no memory.
 */
class Edits {
  /** Made while there was no socket, or sent on one that is gone. */
  #unsent = 0
  /** Frames of this connection that are accepted one by one, and how many of them were. */
  #frames = 0
  #accepted = 0
  /** The frame that stands for all that was unsent, by its number. */
  #gathered: { readonly frame: number; readonly edits: number } | undefined

  get count(): number {
    const { frame, edits } = this.#gathered ?? { frame: 0, edits: 0 }
    const more = frame > this.#accepted ? edits - 1 : 0
    return this.#unsent + Math.max(0, this.#frames - this.#accepted) + more
  }

  made(): void {
    this.#unsent += 1
  }

  sent(): void {
    this.#frames += 1
  }

  /** All that was unsent is in one answer, and the next frame stands for it; false if there was nothing. */
  gather(): boolean {
    if (this.#unsent === 0 || this.#gathered !== undefined) return false
    this.#frames += 1
    this.#gathered = { frame: this.#frames, edits: this.#unsent }
    this.#unsent = 0
    return true
  }

  /** It is synced. If nobody asked for what it had, there is nobody who lacks it. */
  settled(): void {
    this.#unsent = 0
  }

  accepted(count: number): void {
    this.#accepted = count
  }

  cut(): void {
    this.#unsent = this.count
    this.#frames = 0
    this.#accepted = 0
    this.#gathered = undefined
  }
}
