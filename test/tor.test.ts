/**
 * Operators through an onion address, in a Tor network of nine processes on this machine. It takes
 * minutes, so it runs only with QUARTET_TOR=1, where tor is installed.
 */
import assert from "node:assert/strict"
import { spawn, spawnSync } from "node:child_process"
import { once } from "node:events"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { text as all } from "node:stream/consumers"
import { test } from "node:test"
import { launch } from "./harness.ts"
import { torNetwork } from "./tor-network.ts"

const isWanted = process.env["QUARTET_TOR"] === "1"
const isThere = spawnSync("tor", ["--version"]).status === 0
const skip = !isWanted ? "QUARTET_TOR=1 is not set" : isThere ? false : "tor is not installed"
const main = join(import.meta.dirname, "../src/main.ts")

test("OP74 OP86 chat reaches the server through an onion address", {
  skip,
  timeout: 400_000,
}, async (t) => {
  const root = mkdtempSync(join(tmpdir(), "quartet-tor-"))
  t.after(() => rmSync(root, { recursive: true, force: true, maxRetries: 5 }))
  const socket = join(root, "operators.sock")
  await launch(t, {
    ...{ DATA_DIR: join(root, "data"), PARTS: "operators", OPERATORS_SOCKET: socket },
    ...{ OPERATORS_CIRCUITS: "on" },
  })
  const onion = [
    `HiddenServicePort 6667 unix:${socket}`,
    "HiddenServiceExportCircuitID haproxy",
    "HiddenServiceMaxStreams 8",
  ].join("\n")
  const { address, socks } = await torNetwork(t, root, onion)
  t.diagnostic(`the service is ${address}`)
  const password = join(root, "password")
  writeFileSync(password, "correct horse\n")
  const chat = async (words: readonly string[], input: string) => {
    const to = [`${address}:6667`, "--socks", socks, "--password-file", password]
    const child = spawn(process.execPath, [main, "chat", ...to, "--timeout", "300", ...words])
    const exited = once(child, "exit")
    child.stdin.end(input)
    const [out, err] = await Promise.all([all(child.stdout), all(child.stderr)])
    const [code] = await exited
    return { code, out, err }
  }
  const began = performance.now()
  const sent = await chat(["-c", "ada", "--register", "--send", "ada"], "through six relays")
  assert.equal(sent.code, 0, sent.err)
  t.diagnostic(`sent after ${Math.round((performance.now() - began) / 1_000)} s`)
  const received = await chat(["-c", "ada", "--receive", "--count", "1"], "")
  assert.match(received.out, /ada: through six relays/)
  const doctor = spawnSync(process.execPath, [
    ...[main, "doctor", "--tor", "--torrc", join(root, "service/torrc")],
    ...["--dial", `${address}:6667`, "--socks", socks],
  ])
  assert.match(String(doctor.stdout), new RegExp(`ok +${address}:6667 greets`))
})
