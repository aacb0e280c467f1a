/** The copies that a server makes of its store each day, and what comes back of them. */
import assert from "node:assert/strict"
import { copyFileSync, readdirSync, readFileSync, renameSync, statSync } from "node:fs"
import { join } from "node:path"
import { type TestContext, test } from "node:test"
import { Log } from "../src/log.ts"
import { openStore } from "../src/store.ts"
import { DailyCopies } from "../src/store-daily.ts"
import { eventually, HandClock, startServer, temporaryDirectory } from "./harness.ts"
import { FramedApp } from "./pools-app.ts"

const dayMs = 86_400_000
const hourMs = 3_600_000
const began = Date.parse("2026-01-01T00:00:00Z")

/** A store on a file, and its copies with a clock that is turned by hand. */
function copiesAt(t: TestContext) {
  const folder = temporaryDirectory(t)
  const uri = join(folder, "quartet.db")
  const directory = join(folder, "backups")
  const store = openStore({ uri })
  t.after(() => store.close())
  store.migrate("test", [
    "CREATE TABLE operators (name TEXT) STRICT",
    "CREATE TABLE other (name TEXT) STRICT",
  ])
  const told: Record<string, unknown>[] = []
  const log = new Log("debug", (line) => told.push(JSON.parse(line)))
  const copies = new DailyCopies({ uri, directory, log, contents: join(directory, "none") })
  t.after(() => copies.close())
  const names = () => {
    return readdirSync(directory)
      .filter((name) => name.endsWith(".db"))
      .toSorted()
  }
  /** What is told next when it is `now`. */
  const at = async (now: number) => {
    const before = told.length
    log.tick(now)
    copies.tick(now)
    return (await eventually(() => told[before]))["event"]
  }
  return { ...{ folder, directory, uri, store, told, log, copies }, names, at }
}

test("PL138 a copy is made each day, whole and without the operators, and the last seven stay", async (t) => {
  const { directory, store, copies, names, at } = copiesAt(t)
  store.prepare("INSERT INTO operators VALUES ('ada-the-operator')").run()
  store.prepare("INSERT INTO other VALUES ('kept')").run()
  copies.tick(began)
  assert.equal(await at(began + hourMs), "daily backup made")
  assert.deepEqual(names(), ["daily-20260101T010000Z.db"])
  const first = join(directory, "daily-20260101T010000Z.db")
  assert.equal(statSync(first).mode & 0o777, 0o600)
  assert.equal(statSync(directory).mode & 0o777, 0o700)
  const restored = openStore({ uri: first })
  assert.deepEqual(restored.prepare("SELECT name FROM operators").all(), [])
  assert.equal(restored.prepare<{ name: string }>("SELECT name FROM other").get()?.name, "kept")
  restored.close()
  assert.ok(!readFileSync(first).includes("ada-the-operator"))
  // Not before a day has passed.
  copies.tick(began + hourMs + dayMs - 1)
  for (let day = 1; day <= 8; day++) {
    assert.equal(await at(began + hourMs + day * dayMs), "daily backup made")
  }
  const days = ["03", "04", "05", "06", "07", "08", "09"]
  assert.deepEqual(
    names(),
    days.map((day) => `daily-202601${day}T010000Z.db`),
  )
})

test("PL138 a copy that fails leaves the older ones, is told, and is tried again", async (t) => {
  const { uri, store, copies, names, at, told } = copiesAt(t)
  copies.tick(began)
  for (let day = 0; day < 7; day++) {
    assert.equal(await at(began + hourMs + day * dayMs), "daily backup made")
  }
  const before = names()
  const next = began + hourMs + 7 * dayMs
  store.close()
  renameSync(uri, `${uri}.away`)
  assert.equal(await at(next), "daily backup failed")
  assert.match(String(told.at(-1)?.["why"]), /no such file/)
  assert.deepEqual(names(), before)
  renameSync(`${uri}.away`, uri)
  copies.tick(next + hourMs - 1)
  assert.equal(await at(next + hourMs), "daily backup made")
  assert.deepEqual(names().slice(0, 6), before.slice(1))
})

test("PL138 a server started on a day's copy has its pools and rights again", async (t) => {
  const folder = temporaryDirectory(t)
  const clock = new HandClock()
  const path = join(folder, "first.sock")
  const settings = { dataDir: folder, sqliteUri: join(folder, "quartet.db") }
  const first = await startServer(t, { ...settings, clock, poolsSocket: path })
  const ada = new FramedApp(t, path)
  await ada.shakesHands("ada")
  ada.says({
    ...{ type: "pool", id: "1", operation: "create", pool: "mine" },
    rights: { read: ["*"], execute: ["bob"] },
  })
  await ada.answerTo("1")
  clock.turn(hourMs + 1_000)
  const backups = join(folder, "backups")
  const name = await eventually(() => {
    return readdirSync(backups).find((each) => each.endsWith(".db"))
  })
  await first.stop()
  const again = temporaryDirectory(t)
  const file = join(again, "quartet.db")
  copyFileSync(join(backups, name), file)
  const place = join(again, "second.sock")
  await startServer(t, { dataDir: again, sqliteUri: file, poolsSocket: place })
  const bob = new FramedApp(t, place)
  await bob.shakesHands("bob")
  bob.says({ type: "pool", id: "2", operation: "join", pool: "mine" })
  assert.partialDeepStrictEqual(await bob.answerTo("2"), {
    result: { rights: ["read", "execute"] },
  })
})
