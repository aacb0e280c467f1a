/** The Hocuspocus dialect: addresses on one socket, tokens, and what is told of changes. */
import assert from "node:assert/strict"
import { test } from "node:test"
import * as Y from "yjs"
import { Access, matches } from "../src/relay/access.ts"
import { authored, type HocuspocusEnd, identity, RelayWorld, typed } from "./relay-parts.ts"

const editor = identity({ places: ["notes", "plans"] })
const viewer = identity({ subject: "vic", role: "viewer" })

/** A world in which a token is needed: `ed`, `vi` or `other`, who is good for another room. */
function guarded(): RelayWorld {
  const world = new RelayWorld({ anonymous: "off" })
  world.identities.set("ed", editor)
  world.identities.set("vi", viewer)
  world.identities.set("other", identity({ subject: "olga", places: ["elsewhere"] }))
  return world
}

/** Opens a document on a socket as a provider does: all at once. */
async function opens(world: RelayWorld, end: HocuspocusEnd, address: string, token = "ed") {
  end.token(address, token)
  end.step1(address, new Y.Doc())
  await world.settle()
}

test("RL83 what comes before access is decided is kept in order, and handled then", async () => {
  const world = guarded()
  const end = world.socket()
  const doc = authored(1)
  end.token("notes", "ed")
  end.step1("notes", doc)
  for (const letter of "abc") end.says("notes", { kind: "update", update: typed(doc, letter) })
  assert.deepEqual(end.news(), [])
  await world.settle()
  await world.joins(authored(2, "b"), { identity: editor })
  await world.pass(100)
  assert.deepEqual(
    end.news().filter((said) => !/read-write|accepted/.test(said)),
    ["notes: step1 {}", "notes: step2", "notes: step1 {2:1}"],
  )
  const third = await world.joins(authored(3, "c"), { identity: editor })
  assert.equal(third.news().at(-1), "step1 {1:3}", "all three arrived, and in order")
})

test("RL83 beyond its limits what comes early closes the socket", async () => {
  const world = new RelayWorld({ limits: { earlyMessages: 10, earlyBytes: 1_000 } })
  const many = world.socket()
  for (let n = 0; n < 11; n++) many.says(`a${n}`, { kind: "step1", vector: Uint8Array.of(0) })
  assert.equal(many.code, "never-joined")
  const much = world.socket()
  much.says("notes", { kind: "update", update: new Uint8Array(1_001) })
  assert.equal(much.code, "never-joined")
})

test("RL84 a socket on which nothing is joined is closed, as denied where that was so", async () => {
  const world = guarded()
  const silent = world.socket()
  const chatty = world.socket()
  const denied = world.socket()
  const joined = world.socket()
  await opens(world, denied, "notes", "other")
  await opens(world, joined, "notes")
  for (let n = 0; n < 98; n++) {
    chatty.utters(Uint8Array.of(9))
    await world.pass(100)
  }
  assert.equal(silent.code, undefined)
  await world.pass(400)
  assert.deepEqual(
    [silent, chatty, denied, joined].map(({ code }) => code),
    ["never-joined", "never-joined", "unauthenticated", undefined],
  )
})

test("RL99 a revocation counts for as long as a token from before it may live, and for no later one", () => {
  const access = new Access("off", [])
  const hourMs = 60 * 60_000
  const entering = (since: number) => () => access.admit(identity({ since }), "notes")
  access.revoke({ subject: "ada", room: undefined, role: undefined, at: 30 * hourMs })
  for (let hour = 31; hour <= 54; hour++) {
    access.revoke({ subject: `user ${hour}`, room: undefined, role: undefined, at: hour * hourMs })
    assert.throws(entering(30 * hourMs), { code: "forbidden" }, `${hour - 30} hours later`)
  }
  assert.doesNotThrow(entering(30 * hourMs + 1))
})

test("RL94 a pattern names a room whole, its parts in their order and each for itself", () => {
  const rooms = [
    "team/plans",
    "team/",
    "team",
    "xteam/plans",
    "aba",
    "abba",
    "abxba",
    "a-b-c",
    "a-c-b",
  ]
  const named = (pattern: string) => rooms.filter((room) => matches(pattern, room))
  assert.deepEqual(named("team/*"), ["team/plans", "team/"])
  assert.deepEqual(named("team"), ["team"])
  assert.deepEqual(named("ab*ba"), ["abba", "abxba"])
  assert.deepEqual(named("a*b*c"), ["a-b-c"])
  assert.deepEqual(named("*plans"), ["team/plans", "xteam/plans"])
  assert.deepEqual(named("*"), rooms)
  assert.deepEqual(named(""), [])
})

test("RL94 who is denied one document keeps the others on its socket", async () => {
  const world = guarded()
  const end = world.socket()
  await opens(world, end, "notes")
  await opens(world, end, "plans", "other")
  await opens(world, end, "nobody", "forged")
  assert.deepEqual(
    end.news().filter((said) => !said.startsWith("notes")),
    ["plans: denied: the token is not good for this room", "nobody: denied: no such token"],
  )
  await world.pass(20_000)
  assert.equal(end.code, undefined)
  assert.equal(world.relay.rooms.size, 1, "no room was opened for the others")
  end.token("plans", "ed")
  await world.settle()
  assert.ok(end.news().includes("plans: read-write"))
})

test("RL94 nobody is asked for who has no valid token", async () => {
  const world = guarded()
  const holder = await world.begins(authored(1, "secret"), { identity: editor })
  assert.throws(() => world.comes(), { code: "unauthenticated" })
  assert.throws(() => world.comes({ identity: identity({ places: ["other"] }) }), {
    code: "forbidden",
  })
  await opens(world, world.socket(), "notes", "forged")
  await world.pass(1_000)
  assert.equal(holder.asks, 0)
})

test("RL128 two sessions of one document on one socket are two replicas", async () => {
  const world = new RelayWorld()
  const end = world.socket()
  for (const address of ["notes\0one", "notes\0two"]) await opens(world, end, address, "")
  await world.pass(1_100)
  assert.equal(world.relay.replicas, 2)
  assert.equal(world.relay.rooms.size, 1)
  end.news()
  end.says("notes\0one", { kind: "update", update: typed(authored(1), "x") })
  await world.pass(100)
  assert.deepEqual(end.news().toSorted(), ["notes/one: accepted", "notes/two: update x"])
  end.leaves("notes\0one")
  assert.equal(world.relay.replicas, 1)
})

test("RL10 replicas of both dialects meet in one room; texts go to those who have words for them", async () => {
  const world = new RelayWorld()
  const [end, other] = [world.socket(), world.socket()]
  const doc = authored(1, "both")
  const plain = await world.begins(doc)
  await opens(world, end, "notes", "")
  plain.step2(doc)
  assert.ok(end.news().includes("notes: step2 both"))
  await opens(world, other, "notes", "")
  plain.update(typed(doc, "!"))
  await world.pass(100)
  assert.ok(end.news().includes("notes: update pending"))
  plain.take()
  end.says("notes", { kind: "update", update: typed(authored(2), "x") })
  end.stateless("notes", "ping")
  await world.pass(100)
  assert.deepEqual(plain.news(), ["update x"])
  assert.ok(other.news().includes("notes: stateless ping"))
})

test("RL120 what it had when it joined is answered by one status, and each change by one", async () => {
  const world = new RelayWorld()
  const doc = authored(1, "offline")
  const end = world.socket()
  end.token("notes", "")
  end.step1("notes", doc)
  await world.settle()
  assert.deepEqual(end.news(), ["notes: read-write", "notes: step1 {}", "notes: step2"])
  end.says("notes", { kind: "step2", update: Y.encodeStateAsUpdate(doc) })
  await world.pass(50)
  assert.deepEqual(end.news(), ["notes: accepted"])
  for (let n = 0; n < 3; n++) end.says("notes", { kind: "update", update: typed(doc, "a") })
  await world.pass(50)
  assert.deepEqual(end.news(), Array(3).fill("notes: accepted"))
  await world.joins()
  end.says("notes", { kind: "step2", update: Y.encodeStateAsUpdate(doc) })
  await world.pass(50)
  assert.deepEqual(end.news(), ["notes: step1 {}"], "an answer for others is not counted")
})

test("RL31 what a newcomer brought is accepted only when it has the content, for at none left its provider is synced", async () => {
  const world = new RelayWorld()
  const doc = authored(1, "text")
  const holder = await world.begins(doc)
  const end = world.socket()
  await opens(world, end, "notes", "")
  assert.equal(holder.asks, 1)
  end.says("notes", { kind: "step2", update: Uint8Array.of(0, 0) })
  await world.pass(1_000)
  assert.deepEqual(end.news(), ["notes: read-write", "notes: step1 {1:4}"])
  end.step1("notes", new Y.Doc())
  assert.deepEqual(end.news(), ["notes: step1 {1:4}"])
  end.says("notes", { kind: "step2", update: Uint8Array.of(0, 0) })
  holder.step2(doc)
  assert.deepEqual(end.news(), ["notes: step2 text", "notes: accepted"])
})

test("RL120 a change is accepted when the others here were given it, not before", async () => {
  const world = new RelayWorld()
  const end = world.socket()
  await opens(world, end, "notes", "")
  const doc = authored(1)
  end.says("notes", { kind: "update", update: typed(doc, "a") })
  const other = await world.joins()
  end.news()
  other.take()
  end.says("notes", { kind: "update", update: typed(doc, "b") })
  assert.deepEqual([end.news(), other.heard.length], [[], 0])
  await world.pass(40)
  assert.deepEqual([end.news(), other.heard.length], [["notes: accepted"], 1])
})

test("RL98 a viewer is told so, and none of what it writes is accepted", async () => {
  const world = guarded()
  const doc = authored(1, "text")
  const holder = await world.begins(doc, { identity: editor })
  const known = world.socket()
  known.token("notes", "vi")
  known.step1("notes", doc)
  await world.settle()
  assert.deepEqual(known.news(), ["notes: readonly", "notes: step1 {1:4}"])
  known.says("notes", { kind: "step2", update: Y.encodeStateAsUpdate(doc) })
  holder.step2(doc, Y.encodeStateVector(doc))
  assert.deepEqual(known.news(), ["notes: step2", "notes: accepted"], "it brought nothing new")
  known.says("notes", { kind: "update", update: typed(authored(3), "x") })
  assert.deepEqual(known.news(), ["notes: refused"])

  const bringing = world.socket()
  bringing.token("notes", "vi")
  const changed = authored(4, "mine")
  bringing.step1("notes", changed)
  await world.settle()
  bringing.says("notes", { kind: "step2", update: Y.encodeStateAsUpdate(changed) })
  holder.step2(doc)
  assert.equal(bringing.news().at(-1), "notes: refused")
  await world.pass(100)
  assert.ok(!holder.told.some((said) => said.startsWith("update")))
})

test("RL96 nothing that a viewer writes reaches anybody", async () => {
  const world = new RelayWorld()
  const holder = await world.begins(authored(1, "text"))
  const looking = await world.joins(new Y.Doc(), { identity: viewer })
  holder.step2(authored(1, "text"))
  holder.take()
  looking.update(typed(authored(2), "forged"))
  looking.step2(authored(2, "forged"))
  await world.pass(100)
  assert.deepEqual(holder.news(), [])
  assert.equal(looking.code, undefined)
  assert.equal(world.relay.counts.refused.counts.get("role"), 2)
})

test("RL95 at the end of its token an address is closed, and asked for a newer one before", async () => {
  const world = guarded()
  world.identities.set("short", { ...editor, until: world.now + 60_000 })
  world.identities.set("newer", { ...editor, until: world.now + 90_000 })
  const end = world.socket()
  await opens(world, end, "notes", "short")
  await opens(world, end, "plans", "short")
  await world.pass(29_000)
  end.news()
  await world.pass(2_000)
  assert.deepEqual(end.news(), ["notes: token wanted", "plans: token wanted"])
  end.token("plans", "newer")
  await world.pass(30_000)
  const told = end.news()
  assert.ok(told.includes("notes: denied: the token has expired"))
  assert.ok(!told.includes("plans: denied: the token has expired"))
  assert.equal(world.relay.replicas, 1)
  await world.pass(40_000)
  assert.equal(world.relay.replicas, 0)
})

test("RL95 a Yjs replica that hears notices is asked too, and a newer token prolongs its stay", async () => {
  const world = guarded()
  const until = world.now + 60_000
  const end = await world.joins(new Y.Doc(), { features: "notice", identity: { ...editor, until } })
  world.identities.set("newer", { ...editor, role: "viewer", until: until + 60_000 })
  await world.pass(30_100)
  const notice = end.news().find((said) => said.includes('"token"'))
  assert.match(notice ?? "", /"expiresMs":(29|30)\d{3}/)
  end.notes({ kind: "token", token: "newer" })
  await world.settle()
  assert.ok(end.news().some((said) => said.includes('"role":"viewer"')))
  assert.equal(end.line.identity?.until, until + 60_000)
  end.update(typed(authored(1), "x"))
  assert.equal(world.relay.counts.refused.counts.get("role"), 1, "its role counts, too")
  world.identities.set("another's", identity({ subject: "eve" }))
  end.notes({ kind: "token", token: "another's" })
  end.news()
  await world.settle()
  assert.equal(end.code, "forbidden")
  assert.deepEqual(end.news(), ["denied: the token is another user's"])
})

test("RL99 who is revoked is out at once, and stays out with tokens from before", async () => {
  const world = guarded()
  const end = world.socket()
  await opens(world, end, "notes")
  await opens(world, end, "plans")
  const plain = await world.joins(new Y.Doc(), { identity: editor })
  const other = await world.joins(new Y.Doc(), { identity: identity({ subject: "bob" }) })
  end.news()
  world.relay.revoke("ada", "notes", undefined)
  await world.settle()
  assert.deepEqual(end.news(), [
    "notes: denied: the access was revoked",
    "notes: closed: the access was revoked",
  ])
  assert.equal(plain.news().at(-1), "denied: the access was revoked")
  assert.deepEqual([plain.code, other.code, end.code], ["forbidden", undefined, undefined])
  assert.throws(() => world.comes({ identity: editor }), { code: "forbidden" })
  const newer = identity({ ...editor, since: world.now + 1 })
  assert.equal(world.comes({ identity: newer }).code, undefined)
  assert.equal(world.comes({ identity: editor, room: "plans" }).code, undefined)
})

test("RL99 who is given another role has it at once, in both dialects", async () => {
  const world = guarded()
  const end = world.socket()
  await opens(world, end, "notes")
  const plain = await world.joins(new Y.Doc(), { features: "notice", identity: editor })
  end.says("notes", { kind: "update", update: typed(authored(2), "filled") })
  await world.pass(1_100)
  end.news()
  plain.take()
  world.relay.revoke("ada", undefined, "viewer")
  assert.deepEqual(end.news(), ["notes: readonly"])
  assert.deepEqual(plain.news(), ['{"kind":"role","role":"viewer"}'])
  end.says("notes", { kind: "update", update: typed(authored(1), "x") })
  await world.pass(100)
  assert.deepEqual(end.news(), ["notes: refused"])
  assert.deepEqual(plain.news(), [])
})
