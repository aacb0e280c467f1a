/** Blocks of a real server: over its socket, in files that another program reads, over a restart. */
import assert from "node:assert/strict"
import { readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { test } from "node:test"
import { headerOf, MemoryArea } from "../src/wire/layout.ts"
import { Slots } from "../src/wire/slots.ts"
import { eventually, startServer, temporaryDirectory } from "./harness.ts"
import { FramedApp, type Told } from "./pools-app.ts"

async function asks(app: FramedApp, id: string, fields: object): Promise<Told> {
  app.says({ type: "memory", id, block_id: "b", ...fields })
  const answer = await app.answerTo(id)
  assert.equal(answer["status"], "success", JSON.stringify(answer))
  return answer["result"] as Told // an object, where the answer is a success
}

test("PL97 PL118 PL147 what is written over the socket lies in the file, and is there after a restart", async (t) => {
  const [dataDir, blocksDir] = [temporaryDirectory(t), temporaryDirectory(t)]
  const poolsSocket = join(dataDir, "pools")
  const sqliteUri = join(dataDir, "quartet.db")
  const settings = { dataDir, blocksDir, poolsSocket, sqliteUri }
  const first = await startServer(t, settings)
  const ada = new FramedApp(t, poolsSocket)
  const { shm } = await ada.shakesHands("ada")
  const { dir, probe } = shm as { dir: string; probe: string }
  assert.equal(readFileSync(join(dir, "probe")).toString("base64url"), probe)
  // 12 MiB with its slots: more than one turn fills.
  const made = await asks(ada, "1", {
    operation: "create",
    size: 3 * 2 ** 20,
    durable: true,
    via: "map",
  })
  const content = Buffer.alloc(2 * 2 ** 20, "quartet ")
  const data = content.toString("base64")
  await asks(ada, "2", { operation: "write", data })
  const bytes = new Uint8Array(readFileSync(String(made["path"])))
  const header = headerOf(bytes.subarray(0, 64), bytes.length)
  if (typeof header === "string") throw new Error(header)
  const taken = new Slots(new MemoryArea(bytes.buffer), header).read()
  assert.ok(taken.is === "content" && content.equals(taken.data))
  assert.equal((await asks(ada, "3", { operation: "read" }))["data"], data)
  const health = await (await fetch(`${first.url}/health`)).text()
  assert.match(health, /"blocks":"ok"/)
  await first.stop()
  assert.deepEqual(readdirSync(blocksDir), [])
  assert.equal(readdirSync(join(dataDir, "blocks")).length, 1)
  await startServer(t, settings)
  const bob = new FramedApp(t, poolsSocket)
  await bob.shakesHands("bob")
  await asks(bob, "1", { operation: "attach", mode: "read" })
  const read = await asks(bob, "2", { operation: "read" })
  assert.equal(read["data"], data)
  assert.ok(Number(read["generation"]) > 1)
})

test("PL105 PL38 an app that is cut off frees its lock and its grant for who waits", async (t) => {
  const poolsSocket = join(temporaryDirectory(t), "pools")
  await startServer(t, { poolsSocket })
  const [ada, bob] = [new FramedApp(t, poolsSocket), new FramedApp(t, poolsSocket)]
  await ada.shakesHands("ada")
  await bob.shakesHands("bob")
  await asks(ada, "1", { operation: "create", size: 10 })
  await asks(ada, "2", { operation: "lock", mode: "exclusive" })
  bob.says({
    type: "memory",
    id: "1",
    operation: "lock",
    block_id: "b",
    mode: "write",
    timeout: 60_000,
  })
  ada.socket.destroy()
  assert.equal((await bob.answerTo("1"))["status"], "success")
  await asks(bob, "2", { operation: "attach", mode: "write" })
  const wrote = await asks(bob, "3", { operation: "write", data: "aGVsbG8=" })
  assert.deepEqual(wrote, { generation: 1, length: 5 })
  await eventually(() => ada.isOver)
})
