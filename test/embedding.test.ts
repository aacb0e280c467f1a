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
import { temporaryDirectory } from "./harness.ts"

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

function run(t: TestContext, file: string, port: string): ChildProcess {
  const child = spawn(process.execPath, [file], {
    env: { PATH: process.env["PATH"], PORT: port },
    stdio: ["ignore", "pipe", "inherit"],
  })
  t.after(() => child.kill("SIGKILL"))
  return child
}

test("RL116, RL117 runs the manual's server and client as they stand", async (t) => {
  const directory = place(t)
  for (const [index, code] of programs.entries()) {
    writeFileSync(join(directory, `${index}.mjs`), code)
  }
  const server = run(t, join(directory, "0.mjs"), "0")
  assert.ok(server.stdout !== null)
  const [line] = await once(createInterface(server.stdout), "line")
  const port = /^listening on (\d+)$/.exec(String(line))?.[1] ?? ""
  const client = run(t, join(directory, "1.mjs"), port)
  assert.ok(client.stdout !== null)
  const said: string[] = []
  createInterface(client.stdout).on("line", (each) => said.push(each))
  assert.deepEqual(await once(client, "close"), [0, null])
  assert.deepEqual(said, ["bob has hello", "and gets  world"])
  server.kill("SIGTERM")
  assert.deepEqual(await once(server, "exit"), [0, null])
})

test("RL116 has in the manual the defaults that there are", () => {
  assert.match(manual, new RegExp(relayDefaults.snapshotMs.toLocaleString("en")))
  assert.match(manual, new RegExp(`after any other in ${relayDefaults.presenceGraceMs / 1_000} s`))
  assert.match(manual, new RegExp(`first ${relayDefaults.orphanHoldMs / 1_000} s of a program`))
})
