/** How the relay is set up: who may come without a token, which pages may connect, and what the manual says. */
import assert from "node:assert/strict"
import { execFileSync } from "node:child_process"
import { once } from "node:events"
import { readFileSync } from "node:fs"
import { join } from "node:path"
import { test } from "node:test"
import { WebSocket } from "ws"
import { readConfig, variables } from "../src/config.ts"
import { relayDefaults, relayOptions } from "../src/relay/limits.ts"
import { createServer } from "../src/server.ts"
import { type Start, type Started, startServer } from "./harness.ts"

const root = join(import.meta.dirname, "..")
const manual = readFileSync(join(root, "docs/operating.md"), "utf8")
const secret = "a secret of at least thirty-two bytes"
const tokenKey = { kind: "secret", secret } as const

/** Bytes or ms in one of each. */
const units = new Map([
  ["ms", 1],
  ["s", 1_000],
  ["days", 24 * 60 * 60_000],
  ["KiB", 1024],
  ["MiB", 1024 ** 2],
  ["GiB", 1024 ** 3],
])

test("RL9 RL26 RL86 RL104 RL123 RL126 what the rules say of a limit in figures is its default", () => {
  const text = readFileSync(join(root, "docs/rules.md"), "utf8")
  const rules = text.split("\n").filter((line) => line.startsWith("- **RL"))
  const figure = "([\\d,]+)(?: (ms|s|days|KiB|MiB|GiB)\\b)?"
  const named = new Set<string>()
  for (const [name, value] of Object.entries(relayDefaults)) {
    // `5 s (NAME)`, `30 times a minute (NAME)` or `NAME (5 s)`.
    const before = new RegExp(`${figure}(?: [a-z]+){0,3} \\(\`${name}\`\\)`, "g")
    const after = new RegExp(`\`${name}\` \\(${figure}`, "g")
    for (const [said, digits = "", unit = ""] of rules.flatMap((rule) => [
      ...rule.matchAll(before),
      ...rule.matchAll(after),
    ])) {
      const meant = Number(digits.replaceAll(",", "")) * (units.get(unit) ?? 1)
      assert.equal(value, meant, `${name}: the rules say "${said}"`)
      named.add(name)
    }
  }
  assert.ok(named.size >= 24, `only of ${[...named].join(", ")}`)
})

test("RL100 without a key strangers are admitted on this machine only, or where it was said", () => {
  const starts = (config: Start) => () =>
    createServer({ port: 0, sqliteUri: ":memory:", logLevel: "silent", ...config })
  const open = /the relay would be open to strangers: set JWT_SECRET, .* or say RELAY_ANONYMOUS/
  for (const host of ["0.0.0.0", "::", "192.0.2.1", "example.org", "127.example.org"]) {
    assert.throws(starts({ host }), open, host)
    for (const relayAnonymous of ["off", "viewer", "editor"] as const) {
      assert.doesNotThrow(starts({ host, relayAnonymous }))
    }
    assert.doesNotThrow(starts({ host, tokenKey }))
    assert.doesNotThrow(starts({ host, parts: ["documents"] }))
  }
  for (const host of ["127.0.0.1", "127.0.0.2", "::1", "localhost"]) {
    assert.doesNotThrow(starts({ host }), host)
  }
  assert.throws(() => readConfig({ RELAY_ANONYMOUS: "admin" }), /not one of off, viewer, editor/)
})

test("RL100 who comes without a token is what was said, and nobody where tokens are checked", async (t) => {
  const cases: readonly (readonly [Start, string])[] = [
    [{}, "editor"],
    [{ relayAnonymous: "editor" }, "editor"],
    [{ relayAnonymous: "viewer" }, "viewer"],
    [{ relayAnonymous: "off" }, "nobody"],
    [{ tokenKey }, "nobody"],
    [{ tokenKey, relayAnonymous: "viewer" }, "viewer"],
  ]
  for (const [config, expected] of cases) {
    const server = await startServer(t, config)
    const socket = new WebSocket(`${server.ws}/collab/notes?senderId=ada`)
    t.after(() => socket.terminate())
    const frame = { type: "CRDT_UPDATE", docId: "notes", senderId: "ada", ts: 1, bytesB64: "AQID" }
    const bob = new WebSocket(`${server.ws}/collab/notes?senderId=bob`)
    t.after(() => bob.terminate())
    const told = new Promise<string>((resolve) => {
      bob.on("message", (data) => {
        if (String(data).includes("CRDT_UPDATE")) resolve("editor")
      })
      socket.on("message", (data) => {
        if (String(data).includes("PERMISSION_DENIED")) resolve("viewer")
      })
      socket.on("close", (code) => resolve(code === 4401 ? "nobody" : String(code)))
    })
    await Promise.all([once(bob, "open"), once(socket, "open")])
    socket.send(JSON.stringify(frame))
    assert.equal(await told, expected, JSON.stringify(config))
  }
})

/** The status of a handshake that a page of `origin` asks for; 101 where it is let in. */
async function knocks({ ws }: Started, path: string, origin: string | undefined): Promise<number> {
  const socket = new WebSocket(`${ws}${path}`, origin === undefined ? {} : { origin })
  const status = await new Promise<number>((resolve) => {
    socket.once("open", () => resolve(101))
    socket.once("unexpected-response", (_, answer) => resolve(answer.statusCode ?? 0))
    socket.once("error", () => {})
  })
  socket.terminate()
  return status
}

test("SV36 which pages may connect to the relay follows from tokens and from the list", async (t) => {
  const [here, far, listed] = [
    "http://localhost:5173",
    "https://app.example",
    "https://listed.example",
  ]
  const allowedOrigins = [listed]
  const cases: readonly (readonly [Start, here: number, far: number, listed: number])[] = [
    [{}, 101, 403, 403],
    [{ tokenKey }, 101, 101, 101],
    [{ tokenKey, relayAnonymous: "viewer" }, 101, 403, 403],
    [{ allowedOrigins }, 403, 403, 101],
    [{ allowedOrigins, tokenKey }, 403, 403, 101],
  ]
  for (const [config, ...expected] of cases) {
    const server = await startServer(t, config)
    const origins = [here, far, listed]
    for (const path of ["/yjs/notes", "/hocuspocus", "/collab/notes"]) {
      const found = await Promise.all(origins.map((origin) => knocks(server, path, origin)))
      assert.deepEqual(found, expected, `${path} ${JSON.stringify(config)}`)
      assert.equal(await knocks(server, path, undefined), 101)
      assert.equal(await knocks(server, path, server.url), 101)
    }
    // What a key for tokens opens is the relay only.
    assert.equal(await knocks(server, "/api/socket/notes", far), 403)
  }
})

test("SV2 the relay's settings are checked, all at once", () => {
  const environment = {
    RELAY_ANONYMOUS: "yes",
    RELAY_COPIES: "disk",
    RELAY_COPY_KEY: "short",
    RELAY_ADMIN_TOKEN: "short",
    RELAY_LIMITS: "[]",
    RELAY_COLOUR: "red",
  }
  assert.throws(
    () => readConfig(environment),
    (thrown: unknown) => {
      const named = String(thrown).match(/RELAY_\w+(?=:)/g)
      assert.deepEqual([...new Set(named)].sort(), Object.keys(environment).sort())
      return true
    },
  )
  const spaced = { RELAY_ADMIN_TOKEN: "a token with spaces, of thirty-two bytes" }
  assert.throws(() => readConfig(spaced), /RELAY_ADMIN_TOKEN: may hold .* no spaces/)
  assert.throws(
    () => relayOptions({ romos: 1, rooms: "many" }),
    /romos: there is no such limit\nrooms/,
  )
  const several = { RELAY_LIMITS: '{"rooms":-1,"divergent":"x"}', RELAY_COPY_KEY: "short" }
  assert.throws(
    () => readConfig(several),
    (thrown: unknown) => {
      const told = String(thrown)
      assert.match(told, /RELAY_COPY_KEY: /)
      assert.match(told, /RELAY_LIMITS: rooms: -1 is not a whole number from 0/)
      assert.match(told, /RELAY_LIMITS: divergent: is not one of merge, refuse/)
      return true
    },
  )
  assert.throws(() => relayOptions({ copiesRequired: "no" }), /copiesRequired/)
})

test("SV1 the manual names every setting of the relay, and every limit with its default", () => {
  for (const name of variables) {
    if (/^(RELAY|JWT)_/.test(name)) assert.match(manual, new RegExp(`\\b${name}\\b`))
  }
  const rows = manual.matchAll(/^\| ([a-z]\w*(?:, \w+)*) \| ([\w, ]+) \| /gm)
  const told = new Map<string, string>()
  for (const [, names = "", values = ""] of rows) {
    const defaults = values.split(", ")
    for (const [at, name] of names.split(", ").entries()) told.set(name, defaults[at] ?? "")
  }
  for (const [name, value] of Object.entries(relayDefaults)) {
    assert.equal(told.get(name), String(value), name)
  }
})

test("RL94 the three lines of the manual make a token that opens a room of its pattern, and no other", async (t) => {
  const [, program = ""] = /```js\n([\s\S]*?SignJWT[\s\S]*?)```/.exec(manual) ?? []
  assert.equal(program.trim().split("\n").length, 3)
  const words = ["--input-type=module", "--eval", program]
  const env = { ...process.env, JWT_SECRET: secret }
  const token = execFileSync(process.execPath, words, { cwd: root, env, encoding: "utf8" }).trim()
  const server = await startServer(t, { tokenKey })
  const entering = async (room: string) => {
    const socket = new WebSocket(`${server.ws}/yjs/${room}?token=${token}`)
    const closed = once(socket, "close").then(([code]) => Number(code))
    const heard = once(socket, "message").then(() => "in" as const)
    await once(socket, "open")
    socket.send(Uint8Array.of(0, 0, 1, 0))
    const outcome = await Promise.race([closed, heard])
    socket.terminate()
    return outcome
  }
  assert.equal(await entering("team/plans"), "in")
  // Refused in the protocol: a word why, then the close.
  const socket = new WebSocket(`${server.ws}/yjs/others?token=${token}`)
  const [[code]] = await Promise.all([once(socket, "close"), once(socket, "open")])
  assert.equal(code, 4403)
})
