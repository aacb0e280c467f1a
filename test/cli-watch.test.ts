/** `quartet watch`: a program of its own, on a real server, while apps do what it tells of. */
import assert from "node:assert/strict"
import { spawn } from "node:child_process"
import { once } from "node:events"
import { join } from "node:path"
import { createInterface } from "node:readline"
import { type TestContext, test } from "node:test"
import { matches } from "../src/client/pools-emits.ts"
import { type App, connect } from "../src/client/tcp.ts"
import { eventually, startServer } from "./harness.ts"

const main = join(import.meta.dirname, "../src/main.ts")

/** A watcher in a process of its own, once it watches; and what it has said. */
async function watch(t: TestContext, words: readonly string[]) {
  const child = spawn(process.execPath, [main, "watch", ...words], {
    env: { PATH: process.env["PATH"] },
  })
  t.after(() => child.kill("SIGKILL"))
  const lines: string[] = []
  const complaints: string[] = []
  createInterface({ input: child.stdout }).on("line", (line) => lines.push(line))
  createInterface({ input: child.stderr }).on("line", (line) => complaints.push(line))
  const ended = once(child, "close").then(([code]) => Number(code))
  await eventually(() => complaints.length > 0)
  /** What it says, without the time before it. */
  const said = () => lines.map((line) => line.replace(/^\d{4}-\d\d-\d\dT[\d:.]+Z /, ""))
  return { child, said, complaints, ended }
}

async function begun(t: TestContext) {
  const { pools, stop } = await startServer(t, { poolsPort: 0 })
  const url = `tcp://${pools[0]}`
  const enter = async (id: string): Promise<App> => {
    const app = await connect(url).pools({ app: id })
    t.after(() => app.close({ withinMs: 0 }))
    return app
  }
  return { url, at: ["--url", url], app: await enter("ada"), enter, stop }
}

test("PL173 emits are a line each, by pattern, and no line moves a cursor", async (t) => {
  const { at, app } = await begun(t)
  await app.emit("log.web", "kept", { retain: true, ack: true })
  const [all, some] = await Promise.all([watch(t, at), watch(t, ["log.*", ...at])])
  await app.emit("other", new Uint8Array([1, 2, 255]))
  await app.emit("log.a.b", 1)
  await app.emit("log.web", { text: "\u001b[2J\u202e\n\u0085" })
  await app.emit("log.long", "x".repeat(5_000))
  await app.emit("log.end")
  const last = "emit log.end from ada"
  await eventually(() => all.said().at(-1) === last && some.said().at(-1) === last)
  const long = `emit log.long from ada "${"x".repeat(999)}…`
  const odd = 'emit log.web from ada {"text":"\\u001b[2J\\u202e\\n\\u0085"}'
  const kept = 'emit log.web from ada "kept" (retained)'
  const bytes = "emit other from ada 3 bytes 0102ff"
  assert.deepEqual(some.said(), [kept, odd, long, last])
  assert.deepEqual(all.said(), [kept, bytes, "emit log.a.b from ada 1", odd, long, last])
  some.child.kill("SIGINT")
  assert.equal(await some.ended, 0)
})

test("PL174 calls are told once each, as they settle", async (t) => {
  const { at, app, enter } = await begun(t)
  const bob = await enter("bob")
  await bob.pool("vip").create({ rights: { execute: ["*"], handle: ["*"], read: ["*"] } })
  for (const each of [app, bob]) await each.pool("vip").join()
  await bob.handle("work.add", ({ x }: { x: number }) => x + 1)
  await bob.handle("work.fail", () => {
    throw new Error("no")
  })
  await bob.handle("work.vip", () => 1, { pool: "vip" })
  await app.call("work.add", { x: 0 })
  const all = await watch(t, ["--calls", ...at])
  const some = await watch(t, ["work.add", "--calls", ...at])
  await app.call("work.vip", null, { pool: "vip" })
  await app.call("work.fail").catch(() => {})
  for (let x = 0; x < 100; x++) await app.call("work.add", { x })
  await app.call("nobody").catch(() => {})
  await app.emit("work.add", "heard where there is a pattern")
  await eventually(() => all.said().some((line) => line.includes("nobody")))
  await eventually(() => some.said().length === 101)
  // The server is asked again: what was told stays told.
  await app.call("work.end").catch(() => {})
  await eventually(() => all.said().some((line) => line.includes("work.end")))
  const shapes = all.said().map((line) => line.replace(/[\d.]+ ms$/, "N ms"))
  assert.deepEqual(shapes, [
    "call work.fail from ada to bob HANDLER_ERROR N ms",
    ...Array.from({ length: 100 }, () => "call work.add from ada to bob answered N ms"),
    "call nobody from ada to nobody NO_HANDLER N ms",
    "call work.end from ada to nobody NO_HANDLER N ms",
  ])
  assert.equal(some.said().length, 101)
  const emits = some.said().filter((line) => line.startsWith("emit "))
  assert.deepEqual(emits, ['emit work.add from ada "heard where there is a pattern"'])
})

test("PL174 patterns of triggers mean what patterns of topics mean", () => {
  const fits = (pattern: string, name: string) => matches(pattern.split("."), name.split("."))
  const meant: readonly (readonly [string, string])[] = [
    ["a.b", "a.b"],
    ["a.*", "a.b"],
    ["*.b", "a.b"],
    [">", "a"],
    ["a.>", "a.b.c"],
  ]
  const others: readonly (readonly [string, string])[] = [
    ["a.*", "a"],
    ["a.*", "a.b.c"],
    ["a.>", "a"],
    ["a", "a.b"],
    ["*", "a.b"],
  ]
  assert.deepEqual(
    meant.filter((each) => !fits(...each)),
    [],
  )
  assert.deepEqual(
    others.filter((each) => fits(...each)),
    [],
  )
})

test("PL175 generations of a block are told with their first bytes", async (t) => {
  const { at, app } = await begun(t)
  const block = await app.pool("default").block.create("frame", 4_096, { map: "off" })
  const watcher = await watch(t, ["--block", "frame", ...at])
  const text = new TextEncoder().encode("hello\u001b[2J")
  const told = async (count: number) => eventually(() => watcher.said().length === count)
  await block.write(text, { contentType: "text" })
  await told(1)
  await block.write(new Uint8Array(100).fill(255))
  await told(2)
  await block.notify({ at: "\u202e" })
  await told(3)
  await block.seal()
  await told(4)
  assert.deepEqual(watcher.said(), [
    'block frame generation 1, 9 bytes by ada: "hello\\u001b[2J"',
    `block frame generation 2, 100 bytes by ada: ${"ff".repeat(32)}…`,
    'block frame notice by ada {"at":"<U+202E>"}',
    "block frame sealed",
  ])
})

test("PL176 what may not be watched ends it with 1, what is misspelt with 2", async (t) => {
  const { at } = await begun(t)
  const cases: readonly (readonly [number, RegExp, readonly string[]])[] = [
    [1, /^quartet: NO_POOL: /, ["--pool", "nix", ...at]],
    [1, /^quartet: BAD_MESSAGE: /, ["a.>.b", ...at]],
    [1, /^quartet: NO_BLOCK: /, ["--block", "nix", ...at]],
    [1, /^quartet: CONNECTION_LOST: /, ["--url", "tcp://127.0.0.1:1"]],
    [2, /^quartet: what is "b" for\?$/, ["a", "b"]],
    [2, /^quartet: not an address: /, ["--url", "nowhere"]],
  ]
  await Promise.all(
    cases.map(async ([code, line, words]) => {
      const { ended, complaints } = await watch(t, words)
      assert.equal(await ended, code)
      assert.match(complaints[0] ?? "", line)
    }),
  )
})

test("PL176 it says when the connection is lost", async (t) => {
  const { at, stop } = await begun(t)
  const { complaints, child, ended } = await watch(t, at)
  await stop()
  await eventually(() => complaints.some((line) => line.endsWith("; trying again")))
  child.kill("SIGINT")
  assert.equal(await ended, 0)
})
