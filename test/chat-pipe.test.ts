/** `quartet chat` in pipes, `quartet invite` and `quartet doctor`: programs of their own. */
import assert from "node:assert/strict"
import { spawn } from "node:child_process"
import { once } from "node:events"
import { chmodSync, mkdirSync, statSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { text as all } from "node:stream/consumers"
import { type TestContext, test } from "node:test"
import { parseTorrc } from "../src/cli/doctor-tor.ts"
import { lettered, onionKeys } from "../src/cli/invite.ts"
import { Cable } from "./cable.ts"
import { eventually, startServer, temporaryDirectory } from "./harness.ts"

const main = join(import.meta.dirname, "../src/main.ts")

interface Run {
  readonly input?: string
  readonly environment?: Readonly<Record<string, string>>
}

async function quartet(words: readonly string[], { input = "", environment = {} }: Run = {}) {
  const env = { PATH: process.env["PATH"], ...environment }
  const child = spawn(process.execPath, [main, ...words], { env })
  const exited = once(child, "exit")
  child.stdin.end(input)
  const [out, err] = await Promise.all([all(child.stdout), all(child.stderr)])
  const [code] = await exited
  return { code: Number(code), out, err }
}

/** A server on a file, and the words that make somebody log in there. */
async function begun(t: TestContext, registration: "open" | "invite" = "open") {
  const dataDir = temporaryDirectory(t)
  chmodSync(dataDir, 0o700)
  const server = await startServer(t, {
    ...{ parts: ["operators"], operatorsPort: 0, operatorsRate: 0, dataDir },
    ...{ sqliteUri: join(dataDir, "quartet.db"), operatorsRegistration: registration },
  })
  const address = server.operators[0] ?? ""
  const password = join(dataDir, "password")
  writeFileSync(password, "correct horse\n")
  const as = (callsign: string, ...words: string[]) => [
    ...["chat", address, "--callsign", callsign, "--password-file", password, ...words],
  ]
  return { dataDir, server, address, as }
}

test("OP90 what is sent in a pipe ends with the code that says what became of it", async (t) => {
  const { as, address } = await begun(t)
  const text = "one\ntwo"
  const first = await quartet(as("ada", "--register", "--send", "ada"), { input: `${text}\n` })
  assert.deepEqual([first.code, first.out, first.err], [0, "", ""])
  const received = await quartet(as("ada", "--receive", "--count", "1", "--json"))
  const [, from] = received.out
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line))
  assert.deepEqual([from.event, from.sender, from.text], ["from", "ada", text])
  const nobody = await quartet(as("ada", "--send", "bob"), { input: "x" })
  assert.deepEqual(
    [nobody.code, nobody.err],
    [1, "quartet: refused: nobody: nobody has this callsign\n"],
  )
  const wrong = await quartet(as("bob", "--send", "ada"), { input: "x" })
  assert.deepEqual(
    [wrong.code, wrong.err.trim()],
    [3, "quartet: nobody is registered as bob: --register registers"],
  )
  const away = ["chat", "127.0.0.1:1", "-c", "ada", "--password-command", "echo x"]
  const far = await quartet([...away, "--receive", "--timeout", "1"])
  assert.equal(far.code, 4)
  assert.match(far.err, /no operators answered: ADDRESS is HOST:PORT of OPERATORS_PORT/)
  for (const words of [
    ["chat", address, "-c", "ada", "--receive"],
    ["chat", address, "-c", "a b", "--receive"],
    ["chat", "nowhere", "-c", "ada", "--receive"],
    as("ada", "--receive", "--count", "none"),
    as("ada", "--password", "secret"),
    as("ada"),
  ]) {
    assert.equal((await quartet(words)).code, 2, words.join(" "))
  }
})

test("OP90 objects go in and out, and --wait ends when the message has ended", async (t) => {
  const { as } = await begun(t)
  const input = `${JSON.stringify({ to: "ada", text: "a\u001b\nb", ref: "r1" })}\n\n`
  const words = ["--register", "--json", "--wait", "--receive", "--count", "1"]
  const { code, out } = await quartet(as("ada", ...words), { input })
  const facts = out
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line))
  assert.equal(code, 0)
  assert.equal(facts[0].state, "ready")
  assert.ok(facts.some(({ event, ref }) => event === "sent" && ref === "r1"))
  // The server cleans it; JSON would have kept it from a terminal in any case.
  assert.ok(facts.some(({ event, text }) => event === "from" && text === "a\ufffd\nb"))
  const bad = await quartet(as("ada", "--json"), { input: '{"to":"ada"}\n' })
  assert.equal(bad.code, 2)
})

test("OP90 what was under way when the server restarted ends with its own code", async (t) => {
  const one = await begun(t)
  const two = await begun(t)
  await quartet(one.as("ada", "--register", "--send", "ada"), { input: "x" })
  await quartet(two.as("ada", "--register", "--send", "ada"), { input: "x" })
  const cable = await Cable.to(t, Number(one.address.split(":")[1]))
  cable.swallowFrom = "$ sent"
  const words = one.as("ada", "--send", "ada").with(1, cable.address)
  const running = quartet(words, { input: "lost" })
  await eventually(() => cable.said.includes(" lost\n"))
  cable.swallowFrom = undefined
  cable.leadTo(Number(two.address.split(":")[1]))
  cable.cut()
  assert.equal((await running).code, 5)
})

test("OP92 an invitation lets one in by its token, is told once, and refuses who is there", async (t) => {
  const { dataDir, as, address } = await begun(t, "invite")
  const environment = { DATA_DIR: dataDir, OPERATORS_PORT: address.split(":")[1] ?? "" }
  const told = await quartet(["invite", "Bob"], { environment })
  const [at, callsign, token = ""] = told.out.trim().split(" ")
  assert.deepEqual([told.code, at, callsign], [0, address, "Bob"])
  assert.match(token, /^[\w-]{22}$/)
  assert.ok(!(await all(await file(join(dataDir, "quartet.db-wal")))).includes(token))
  assert.equal((await quartet(as("Bob", "--register", "--send", "Bob"), { input: "x" })).code, 3)
  const words = as("Bob", "--invite", token, "--send", "Bob")
  assert.equal((await quartet(words, { input: "x" })).code, 0)
  for (const [name, why] of [
    ["bob", /has an account already/],
    ["b0b", /looks like/],
    ["root", /nobody may be called/],
    ["a b", /cannot be a callsign/],
  ] as const) {
    const refused = await quartet(["invite", name], { environment })
    assert.deepEqual([refused.code, refused.out], [1, ""])
    assert.match(refused.err, why)
  }
})

async function file(path: string) {
  const { createReadStream } = await import("node:fs")
  return createReadStream(path, "latin1")
}

test("OP93 keys for an onion service are a pair of X25519, printed and kept nowhere", async () => {
  assert.equal(lettered(Buffer.from("foobar")), "MZXW6YTBOI")
  assert.equal(lettered(Buffer.from("fooba")), "MZXW6YTB")
  const { open, secret } = onionKeys()
  for (const key of [open, secret]) assert.match(key, /^[A-Z2-7]{52}$/)
  const address = "a2".repeat(28)
  const told = await quartet(["invite", "bob", "--onion-key", `${address}.onion:9696`])
  assert.equal(told.code, 0)
  const lines = told.out
    .trim()
    .split("\n")
    .filter((line) => !line.startsWith("#"))
  assert.match(lines[0] ?? "", /^descriptor:x25519:[A-Z2-7]{52}$/)
  assert.match(lines[1] ?? "", new RegExp(`^${address}:descriptor:x25519:[A-Z2-7]{52}$`))
  assert.equal((await quartet(["invite", "bob", "--onion-key", "x.onion"])).code, 2)
})

const torrc = (socket: string, directory: string) => `# ours
HiddenServiceDir ${directory}
HiddenServicePort 9696 unix:${socket}
HiddenServiceExportCircuitID haproxy
HiddenServiceMaxStreams 8
HiddenServiceMaxStreamsCloseCircuit 1
HiddenServiceEnableIntroDoSDefense 1
HiddenServicePoWDefensesEnabled 1
LongLivedPorts 9696,6667
`

test("OP94 the doctor finds what is wrong with torrc, files and sockets, and changes nothing", async (t) => {
  const directory = temporaryDirectory(t)
  const service = join(directory, "onion")
  mkdirSync(join(service, "authorized_clients"), { recursive: true })
  writeFileSync(join(service, "authorized_clients/bob.auth"), "descriptor:x25519:A")
  const socket = "/run/quartet-test/operators.sock"
  const path = join(directory, "torrc")
  const environment = {
    ...{ OPERATORS_SOCKET: socket, OPERATORS_CIRCUITS: "on", OPERATORS_PORT: "0", PORT: "0" },
    ...{ DATA_DIR: join(directory, "data"), OPERATORS_REGISTRATION: "invite" },
  }
  const look = async (text: string, more: Record<string, string> = {}) => {
    writeFileSync(path, text)
    const words = ["doctor", "--tor", "--torrc", path]
    return quartet(words, { environment: { ...environment, ...more } })
  }
  const whole = torrc(socket, service)
  const well = await look(whole)
  assert.equal(well.code, 0, well.out)
  assert.doesNotMatch(well.out, /^fail/m)
  assert.match(well.out, /^ok {3}circuit ids are exported, and expected$/m)
  for (const [text, more, finding] of [
    [whole, { OPERATORS_CIRCUITS: "off" }, /^fail circuit ids are exported but not expected/m],
    [whole.replace(/.*Export.*\n/, ""), {}, /^fail circuit ids are expected but not exported/m],
    [whole.replace(/.*Port 9696 unix.*\n/, ""), {}, /^fail no HiddenServicePort leads/m],
    [`HiddenServiceSingleHopMode 1\n${whole}`, {}, /^fail single-hop/m],
    [`SafeLogging 0\n${whole}`, {}, /^fail tor logs addresses/m],
    [whole, { HOST: "0.0.0.0", PORT: "3030" }, /^fail HOST is 0\.0\.0\.0/m],
    [
      whole.replaceAll(service, join(directory, "other")),
      {},
      /^warn .*authorized_clients cannot be read/m,
    ],
    [whole.replace(/.*MaxStreams 8\n/, ""), {}, /^warn HiddenServiceMaxStreams is not set/m],
    [whole.replace(/LongLived.*\n/, ""), {}, /^warn circuits to port 9696 may be short/m],
    [
      whole.replaceAll(socket, "/tmp/x.sock"),
      { OPERATORS_SOCKET: "/tmp/x.sock" },
      /^fail \/tmp\/x/m,
    ],
  ] as const) {
    const { out, code } = await look(text, more)
    assert.match(out, finding)
    if (finding.source.startsWith("^fail")) assert.equal(code, 1)
  }
  const { services } = parseTorrc("hiddenservicedir /a \\\n # x\nHIDDENSERVICEPORT 1 \\\n  2\n")
  assert.deepEqual(services[0]?.ports, ["1    2"])
})

test("OP94 the doctor looks at the process that listens, and dials as an operator would", async (t) => {
  const { dataDir, address } = await begun(t)
  const port = address.split(":")[1] ?? ""
  const torrcPath = join(dataDir, "torrc")
  writeFileSync(torrcPath, `HiddenServiceDir /x\nHiddenServicePort 9696 127.0.0.1:${port}\n`)
  const words = ["doctor", "--tor", "--torrc", torrcPath, "--dial", address]
  const environment = { DATA_DIR: dataDir, OPERATORS_PORT: port, PORT: "0" }
  const { out, code } = await quartet(words, { environment })
  // This test listens there itself, and is no `quartet serve`.
  assert.match(out, /^fail another program listens in the server's place/m)
  assert.match(out, new RegExp(`^ok {3}${address} greets$`, "m"))
  assert.match(out, /^ok {3}\S+quartet\.db has mode 0600$/m)
  assert.equal(code, 1)
  chmodSync(join(dataDir, "quartet.db"), 0o644)
  assert.match((await quartet(words, { environment })).out, /^fail \S+ has mode 0644: chmod 0600$/m)
  assert.equal(statSync(join(dataDir, "quartet.db")).mode & 0o777, 0o644)
})

test("OP22 OP95 the doctor lets words go through a server in every way, and finds none of them", async () => {
  const { out, code } = await quartet(["doctor", "--silence"])
  assert.match(out, /^ok {3}SIGTERM: no word in \d+ places/m)
  assert.match(out, /^ok {3}SIGKILL: no word in \d+ places/m)
  assert.match(out, /^ok {3}the secret of a deleted account is in no file$/m)
  assert.equal(code, 0)
})
