/** `quartet doctor` alone: what it says of pools and the database, as they are and as they go wrong. */
import assert from "node:assert/strict"
import { spawn } from "node:child_process"
import { once } from "node:events"
import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from "node:fs"
import { createServer } from "node:net"
import { join } from "node:path"
import { text as all } from "node:stream/consumers"
import { type TestContext, test } from "node:test"
import { lookAtPools } from "../src/cli/doctor-pools.ts"
import { connect } from "../src/client/tcp.ts"
import { readConfig } from "../src/config.ts"
import { selfSigned } from "./certificate.ts"
import { launch, startServer, temporaryDirectory } from "./harness.ts"

const main = join(import.meta.dirname, "../src/main.ts")

/** Memory of a file system where it is one. */
function memoryDirectory(t: TestContext): string {
  const directory = mkdtempSync("/dev/shm/quartet-test-")
  t.after(() => rmSync(directory, { recursive: true, force: true }))
  return directory
}

async function doctor(environment: Readonly<Record<string, string>>) {
  const env = { PATH: process.env["PATH"], ...environment }
  const child = spawn(process.execPath, [main, "doctor"], { env })
  const exited = once(child, "exit")
  const [out, err] = await Promise.all([all(child.stdout), all(child.stderr)])
  const [code] = await exited
  return { code: Number(code), out, err }
}

/** A server, and the environment that its doctor needs. */
async function begun(t: TestContext) {
  const dataDir = temporaryDirectory(t)
  chmodSync(dataDir, 0o700)
  const [poolsSocket, blocksDir] = [join(dataDir, "pools.sock"), join(memoryDirectory(t), "blocks")]
  const sqliteUri = join(dataDir, "quartet.db")
  const server = await startServer(t, {
    ...{ dataDir, sqliteUri, poolsPort: 0, poolsSocket, blocksDir },
  })
  const [place = ""] = server.pools
  const environment: Readonly<Record<string, string>> = {
    ...{ DATA_DIR: dataDir, BLOCKS_DIR: blocksDir, POOLS_SOCKET: poolsSocket },
    POOLS_PORT: place.split(":")[1] ?? "",
    ...{ PORT: new URL(server.url).port, OPERATORS_PORT: "0" },
  }
  return { environment, server, address: `tcp://${place}` }
}

test("PL178 a server that is well has no line that is not, and is left as it was", async (t) => {
  const { environment, address, server } = await begun(t)
  const { code, out, err } = await doctor(environment)
  assert.deepEqual([code, err], [0, ""], out)
  assert.doesNotMatch(out, /^fail/m)
  const wanted = [
    /^ok {3}listeners are on 127\.0\.0\.1 only, where apps need no proof$/m,
    /^ok {3}\S+pools\.sock is for its owner and group$/m,
    /^\w+ +shared memory at \S+: \d+ of \d+ MiB are free/m,
    /^ok {3}\S+blocks is ours, with mode 0700$/m,
    /^ok {3}1 server lives in \S+blocks$/m,
    /koffi/,
    /^\w+ +\d+ files may be open/m,
    /^ok {3}\S+quartet\.db is whole$/m,
    /^ok {3}no daily backup yet/m,
    /^ok {3}unix:\S+pools\.sock answers$/m,
    new RegExp(`^ok {3}${address} answers$`, "m"),
    /^ok {3}the server at \S+ is \S+, as this program$/m,
    /^\w+ +memory: /m,
    /^ok {3}unix socket: a question and its answer take [\d.]+ ms$/m,
    /^ok {3}TCP: a question and its answer take [\d.]+ ms$/m,
    /^ok {3}WebSocket: a question and its answer take [\d.]+ ms$/m,
    /^ok {3}the server says that its pools is well$/m,
    /^ok {3}the server says that its bus is well$/m,
  ]
  for (const line of wanted) assert.match(out, line)
  const app = await connect(address).pools({ app: "ada" })
  const { blocks } = await app.admin("list_blocks")
  const { calls } = await app.admin("list_calls")
  await app.close()
  assert.deepEqual([blocks, calls], [[], []])
  await server.stop()
  const after = await doctor(environment)
  assert.equal(after.code, 0)
  assert.match(after.out, /^warn unix:\S+: nobody answers .*: start the server/m)
  assert.match(after.out, /^ok {3}0 servers live in/m)
})

test("PL178 each thing that is wrong is one line that says what to do", async (t) => {
  const dataDir = temporaryDirectory(t)
  const shared = memoryDirectory(t)
  const data = join(dataDir, "data")
  mkdirSync(join(data, "backups"), { recursive: true })
  const database = join(data, "quartet.db")
  const server = await launch(t, { DATA_DIR: data, BLOCKS_DIR: join(shared, "begun") })
  await server.end("SIGKILL")
  const backup = join(data, "backups/daily-20260102T030405Z.db")
  writeFileSync(backup, "")
  utimesSync(backup, 1_700_000_000, 1_700_000_000)
  const blocks = join(shared, "blocks")
  mkdirSync(blocks)
  chmodSync(blocks, 0o755)
  const foreign = createServer((socket) => {
    socket.on("data", () => socket.end("HTTP/1.1 400 Bad Request\r\n\r\n"))
    socket.on("error", () => {})
  })
  foreign.listen(0, "127.0.0.1")
  await once(foreign, "listening")
  t.after(() => foreign.close())
  const address = foreign.address()
  assert.ok(typeof address === "object" && address !== null)
  const environment = {
    ...{ DATA_DIR: data, PORT: "0", OPERATORS_PORT: "0", POOLS_PORT: String(address.port) },
    BLOCKS_DIR: blocks,
  }
  const first = await doctor(environment)
  assert.equal(first.code, 1)
  assert.match(first.out, /^fail \S+blocks has mode 0755: chmod 0700/m)
  assert.match(first.out, /^warn the newest of 1 backups is \d+ hours old: look for/m)
  assert.match(first.out, /^fail tcp:\S+ does not answer as pools do .*another program/m)
  const left = await doctor({ ...environment, BLOCKS_DIR: join(shared, "begun"), POOLS_PORT: "0" })
  assert.match(left.out, /^warn memory of a server that died is left in \S+: the next start/m)
  truncateSync(database, 5_000)
  const second = await doctor({ ...environment, POOLS_PORT: "0" })
  assert.match(second.out, /^fail \S+quartet\.db (is damaged|cannot be read) .*newest backup/m)
  const memory = await doctor({ ...environment, POOLS_PORT: "0", SQLITE_URI: ":memory:" })
  assert.match(memory.out, /^warn the database is in memory/m)
  const wrong = await doctor({ ...environment, HOST: "0.0.0.0", POOLS_AUTH: "perhaps" })
  assert.deepEqual([wrong.code, wrong.out], [1, ""])
  assert.match(wrong.err, /POOLS_AUTH/)
  assert.deepEqual(readdirSync(blocks), [])
})

test("PL178 it knows who may claim an id, links in the place of folders, and disks that are no memory", (t) => {
  const shared = memoryDirectory(t)
  symlinkSync("/tmp", join(shared, "link"))
  const says = (environment: Readonly<Record<string, string>>) =>
    lookAtPools(readConfig({ BLOCKS_DIR: join(shared, "new"), ...environment }), Date.now())
      .map(({ level, says: each }) => `${level} ${each}`)
      .join("\n")
  const open = { HOST: "0.0.0.0", POOLS_AUTH: "open" }
  assert.match(
    says(open),
    /^fail whoever reaches 0\.0\.0\.0 may be any app: remove POOLS_AUTH=open/m,
  )
  assert.match(says({ HOST: "0.0.0.0" }), /^ok apps on 0\.0\.0\.0 prove their ids$/m)
  assert.match(says({ POOLS_AUTH: "required" }), /^ok apps prove their ids/m)
  assert.match(
    says({ POOLS_AUTH: "open", TRUST_PROXY: "1" }),
    /^fail whoever comes through the proxy/m,
  )
  assert.match(says({ BLOCKS_DIR: join(shared, "link") }), /^fail \S+link is no folder: remove it/m)
  assert.match(says({ BLOCKS_DIR: join(shared, "no/where") }), /^fail there is no \S+no: mkdir it/m)
  // Of a group, as a server that shares blocks with one leaves it.
  const group = String(process.getgid?.() ?? 0)
  const blocks = join(shared, "shared")
  mkdirSync(blocks)
  chmodSync(blocks, 0o750)
  const ofGroup = (BLOCKS_GROUP: string) => says({ BLOCKS_DIR: blocks, BLOCKS_GROUP })
  assert.match(ofGroup(group), /^ok \S+shared is ours and for the group \d+, with mode 0750$/m)
  assert.match(ofGroup("4294967"), /^fail \S+shared is not of the group 4294967 \(BLOCKS_GROUP\)/m)
  assert.match(ofGroup("no-such"), /^fail BLOCKS_GROUP: there is no group no-such: make it/m)
  assert.match(says({ BLOCKS_DIR: blocks }), /^fail \S+shared has mode 0750: chmod 0700/m)
  chmodSync(blocks, 0o755)
  assert.match(ofGroup(group), /^fail \S+shared has mode 0755: chmod 0750/m)
  assert.match(says({ BLOCKS_DIR: "off" }), /^ok blocks are buffers of the server/m)
  assert.match(says({ BLOCKS_DIR: "/proc/blocks" }), /^warn \S+ is no memory but a disk/m)
  assert.match(
    says({ MAX_CONNECTIONS: "1000000" }),
    /^warn \d+ files may be open, MAX_CONNECTIONS needs 1000128/m,
  )
  assert.match(says({ PARTS: "relay" }), /^warn pools do not run/m)
})

test("PL178 it reads certificates, and knows when they end", (t) => {
  const pair = selfSigned()
  if (pair === undefined) return t.skip("openssl is missing")
  const other = selfSigned()
  assert.ok(other !== undefined)
  const directory = temporaryDirectory(t)
  const [TLS_CERT, TLS_KEY, strange] = ["cert", "key", "other"].map((name) => {
    return join(directory, name)
  })
  assert.ok(TLS_CERT !== undefined && TLS_KEY !== undefined && strange !== undefined)
  writeFileSync(TLS_CERT, pair.cert)
  writeFileSync(TLS_KEY, pair.key, { mode: 0o600 })
  writeFileSync(strange, other.key)
  chmodSync(strange, 0o644)
  const says = (environment: Readonly<Record<string, string>>, now = Date.now()) =>
    lookAtPools(readConfig({ BLOCKS_DIR: "off", TLS_CERT, TLS_KEY, ...environment }), now)
      .map(({ level, says: each }) => `${level} ${each}`)
      .join("\n")
  assert.match(says({}), /^warn TLS_CERT: \S+ is good for [01] days: renew it/m)
  assert.match(says({}), /^ok \S+key is for its owner and group$/m)
  assert.doesNotMatch(says({}), /^fail/m)
  assert.match(says({}, Date.now() + 3 * 86_400_000), /^fail TLS_CERT: \S+ has expired: renew it/m)
  const mixed = says({ TLS_KEY: strange, POOLS_TLS_CA: strange })
  assert.match(mixed, /^fail anybody on this machine may read the key: chmod 0600 \S+other$/m)
  assert.match(mixed, /^fail \S+other is not the key of \S+cert$/m)
  assert.match(mixed, /^fail POOLS_TLS_CA: \S+other is no certificate/m)
})
