/**
 * The package as a stranger has it: packed, unpacked in an empty project beside what it depends on,
 * and used there by Node and by the compiler. Nothing here asks a registry.
 *
 * It is packed in a copy of the checkout, since packing builds dist anew and others read that one.
 */
import assert from "node:assert/strict"
import { execFile, execFileSync, spawn } from "node:child_process"
import { once } from "node:events"
import {
  chmodSync,
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs"
import { tmpdir } from "node:os"
import { delimiter, dirname, join } from "node:path"
import { createInterface } from "node:readline"
import { after, type TestContext, test } from "node:test"
import { promisify } from "node:util"
import manifest from "../package.json" with { type: "json" }

const root = join(import.meta.dirname, "..")
const run = promisify(execFile)
/** The Node that runs this test is the one that `#!/usr/bin/env node` finds. */
const path = [dirname(process.execPath), process.env["PATH"]].join(delimiter)
const home = mkdtempSync(join(tmpdir(), "quartet-pack-"))
after(() => rmSync(home, { recursive: true, force: true }))
const environment = { PATH: path, HOME: home, npm_config_cache: join(home, "cache") }

const project = join(home, "project")
const modules = join(project, "node_modules")
const installed = join(modules, "quartet")

/** Every name by which the package is entered. */
const entries = Object.keys(manifest.exports).map((name) => name.replace(".", "quartet"))

function npmIsThere(): boolean {
  try {
    execFileSync("npm", ["--version"], { env: environment, stdio: "ignore" })
    return true
  } catch {
    return false // it is no part of Node, and some distributions leave it out
  }
}

/** Packs a copy of the checkout, as `npm pack` does, and gives the tarball. */
async function packed(): Promise<string> {
  const copy = join(home, "checkout")
  mkdirSync(copy)
  const settings = readdirSync(root).filter((name) => /^tsconfig.*\.json$|^vite\./.test(name))
  for (const part of [...settings, "package.json", "README.md", "LICENSE", "src", "web", "docs"]) {
    cpSync(join(root, part), join(copy, part), { recursive: true })
  }
  symlinkSync(join(root, "node_modules"), join(copy, "node_modules"))
  const words = ["pack", "--offline", "--foreground-scripts=false", "--pack-destination", home]
  await run("npm", words, { cwd: copy, env: environment })
  const tarball = readdirSync(home).find((name) => name.endsWith(".tgz"))
  assert.ok(tarball !== undefined)
  return join(home, tarball)
}

/** Puts the package where `npm install` would, and of everything else only what it says it needs. */
async function install(tarball: string): Promise<void> {
  mkdirSync(join(modules, ".bin"), { recursive: true })
  execFileSync("tar", ["-xzf", tarball, "-C", modules])
  cpSync(join(modules, "package"), installed, { recursive: true })
  rmSync(join(modules, "package"), { recursive: true })
  const needed = Object.keys({ ...manifest.dependencies, ...manifest.peerDependencies })
  for (const name of [...needed, "@types/node"]) {
    mkdirSync(dirname(join(modules, name)), { recursive: true })
    symlinkSync(join(root, "node_modules", name), join(modules, name))
  }
  for (const [name, file] of Object.entries(manifest.bin)) {
    chmodSync(join(installed, file), 0o755)
    symlinkSync(join(installed, file), join(modules, ".bin", name))
  }
  writeFileSync(join(project, "package.json"), '{"type":"module","private":true}')
}

const skip = npmIsThere() ? false : "npm is missing"
const ready = skip === false ? packed().then(install) : Promise.resolve()

test("SV37 every entry is imported by Node from the installed package", { skip }, async () => {
  await ready
  assert.ok(entries.length >= 6)
  const lines = entries.map(
    (name) => `if (Object.keys(await import("${name}")).length === 0) throw new Error("${name}")`,
  )
  writeFileSync(join(project, "all.js"), `${lines.join("\n")}\nconsole.log("all are there")\n`)
  const { stdout } = await run(process.execPath, ["all.js"], { cwd: project, env: environment })
  assert.equal(stdout, "all are there\n")
})

/** A program that names each entry, and lines that must be refused: without types nothing is. */
const typed = `${entries.map((name, at) => `import * as entry${at} from "${name}"`).join("\n")}
import { connect } from "quartet/client"
import { connect as connectPools } from "quartet/client/pools"
import { connect as connectLines } from "quartet/client/tcp"
import { StatelessCollabRelay } from "quartet/collab"
export const all: readonly object[] = [${entries.map((_, at) => `entry${at}`)}]
connect("http://127.0.0.1:3030/", { name: "Ada" }).documents.open("notes")
// @ts-expect-error an address is a text
connect(1)
// @ts-expect-error an address is a text
connectPools(1)
// @ts-expect-error an address is a text
connectLines(1)
// @ts-expect-error there is no such option
new StatelessCollabRelay({ nonsense: 1 })
`

test("SV37 the types of every entry are found, and say what is wrong", { skip }, async () => {
  await ready
  writeFileSync(join(project, "typed.ts"), typed)
  const compiler = join(root, "node_modules/.bin/tsc")
  for (const module of ["nodenext", "esnext"]) {
    const resolution = module === "nodenext" ? "nodenext" : "bundler"
    const words = [
      "--ignoreConfig",
      "--noEmit",
      "--strict",
      "--target",
      "es2024",
      "--types",
      "node",
    ]
    // The declarations themselves are the same in both, and checking all of them takes seconds.
    const checks = module === "nodenext" ? [] : ["--skipLibCheck"]
    const how = ["--module", module, "--moduleResolution", resolution, ...checks]
    const told = await run(compiler, [...words, ...how, "typed.ts"], {
      cwd: project,
      env: environment,
    }).catch((failed: { stdout: string }) => failed)
    assert.equal(told.stdout, "", resolution)
  }
})

/** Starts the installed program and gives where it listens, once it does. */
async function served(t: TestContext) {
  const child = spawn(join(modules, ".bin/quartet"), ["serve"], {
    cwd: project,
    env: {
      ...environment,
      ...{ PORT: "0", OPERATORS_PORT: "0", POOLS_PORT: "0", DRAIN_SECONDS: "0" },
      DATA_DIR: join(home, "data"),
    },
    stdio: ["ignore", "ignore", "pipe"],
  })
  t.after(() => child.kill("SIGKILL"))
  const said: string[] = []
  const ended = once(child, "exit").then(([code]) => Number(code))
  const url = await new Promise<string>((resolve, reject) => {
    createInterface({ input: child.stderr }).on("line", (line) => {
      said.push(line)
      if (line.includes('"event":"listening"')) resolve(String(JSON.parse(line).url))
    })
    void ended.then((code) => reject(new Error(`it ended with ${code}: ${said.join("\n")}`)))
  })
  return { url, end: () => child.kill("SIGTERM") && ended }
}

test("SV37 the installed program says what it can do", { skip }, async () => {
  await ready
  const words = ["--offline", "--no", "quartet", "--", "--help"]
  const { stdout } = await run("npx", words, { cwd: project, env: environment })
  assert.match(stdout, /^usage: quartet COMMAND/)
})

test("SV37 the installed program serves the page, keeps a text and is backed up", {
  skip,
}, async (t) => {
  await ready
  const first = await served(t)
  const page = await fetch(first.url)
  assert.equal(page.status, 200)
  const script = /src="([^"]+\.js)"/.exec(await page.text())?.[1] ?? ""
  assert.equal((await fetch(new URL(script, first.url))).status, 200)
  const text = new URL("api/text/notes", first.url)
  assert.equal((await fetch(text, { method: "PUT", body: "hello" })).status, 200)
  // The copy is made by a thread, out of a file of its own.
  const copy = join(home, "copy.db")
  await run(join(modules, ".bin/quartet"), ["backup", copy], {
    cwd: project,
    env: { ...environment, DATA_DIR: join(home, "data") },
  })
  assert.ok(readFileSync(copy).subarray(0, 15).equals(Buffer.from("SQLite format 3")))
  assert.equal(await first.end(), 0)
  const second = await served(t)
  assert.equal(await (await fetch(new URL("api/text/notes", second.url))).text(), "hello")
  assert.equal(await second.end(), 0)
})
