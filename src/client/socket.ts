/**
 * A WebSocket that comes back: what every part of the SDK talks through.
 *
 * What always holds: at most one socket lives at a time, and one that was given up is not heard
 * any more. Nothing is queued here: what is said while no socket is open is not sent, because its
 * owner, who alone knows what still counts, says that anew once it has joined again. So there is
 * no queue to bound. Which endings are final is read from the close code's range and nothing else.
 */
import { comesBack } from "../wire/error.ts"

/** The wait before the first return; it doubles with each try that fails. */
const firstWaitMs = 250
/** No wait is longer: who comes back to a laptop looks at it for about that long. */
const longestWaitMs = 10_000
/** A server says something every 20 s (DC102, RL134), so this is two of them missed, and a slow line. */
const silenceMs = 45_000
/** Above this many unsent bytes `behind` is true: what the server itself calls behind. */
const behindBytes = 64 * 1024
/** The close code of a socket that ended without one: the line broke, or no handshake came about. */
const brokenCode = 1006

/** How a socket ended: its close code, a sentence for people, and whether it comes back by itself. */
export interface Ending {
  readonly code: number
  readonly sentence: string
  readonly comesBack: boolean
}

/** Whose socket it is: what it is told. None of these is called from inside the constructor. */
export interface SocketOwner {
  /** A socket is open: join now. */
  opened(): void
  /** A text frame came. */
  heard(frame: string): void
  /** A binary frame came. Without this they are not listened to. */
  heardBytes?(frame: Uint8Array): void
  /** The socket is gone. If `ending.comesBack` the next one is on its way, else that was the last. */
  lost(ending: Ending): void
}

/** Where a socket leads. */
export interface SocketOptions {
  /** A `ws:` or `wss:` address. */
  readonly url: string
  /**
   * The subprotocols to ask for, best first. Asked for each try: a token among them may change. A
   * promise that rejects makes it a try that failed.
   */
  protocols(): readonly string[] | Promise<readonly string[]>
  /**
   * Asks the server why it refused a handshake, which no browser lets a page see; undefined if
   * it did not say. Must not reject.
   */
  why(): Promise<Ending | undefined>
  /** The wait before the first return, in ms; 250 if it is not said. */
  readonly firstWaitMs?: number
  /** The class of its sockets; the one there is if it is not said. */
  readonly WebSocket?: typeof WebSocket | undefined
}

/** What this file needs of a window: in Node there are no such events, and none is missed. */
interface Network {
  readonly setTimeout: unknown
  addEventListener?(type: "online", listener: () => void): void
  removeEventListener?(type: "online", listener: () => void): void
}

const network: Network = globalThis

export class Socket {
  readonly #options: SocketOptions
  readonly #owner: SocketOwner
  #socket: WebSocket | undefined
  // The try that is under way; there is no socket yet while its subprotocols are waited for.
  #attempt: object | undefined
  // The next try while waiting, else the next look at how long it has been silent.
  #timer: ReturnType<typeof setTimeout> | undefined
  #returnsAt: number | undefined
  #heardAt = 0
  #tries = 0
  #isOver = false

  /** Opens at once, and again whenever that fails, until `close` or an ending that is final. */
  constructor(options: SocketOptions, owner: SocketOwner) {
    this.#options = options
    this.#owner = owner
    network.addEventListener?.("online", this.#onOnline)
    this.#open()
  }

  /** When the next try is due, in ms since 1970; undefined while there is a socket or none will be. */
  get returnsAt(): number | undefined {
    return this.#returnsAt
  }

  /** More than 64 KiB are unsent: say nothing now that a later message makes worthless. */
  get behind(): boolean {
    return (this.#socket?.bufferedAmount ?? 0) > behindBytes
  }

  /** Sends one frame; false if no socket is open, and then it is not sent later either. */
  send(frame: string | Uint8Array<ArrayBuffer>): boolean {
    if (this.#socket?.readyState !== WebSocket.OPEN) return false
    this.#socket.send(frame)
    return true
  }

  /** The owner has joined: the next return begins with short waits again. */
  settle(): void {
    // Not at `open`: a server that accepts and then closes would be asked four times a second.
    this.#tries = 0
  }

  /** Gives this socket up and comes back after the usual wait. */
  rejoin(): void {
    if (this.#socket !== undefined) this.#lose(broken("joining again after a fault"))
  }

  /** Tries now instead of when the wait is over. Does nothing unless it waits. */
  hurry(): void {
    if (this.#returnsAt === undefined) return
    clearTimeout(this.#timer)
    this.#open()
  }

  /** Ends it for good; the owner is told nothing more. */
  close(): void {
    this.#isOver = true
    this.#giveUp()
    network.removeEventListener?.("online", this.#onOnline)
  }

  readonly #onOnline = (): void => this.hurry()

  #open(): void {
    this.#returnsAt = undefined
    const attempt = {}
    this.#attempt = attempt
    this.#heardAt = Date.now()
    const protocols = this.#options.protocols()
    if (!(protocols instanceof Promise)) return this.#dial(protocols)
    this.#watch()
    protocols.then(
      (known) => this.#attempt === attempt && this.#dial(known),
      (thrown: unknown) => {
        const sentence = thrown instanceof Error ? thrown.message : String(thrown)
        if (this.#attempt === attempt) this.#lose(broken(sentence))
      },
    )
  }

  #dial(protocols: readonly string[]): void {
    const Line = this.#options.WebSocket ?? WebSocket
    const socket = new Line(this.#options.url, [...protocols])
    socket.binaryType = "arraybuffer"
    this.#socket = socket
    let hasOpened = false
    // Each listener asks first whether this socket still counts: one that was given up may yet
    // deliver what it had read, and what it says then concerns a state we have left.
    socket.onopen = () => {
      if (this.#socket !== socket) return
      hasOpened = true
      this.#heardAt = Date.now()
      this.#owner.opened()
    }
    socket.onmessage = (event: { readonly data: unknown }) => {
      if (this.#socket !== socket) return
      this.#heardAt = Date.now()
      if (typeof event.data === "string") this.#owner.heard(event.data)
      else if (event.data instanceof ArrayBuffer)
        this.#owner.heardBytes?.(new Uint8Array(event.data))
    }
    socket.onclose = (event: { readonly code: number; readonly reason: string }) => {
      if (this.#socket !== socket) return
      if (hasOpened) this.#lose(endingOf(event.code, event.reason))
      else void this.#learnWhy(socket)
    }
    this.#heardAt = Date.now()
    this.#watch()
  }

  // A handshake failed. Until the answer is here the dead socket stays, so that nothing else begins.
  async #learnWhy(socket: WebSocket): Promise<void> {
    clearTimeout(this.#timer)
    const ending = await this.#options.why()
    if (this.#socket === socket) this.#lose(ending ?? broken("the server cannot be reached"))
  }

  #lose(ending: Ending): void {
    this.#giveUp()
    if (ending.comesBack) {
      // Full jitter: a server that restarts meets its editors spread over the whole wait.
      const first = this.#options.firstWaitMs ?? firstWaitMs
      const longest = Math.min(longestWaitMs, first * 2 ** this.#tries)
      const waitMs = Math.random() * longest
      this.#tries += 1
      this.#returnsAt = Date.now() + waitMs
      this.#timer = setTimeout(() => this.#open(), waitMs)
    } else {
      this.close()
    }
    this.#owner.lost(ending)
  }

  #giveUp(): void {
    clearTimeout(this.#timer)
    this.#returnsAt = undefined
    const socket = this.#socket
    this.#socket = undefined
    this.#attempt = undefined
    // On a dead line the close event may take minutes; nobody waits for it.
    socket?.close()
  }

  // One timer, not one per message: it looks at the clock and sleeps for what is left.
  #watch(): void {
    clearTimeout(this.#timer)
    if (this.#isOver) return
    const leftMs = this.#heardAt + silenceMs - Date.now()
    if (leftMs > 0) {
      this.#timer = setTimeout(() => this.#watch(), leftMs)
    } else {
      this.#lose(broken("the server fell silent"))
    }
  }
}

/** The ending that a close code and its reason say; without a reason, a sentence of our own. */
export function endingOf(code: number, reason: string): Ending {
  const returns = comesBack(code)
  const sentence = reason !== "" ? reason : returns ? "the line was lost" : `closed with ${code}`
  return { code, sentence, comesBack: returns }
}

function broken(sentence: string): Ending {
  return { code: brokenCode, sentence, comesBack: true }
}
