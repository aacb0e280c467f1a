/**
 * An app as a process of its own: `node test/pools-handler.ts PLACE NAME keeps|answers`. It handles
 * `work` and says so with a line; each call it gets is another line. It never answers, or with its name.
 */
import { connect } from "node:net"
import { prefixFraming } from "../src/net/framing.ts"
import { FrameReader } from "../src/wire/frames.ts"

const [place = "", app_id, how] = process.argv.slice(2)
const socket = connect(place)
const says = (message: object) => socket.write(prefixFraming(Buffer.from(JSON.stringify(message))))
says({
  ...{ type: "handshake", id: "h", app_id, protocol_version: "1.0" },
  triggers: [{ name: "work", policy: "first" }],
})
const reader = new FrameReader(1024 * 1024)
socket.on("data", (chunk: Buffer) => {
  for (const frame of reader.push(chunk)) {
    const message = JSON.parse(Buffer.from(frame).toString())
    if (message.type === "handshake_ack") console.log("ready")
    if (message.type !== "trigger") continue
    console.log(`got ${JSON.stringify(message.payload)} attempt ${message.attempt}`)
    const answer = { type: "response", correlation_id: message.id, status: "success" }
    if (how === "answers") says({ ...answer, result: app_id })
  }
})
