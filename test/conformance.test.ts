/** The stories that every SDK of pools runs: see test/conformance/pools/README.md. */
import assert from "node:assert/strict"
import { readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { type TestContext, test } from "node:test"
import { connect as connectSocket } from "../src/client/pools.ts"
import { connect } from "../src/client/tcp.ts"
import { Program } from "./conformance-program.ts"
import { ScriptedServer } from "./conformance-server.ts"
import { startServer } from "./harness.ts"

const folder = join(import.meta.dirname, "conformance/pools")

for (const file of readdirSync(folder).filter((name) => name.endsWith(".txt"))) {
  const lines = readFileSync(join(folder, file), "utf8").split("\n")
  const title = (lines[0] ?? "").replace("# ", "").replace("  ", " ")
  for (const over of ["TCP", "WebSocket"] as const) {
    test(`${title} (${file}, ${over})`, async (t) => {
      const kind = /^with (scripted|real)$/.exec(lines[1] ?? "")?.[1]
      if (kind === undefined) throw new Error(`${file} says no far end in its second line`)
      if (kind === "real") return tell(lines, await realPrograms(t, over))
      const server = await ScriptedServer.start(t, over)
      await tell(lines, programs(t, server.address), server)
    })
  }
}

type Cast = (name: string) => Program

/** Does all lines, in order. */
async function tell(lines: readonly string[], cast: Cast, server?: ScriptedServer): Promise<void> {
  for (const [at, line] of lines.entries()) {
    if (at < 2 || line === "" || line.startsWith("#")) continue
    const [first = "", verb = "", ...rest] = line.split(" ")
    try {
      if ((await server?.does(first, line.slice(first.length + 1))) === true) continue
      await cast(first).does(verb, rest.join(" "))
    } catch (thrown) {
      const why = thrown instanceof Error ? thrown.message : String(thrown)
      assert.fail(`line ${at + 1}, ${line}\n${why}`)
    }
  }
}

function programs(t: TestContext, address: string): Cast {
  const byName = new Map<string, Program>()
  t.after(() => Promise.all([...byName.values()].map((program) => program.close())))
  return (name) => {
    const known = byName.get(name)
    if (known !== undefined) return known
    const program = new Program(name, (options) => {
      const client = address.startsWith("tcp:") ? connect(address) : connectSocket(address)
      return client.pools(options)
    })
    byName.set(name, program)
    return program
  }
}

async function realPrograms(t: TestContext, over: "TCP" | "WebSocket"): Promise<Cast> {
  const { pools, url } = await startServer(t, { poolsPort: 0, poolsAuth: "open" })
  return programs(t, over === "TCP" ? `tcp://${pools[0]}` : url)
}
