/**
 * A program of its own: a server, a caller and a handler on a unix socket, `node --expose-gc
 * test/pools-many.ts PATH CALLS`. Prints what is left on the heap before and after so many calls,
 * and what the server still counts as in flight.
 */
import { connect } from "node:net"
import { prefixFraming } from "../src/net/framing.ts"
import { createServer } from "../src/server.ts"
import { FrameReader } from "../src/wire/frames.ts"

const [path = "", count] = process.argv.slice(2)
const server = createServer({
  ...{ port: 0, logLevel: "silent", sqliteUri: ":memory:" },
  ...{ operatorsPort: undefined, poolsPort: undefined, poolsSocket: path },
})
const { url } = await server.start()

interface Message {
  readonly type: string
  readonly id: string
}

/** Frames to and from an app; those of one turn leave together. */
async function app(app_id: string, triggers: string[], heard: (message: Message) => void) {
  const socket = connect(path)
  const reader = new FrameReader(1024 * 1024)
  let frames: Uint8Array[] = []
  const says = (message: object) => {
    if (frames.length === 0) {
      process.nextTick(() => {
        socket.write(Buffer.concat(frames))
        frames = []
      })
    }
    frames.push(prefixFraming(Buffer.from(JSON.stringify(message))))
  }
  const ready = Promise.withResolvers<void>()
  socket.on("data", (chunk: Buffer) => {
    for (const frame of reader.push(chunk)) {
      const message: Message = JSON.parse(Buffer.from(frame).toString())
      if (message.type === "handshake_ack") ready.resolve()
      else heard(message)
    }
  })
  says({ type: "handshake", id: "h", app_id, protocol_version: "1.0", triggers })
  await ready.promise
  return says
}

let left = 0
let open = 0
let last = 0
let done = Promise.withResolvers<void>()
const handles = await app("handler", ["work"], (message) => {
  if (message.type !== "trigger") return
  handles({ type: "response", correlation_id: message.id, status: "success", result: { ok: true } })
})
const calls = await app("caller", [], (message) => {
  if (message.type !== "response") throw new Error(JSON.stringify(message))
  open--
  if (left > 0) call()
  else if (open === 0) done.resolve()
})

function call(): void {
  left--
  open++
  // Some of what a call may bring besides, so that nothing of that stays either.
  const key = last % 100 === 0 ? { flags: ["idempotent"], wait_ms: 1_000 } : {}
  calls({ type: "trigger", id: `${++last}`, trigger: "work", payload: { last }, ...key })
}

async function make(many: number): Promise<void> {
  left = many
  done = Promise.withResolvers<void>()
  while (open < 64) call()
  await done.promise
}

function heapBytes(): number {
  // Twice: what finalizers let go of is only gone after the next one.
  for (let time = 0; time < 2; time++) globalThis.gc?.()
  const { heapUsed, external } = process.memoryUsage()
  return heapUsed + external
}

// The list of recent calls is full after ten thousand.
await make(20_000)
const before = heapBytes()
await make(Number(count))
const after = heapBytes()
const metrics = await (await fetch(`${url.replace(/\/$/, "")}/metrics`)).text()
const inFlight = /^quartet_pools_in_flight (\d+)$/m.exec(metrics)?.[1]
console.log(JSON.stringify({ before, after, inFlight, calls: last }))
process.exit()
