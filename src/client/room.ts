/**
 * One replica's place in a room of the relay, whatever its CRDT. It speaks LFCC with the features
 * `ack`, `seed` and `binary`.
 *
 * What always holds: what was sent is kept until the relay has acknowledged it, and sent again after
 * each return, so others may get a change twice, which a CRDT makes nothing of, but never not at
 * all; after each return it asks for what it missed. With a key nothing leaves unsealed but names,
 * sizes and times, and bytes that do not open are dropped.
 */
import type { Role } from "../wire/relay.ts"
import { drawClientKey } from "./client-key.ts"
import { Listeners } from "./listeners.ts"
import { bytesOf, type Frame, isSame } from "./room-frames.ts"
import { surface } from "./room-lane.ts"
import { Outbox } from "./room-outbox.ts"
import { Presence } from "./room-presence.ts"
import { Stay } from "./room-stay.ts"
import { isStale, Pass, type Token } from "./room-token.ts"
import { type Kind, type RoomKey, type Sealing, unsealed } from "./sealed.ts"
import { type Ending, Socket } from "./socket.ts"

const firstWaitMs = 200

/** How a replica comes into a room, and what it is asked for there. */
export interface RoomOptions {
  /** A JWT, or what gives one: asked at each return, and before the last one ends. */
  readonly token?: Token
  /** This replica's name to the others, 1 to 128 bytes. Drawn at random if it is not said. */
  readonly senderId?: string
  /** It has content from before, such as from a disk. */
  readonly hasSnapshot?: boolean
  /** Encrypts all that is said in the room; all replicas of the room need it. */
  readonly key?: RoomKey
  /** The class of its sockets, where it is to be another. */
  readonly WebSocket?: typeof WebSocket
  /** Takes in bytes of another replica: an update, a snapshot or a difference. They may come twice. */
  receive(update: Uint8Array, from: string): void
  /** All of the content or, for who has `version`, at least what that lacks. */
  snapshot(version?: Uint8Array): Uint8Array | Promise<Uint8Array>
  /** Which content this is, as bytes that `snapshot` of another replica understands. */
  version?(): Uint8Array
  /** Fills a new room, and gives that as an update. It is called on exactly one replica. */
  seed?(): Uint8Array | undefined | Promise<Uint8Array | undefined>
}

/**
 * "connecting" until it has joined; "waiting" until it has the content, or knows that there is
 * none; "closed" for good.
 */
export type RoomState = "connecting" | "waiting" | "open" | "closed"

/** What a room tells its listeners, by event. */
export interface RoomEvents {
  state(state: RoomState): void
  /** Somebody came, went, or shows something else. */
  others(others: ReadonlyMap<string, unknown>): void
  role(role: Role): void
  /** So many edits are not acknowledged yet. */
  acknowledged(left: number): void
  /** The line ended. With `comesBack` it is tried again by itself; without, the state is "closed". */
  closed(ending: Ending): void
  /** Bytes that do not open with this key; told once. */
  fault(error: Error): void
}

export class Room {
  readonly name: string
  readonly senderId: string
  readonly #url: string
  readonly #options: RoomOptions
  readonly #pass: Pass
  readonly #sealing: Promise<Sealing>
  readonly #listeners = new Listeners<RoomEvents>()
  readonly #outbox = new Outbox()
  readonly #presence: Presence
  #socket: Socket
  #stay: Stay | undefined
  #state: RoomState = "connecting"
  #role: Role | undefined
  #hasContent: boolean
  #hasFailed = false

  /** Opened by `client.relay.room`; `url` is the room's own. */
  constructor(url: string, name: string, options: RoomOptions) {
    this.name = name
    this.senderId = options.senderId ?? drawClientKey()
    this.#url = url
    this.#options = options
    this.#hasContent = options.hasSnapshot ?? false
    this.#pass = new Pass(options.token, (token) => {
      this.#stay?.say({ type: "AUTH", token })
      this.#takeRole()
    })
    this.#sealing = options.key?.forRoom(name) ?? Promise.resolve(unsealed)
    this.#sealing.catch((thrown: unknown) => this.#fail(thrown))
    this.#presence = new Presence({
      self: this.senderId,
      say: (payload) => this.#stay?.show(payload),
      changed: (others) => this.#listeners.tell("others", others),
    })
    this.#socket = this.#dial()
  }

  get state(): RoomState {
    return this.#state
  }

  /** What its token lets it do; undefined without one, until something was refused. */
  get role(): Role | undefined {
    return this.#role
  }

  /** Edits that are not acknowledged: not yet with every other replica that is connected. */
  get unacknowledged(): number {
    return this.#outbox.count
  }

  /** Who else is here by name, and what they show; null for nothing. */
  get others(): ReadonlyMap<string, unknown> {
    return this.#presence.others
  }

  /** Calls `listener` at every event of this name from now on; returns what undoes that. */
  on<Name extends keyof RoomEvents>(event: Name, listener: RoomEvents[Name]): () => void {
    return this.#listeners.on(event, listener)
  }

  /**
   * Gives an update to all others, now or after the next return. The bytes must not be changed
   * afterwards. Does nothing once the room is closed.
   */
  send(update: Uint8Array): void {
    if (this.#state === "closed") return
    this.#hasContent = true
    const parcel = this.#outbox.add(update)
    this.#stay?.update(parcel)
  }

  /** Shows something of this replica to the others, as JSON of at most 16 KiB; null for nothing. */
  present(state: object | null): void {
    if (this.#state !== "closed") this.#presence.present(state)
  }

  /** Leaves for good. What is unacknowledged then is sent, but not kept. */
  close(): void {
    if (this.#state === "closed") return
    const socket = this.#socket
    const stay = this.#stay
    stay?.say({ type: "LEAVE" })
    this.#part("when-said")
    this.#stand("closed")
    if (stay === undefined) socket.close()
    else stay.afterwards(() => socket.close())
  }

  #dial(): Socket {
    return new Socket(
      {
        url: this.#url,
        WebSocket: this.#options.WebSocket,
        firstWaitMs,
        protocols: () => this.#pass.protocols(),
        why: async () => undefined,
      },
      {
        opened: () => this.#join(),
        heard: (frame) => this.#hear(frame),
        heardBytes: (frame) => this.#hear(frame),
        lost: (ending) => this.#lost(ending),
      },
    )
  }

  #join(): void {
    const stay = new Stay({
      docId: this.name,
      senderId: this.senderId,
      socket: this.#socket,
      sealing: this.#sealing,
      hadContent: this.#hasContent,
    })
    this.#stay = stay
    this.#takeRole()
    this.#stand("waiting")
    const features = ["ack", "binary", ...(this.#options.seed === undefined ? [] : ["seed"])]
    stay.join({ hasSnapshot: this.#hasContent, features }, this.#options.version?.())
    for (const parcel of this.#outbox.resume()) stay.update(parcel)
    this.#presence.joined()
  }

  #lost(ending: Ending): void {
    const wasOpen = this.#state === "open"
    this.#part("now")
    const comesBack = ending.comesBack || (wasOpen && isStale(ending.code, this.#options.token))
    // Who was in, and can get another token, was away when the last one ended.
    if (comesBack && !ending.comesBack) this.#socket = this.#dial()
    this.#stand(comesBack ? "connecting" : "closed")
    this.#listeners.tell("closed", { ...ending, comesBack })
  }

  #part(when: "now" | "when-said"): void {
    this.#stay?.end(when)
    this.#stay = undefined
    this.#pass.rest()
    this.#presence.parted()
  }

  #hear(frame: string | Uint8Array): void {
    const stay = this.#stay
    stay?.hear(frame, (said) => this.#take(said, stay))
  }

  async #take(frame: Frame, stay: Stay): Promise<void> {
    const { type, senderId, payload, bytes } = frame
    switch (type) {
      case "CRDT_UPDATE":
        return this.#receive(await this.#open(stay, ["update", "snapshot"], bytes), senderId)
      case "SNAPSHOT_REQUEST":
        return void this.#answer(payload, stay).catch(surface)
      case "SNAPSHOT_RESPONSE":
        return this.#arrive(frame, stay)
      case "ACK":
        return this.#acknowledge(payload["ref"])
      case "ERROR":
        if (payload["code"] === "PERMISSION_DENIED") this.#become("viewer")
        return
      case "PRESENCE":
        return this.#look(frame, stay)
      case "JOIN":
        return this.#presence.came(senderId)
      case "LEAVE":
        return this.#presence.went(senderId)
    }
  }

  /** Without a name nothing is acknowledged: so the relay breaks a long silence. */
  #acknowledge(ref: unknown): void {
    if (typeof ref !== "number") return
    this.#outbox.acknowledged(ref)
    this.#listeners.tell("acknowledged", this.#outbox.count)
  }

  #receive(update: Uint8Array | undefined, from: string): void {
    if (update === undefined) return
    this.#hasContent = true
    this.#options.receive(update, from)
  }

  async #look({ senderId, payload }: Frame, stay: Stay): Promise<void> {
    const sealed = bytesOf(payload["sealed"])
    // Where all is sealed only the empty payload is not, and says that there is nothing to show.
    if (this.#options.key === undefined) return this.#presence.shows(senderId, payload)
    if (sealed === undefined) return this.#presence.shows(senderId, {})
    const opened = await this.#open(stay, ["presence"], sealed)
    if (opened === undefined || stay.isOver) return
    this.#presence.shows(senderId, JSON.parse(new TextDecoder().decode(opened)))
  }

  /** A newcomer needs the content, or one who returns what it missed. */
  async #answer(payload: Frame["payload"], stay: Stay): Promise<void> {
    if (this.#state === "waiting") stay.gaveEarly = true
    const sealed = bytesOf(payload["version"])
    const theirs = sealed && (await this.#open(stay, ["version"], sealed))
    // Taken before the content, so that it promises no more than that holds.
    const version = this.#options.version?.()
    stay.answer(payload["requestId"], await this.#options.snapshot(theirs), version)
  }

  /** The content, or the word that there is none. */
  async #arrive({ payload, bytes, senderId }: Frame, stay: Stay): Promise<void> {
    if (payload["empty"] === true) {
      this.#enter()
      const mayFill = payload["seed"] === true && !this.#hasContent
      if (mayFill) return void this.#fill().catch(surface)
      // Who was told the same before, and believed it, lacks what is here.
      const isLacked = stay.hadContent && this.others.size > 0
      if (isLacked || this.#outbox.isMerged) void this.#give(stay).catch(surface)
      return
    }
    const content = await this.#open(stay, ["snapshot"], bytes)
    // It is no holder of what it cannot read, and must not be asked for it.
    if (content === undefined) return this.#socket.rejoin()
    this.#receive(content, senderId)
    const sealed = bytesOf(payload["version"])
    const theirs = sealed && (await this.#open(stay, ["version"], sealed))
    if (stay.isOver) return
    this.#enter()
    // Who was served from here meanwhile lacks what came just now.
    if (stay.gaveEarly) this.send(content)
    const mine = this.#options.version?.()
    const isBehind = theirs !== undefined && mine !== undefined && !isSame(mine, theirs)
    if (this.#outbox.isMerged || (stay.hadContent && isBehind))
      void this.#give(stay, theirs).catch(surface)
  }

  #enter(): void {
    this.#socket.settle()
    this.#stand("open")
  }

  async #fill(): Promise<void> {
    const update = await this.#options.seed?.()
    if (update !== undefined) this.send(update)
  }

  /** Gives all others what is here, or what who has `theirs` lacks of it. */
  async #give(stay: Stay, theirs?: Uint8Array): Promise<void> {
    const content = await this.#options.snapshot(theirs)
    // The next return gives it anew, to whoever is there then.
    if (stay.isOver) return
    stay.update(this.#outbox.add(content, Math.max(1, this.#outbox.takeMerged())))
  }

  async #open(
    stay: Stay,
    kinds: readonly Kind[],
    sealed: Uint8Array,
  ): Promise<Uint8Array | undefined> {
    const opened = await stay.open(kinds, sealed)
    if (opened === undefined && !this.#hasFailed) {
      this.#hasFailed = true
      this.#listeners.tell("fault", new Error("bytes came that this room's key does not open"))
    }
    return opened
  }

  #fail(thrown: unknown): void {
    if (this.#state === "closed") return
    const sentence = thrown instanceof Error ? thrown.message : String(thrown)
    this.close()
    this.#listeners.tell("closed", { code: 1006, sentence, comesBack: false })
  }

  #takeRole(): void {
    const { role } = this.#pass
    if (role !== undefined) this.#become(role)
  }

  #become(role: Role): void {
    if (this.#role === role) return
    this.#role = role
    this.#listeners.tell("role", role)
  }

  #stand(state: RoomState): void {
    if (this.#state === state) return
    this.#state = state
    this.#listeners.tell("state", state)
  }
}
