/**
 * The floor of calls: the least that a router in Node can do with them. Frames of JSON over a unix
 * socket, parsed and written anew; one handler for each trigger, and what one turn brings for one
 * connection leaves in one write. No rights, deadlines, limits, queues or errors.
 */
import { createServer, type Socket } from "node:net"
import { FrameReader } from "../src/wire/frames.ts"

interface Caller {
  readonly socket: Out
  readonly id: number
}

/** What one turn writes leaves together. */
class Out {
  readonly #socket: Socket
  #pieces: Buffer[] = []

  constructor(socket: Socket) {
    this.#socket = socket
  }

  write(message: object): void {
    if (this.#pieces.length === 0) setImmediate(() => this.#flush())
    const body = Buffer.from(JSON.stringify(message))
    const prefix = Buffer.alloc(4)
    prefix.writeUInt32BE(body.length)
    this.#pieces.push(prefix, body)
  }

  #flush(): void {
    this.#socket.write(Buffer.concat(this.#pieces))
    this.#pieces = []
  }
}

const handlers = new Map<string, Out>()
const callers = new Map<number, Caller>()
let last = 0

const server = createServer((socket) => {
  const out = new Out(socket)
  const reader = new FrameReader(1024 * 1024)
  socket.on("error", () => {})
  socket.on("data", (chunk: Buffer) => {
    for (const frame of reader.push(chunk)) hear(out, JSON.parse(Buffer.from(frame).toString()))
  })
})

// biome-ignore lint/suspicious/noExplicitAny: only the bench speaks to it
function hear(out: Out, message: any): void {
  if (message.type === "handle") {
    handlers.set(message.trigger, out)
  } else if (message.type === "trigger") {
    const id = ++last
    callers.set(id, { socket: out, id: message.id })
    handlers.get(message.trigger)?.write({ id, trigger: message.trigger, payload: message.payload })
  } else {
    const caller = callers.get(message.id)
    callers.delete(message.id)
    caller?.socket.write({ id: caller.id, result: message.result })
  }
}

const [path] = process.argv.slice(2)
server.listen(path, () => process.stderr.write(`${JSON.stringify({ event: "listening" })}\n`))
