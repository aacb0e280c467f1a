/**
 * Calls and blocks from Python: `node bench/python.ts`. Needs python3 3.11 or later.
 *
 * What always holds: caller (python.py), router and handler are processes of their own; the handler
 * is the one of the bench of pools, so that only the caller is Python.
 */
import { spawnSync } from "node:child_process"
import { join } from "node:path"
import { Rows } from "./figures.ts"
import { begin, give } from "./parts.ts"
import { programAt, startRouter } from "./pools-stand.ts"
import { commandOf } from "./present.ts"

interface Line {
  readonly name: string
  readonly unit: string
  readonly kind: string
  readonly figure: number
}

const aims = new Map([
  ["a call from Python, one at a time: µs p50", "<= 350"],
  ["read from Python, 64 B: µs", "<= 1"],
  ["read from Python, 4 KiB: µs", "<= 1.2"],
  ["read from Python, 1 MiB: µs", "<= 60"],
])

begin()
const python = commandOf("python3")
if (python === undefined) process.exit(0)
const router = await startRouter("quartet")
const handler = await programAt(router, "compact", "handler")
await handler.ask({ do: "handle", how: "echo" })
const { stdout, status } = spawnSync(
  python,
  [join(import.meta.dirname, "python.py"), `unix:${router.place}`],
  {
    encoding: "utf8",
    env: { ...process.env, PYTHONPATH: join(import.meta.dirname, "../python") },
    stdio: ["ignore", "pipe", "inherit"],
  },
)
const rows = new Rows()
for (const line of stdout.trim().split("\n")) {
  const { name, unit, kind, figure } = JSON.parse(line) as Line // python.py says nothing else
  rows.add({ name, unit, target: aims.get(`${name}: ${unit}`) ?? "" }, kind, figure)
}
await give(rows.all)
handler.kill()
await router.stop()
process.exit(status ?? 1)
