/** What the server of an encrypted pool knows: its memory and its files are searched for secrets. */
import assert from "node:assert/strict"
import { closeSync, existsSync, openSync, readdirSync, readFileSync, readSync } from "node:fs"
import { connect, type Socket } from "node:net"
import { join } from "node:path"
import { test } from "node:test"
import { Keyring } from "../src/client/keys.ts"
import { epochKeys } from "../src/client/keys-epoch.ts"
import { nodePrimitives } from "../src/client/keys-node.ts"
import { prefixFraming } from "../src/net/framing.ts"
import { decode64, encode64Url } from "../src/wire/base64.ts"
import { FrameReader } from "../src/wire/frames.ts"
import { derivation, grades, joined } from "../src/wire/trinity.ts"
import { readEnvelope } from "../src/wire/trinity-envelope.ts"
import { eventually, launch, temporaryDirectory } from "./harness.ts"
import { bytesOf, text } from "./trinity-parts.ts"

type Heard = Readonly<Record<string, unknown>>

/** An app over a unix socket. */
class Line {
  readonly socket: Socket
  readonly heard: Heard[] = []
  readonly #reader = new FrameReader(1024 * 1024)

  constructor(path: string) {
    this.socket = connect(path)
    this.socket.on("error", () => {})
    this.socket.on("data", (chunk: Buffer) => {
      for (const frame of this.#reader.push(chunk)) {
        this.heard.push(JSON.parse(Buffer.from(frame).toString()))
      }
    })
  }

  says(message: object): void {
    this.socket.write(prefixFraming(Buffer.from(JSON.stringify(message))))
  }

  async asks(id: string, message: object): Promise<Heard> {
    this.says({ id, ...message })
    const answer = await eventually(() => this.heard.find((each) => each["correlation_id"] === id))
    assert.equal(answer["status"], "success", JSON.stringify(answer))
    return answer
  }
}

const pageBytes = 4_096

/** All of a process's memory that it could read itself, in pieces that overlap. */
function* memoryOf(pid: number): Generator<Buffer> {
  const file = openSync(`/proc/${pid}/mem`, "r")
  const piece = Buffer.alloc(8 * 1024 * 1024)
  const overlap = pageBytes
  try {
    for (const line of readFileSync(`/proc/${pid}/maps`, "utf8").split("\n")) {
      const [, from = "", to = ""] = /^([0-9a-f]+)-([0-9a-f]+) r\S* .*$/.exec(line) ?? []
      if (from === "" || line.includes("[v")) continue
      const end = Number.parseInt(to, 16)
      for (let at = Number.parseInt(from, 16); at < end; ) {
        const count = readAt(file, piece, { at, most: end - at })
        if (count > 0) yield piece.subarray(0, count)
        const isAll = at + count >= end
        at += count > overlap && !isAll ? count - overlap : Math.max(count, pageBytes)
      }
    }
  } finally {
    closeSync(file)
  }
}

function readAt(file: number, into: Buffer, of: { at: number; most: number }): number {
  try {
    return readSync(file, into, 0, Math.min(into.length, of.most), of.at)
  } catch {
    return 0 // reserved and never used, or a device's: it holds nothing that was stored
  }
}

/** The ways in which bytes may lie somewhere. */
function spellings(bytes: Uint8Array): readonly Buffer[] {
  const own = Buffer.from(bytes)
  return [
    own,
    ...(["hex", "base64", "base64url"] as const).map((way) => Buffer.from(own.toString(way))),
  ]
}

const isReadable = existsSync("/proc/self/mem") && process.getuid?.() === 0
const skip = !isReadable && "this needs root on Linux: the memory of another process is read"

test("PL123 the server's memory and files hold no secret and no plaintext of an encrypted pool", {
  skip,
}, async (t) => {
  const folder = temporaryDirectory(t)
  const path = join(folder, "pools.sock")
  const server = await launch(t, { DATA_DIR: folder, POOLS_SOCKET: path, PARTS: "pools" })
  const { record, keys } = await Keyring.create({ primitives: nodePrimitives })
  const ring = await Keyring.from(keys, { primitives: nodePrimitives })
  const pool = "vault"
  const ada = new Line(path)
  const hello = { type: "handshake", app_id: "ada", protocol_version: "1.0" }
  const { session } = (await ada.asks("h", hello)) as { session: { id: string } } & Heard
  await ada.asks("c", {
    ...{ type: "pool", operation: "create", pool, encrypted: true },
    ...{ root_key: encode64Url(keys.rootKey), record: encode64Url(record) },
  })
  await ring.take(record)
  const certificate = encode64Url(await ring.certify())
  await ring.addCertificate(decode64(certificate) ?? record)
  for (const grade of ["shard", "writer"] as const) {
    const { result } = (await ada.asks(`j-${grade}`, {
      ...{ type: "pool", operation: "join", pool },
    })) as { result: { nonce: string } } & Heard
    const nonce = decode64(result.nonce) ?? record
    const bytes = decode64(session.id) ?? record
    const signature = await ring.prove({ grade, nonce, session: bytes, appId: "ada" })
    await ada.asks(`p-${grade}`, {
      ...{ type: "pool", operation: "prove", pool, epoch: 1, grade: grades[grade], certificate },
      signature: encode64Url(signature),
    })
  }
  await ada.asks("r", { type: "register", pool, triggers: ["add"] })
  const callNonce = nodePrimitives.random(16)
  const plain = "what only its readers know: kumquat"
  const content = { type: 2, bytes: bytesOf(plain) }
  const call = await ring.seal({ kind: "trigger", callNonce, name: "add" }, content)
  ada.says({
    ...{ type: "trigger", id: "t", pool, trigger: "add", call_nonce: encode64Url(callNonce) },
    ...{ payload: encode64Url(call), content_type: "bytes" },
  })
  const got = await eventually(() => ada.heard.find((each) => each["type"] === "trigger"))
  const told = decode64(String(got["payload"])) ?? record
  const opened = await ring.open({ kind: "trigger", callNonce, name: "add" }, told)
  assert.equal(text(opened.bytes), plain)
  const kept = await ring.seal({ kind: "emit", callNonce: undefined, name: "log" }, content)
  await ada.asks("e", {
    ...{ type: "emit", pool, trigger: "log", flags: ["ack", "retain"] },
    ...{ payload: encode64Url(kept), content_type: "bytes" },
  })
  const { seal, shard, sigil } = await epochKeys(nodePrimitives, keys.poolId, keys)
  const salt = readEnvelope(kept)?.salt ?? record
  const info = derivation("data", 1, joined(ring.writerKey, salt))
  const data = await nodePrimitives.derive(shard ?? record, keys.poolId, info)
  const secrets = {
    seal,
    shard,
    sigil,
    data,
    root: keys.rootSeed,
    writer: keys.writerSeed,
    plain: content.bytes,
  }
  const needles = Object.entries(secrets).flatMap(([name, secret]) =>
    spellings(secret ?? record).map((needle) => ({ name, needle })),
  )
  const control = spellings(keys.rootKey)
  let [bytes, wasFound] = [0, false]
  for (const piece of memoryOf(server.process.pid ?? 0)) {
    bytes += piece.length
    wasFound ||= control.some((each) => piece.includes(each))
    for (const { name, needle } of needles)
      assert.ok(!piece.includes(needle), `${name} is in memory`)
  }
  assert.ok(bytes > 16 * 1024 * 1024)
  assert.ok(wasFound, "what the server does have would have been found")
  const files = readdirSync(folder).filter((name) => !name.endsWith(".sock"))
  const stored = files.map((name) => readFileSync(join(folder, name)))
  assert.ok(stored.some((each) => each.includes(Buffer.from(keys.rootKey))))
  for (const { name, needle } of needles) {
    assert.ok(!stored.some((each) => each.includes(needle)), `${name} is in a file`)
  }
  ada.socket.destroy()
})
