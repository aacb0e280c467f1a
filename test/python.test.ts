/**
 * The Python package, by its own tests: one here for each of its modules, so that a failure shows
 * what failed. Without Python 3.11 they are skipped, and say so.
 */
import assert from "node:assert/strict"
import { execFile, spawnSync } from "node:child_process"
import { readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { type TestContext, test } from "node:test"
import { findPython } from "./needs.ts"

const folder = join(import.meta.dirname, "../python")

/** One with `cryptography` where there is one: without it the tests of keys are skipped. */
const python = findPython() ?? "python3"

/** Why the tests cannot run here; undefined where they can. */
function whyNot(): string | undefined {
  const look = "import sys; sys.exit(0 if sys.version_info >= (3, 11) else 1)"
  const { status } = spawnSync(python, ["-c", look])
  return status === 0 ? undefined : "python3 of 3.11 or later is missing"
}

const missing = whyNot()
if (missing !== undefined) {
  process.stderr.write(
    `\n*** tests: ${missing}. All tests of the Python package will be SKIPPED.\n\n`,
  )
}

/** Runs one module of python/tests; a failure shows all that it printed. */
async function passes(t: TestContext, name: string): Promise<void> {
  if (missing !== undefined) return t.skip(missing)
  // The servers that it starts run on this very Node.
  const env = { ...process.env, QUARTET_NODE: process.execPath, PYTHONDONTWRITEBYTECODE: "1" }
  const words = ["-W", "error::SyntaxWarning", "-m", "unittest", `tests.${name}`]
  const { code, printed } = await new Promise<{ code: unknown; printed: string }>((resolve) => {
    const options = { cwd: folder, env, maxBuffer: 64 * 1024 * 1024 }
    const child = execFile(python, words, options, (error, out, err) => {
      resolve({ code: error?.code ?? (error === null ? 0 : error.message), printed: out + err })
    })
    t.signal.addEventListener("abort", () => child.kill("SIGKILL"))
  })
  assert.equal(code, 0, printed)
  assert.match(printed, /^Ran [1-9]\d* tests? in/m)
}

function module(name: string): (t: TestContext) => Promise<void> {
  return (t) => passes(t, name)
}

test("PL1 PL3 PL4 PL25 Python reads and writes the frames of the manual", module("test_frames"))

test(
  "PL19 PL104 PL140 PL141 Python says nothing early, waits before it returns, restores, and keeps its locks",
  module("test_core"),
)

test(
  "PL14 PL43 PL49 PL59 PL64 PL68 PL78 Python apps in threads call, stream and emit",
  module("test_client"),
)

test(
  "PL14 PL43 PL49 PL59 PL64 PL78 PL141 Python apps in coroutines do the same",
  module("test_aio"),
)

test("PL140 PL141 Python lives the stories that every SDK lives", module("test_conformance"))

test(
  "PL97 PL98 PL99 PL101 PL103 PL104 PL106 PL107 PL108 PL109 PL110 PL111 PL112 PL113 PL121 Python apps use blocks and rings, mapped and over the socket",
  module("test_blocks"),
)

test("PL6 Python apps speak TLS, and only with a server that they believe", module("test_tls"))

test("PL14 the Python programs of the manual and of the examples work", module("test_readme"))

test(
  "PL122 PL124 PL125 PL126 PL129 PL130 PL141 Python apps talk in encrypted pools, and nobody else hears",
  module("test_sealed"),
)

test(
  "PL124 PL125 PL126 PL129 PL141 Python apps hold to encrypted pools over returns, epochs and what is forged",
  module("test_sealed_parts"),
)

test("PL14 the Python package says its types everywhere", module("test_hints"))

test("PL14 every module of Python's tests is run by a test of these", () => {
  const tests = readdirSync(import.meta.dirname).filter((file) => file.endsWith(".test.ts"))
  const sources = tests.map((file) => readFileSync(join(import.meta.dirname, file), "utf8"))
  const modules = readdirSync(join(folder, "tests"))
    .filter((file) => /^test_.*\.py$/.test(file))
    .map((file) => file.slice(0, -3))
  assert.ok(modules.length >= 6)
  const isRun = (name: string) => sources.some((source) => source.includes(name))
  assert.deepEqual(
    modules.filter((name) => !isRun(name)),
    [],
  )
})
