/** What tests of the SDK's blocks share: a server with memory, and apps that map it or do not. */
import assert from "node:assert/strict"
import { once } from "node:events"
import { createServer, connect as dial, type Socket } from "node:net"
import { join } from "node:path"
import type { TestContext } from "node:test"
import type { Block } from "../src/client/blocks-shapes.ts"
import { type App, type AppOptions, PoolsError } from "../src/client/pools.ts"
import { connect } from "../src/client/tcp.ts"
import { type Start, startServer, temporaryDirectory } from "./harness.ts"

export const ways = [
  { map: "auto", via: "map" },
  { map: "off", via: "socket" },
] as const

/** A server with a folder for blocks, and apps on its unix socket that are closed with the test. */
export async function blockWorld(t: TestContext, config: Start = {}) {
  const blocksDir = temporaryDirectory(t)
  const poolsSocket = join(temporaryDirectory(t), "pools")
  const started = await startServer(t, { poolsSocket, blocksDir, ...config })
  const address = `unix:${poolsSocket}`
  const app = async (name: string, options: Partial<AppOptions> = {}): Promise<App> => {
    const opened = await connect(address).pools({ app: name, ...options })
    t.after(() => opened.close({ withinMs: 0 }))
    return opened
  }
  return { ...started, blocksDir, poolsSocket, address, app }
}

/** An app whose connection can be cut; `said` are the bytes that it has sent. */
export async function cuttable(t: TestContext, path: string, options: AppOptions) {
  const sockets = new Set<Socket>()
  let said = 0
  const relay = createServer((socket) => {
    const onward = dial(path)
    for (const each of [socket, onward]) {
      sockets.add(each)
      each.on("error", () => {})
      each.on("close", () => {
        socket.destroy()
        onward.destroy()
      })
    }
    socket.on("data", (piece: Buffer) => {
      said += piece.length
    })
    socket.pipe(onward).pipe(socket)
  })
  const own = join(temporaryDirectory(t), "relay")
  relay.listen(own)
  await once(relay, "listening")
  const cut = () => {
    for (const socket of sockets) socket.destroy()
    sockets.clear()
  }
  t.after(() => {
    cut()
    relay.close()
  })
  const app = await connect(`unix:${own}`).pools(options)
  t.after(() => app.close({ withinMs: 0 }))
  return { app, cut, said: () => said }
}

export function bytes(text: string): Uint8Array {
  return new TextEncoder().encode(text)
}

export function text(data: Uint8Array): string {
  return new TextDecoder().decode(data)
}

/** The code of what it fails with. */
export async function codeOf(promise: Promise<unknown>): Promise<string> {
  const thrown: unknown = await promise.then(
    (value) => assert.fail(`it gave ${JSON.stringify(value)}`),
    (error: unknown) => error,
  )
  assert.ok(thrown instanceof PoolsError, String(thrown))
  return thrown.code
}

/** The code of what it throws at once. */
export function thrownBy(work: () => unknown): string {
  try {
    work()
  } catch (thrown) {
    assert.ok(thrown instanceof PoolsError, String(thrown))
    return thrown.code
  }
  assert.fail("it threw nothing")
}

/** Of the newest content; 0 where writers were faster than this reader. */
export async function generationOf(block: Pick<Block, "read">): Promise<number> {
  const found = await block.read().catch((thrown: { readonly code?: string }) => {
    if (thrown.code !== "BUSY") throw thrown
    return undefined
  })
  return found?.generation ?? 0
}
