/** Encrypted rooms: what is sealed, what a server sees of it, and what it can do to it. */
import assert from "node:assert/strict"
import { createDecipheriv, createHmac, hkdfSync, pbkdf2Sync } from "node:crypto"
import { type TestContext, test } from "node:test"
import * as Y from "yjs"
import { RoomKey } from "../src/client/client.ts"
import { type Kind, type Sealing, unsealed } from "../src/client/sealed.ts"
import { WebsocketProvider } from "../src/client/yjs.ts"
import { eventually, startServer } from "./harness.ts"
import {
  agree,
  bytesOf,
  enter,
  meddler,
  type Passing,
  type Replica,
  secret,
  settled,
  tokenFor,
} from "./room-parts.ts"

const kinds = ["update", "snapshot", "presence", "version"] as const satisfies readonly Kind[]
const plain = bytesOf(["a secret word"])

/** What docs/protocol/relay.md says of sealed bytes, done without the SDK. */
function unseal(bytes: Uint8Array, room: string, sealed: Uint8Array): Buffer {
  const what = sealed[1] === 3 ? "presence" : "content"
  const key = hkdfSync("sha256", bytes, Buffer.from(room), `quartet relay ${what}`, 32)
  const decipher = createDecipheriv("aes-256-gcm", Buffer.from(key), sealed.subarray(2, 14))
  decipher.setAAD(Buffer.concat([sealed.subarray(1, 2), Buffer.from(room)]))
  decipher.setAuthTag(sealed.subarray(-16))
  return Buffer.concat([decipher.update(sealed.subarray(14, -16)), decipher.final()])
}

/** Some 32 bytes that are always the same. */
const known = createHmac("sha256", "a key").update("for tests").digest()

test("RL135 seals with AES-256-GCM under keys of its room, as the manual says", async () => {
  const { seal, open, isSealed } = await RoomKey.fromBytes(known).forRoom("nötes")
  assert.equal(isSealed, true)
  for (const [at, kind] of kinds.entries()) {
    const [sealed, again] = await Promise.all([seal(kind, plain), seal(kind, plain)])
    assert.deepEqual([...sealed.subarray(0, 2)], [1, at + 1])
    assert.equal(sealed.length, 2 + 12 + plain.length + 16)
    assert.deepEqual([...unseal(known, "nötes", sealed)], [...plain])
    assert.deepEqual(await open([kind], sealed), plain)
    assert.notDeepEqual(sealed.subarray(2, 14), again.subarray(2, 14))
  }
})

test("RL135 opens nothing that was changed, cut, moved, or sealed with another key", async () => {
  const key = RoomKey.fromBytes(known)
  const here = await key.forRoom("here")
  const sealed = await here.seal("update", plain)
  const opens = (by: Sealing, bytes: Uint8Array, allowed: readonly Kind[] = kinds) =>
    by.open(allowed, bytes)
  for (let at = 0; at < sealed.length; at++) {
    const changed = Uint8Array.from(sealed)
    changed[at] = (changed[at] ?? 0) ^ 1
    assert.equal(await opens(here, changed), undefined, `byte ${at}`)
    assert.equal(await opens(here, sealed.subarray(0, at)), undefined, `the first ${at}`)
  }
  assert.equal(await opens(here, sealed, ["snapshot", "presence", "version"]), undefined)
  assert.equal(await opens(await key.forRoom("there"), sealed), undefined)
  assert.equal(await opens(await RoomKey.random().forRoom("here"), sealed), undefined)
  assert.deepEqual(await opens(here, sealed), plain)
  assert.equal(await unsealed.open(kinds, sealed), sealed)
})

test("RL135 a key is 32 bytes, 43 characters, or a password that is stretched", async () => {
  const key = RoomKey.random()
  const text = key.toText() ?? ""
  assert.match(text, /^[\w-]{43}$/)
  const sealed = await (await key.forRoom("n")).seal("update", plain)
  const same = await RoomKey.fromText(text).forRoom("n")
  assert.deepEqual(await same.open(["update"], sealed), plain)
  assert.throws(() => RoomKey.fromText("too short"), /43 letters, digits, - and _/)
  assert.throws(() => RoomKey.fromBytes(new Uint8Array(31)), /32 bytes, these are 31/)
  const byPassword = RoomKey.fromPassword("corre\u0301ct horse")
  assert.equal(byPassword.toText(), undefined)
  const closed = await (await byPassword.forRoom("nötes")).seal("update", plain)
  // As it is in NFC, and with the room's name as salt.
  const bytes = pbkdf2Sync("corréct horse", "nötes", 600_000, 32, "sha256")
  assert.deepEqual([...unseal(bytes, "nötes", closed)], [...plain])
})

/** A server, and one in the middle that keeps all frames and may change them. */
async function watched(
  t: TestContext,
  change: (frame: Passing) => readonly Passing[] = (frame) => [frame],
) {
  const { url } = await startServer(t)
  const frames: Passing[] = []
  const middle = await meddler(t, url, (frame) => {
    frames.push(frame)
    return change(frame)
  })
  /** All that the server was told and told, as text and as what base64 in it stands for. */
  const seen = (): string =>
    frames
      .flatMap(({ head, bytes }) => {
        const json = JSON.stringify(head)
        const inside = [...json.matchAll(/"([\w+/=]{8,})"/g)].map(([, text = ""]) =>
          Buffer.from(text, "base64").toString("latin1"),
        )
        return [json, bytes.toString("latin1"), ...inside]
      })
      .join("\n")
  return { url, middle, seen }
}

/** Two replicas that have told each other everything that there is to tell. */
async function talk(t: TestContext, url: string, key: RoomKey | undefined): Promise<void> {
  const sealed = key === undefined ? {} : { key }
  const ada = enter(t, url, { ...sealed, senderId: "ada", fills: "marker-seed" })
  await agree("marker-seed", ada)
  ada.room.present({ name: "marker-presence" })
  ada.write("marker-update")
  const bob = enter(t, url, { ...sealed, senderId: "bob", words: ["marker-brought"] })
  await agree("marker-seed marker-update marker-brought", ada, bob)
  const shown = () => bob.room.others.get("ada") as { name?: string } | null | undefined
  await eventually(() => shown()?.name === "marker-presence")
  ada.room.present(null)
  await eventually(() => shown() === null)
}

test("RL101 RL135 a server sees no content and no presence of a sealed room", async (t) => {
  const open = await watched(t)
  await talk(t, open.middle, undefined)
  for (const marker of ["seed", "update", "brought", "presence"]) {
    assert.ok(open.seen().includes(`marker-${marker}`), `${marker} is seen where nothing is sealed`)
  }
  const closed = await watched(t)
  await talk(t, closed.middle, RoomKey.random())
  assert.ok(!closed.seen().includes("marker"))
  assert.ok(closed.seen().includes('"senderId":"ada"'))
})

test("RL101 RL135 a server sees nothing of a sealed Yjs document", async (t) => {
  const { middle, seen } = await watched(t)
  const key = RoomKey.random()
  const join = () => {
    const doc = new Y.Doc()
    const line = new WebsocketProvider(`${middle.replace("http", "ws")}/yjs`, "notes", doc, {
      key,
      disableBc: true,
    })
    t.after(() => {
      line.destroy()
      line.awareness.destroy()
    })
    return { doc, line, text: doc.getText("marker-name") }
  }
  const ada = join()
  ada.text.insert(0, "marker-text")
  ada.line.awareness.setLocalState({ user: "marker-user" })
  const bob = join()
  await eventually(() => bob.text.toString() === "marker-text")
  await eventually(() => bob.line.awareness.getStates().size === 2)
  bob.text.insert(0, "marker-more ")
  await eventually(() => ada.text.toString() === "marker-more marker-text")
  assert.ok(seen().length > 500)
  assert.ok(!seen().includes("marker"))
})

/** Counts what a replica is told of bytes that do not open. */
function faultsOf({ room }: Replica): Error[] {
  const faults: Error[] = []
  room.on("fault", (error) => faults.push(error))
  return faults
}

test("RL135 forged, changed and foreign updates are dropped and told once", async (t) => {
  const key = RoomKey.random()
  const elsewhere = await (await key.forRoom("elsewhere")).seal("update", bytesOf(["moved"]))
  const { url, middle } = await watched(t, (frame) => {
    const { from, head, bytes } = frame
    if (from === "replica" || head["type"] !== "CRDT_UPDATE") return [frame]
    const flipped = Buffer.from(bytes)
    flipped[flipped.length - 1] = (flipped.at(-1) ?? 0) ^ 1
    const unsealedWord = Buffer.from(bytesOf(["forged"]))
    return [flipped, unsealedWord, Buffer.from(elsewhere), bytes].map((each) => ({
      from,
      head,
      bytes: each,
    }))
  })
  const ada = enter(t, url, { key })
  const bob = enter(t, middle, { key })
  const faults = faultsOf(bob)
  await settled(1, ada, bob)
  ada.write("one", "two")
  await agree("one two", bob)
  assert.equal(faults.length, 1)
  assert.match(faults[0]?.message ?? "", /this room's key does not open/)
})

test("RL135 a replayed update is harmless, and nothing opens as what it is not", async (t) => {
  const key = RoomKey.random()
  let presence: string | undefined
  const { url, middle } = await watched(t, (frame) => {
    const { from, head, bytes } = frame
    if (from === "replica") return [frame]
    const { sealed } = (head["payload"] ?? {}) as { sealed?: string }
    if (head["type"] === "PRESENCE" && sealed !== undefined) presence = sealed
    if (head["type"] !== "CRDT_UPDATE") return [frame]
    // Twice, as presence, and the presence as an update.
    const asPresence = { ...head, type: "PRESENCE", payload: { sealed: bytes.toString("base64") } }
    const asUpdate = { from, head, bytes: Buffer.from(presence ?? "", "base64") }
    return [frame, frame, asUpdate, { from, head: asPresence, bytes: Buffer.alloc(0) }]
  })
  const ada = enter(t, url, { key, senderId: "ada" })
  const bob = enter(t, middle, { key })
  const faults = faultsOf(bob)
  ada.room.present({ name: "ada" })
  const shown = () => bob.room.others.get("ada")
  await eventually(() => (shown() as { name?: string } | null | undefined)?.name === "ada")
  ada.write("one")
  await eventually(() => faults.length > 0)
  ada.write("two")
  await agree("one two", bob)
  const heard = () => bob.told.filter((each) => each.startsWith("ada"))
  await eventually(() => heard().length >= 4)
  assert.deepEqual(heard(), ["ada: one", "ada: one", "ada: two", "ada: two"])
  assert.deepEqual(shown(), { name: "ada" })
})

test("RL135 who has another key learns so, and gives nobody anything", async (t) => {
  const { url } = await startServer(t)
  const key = RoomKey.random()
  const ada = enter(t, url, { key, words: ["one"] })
  await settled(0, ada)
  const eve = enter(t, url, { key: RoomKey.random(), senderId: "eve" })
  const faults = faultsOf(eve)
  await eventually(() => faults.length === 1)
  eve.write("forged")
  const bob = enter(t, url, { key })
  await agree("one", bob, ada)
  assert.ok(!eve.words.has("one"))
  assert.notEqual(eve.room.state, "open")
  assert.equal(faults.length, 1)
})

test("RL102 RL135 sealed and open replicas do not mix", async (t) => {
  const { url } = await startServer(t)
  const ada = enter(t, url, { key: RoomKey.random() })
  await settled(0, ada)
  const eve = enter(t, url)
  const closings: unknown[] = []
  eve.room.on("closed", ({ code, comesBack }) => closings.push([code, comesBack]))
  await eventually(() => eve.room.state === "closed")
  assert.deepEqual(closings, [[4415, false]])
  await settled(0, ada)
})

test("RL101 RL135 roles hold in a sealed room, and so do returns", async (t) => {
  const { url } = await startServer(t, { tokenKey: { kind: "secret", secret } })
  const key = RoomKey.random()
  const ada = enter(t, url, { key, token: await tokenFor({ role: "editor" }) })
  ada.write("one")
  await settled(0, ada)
  const bob = enter(t, url, { key, token: await tokenFor({ sub: "bob", role: "viewer" }) })
  await agree("one", bob)
  bob.write("forbidden")
  ada.write("two")
  await agree("one two forbidden", bob)
  await agree("one two", ada)
})
