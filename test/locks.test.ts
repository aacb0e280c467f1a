/** Locks of blocks: who is alone, who waits, whose lease is over, and fences that only grow. */
import assert from "node:assert/strict"
import { test } from "node:test"
import fc from "fast-check"
import { type Grant, type LockMode, Locks } from "../src/pools/locks.ts"
import { base64, blockStage, refused, result, sent } from "./blocks-parts.ts"

const owners = ["ada", "bob", "cid", "dan"]
const modes: readonly LockMode[] = ["read", "write", "exclusive"]

const act = fc.oneof(
  fc.record({
    is: fc.constant("ask" as const),
    owner: fc.constantFrom(...owners),
    mode: fc.constantFrom(...modes),
    lease: fc.integer({ min: 1, max: 300 }),
    wait: fc.integer({ min: 0, max: 300 }),
  }),
  fc.record({
    is: fc.constantFrom("unlock" as const, "renew" as const, "leave" as const),
    owner: fc.constantFrom(...owners),
  }),
  fc.record({ is: fc.constant("pass" as const), ms: fc.integer({ min: 1, max: 200 }) }),
)

test("PL103 a writer is never admitted with anyone else, every request is answered once, PL104 and fences only grow", () => {
  fc.assert(
    fc.property(fc.array(act, { maxLength: 120 }), (acts) => {
      const locks = new Locks<string>({ locksPerBlock: 1_000, locksWaitingPerBlock: 5 })
      let now = 0
      let last = 0
      let [asked, answered] = [0, 0]
      const look = () => {
        const held = locks.held().filter(({ until }) => until > now)
        if (held.some(({ mode }) => mode !== "read")) assert.equal(held.length, 1)
        assert.ok(locks.waiting <= 5)
      }
      const granted = ({ fence }: Grant) => {
        answered++
        assert.ok(fence > last)
        last = fence
      }
      for (const each of acts) {
        if (each.is === "pass") {
          now += each.ms
          locks.tick(now)
        } else if (each.is === "ask") {
          const { owner, mode, lease: leaseMs } = each
          asked++
          try {
            const until = now + each.wait
            locks.ask({ owner, mode, leaseMs, until, granted, refused: () => answered++ }, now)
          } catch {
            answered++
          }
        } else if (each.is === "leave") {
          const before = locks.waiting
          locks.left(each.owner, now)
          // Those of its own requests that waited have nobody to be told.
          const gone = before - locks.waiting
          if (gone > 0) asked = answered + locks.waiting
        } else {
          try {
            if (each.is === "unlock") locks.unlock(each.owner, undefined, now)
            else locks.renew(each.owner, undefined, now)
          } catch {
            assert.ok(!locks.held().some(({ owner, until }) => owner === each.owner && until > now))
          }
        }
        look()
        assert.equal(asked, answered + locks.waiting)
      }
      now += 1_000_000
      locks.tick(now)
      locks.tick(now + 1_000_000)
      assert.ok(locks.isIdle)
    }),
    { seed: 11, numRuns: 1_000 },
  )
})

test("PL103 who waits is served in order, and a writer before later readers", () => {
  const { sea, ada, bob, as } = blockStage()
  const [cid, dan] = [sea.app("cid"), sea.app("dan")]
  result(as(ada, "create", { size: 10 }))
  const first = result(as(ada, "lock", { mode: "read" }))
  assert.equal(first["lease_ms"], 10_000)
  result(as(bob, "lock", { mode: "read" }))
  const writes = sent(cid, "lock", { mode: "write" })
  const reads = sent(dan, "lock", { mode: "read" })
  sea.pass(100)
  assert.deepEqual([cid.heard.length, dan.heard.length], [0, 0])
  result(as(ada, "unlock", { lock_id: first["lock_id"] }))
  result(as(bob, "unlock"))
  assert.equal(result(cid.answerTo(writes))["fence"], 3)
  assert.equal(dan.heard.length, 0)
  result(as(cid, "unlock"))
  assert.equal(result(dan.answerTo(reads))["fence"], 4)
})

test("PL103 who waited as long as it would is told LOCKED", () => {
  const { sea, ada, bob, as } = blockStage()
  result(as(ada, "create", { size: 10 }))
  result(as(ada, "lock", { mode: "exclusive" }))
  refused(as(bob, "lock", { mode: "read", timeout: 0 }), "LOCKED")
  const id = sent(bob, "lock", { mode: "read", timeout: 1_000 })
  sea.pass(900)
  assert.equal(bob.all("error").length, 1)
  sea.pass(200)
  refused(bob.answerTo(id), "LOCKED")
  refused(as(bob, "lock", {}), "BAD_MESSAGE")
})

test("PL104 a lease that is not renewed ends, and a write with its fence is LOCK_LOST", () => {
  const { sea, ada, bob, as } = blockStage()
  result(as(ada, "create", { size: 10 }))
  const { lock_id, fence } = result(as(ada, "lock", { mode: "write", lease_ms: 1_000 }))
  sea.pass(800)
  result(as(ada, "renew", { lock_id }))
  sea.pass(800)
  result(as(ada, "write", { data: base64("held"), fence }))
  const next = sent(bob, "lock", { mode: "write", timeout: 10_000 })
  sea.pass(300)
  assert.equal(result(bob.answerTo(next))["fence"], Number(fence) + 1)
  refused(as(ada, "write", { data: base64("late"), fence }), "LOCK_LOST")
  refused(as(ada, "renew", { lock_id }), "LOCK_LOST")
})

test("PL105 only the holder unlocks, and its end frees its locks in the same turn", () => {
  const { sea, ada, bob, as } = blockStage()
  result(as(ada, "create", { size: 10 }))
  const { lock_id } = result(as(ada, "lock", { mode: "write" }))
  refused(as(bob, "unlock", { lock_id }), "LOCK_LOST")
  const id = sent(bob, "lock", { mode: "write" })
  ada.leaves()
  assert.equal(result(bob.answerTo(id))["fence"], 2)
  sea.pass(0)
})

test("PL106 where a lock is required a write without the present one is refused", () => {
  const { ada, as } = blockStage()
  result(as(ada, "create", { size: 10, lock: "required" }))
  refused(as(ada, "write", { data: base64("x") }), "LOCK_LOST")
  const { fence } = result(as(ada, "lock", { mode: "write" }))
  refused(as(ada, "write", { data: base64("x") }), "LOCK_LOST")
  result(as(ada, "write", { data: base64("x"), fence }))
  result(as(ada, "unlock"))
  refused(as(ada, "write", { data: base64("x"), fence }), "LOCK_LOST")
  // Advisory: it stops nobody.
  result(as(ada, "create", { size: 10, block_id: "free" }))
  result(as(ada, "lock", { mode: "write", block_id: "free" }))
  result(as(ada, "write", { data: base64("x"), block_id: "free" }))
})

test("PL103 so many wait for one block and no more", () => {
  const { sea, ada, bob, as } = blockStage({ limits: { locksWaitingPerBlock: 1 } })
  result(as(ada, "create", { size: 10 }))
  result(as(ada, "lock", { mode: "write" }))
  sent(bob, "lock", { mode: "write" })
  const { detail } = refused(as(sea.app("cid"), "lock", { mode: "read" }), "LIMIT")
  assert.deepEqual(detail, { limit: "locksWaitingPerBlock", value: 1 })
})
