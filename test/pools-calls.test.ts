/** Calls: one answer to each, whoever goes, is late or lies. */
import assert from "node:assert/strict"
import { test } from "node:test"
import { uuidOf } from "../src/wire/pools-shapes.ts"
import { type End, type Heard, Sea } from "./pools-parts.ts"

/** A caller and a handler of `work`. */
function pair(fields: object = {}, sea = new Sea()) {
  const ada = sea.app("ada")
  const bob = sea.app("bob", { triggers: [{ name: "work", ...fields }] })
  return { sea, ada, bob }
}

function call(end: End, id: string, fields: object = {}): void {
  end.says({ type: "trigger", id, trigger: "work", payload: { n: id }, ...fields })
}

function given(end: End): Heard {
  const calls = end.all("trigger")
  return calls.at(-1) ?? assert.fail("it was given no call")
}

test("PL43 PL53 PL54 answers a call by its handler, once, whatever comes after", () => {
  const { sea, ada, bob } = pair()
  call(ada, "1")
  const told = given(bob)
  assert.partialDeepStrictEqual(told, {
    trigger: "work",
    pool: "default",
    origin: "ada",
    ttl: 30_000,
  })
  bob.answers(told, "done")
  bob.answers(told, "again")
  assert.partialDeepStrictEqual(ada.answerTo("1"), { status: "success", result: "done" })
  assert.equal(sea.service.counts.late, 1)
  assert.deepEqual(bob.all("error"), [])
})

test("PL53 refuses an answer from whoever was not given the call, and leaves it alone", () => {
  const { sea, ada, bob } = pair()
  const eve = sea.app("eve")
  call(ada, "1")
  const told = given(bob)
  eve.says({
    type: "response",
    id: "e",
    correlation_id: told["id"],
    status: "success",
    result: "lie",
  })
  assert.partialDeepStrictEqual(eve.answerTo("e"), { error_code: "NOT_CALLEE" })
  eve.says({ type: "chunk", correlation_id: told["id"], to: "caller", seq: 0, payload: "lie" })
  eve.says({ type: "response", id: "f", correlation_id: "1", status: "success" })
  assert.partialDeepStrictEqual(eve.answerTo("f"), { error_code: "NOT_CALLEE" })
  assert.equal(sea.service.counts.forged, 3)
  assert.deepEqual(ada.heard, [])
  bob.answers(told, "true")
  assert.partialDeepStrictEqual(ada.answerTo("1"), { result: "true" })
})

test("PL44 says at once that nobody handles it, and who did", () => {
  const { sea, ada, bob } = pair()
  call(ada, "1", { trigger: "play" })
  assert.partialDeepStrictEqual(ada.answerTo("1"), { error_code: "NO_HANDLER" })
  bob.leaves()
  call(ada, "2")
  assert.partialDeepStrictEqual(ada.answerTo("2"), {
    error_code: "NO_HANDLER",
    detail: { away: ["bob"] },
  })
  assert.equal(sea.service.kept.triggers, 0)
})

test("PL44 waits for a handler as long as its caller said", () => {
  const { sea, ada } = pair()
  call(ada, "1", { trigger: "late", wait_ms: 1_000 })
  call(ada, "2", { trigger: "never", wait_ms: 1_000 })
  sea.pass(900)
  assert.deepEqual(ada.heard, [])
  const eve = sea.app("eve")
  eve.says({ type: "register", id: "r", pool: "default", triggers: ["late"] })
  eve.answers(given(eve), 1)
  assert.partialDeepStrictEqual(ada.answerTo("1"), { result: 1 })
  sea.pass(200)
  assert.partialDeepStrictEqual(ada.answerTo("2"), { error_code: "NO_HANDLER" })
  assert.equal(sea.service.kept.calls, 0)
})

test("PL45 fails a call at once when the app that holds it goes, and says that it may have run", () => {
  const { ada, bob } = pair({ concurrency: 1 })
  call(ada, "1")
  call(ada, "2")
  call(ada, "3", { destination: "bob" })
  bob.leaves()
  assert.partialDeepStrictEqual(ada.answerTo("1"), {
    error_code: "HANDLER_LOST",
    execution_uncertain: true,
  })
  // One that waited for whoever is free finds nobody; one that waited for this app alone has lost it.
  assert.partialDeepStrictEqual(ada.answerTo("2"), { error_code: "NO_HANDLER" })
  assert.partialDeepStrictEqual(ada.answerTo("3"), {
    error_code: "HANDLER_LOST",
    execution_uncertain: false,
  })
})

test("PL45 keeps in its queue what was not handed over, for the handlers that are left", () => {
  const { sea, ada, bob } = pair({ concurrency: 1 })
  const cid = sea.app("cid", { triggers: [{ name: "work", concurrency: 1 }] })
  for (const id of ["1", "2", "3"]) call(ada, id)
  bob.leaves()
  assert.partialDeepStrictEqual(ada.answerTo("1"), { error_code: "HANDLER_LOST" })
  cid.answers(given(cid), "two")
  cid.answers(given(cid), "three")
  assert.partialDeepStrictEqual(ada.answerTo("2"), { result: "two" })
  assert.partialDeepStrictEqual(ada.answerTo("3"), { result: "three" })
})

test("PL46 PL56 holds a handler to its concurrency, and tells when its queue is full", () => {
  const { ada, bob } = pair({ concurrency: 2, queue: 1 })
  for (const id of ["1", "2", "3", "4"]) call(ada, id)
  assert.equal(bob.all("trigger").length, 2)
  const busy = ada.answerTo("4")
  assert.partialDeepStrictEqual(busy, { error_code: "BUSY", detail: { limit: "queue" } })
  assert.ok(Number(busy["retry_after_ms"]) > 0)
  bob.answers(bob.all("trigger")[1] ?? {}, "two")
  assert.equal(bob.all("trigger").length, 3)
  assert.deepEqual(given(bob)["payload"], { n: "3" })
})

test("PL56 tied calls wait in their handler's own queue, first in, first out", () => {
  const { sea, ada, bob } = pair({ concurrency: 1, queue: 2 })
  const cid = sea.app("cid", { triggers: [{ name: "work", concurrency: 1 }] })
  for (const id of ["1", "2", "3", "4"]) call(ada, id, { destination: "bob" })
  assert.partialDeepStrictEqual(ada.answerTo("4"), { error_code: "BUSY" })
  assert.deepEqual(cid.heard, [])
  bob.answers(given(bob), 1)
  bob.answers(given(bob), 2)
  bob.answers(given(bob), 3)
  assert.deepEqual(
    ada.all("response").map((each) => each["correlation_id"]),
    ["1", "2", "3"],
  )
})

test("PL48 PL60 ends a call when its time is over, not before, and at most a tick later", () => {
  const { sea, ada, bob } = pair({ concurrency: 1 })
  call(ada, "1", { ttl: 1_000 })
  call(ada, "2", { ttl: 1_000 })
  call(ada, "3", { ttl: 0 })
  assert.partialDeepStrictEqual(ada.answerTo("3"), {
    error_code: "TIMEOUT",
    execution_uncertain: false,
  })
  sea.pass(999)
  assert.equal(ada.heard.length, 1)
  sea.pass(101)
  assert.partialDeepStrictEqual(ada.answerTo("1"), {
    error_code: "TIMEOUT",
    execution_uncertain: true,
  })
  assert.partialDeepStrictEqual(ada.answerTo("2"), {
    error_code: "TIMEOUT",
    execution_uncertain: false,
  })
  const [told] = bob.all("trigger")
  assert.partialDeepStrictEqual(bob.all("cancel"), [
    { correlation_id: told?.["id"], reason: "deadline" },
  ])
  // Its place is free when it answers, though nobody waits for that any more.
  call(ada, "4")
  bob.answers(told ?? {}, "late")
  assert.equal(sea.service.counts.late, 1)
  assert.deepEqual(given(bob)["payload"], { n: "4" })
})

test("PL48 a handler that never stops has its place back after a while", () => {
  const { sea, ada, bob } = pair({ concurrency: 1 })
  call(ada, "1", { ttl: 100 })
  sea.pass(200)
  call(ada, "2")
  assert.equal(bob.all("trigger").length, 1)
  sea.pass(2_100)
  assert.equal(bob.all("trigger").length, 2)
})

test("PL49 cancels in three ways", () => {
  const { sea, ada, bob } = pair()
  for (const id of ["skip", "wait", "kill", "end"]) call(ada, id)
  const [, , third, fourth] = bob.all("trigger")
  bob.heard.length = 0
  ada.says({ type: "cancel", correlation_id: "skip", mode: "skip" })
  assert.partialDeepStrictEqual(ada.answerTo("skip"), { error_code: "CANCELLED" })
  assert.deepEqual(bob.news(), [])
  ada.says({ type: "cancel", correlation_id: "wait" })
  assert.partialDeepStrictEqual(ada.answerTo("wait"), { error_code: "CANCELLED" })
  assert.partialDeepStrictEqual(bob.news(), [{ type: "cancel", reason: "caller" }])
  ada.says({ type: "cancel", correlation_id: "kill", mode: "kill" })
  ada.says({ type: "cancel", correlation_id: "end", mode: "kill" })
  assert.equal(ada.heard.length, 2)
  bob.says({ type: "response", correlation_id: third?.["id"], status: "error", error: "stopped" })
  assert.partialDeepStrictEqual(ada.answerTo("kill"), { error_code: "CANCELLED" })
  sea.pass(1_900)
  assert.equal(ada.heard.length, 3)
  sea.pass(200)
  assert.partialDeepStrictEqual(ada.answerTo("end"), { error_code: "CANCELLED" })
  // Whatever comes afterwards changes nothing.
  ada.says({ type: "cancel", correlation_id: "kill" })
  bob.answers(fourth ?? {}, "late")
  assert.equal(ada.heard.length, 4)
})

test("PL50 cancels what a caller asked for when it goes, unless that is detached", () => {
  const { sea, ada, bob } = pair()
  call(ada, "1")
  call(ada, "2", { flags: ["detach"] })
  ada.leaves()
  assert.partialDeepStrictEqual(bob.all("cancel"), [{ reason: "caller" }])
  const [, second] = bob.all("trigger")
  bob.answers(second ?? {}, "done")
  assert.equal(sea.service.counts.outcomes.get("answered"), 1)
  assert.equal(sea.service.kept.calls, 0)
})

test("PL51 hands a declined call to whoever has not declined it", () => {
  const { sea, ada, bob } = pair()
  const cid = sea.app("cid", { triggers: ["work"] })
  call(ada, "1")
  const first = bob.all("trigger").length > 0 ? bob : cid
  const second = first === bob ? cid : bob
  const decline = (end: End) =>
    end.says({
      ...{ type: "response", correlation_id: given(end)["id"], status: "error" },
      ...{ error: "no room", error_code: "UNAVAILABLE" },
    })
  decline(first)
  assert.deepEqual(ada.heard, [])
  decline(second)
  assert.partialDeepStrictEqual(ada.answerTo("1"), { error_code: "UNAVAILABLE" })
})

test("PL52 tells a handler's own failure apart from any of the server", () => {
  const { ada, bob } = pair()
  call(ada, "1")
  bob.says({
    ...{ type: "response", correlation_id: given(bob)["id"], status: "error" },
    ...{ error: "NO_HANDLER", error_code: "NO_HANDLER", handler_code: "E1" },
  })
  const heard = ada.answerTo("1")
  assert.partialDeepStrictEqual(heard, { type: "response", status: "error", handler_code: "E1" })
  assert.equal(heard["error_code"], undefined)
})

test("PL59 passes on the time that is left, and ends nested calls with what they are a part of", () => {
  const { sea, ada, bob } = pair()
  const cid = sea.app("cid", { triggers: ["deep"] })
  call(ada, "1", { ttl: 5_000 })
  sea.pass(1_000)
  const outer = given(bob)
  bob.says({
    type: "trigger",
    id: "n",
    trigger: "deep",
    payload: 1,
    parent: outer["id"],
    ttl: 60_000,
  })
  assert.equal(given(cid)["ttl"], 4_000)
  bob.answers(outer, "done")
  assert.partialDeepStrictEqual(bob.answerTo("n"), { error_code: "CANCELLED" })
  assert.partialDeepStrictEqual(cid.all("cancel"), [{ reason: "parent" }])
  bob.says({ type: "trigger", id: "m", trigger: "deep", payload: 1, parent: outer["id"] })
  assert.partialDeepStrictEqual(bob.answerTo("m"), { error_code: "CANCELLED" })
})

test("PL63 re-routes only what may run twice, and counts its attempts", () => {
  const { sea, ada, bob } = pair()
  call(ada, "1", { flags: ["idempotent"] })
  const cid = sea.app("cid", { triggers: ["work"] })
  const dan = sea.app("dan", { triggers: ["work"] })
  const eve = sea.app("eve", { triggers: ["work"] })
  bob.leaves()
  const attempts: unknown[] = []
  for (let lost = 0; lost < 2; lost++) {
    const holder = [cid, dan, eve].find((each) => each.isOpen && each.all("trigger").length > 0)
    attempts.push(holder?.all("trigger")[0]?.["attempt"])
    holder?.leaves()
  }
  assert.deepEqual(attempts, [2, 3])
  assert.partialDeepStrictEqual(ada.answerTo("1"), { error_code: "HANDLER_LOST" })
  assert.equal(sea.service.counts.reroutes, 2)
})

test("PL63 re-routes nothing of which a chunk has reached the caller", () => {
  const { sea, ada, bob } = pair()
  sea.app("cid", { triggers: ["work"] })
  bob.heard.length = 0
  call(ada, "1", { flags: ["idempotent", "stream"], destination: "bob" })
  bob.says({ type: "chunk", correlation_id: given(bob)["id"], to: "caller", seq: 0, payload: 1 })
  bob.leaves()
  assert.partialDeepStrictEqual(ada.answerTo("1"), {
    error_code: "HANDLER_LOST",
    execution_uncertain: true,
  })
})

test("PL47 PL68 a draining app finishes what it holds, gets nothing new, and is told when it may go", () => {
  const { sea, ada, bob } = pair({ concurrency: 1 })
  call(ada, "1")
  call(ada, "2")
  bob.says({ type: "drain", id: "d" })
  assert.partialDeepStrictEqual(ada.answerTo("2"), { error_code: "DRAINING" })
  call(ada, "3")
  assert.partialDeepStrictEqual(ada.answerTo("3"), { error_code: "DRAINING" })
  assert.deepEqual(bob.all("response"), [])
  const cid = sea.app("cid", { triggers: ["work"] })
  call(ada, "4")
  cid.answers(given(cid), 4)
  bob.answers(given(bob), 1)
  assert.partialDeepStrictEqual(ada.answerTo("1"), { result: 1 })
  assert.partialDeepStrictEqual(bob.answerTo("d"), { status: "success" })
})

test("PL69 a server that stops takes no new call and closes each app when its calls are done", () => {
  const { sea, ada, bob } = pair()
  const idle = sea.app("idle")
  call(ada, "1")
  sea.service.stop()
  assert.partialDeepStrictEqual(idle.news(), [
    { type: "drain", within_ms: 10_000 },
    { type: "error", error_code: "GOING_AWAY", close: "conn" },
  ])
  call(ada, "2")
  assert.partialDeepStrictEqual(ada.answerTo("2"), { error_code: "DRAINING" })
  sea.pass(5_000)
  assert.ok(ada.isOpen && bob.isOpen)
  bob.answers(given(bob), "done")
  assert.partialDeepStrictEqual(ada.answerTo("1"), { result: "done" })
  sea.pass(100)
  assert.ok(!ada.isOpen && !bob.isOpen)
})

test("PL70 hands trace ids on as they are, and makes none up", () => {
  const { ada, bob } = pair()
  const traceparent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
  call(ada, "1", { traceparent, tracestate: "a=1" })
  assert.partialDeepStrictEqual(given(bob), { traceparent, tracestate: "a=1" })
  call(ada, "2")
  assert.equal(given(bob)["traceparent"], undefined)
})

test("PL72 keeps nothing of calls that are settled", () => {
  const { sea, ada, bob } = pair({ idempotent: true, concurrency: 4_096 })
  for (let round = 0; round < 2_000; round++) {
    call(ada, `${round}`, round % 2 === 0 ? { ttl: 50 } : {})
    if (round % 2 === 1) bob.answers(given(bob), round)
    if (round % 100 === 99) {
      sea.pass(100)
      ada.heard.length = 0
      bob.heard.length = 0
    }
  }
  sea.pass(3_000)
  const { calls, bytes, triggers, keys } = sea.service.kept
  assert.deepEqual({ calls, bytes, triggers, keys }, { calls: 0, bytes: 0, triggers: 1, keys: 0 })
})

test("PL73 has a bound for calls in flight, of all and of one app, and for what waits", () => {
  const limits = { inFlightLimit: 3, inFlightPerApp: 2, queuedBytesLimit: 100 }
  const { sea, ada } = pair({ concurrency: 1 }, new Sea({ limits }))
  const dan = sea.app("dan")
  call(ada, "1")
  call(ada, "2")
  call(ada, "3")
  assert.partialDeepStrictEqual(ada.answerTo("3"), {
    error_code: "BUSY",
    detail: { limit: "inFlightPerApp" },
  })
  call(dan, "4", { payload: "x".repeat(200) })
  call(dan, "5")
  assert.partialDeepStrictEqual(dan.answerTo("5"), { error_code: "BUSY" })
})

test("PL20 PL21 refuses an id that still waits for its answer, and the first goes on", () => {
  const { ada, bob } = pair()
  call(ada, "1")
  call(ada, "1")
  assert.partialDeepStrictEqual(ada.news(), [{ correlation_id: "1", error_code: "DUPLICATE_ID" }])
  ada.says({ type: "register", id: "1", pool: "default", triggers: ["x"] })
  assert.partialDeepStrictEqual(ada.news(), [{ correlation_id: "1", error_code: "DUPLICATE_ID" }])
  bob.answers(given(bob), "first")
  assert.partialDeepStrictEqual(ada.answerTo("1"), { result: "first" })
  assert.equal(given(bob)["id"], uuidOf(1))
})

test("PL60 hands on nothing whose time was over while it waited, before any tick has seen it", () => {
  const { sea, ada, bob } = pair({ concurrency: 1 })
  call(ada, "1")
  call(ada, "2", { ttl: 50 })
  sea.now += 60
  bob.answers(given(bob), 1)
  assert.partialDeepStrictEqual(ada.answerTo("2"), {
    error_code: "TIMEOUT",
    execution_uncertain: false,
  })
  assert.equal(bob.all("trigger").length, 1)
})

test("PL72 keeps the payload of a call only as long as it may be handed over", () => {
  const { sea, ada, bob } = pair({ concurrency: 1 })
  call(ada, "1")
  assert.equal(sea.service.kept.bytes, 0)
  call(ada, "2")
  assert.ok(sea.service.kept.bytes > 0)
  bob.answers(given(bob), 1)
  assert.equal(sea.service.kept.bytes, 0)
  call(ada, "3", { flags: ["idempotent"], destination: "bob" })
  assert.ok(sea.service.kept.bytes > 0)
  bob.answers(given(bob), 2)
  bob.answers(given(bob), 3)
  assert.equal(sea.service.kept.bytes, 0)
})
