/**
 * One connection of a program that calls, handles, emits and listens: the same few verbs for every
 * contender, here over Quartet's frames and over the bare router's.
 *
 * What always holds: payloads are objects at both ends, so each contender pays for their JSON; what
 * one turn of the event loop writes leaves in one write.
 */
import { connect, type Socket } from "node:net"
import { FrameReader } from "../src/wire/frames.ts"

export type Payload = Readonly<Record<string, unknown>>
/** What a handler does; undefined for one that never answers. */
export type Work = (payload: Payload) => Payload | undefined

/** A program's connection, whoever is at its other end. */
export interface Link {
  handle(trigger: string, work: Work): Promise<void>
  /** Rejects with what the contender says of it. */
  call(trigger: string, payload: Payload, timeoutMs: number): Promise<Payload>
  listen(topic: string, heard: (payload: Payload) => void): Promise<void>
  emit(topic: string, payload: Payload): void
  /** Resolves when it knows who handles it, where it does not ask a router. */
  knows?(trigger: string): Promise<unknown>
}

type Waits = {
  readonly resolve: (payload: Payload) => void
  readonly reject: (error: Error) => void
}

const encoder = new TextEncoder()

/** Frames over a stream: whole ones come in, those of one turn go out together. */
class Frames {
  readonly #socket: Socket
  #pieces: Uint8Array[] = []

  constructor(socket: Socket, heard: (frame: Uint8Array) => void) {
    this.#socket = socket
    socket.setNoDelay(true)
    const reader = new FrameReader(32 * 1024 * 1024)
    socket.on("data", (chunk: Buffer) => {
      for (const frame of reader.push(chunk)) heard(frame)
    })
    socket.on("error", () => {})
  }

  write(body: Uint8Array): void {
    if (this.#pieces.length === 0) process.nextTick(() => this.#flush())
    const prefix = new Uint8Array(4)
    new DataView(prefix.buffer).setUint32(0, body.length)
    this.#pieces.push(prefix, body)
  }

  #flush(): void {
    this.#socket.write(Buffer.concat(this.#pieces))
    this.#pieces = []
  }
}

/** Where a stream listens: a path, or `127.0.0.1:PORT`. */
export async function socketTo(place: string): Promise<Socket> {
  const [host = "", port] = place.split(":")
  const socket = port === undefined ? connect(place) : connect(Number(port), host)
  await new Promise((resolve, reject) => {
    socket.once("connect", resolve)
    socket.once("error", reject)
  })
  return socket
}

/** An app of Quartet's, in compact frames or in JSON. */
export class QuartetLink implements Link {
  readonly #frames: Frames
  readonly #form: "compact" | "json"
  readonly #waits = new Map<string, Waits>()
  readonly #works = new Map<string, Work>()
  readonly #heard = new Map<string, (payload: Payload) => void>()
  #last = 0

  private constructor(socket: Socket, form: "compact" | "json") {
    this.#form = form
    this.#frames = new Frames(socket, (frame) => {
      if (frame[0] === 0xb1)
        this.#hearCompact(Buffer.from(frame.buffer, frame.byteOffset, frame.length))
      else this.#hearJson(JSON.parse(Buffer.from(frame).toString()))
    })
  }

  static async open(place: string, app: string, form: "compact" | "json"): Promise<QuartetLink> {
    const link = new QuartetLink(await socketTo(place), form)
    const features = form === "compact" ? ["compact"] : []
    await link.#ask({ type: "handshake", app_id: app, protocol_version: "1.0", features })
    return link
  }

  async handle(trigger: string, work: Work): Promise<void> {
    this.#works.set(trigger, work)
    await this.#ask({
      type: "register",
      pool: "default",
      triggers: [{ name: trigger, concurrency: 8_192, queue: 20_000 }],
    })
  }

  call(trigger: string, payload: Payload, timeoutMs: number): Promise<Payload> {
    if (this.#form === "json") {
      return this.#ask({ type: "trigger", trigger, payload, ttl: timeoutMs })
    }
    const id = ++this.#last
    const body = JSON.stringify(payload)
    const frame = Buffer.alloc(12 + 4 + 8 + 1 + trigger.length + 2 + Buffer.byteLength(body))
    head(frame, { kind: 1, type: 1, id })
    frame.writeUInt32BE(timeoutMs, 12)
    let at = named(frame, 16, "default")
    at = named(frame, at, trigger)
    frame.write(body, at + 2)
    this.#frames.write(frame)
    return new Promise((resolve, reject) => this.#waits.set(String(id), { resolve, reject }))
  }

  async listen(topic: string, heard: (payload: Payload) => void): Promise<void> {
    this.#heard.set(topic, heard)
    await this.#ask({ type: "subscribe", pool: "default", topics: [topic] })
  }

  emit(topic: string, payload: Payload): void {
    if (this.#form === "json") return this.#say({ type: "emit", trigger: topic, payload })
    const body = JSON.stringify(payload)
    const frame = Buffer.alloc(12 + 8 + 1 + topic.length + 2 + Buffer.byteLength(body))
    head(frame, { kind: 3, type: 1, id: 0 })
    frame.write(body, named(frame, named(frame, 12, "default"), topic) + 2)
    this.#frames.write(frame)
  }

  #say(message: object): void {
    this.#frames.write(encoder.encode(JSON.stringify(message)))
  }

  #ask(message: object): Promise<Payload> {
    const id = String(++this.#last)
    this.#say({ ...message, id })
    return new Promise((resolve, reject) => this.#waits.set(id, { resolve, reject }))
  }

  #settle(id: string): Waits | undefined {
    const waits = this.#waits.get(id)
    this.#waits.delete(id)
    return waits
  }

  // The server's own messages have the shape that its schemas say.
  // biome-ignore lint/suspicious/noExplicitAny: a bench reads what the server under test wrote
  #hearJson(message: any): void {
    switch (message.type) {
      case "handshake_ack":
        return this.#settle(message.correlation_id)?.resolve(message)
      case "response":
        return this.#settle(message.correlation_id)?.resolve(message.result)
      case "error": {
        const uncertain = message.execution_uncertain === true ? ", uncertain" : ""
        const waits = this.#settle(message.correlation_id)
        if (waits === undefined) throw new Error(message.error)
        return waits.reject(new Error(`${message.error_code}${uncertain}`))
      }
      case "emit":
        return this.#heard.get(message.trigger)?.(message.payload)
      case "ping":
        return this.#say({ type: "pong", id: message.id })
      case "trigger": {
        const result = this.#works.get(message.trigger)?.(message.payload)
        if (result === undefined) return
        const { id } = message
        this.#say({ type: "response", correlation_id: id, status: "success", result })
      }
    }
  }

  #hearCompact(frame: Buffer): void {
    const id = frame.readUInt32BE(4) * 0x1_0000_0000 + frame.readUInt32BE(8)
    switch (frame[1]) {
      case 1: {
        const trigger = nameAt(frame, after(frame, 16))
        const work = this.#works.get(trigger)
        const result = work?.(payloadAt(frame, after(frame, after(frame, 16))))
        if (result === undefined) return
        const body = JSON.stringify(result)
        const answer = Buffer.alloc(12 + 4 + 2 + Buffer.byteLength(body))
        head(answer, { kind: 2, type: 1, id })
        answer.write(body, 18)
        return this.#frames.write(answer)
      }
      case 2: {
        const waits = this.#settle(String(id))
        if (frame[12] === 0) return waits?.resolve(payloadAt(frame, 16))
        // Extra 17, without a value: execution_uncertain.
        const uncertain = frame.includes(Buffer.of(17, 0, 0)) ? ", uncertain" : ""
        return waits?.reject(new Error(`error ${frame.readUInt16BE(14)}${uncertain}`))
      }
      case 3: {
        const topic = nameAt(frame, after(frame, 12))
        return this.#heard.get(topic)?.(payloadAt(frame, after(frame, after(frame, 12))))
      }
      case 9: {
        const pong = Buffer.from(frame)
        pong[1] = 10
        return this.#frames.write(pong)
      }
    }
  }
}

/** An app of the bare router's: two fields and a payload. */
export class BareLink implements Link {
  readonly #frames: Frames
  readonly #waits = new Map<number, (payload: Payload) => void>()
  #work: Work = () => undefined
  #last = 0

  private constructor(socket: Socket) {
    this.#frames = new Frames(socket, (frame) => {
      const message = JSON.parse(Buffer.from(frame).toString())
      if (message.trigger === undefined) {
        this.#waits.get(message.id)?.(message.result)
        this.#waits.delete(message.id)
        return
      }
      this.#say({ type: "response", id: message.id, result: this.#work(message.payload) })
    })
  }

  static async open(place: string): Promise<BareLink> {
    return new BareLink(await socketTo(place))
  }

  async handle(trigger: string, work: Work): Promise<void> {
    this.#work = work
    this.#say({ type: "handle", trigger })
  }

  call(trigger: string, payload: Payload): Promise<Payload> {
    const id = ++this.#last
    this.#say({ type: "trigger", id, trigger, payload })
    return new Promise((resolve) => this.#waits.set(id, resolve))
  }

  listen(): Promise<void> {
    throw new Error("the bare router only routes calls")
  }

  emit(): void {
    throw new Error("the bare router only routes calls")
  }

  #say(message: object): void {
    this.#frames.write(encoder.encode(JSON.stringify(message)))
  }
}

function head(
  frame: Buffer,
  { kind, type, id }: { readonly kind: number; readonly type: number; readonly id: number },
): void {
  frame[0] = 0xb1
  frame[1] = kind
  frame[3] = type
  frame.writeUInt32BE(Math.floor(id / 0x1_0000_0000), 4)
  frame.writeUInt32BE(id % 0x1_0000_0000, 8)
}

/** Writes a text with its length; where the next field is. */
function named(frame: Buffer, at: number, text: string): number {
  frame[at] = text.length
  return at + 1 + frame.write(text, at + 1, "latin1")
}

/** Where the field after the text at `at` is. */
function after(frame: Buffer, at: number): number {
  return at + 1 + (frame[at] ?? 0)
}

function nameAt(frame: Buffer, at: number): string {
  return frame.toString("latin1", at + 1, after(frame, at))
}

/** The payload behind the extras at `at`. */
function payloadAt(frame: Buffer, at: number): Payload {
  return JSON.parse(frame.toString("utf8", at + 2 + frame.readUInt16BE(at)))
}
