/** Blocks and rings through the SDK: the same over the connection and in mapped memory. */
import assert from "node:assert/strict"
import { createHash } from "node:crypto"
import { test } from "node:test"
import type { BlockNotice, RingRecord } from "../src/client/blocks-shapes.ts"
import { connect as connectSocket } from "../src/client/pools.ts"
import { blockWorld, bytes, codeOf, cuttable, text, thrownBy, ways } from "./client-blocks-parts.ts"
import { eventually } from "./harness.ts"

for (const { map, via } of ways) {
  test(`PL97 PL98 PL99 a block is read, written and patched via ${via}`, async (t) => {
    const { app } = await blockWorld(t)
    const [ada, bob] = [await app("ada", { map }), await app("bob", { map })]
    const own = await ada.pool("default").block.create("b", 10)
    const other = await bob.pool("default").block.attach("b")
    assert.deepEqual([own.via, other.via, own.capacity, other.uuid], [via, via, 10, own.uuid])
    assert.deepEqual((await other.read()).generation, 0)
    assert.deepEqual(await own.write(bytes("hello")), { generation: 1, length: 5 })
    assert.deepEqual(await own.write(bytes("o!"), { offset: 4 }), { generation: 2, length: 6 })
    const far = await own.write(bytes("x"), { offset: 8, contentType: "app:200" })
    assert.deepEqual(far, { generation: 3, length: 9 })
    const whole = await other.read()
    assert.equal(text(whole.data), "hello!\0\0x")
    assert.deepEqual([whole.generation, whole.contentType], [3, "app:200"])
    assert.ok(Math.abs(whole.time - Date.now()) < 60_000)
    const piece = await other.read({ offset: 1, length: 4, generation: 2 })
    assert.deepEqual([text(piece.data), piece.offset, piece.generation], ["ello", 1, 2])
    assert.equal((await other.read({ offset: 10 })).data.length, 0)
    assert.deepEqual(await own.write(bytes("a")), { generation: 4, length: 1 })
    for (let more = 0; more < 4; more++) await own.write(bytes("a"), { contentType: "text" })
    assert.equal(await codeOf(other.read({ generation: 2 })), "GENERATION_GONE")
    assert.equal(await codeOf(own.write(bytes("b"), { ifGeneration: 7 })), "CONFLICT")
    assert.equal((await own.write(bytes("b"), { ifGeneration: 8 })).generation, 9)
    assert.equal(await codeOf(own.write(new Uint8Array(11))), "OUT_OF_RANGE")
    assert.equal(await codeOf(own.write(bytes("ab"), { offset: 9 })), "OUT_OF_RANGE")
    assert.equal(await codeOf(own.read({ offset: 8, length: 3 })), "OUT_OF_RANGE")
    assert.equal(await codeOf(other.write(bytes("b"))), "FORBIDDEN")
    await other.read()
    assert.deepEqual(other.ref(), { block: own.uuid, generation: 9, offset: 0, length: 1 })
    assert.deepEqual(own.ref({ offset: 1 }), { ...other.ref(), offset: 1, length: 0 })
  })

  test(`PL101 one writes, many take turns, via ${via}`, async (t) => {
    const { app } = await blockWorld(t)
    const [ada, bob] = [await app("ada", { map }), await app("bob", { map })]
    const [mine, theirs] = [ada.pool("default").block, bob.pool("default").block]
    const alone = await mine.create("one", 10)
    assert.equal(await codeOf(theirs.attach("one", { mode: "write" })), "WRITER_EXISTS")
    assert.equal(await codeOf(theirs.create("one", 10)), "BLOCK_EXISTS")
    await alone.detach()
    const next = await theirs.attach("one", { mode: "write" })
    assert.equal((await next.write(bytes("x"))).generation, 1)
    const many = [
      await mine.create("many", 8, { writers: "many" }),
      await theirs.attach("many", { mode: "write" }),
    ]
    const add = async (each: (typeof many)[number]) => {
      for (let done = 0; done < 50; ) {
        const { data, generation } = await each.read()
        const sum = data.length === 0 ? 0 : Number(text(data))
        const wrote = each.write(bytes(String(sum + 1)), { ifGeneration: generation })
        done += await wrote.then(
          () => 1,
          () => 0,
        )
      }
    }
    await Promise.all(many.map(add))
    assert.equal(text((await next.read()).data), "x")
    assert.deepEqual(text((await (many[0] ?? next).read()).data), "100")
  })

  test(`PL107 PL108 subscribers hear of the newest, via ${via}`, async (t) => {
    const { app } = await blockWorld(t)
    const [ada, bob] = [await app("ada", { map }), await app("bob", { map })]
    const own = await ada.pool("default").block.create("b", 100)
    const other = await bob.pool("default").block.attach("b")
    const heard: BlockNotice[] = []
    const undo = await other.subscribe((notice) => void heard.push(notice), { data: true })
    await own.write(bytes("one"))
    await eventually(() => heard.length === 1)
    assert.deepEqual(heard[0], {
      ...{ generation: 1, length: 3, writer: "ada", lost: 0 },
      ...{ data: bytes("one"), contentType: "bytes" },
    })
    await Promise.all([own.write(bytes("2")), own.write(bytes("3")), own.write(bytes("4"))])
    await eventually(() => heard.at(-1)?.generation === 4)
    const told = heard.reduce((sum, { lost }) => sum + 1 + lost, 0)
    assert.equal(told, 4)
    await own.notify({ mine: 1 })
    await eventually(() => heard.at(-1)?.payload !== undefined)
    assert.deepEqual(heard.at(-1)?.payload, { mine: 1 })
    await undo()
    const before = heard.length
    await own.write(bytes("5"))
    await other.subscribe(() => {})
    assert.equal(heard.length, before)
  })

  test(`PL103 PL104 PL105 PL106 locks are waited for, kept and lost, via ${via}`, async (t) => {
    const { app } = await blockWorld(t)
    const [ada, bob] = [await app("ada", { map }), await app("bob", { map })]
    const own = await ada.pool("default").block.create("b", 100, {
      ...{ lock: "required", writers: "many" },
    })
    const other = await bob.pool("default").block.attach("b", { mode: "write" })
    assert.equal(await codeOf(own.write(bytes("x"))), "LOCK_LOST")
    const first = await own.lock("write")
    assert.equal((await own.write(bytes("x"))).generation, 1)
    assert.equal((await own.write(bytes("y"), { fence: first.fence })).generation, 2)
    assert.equal(await codeOf(other.lock("write", { timeoutMs: 1 })), "LOCKED")
    assert.equal(await codeOf(other.write(bytes("x"))), "LOCK_LOST")
    const waiting = other.lock("exclusive", { timeoutMs: 60_000 })
    await first.unlock()
    const second = await waiting
    assert.ok(second.fence > first.fence)
    assert.equal(await codeOf(own.write(bytes("x"), { fence: first.fence })), "LOCK_LOST")
    assert.equal((await other.write(bytes("z"))).generation, 3)
    await bob.close({ withinMs: 0 })
    assert.equal(second.signal.aborted, true)
  })

  test(`PL110 a pinned generation stays while others are written, via ${via}`, async (t) => {
    const { app } = await blockWorld(t)
    const [ada, bob] = [await app("ada", { map }), await app("bob", { map })]
    const own = await ada.pool("default").block.create("b", 100, { slots: 2 })
    const other = await bob.pool("default").block.attach("b")
    assert.equal(await codeOf(other.pin()), "GENERATION_GONE")
    await own.write(bytes("kept"))
    const pinned = await other.pin()
    assert.deepEqual([text(pinned.data), pinned.generation], ["kept", 1])
    if (via === "map") assert.equal(await codeOf(other.pin()), "PINNED")
    await own.write(bytes("next"))
    assert.equal(await codeOf(own.write(bytes("more"))), "PINNED")
    assert.equal(text(pinned.data), "kept")
    assert.equal(text((await other.read()).data), "next")
    await pinned.release()
    assert.equal((await own.write(bytes("more"))).generation, 3)
  })

  test(`PL111 a sealed block never changes, and one is filled and then sealed, via ${via}`, async (t) => {
    const { app } = await blockWorld(t)
    const [ada, bob] = [await app("ada", { map }), await app("bob", { map })]
    const own = await ada.pool("default").block.create("b", 100)
    const other = await bob.pool("default").block.attach("b")
    const events: unknown[] = []
    await other.subscribe(({ event }) => void events.push(event))
    await own.write(bytes("for ever"))
    const { sha256, generation } = await own.seal()
    assert.equal(sha256, createHash("sha256").update("for ever").digest("base64url"))
    assert.equal(await codeOf(own.write(bytes("x"))), "BLOCK_SEALED")
    await eventually(() => events.includes("sealed"))
    const pinned = await other.pin()
    assert.deepEqual([text(pinned.data), pinned.generation], ["for ever", generation])
    // What is stored into the view stays here.
    pinned.data[0] = 0
    assert.equal(text((await own.read()).data), "for ever")
    const large = await ada.pool("default").block.create("large", 20_000_000, { filling: true })
    assert.equal(await codeOf(bob.pool("default").block.attach("large")), "FORBIDDEN")
    await large.write(bytes("beginning"))
    await large.write(bytes("end"), { offset: 9 })
    const sealed = await large.seal()
    assert.equal(sealed.sha256, createHash("sha256").update("beginningend").digest("base64url"))
    const reader = await bob.pool("default").block.attach("large")
    assert.deepEqual([reader.via, text((await reader.read()).data)], [via, "beginningend"])
  })

  test(`PL112 PL113 records of a ring come in order, via ${via}`, async (t) => {
    const { app } = await blockWorld(t)
    const [ada, bob] = [await app("ada", { map }), await app("bob", { map })]
    const [mine, theirs] = [ada.pool("default").block, bob.pool("default").block]
    const sender = await mine.ring("r", 4096, { side: "send" })
    const receivers = [await theirs.ring("r", 4096), await mine.ring("r", 4096)]
    const counted = receivers.map(async (each) => {
      let next = 0
      for await (const { data, number, lost, contentType } of each.receive()) {
        assert.deepEqual([text(data), number, lost, contentType], [`no ${next}`, next, 0, "text"])
        next += 1
        if (next === 500) return next
      }
    })
    for (let number = 0; number < 500; number++) {
      await sender.send(bytes(`no ${number}`), { contentType: "text" })
    }
    assert.deepEqual(await Promise.all(counted), [500, 500])
    // Nobody takes any more: so much fits, but for what is too short at the ring's end.
    let fitted = 0
    const fill = async () => {
      for (; fitted < 1_000; fitted++) await sender.send(new Uint8Array(240))
    }
    assert.equal(await codeOf(fill()), "RING_FULL")
    assert.equal(fitted, 15)
    assert.equal(await codeOf((async () => sender.send(new Uint8Array(513)))()), "OUT_OF_RANGE")
    const lossy = await mine.ring("lossy", 4096, { side: "send", ring: "overwrite" })
    const late = await theirs.ring("lossy", 4096)
    const records = late.receive()[Symbol.asyncIterator]()
    await lossy.send(bytes("first"))
    assert.deepEqual(text((await records.next()).value.data), "first")
    for (let number = 0; number < 100; number++) await lossy.send(new Uint8Array(240))
    let found: RingRecord | undefined
    void records.next().then(({ value }) => {
      found = value
    })
    // It goes on behind all that was there when it saw that it was lapped.
    await eventually(async () => {
      if (found === undefined) await lossy.send(bytes("last"))
      return found !== undefined
    })
    assert.deepEqual(
      [text(found?.data ?? bytes("")), found?.lost],
      ["last", (found?.number ?? 0) - 1],
    )
  })
}

test("PL104 a lock is renewed for as long as its holder lives", async (t) => {
  const { app } = await blockWorld(t)
  const ada = await app("ada")
  const block = await ada.pool("default").block.create("b", 100)
  const lock = await block.lock("write", { leaseMs: 3_000 })
  const until = performance.now() + 4_000
  await eventually(() => performance.now() > until)
  assert.equal(lock.signal.aborted, false)
  await lock.unlock()
  assert.equal((await block.lock("write")).fence, lock.fence + 1)
})

test("PL109 a mapped write sends nothing while nobody listens", async (t) => {
  const { app, poolsSocket } = await blockWorld(t)
  const { app: ada, said } = await cuttable(t, poolsSocket, { app: "ada" })
  const own = await ada.pool("default").block.create("b", 100)
  const written = async () => {
    const before = said()
    for (let each = 0; each < 200; each++) {
      own.put(bytes("x"))
      await new Promise((resolve) => setImmediate(resolve))
    }
    // One question, so that all that was said before has come.
    await ada.admin("list_apps")
    return said() - before
  }
  assert.ok((await written()) < 1_000)
  const bob = await app("bob")
  const other = await bob.pool("default").block.attach("b")
  const undo = await other.subscribe(() => {})
  assert.ok((await written()) > 10_000)
  await undo()
  assert.ok((await written()) < 1_000)
})

test("PL97 peek and put work at once in mapped memory, and are NOT_LOCAL elsewhere", async (t) => {
  const { app, url } = await blockWorld(t)
  const [ada, bob] = [await app("ada"), await app("bob", { map: "off" })]
  const own = await ada.pool("default").block.create("b", 100)
  const far = await bob.pool("default").block.attach("b")
  assert.equal(own.peek(), undefined)
  assert.deepEqual(own.put(bytes("now")), { generation: 1, length: 3 })
  const into = new Uint8Array(10)
  const snapshot = own.peek(into)
  assert.equal(snapshot?.data.buffer, into.buffer)
  assert.equal(text(snapshot?.data ?? into), "now")
  assert.equal(text((await far.read()).data), "now")
  assert.equal(
    thrownBy(() => far.peek()),
    "NOT_LOCAL",
  )
  assert.equal(
    thrownBy(() => far.put(bytes("x"))),
    "NOT_LOCAL",
  )
  assert.equal(
    thrownBy(() => own.put(new Uint8Array(101))),
    "OUT_OF_RANGE",
  )
  // Browsers have the same, without the memory.
  const page = await connectSocket(url).pools({ app: "page" })
  t.after(() => page.close({ withinMs: 0 }))
  const seen = await page.pool("default").block.attach("b")
  assert.deepEqual([seen.via, text((await seen.read()).data)], ["socket", "now"])
  // What is left behind of a mapping shows zeros, and ends nobody.
  const pinned = await own.pin()
  assert.equal(text(pinned.data), "now")
  await own.detach()
  await pinned.release()
  assert.equal(text(pinned.data), "\0\0\0")
  pinned.data[0] = 1
  assert.equal(
    thrownBy(() => own.put(bytes("x"))),
    "NO_BLOCK",
  )
})
