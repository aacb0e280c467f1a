/** What the README has a newcomer type for calls between programs, typed against a real server. */
import assert from "node:assert/strict"
import { type ChildProcessWithoutNullStreams, spawn, spawnSync } from "node:child_process"
import { once } from "node:events"
import { readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { text as all } from "node:stream/consumers"
import { type TestContext, test } from "node:test"
import { connect } from "../src/client/tcp.ts"
import { eventually, startServer, temporaryDirectory } from "./harness.ts"
import { findPython } from "./needs.ts"

const root = join(import.meta.dirname, "..")
const shown = "tcp://127.0.0.1:45227"

/** The README from the worker on, up to the commands behind it. */
const story =
  /^A worker in Python[\s\S]*?^```python\n(.*?)^```$[\s\S]*?^```ts\n(.*?)^```$[\s\S]*?^```\n(.*?)^```$/ms
const [, worker = "", caller = "", commands = ""] =
  story.exec(readFileSync(join(root, "README.md"), "utf8")) ?? []

/** A line of the shell, begun with what stands for npm and the checkout here. */
function typed(t: TestContext, line: string, at: { folder: string; url: string }) {
  const main = `'${process.execPath}' '${join(root, "src/main.ts")}'`
  const command = line
    .replace(/\s+#.*$/, "")
    .replace(
      "PYTHONPATH=python python3",
      `exec env PYTHONPATH='${join(root, "python")}' '${findPython() ?? "python3"}'`,
    )
    .replace(/^npx node/, `exec '${process.execPath}'`)
    .replace(/^npm run -s quartet --(.*)$/, `exec ${main}$1 --url ${at.url}`)
  assert.match(command, /exec/, `nobody knows how to type: ${line}`)
  const child = spawn("sh", ["-c", command], { cwd: at.folder })
  t.after(() => child.kill("SIGKILL"))
  return child
}

async function printed(child: ChildProcessWithoutNullStreams): Promise<string> {
  const closed = once(child, "close")
  const [out, err] = await Promise.all([all(child.stdout), all(child.stderr)])
  const [code] = await closed
  assert.deepEqual([code, err], [0, ""])
  return out.trim()
}

test("PL179 the README's worker in Python and its callers work as they are typed", async (t) => {
  const look = "import sys; sys.exit(sys.version_info < (3, 11))"
  if (spawnSync(findPython() ?? "python3", ["-c", look]).status !== 0) {
    return t.skip("python3 of 3.11 or later is missing")
  }
  const { pools } = await startServer(t, { poolsPort: 0 })
  const url = `tcp://${pools[0]}`
  const at = { folder: temporaryDirectory(t), url }
  for (const [name, text] of [
    ["worker.py", worker],
    ["caller.ts", caller],
  ] as const) {
    assert.ok(text.includes(shown), name)
    const placed = text.replace(shown, url).replace("./src/", `${root}/src/`)
    writeFileSync(join(at.folder, name), placed)
  }
  const lines = commands.trimEnd().split("\n")
  assert.equal(lines.length, 4)
  const [serve = "", fromNode = "", fromShell = "", watch = ""] = lines
  typed(t, serve, at)
  const app = await connect(url).pools({ app: "looker" })
  t.after(() => app.close({ withinMs: 0 }))
  // The caller waits for some seconds; Python may take longer where much else goes on.
  while ((await app.explain("count")).chosen !== "worker");
  // As the README says beside each command.
  assert.equal(await printed(typed(t, fromNode, at)), /# (.*)$/.exec(fromNode)?.[1])
  const watcher = typed(t, watch, at)
  let seen = ""
  for (const stream of [watcher.stdout, watcher.stderr]) {
    stream.on("data", (data) => {
      seen += String(data)
    })
  }
  await eventually(() => seen.includes("watching"))
  assert.equal(await printed(typed(t, fromShell, at)), /# (\S+),/.exec(fromShell)?.[1])
  await eventually(() => /call count from quartet-call#\d+ to worker answered/.test(seen))
  assert.equal((await app.explain("count")).chosen, "worker")
})
