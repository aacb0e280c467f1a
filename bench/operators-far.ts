/**
 * Far ends of the operators' bench: raw sockets and three dialects written by hand, so that the load
 * costs the same whatever the server.
 *
 * What always holds: a text is 80 bytes and says who sent it, as a number, and when, in µs of this
 * process; each far end is called by its number; what one chunk asks for in answer leaves in one
 * write.
 */
import { connect, type Socket } from "node:net"

export const dialects = ["classic", "extended", "mqtt0", "mqtt1"] as const
export type Dialect = (typeof dialects)[number]

/** What a far end tells whoever made it. */
export interface Heard {
  /** A message came. */
  text(text: string): void
  /** Extended: `sent`, `queued`, `refused`, `taken`…; MQTT: "puback". */
  answer?(word: string, rest: string): void
}

export interface FarOptions {
  readonly port: number
  readonly number: number
  readonly dialect: Dialect
  readonly heard: Heard
  /** MQTT: asked for at the login. */
  readonly password?: string
}

const textBytes = 80
const filler = ".".repeat(textBytes)

/** How the far end with this number is called. */
export function callsignOf(number: number): string {
  return `c${number}`
}

/** A text of 80 bytes from that number, written now. */
export function textOf(number: number): string {
  const nowUs = Math.round(performance.now() * 1_000)
  return `${number} ${nowUs} ${filler}`.slice(0, textBytes)
}

/** Who wrote a text, and how long ago in ms. */
export function readText(text: string): readonly [number: number, agoMs: number] {
  const [number, writtenUs] = text.split(" ", 2)
  return [Number(number), performance.now() - Number(writtenUs) / 1_000]
}

export class Far {
  readonly number: number
  readonly socket: Socket
  readonly #dialect: Dialect
  readonly #heard: Heard
  #begun: Buffer | string = ""
  #count = 0
  #out = ""
  #onReady: (() => void) | undefined

  private constructor(socket: Socket, { number, dialect, heard }: FarOptions) {
    this.socket = socket
    this.number = number
    this.#dialect = dialect
    this.#heard = heard
    // One byte a character: texts are ASCII, and packets are bytes.
    socket.setEncoding("latin1")
    socket.on("data", (chunk: string) => this.#read(chunk))
    socket.on("error", () => {}) // told by "close" as well
  }

  /** Resolves when it has logged in, registered first where the server keeps accounts. */
  static async open(options: FarOptions): Promise<Far> {
    const socket = connect({ port: options.port, host: "127.0.0.1", noDelay: true })
    const far = new Far(socket, options)
    await new Promise<void>((resolve, reject) => {
      far.#onReady = resolve
      socket.once("close", () => reject(new Error(`${far.number} was closed`)))
      socket.once("connect", () => socket.write(far.#greeting(options), "latin1"))
    })
    return far
  }

  /** Writes a text to the one called by `target`. Nothing waits for an answer. */
  send(target: string, text: string): void {
    this.#count += 1
    this.socket.write(this.#message(target, text), "latin1")
  }

  /** Several in one write. */
  sendAll(messages: readonly (readonly [target: string, text: string])[]): void {
    const all = messages.map(([target, text]) => {
      this.#count += 1
      return this.#message(target, text)
    })
    this.socket.write(all.join(""), "latin1")
  }

  /** Says a line as it is. */
  say(line: string): void {
    this.socket.write(`${line}\n`)
  }

  close(): void {
    this.socket.destroy()
  }

  #greeting({ password }: FarOptions): string {
    const callsign = callsignOf(this.number)
    const login = `$ ${callsign} ${callsign}\n`
    if (this.#dialect === "extended") return `$ quartet\n${login}`
    // Classic mode says nothing of a login; what one sends to oneself says it.
    if (this.#dialect === "classic") return `${login}${login}${callsign} ready\n`
    return connectPacket(callsign, password) + subscribePacket(callsign, this.#qos)
  }

  get #qos(): 0 | 1 {
    return this.#dialect === "mqtt1" ? 1 : 0
  }

  #message(target: string, text: string): string {
    if (this.#dialect === "classic") return `${target} ${text}\n`
    if (this.#dialect === "extended") return `$ send r${this.#count} ${target} ${text}\n`
    return publishPacket(target, text, this.#qos === 1 ? (this.#count % 65_535) + 1 : 0)
  }

  #read(chunk: string): void {
    const all = this.#begun + chunk
    this.#begun = this.#dialect.startsWith("mqtt") ? this.#readPackets(all) : this.#readLines(all)
    if (this.#out === "") return
    this.socket.write(this.#out, "latin1")
    this.#out = ""
  }

  #ready(): void {
    this.#onReady?.()
    this.#onReady = undefined
  }

  #readLines(all: string): string {
    let from = 0
    for (let end = all.indexOf("\n"); end !== -1; end = all.indexOf("\n", from)) {
      this.#hearLine(all.slice(from, end))
      from = end + 1
    }
    return all.slice(from)
  }

  #hearLine(line: string): void {
    if (this.#dialect === "classic") {
      const text = line.slice(line.indexOf(":") + 2)
      return text === "ready" ? this.#ready() : this.#heard.text(text)
    }
    const [, word = "", second = "", , id] = line.split(" ", 5)
    if (word === "from") {
      this.#out += `$ got ${id}\n`
      // `$ from sender generation id waited text`, of which only the sender's length is not known.
      const at = line.indexOf(" ", line.indexOf(` ${id} `) + (id?.length ?? 0) + 2)
      return this.#heard.text(line.slice(at + 1))
    }
    if (word === "again") this.#out += `$ ${second} ${second}\n`
    else if (word === "welcome") this.#ready()
    this.#heard.answer?.(word, line)
  }

  #readPackets(all: string): string {
    let from = 0
    for (;;) {
      const found = packetIn(all, from)
      if (found === undefined) return all.slice(from)
      this.#hearPacket(all, found)
      from = found.end
    }
  }

  #hearPacket(all: string, { kind, body, end }: Packet): void {
    if (kind >> 4 === 3) {
      const qos = (kind >> 1) & 3
      const topicBytes = all.charCodeAt(body) * 256 + all.charCodeAt(body + 1)
      const at = body + 2 + topicBytes
      if (qos === 1) this.#out += `\x40\x02${all.slice(at, at + 2)}`
      return this.#heard.text(all.slice(qos === 1 ? at + 2 : at, end))
    }
    if (kind >> 4 === 4) return this.#heard.answer?.("puback", "")
    if (kind >> 4 === 9) this.#ready()
  }
}

interface Packet {
  readonly kind: number
  readonly body: number
  readonly end: number
}

function packetIn(all: string, from: number): Packet | undefined {
  let bytes = 0
  for (let place = 0; place < 4; place += 1) {
    const code = all.charCodeAt(from + 1 + place)
    if (Number.isNaN(code)) return undefined
    bytes += (code & 127) << (7 * place)
    if (code >= 128) continue
    const body = from + 2 + place
    return body + bytes > all.length
      ? undefined
      : { kind: all.charCodeAt(from), body, end: body + bytes }
  }
  throw new Error("no packet of MQTT")
}

function two(number: number): string {
  return String.fromCharCode(number >> 8, number & 255)
}

function field(text: string): string {
  return two(text.length) + text
}

function packet(kind: number, body: string): string {
  let length = ""
  let left = body.length
  do {
    length += String.fromCharCode((left & 127) | (left > 127 ? 128 : 0))
    left >>= 7
  } while (left > 0)
  return String.fromCharCode(kind) + length + body
}

function connectPacket(client: string, password: string | undefined): string {
  const flags = password === undefined ? 0x02 : 0xc2
  const credentials = password === undefined ? "" : field(client) + field(password)
  const head = `${field("MQTT")}\x04${String.fromCharCode(flags)}${two(0)}`
  return packet(0x10, head + field(client) + credentials)
}

function subscribePacket(topic: string, qos: 0 | 1): string {
  return packet(0x82, two(1) + field(topic) + String.fromCharCode(qos))
}

function publishPacket(topic: string, text: string, id: number): string {
  return id === 0 ? packet(0x30, field(topic) + text) : packet(0x32, field(topic) + two(id) + text)
}
