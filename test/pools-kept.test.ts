/** What of pools outlives the process, and what goes on when it cannot be written. */
import assert from "node:assert/strict"
import { connect, type Socket } from "node:net"
import { join } from "node:path"
import { test } from "node:test"
import { prefixFraming } from "../src/net/framing.ts"
import { openStore, type Store } from "../src/store.ts"
import { FrameReader } from "../src/wire/frames.ts"
import { eventually, launch, temporaryDirectory } from "./harness.ts"
import { type End, Sea } from "./pools-parts.ts"

function ask(end: End, operation: string, pool: string, fields: object = {}): unknown {
  const id = `${operation}-${end.heard.length}`
  end.says({ type: "pool", id, operation, pool, ...fields })
  const answer = end.answerTo(id)
  return answer["error_code"] ?? answer["result"]
}

test("PL134 PL135 PL136 pools, rights and registrations are there again after a kill; calls and retained emits are not", (t) => {
  const uri = join(temporaryDirectory(t), "pools.db")
  const first = new Sea({ store: openStore({ uri }) })
  const ada = first.app("ada")
  ask(ada, "create", "work", { rights: { read: ["bob"], handle: ["bob"], execute: ["ada"] } })
  ask(ada, "create", "gone")
  ask(ada, "destroy", "gone")
  ask(ada, "join", "work")
  const bob = first.app("bob", { pools: ["work"], triggers: [{ name: "x", concurrency: 7 }] })
  ada.says({ type: "emit", trigger: "state", payload: 1, flags: ["retain"] })
  ada.says({ type: "trigger", id: "1", trigger: "x", pool: "work" })
  assert.equal(bob.all("trigger").length, 1)
  first.pass(100)
  // Nobody says goodbye: the file is opened as a killed process has left it.
  first.store.close()
  const second = new Sea({ store: openStore({ uri }), now: first.now })
  t.after(() => second.store.close())
  const back = second.app("bob", { rehydrate: true })
  assert.partialDeepStrictEqual(back.ack, {
    ...{ assigned: { pools: ["work"], triggers: ["x"] }, session: { generation: 2 } },
    rights: { work: ["read", "handle"] },
  })
  const again = second.app("ada", { pools: ["work", "default"] })
  assert.equal(ask(again, "join", "gone"), "NO_POOL")
  again.says({ type: "admin", id: "l", operation: "list_triggers" })
  assert.partialDeepStrictEqual(again.answerTo("l")["result"], {
    triggers: [{ pool: "work", trigger: "x", handlers: [{ concurrency: 7, pending: 0 }] }],
  })
  again.says({ type: "subscribe", id: "s", pool: "default", topics: [">"] })
  assert.deepEqual(again.all("emit"), [])
})

test("PL32 PL136 a binding outlives the process", (t) => {
  const uri = join(temporaryDirectory(t), "pools.db")
  const ask = (token: string, answer: (identity: never) => void) =>
    answer({ subject: token, role: "viewer", until: 2e12 } as never) // what a token is looked at for here
  const first = new Sea({ store: openStore({ uri }), ask })
  first.app("ada", { token: "ada" })
  first.store.close()
  const second = new Sea({ store: openStore({ uri }), ask })
  t.after(() => second.store.close())
  const eve = second.come()
  eve.says({ type: "handshake", id: "h", app_id: "ada", protocol_version: "1.0" })
  assert.equal(eve.answerTo("h")["error_code"], "UNAUTHENTICATED")
  const root = second.app("root", {}, { admin: "all" })
  root.says({ type: "admin", id: "r", operation: "release_app", target: "ada" })
  second.app("ada")
})

/** A store that cannot be written while `isFull`. */
function fullable(): Store & { isFull: boolean } {
  const store = openStore({ uri: ":memory:" })
  const fault = () => Object.assign(new Error("database or disk is full"), { errcode: 13 })
  return {
    ...{ isFull: false, durable: true },
    get healthy() {
      return !this.isFull
    },
    migrate: (owner, steps) => store.migrate(owner, steps),
    prepare<Row>(sql: string) {
      const inner = store.prepare<Row>(sql)
      const run: typeof inner.run = (values) => {
        if (this.isFull) throw fault()
        return inner.run(values)
      }
      return { get: inner.get, all: inner.all, run }
    },
    transaction<T>(work: () => T): T {
      if (this.isFull) throw fault()
      return store.transaction(work)
    },
    sync: (answer) => store.sync(answer),
    scrub: () => store.scrub(),
    backup: (path) => store.backup(path),
    tick: (now) => store.tick(now),
    close: () => store.close(),
  }
}

test("PL142 without a store that can be written calls and emits go on, and changes wait for it", () => {
  const store = fullable()
  const sea = new Sea({ store })
  const ada = sea.app("ada", { topics: ["t"] })
  store.isFull = true
  const bob = sea.app("bob", { triggers: ["x"] })
  sea.pass(100)
  ada.says({ type: "trigger", id: "1", trigger: "x" })
  bob.answers(bob.all("trigger")[0] ?? {}, "done")
  ada.says({ type: "emit", trigger: "t", payload: 1 })
  assert.partialDeepStrictEqual(ada.heard, [{ result: "done" }, { payload: 1 }])
  assert.equal(ask(ada, "create", "work"), "UNAVAILABLE")
  assert.equal(ask(ada, "join", "work"), "NO_POOL")
  assert.deepEqual(sea.service.health(), {
    ok: false,
    store: "degraded",
    calls: "ok",
    blocks: "ok",
  })
  assert.ok(sea.service.kept.unwritten > 0)
  store.isFull = false
  sea.pass(100)
  assert.deepEqual(sea.service.health(), { ok: true, store: "ok", calls: "ok", blocks: "ok" })
  assert.equal(sea.service.kept.unwritten, 0)
  assert.partialDeepStrictEqual(ask(ada, "create", "work"), { pool: "work" })
})

test("PL139 refuses the tables of a later release", () => {
  const store = openStore({ uri: ":memory:" })
  store.migrate("pools", Array(99).fill("SELECT 1"))
  assert.throws(() => new Sea({ store }), /newer release/)
})

test("PL136 a server that is killed has lost no pool that it acknowledged", async (t) => {
  const folder = temporaryDirectory(t)
  const path = join(folder, "pools.sock")
  const environment = { DATA_DIR: folder, POOLS_SOCKET: path, PARTS: "pools" }
  const server = await launch(t, environment)
  const ada = new Line(path)
  await ada.asks({ type: "handshake", id: "h", app_id: "ada", protocol_version: "1.0" })
  for (let at = 0; at < 20; at++) {
    await ada.asks({ type: "pool", id: `${at}`, operation: "create", pool: `pool-${at}` })
  }
  await server.end("SIGKILL")
  await launch(t, environment)
  const back = new Line(path)
  await back.asks({ type: "handshake", id: "h", app_id: "ada", protocol_version: "1.0" })
  const { result } = await back.asks({ type: "admin", id: "l", operation: "list_pools" })
  const { pools } = result as { pools: { name: string; owners: string[] }[] }
  const mine = pools.filter(({ owners }) => owners.includes("ada"))
  assert.equal(mine.length, 20)
  back.socket.destroy()
})

/** An app that asks one thing at a time. */
class Line {
  readonly socket: Socket
  readonly #reader = new FrameReader(1024 * 1024)
  #heard: Record<string, unknown> | undefined

  constructor(path: string) {
    this.socket = connect(path)
    this.socket.on("error", () => {})
    this.socket.on("data", (chunk: Buffer) => {
      for (const frame of this.#reader.push(chunk)) {
        this.#heard = JSON.parse(Buffer.from(frame).toString())
      }
    })
  }

  async asks(message: object): Promise<Record<string, unknown>> {
    this.#heard = undefined
    this.socket.write(prefixFraming(Buffer.from(JSON.stringify(message))))
    return await eventually(() => this.#heard)
  }
}

test("PL143 a fault of ours is logged, ends one connection, and nothing else", () => {
  const ask = () => {
    throw new Error("a bug")
  }
  const sea = new Sea({ ask })
  const ada = sea.app("ada")
  const eve = sea.come()
  eve.says({ type: "handshake", id: "h", app_id: "eve", protocol_version: "1.0", token: "t" })
  assert.partialDeepStrictEqual(eve.all("error"), [{ error_code: "INTERNAL", close: "conn" }])
  assert.equal(eve.isOpen, false)
  assert.match(String(sea.faults[0]), /a bug/)
  ada.says({ type: "ping", id: "p" })
  assert.equal(ada.all("pong").length, 1)
})

test("PL147 health asks with a call of its own, which leaves nothing behind", () => {
  const sea = new Sea({ limits: { inFlightLimit: 1 } })
  const before = sea.service.kept
  assert.deepEqual(sea.service.health(), { ok: true, store: "ok", calls: "ok", blocks: "ok" })
  assert.deepEqual(sea.service.kept, before)
  // With no room for a call it says so.
  const ada = sea.app("ada", { triggers: ["x"] })
  ada.says({ type: "trigger", id: "1", trigger: "x" })
  assert.equal(sea.service.health().calls, "down")
  ada.answers(ada.all("trigger")[0] ?? {}, 1)
  assert.equal(sea.service.health().ok, true)
})
