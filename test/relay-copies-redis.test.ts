/** Copies in a real Redis, for several servers: who takes them, who is given one, what they outlive. */
import assert from "node:assert/strict"
import { once } from "node:events"
import { type TestContext, test } from "node:test"
import { WebSocket } from "ws"
import { WebsocketProvider } from "y-websocket"
import * as Y from "yjs"
import { type Depot, openDepot } from "../src/bus/bus.ts"
import { readConfig } from "../src/config.ts"
import { Log } from "../src/log.ts"
import type { Copy, CopyShelf } from "../src/relay/copies.ts"
import { RedisCopies } from "../src/relay/copies-redis.ts"
import { Seal } from "../src/relay/copies-seal.ts"
import { relayOptions } from "../src/relay/limits.ts"
import { Client } from "./collab-parts.ts"
import { Live, live, textIn } from "./copy-parts.ts"
import { eventually, type Started, startServer } from "./harness.ts"
import { noRedis, type Redis, startRedis } from "./redis-parts.ts"
import { RelayWorld } from "./relay-parts.ts"

const skip = noRedis
/** A second, so that a test sees many copies; nothing rests on how long it takes. */
const soon = { copyQuietMs: 50, copyRestMs: 100 }

/** A server with copies in Redis. */
function serve(t: TestContext, redis: Redis, more: object = {}): Promise<Started> {
  const relayLimits = { ...soon, orphanHoldMs: 0, lingerMs: 100 }
  const copies = { relayCopies: "redis", relayLimits, relayAnonymous: "editor" } as const
  return startServer(t, { redisUrls: [redis.url], parts: ["relay"], ...copies, ...more })
}

interface Person {
  readonly doc: Y.Doc
  readonly provider: WebsocketProvider
  readonly text: Y.Text
}

/** An unmodified client of y-websocket in the room `notes`. */
function comes(t: TestContext, { ws }: Started, doc = new Y.Doc()): Person {
  const provider = new WebsocketProvider(`${ws}/yjs`, "notes", doc, {
    WebSocketPolyfill: WebSocket as unknown as typeof globalThis.WebSocket, // all that it uses
    maxBackoffTime: 100,
    disableBc: true,
  })
  t.after(() => {
    provider.destroy()
    doc.destroy()
  })
  return { doc, provider, text: doc.getText("t") }
}

/** Looks until `look` finds something, or the test is out of time. */
async function seen<T>(look: () => Promise<T | undefined>): Promise<T> {
  for (;;) {
    const found = await look()
    if (found !== undefined) return found
    await new Promise((resolve) => setImmediate(resolve))
  }
}

/** Waits until the copy of `notes` has this text. */
async function copied(t: TestContext, redis: Redis, text: string): Promise<void> {
  const { shelf } = await shelfIn(t, redis)
  await seen(async () => {
    const found = await got(shelf, "y/notes")
    return (found !== "away" && textIn(found) === text) || undefined
  })
}

async function taken({ url }: Started): Promise<number> {
  const text = await (await fetch(`${url}/metrics`)).text()
  return Number(/^quartet_relay_copies_total\{result="taken"\} (\d+)$/m.exec(text)?.[1] ?? 0)
}

interface Shelf {
  readonly shelf: RedisCopies
  readonly depot: Depot
}

/** A shelf as one server has it, connected. */
async function shelfIn(
  t: TestContext,
  redis: Redis,
  { key, copyMs = relayOptions({}).copyMs }: { key?: string; copyMs?: number } = {},
): Promise<Shelf> {
  const log = new Log("silent")
  const random = (length: number) => crypto.getRandomValues(new Uint8Array(length))
  const after = (ms: number, work: () => void) => {
    const timer = setTimeout(work, ms)
    return () => clearTimeout(timer)
  }
  const depot = openDepot({ urls: [redis.url], log, after })
  t.after(() => depot.close())
  const seal = key === undefined ? undefined : new Seal(key, random)
  const shelf = new RedisCopies({ depot, log, random, copyMs, seal })
  await seen(async () => (await got(shelf, "-")) !== "away" || undefined)
  return { shelf, depot }
}

const got = (shelf: CopyShelf, key: string) =>
  new Promise((resolve: (copy: Copy | undefined | "away") => void) => shelf.get(key, resolve))
const put = (shelf: CopyShelf, key: string, copy: Copy) =>
  new Promise((resolve) => shelf.put(key, copy, resolve))
const turn = (shelf: CopyShelf, how: "wait" | "seize", key = "l/a") =>
  new Promise((resolve) => shelf.turn?.(key, how, resolve))
const removed = (shelf: CopyShelf, key: string) =>
  new Promise((resolve) => shelf.remove(key, resolve))

/** An opaque copy that says `word`. */
function saying(word: string): Copy {
  return { kind: "opaque", bytes: Buffer.from(word), vector: undefined, merges: 0 }
}

const wordOf = (copy: Copy | undefined | "away") =>
  typeof copy === "object" ? Buffer.from(copy.bytes).toString() : copy

test("RL121 RL21 RL122 a room whose last replica left is given back on any server, and on one that is started later", {
  skip,
}, async (t) => {
  const redis = await startRedis(t)
  const [one, two] = [await serve(t, redis), await serve(t, redis)]
  const ada = comes(t, one)
  await eventually(() => ada.provider.synced)
  ada.text.insert(0, "hello")
  await copied(t, redis, "hello")
  ada.provider.destroy()
  const bob = comes(t, two)
  await eventually(() => bob.provider.synced && bob.text.toString() === "hello")
  bob.text.insert(5, " world")
  await copied(t, redis, "hello world")
  bob.provider.destroy()
  await one.stop()
  await two.stop()
  const three = await serve(t, redis)
  const eve = comes(t, three)
  await eventually(() => eve.provider.synced && eve.text.toString() === "hello world")
})

test("RL123 of two servers with holders of a room one copies it, and the other one goes on when that one stops", {
  skip,
}, async (t) => {
  const redis = await startRedis(t)
  const [one, two] = [await serve(t, redis), await serve(t, redis)]
  const ada = comes(t, one)
  await eventually(() => ada.provider.synced)
  ada.text.insert(0, "0")
  await copied(t, redis, "0")
  const bob = comes(t, two)
  await eventually(() => bob.provider.synced && bob.text.toString() === "0")
  for (let edit = 1; edit <= 5; edit++) {
    const writer = edit % 2 === 0 ? ada : bob
    writer.text.insert(writer.text.length, `${edit}`)
    await eventually(() => ada.text.toString() === bob.text.toString())
    await copied(t, redis, ada.text.toString())
  }
  assert.deepEqual([(await taken(one)) >= 6, await taken(two)], [true, 0])
  await one.stop()
  bob.text.insert(0, "and ")
  await copied(t, redis, "and 012345")
  assert.ok((await taken(two)) > 0)
})

test("RL122 a server that comes back to a room loses nothing of what another copied meanwhile", {
  skip,
}, async (t) => {
  const redis = await startRedis(t)
  const [left, right] = [await shelfIn(t, redis), await shelfIn(t, redis)]
  // Each has a bus of its own: they cannot hear each other, and share the copies only.
  const worlds = [left, right].map(({ shelf }) => new RelayWorld({ copies: shelf }))
  const [here, there] = worlds
  assert.ok(here !== undefined && there !== undefined)
  const kept = async () => {
    const found = await got(left.shelf, "y/notes")
    return found === "away" ? undefined : textIn(found)
  }
  const passes = (world: RelayWorld, who: Live, done: () => Promise<boolean>) =>
    seen(async () => {
      await live(world, 500, who)
      return (await done()) || undefined
    })
  const ada = await Live.comes(here)
  await passes(here, ada, async () => ada.isSynced)
  // So long that it is taken whole each time: what ada lacks would be gone from the copy.
  const one = "one".repeat(100_000)
  ada.types(one)
  await passes(here, ada, async () => (await kept()) === one)
  left.shelf.flush()
  const bob = await Live.comes(there)
  await passes(there, bob, async () => bob.isSynced)
  bob.types(" two")
  await passes(there, bob, async () => (await kept()) === `${one} two`)
  right.shelf.flush()
  // What ada's server knows of the copy is old, and so is she.
  ada.doc.getText("t").insert(0, "zero ")
  await passes(here, ada, async () => (await kept()) === `zero ${one} two`)
  assert.equal(ada.doc.getText("t").toString(), `zero ${one} two`)
})

test("RL123 who has no turn writes nothing, and who lost it to another is refused", {
  skip,
}, async (t) => {
  const redis = await startRedis(t)
  const [{ shelf: one }, { shelf: two }] = [await shelfIn(t, redis), await shelfIn(t, redis)]
  assert.equal(await put(one, "l/a", saying("early")), "away")
  assert.deepEqual([await turn(one, "wait"), await turn(one, "wait")], ["new", "ours"])
  assert.equal(await turn(two, "wait"), "theirs")
  assert.equal(await put(two, "l/a", saying("two")), "away")
  assert.equal(await put(one, "l/a", saying("one")), "kept")
  assert.equal(await turn(two, "seize"), "new")
  assert.equal(await put(one, "l/a", saying("late")), "away")
  assert.equal(wordOf(await got(one, "l/a")), "one")
  assert.equal(await put(two, "l/a", saying("two")), "kept")
  assert.equal(wordOf(await got(one, "l/a")), "two")
  two.flush()
  assert.equal(await turn(one, "wait"), "new")
  // A server that was killed gives nothing up: its turn ends by itself.
  const left = Number(await redis.run("PTTL", "lfcc:copier:l/a"))
  assert.ok(left > 0 && left <= 10_000)
})

test("RL126 a copy in Redis expires when it was not used for copyMs, and an admin can delete it on any server", {
  skip,
}, async (t) => {
  const redis = await startRedis(t)
  const { shelf } = await shelfIn(t, redis, { copyMs: 600_000 })
  await turn(shelf, "wait")
  await put(shelf, "l/a", saying("text"))
  const left = async () => Number(await redis.run("PTTL", "lfcc:copy:l/a"))
  assert.ok((await left()) > 0 && (await left()) <= 600_000)
  await redis.run("PEXPIRE", "lfcc:copy:l/a", "60000")
  assert.equal(wordOf(await got(shelf, "l/a")), "text")
  assert.ok((await left()) > 60_000, "it was used")
  assert.deepEqual([await removed(shelf, "l/a"), await removed(shelf, "l/a")], [true, false])
  await put(shelf, "l/a", saying("text"))
  const relayAdminToken = "an admin's token of thirty-two bytes"
  const server = await serve(t, redis, { relayAdminToken: relayAdminToken.replaceAll(" ", "-") })
  const headers = { authorization: `Bearer ${relayAdminToken.replaceAll(" ", "-")}` }
  const erase = async () =>
    (await fetch(`${server.url}/api/relay/copies/a`, { method: "DELETE", headers })).status
  // Just after the start it may not be connected yet.
  assert.equal(await seen(async () => [await erase()].find((status) => status !== 503)), 204)
  assert.equal(await erase(), 404)
  await redis.kill()
  assert.equal(await erase(), 503)
})

test("RL126 with RELAY_COPY_KEY Redis shows nothing of a copy, and another key opens none", {
  skip,
}, async (t) => {
  const redis = await startRedis(t)
  const [key, other] = ["a", "b"].map((letter) => letter.repeat(43))
  const { shelf } = await shelfIn(t, redis, { key: key ?? "" })
  await turn(shelf, "wait")
  const copy = { ...saying("marker"), vector: Buffer.from("version"), merges: 7 }
  await put(shelf, "l/a", copy)
  const raw = String(await redis.run("GET", "lfcc:copy:l/a"))
  assert.ok(!raw.includes("marker") && !raw.includes("version"))
  const found = await got(shelf, "l/a")
  assert.ok(typeof found === "object")
  assert.deepEqual(
    [wordOf(found), found.vector && Buffer.from(found.vector).toString(), found.merges],
    ["marker", "version", 7],
  )
  for (const strange of [other, undefined]) {
    const { shelf: stranger } = await shelfIn(
      t,
      redis,
      strange === undefined ? {} : { key: strange },
    )
    assert.equal(await got(stranger, "l/a"), "away")
  }
  // Moved to another room, or cut off, it opens no more.
  await redis.run("COPY", "lfcc:copy:l/a", "lfcc:copy:l/b")
  await redis.run("SET", "lfcc:copy:l/c", "\u0001")
  assert.deepEqual([await got(shelf, "l/b"), await got(shelf, "l/c")], ["away", "away"])
})

test("RL127 a Redis that is away or hangs is told as away, and one that comes back is used again", {
  skip,
}, async (t) => {
  const redis = await startRedis(t)
  const { shelf } = await shelfIn(t, redis)
  redis.signal("SIGSTOP")
  // Two that are not answered end the connections.
  assert.deepEqual(await Promise.all([got(shelf, "l/a"), turn(shelf, "wait")]), ["away", "away"])
  redis.signal("SIGCONT")
  await seen(async () => (await got(shelf, "l/a")) !== "away" || undefined)
  await redis.kill()
  await seen(async () => (await got(shelf, "l/a")) === "away" || undefined)
  assert.equal(await removed(shelf, "l/a"), "away")
  await redis.start()
  await seen(async () => (await got(shelf, "l/a")) !== "away" || undefined)
  assert.equal(await turn(shelf, "wait"), "new")
})

test("RL121 RL124 an opaque room comes back on another server, from a Redis that is for copies only", {
  skip,
}, async (t) => {
  const [redis, own] = [await startRedis(t), await startRedis(t)]
  const more = { relayCopiesUrls: [own.url] }
  const [one, two] = [await serve(t, redis, more), await serve(t, redis, more)]
  const joins = async ({ ws }: Started, name: string, payload: object) => {
    const client = new Client(t, `${ws}/collab/notes?senderId=${name}`)
    await once(client.socket, "open")
    client.says("JOIN", { senderId: name, payload })
    return client
  }
  const ada = await joins(one, "ada", { hasSnapshot: true })
  ada.says("CRDT_UPDATE", { senderId: "ada", bytesB64: "AQID" })
  ada.serves("BAUG", "ada")
  const keys = async (of: Redis) => ((await of.run("KEYS", "lfcc:copy:*")) as string[]).map(String) // that is what it answers
  assert.deepEqual(await seen(async () => [await keys(own)].find(({ length }) => length > 0)), [
    "lfcc:copy:l/notes",
  ])
  assert.deepEqual(await keys(redis), [])
  ada.socket.close(1000)
  await eventually(() => ada.ended !== undefined)
  const bob = await joins(two, "bob", {})
  assert.equal((await bob.first("SNAPSHOT_RESPONSE")).payload?.["snapshot"], "BAUG")
})

test("RL121 SV2 copies in Redis want to be told of a Redis", () => {
  const redisUrl = "redis://127.0.0.1:1"
  for (const [environment, message] of [
    [{ RELAY_COPIES: "redis" }, "RELAY_COPIES: redis needs REDIS_URL, or RELAY_COPIES_URL"],
    [{ RELAY_COPIES_URL: redisUrl }, "RELAY_COPIES_URL: needs RELAY_COPIES=redis beside it"],
    [
      { RELAY_COPIES: "redis", RELAY_COPIES_URL: "http://:secret@host" },
      "RELAY_COPIES_URL: it is not like redis://HOST:6379 or rediss://USER:PASSWORD@HOST",
    ],
  ] as const) {
    assert.throws(() => readConfig(environment), { message })
  }
  const { relayCopies, relayCopiesUrls } = readConfig({
    RELAY_COPIES: "redis",
    REDIS_URL: redisUrl,
  })
  assert.deepEqual([relayCopies, relayCopiesUrls], ["redis", []])
  const alone = readConfig({ RELAY_COPIES: "redis", RELAY_COPIES_URL: redisUrl })
  assert.deepEqual(alone.relayCopiesUrls, [redisUrl])
})
