/**
 * The other program of the bench of blocks: writes at full speed, sends records at full speed, or
 * answers each generation. What always holds: it tells when it is ready, and works until it is killed.
 */
import { connect } from "../src/client/tcp.ts"

export interface PeerJob {
  readonly role: "write" | "send" | "echo" | "echo-spin"
  readonly address: string
  readonly id: string
  readonly bytes: number
}

const job = JSON.parse(process.argv[2] ?? "") as PeerJob // the bench starts it
const { role, address, id, bytes } = job
const app = await connect(address).pools({ app: `peer-${role}` })
const { block } = app.pool("default")
const turn = () => new Promise((resolve) => setTimeout(resolve, 0))
const content = new Uint8Array(bytes).fill(7)

if (role === "write") {
  const own = await block.attach(id, { mode: "write" })
  process.send?.({ ready: true })
  for (;;) {
    const until = performance.now() + 200
    while (performance.now() < until) for (let each = 0; each < 16; each++) own.put(content)
    await turn()
  }
}

if (role === "send") {
  const own = await block.ring(id, 4 * 1024 * 1024, { side: "send" })
  process.send?.({ ready: true })
  for (;;) {
    const sent = own.send(content)
    if (sent !== true) await sent.catch(() => {})
  }
}

if (role === "echo" || role === "echo-spin") {
  const back = await block.attach(`${id}-back`, { mode: "write" })
  const own = await block.attach(id)
  const spin = role === "echo" ? {} : { spinMs: 50 }
  await own.subscribe(() => void back.put(content), spin)
  process.send?.({ ready: true })
}
