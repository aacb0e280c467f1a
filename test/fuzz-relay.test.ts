/**
 * The relay on a real server, told what no replica says, in its three dialects and over HTTP. Two
 * unmodified clients of other people's libraries write meanwhile, in a room that strangers enter,
 * and two replicas of the JSON dialect in one of their own.
 */
import assert from "node:assert/strict"
import { once } from "node:events"
import { type TestContext, test } from "node:test"
import { WebSocket } from "ws"
import * as Y from "yjs"
import { Writer } from "../src/wire/varints.ts"
import {
  besiege,
  damaged,
  framed,
  type Honest,
  Stranger,
  seconds,
  twisted,
  upgradeOf,
  watched,
} from "./fuzz-parts.ts"
import { eventually } from "./harness.ts"
import type { Dice } from "./pools-corpus.ts"
import { libraries, type Person } from "./relay-libraries.ts"

const base64 = (bytes: Uint8Array) => Buffer.from(bytes).toString("base64")

/** Updates of some documents: inserts, deletes, maps, types in types, a hole, several in one. */
function updatesOf(): readonly Uint8Array[] {
  const updates: Uint8Array[] = []
  for (const client of [11, 12, 13]) {
    const doc = new Y.Doc()
    doc.clientID = client
    doc.on("update", (update: Uint8Array) => updates.push(update))
    doc.getText("t").insert(0, "hello 😀")
    doc.getText("t").delete(1, 3)
    doc.getMap("m").set("key", { a: [1, null, "x"] })
    doc.getMap("m").set("inner", new Y.Array())
    doc.getXmlFragment("x").insert(0, [new Y.XmlElement("p")])
    updates.push(Y.encodeStateAsUpdate(doc))
  }
  const [first, , third, ...rest] = updates
  return [...updates, Y.mergeUpdates([first!, third!]), Y.mergeUpdates(rest)] // many were made
}

const updates = updatesOf()
const vectors = [
  Uint8Array.of(0),
  Uint8Array.of(1, 11, 3),
  ...updates.map(Y.encodeStateVectorFromUpdate),
]

function rowsOf(dice: Dice): Uint8Array {
  const rows = Array.from({ length: dice.below(4) }, () => {
    const state = dice.of(["null", "{}", '{"user":{"name":"eve"}}', "[".repeat(600), "no json"])
    return new Writer()
      .uint(dice.below(2 ** 32))
      .uint(dice.below(100))
      .text(state)
      .finish()
  })
  const writer = new Writer().uint(dice.below(9) === 0 ? dice.below(2 ** 31) : rows.length)
  for (const row of rows) writer.raw(row)
  return writer.finish()
}

/** One message of Yjs, as it stands in its frame. */
function yjsOf(dice: Dice): Uint8Array {
  const update = dice.below(3) > 0 ? dice.of(updates) : damaged(dice, dice.of(updates))
  const writer = new Writer()
  switch (dice.below(9)) {
    case 0:
      return writer
        .uint(0)
        .uint(0)
        .bytes(damaged(dice, dice.of(vectors)))
        .finish()
    case 1:
      return writer.uint(0).uint(0).bytes(dice.of(vectors)).finish()
    case 2:
      return writer.uint(0).uint(1).bytes(update).finish()
    case 3:
    case 4:
      return writer.uint(0).uint(2).bytes(update).finish()
    case 5:
      return writer.uint(1).bytes(rowsOf(dice)).finish()
    case 6:
      return writer.uint(3).finish()
    case 7:
      return writer
        .uint(121)
        .text(JSON.stringify(twisted(dice, { kind: "token", token: "x" })) ?? "")
        .finish()
  }
  return writer
    .uint(dice.of([102, 2, 4, 99, 2 ** 31]))
    .raw(dice.bytes(dice.below(40)))
    .finish()
}

/** What stands behind an address in Hocuspocus alone. */
function hocuspocusOf(dice: Dice): Uint8Array {
  const writer = new Writer()
  switch (dice.below(6)) {
    case 0:
      return writer.uint(2).uint(dice.below(4)).text("token").finish()
    case 1:
      return writer
        .uint(5)
        .text(dice.of(["x", "x".repeat(70_000), "\0"]))
        .finish()
    case 2:
      return writer.uint(7).finish()
    case 3:
      return writer
        .uint(dice.of([4, 6, 8, 9, 10]))
        .raw(dice.bytes(dice.below(20)))
        .finish()
  }
  return yjsOf(dice)
}

const rooms = ["notes", "r0", "r1", "r2", "%2e%2e%2f", "a/b", "__proto__", "%F0%9F%98%80"]

function yjsFrame(dice: Dice): Buffer {
  const one = yjsOf(dice)
  const whole = dice.below(5) === 0 ? Buffer.concat([one, yjsOf(dice)]) : one
  return dice.below(3) === 0 ? damaged(dice, whole) : Buffer.from(whole)
}

function hocuspocusFrame(dice: Dice): Buffer {
  const address = dice.of([...rooms, "r0\0session", "", "n".repeat(400)])
  const whole = new Writer().text(address).raw(hocuspocusOf(dice)).finish()
  return dice.below(4) === 0 ? damaged(dice, whole) : Buffer.from(whole)
}

/** A frame of JSON of each type. */
function jsonOf(dice: Dice, docId: string): unknown {
  const bytesB64 = base64(dice.bytes(dice.below(200)))
  const version = base64(dice.bytes(dice.below(20)))
  const one = { docId, senderId: dice.of(["eve", "mal", "x".repeat(129)]), ts: 1 + dice.below(9) }
  const features = dice.of([["ack", "batch"], ["binary", "versions"], ["x"], []])
  const hasSnapshot = dice.below(2) > 0
  const frames = [
    {
      ...one,
      type: "JOIN",
      payload: { hasSnapshot, version, features, sealed: dice.below(9) === 0 },
    },
    { ...one, type: "CRDT_UPDATE", bytesB64, ref: dice.below(9) },
    { ...one, type: "CRDT_UPDATE", payload: { bytesB64 } },
    { ...one, type: "PRESENCE", payload: { cursor: [1, 2], deep: twisted(dice, { a: {} }) } },
    { ...one, type: "SNAPSHOT_REQUEST", payload: { version } },
    {
      ...one,
      type: "SNAPSHOT_RESPONSE",
      payload: { requestId: dice.of(["x", "1"]), snapshot: bytesB64, isBase64: true, version },
    },
    { ...one, type: "AUTH", token: "x.y.z" },
    { ...one, type: "LEAVE" },
  ]
  const batch = { ...one, type: "BATCH", frames: frames.slice(dice.below(frames.length)) }
  return dice.of<unknown>([
    ...frames,
    ...frames,
    batch,
    { ...batch, frames: Array(60).fill(frames[1]) },
  ])
}

/** As text, or as a binary message: the JSON after its length, and then bytes. */
function lfccFrame(dice: Dice, docId: string): string | Buffer {
  const frame = jsonOf(dice, docId)
  const text = JSON.stringify(dice.below(3) === 0 ? twisted(dice, frame) : frame) ?? "null"
  switch (dice.below(6)) {
    case 0:
      return damaged(dice, Buffer.from(text)).toString("latin1")
    case 1:
      return damaged(
        dice,
        new Writer()
          .text(text)
          .raw(dice.bytes(dice.below(90)))
          .finish(),
      )
    case 2:
      return Buffer.from(
        new Writer()
          .text(text)
          .raw(dice.bytes(dice.below(90)))
          .finish(),
      )
    case 3:
      return dice.of(["[".repeat(9_000), '{"type":'.repeat(900), "", "null", '{"__proto__":{}}'])
  }
  return text
}

async function replicates(url: string, dice: Dice): Promise<void> {
  const stranger = new Stranger(url, dice)
  const room = dice.of(rooms)
  const dialect = dice.of(["yjs", "hocuspocus", "collab"] as const)
  const query = dice.of([
    "",
    "?features=notices,seed",
    `?docId=${room}&senderId=eve`,
    "?token=x.y.z",
  ])
  const path = dialect === "hocuspocus" ? "/hocuspocus/" : `/${dialect}/${room}`
  await stranger.writes(upgradeOf(`${path}${query}`, []))
  if (!(await stranger.isAnswered())) return stranger.leaves()
  const frame = {
    yjs: () => yjsFrame(dice),
    hocuspocus: () => hocuspocusFrame(dice),
    collab: () => lfccFrame(dice, decodeURIComponent(room)),
  }[dialect]
  if (dialect === "hocuspocus" && dice.below(6) > 0) {
    const token = new Writer().uint(2).uint(0).text("").finish()
    for (const name of rooms.slice(dice.below(rooms.length))) {
      await stranger.writes(framed(dice, new Writer().text(name).raw(token).finish()))
    }
  }
  for (let left = 1 + dice.below(40); left > 0 && !stranger.isOver; left--) {
    await stranger.writes(framed(dice, frame()))
  }
  await stranger.leaves()
}

/** What an admin asks, by somebody who is none. */
async function governs(url: string, dice: Dice): Promise<void> {
  const stranger = new Stranger(url, dice)
  const place = dice.of(["rooms", "rooms/notes", "revoke", "deny", "copies/%00", "x"])
  const path = `/api/relay/${place}${dice.of(["", "/", "?limit=-1", "?limit=1e9&room=%ff"])}`
  const body = JSON.stringify(twisted(dice, { user: "eve", room: "x", role: "viewer" })) ?? ""
  const length = `Content-Length: ${Buffer.byteLength(body)}`
  const head = [`${dice.of(["GET", "POST", "DELETE", "PUT"])} ${path} HTTP/1.1`, "Host: 127.0.0.1"]
  await stranger.writes([...head, length, "Authorization: Bearer x", "", body].join("\r\n"))
  await stranger.leaves()
}

/** Two libraries in a room with strangers, two replicas of the JSON dialect in another. */
class Four implements Honest {
  readonly #people: readonly Person[]
  readonly #sockets: readonly WebSocket[]
  #heard: unknown
  #said = 0

  private constructor(people: readonly Person[], sockets: readonly WebSocket[]) {
    this.#people = people
    this.#sockets = sockets
    sockets[1]?.on("message", (data) => {
      const frame: unknown = JSON.parse(String(data))
      const isUpdate = typeof frame === "object" && frame !== null && "bytesB64" in frame
      if (isUpdate) this.#heard = frame.bytesB64
    })
  }

  static async come(t: TestContext, ws: string): Promise<Four> {
    const people = [libraries[0]!.come(t, ws), libraries[2]!.come(t, ws)] // there are four
    await eventually(() => people.every(({ isSynced }) => isSynced))
    const sockets: WebSocket[] = []
    for (const name of ["ada", "bob"]) {
      const socket = new WebSocket(`${ws}/collab/apart?docId=apart&senderId=${name}`)
      t.after(() => socket.terminate())
      await once(socket, "open")
      const join = {
        type: "JOIN",
        docId: "apart",
        senderId: name,
        ts: 1,
        payload: { hasSnapshot: true },
      }
      socket.send(JSON.stringify(join))
      sockets.push(socket)
    }
    return new Four(people, sockets)
  }

  async says(): Promise<void> {
    const [one, other] = this.#people
    const number = ++this.#said
    one!.doc.getMap("honest").set("number", number) // there are two
    await eventually(() => other!.doc.getMap("honest").get("number") === number)
    const bytesB64 = base64(Buffer.from(`number ${number}`))
    const frame = { type: "CRDT_UPDATE", docId: "apart", senderId: "ada", ts: 1, bytesB64 }
    this.#sockets[0]?.send(JSON.stringify(frame))
    await eventually(() => this.#heard === bytesB64)
  }

  /** Nobody was sent away. Their documents are not compared: strangers gave two contents to one id. */
  areWell(): void {
    assert.deepEqual(
      this.#people.map(({ closedWith }) => closedWith),
      [undefined, undefined],
    )
    assert.ok(this.#sockets.every(({ readyState }) => readyState === WebSocket.OPEN))
  }
}

test("RL89 RL90 SV14 SV19 whatever replicas say, nothing breaks, grows or reaches other rooms", {
  timeout: (seconds + 300) * 1_000,
}, async (t) => {
  const server = await watched(t, { PARTS: "relay", SQLITE_URI: ":memory:" })
  const four = await Four.come(t, server.ws)
  const torment = (dice: Dice) =>
    dice.below(12) === 0 ? governs(server.url, dice) : replicates(server.url, dice)
  await besiege(t, { server, honest: four, torment })
  four.areWell()
  const figures = await (await fetch(`${server.url}/metrics`)).text()
  for (const dialect of ["yjs", "hocuspocus", "lfcc"]) {
    assert.match(figures, new RegExp(`bad_frames_total\\{dialect="${dialect}"\\} [1-9]`))
  }
})
