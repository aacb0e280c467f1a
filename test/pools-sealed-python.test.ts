/** Encrypted pools in Python: beside TypeScript in one pool, and over the end of an epoch. */
import assert from "node:assert/strict"
import { type ChildProcessWithoutNullStreams, spawn } from "node:child_process"
import { once } from "node:events"
import { join } from "node:path"
import { createInterface } from "node:readline"
import { type TestContext, test } from "node:test"
import { Keyring } from "../src/client/keys.ts"
import { nodePrimitives } from "../src/client/keys-node.ts"
import { hex } from "../src/client/keys-replays.ts"
import type { LentKeys } from "../src/client/keys-shapes.ts"
import { connect } from "../src/client/tcp.ts"
import type { Clock } from "../src/server-clock.ts"
import { startServer } from "./harness.ts"
import { findPython } from "./needs.ts"
import { fromHex } from "./trinity-parts.ts"

const python = findPython()
const skip = python === undefined && "no Python with cryptography: install python3-cryptography"
const root = join(import.meta.dirname, "..")
const options = { primitives: nodePrimitives }

/** The time of day, which may be put on. */
class ShiftedClock implements Clock {
  readonly #ticks = new Set<() => void>()
  #ahead = 0

  now(): number {
    return Date.now() + this.#ahead
  }

  every(ms: number, tick: () => void): () => void {
    const timer = setInterval(tick, ms)
    this.#ticks.add(tick)
    return () => {
      clearInterval(timer)
      this.#ticks.delete(tick)
    }
  }

  /** Puts it on, and has it noticed. */
  putOn(ms: number): void {
    this.#ahead += ms
    for (const tick of this.#ticks) tick()
  }

  after(ms: number, tick: () => void): () => void {
    const timer = setTimeout(tick, ms)
    return () => clearTimeout(timer)
  }
}

/** A program in Python that is talked to in lines of JSON. */
class Other {
  readonly #process: ChildProcessWithoutNullStreams
  readonly #lines: AsyncIterator<string>
  #printed = ""

  constructor(t: TestContext, program: string, address: string) {
    const env = { ...process.env, PYTHONPATH: join(root, "python"), PYTHONDONTWRITEBYTECODE: "1" }
    this.#process = spawn(python ?? "", ["-c", program, address], { env })
    this.#process.stderr.on("data", (chunk) => {
      this.#printed += String(chunk)
    })
    this.#lines = createInterface({ input: this.#process.stdout })[Symbol.asyncIterator]()
    const closed = once(this.#process, "close")
    t.after(async () => {
      this.#process.kill("SIGKILL")
      await closed
    })
  }

  /** What it says next. */
  async next(): Promise<unknown> {
    const { value, done } = await this.#lines.next()
    assert.ok(done !== true, this.#printed)
    return JSON.parse(value)
  }

  /** Asks, and gives what it says next. */
  ask(...words: readonly unknown[]): Promise<unknown> {
    this.#process.stdin.write(`${JSON.stringify(words)}\n`)
    return this.next()
  }
}

const talking = `
import json, sys
import quartet
from quartet import Keyring, LentKeys, PoolKeys

app = quartet.connect(sys.argv[1], app="python")
names = ("pool_id", "root_key", "secret")
rings = {}
heard = {}

def say(value):
    print(json.dumps(value), flush=True)

def lent(told):
    return LentKeys(**{name: bytes.fromhex(told[name]) for name in names}, epoch=told["epoch"], grade=told["grade"])

def spelled(keys):
    return {name: getattr(keys, name).hex() for name in names} | {"epoch": keys.epoch, "grade": keys.grade}

def draw(pool, told):
    ring = rings[pool] = Keyring(PoolKeys.of(lent(told)))
    return [ring.writer_key.hex(), ring.member_key.hex()]

def make(pool, grade):
    made = Keyring.create()
    app.pool(pool).create(encrypted=made)
    rings[pool] = Keyring(made[1])
    app.pool(pool).join(rings[pool])
    return spelled(app.pool(pool).keys.lend(grade))

def serve(pool):
    if app.pool(pool).keys.epoch and pool not in heard:
        heard[pool] = []
    app.handle("py.echo", pool=pool)(lambda payload, call: payload)
    app.handle("py.bytes", pool=pool)(lambda payload, call: bytes(reversed(payload)))
    app.handle("py.sum", pool=pool)(lambda payload, call: sum(call.input))
    def tail(payload, call):
        for number in range(payload):
            yield [number]
        return "end"
    app.handle("py.tail", pool=pool)(tail)
    app.on("log.*", lambda payload, emit: heard[pool].append(payload), pool=pool)

def enter(pool):
    return sorted(app.pool(pool).join(rings[pool])["rights"])

def certify(pool, writer):
    app.pool(pool).keys.certify(bytes.fromhex(writer))

def rotate(pool, member, writer):
    app.pool(pool).keys.rotate([(bytes.fromhex(member), "shard")], [bytes.fromhex(writer)])

def talk(pool):
    stream = app.stream("ts.tail", 30, credit=4, pool=pool)
    parts = list(stream)
    got = app.call("ts.bytes", bytes(range(4)), pool=pool).hex()
    reached = app.emit("log.py", "from python", pool=pool, ack=True)["reached"]
    total = app.call("ts.sum", input=range(20), pool=pool)
    return [app.call("ts.echo", {"ü": 1}, pool=pool), parts, stream.result, got, reached, total]

def wait(pool, epoch):
    import time
    while not rings[pool].certified_until(epoch):
        time.sleep(0.01)

for line in sys.stdin:
    name, *words = json.loads(line)
    say(globals()[name](*words) if name != "told" else heard[words[0]])
`

function spelled(keys: LentKeys): object {
  const [pool_id, root_key, secret] = [keys.poolId, keys.rootKey, keys.secret].map(hex)
  return { pool_id, root_key, secret, epoch: keys.epoch, grade: keys.grade }
}

/** What Python's program prints of keys, with seeds of one's own. */
function kept(told: unknown) {
  const { pool_id, root_key, secret, epoch } = told as Record<string, string> & { epoch: number }
  return {
    ...{ poolId: fromHex(pool_id ?? ""), rootKey: fromHex(root_key ?? ""), epoch: Number(epoch) },
    ...{ grade: "shard" as const, secret: fromHex(secret ?? "") },
    ...{ writerSeed: nodePrimitives.random(32), memberSeed: nodePrimitives.random(32) },
  }
}

async function both(t: TestContext) {
  const { pools } = await startServer(t, { poolsPort: 0 })
  const address = `tcp://${pools[0]}`
  const app = await connect(address).pools({ app: "typescript" })
  t.after(() => app.close({ withinMs: 0 }))
  return { app, other: new Other(t, talking, address) }
}

type World = Awaited<ReturnType<typeof both>>

/** What each says to the other, in one pool that both are in. */
async function converse({ app, other }: World, pool: string): Promise<void> {
  assert.equal(await other.ask("serve", pool), null)
  const undo = [
    await app.handle("ts.echo", (input) => input, { pool }),
    await app.handle("ts.bytes", (input) => Uint8Array.from(input as Uint8Array).reverse(), {
      pool,
    }),
    await app.handle(
      "ts.sum",
      async (_, call) => {
        let total = 0
        for await (const each of call.input) total += Number(each)
        return total
      },
      { pool },
    ),
    await app.handle(
      "ts.tail",
      async function* (most) {
        for (let number = 0; number < Number(most); number++) yield [number]
      },
      { pool },
    ),
  ]
  const heard: unknown[] = []
  undo.push(await app.on("log.*", (payload) => void heard.push(payload), { pool }))
  const parts = Array.from({ length: 30 }, (_, at) => [at])
  for (const value of [undefined, { a: ["é", 1] }, "text", 0]) {
    assert.deepEqual(await app.call("py.echo", value, { pool }), value)
  }
  assert.deepEqual(
    await app.call("py.bytes", Uint8Array.of(1, 2, 3), { pool }),
    Uint8Array.of(3, 2, 1),
  )
  const stream = app.stream("py.tail", 30, { pool, credit: 4 })
  const got: unknown[] = []
  for await (const part of stream) got.push(part)
  assert.deepEqual(got, parts)
  assert.equal(await stream.result, "end")
  async function* numbers() {
    for (let number = 0; number < 20; number++) yield number
  }
  assert.equal(await app.call("py.sum", undefined, { pool, input: numbers() }), 190)
  const talked = await other.ask("talk", pool)
  assert.deepEqual(talked, [{ ü: 1 }, parts, null, "03020100", 2, 190])
  assert.deepEqual(heard, ["from python"])
  for (const each of undo) await each()
}

test("PL122 PL125 PL129 a Python app talks in an encrypted pool of a TypeScript app, over a rotation", {
  skip,
}, async (t) => {
  const world = await both(t)
  const { app, other } = world
  const pool = app.pool("vault")
  const encrypted = await Keyring.create(options)
  await pool.create({ encrypted })
  await pool.join(await Keyring.from(encrypted.keys, options))
  const [writer, member] = (await other.ask("draw", "vault", spelled(pool.keys.lend("shard")))) as [
    string,
    string,
  ]
  await pool.keys.certify(fromHex(writer))
  assert.deepEqual(await other.ask("enter", "vault"), ["execute", "handle", "read", "write"])
  await converse(world, "vault")
  const members = [{ key: fromHex(member), grade: "shard" }] as const
  await pool.keys.rotate({ members, writers: [fromHex(writer)] })
  await other.ask("wait", "vault", 2)
  await converse(world, "vault")
})

test("PL122 PL125 PL129 a TypeScript app talks in an encrypted pool of a Python app, over a rotation", {
  skip,
}, async (t) => {
  const world = await both(t)
  const { app, other } = world
  const ring = await Keyring.from(kept(await other.ask("make", "den", "shard")), options)
  await other.ask("certify", "den", hex(ring.writerKey))
  await app.pool("den").join(ring)
  await converse(world, "den")
  await other.ask("rotate", "den", hex(ring.memberKey ?? ring.writerKey), hex(ring.writerKey))
  await converse(world, "den")
  assert.equal(ring.epoch, 2)
})

const lasting = `
import sys
import quartet
from quartet import Keyring, PoolKeys
from tests.places import eventually

owner, ada = (quartet.connect(sys.argv[1], app=name) for name in ("owner", "ada"))
vault = owner.pool("vault")
made = Keyring.create()
vault.create(encrypted=made)
vault.join(made[1])
ring = Keyring(PoolKeys.of(vault.keys.lend("shard")))
vault.keys.certify(ring.writer_key)
ada.pool("vault").join(ring)
refused = []
for app in (owner, ada):
    known = app._engine.core.sealed.refused
    def noting(message, now, known=known):
        refused.append(message.error.code)
        return known(message, now)
    app._engine.core.sealed.refused = noting

def call():
    return ada.call("late", 1, pool="vault", idempotency_key="k")

try:
    call()
except quartet.PoolsError as error:
    assert error.code == "NO_HANDLER", error
vault.keys.rotate([(ring.member_key, "shard")], [ring.writer_key])
eventually(lambda: ring.certified_until(2))
ada.pool("vault").join(ring)  # Behind what goes on there by itself: then all is proven.
owner.handle("late", pool="vault")(lambda payload, call: payload + 1)
print('"turn"', flush=True)
sys.stdin.readline()
# It was sealed in the epoch before, and is remembered so.
assert call() == 2
assert refused == ["NO_HANDLER", "STALE_EPOCH"], refused
print('"done"', flush=True)
`

test("PL125 PL129 what Python sealed for an epoch that is over is sealed anew, and sent once more", {
  skip,
}, async (t) => {
  const clock = new ShiftedClock()
  const { pools } = await startServer(t, { poolsPort: 0, clock })
  const other = new Other(t, lasting, `tcp://${pools[0]}`)
  assert.equal(await other.next(), "turn")
  clock.putOn(61_000)
  assert.equal(await other.ask(), "done")
})
