/** Two servers of rooms behind the balancer of deploy/, restarted one after the other. */
import assert from "node:assert/strict"
import { spawn } from "node:child_process"
import { once } from "node:events"
import { readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { type TestContext, test } from "node:test"
import { WebSocket } from "ws"
import { MemoryHub } from "../src/bus/memory.ts"
import { eventually, HandClock, lastingPort, startServer, temporaryDirectory } from "./harness.ts"
import { findNginx } from "./needs.ts"

const rooms = Array.from({ length: 12 }, (_, at) => `room-${at}`)

/** nginx with deploy/nginx.conf, in front of servers at these ports. Gives its own. */
async function balance(t: TestContext, servers: readonly number[]): Promise<number> {
  const folder = temporaryDirectory(t)
  const port = await lastingPort()
  const places = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
  const own = ["access_log off;", ...places.map((each) => `${each}_temp_path ${folder}/${each};`)]
  const text = readFileSync(join(import.meta.dirname, "../deploy/nginx.conf"), "utf8")
    .replace("worker_processes auto;", "worker_processes 1;")
    .replace("worker_connections 20000;", "worker_connections 200;")
    .replace("http {", `http { ${own.join(" ")}`)
    .replace("listen 80;", `listen 127.0.0.1:${port};`)
    .replaceAll(/server(\d):3030/g, (_, at) => `127.0.0.1:${servers[Number(at) - 1]}`)
  const file = join(folder, "nginx.conf")
  writeFileSync(file, `daemon off; pid ${folder}/pid; error_log ${folder}/log;\n${text}`)
  const child = spawn(findNginx() ?? "", ["-p", folder, "-c", file], { stdio: "ignore" })
  const ended = once(child, "exit")
  t.after(async () => {
    child.kill("SIGTERM")
    await ended
  })
  const answers = () =>
    fetch(`http://127.0.0.1:${port}/ready`).then(
      () => true,
      () => false,
    )
  while (!(await answers())) assert.equal(child.exitCode, null, "nginx has ended")
  return port
}

/** Comes to each room by way of the balancer. Gives the sockets; throws the status of one that is refused. */
async function enter(t: TestContext, port: number): Promise<readonly WebSocket[]> {
  return Promise.all(
    rooms.map(async (room) => {
      const socket = new WebSocket(`ws://127.0.0.1:${port}/yjs/${room}`)
      t.after(() => socket.terminate())
      socket.on("error", () => {})
      const refused = once(socket, "unexpected-response").then(([, { statusCode }]) => statusCode)
      const how = await Promise.race([once(socket, "open").then(() => "open"), refused])
      assert.equal(how, "open", room)
      return socket
    }),
  )
}

test("SV5 RL112 behind deploy/nginx.conf those whom a server sends away are let in by the other at once", {
  skip: findNginx() === undefined ? "nginx is not installed" : false,
}, async (t) => {
  const hub = new MemoryHub()
  const ports = [await lastingPort(), await lastingPort()] as const
  const start = async (at: 0 | 1) => {
    const clock = new HandClock()
    const settings = { parts: ["relay"], relayAnonymous: "editor", trustProxy: 1 } as const
    const own = { port: ports[at], drainSeconds: 5, serverId: `server-${at}`, hub, clock }
    return { clock, ...(await startServer(t, { ...settings, ...own })) }
  }
  const servers = [await start(0), await start(1)]
  const port = await balance(t, ports)
  let sockets = await enter(t, port)
  // Twice each, one behind the other's back: so soon that nginx remembers what it met before.
  for (const at of [0, 1, 0, 1] as const) {
    const leaving = servers[at]
    assert.ok(leaving)
    const stopped = leaving.server.stop()
    const asked = await fetch(`${leaving.url}/ready`, { headers: { connection: "close" } })
    assert.equal(asked.status, 503)
    // While it drains, and when it has gone.
    const meanwhile = await enter(t, port)
    leaving.clock.turn(5_000)
    assert.equal(await stopped, "done")
    const later = await enter(t, port)
    const all = [...sockets, ...meanwhile, ...later]
    await eventually(() => all.every(({ readyState }) => readyState !== WebSocket.CLOSING))
    sockets = all.filter(({ readyState }) => readyState === WebSocket.OPEN)
    assert.ok(sockets.length >= 2 * rooms.length)
    servers[at] = await start(at)
  }
})
