/** The operators as a process: what it leaves behind, how it starts and stops, what it never does. */
import assert from "node:assert/strict"
import { spawn } from "node:child_process"
import { once } from "node:events"
import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs"
import { connect } from "node:net"
import { join } from "node:path"
import { DatabaseSync } from "node:sqlite"
import { type TestContext, test } from "node:test"
import { readConfig, variables } from "../src/config.ts"
import { openStore } from "../src/store.ts"
import { launch, startServer, temporaryDirectory } from "./harness.ts"
import { until } from "./net-parts.ts"
import { Exchange } from "./operators-parts.ts"
import { Peer } from "./operators-stage.ts"

const main = join(import.meta.dirname, "../src/main.ts")

/** A server with only this part, in a directory of its own, on a unix socket. */
async function process_(t: TestContext, directory: string, more: Record<string, string> = {}) {
  const socket = join(directory, "operators.sock")
  const environment = { DATA_DIR: join(directory, "data"), OPERATORS_SOCKET: socket, ...more }
  const launched = await launch(t, { PARTS: "operators", OPERATORS_RATE: "0", ...environment })
  const said: string[] = []
  launched.process.stderr?.on("data", (chunk) => said.push(`${chunk}`))
  return { ...launched, socket, said, dial: () => Peer.stream(connect(socket)) }
}

async function login(peer: Peer, callsign: string, password: string): Promise<string> {
  peer.says("$ quartet")
  peer.says(`$ ${callsign} ${password}`)
  await until(() => peer.lines.some((line) => /^\$ (again|welcome|refused)/.test(line)))
  if (peer.lines.some((line) => line.startsWith("$ again"))) peer.says(`$ ${callsign} ${password}`)
  await until(() => peer.lines.some((line) => line.startsWith("$ welcome")))
  return peer.lines.find((line) => line.startsWith("$ hello")) ?? ""
}

async function marked(peer: Peer, word: string): Promise<void> {
  peer.says(`$ ping ${word}`)
  await until(() => peer.lines.includes(`$ pong ${word}`))
}

/** Every byte below a directory. */
function filesIn(directory: string): readonly (readonly [string, Buffer])[] {
  const names = readdirSync(directory, { recursive: true, encoding: "utf8" })
  return names
    .map((name) => join(directory, name))
    .filter((path) => statSync(path).isFile())
    .map((path) => [path, readFileSync(path)])
}

/** Runs a server that ends by itself. */
async function run(environment: Record<string, string>) {
  const env = {
    PATH: process.env["PATH"],
    PORT: "0",
    OPERATORS_PORT: "0",
    POOLS_PORT: "0",
    ...environment,
  }
  const child = spawn(process.execPath, [main, "serve"], { env, stdio: ["ignore", "pipe", "pipe"] })
  let err = ""
  child.stderr.on("data", (chunk) => {
    err += chunk
  })
  const [code] = await once(child, "close")
  return { code, err }
}

for (const signal of ["SIGTERM", "SIGKILL"] as const) {
  test(`OP22 OP23 OP40 nothing of a message is in any file, log or figure (${signal})`, async (t) => {
    const directory = temporaryDirectory(t)
    const server = await process_(t, directory)
    const canary = "CANARYk7q"
    const ada = await server.dial()
    await login(ada, "ada", `pass${canary}`)
    const bob = await server.dial()
    await login(bob, "bob", "b")
    for (const line of [
      `bob live ${canary}`,
      `$ send ref${canary} bob text ${canary}`,
      `$ send ref${canary} nobody text ${canary}`,
      `$ nonsense${canary}`,
      `nobody${canary} hello`,
    ]) {
      ada.says(line)
    }
    const eve = await server.dial()
    for (const line of ["$ quartet", `$ invite ${canary}`, `$ ada wrong${canary}`]) eve.says(line)
    bob.leaves()
    await marked(ada, "1")
    ada.says(`bob queued ${canary}`)
    ada.says(`$ send q${canary} bob recalled ${canary}`)
    await marked(ada, "2")
    const queued = ada.lines.findLast((line) => line.startsWith("$ queued")) ?? ""
    ada.says(`$ recall ${queued.split(" ")[3]}`)
    await until(() => ada.lines.some((line) => line.startsWith("$ recalled")))
    const told = await Promise.all(
      ["/metrics", "/api/stats", "/health"].map(async (path) =>
        (await fetch(`${server.url}${path}`)).text(),
      ),
    )
    await server.end(signal)
    const log = server.said.join("") + JSON.stringify(server.log)
    for (const text of [...told, log]) assert.ok(!text.includes(canary))
    for (const word of ["operators", "ada", "bob"]) {
      for (const text of told) assert.ok(!text.includes(word), `${word} in ${text.slice(0, 200)}`)
    }
    for (const word of ["ada", "bob"]) assert.ok(!log.includes(`"${word}`), word)
    for (const [path, bytes] of filesIn(directory)) {
      assert.ok(!bytes.includes(canary), `${path} holds it`)
    }
    const ids = ada.lines.flatMap((line) => line.match(/ [a-z2-7]{10} /g) ?? [])
    assert.ok(ids.length > 0)
    for (const [path, bytes] of filesIn(directory)) {
      for (const id of ids) assert.ok(!bytes.includes(id.trim()), `${path} holds an id`)
    }
  })
}

test("OP14 OP23 OP35 OP56 after kill -9 a plain start suffices: identities stay, mailboxes are empty", async (t) => {
  const directory = temporaryDirectory(t)
  const first = await process_(t, directory)
  const ada = await first.dial()
  const hello = await login(ada, "ada", "correct horse")
  const bob = await first.dial()
  await login(bob, "bob", "b")
  bob.leaves()
  await marked(ada, "1")
  ada.says("bob lost")
  await marked(ada, "2")
  await first.end("SIGKILL")
  assert.ok(existsSync(first.socket))
  const second = await process_(t, directory)
  const again = await second.dial()
  const anew = await login(again, "bob", "b")
  assert.match(again.lines.at(-1) ?? "", /^\$ welcome bob \S+ 1 0$/)
  const epoch = (line: string) => /epoch=([0-9a-f]{16})/.exec(line)?.[1]
  assert.notEqual(epoch(hello), epoch(anew))
  const eve = await second.dial()
  eve.says("$ quartet")
  eve.says("$ ada wrong")
  await until(() => eve.lines.includes("$ refused - login"))
  assert.equal(await second.end("SIGTERM"), 0)
})

test("OP25 OP26 OP28 only the table is kept, in a file of ours alone; without it nobody is known", async (t) => {
  const directory = temporaryDirectory(t)
  const server = await process_(t, directory)
  const ada = await server.dial()
  await login(ada, "ada", "a")
  const rows = () => {
    const database = new DatabaseSync(join(directory, "data/quartet.db"), { readOnly: true })
    const all = database.prepare("SELECT * FROM operators").all()
    const tables = database.prepare("SELECT name FROM sqlite_schema WHERE type = 'table'").all()
    database.close()
    return { all: all.map((row) => ({ ...row })), tables: tables.map((row) => row["name"]).sort() }
  }
  const before = rows()
  ada.says("ada hello")
  const other = await server.dial()
  await login(other, "ada", "a")
  await marked(other, "1")
  assert.deepEqual(rows(), before)
  assert.deepEqual(Object.keys(before.all[0] ?? {}), [
    "callsign",
    "name",
    "skeleton",
    "generation",
    "secret",
  ])
  assert.deepEqual(before.tables, ["operators", "quartet_migration"])
  assert.equal(statSync(join(directory, "data/quartet.db")).mode & 0o777, 0o600)
  assert.equal(statSync(join(directory, "data")).mode & 0o777, 0o700)
  await server.end("SIGTERM")
  const emptied = new DatabaseSync(join(directory, "data/quartet.db"))
  emptied.exec("DELETE FROM operators")
  emptied.close()
  const next = await process_(t, directory)
  const eve = await next.dial()
  eve.says("$ quartet")
  eve.says("$ ada other")
  await until(() => eve.lines.includes("$ again ada"))
})

test("OP25 a copy can leave out who is registered", async (t) => {
  const directory = temporaryDirectory(t)
  const store = openStore({ uri: join(directory, "quartet.db") })
  t.after(() => store.close())
  const exchange = new Exchange({ store })
  exchange.member("ada")
  const secret = exchange.service.accounts.find("ada", exchange.now)?.secret ?? ""
  const env = { PATH: process.env["PATH"], DATA_DIR: directory }
  for (const words of [["with.db"], ["without.db", "--without-operators"]]) {
    const [name = "", ...flags] = words
    const child = spawn(process.execPath, [main, "backup", join(directory, name), ...flags], {
      env,
    })
    assert.deepEqual(await once(child, "close"), [0, null])
  }
  assert.ok(readFileSync(join(directory, "with.db")).includes(secret))
  assert.ok(!readFileSync(join(directory, "without.db")).includes(secret))
})

test("OP30 after die the secret is in neither the database nor its log", async (t) => {
  const directory = temporaryDirectory(t)
  const server = await process_(t, directory)
  const ada = await server.dial()
  await login(ada, "ada", "a")
  const path = join(directory, "data/quartet.db")
  const database = new DatabaseSync(path, { readOnly: true })
  const secret = String(database.prepare("SELECT secret FROM operators").get()?.["secret"])
  database.close()
  const kept = () => filesIn(join(directory, "data")).some(([, bytes]) => bytes.includes(secret))
  assert.ok(kept())
  ada.says("$ die")
  await until(() => ada.isOver)
  assert.equal(ada.lines.at(-1), "$ bye deleted")
  await until(() => !kept())
  await server.end("SIGTERM")
})

test("OP33 OP34 OP36 it listens within 2 s, starts no other process, and is gone within 2 s", async (t) => {
  const directory = temporaryDirectory(t)
  const begun = performance.now()
  const server = await process_(t, directory)
  const tookMs = performance.now() - begun
  assert.ok(tookMs < 10_000, `${tookMs} ms`) // 2 s on a machine of its own
  const line = server.log.find((each) => each["event"] === "listening")
  assert.equal(line?.["operators"], server.socket)
  assert.equal(statSync(server.socket).mode & 0o777, 0o660)
  const { pid } = server.process
  assert.equal(readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8"), "")
  const ada = await server.dial()
  await login(ada, "ada", "a")
  // Somebody whose program waits for more input and does not close.
  const idle = connect({ path: server.socket, allowHalfOpen: true })
  await once(idle, "connect")
  idle.on("error", () => {}) // it is cut off
  const stopping = performance.now()
  assert.equal(await server.end("SIGTERM"), 0)
  const stoppedMs = performance.now() - stopping
  assert.ok(stoppedMs < 6_000, `${stoppedMs} ms`) // 2 s on a machine of its own
  assert.equal(ada.lines.at(-1), "$ bye closing")
  assert.ok(!existsSync(server.socket))
  idle.destroy()
})

test("OP34 OP42 a start that fails says one sentence and ends with 1", async (t) => {
  const directory = temporaryDirectory(t)
  const first = await process_(t, directory)
  const second = await run({ DATA_DIR: join(directory, "data"), PARTS: "operators" })
  assert.equal(second.code, 1)
  assert.match(second.err, /^quartet: .*in use.*\n$/)
  const other = { SQLITE_URI: ":memory:", PARTS: "operators" }
  const taken = await run({ ...other, OPERATORS_SOCKET: first.socket })
  assert.equal(taken.code, 1)
  assert.match(
    taken.err,
    /^\{.*\n?quartet: another process listens.*\n$|^quartet: another process.*\n$/,
  )
  const dear = await run({ DATA_DIR: join(directory, "b"), OPERATORS_HASH: "m=8,t=1,p=1" })
  assert.match(dear.err, /^quartet: OPERATORS_HASH: .*\n$/)
})

test("OP41 a table of a later release is refused, untouched", async (t) => {
  const directory = temporaryDirectory(t)
  const server = await process_(t, directory)
  await server.end("SIGTERM")
  const path = join(directory, "data/quartet.db")
  const database = new DatabaseSync(path)
  database.exec("UPDATE quartet_migration SET steps = 99 WHERE owner = 'operators'")
  database.close()
  const { code, err } = await run({ DATA_DIR: join(directory, "data"), PARTS: "operators" })
  assert.equal(code, 1)
  assert.match(err, /newer release.*nothing was changed/)
})

test("OP37 a damaged table ends the process with a fault", async (t) => {
  const directory = temporaryDirectory(t)
  const server = await process_(t, directory)
  const ada = await server.dial()
  await login(ada, "ada", "a")
  const path = join(directory, "data/quartet.db")
  const exited = once(server.process, "exit")
  const database = new DatabaseSync(path, { defensive: false })
  database.exec(`PRAGMA writable_schema = ON;
    UPDATE sqlite_schema SET rootpage = 9999 WHERE name = 'operators'; PRAGMA schema_version = 77`)
  database.close()
  ada.leaves()
  const eve = await server.dial()
  eve.says("$ bob b")
  const [code] = await exited
  assert.notEqual(code, 0)
})

test("OP37 a table that cannot be written for now refuses what needs it as busy, and nothing else", async (t) => {
  const path = join(temporaryDirectory(t), "quartet.db")
  const store = openStore({ uri: path })
  t.after(() => store.close())
  const exchange = new Exchange({ store })
  const ada = exchange.member("ada")
  const eve = exchange.extend()
  eve.says("$ eve e")
  const other = new DatabaseSync(path)
  other.exec("BEGIN IMMEDIATE")
  eve.says("$ eve e")
  ada.says("$ die")
  ada.says("ada still here")
  assert.deepEqual(eve.news(), ["$ again eve", "$ refused - busy"])
  assert.equal(ada.news()[0], "$ refused - busy")
  other.exec("ROLLBACK")
  other.close()
  eve.says("$ eve e")
  assert.match(eve.news()[0] ?? "", /^\$ welcome/)
})

test("OP44 it opens no connection and asks no name server, whatever it receives", async (t) => {
  const directory = temporaryDirectory(t)
  const hook = join(directory, "hook.mjs")
  const told = join(directory, "told.txt")
  writeFileSync(
    hook,
    `import dns from "node:dns"; import net from "node:net"; import { appendFileSync } from "node:fs"
    const say = (what) => appendFileSync(${JSON.stringify(told)}, what + "\\n")
    const { lookup } = dns
    dns.lookup = (host, ...rest) => { if (!net.isIP(host)) say("lookup " + host); return lookup(host, ...rest) }
    const { connect } = net.Socket.prototype
    net.Socket.prototype.connect = function (...words) { say("connect"); return connect.apply(this, words) }
    say("hooked")`,
  )
  const server = await process_(t, directory, {
    NODE_OPTIONS: `--import=${hook}`,
    OPERATORS_PORT: "0",
    POOLS_PORT: "0",
  })
  const ada = await server.dial()
  await login(ada, "ada", "a")
  for (const line of ["example.org http://example.org/", "ada https://example.org", "ada x@y.z"]) {
    ada.says(line)
  }
  await marked(ada, "1")
  await server.end("SIGTERM")
  assert.equal(readFileSync(told, "utf8"), "hooked\n")
})

test("OP80 SIGUSR1 opens no debugger", async (t) => {
  const directory = temporaryDirectory(t)
  const server = await process_(t, directory)
  const ada = await server.dial()
  await login(ada, "ada", "a")
  server.process.kill("SIGUSR1")
  await marked(ada, "1")
  await marked(ada, "2")
  await server.end("SIGTERM")
  assert.ok(!server.said.join("").includes("Debugger"))
})

test("OP43 a variable that begins with OPERATORS_ and does not exist stops the start", () => {
  assert.throws(() => readConfig({ OPERATORS_COLOUR: "red" }), /OPERATORS_COLOUR: there is no such/)
  assert.throws(() => readConfig({ OPERATORS_HASH: "cheap" }), /OPERATORS_HASH/)
  assert.throws(() => readConfig({ OPERATORS_RATE: "0.01" }), /OPERATORS_RATE/)
  assert.equal(readConfig({ OPERATORS_PORT: "0" }).operatorsPort, undefined)
  assert.equal(readConfig({}).operatorsPort, 9_696)
  const manual = readFileSync(join(import.meta.dirname, "../docs/protocol/operators.md"), "utf8")
  for (const name of variables.filter((each) => each.startsWith("OPERATORS_"))) {
    assert.ok(manual.includes(name), name)
  }
})

test("OP39 OP42 health does not name it; two servers exchange nothing", async (t) => {
  const memory = { parts: ["operators"] as const, operatorsPort: 0, operatorsHash: "m=8,t=1,p=1" }
  const [one, two] = [await startServer(t, memory), await startServer(t, memory)]
  const health = (await (await fetch(`${one.url}/health`)).json()) as { services: object } // ours
  assert.deepEqual(health.services, {})
  const dial = (at: readonly string[]) =>
    Peer.stream(connect(Number(at[0]?.split(":")[1]), "127.0.0.1"))
  const ada = await dial(one.operators)
  await login(ada, "ada", "a")
  const bob = await dial(two.operators)
  await login(bob, "bob", "b")
  ada.says("bob hello")
  await until(() => ada.lines.includes("$ refused - nobody"))
})
