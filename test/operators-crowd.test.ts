/** Many sessions that say nothing: what each of them takes, weighed in a process of its own. */
import assert from "node:assert/strict"
import type { Socket } from "node:net"
import { test } from "node:test"
import { Crowded } from "./operators-crowd.ts"

const sessions = 1_000
/** Fewer than strangers may be. */
const atATime = 32

async function opened(
  open: (callsign: string) => Promise<Socket>,
  count: number,
): Promise<readonly Socket[]> {
  const sockets: Socket[] = []
  while (sockets.length < count) {
    const some = Array.from({ length: Math.min(atATime, count - sockets.length) }, (_, at) =>
      open(`c${sockets.length + at}`),
    )
    sockets.push(...(await Promise.all(some)))
  }
  return sockets
}

/** Resolves with what is kept once so many sessions are there. */
async function keptWith(server: Crowded, count: number) {
  for (;;) {
    const kept = await server.kept()
    if (kept.counts["sessions"] === count) return kept
  }
}

// Bytes of JavaScript's memory without garbage: they depend on nothing else that runs here.
for (const { carrier, limitBytes } of [
  { carrier: "TCP", limitBytes: 8_192 },
  { carrier: "WebSocket", limitBytes: 24_576 },
] as const) {
  test(`OP97 a session that says nothing takes at most ${limitBytes} bytes (${carrier})`, async (t) => {
    const server = await Crowded.start(t, sessions)
    const open = (callsign: string) =>
      carrier === "TCP" ? server.login(callsign) : server.loginByWebSocket(callsign)
    // What is made once, by whoever comes first, is made before anything is counted.
    const few = await opened(open, 100)
    for (const socket of few) socket.destroy()
    const empty = await keptWith(server, 0)
    const sockets = await opened(open, sessions)
    const full = await keptWith(server, sessions)
    const bytes = (full.bytes - empty.bytes) / sessions
    t.diagnostic(`${Math.round(bytes)} bytes each`)
    assert.ok(bytes > 0 && bytes <= limitBytes, `${bytes} bytes each`)
    for (const socket of sockets) socket.destroy()
    const gone = await keptWith(server, 0)
    // The callsigns stay known; half of what a session took is far more than those need.
    assert.ok(gone.bytes - empty.bytes < ((full.bytes - empty.bytes) * 2) / 3, `${gone.bytes}`)
    assert.ok(server.isAlive)
  })
}
