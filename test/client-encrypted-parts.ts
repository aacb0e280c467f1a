/** Encrypted pools as programs use them: a server, apps with keys, and somebody between who meddles. */
import assert from "node:assert/strict"
import { createServer as createRelay, connect as dial, type Socket } from "node:net"
import type { TestContext } from "node:test"
import { Keyring } from "../src/client/keys.ts"
import {
  type App,
  type AppOptions,
  connect as connectSocket,
  PoolsError,
} from "../src/client/pools.ts"
import { connect, nodePrimitives, type Pool } from "../src/client/tcp.ts"
import { prefixFraming } from "../src/net/framing.ts"
import { FrameReader } from "../src/wire/frames.ts"
import { eventually, type Start, startServer } from "./harness.ts"

export const vault = { pool: "vault" }

/** A server, and apps of it that are closed with the test. */
export async function world(t: TestContext, config: Start = {}) {
  const started = await startServer(t, { poolsPort: 0, ...config })
  const address = `tcp://${started.pools[0]}`
  const join = async (app: string, options: Partial<AppOptions> & { at?: string } = {}) => {
    const { at = address, ...rest } = options
    const client = at.startsWith("http") ? connectSocket(at) : connect(at)
    const joined = await client.pools({ app, ...rest })
    t.after(() => joined.close({ withinMs: 0 }))
    return joined
  }
  return { ...started, address, join }
}

/** On node:crypto where it is said, else on WebCrypto as everywhere. */
export const fast = { primitives: nodePrimitives }

/** Makes the pool, and is in it with all keys. */
export async function found(app: App): Promise<Pool> {
  const made = await Keyring.create(fast)
  const pool = app.pool("vault")
  await pool.create({ encrypted: made })
  await pool.join(await Keyring.from(made.keys, fast))
  return pool
}

/** Lets an app read and write in it. Gives its keys. */
export async function admit(owner: Pool, app: App, options: object = fast): Promise<Keyring> {
  const ring = await Keyring.from(owner.keys.lend("shard"), options)
  await owner.keys.certify(ring.writerKey)
  await app.pool("vault").join(ring)
  return ring
}

/** Whom a new epoch goes on with, in the words of `rotate`. */
export function naming(...rings: readonly Keyring[]) {
  const members = rings.map(({ memberKey }) => {
    assert.ok(memberKey)
    return { key: memberKey, grade: "writer" as const }
  })
  return { members, writers: rings.map(({ writerKey }) => writerKey) }
}

export function failing(promise: Promise<unknown>): Promise<PoolsError> {
  return promise.then(
    (value) => assert.fail(`it gave ${JSON.stringify(value)}`),
    (thrown: unknown) => {
      assert.ok(thrown instanceof PoolsError, String(thrown))
      return thrown
    },
  )
}

export type Message = Record<string, unknown>
/** What becomes of a message: those that go on in its place. */
export type Meddle = (message: Message) => readonly Message[]

/** Somebody between app and server, who reads and changes what goes by. All of it is JSON then. */
export interface Between {
  readonly address: string
  /** All that went by, as text. */
  readonly seen: string[]
  toServer: Meddle
  toApp: Meddle
  cut(): void
}

export async function between(t: TestContext, address: string): Promise<Between> {
  const { hostname, port } = new URL(address)
  const sockets = new Set<Socket>()
  const pass: Meddle = (message) => [message]
  const meddler = {
    ...{ address: "", seen: [] as string[], toServer: pass, toApp: pass },
    cut() {
      for (const socket of sockets) socket.destroy()
      sockets.clear()
    },
  }
  const relay = createRelay((near) => {
    const far = dial(Number(port), hostname)
    const send = (to: Socket, text: string) => to.write(prefixFraming(Buffer.from(text)))
    const carry = (from: Socket, to: Socket, changed: Meddle) => {
      sockets.add(from)
      const reader = new FrameReader(32 * 1024 * 1024)
      from.on("data", (chunk: Buffer) => {
        for (const frame of reader.push(chunk)) {
          const text = Buffer.from(frame).toString()
          meddler.seen.push(text)
          for (const each of changed(JSON.parse(text))) send(to, JSON.stringify(each))
        }
      })
      from.on("error", () => {})
      from.on("close", () => to.destroy())
    }
    carry(near, far, (message) => {
      const said = message["type"] === "handshake" ? { ...message, features: [] } : message
      return meddler.toServer(said)
    })
    carry(far, near, (message) => meddler.toApp(message))
  }).listen(0, "127.0.0.1")
  t.after(() => {
    meddler.cut()
    relay.close()
  })
  const place = await eventually(() => relay.address() ?? undefined)
  assert.ok(typeof place === "object")
  meddler.address = `tcp://127.0.0.1:${place.port}`
  return meddler
}

/** The values of a stream. */
export async function listed<T>(values: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = []
  for await (const value of values) all.push(value)
  return all
}
