/** Memory for blocks in files: folders, locks of servers, zeros, positions, contents that are kept. */
import assert from "node:assert/strict"
import { spawn } from "node:child_process"
import { once } from "node:events"
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from "node:fs"
import { join } from "node:path"
import { test } from "node:test"
import { Buffers, NoSpace } from "../src/memory.ts"
import { KeptFiles } from "../src/memory-kept.ts"
import { Damaged } from "../src/wire/layout.ts"
import { filesIn, folder, startedAt } from "./blocks-parts.ts"

test("PL128 folders and files of blocks are for our user alone", (t) => {
  const dir = join(folder(t), "shared")
  const memory = filesIn(dir)
  const file = memory.make("one", 8192)
  const mode = (path: string) => statSync(path).mode & 0o777
  const own = memory.place?.dir ?? ""
  assert.deepEqual([mode(dir), mode(own)], [0o700, 0o700])
  for (const name of ["instance.lock", "probe", "one"]) assert.equal(mode(join(own, name)), 0o600)
  file.seal()
  assert.equal(mode(join(own, "one")), 0o400)
  assert.deepEqual(new Uint8Array(readFileSync(join(own, "probe"))), memory.place?.probe)
  memory.close()
  assert.deepEqual(readdirSync(dir), [])
})

test("PL128 no link is followed: where somebody was there before, another folder is used", (t) => {
  const base = folder(t)
  mkdirSync(join(base, "theirs"))
  symlinkSync(join(base, "theirs"), join(base, "shared"))
  const lines: object[] = []
  const memory = filesIn(join(base, "shared"), { lines })
  assert.deepEqual(readdirSync(join(base, "theirs")), [])
  assert.match(memory.place?.dir ?? "", /shared-[0-9a-f-]{36}\//)
  assert.match(JSON.stringify(lines), /is not ours/)
  symlinkSync(join(base, "victim"), join(memory.place?.dir ?? "", "block"))
  assert.throws(() => memory.make("block", 4096))
  assert.equal(existsSync(join(base, "victim")), false)
  memory.close()
})

test("PL95 a file is all zeros and as long as it will be before it is said to be filled", (t) => {
  const memory = filesIn(folder(t))
  const bytes = 9 * 1024 * 1024
  const file = memory.make("one", bytes)
  const said = [file.fill(), file.fill(), file.fill()]
  assert.deepEqual(said, ["more", "more", "filled"])
  assert.ok(readFileSync(file.path ?? "").equals(Buffer.alloc(bytes)))
  // Each block of it is there: what is sparse would end the process that touches it on a full disk.
  assert.ok(statSync(file.path ?? "").blocks * 512 >= bytes)
  assert.ok(file.isWhole())
  memory.close()
})

test("PL114 a file that is cut or removed from outside is Damaged, and ends nothing", (t) => {
  const memory = filesIn(folder(t))
  const file = memory.make("one", 8192)
  file.fill()
  truncateSync(file.path ?? "", 100)
  assert.equal(file.isWhole(), false)
  assert.throws(() => file.read(4096, new Uint8Array(10)), Damaged)
  file.remove()
  file.remove()
  assert.equal(existsSync(file.path ?? ""), false)
  memory.close()
})

test("PL115 the folder of a server that was killed goes, those of the living stay", async (t) => {
  const dir = folder(t)
  const living = filesIn(dir)
  living.make("one", 4096).fill()
  const code = `
    const { filesIn } = await import(${JSON.stringify(join(import.meta.dirname, "blocks-parts.ts"))})
    // Held: its lock would go with it.
    globalThis.held = filesIn(${JSON.stringify(dir)})
    held.make("two", 4096).fill()
    console.log("there")
    setInterval(() => {}, 1000)`
  const child = spawn(process.execPath, ["--input-type=module-typescript", "-e", code], {
    stdio: ["ignore", "pipe", "inherit"],
  })
  t.after(() => child.kill("SIGKILL"))
  await once(child.stdout, "data")
  assert.equal(readdirSync(dir).length, 2)
  const meanwhile = filesIn(dir)
  assert.equal(readdirSync(dir).length, 3)
  child.kill("SIGKILL")
  await once(child, "exit")
  // Not a server's: left alone.
  mkdirSync(join(dir, "somebody"))
  const next = filesIn(dir)
  const names = [living, meanwhile, next].map(({ place }) => place?.dir)
  const left = readdirSync(dir).map((name) => join(dir, name))
  assert.deepEqual(left.sort(), [...names, join(dir, "somebody")].sort())
  for (const each of [living, meanwhile, next]) each.close()
})

test("PL115 a folder that was begun and never finished goes after a minute", (t) => {
  const dir = folder(t)
  const begun = join(dir, ".new-00000000-0000-4000-8000-000000000001")
  mkdirSync(begun)
  const now = Date.now()
  utimesSync(begun, now / 1_000, now / 1_000)
  filesIn(dir, { now: now + 30_000 }).close()
  assert.ok(existsSync(begun))
  filesIn(dir, { now: now + 61_000 }).close()
  assert.equal(existsSync(begun), false)
})

test("PL100 a process is gone once it was killed, also while nobody has collected it", async (t) => {
  const memory = filesIn(folder(t))
  t.after(() => memory.close())
  const child = spawn("sleep", ["60"])
  t.after(() => child.kill("SIGKILL"))
  const pid = child.pid ?? 0
  const program = { pid, started: startedAt(pid) }
  assert.equal(memory.lives(program), "here")
  assert.equal(memory.lives({ ...program, started: program.started + 1 }), "gone")
  child.kill("SIGKILL")
  await once(child, "exit")
  assert.equal(memory.lives(program), "gone")
  assert.equal(new Buffers(1).lives(), "unknown")
})

test("PL118 what is kept comes back as it was, and what was changed is not taken for it", (t) => {
  const dir = join(folder(t), "blocks")
  const kept = new KeptFiles(dir)
  assert.equal(kept.get("one"), undefined)
  const content = { generation: 2 ** 40, contentType: 2, data: new Uint8Array([1, 2, 3]) }
  kept.put("one", content)
  const found = kept.get("one")
  assert.deepEqual({ ...found, data: new Uint8Array(found?.data ?? []) }, content)
  assert.deepEqual(readdirSync(dir), ["one"])
  assert.equal(statSync(join(dir, "one")).mode & 0o777, 0o600)
  const bytes = readFileSync(join(dir, "one"))
  for (const place of [0, 16, 40, bytes.length - 1]) {
    const changed = Buffer.from(bytes)
    changed[place] = (changed[place] ?? 0) ^ 1
    writeFileSync(join(dir, "one"), changed)
    assert.throws(() => kept.get("one"), Damaged)
  }
  writeFileSync(join(dir, "one"), bytes.subarray(0, 20))
  assert.throws(() => kept.get("one"), Damaged)
  kept.drop("one")
  kept.drop("one")
  assert.equal(kept.get("one"), undefined)
})

test("PL95 buffers are bounded too", () => {
  const memory = new Buffers(10_000)
  const file = memory.make("one", 8_192)
  assert.throws(() => memory.make("two", 8_192), NoSpace)
  file.remove()
  memory.make("two", 8_192)
})
