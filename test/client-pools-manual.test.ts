/** What docs/client.md shows of pools is run, as one program and out of the built file; and what that weighs. */
import assert from "node:assert/strict"
import { spawn } from "node:child_process"
import { once } from "node:events"
import { copyFileSync, readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { type TestContext, test } from "node:test"
import { gzipSync } from "node:zlib"
import { startServer, temporaryDirectory } from "./harness.ts"

const root = join(import.meta.dirname, "..")
const built = join(root, "dist/page/client-pools.js")
const builtKeys = join(root, "dist/page/client-keys.js")

/** Runs the program of the manual with `sdk` in the place of the package; gives what it says. */
async function run(t: TestContext, sdk: string): Promise<readonly string[]> {
  const { url } = await startServer(t)
  const manual = readFileSync(join(root, "docs/client.md"), "utf8")
  const blocks = [...manual.matchAll(/^```mts\n([\s\S]*?)^```$/gm)].map(([, code = ""]) => code)
  const program = join(temporaryDirectory(t), "program.mts")
  const text = blocks.join("\n").replaceAll("http://127.0.0.1:3030/", url)
  const keys = JSON.stringify(sdk.endsWith(".ts") ? join(root, "src/client/keys.ts") : builtKeys)
  const linked = text.replaceAll('"quartet/client/keys"', keys)
  writeFileSync(program, linked.replaceAll('"quartet/client/pools"', JSON.stringify(sdk)))
  const child = spawn(process.execPath, [program])
  t.after(() => child.kill("SIGKILL"))
  let out = ""
  for (const stream of [child.stdout, child.stderr]) {
    stream.on("data", (data) => {
      out += String(data)
    })
  }
  const [code] = await once(child, "close")
  assert.equal(code, 0, out)
  return out.trimEnd().split("\n")
}

const expected = [
  "sum: 3",
  "HANDLER_ERROR E_POOR no money",
  "NO_HANDLER later",
  "double: 42",
  ...["number 1", "number 2", "number 3", "counted", "longest: words"],
  ...["log.web { hit: 1 } from adder", "{ reached: 1, lost: 0 }"],
  "rights: [ 'read', 'write', 'execute', 'handle', 'admin' ]",
  "members: [ 'ada' ]",
  "to adder",
  "[ 'triggers' ]",
  ...["board: ada 2", "fence: 1 false", "line 0 hello"],
  ...["hello ada", "epoch 2 hello again", "FORBIDDEN"],
  ...["ada is draining", "ada is closed"],
]

test("PL156 the manual's program of pools runs as it stands", async (t) => {
  const said = await run(t, join(root, "src/client/pools.ts"))
  // An emit may be heard before or after its sender knows.
  assert.deepEqual(said.toSorted(), expected.toSorted())
})

test("PL156 the built module needs nothing beside it, and is at most 26 KB", async (t) => {
  const alone = join(temporaryDirectory(t), "client-pools.mjs")
  copyFileSync(built, alone)
  assert.deepEqual((await run(t, alone)).toSorted(), expected.toSorted())
  const bytes = gzipSync(readFileSync(built)).length
  t.diagnostic(`client-pools.js: ${bytes} bytes, compressed`)
  assert.ok(bytes <= 26_000, `${bytes} bytes`)
})

test("PL156 the keys of encrypted pools are a module of their own, of at most 15 KB", async (t) => {
  const bytes = gzipSync(readFileSync(builtKeys)).length
  t.diagnostic(`client-keys.js: ${bytes} bytes, compressed`)
  assert.ok(bytes <= 15_000, `${bytes} bytes`)
  const pools = readFileSync(built, "latin1")
  assert.ok(readFileSync(builtKeys, "latin1").includes("quartet-trinity/v1/"))
  assert.ok(!pools.includes("quartet-trinity/v1/"), "who uses no encrypted pool loads no keys")
})
