/** What is left of a room: nothing without copies; with copies what the next one needs, whatever becomes of the server. */
import assert from "node:assert/strict"
import { readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { type TestContext, test } from "node:test"
import { setFlagsFromString } from "node:v8"
import { runInNewContext } from "node:vm"
import { HocuspocusProvider } from "@hocuspocus/provider"
import { WebsocketProvider } from "y-websocket"
import * as Y from "yjs"
import { Live, live, textOf } from "./copy-parts.ts"
import { eventually, HandClock, launch, startServer, temporaryDirectory } from "./harness.ts"
import { RelayWorld } from "./relay-parts.ts"

/** An unmodified client of the room `notes`. */
function visits(t: TestContext, ws: string, doc = new Y.Doc()) {
  const client = new WebsocketProvider(`${ws}/yjs`, "notes", doc, { disableBc: true })
  const leaves = () => {
    client.destroy()
    doc.destroy() // and with it the timer of its awareness
  }
  t.after(leaves)
  const text = () => doc.getText("t").toString()
  return { client, doc, text, leaves }
}

/** The files below a directory in which the text stands. */
function filesWith(directory: string, text: string): readonly string[] {
  const files = readdirSync(directory, { recursive: true, withFileTypes: true })
  return files
    .filter((entry) => entry.isFile())
    .map(({ parentPath, name }) => join(parentPath, name))
    .filter((path) => readFileSync(path).includes(text))
}

const marker = "canary-5f2c91"

/** Lets so many ms pass, and whoever is asked something meanwhile answers. */
async function passes(clock: HandClock, ms: number): Promise<void> {
  for (let passed = 0; passed < ms; passed += 250) {
    clock.turn(250)
    for (let turn = 0; turn < 8; turn++) await new Promise((resolve) => setImmediate(resolve))
  }
}

test("RL1 RL121 a text typed into a room is in no file a minute later", async (t) => {
  const clock = new HandClock()
  const dataDir = temporaryDirectory(t)
  const { ws } = await startServer(t, { clock, dataDir })
  const ticking = setInterval(() => clock.turn(10), 5)
  t.after(() => clearInterval(ticking))
  const [ada, bob] = [visits(t, ws), visits(t, ws)]
  await eventually(() => ada.client.synced && bob.client.synced)
  ada.doc.getText("t").insert(0, marker)
  await eventually(() => bob.text() === marker)
  await passes(clock, 30_500)
  assert.deepEqual(filesWith(dataDir, marker), [])
  for (const { leaves } of [ada, bob]) leaves()
  await passes(clock, 30_500)
  assert.deepEqual(filesWith(dataDir, marker), [])
  assert.ok(readdirSync(dataDir).some((name) => name.endsWith("-wal")))
})

test("RL1 the same text is found where copies are on, so the search would see it", async (t) => {
  const dataDir = temporaryDirectory(t)
  const relayLimits = { copyQuietMs: 0 }
  const { ws } = await startServer(t, { dataDir, relayCopies: "sqlite", relayLimits })
  const ada = visits(t, ws)
  await eventually(() => ada.client.synced)
  ada.doc.getText("t").insert(0, marker)
  await eventually(() => filesWith(dataDir, marker).length > 0)
})

setFlagsFromString("--expose-gc")
const collect = runInNewContext("gc") as () => void // what the flag adds

test("RL1 what passed through a room is not in memory a minute later, though the room lives", async () => {
  const world = new RelayWorld({ limits: { bytesPerSecond: 0, roomBytesPerSecond: 1e9 } })
  const ada = await Live.comes(world)
  const bob = await Live.comes(world)
  await live(world, 1_500, ada, bob)
  const passed: WeakRef<ArrayBufferLike>[] = []
  const used = async () => {
    // A weak reference that was just made or read lives until its turn ends, and what a collection
    // frees is swept beside the program: the smallest of some turns is what is really kept.
    let least = Number.POSITIVE_INFINITY
    for (let turn = 0; turn < 20; turn += 1) {
      await new Promise((resolve) => setImmediate(resolve))
      collect()
      least = Math.min(least, process.memoryUsage().arrayBuffers)
    }
    return least
  }
  const before = await used()
  ada.doc.on("update", (update: Uint8Array) => passed.push(new WeakRef(update.buffer)))
  for (let i = 0; i < 60; i++) {
    ada.types(String.fromCharCode(65 + (i % 26)).repeat(200_000))
    await live(world, 100, ada, bob)
  }
  assert.equal(passed.length, 60)
  await live(world, 61_000, ada, bob)
  assert.equal(textOf(bob.doc).length, 12_000_000)
  for (const { end } of [ada, bob]) end.given.length = 0
  assert.equal(world.relay.replicas, 2)
  const kept = (await used()) - before
  assert.ok(kept < 1_000_000, `${kept} bytes of 12,000,000 are kept`)
  assert.equal(passed.filter((each) => each.deref() !== undefined).length, 0)
})

const environment = (dataDir: string) => ({
  DATA_DIR: dataDir,
  RELAY_COPIES: "sqlite",
  RELAY_LIMITS: JSON.stringify({ copyQuietMs: 0, copyRestMs: 0 }),
})

async function taken(url: string): Promise<number> {
  const text = await (await fetch(`${url}/metrics`)).text()
  return Number(/quartet_relay_copies_total\{result="taken"\} (\d+)/.exec(text)?.[1] ?? 0)
}

/** Looks until `is` says yes. */
async function until(is: () => Promise<boolean>): Promise<void> {
  while (!(await is())) await new Promise((resolve) => setImmediate(resolve))
}

test("RL122 RL126 a copy outlives a killed server, and a newcomer alone is given it", async (t) => {
  const dataDir = temporaryDirectory(t)
  const first = await launch(t, environment(dataDir))
  const ada = visits(t, first.ws)
  await eventually(() => ada.client.synced)
  ada.doc.getText("t").insert(0, "written before the end")
  await until(async () => (await taken(first.url)) > 0)
  await first.end("SIGKILL")
  ada.leaves()

  const second = await launch(t, environment(dataDir))
  const bob = visits(t, second.ws)
  await eventually(() => bob.client.synced)
  assert.equal(bob.text(), "written before the end")

  // Another dialect, with something of its own: both have all of it.
  const document = new Y.Doc()
  document.getText("t").insert(0, "mine; ")
  const eve = new HocuspocusProvider({
    url: `${second.ws}/hocuspocus`,
    name: "notes",
    token: "anyone",
    document,
  })
  t.after(() => eve.destroy())
  await eventually(
    () => /mine; /.test(bob.text()) && /before the end/.test(document.getText("t").toString()),
  )
  assert.equal(document.getText("t").toString(), bob.text())
  assert.equal(await second.end("SIGTERM"), 0)
})

test("RL122 a replica that has more than the copy brings it, after a kill too", async (t) => {
  const dataDir = temporaryDirectory(t)
  const first = await launch(t, environment(dataDir))
  const ada = visits(t, first.ws)
  await eventually(() => ada.client.synced)
  ada.doc.getText("t").insert(0, "one")
  await until(async () => (await taken(first.url)) > 0)
  await first.end("SIGKILL")
  ada.client.disconnect()
  ada.doc.getText("t").insert(3, " two")

  const second = await launch(t, environment(dataDir))
  const bob = visits(t, second.ws)
  await eventually(() => bob.client.synced)
  assert.equal(bob.text(), "one")
  const back = visits(t, second.ws, ada.doc)
  await eventually(() => bob.text() === "one two")
  back.leaves()
})
