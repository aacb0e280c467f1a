/** A start of the program: what it keeps for the next one, and where. */
import assert from "node:assert/strict"
import { execFileSync, spawnSync } from "node:child_process"
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { test } from "node:test"

const main = join(import.meta.dirname, "../src/main.ts")

function help(environment: Readonly<Record<string, string>>): string {
  return execFileSync(process.execPath, [main, "serve", "--help"], {
    env: { PATH: process.env["PATH"], ...environment },
    encoding: "utf8",
  })
}

test("SV38 keeps compiled code for the next start in the user's cache, and does without where it cannot", (t) => {
  const directory = mkdtempSync(join(tmpdir(), "quartet-start-"))
  t.after(() => rmSync(directory, { recursive: true }))
  const [home, cache] = [join(directory, "home"), join(directory, "cache")]
  const said = help({ HOME: home, XDG_CACHE_HOME: cache })
  assert.match(said, /usage: quartet serve/)
  assert.ok(readdirSync(join(cache, "quartet"), { recursive: true }).length > 10)
  assert.ok(!existsSync(home))
  assert.equal(help({ HOME: home }), said)
  assert.ok(readdirSync(join(home, ".cache/quartet"), { recursive: true }).length > 10)
  // Nothing can be made below a file.
  writeFileSync(join(directory, "file"), "")
  assert.equal(help({ XDG_CACHE_HOME: join(directory, "file") }), said)
  assert.equal(help({}), said)
})

test("SV45 on a Node that is too old the program says which it needs, and does nothing", (t) => {
  const directory = mkdtempSync(join(tmpdir(), "quartet-start-"))
  t.after(() => rmSync(directory, { recursive: true }))
  const { engines } = JSON.parse(readFileSync(join(import.meta.dirname, "../package.json"), "utf8"))
  const least = String(engines.node).replace(">=", "")
  const as = (version: string) => {
    const older = `{ ...process.versions, node: "${version}" }`
    const code = `Object.defineProperty(process, "versions", { value: ${older} })`
    const words = ["--import", `data:text/javascript,${encodeURIComponent(code)}`, main, "--help"]
    return spawnSync(process.execPath, words, { env: { HOME: directory }, encoding: "utf8" })
  }
  for (const version of ["22.18.0", "24.11.9"]) {
    const { status, stdout, stderr } = as(version)
    assert.deepEqual([status, stdout], [1, ""])
    assert.ok(stderr.startsWith(`quartet: this is Node ${version}, and Quartet needs ${least} or`))
  }
  for (const version of [`${least}.0`, "26.0.0"]) assert.equal(as(version).status, 0, version)
})
