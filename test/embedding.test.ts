/** What docs/embedding.md shows is run: its server and its client, as two programs. */
import assert from "node:assert/strict"
import { type ChildProcess, spawn } from "node:child_process"
import { once } from "node:events"
import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { createInterface } from "node:readline"
import { type TestContext, test } from "node:test"
import { pathToFileURL } from "node:url"
import { relayDefaults } from "../src/relay/limits.ts"
import { Client } from "./collab-parts.ts"
import { eventually, temporaryDirectory } from "./harness.ts"
import { noRedis, startRedis } from "./redis-parts.ts"

const root = join(import.meta.dirname, "..")
const manual = readFileSync(join(root, "docs/embedding.md"), "utf8")
const programs = [...manual.matchAll(/^```js\n([\s\S]*?)^```$/gm)].map(([, code = ""]) => code)

/** A place where `quartet/collab` and `ws` are what they are to a program that installed them. */
function place(t: TestContext): string {
  const directory = temporaryDirectory(t)
  const quartet = join(directory, "node_modules/quartet")
  mkdirSync(quartet, { recursive: true })
  symlinkSync(join(root, "node_modules/ws"), join(directory, "node_modules/ws"))
  const exported = { name: "quartet", type: "module", exports: { "./collab": "./collab.js" } }
  writeFileSync(join(quartet, "package.json"), JSON.stringify(exported))
  const door = pathToFileURL(join(root, "src/collab.ts")).href
  writeFileSync(join(quartet, "collab.js"), `export * from "${door}"\n`)
  return directory
}

function run(t: TestContext, file: string, environment: Record<string, string>): ChildProcess {
  const child = spawn(process.execPath, [file], {
    env: { PATH: process.env["PATH"], ...environment },
    stdio: ["ignore", "pipe", "inherit"],
  })
  t.after(() => child.kill("SIGKILL"))
  return child
}

/** The port that a server says it listens on. */
async function portOf(server: ChildProcess): Promise<string> {
  assert.ok(server.stdout !== null)
  const [line] = await once(createInterface(server.stdout), "line")
  return /^listening on (\d+)$/.exec(String(line))?.[1] ?? ""
}

test("RL116, RL117 runs the manual's server and client as they stand", async (t) => {
  const directory = place(t)
  for (const [index, code] of programs.entries()) {
    writeFileSync(join(directory, `${index}.mjs`), code)
  }
  const server = run(t, join(directory, "0.mjs"), { PORT: "0" })
  const port = await portOf(server)
  const client = run(t, join(directory, "1.mjs"), { PORT: port })
  assert.ok(client.stdout !== null)
  const said: string[] = []
  createInterface(client.stdout).on("line", (each) => said.push(each))
  assert.deepEqual(await once(client, "close"), [0, null])
  assert.deepEqual(said, ["bob has hello", "and gets  world"])
  server.kill("SIGTERM")
  assert.deepEqual(await once(server, "exit"), [0, null])
})

test("RL116, RL6 runs the manual's server for several processes twice over one Redis: they act as one", {
  skip: noRedis,
}, async (t) => {
  const redis = await startRedis(t)
  const file = join(place(t), "2.mjs")
  writeFileSync(file, programs[2] ?? "")
  const environment = { PORT: "0", REDIS_URL: redis.url }
  const servers = [run(t, file, environment), run(t, file, environment)]
  const [ada, bob] = await Promise.all(
    servers.map(async (server) => new Client(t, `ws://127.0.0.1:${await portOf(server)}/notes`)),
  )
  assert.ok(ada !== undefined && bob !== undefined)
  await eventually(() => ada.socket.readyState === 1 && bob.socket.readyState === 1)
  ada.serves("AQID")
  ada.says("JOIN", { payload: { hasSnapshot: true } })
  // Its server has taken that before the other one is asked.
  ada.socket.ping()
  await once(ada.socket, "pong")
  bob.says("JOIN")
  await eventually(() =>
    bob.all("SNAPSHOT_RESPONSE").some(({ payload }) => payload?.["snapshot"] === "AQID"),
  )
  ada.writes("BAU=")
  await eventually(() => bob.updates.includes("BAU="))
  for (const server of servers) {
    server.kill("SIGTERM")
    assert.deepEqual(await once(server, "exit"), [0, null])
  }
})

test("RL116 has in the manual the defaults that there are", () => {
  assert.match(manual, new RegExp(relayDefaults.snapshotMs.toLocaleString("en")))
  assert.match(manual, new RegExp(relayDefaults.busQueueBytes.toLocaleString("en")))
  assert.match(manual, new RegExp(relayDefaults.busQueueMessages.toLocaleString("en")))
  assert.match(manual, new RegExp(`after any other in ${relayDefaults.presenceGraceMs / 1_000} s`))
  assert.match(manual, new RegExp(`first ${relayDefaults.orphanHoldMs / 1_000} s of a program`))
})
