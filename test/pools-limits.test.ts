/** Every named limit of pools, filled up: the server says so, keeps within it, and answers all others. */
import assert from "node:assert/strict"
import { test } from "node:test"
import { type Limits, limits } from "../src/pools/limits.ts"
import { type End, Sea } from "./pools-parts.ts"

type Name = keyof Limits

/** How a limit is filled, and what is heard then. `values` are the limits of the sea. */
interface Case {
  readonly values: Partial<Limits>
  /** Fills it and goes beyond; gives what is said of that. */
  readonly fill: (sea: Sea) => unknown
  /** What is said of it. */
  readonly says: RegExp
  /** Makes room again. */
  readonly free?: (sea: Sea) => void
}

function call(end: End, id: string, fields: object = {}): unknown {
  end.says({ type: "trigger", id, trigger: "work", payload: "p".repeat(100), ...fields })
  return end.heard.find((each) => each["correlation_id"] === id)
}

function ask(end: End, id: string, message: object): unknown {
  end.says({ id, ...message })
  return end.heard.find((each) => each["correlation_id"] === id)
}

/** A caller and a handler that answers nothing by itself. */
function pair(sea: Sea, offer: object = {}) {
  const bob = sea.app("bob", { triggers: [{ name: "work", ...offer }] })
  return { ada: sea.app("ada"), bob }
}

function emit(end: End, id: string, fields: object): unknown {
  return ask(end, id, { type: "emit", trigger: "t", payload: 1, ...fields })
}

const create = (end: End, id: string) =>
  ask(end, id, { type: "pool", operation: "create", pool: `pool-${id}` })

/** Calls until one is refused at once; what that one heard. */
function callsUntilBusy(end: End, fields: object = {}): unknown {
  for (let at = 0; at < 20; at++) {
    const heard = call(end, `c${at}`, fields)
    if (heard !== undefined) return heard
  }
  return assert.fail("nothing was refused")
}

const cases: { readonly [Each in Name]?: Case } = {
  unshakenLimit: {
    values: { unshakenLimit: 3 },
    fill(sea) {
      for (let at = 0; at < 3; at++) sea.come()
      assert.throws(() => sea.come(), /unshakenLimit, 3/)
      return "unshakenLimit"
    },
    says: /unshakenLimit/,
    free: (sea) => sea.pass(limits.handshakeLimitMs + 100),
  },
  localMessagesPerSecond: {
    values: { localMessagesPerSecond: 5 },
    fill: (sea) => callsUntilBusy(pair(sea).ada),
    says: /BUSY.*localMessagesPerSecond|localMessagesPerSecond.*BUSY/,
    free: (sea) => sea.pass(2_000),
  },
  remoteMessagesPerSecond: {
    values: { remoteMessagesPerSecond: 5 },
    fill(sea) {
      pair(sea)
      return callsUntilBusy(sea.app("far", {}, { place: "remote" }))
    },
    says: /remoteMessagesPerSecond/,
  },
  badMessageLimit: {
    values: { badMessageLimit: 3 },
    fill(sea) {
      const { ada } = pair(sea)
      for (let at = 0; at < 3; at++) ada.says({ type: 7 })
      assert.equal(ada.isOpen, false)
      return ada.heard
    },
    says: /BAD_MESSAGE/,
  },
  appLimit: {
    values: { appLimit: 3 },
    fill(sea) {
      for (let at = 0; at < 8; at++) sea.app(`app-${at}`).leaves()
      sea.pass(1_000)
      const ada = sea.app("ada")
      const listed = ask(ada, "1", { type: "admin", operation: "list_apps" })
      return JSON.stringify(listed).match(/"app-\d"/g)?.length
    },
    says: /^[12]$/,
  },
  poolLimit: {
    values: { poolLimit: 4 },
    fill(sea) {
      const { ada } = pair(sea)
      for (const id of ["1", "2"]) create(ada, id)
      return create(ada, "3")
    },
    says: /LIMIT.*poolLimit|poolLimit.*LIMIT/,
  },
  poolsPerApp: {
    values: { poolsPerApp: 2 },
    fill(sea) {
      const { ada } = pair(sea)
      create(ada, "1")
      create(ada, "2")
      return create(ada, "3")
    },
    says: /poolsPerApp/,
  },
  triggersPerPool: {
    values: { triggersPerPool: 3 },
    fill: (sea) =>
      ask(pair(sea).ada, "1", { type: "register", pool: "default", triggers: ["a", "b", "c"] }),
    says: /triggersPerPool/,
  },
  metadataLimitBytes: {
    values: { metadataLimitBytes: 200 },
    fill(sea) {
      const end = sea.come()
      const metadata = "x".repeat(300)
      end.says({ type: "handshake", id: "h", app_id: "big", protocol_version: "1.0", metadata })
      return end.heard
    },
    says: /TOO_LARGE.*metadataLimitBytes|metadataLimitBytes.*TOO_LARGE/,
  },
  inFlightLimit: {
    values: { inFlightLimit: 4 },
    fill: (sea) => callsUntilBusy(pair(sea).ada),
    says: /BUSY.*inFlightLimit|inFlightLimit.*BUSY/,
    free: (sea) => sea.pass(31_000),
  },
  inFlightPerApp: {
    values: { inFlightPerApp: 4 },
    fill: (sea) => callsUntilBusy(pair(sea).ada),
    says: /inFlightPerApp/,
    free: (sea) => sea.pass(31_000),
  },
  queuedBytesLimit: {
    values: { queuedBytesLimit: 300 },
    fill: (sea) => callsUntilBusy(pair(sea, { concurrency: 1 }).ada),
    says: /queuedBytesLimit/,
    free: (sea) => sea.pass(31_000),
  },
  concurrency: {
    values: { concurrency: 2, queue: 0 },
    fill(sea) {
      const { ada, bob } = pair(sea)
      const heard = callsUntilBusy(ada)
      assert.equal(bob.all("trigger").length, 2)
      return heard
    },
    says: /BUSY/,
    free: (sea) => sea.pass(33_000),
  },
  queue: {
    values: { concurrency: 1, queue: 3 },
    fill(sea) {
      const { ada } = pair(sea)
      const heard = callsUntilBusy(ada)
      assert.equal(sea.service.kept.calls, 4)
      return heard
    },
    says: /BUSY.*retry_after_ms|retry_after_ms.*BUSY/,
    free: (sea) => sea.pass(33_000),
  },
  attemptLimit: {
    values: { attemptLimit: 2 },
    fill(sea) {
      const { ada, bob } = pair(sea, { policy: "first" })
      const next = ["cid", "dan"].map((name) =>
        sea.app(name, { triggers: [{ name: "work", policy: "first" }] }),
      )
      call(ada, "1", { flags: ["idempotent"] })
      for (const end of [bob, ...next]) end.leaves()
      assert.equal(next[1]?.all("trigger").length, 0)
      return ada.answerTo("1")
    },
    says: /HANDLER_LOST/,
  },
  credit: {
    values: { credit: 2 },
    fill(sea) {
      const { ada, bob } = pair(sea)
      call(ada, "1", { flags: ["stream"] })
      chunks(bob, 3)
      return ada.answerTo("1")
    },
    says: /CREDIT_EXCEEDED/,
  },
  creditLimit: {
    values: { creditLimit: 2 },
    fill(sea) {
      const { ada, bob } = pair(sea)
      call(ada, "1", { flags: ["stream"], credit: 60_000 })
      chunks(bob, 3)
      return ada.answerTo("1")
    },
    says: /CREDIT_EXCEEDED/,
  },
  chunkLimitBytes: {
    values: { chunkLimitBytes: 50 },
    fill(sea) {
      const { ada, bob } = pair(sea)
      call(ada, "1", { flags: ["stream"] })
      chunks(bob, 1, "x".repeat(200))
      return ada.answerTo("1")
    },
    says: /TOO_LARGE.*chunkLimitBytes|chunkLimitBytes.*TOO_LARGE/,
  },
  idempotencyKeys: {
    values: { idempotencyKeys: 3 },
    fill(sea) {
      const { ada, bob } = pair(sea)
      for (let at = 0; at < 9; at++) {
        call(ada, `${at}`, { idempotency_key: `k${at}` })
        bob.answers(bob.all("trigger").at(-1) ?? assert.fail(), at)
      }
      return sea.service.kept.keys
    },
    says: /^3$/,
  },
  idempotencyBytes: {
    values: { idempotencyBytes: 50 },
    fill(sea) {
      const { ada, bob } = pair(sea)
      call(ada, "1", { idempotency_key: "k" })
      bob.answers(bob.all("trigger").at(-1) ?? assert.fail(), "x".repeat(300))
      return call(ada, "2", { idempotency_key: "k" })
    },
    says: /RESULT_GONE/,
  },
  subscriptionDepth: {
    values: { subscriptionDepth: 3 },
    fill: (sea) => heardBehind(sea, 10, "x"),
    says: /"lost":7/,
  },
  subscriptionBytes: {
    values: { subscriptionBytes: 1_000 },
    fill: (sea) => heardBehind(sea, 10, "x".repeat(300)),
    says: /"lost":[78]/,
  },
  subscriptionsPerApp: {
    values: { subscriptionsPerApp: 2 },
    fill: (sea) =>
      ask(pair(sea).ada, "1", { type: "subscribe", pool: "default", topics: ["a", "b", "c"] }),
    says: /subscriptionsPerApp/,
  },
  retainedPerPool: {
    values: { retainedPerPool: 2 },
    fill(sea) {
      const { ada } = pair(sea)
      for (const name of ["a", "b"]) emit(ada, name, { trigger: name, flags: ["retain"] })
      return emit(ada, "c", { trigger: "c", flags: ["retain"] })
    },
    says: /retainedPerPool/,
  },
  retainedBytes: {
    values: { retainedBytes: 20 },
    fill: (sea) => emit(pair(sea).ada, "1", { payload: "x".repeat(99), flags: ["retain"] }),
    says: /TOO_LARGE.*retainedBytes|retainedBytes.*TOO_LARGE/,
  },
  recentCalls: {
    values: { recentCalls: 4 },
    fill(sea) {
      const { ada } = pair(sea)
      for (let at = 0; at < 9; at++) call(ada, `${at}`, { trigger: "nothing" })
      ask(ada, "l", { type: "admin", operation: "list_calls", params: { limit: 100 } })
      const { calls } = ada.answerTo("l")["result"] as { calls: unknown[] }
      return calls.length
    },
    says: /^4$/,
  },
}

function chunks(bob: End, count: number, payload: unknown = 1): void {
  const told = bob.all("trigger").at(-1) ?? assert.fail("it was given no call")
  for (let seq = 0; seq < count; seq++) {
    bob.says({ type: "chunk", correlation_id: told["id"], to: "caller", seq, payload })
  }
}

/** What someone hears who was behind while so many emits came. */
function heardBehind(sea: Sea, count: number, payload: string): unknown {
  const { ada } = pair(sea)
  const slow = sea.app("slow", { topics: ["t"] })
  slow.behind = true
  for (let at = 0; at < count; at++) emit(ada, `${at}`, { payload })
  assert.equal(slow.all("emit").length, 0)
  slow.behind = false
  sea.pass(200)
  return slow.all("emit")
}

/** Limits that are times, or that net holds, by the rule that they bound. */
const elsewhere: { readonly [Each in Name]?: string } = {
  ...{ frameLimitBytes: "PL2", earlyFrameLimitBytes: "PL5", ingressBudgetBytes: "PL5" },
  ...{ sendLimitBytes: "PL12", behindBytes: "PL83", localBytesPerSecond: "PL10" },
  ...{ remoteBytesPerSecond: "PL10", handshakeLimitMs: "PL9", heartbeatMs: "PL41" },
  ...{ probeMs: "PL33", nonceMs: "PL29", appMemoryMs: "PL42", emptyPoolMs: "PL93" },
  ...{ epochGraceMs: "PL129", certificatesPerPool: "PL144", certificateLifeMs: "PL124" },
  ...{ recordsBytes: "PL129", verifyWrites: "PL125" },
  ...{ ttlLimitMs: "PL48", cancelGraceMs: "PL49", idempotencyWindowMs: "PL61" },
}

/** Those of blocks and of keys, by the rule that they bound. */
const ofBlocksAndKeys: { readonly [Each in Name]?: string } = {
  ...{ blockLimitBytes: "PL95", largeBlockLimitBytes: "PL111", shmLimitBytes: "PL95" },
  ...{ blocksPerPool: "PL94", attachmentsPerApp: "PL94", blockIdleMs: "PL119" },
  ...{ writeWaitMs: "PL110", writerStallMs: "PL102", consumerStallMs: "PL112" },
  ...{ integrityMs: "PL116", blockSaveMs: "PL118", lockLeaseMs: "PL104" },
  ...{ lockLeaseLimitMs: "PL104", locksWaitingPerBlock: "PL103", writesWaitingPerBlock: "PL101" },
  ...{ noticeBytes: "PL107", notifyBytes: "PL108", epochGraceMs: "PL129" },
  ...{ certificatesPerPool: "PL124", certificateLifeMs: "PL124", recordsBytes: "PL129" },
  ...{ verifyWrites: "PL125", blockLimit: "PL94", locksPerBlock: "PL103" },
  ...{ writesWaitingBytes: "PL101", damagesPerMinute: "PL114" },
}

/** Somebody who was not there before calls somebody else, who answers. */
function otherCall(sea: Sea): void {
  const dan = sea.app("dan")
  const eve = sea.app("eve")
  dan.says({ type: "register", id: "r", pool: "default", triggers: ["other"] })
  eve.says({ type: "trigger", id: "last", trigger: "other" })
  dan.answers(dan.all("trigger").at(-1) ?? assert.fail("it was given no call"), "fine")
  assert.partialDeepStrictEqual(eve.answerTo("last"), { result: "fine" })
}

for (const [name, { values, fill, says, free }] of Object.entries(cases)) {
  test(`PL144 with ${name} reached the server says so, keeps to it and answers everybody else`, () => {
    const sea = new Sea({ limits: values })
    assert.match(JSON.stringify(fill(sea)), says)
    free?.(sea)
    otherCall(sea)
    assert.deepEqual(sea.faults, [])
  })
}

test("PL144 every named limit is known to be filled", () => {
  const filled = new Set([cases, elsewhere, ofBlocksAndKeys].flatMap((each) => Object.keys(each)))
  assert.deepEqual(
    Object.keys(limits).filter((name) => !filled.has(name)),
    [],
  )
})
