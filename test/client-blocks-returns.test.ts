/** What becomes of blocks when the connection, the server, the file or koffi goes. */
import assert from "node:assert/strict"
import { spawn } from "node:child_process"
import { once } from "node:events"
import { readdirSync, truncateSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { test } from "node:test"
import { connect } from "../src/client/tcp.ts"
import { blockWorld, bytes, codeOf, cuttable, text, ways } from "./client-blocks-parts.ts"
import { eventually, startServer, temporaryDirectory } from "./harness.ts"

for (const { map, via } of ways) {
  test(`PL38 PL107 attachments and subscriptions hold again after a return, via ${via}`, async (t) => {
    const { app, poolsSocket } = await blockWorld(t)
    const ada = await app("ada", { map })
    const { app: bob, cut } = await cuttable(t, poolsSocket, { app: "bob", map })
    const own = await ada.pool("default").block.create("b", 100, { writers: "many" })
    const other = await bob.pool("default").block.attach("b", { mode: "write" })
    const heard: number[] = []
    await other.subscribe(({ generation }) => void heard.push(generation))
    const lock = await other.lock("write")
    const lost: string[] = []
    bob.watch((state) => void lost.push(state))
    cut()
    await eventually(() => lost.includes("away"))
    assert.equal(lock.signal.aborted, true)
    // What is written meanwhile is told when it is back, and what is written then.
    const first = await own.write(bytes("one"))
    await eventually(() => heard.includes(first.generation))
    assert.deepEqual([other.via, text((await other.read()).data)], [via, "one"])
    const second = await other.write(bytes("two"))
    await eventually(() => heard.includes(second.generation))
    assert.equal(text((await own.read()).data), "two")
  })

  test(`PL118 PL136 a durable block goes on after a restart of the server, via ${via}`, async (t) => {
    const [dataDir, blocksDir] = [temporaryDirectory(t), temporaryDirectory(t)]
    const poolsSocket = join(dataDir, "pools")
    const settings = { dataDir, blocksDir, poolsSocket, sqliteUri: join(dataDir, "quartet.db") }
    const server = await startServer(t, settings)
    const ada = await connect(`unix:${poolsSocket}`).pools({ app: "ada", map })
    t.after(() => ada.close({ withinMs: 0 }))
    const { block } = ada.pool("default")
    const kept = await block.create("kept", 100, { durable: true })
    const gone = await block.create("gone", 100)
    await gone.write(bytes("gone"))
    const { generation } = await kept.write(bytes("kept"))
    await server.stop()
    await eventually(() => ada.state === "away")
    await startServer(t, settings)
    await eventually(() => ada.state === "ready")
    const found = await kept.read()
    assert.deepEqual([kept.via, text(found.data)], [via, "kept"])
    assert.ok(found.generation > generation)
    assert.ok((await kept.write(bytes("more"))).generation > found.generation)
    assert.equal(await codeOf(gone.read()), "NO_BLOCK")
    // Who makes it anew has another block.
    await block.create("gone", 100)
    assert.equal(await codeOf(gone.read()), "NO_BLOCK")
  })
}

test("PL114 a file that is cut off is INTEGRITY, and all go on in another", async (t) => {
  const { app, blocksDir } = await blockWorld(t)
  const [ada, bob] = [await app("ada", { map: "off" }), await app("bob")]
  const own = await ada.pool("default").block.create("b", 100)
  const mapped = await bob.pool("default").block.attach("b")
  const events: unknown[] = []
  await mapped.subscribe(({ event }) => void (event === undefined || events.push(event)))
  await own.write(bytes("before"))
  const files = readdirSync(blocksDir, { recursive: true, encoding: "utf8" })
  const name = files.find((each) => each.includes(own.uuid)) ?? ""
  truncateSync(join(blocksDir, name), 0)
  assert.equal(await codeOf(own.write(bytes("x"))), "INTEGRITY")
  await eventually(() => events.includes("replaced"))
  assert.deepEqual(events, ["integrity", "replaced"])
  const { generation } = await own.write(bytes("after"))
  assert.ok(generation > 1)
  assert.deepEqual([mapped.via, text(mapped.peek()?.data ?? bytes(""))], ["map", "after"])
})

test("PL97 PL121 what cannot be mapped is reached over the connection", async (t) => {
  const { app, address, blocksDir } = await blockWorld(t)
  const ada = await app("ada")
  const own = await ada.pool("default").block.create("b", 100)
  await own.write(bytes("here"))
  // A program in which koffi is not installed.
  const hooks = join(temporaryDirectory(t), "hooks.mjs")
  writeFileSync(
    hooks,
    `import { registerHooks } from "node:module"
    registerHooks({ resolve(name, context, next) {
      if (name === "koffi") throw new Error("koffi is not installed")
      return next(name, context)
    } })`,
  )
  const sdk = join(import.meta.dirname, "../src/client/tcp.ts")
  const program = `
    import { connect } from ${JSON.stringify(sdk)}
    const app = await connect(${JSON.stringify(address)}).pools({ app: "bare" })
    const block = await app.pool("default").block.attach("b")
    console.log(block.via, new TextDecoder().decode((await block.read()).data))
    await app.close()`
  const words = ["--import", hooks, "--input-type=module", "-e", program]
  const child = spawn(process.execPath, words, { stdio: ["ignore", "pipe", "inherit"] })
  t.after(() => child.kill("SIGKILL"))
  let said = ""
  child.stdout.on("data", (data) => {
    said += String(data)
  })
  await once(child, "close")
  assert.equal(said, "socket here\n")
  // A probe that is another's: this program does not share the memory.
  const probe = readdirSync(blocksDir, { recursive: true, encoding: "utf8" }).find((each) =>
    each.endsWith("probe"),
  )
  writeFileSync(join(blocksDir, probe ?? ""), new Uint8Array(16))
  const bob = await app("bob")
  const far = await bob.pool("default").block.attach("b")
  assert.deepEqual([far.via, text((await far.read()).data)], ["socket", "here"])
})

test("PL102 a mapped writer that was cut off goes on where the block is now", async (t) => {
  const { app, poolsSocket } = await blockWorld(t)
  const { app: ada, cut } = await cuttable(t, poolsSocket, { app: "ada" })
  const own = await ada.pool("default").block.create("b", 100)
  const before = own.put(bytes("before"))
  const states: string[] = []
  ada.watch((state) => void states.push(state))
  cut()
  await eventually(() => states.at(-1) === "ready")
  const after = await own.write(bytes("after"))
  assert.ok(after.generation > before.generation)
  const bob = await app("bob")
  const reader = await bob.pool("default").block.attach("b")
  assert.equal(text((await reader.read()).data), "after")
  assert.equal(own.via, "map")
})
