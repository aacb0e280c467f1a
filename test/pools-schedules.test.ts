/** Calls under schedules that are drawn: whatever happens, each has one answer and no limit is passed. */
import assert from "node:assert/strict"
import { test } from "node:test"
import fc from "fast-check"
import { type End, Sea } from "./pools-parts.ts"

function call(end: End, id: string, fields: object = {}): void {
  end.says({ type: "trigger", id, trigger: "work", payload: { n: id }, ...fields })
}

/** How many are drawn: POOLS_SCHEDULES says. */
const schedules = Number(process.env["POOLS_SCHEDULES"] ?? 500)

/** What may happen in a schedule. */
const step = fc.oneof(
  fc.record({
    do: fc.constant("call" as const),
    who: fc.nat(2),
    key: fc.option(fc.nat(1)),
    idempotent: fc.boolean(),
    ttl: fc.integer({ min: 1, max: 3_000 }),
    wait: fc.constantFrom(0, 0, 500),
    to: fc.option(fc.nat(2)),
    within: fc.option(fc.nat(5)),
    streams: fc.boolean(),
  }),
  fc.record({
    do: fc.constant("chunk" as const),
    who: fc.nat(2),
    which: fc.nat(5),
    seq: fc.constantFrom(0, 0, 1),
  }),
  fc.record({
    do: fc.constant("answer" as const),
    who: fc.nat(2),
    how: fc.nat(2),
    which: fc.nat(5),
  }),
  fc.record({
    do: fc.constant("cancel" as const),
    who: fc.nat(2),
    mode: fc.constantFrom("kill", "skip", "killnowait"),
    which: fc.nat(5),
  }),
  fc.record({ do: fc.constant("leave" as const), who: fc.nat(2) }),
  fc.record({ do: fc.constant("drain" as const), who: fc.nat(2) }),
  fc.record({ do: fc.constant("register" as const), who: fc.nat(2), on: fc.boolean() }),
  fc.record({ do: fc.constant("jam" as const), who: fc.nat(2) }),
  fc.record({ do: fc.constant("pass" as const), ms: fc.integer({ min: 1, max: 1_500 }) }),
)

test("PL43 PL56 settles each call exactly once under any schedule, and never above a limit", () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const sea = new Sea({ limits: { attemptLimit: 3 } })
      const names = ["a", "b", "c"]
      const offer = { name: "work", concurrency: 2, queue: 2 }
      const ends = names.map((name) => sea.app(name, { triggers: [offer] }))
      const gone: End[] = []
      const open = new Map<End, Set<string>>(ends.map((end) => [end, new Set()]))
      let calls = 0
      const watcher = sea.app("watcher")
      const checkHeld = () => {
        watcher.heard.length = 0
        watcher.says({ type: "admin", id: "w", operation: "list_triggers" })
        const [told = {}] = watcher.news()
        const { triggers } = told["result"] as {
          triggers: { handlers: { pending: number }[] }[]
        }
        const pending = triggers.flatMap(({ handlers }) => handlers.map((each) => each.pending))
        assert.ok(
          pending.every((each) => each >= 0 && each <= 2),
          `pending ${pending}`,
        )
      }
      // Calls that may run once only, and those among them that a handler has declined.
      const once = new Set<string>()
      const declined = new Set<unknown>()
      const checkOnce = () => {
        const given = [...open.keys()].flatMap((end) => end.all("trigger"))
        const ids = given.map(({ payload }) => (payload as { n?: string } | null)?.n ?? "")
        for (const [id, all] of Map.groupBy(ids, (each) => each)) {
          if (once.has(id) && !declined.has(id)) assert.equal(all.length, 1, `${id} ran twice`)
        }
      }
      const at = (who: number) => ends[who] ?? assert.fail()
      const settleAll = () => {
        for (const [end, ids] of open) {
          for (const id of ids) {
            const answers = end.heard.filter(
              (each) => each["correlation_id"] === id && each["type"] !== "chunk",
            )
            assert.ok(answers.length <= 1, `${answers.length} answers`)
          }
        }
      }
      for (const each of steps) {
        if (each.do === "call") {
          const id = `call-${++calls}`
          open.get(at(each.who))?.add(id)
          const parent = at(each.who).all("trigger")[each.within ?? -1]?.["id"]
          const streams = each.streams && each.key === null
          const flags = [...(each.idempotent ? ["idempotent"] : []), ...(streams ? ["stream"] : [])]
          if (!each.idempotent && each.key === null) once.add(id)
          call(at(each.who), id, {
            ...{ ttl: each.ttl, wait_ms: each.wait, flags },
            ...(each.key === null ? {} : { payload: 1 }),
            ...(parent === undefined ? {} : { parent }),
            ...(each.key === null ? {} : { idempotency_key: `k${each.key}` }),
            ...(each.to === null ? {} : { destination: names[each.to] }),
          })
        } else if (each.do === "answer") {
          const end = at(each.who)
          const told = end.all("trigger")[each.which]
          const failure = { status: "error", error: "no" }
          const how = [
            { status: "success", result: 1 },
            failure,
            { ...failure, error_code: "UNAVAILABLE" },
          ]
          if (told) end.says({ type: "response", correlation_id: told["id"], ...how[each.how] })
          if (each.how === 2) declined.add((told?.["payload"] as { n?: string } | undefined)?.n)
        } else if (each.do === "chunk") {
          const end = at(each.who)
          const told = end.all("trigger")[each.which]
          const chunk = { type: "chunk", to: "caller", seq: each.seq, payload: 1 }
          if (told) end.says({ ...chunk, correlation_id: told["id"] })
        } else if (each.do === "cancel") {
          const id = [...(open.get(at(each.who)) ?? [])][each.which]
          if (id !== undefined)
            at(each.who).says({ type: "cancel", correlation_id: id, mode: each.mode })
        } else if (each.do === "leave") {
          const end = at(each.who)
          end.leaves()
          gone.push(end)
          const name = names[each.who] ?? ""
          const next = sea.app(name, { triggers: [offer] })
          ends[each.who] = next
          open.set(next, new Set())
        } else if (each.do === "drain") {
          at(each.who).says({ type: "drain" })
        } else if (each.do === "register") {
          const type = each.on ? "register" : "unregister"
          at(each.who).says({ type, id: `r${++calls}`, pool: "default", triggers: [offer] })
        } else if (each.do === "jam") {
          at(each.who).behind = !at(each.who).behind
        } else {
          sea.pass(each.ms)
        }
        settleAll()
        checkOnce()
        checkHeld()
        assert.deepEqual(sea.faults, [])
      }
      sea.pass(20_000)
      for (const [end, ids] of open) {
        if (gone.includes(end)) continue
        for (const id of ids) end.answerTo(id)
      }
      assert.deepEqual(sea.faults, [])
      assert.equal(sea.service.kept.calls, 0)
      assert.equal(sea.service.kept.bytes, 0)
    }),
    { numRuns: schedules },
  )
})

test("PL48 PL59 what ends with a call that is due is not due itself any more, and all others are", () => {
  const sea = new Sea()
  const ada = sea.app("ada")
  const bob = sea.app("bob", { triggers: ["work"] })
  call(ada, "outer", { ttl: 500 })
  const [held] = bob.all("trigger")
  call(bob, "inner", { ttl: 500, parent: held?.["id"] })
  call(ada, "later", { ttl: 500 })
  sea.pass(600)
  assert.deepEqual(sea.faults, [])
  for (const [end, id, code] of [
    [ada, "outer", "TIMEOUT"],
    [bob, "inner", "CANCELLED"],
    [ada, "later", "TIMEOUT"],
  ] as const) {
    assert.partialDeepStrictEqual(end.answerTo(id), { error_code: code })
  }
})
