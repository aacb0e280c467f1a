/** What makes calls more than a question and an answer: streams, keys, and who is chosen. */
import assert from "node:assert/strict"
import { test } from "node:test"
import { type End, type Heard, Sea } from "./pools-parts.ts"

function pair(fields: object = {}) {
  const sea = new Sea()
  const ada = sea.app("ada")
  const bob = sea.app("bob", { triggers: [{ name: "work", ...fields }] })
  return { sea, ada, bob }
}

function call(end: End, id: string, fields: object = {}): void {
  end.says({ type: "trigger", id, trigger: "work", payload: 1, ...fields })
}

function given(end: End): Heard {
  return end.all("trigger").at(-1) ?? assert.fail("it was given no call")
}

function chunk(end: End, told: Heard, seq: number, more: object = {}): void {
  end.says({ type: "chunk", correlation_id: told["id"], to: "caller", seq, payload: seq, ...more })
}

test("PL64 results come as chunks in order, as many as there is credit for", () => {
  const { ada, bob } = pair()
  call(ada, "1", { flags: ["stream"], credit: 2 })
  const told = given(bob)
  assert.equal(told["credit"], 2)
  chunk(bob, told, 0)
  chunk(bob, told, 1)
  ada.says({ type: "credit", correlation_id: "1", to: "handler", count: 1 })
  assert.partialDeepStrictEqual(bob.all("credit"), [
    { correlation_id: told["id"], to: "handler", count: 1 },
  ])
  chunk(bob, told, 2)
  bob.answers(told, "end")
  assert.deepEqual(
    ada.heard.map(({ type, seq }) => [type, seq]),
    [
      ["chunk", 0],
      ["chunk", 1],
      ["chunk", 2],
      ["response", undefined],
    ],
  )
})

test("PL64 PL65 one chunk without credit, out of order or after a call without a stream ends that call alone", () => {
  const { ada, bob } = pair()
  const codes: unknown[] = []
  for (const [id, flags, seqs] of [
    ["1", ["stream"], [0, 1]],
    ["2", ["stream"], [1]],
    ["3", [], [0]],
  ] as const) {
    call(ada, id, { flags, credit: 1 })
    const told = given(bob)
    for (const seq of seqs) chunk(bob, told, seq)
    codes.push(ada.answerTo(id)["error_code"])
  }
  assert.deepEqual(codes, ["CREDIT_EXCEEDED", "BAD_MESSAGE", "CREDIT_EXCEEDED"])
  assert.equal(bob.all("cancel").length, 3)
  call(ada, "4")
  bob.answers(given(bob), "still there")
  assert.partialDeepStrictEqual(ada.answerTo("4"), { result: "still there" })
})

test("PL26 PL65 a chunk has a longest length, and credit a most", () => {
  const sea = new Sea({ limits: { chunkLimitBytes: 100, creditLimit: 4 } })
  const ada = sea.app("ada")
  const bob = sea.app("bob", { triggers: ["work"] })
  call(ada, "1", { flags: ["stream"], credit: 50 })
  assert.equal(given(bob)["credit"], 4)
  ada.says({ type: "credit", correlation_id: "1", to: "handler", count: 9 })
  assert.deepEqual(bob.all("credit"), [])
  chunk(bob, given(bob), 0, { payload: "x".repeat(200) })
  assert.partialDeepStrictEqual(ada.answerTo("1"), {
    error_code: "TOO_LARGE",
    detail: { limit: "chunkLimitBytes" },
  })
})

test("PL66 arguments are streamed the same way, on the handler's credit", () => {
  const { ada, bob } = pair()
  call(ada, "1")
  const told = given(bob)
  bob.says({ type: "credit", correlation_id: told["id"], to: "caller", count: 2 })
  assert.partialDeepStrictEqual(ada.all("credit"), [
    { correlation_id: "1", to: "caller", count: 2 },
  ])
  ada.says({ type: "chunk", correlation_id: "1", to: "handler", seq: 0, payload: "a" })
  ada.says({ type: "chunk", correlation_id: "1", to: "handler", seq: 1, payload: "b", last: true })
  assert.partialDeepStrictEqual(bob.all("chunk"), [
    { correlation_id: told["id"], to: "handler", seq: 0, payload: "a" },
    { seq: 1, payload: "b", last: true },
  ])
  ada.says({ type: "chunk", correlation_id: "1", to: "handler", seq: 2, payload: "c" })
  assert.partialDeepStrictEqual(ada.answerTo("1"), { error_code: "CREDIT_EXCEEDED" })
})

test("PL61 a key runs once: who asks meanwhile waits for the same answer, who asks later gets it again", () => {
  const { sea, ada, bob } = pair()
  const keyed = { idempotency_key: "k" }
  call(ada, "1", keyed)
  call(ada, "2", keyed)
  assert.equal(bob.all("trigger").length, 1)
  bob.answers(given(bob), "once")
  call(ada, "3", keyed)
  assert.equal(bob.all("trigger").length, 1)
  for (const id of ["1", "2"]) assert.equal(ada.answerTo(id)["repeated"], undefined)
  assert.partialDeepStrictEqual(ada.answerTo("2"), { result: "once" })
  assert.partialDeepStrictEqual(ada.answerTo("3"), { result: "once", repeated: true })
  const dan = sea.app("dan")
  call(dan, "1", keyed)
  assert.equal(bob.all("trigger").length, 2)
  sea.pass(600_000)
  ada.says({ type: "pong", id: "alive" })
  const eve = sea.app("eve", { triggers: [{ name: "work" }] })
  const again = ada.isOpen ? ada : sea.app("ada")
  call(again, "4", keyed)
  assert.equal(eve.all("trigger").length, 1)
})

test("PL61 a caller that gives up leaves the run to whoever follows it", () => {
  const { sea, ada, bob } = pair()
  const keyed = { idempotency_key: "k" }
  call(ada, "1", { ...keyed, ttl: 1_000 })
  call(ada, "2", keyed)
  call(ada, "3", keyed)
  sea.pass(1_100)
  assert.partialDeepStrictEqual(ada.answerTo("1"), { error_code: "TIMEOUT" })
  ada.says({ type: "cancel", correlation_id: "2" })
  assert.partialDeepStrictEqual(ada.answerTo("2"), { error_code: "CANCELLED" })
  assert.deepEqual(bob.all("cancel"), [])
  bob.answers(given(bob), "done")
  assert.partialDeepStrictEqual(ada.answerTo("3"), { result: "done" })
})

test("PL61 PL63 a key finishes elsewhere when its handler is lost, once", () => {
  const { sea, ada, bob } = pair()
  const cid = sea.app("cid", { triggers: ["work"] })
  call(ada, "1", { idempotency_key: "k" })
  const [first, second] = bob.all("trigger").length > 0 ? [bob, cid] : [cid, bob]
  call(ada, "2", { idempotency_key: "k" })
  first.leaves()
  assert.equal(given(second)["attempt"], 2)
  second.answers(given(second), "done")
  for (const id of ["1", "2"]) assert.partialDeepStrictEqual(ada.answerTo(id), { result: "done" })
})

test("PL62 the same key for another payload is refused, and a big answer is remembered as done", () => {
  const sea = new Sea({ limits: { idempotencyBytes: 200 } })
  const ada = sea.app("ada")
  const bob = sea.app("bob", { triggers: ["work"] })
  call(ada, "1", { idempotency_key: "k", payload: { a: 1 } })
  call(ada, "2", { idempotency_key: "k", payload: { a: 2 } })
  assert.partialDeepStrictEqual(ada.answerTo("2"), { error_code: "IDEMPOTENCY_MISMATCH" })
  bob.answers(given(bob), "x".repeat(300))
  call(ada, "3", { idempotency_key: "k", payload: { a: 1 } })
  assert.partialDeepStrictEqual(ada.answerTo("3"), { error_code: "RESULT_GONE" })
})

/** Three handlers of `work`, and how many of `count` calls each gets when all are answered at once. */
function shares(
  policy: string,
  count: number,
  weights = [1, 1, 1],
  fields: (at: number) => object = () => ({}),
) {
  const sea = new Sea()
  const ada = sea.app("ada")
  const ends = weights.map((weight, at) =>
    sea.app(`h${at}`, { triggers: [{ name: "work", policy, weight }] }),
  )
  for (let at = 0; at < count; at++) {
    call(ada, `${at}`, fields(at))
    for (const end of ends) for (const told of end.news()) end.answers(told, 1)
  }
  assert.equal(ada.all("response").length, count)
  const rows = () => {
    ada.says({ type: "admin", id: "t", operation: "list_calls", params: { limit: 1000 } })
    return ada.answerTo("t")["result"] as { calls: { handler: string }[] }
  }
  const byName = Map.groupBy(rows().calls, ({ handler }) => handler)
  return weights.map((_, at) => byName.get(`h${at}`)?.length ?? 0)
}

test("PL57 chooses among handlers by the policy and the weights of its trigger", () => {
  assert.deepEqual(shares("round_robin", 60), [20, 20, 20])
  assert.deepEqual(shares("round_robin", 60, [1, 2, 3]), [10, 20, 30])
  const random = shares("random", 600, [1, 1, 4])
  assert.ok((random[2] ?? 0) > 300 && (random[0] ?? 0) > 50, `${random}`)
  assert.deepEqual(shares("first", 10), [10, 0, 0])
  assert.deepEqual(shares("last", 10), [0, 0, 10])
  const hash = shares("hash", 300, [1, 1, 1], (at) => ({ affinity: `key-${at}` }))
  assert.ok(
    hash.every((each) => each > 60),
    `${hash}`,
  )
  assert.deepEqual(
    shares("hash", 10, [1, 1, 1], () => ({ affinity: "same" })).toSorted(),
    [0, 0, 10],
  )
})

test("PL57 least_pending and latency look at what a handler does", () => {
  const sea = new Sea()
  const ada = sea.app("ada")
  const ends = ["a", "b"].map((name) =>
    sea.app(name, { triggers: [{ name: "work", policy: "least_pending" }] }),
  )
  const [a, b] = ends as [End, End]
  for (const id of ["1", "2", "3"]) call(ada, id)
  assert.deepEqual([a.all("trigger").length, b.all("trigger").length], [2, 1])
  b.answers(given(b), 1)
  call(ada, "4")
  assert.equal(b.all("trigger").length, 2)
  const quick = sea.app("quick", { triggers: [{ name: "q", policy: "latency" }] })
  const slow = sea.app("slow", { triggers: [{ name: "q", policy: "latency" }] })
  for (let at = 0; at < 20; at++) {
    ada.says({ type: "trigger", id: `q${at}`, trigger: "q" })
    sea.pass(slow.all("trigger").length > 0 ? 500 : 10)
    for (const end of [quick, slow]) for (const told of end.news()) end.answers(told, at)
  }
  ada.says({ type: "admin", id: "t", operation: "list_calls", params: { app: "slow" } })
  const { calls } = ada.answerTo("t")["result"] as { calls: unknown[] }
  assert.equal(calls.length, 1)
})

test("PL57 losing one of n handlers moves about its own keys and no others", () => {
  const sea = new Sea()
  const ada = sea.app("ada")
  const names = ["a", "b", "c", "d", "e"]
  const offer = { name: "work", policy: "hash" }
  const ends = names.map((name) => sea.app(name, { triggers: [offer] }))
  const keys = Array.from({ length: 500 }, (_, at) => `key ${at}`)
  const ownerOf = (affinity: string) => {
    ada.heard.length = 0
    const params = { affinity }
    ada.says({ type: "admin", id: "x", operation: "explain", target: "work", params })
    return (ada.answerTo("x")["result"] as { chosen: string }).chosen
  }
  const before = keys.map(ownerOf)
  ends[2]?.leaves()
  const moved = keys.filter((key, at) => ownerOf(key) !== before[at])
  assert.ok(moved.length <= (2 * keys.length) / names.length, `${moved.length} moved`)
  assert.ok(keys.every((key, at) => before[at] === "c" || !moved.includes(key)))
})

test("PL55 a destination gets the call or it fails, though others could take it", () => {
  const { sea, ada, bob } = pair()
  sea.app("cid", { triggers: ["work"] })
  for (const id of ["1", "2"]) call(ada, id, { destination: "bob" })
  assert.equal(bob.all("trigger").length, 2)
  call(ada, "3", { destination: "nobody" })
  assert.partialDeepStrictEqual(ada.answerTo("3"), { error_code: "NO_HANDLER" })
})

test("PL67 an app may call what it handles itself", () => {
  const { bob } = pair()
  call(bob, "1")
  bob.answers(given(bob), "mine")
  assert.partialDeepStrictEqual(bob.answerTo("1"), { result: "mine" })
})

test("PL71 explains who would get a call and why, and dispatches nothing", () => {
  const { sea, ada, bob } = pair({ concurrency: 1, policy: "first" })
  const cid = sea.app("cid", { triggers: [{ name: "work", policy: "first" }] })
  call(ada, "1")
  const explain = (params: object = {}) => {
    ada.heard.length = 0
    ada.says({ type: "admin", id: "x", operation: "explain", target: "work", params })
    return ada.answerTo("x")["result"]
  }
  assert.partialDeepStrictEqual(explain({ ttl: 5_000 }), {
    ...{ policy: "first", outcome: "queue", chosen: null, member: true, may_execute: true },
    deadline: sea.now + 5_000,
    candidates: [
      { app: "bob", pending: 1, passed_over: "it holds as many as it may" },
      { app: "cid", pending: 0, passed_over: "it stands by" },
    ],
  })
  bob.answers(given(bob), 1)
  assert.partialDeepStrictEqual(explain(), { outcome: "to", chosen: "bob" })
  assert.equal(bob.all("trigger").length + cid.all("trigger").length, 1)
})

test("PL137 PL145 keeps the last calls for those who may see them, and counts all", async () => {
  const { sea, ada, bob } = pair()
  const traceparent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
  call(ada, "1", { traceparent })
  sea.pass(40)
  bob.answers(given(bob), 1)
  call(ada, "2", { trigger: "nothing" })
  const trace = "4bf92f3577b34da6a3ce929d0e0e4736"
  ada.says({ type: "admin", id: "l", operation: "list_calls", params: { trace } })
  assert.partialDeepStrictEqual(ada.answerTo("l")["result"], {
    calls: [{ trigger: "work", caller: "ada", handler: "bob", outcome: "answered", ms: 40 }],
  })
  const text = await sea.metrics.text()
  assert.match(text, /quartet_pools_calls_total\{outcome="answered"\} 1/)
  assert.match(text, /quartet_pools_calls_total\{outcome="no-handler"\} 1/)
  assert.doesNotMatch(text, /ada|bob|work/)
})

test("PL15 a block that is not there, and a reference that is none, are refused by name", () => {
  const { ada } = pair()
  ada.says({ type: "admin", id: "3", operation: "inspect_block", target: "b" })
  assert.equal(ada.answerTo("3")["error_code"], "NO_BLOCK")
  call(ada, "4", { block_ref: { block: "b", generation: 1 } })
  assert.equal(ada.answerTo("4")["field"], "/block_ref/block")
})
