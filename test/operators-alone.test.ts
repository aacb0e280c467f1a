/**
 * The operators where there is no network: in a network namespace of their own, with loopback down
 * and then up. Needs user namespaces, no root; skipped, with the reason, where they are not allowed.
 */
import assert from "node:assert/strict"
import { spawnSync } from "node:child_process"
import { once } from "node:events"
import { existsSync } from "node:fs"
import { connect } from "node:net"
import { join } from "node:path"
import { test } from "node:test"
import { HandClock, launch, startServer, temporaryDirectory } from "./harness.ts"
import { until } from "./net-parts.ts"
import { Peer } from "./operators-stage.ts"

const tried = spawnSync("unshare", ["-rn", "ip", "link", "set", "lo", "up"])
const skip =
  tried.status === 0
    ? false
    : `no network namespace can be made: ${tried.error?.message ?? `${tried.stderr}`.trim()}`

/** Logs in over 127.0.0.1 and says what it hears until it hears itself. */
const loopback = `
  const socket = require("node:net").connect(9696, "127.0.0.1")
  socket.write("$ bob b\\n$ bob b\\nada from loopback\\nbob done\\n")
  socket.on("data", (text) => { process.stdout.write(text); if (String(text).includes("done")) process.exit() })
`

test("OP34 OP44 where there is no network it serves its unix socket, and loopback once that is up", {
  skip,
}, async (t) => {
  const directory = temporaryDirectory(t)
  const path = join(directory, "operators.sock")
  const environment = {
    ...{ PARTS: "operators", OPERATORS_SOCKET: path, OPERATORS_PORT: "9696" },
    ...{ SQLITE_URI: ":memory:", OPERATORS_HASH: "m=8,t=1,p=1" },
  }
  const server = await launch(t, environment, ["unshare", "-rn"])
  const listening = server.log.find((line) => line["event"] === "listening")
  assert.equal(listening?.["operators"], `127.0.0.1:9696 ${path}`)
  const ada = await Peer.stream(connect(path))
  for (const line of ["$ quartet", "$ ada a", "$ ada a"]) ada.says(line)
  await until(() => ada.lines.some((line) => line.startsWith("$ welcome ada")))
  const inside = (command: readonly string[]) => {
    const space = ["-t", `${server.process.pid}`, "-U", "-n", "--preserve-credentials"]
    return spawnSync("nsenter", [...space, ...command], { encoding: "utf8" })
  }
  assert.equal(inside(["ip", "link", "set", "lo", "up"]).status, 0)
  const bob = inside([process.execPath, "-e", loopback])
  assert.equal(bob.stdout, "bob: done\n", bob.stderr)
  await until(() => ada.lines.some((line) => / 0 from loopback$/.test(line)))
  assert.equal(await server.end("SIGTERM"), 0)
  assert.equal(ada.lines.at(-1), "$ bye closing")
})

test("OP34 OP36 it listens before its clock has moved, and is gone when that has moved by 2 s", async (t) => {
  const clock = new HandClock()
  const path = join(temporaryDirectory(t), "operators.sock")
  const began = clock.now()
  const parts = { parts: ["operators"] as const, operatorsPort: 0, operatorsSocket: path }
  const { server, operators } = await startServer(t, { ...parts, clock })
  assert.equal(clock.now(), began)
  assert.equal(operators.length, 2)
  const ada = await Peer.stream(connect(path))
  ada.says("$ quartet")
  // Somebody whose program waits for more input and does not close.
  const idle = connect({ path, allowHalfOpen: true })
  await once(idle, "connect")
  idle.on("error", () => {}) // it is cut off
  idle.write("$ quartet\n")
  await once(idle, "data")
  await until(() => ada.lines.length === 1)
  const stopped = server.stop()
  assert.ok(!existsSync(path))
  clock.turn(2_000)
  assert.equal(await stopped, "done")
  await until(() => ada.isOver)
  assert.equal(ada.lines.at(-1), "$ bye closing")
  idle.destroy()
})
