/**
 * What tests of raw rooms share: a CRDT that is as small as one can be, replicas that are gone when
 * the test ends, tokens, and a line between them and the server that shows and changes bytes.
 */
import { once } from "node:events"
import { type AddressInfo, createServer, connect as dial, type Socket } from "node:net"
import type { TestContext } from "node:test"
import { SignJWT } from "jose"
import { WebSocket as Client, WebSocketServer } from "ws"
import { connect, type Room, type RoomOptions } from "../src/client/client.ts"
import { eventually } from "./harness.ts"

const utf8 = new TextEncoder()
const fromUtf8 = new TextDecoder()

/** Words that are added and never removed. Bytes are JSON, so that a test can look for them. */
export function bytesOf(words: Iterable<string>): Uint8Array {
  return utf8.encode(JSON.stringify([...words].sort()))
}

/** The words in these bytes. */
export function wordsOf(bytes: Uint8Array): readonly string[] {
  return JSON.parse(fromUtf8.decode(bytes))
}

/** A replica of a set of words. */
export interface Replica {
  readonly room: Room
  readonly words: Set<string>
  /** Each thing that it was told or asked, in order. */
  readonly told: string[]
  write(...words: readonly string[]): void
}

/** What a replica may be besides what `RoomOptions` asks for. */
export interface Coming extends Partial<RoomOptions> {
  /** What it has from before. */
  readonly words?: readonly string[]
  /** Whether answers can be differences. */
  readonly versions?: "without"
  readonly name?: string
  /** What it fills a new room with. */
  readonly fills?: string
}

/** Brings a replica into a room. */
export function enter(t: TestContext, url: string, coming: Coming = {}): Replica {
  const { words: before = [], versions, name = "notes", fills, ...options } = coming
  const words = new Set(before)
  const told: string[] = []
  const room = connect(url).relay.room(name, {
    hasSnapshot: before.length > 0,
    receive(update, from) {
      const came = wordsOf(update)
      told.push(`${from}: ${came.join(" ")}`)
      for (const word of came) words.add(word)
    },
    snapshot(version) {
      const known = new Set(version === undefined ? [] : wordsOf(version))
      told.push(
        `asked by one with ${version === undefined ? "nothing known" : [...known].join(" ")}`,
      )
      return bytesOf([...words].filter((word) => !known.has(word)))
    },
    ...(fills === undefined
      ? {}
      : {
          seed() {
            told.push("asked to fill")
            words.add(fills)
            return bytesOf([fills])
          },
        }),
    ...(versions === "without" ? {} : { version: () => bytesOf(words) }),
    ...options,
  })
  t.after(() => room.close())
  const write = (...more: readonly string[]): void => {
    for (const word of more) {
      words.add(word)
      room.send(bytesOf([word]))
    }
  }
  return { room, words, told, write }
}

/** Resolves when all have exactly these words. */
export async function agree(words: string, ...replicas: readonly Replica[]): Promise<void> {
  const whole = words.split(" ").sort().join(" ")
  await eventually(() => replicas.every((each) => [...each.words].sort().join(" ") === whole))
}

/** Resolves when all have the content, and each sees so many others. */
export async function settled(others: number, ...replicas: readonly Replica[]): Promise<void> {
  await eventually(() =>
    replicas.every(({ room }) => room.state === "open" && room.others.size === others),
  )
}

export const secret = "a secret of at least thirty-two bytes"

/** A token of ada's for the room `notes`. */
export function tokenFor(
  claims: Readonly<Record<string, unknown>>,
  { seconds = 3_600, now = Date.now() } = {},
): Promise<string> {
  const at = Math.floor(now / 1_000)
  const whole = { sub: "ada", aud: "quartet", docId: "notes", iat: at, exp: at + seconds }
  const signer = new SignJWT({ ...whole, ...claims }).setProtectedHeader({ alg: "HS256" })
  return signer.sign(utf8.encode(secret))
}

/** What lies between replicas and a server. */
export interface Between {
  /** Where replicas connect to. */
  readonly url: string
  /** All bytes that came from replicas and from the server, the handshakes too. */
  readonly seen: Buffer[]
  /** How many lines were opened. */
  readonly lines: number
  /** Cuts all lines; new ones come about. */
  cut(): void
}

/** A line to the server that keeps what is said on it, and may be cut. */
export async function between(t: TestContext, url: string): Promise<Between> {
  const seen: Buffer[] = []
  const sockets = new Set<Socket>()
  let lines = 0
  const server = createServer((near) => {
    lines += 1
    const far = dial(Number(new URL(url).port), "127.0.0.1")
    for (const [from, to] of [
      [near, far],
      [far, near],
    ] as const) {
      sockets.add(from)
      from.setNoDelay(true)
      from.on("data", (data) => {
        seen.push(Buffer.from(data))
        to.write(data)
      })
      from.on("error", () => to.destroy())
      from.on("close", () => {
        sockets.delete(from)
        to.destroy()
      })
    }
  })
  const cut = (): void => {
    for (const socket of sockets) socket.destroy()
  }
  t.after(() => {
    server.close()
    cut()
  })
  server.listen(0, "127.0.0.1")
  await once(server, "listening")
  const { port } = server.address() as AddressInfo // it listens on TCP
  return {
    url: `http://127.0.0.1:${port}`,
    seen,
    cut,
    get lines() {
      return lines
    },
  }
}

/** A frame that passes by: who says it, its JSON, and the bytes behind that. */
export interface Passing {
  readonly from: "replica" | "server"
  readonly head: Readonly<Record<string, unknown>>
  readonly bytes: Buffer
}

/** A server in the middle that may change what passes: what a hostile relay could do. */
export async function meddler(
  t: TestContext,
  url: string,
  change: (frame: Passing) => readonly Passing[],
): Promise<string> {
  const server = new WebSocketServer({ port: 0, host: "127.0.0.1" })
  await once(server, "listening")
  server.on("connection", (near, { url: path = "" }) => {
    const far = new Client(url.replace("http", "ws") + path)
    const early: Buffer[] = []
    const pass = (from: Passing["from"], data: Buffer, isBinary: boolean): void => {
      const to = from === "replica" ? far : near
      for (const frame of change(read(from, data, isBinary))) to.send(...written(frame))
    }
    near.on("message", (data: Buffer, isBinary) => {
      if (far.readyState === far.OPEN) pass("replica", data, isBinary)
      else early.push(Buffer.from([isBinary ? 1 : 0, ...data]))
    })
    far.on("open", () => {
      for (const [isBinary, ...data] of early) pass("replica", Buffer.from(data), isBinary === 1)
    })
    far.on("message", (data: Buffer, isBinary) => pass("server", data, isBinary))
    far.on("error", () => near.terminate())
    far.on("close", () => near.close())
    near.on("close", () => far.terminate())
  })
  t.after(() => {
    for (const client of server.clients) client.terminate()
    server.close()
  })
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}` // it listens on TCP
}

function read(from: Passing["from"], data: Buffer, isBinary: boolean): Passing {
  if (!isBinary) return { from, head: JSON.parse(data.toString()), bytes: Buffer.alloc(0) }
  let at = 0
  let length = 0
  for (let scale = 1; ; scale *= 128) {
    const byte = data[at++] ?? 0
    length += (byte % 128) * scale
    if (byte < 128) break
  }
  const head = JSON.parse(data.subarray(at, at + length).toString())
  return { from, head, bytes: data.subarray(at + length) }
}

function written({ head, bytes }: Passing): [Buffer, { binary: boolean }] {
  const json = Buffer.from(JSON.stringify(head))
  if (bytes.length === 0) return [json, { binary: false }]
  const length: number[] = []
  let rest = json.length
  for (; rest > 127; rest = Math.floor(rest / 128)) length.push((rest % 128) + 128)
  return [Buffer.concat([Buffer.from([...length, rest]), json, bytes]), { binary: true }]
}
