/** Emits, pools and their rights. */
import assert from "node:assert/strict"
import { test } from "node:test"
import fc from "fast-check"
import { matches, type Subscription, Topics, tokensOf } from "../src/pools/topics.ts"
import { type End, Sea } from "./pools-parts.ts"

const emitted = (end: End) => end.all("emit").map(({ payload }) => payload)

function emit(end: End, trigger: string, payload: unknown, fields: object = {}): void {
  end.says({ type: "emit", trigger, payload, ...fields })
}

test("PL78 PL85 reaches whoever handles the name or listens to it, each connection once", () => {
  const sea = new Sea()
  const bob = sea.app("bob", { triggers: ["log.web"], topics: ["log.*", "log.>", "log.web"] })
  const cid = sea.app("cid", { topics: ["log.db"] })
  const ada = sea.app("ada", { topics: ["log.web"] })
  emit(ada, "log.web", 1)
  emit(ada, "log.web", 2, { flags: ["exclude_self"] })
  assert.deepEqual(emitted(bob), [1, 2])
  assert.deepEqual(emitted(cid), [])
  assert.deepEqual(emitted(ada), [1])
})

const token = fc.constantFrom("a", "b", "*", ">")
const pattern = fc
  .array(token, { minLength: 1, maxLength: 4 })
  .filter((tokens) => !tokens.slice(0, -1).includes(">"))
const emitName = fc.array(fc.constantFrom("a", "b", "c", "*", ">"), { minLength: 1, maxLength: 5 })

/** The same by hand: token for token. */
function naive(tokens: readonly string[], words: readonly string[]): boolean {
  const [head, ...rest] = tokens
  if (head === undefined) return words.length === 0
  if (head === ">" && rest.length === 0) return words.length > 0
  const [word, ...others] = words
  return word !== undefined && (head === "*" || head === word) && naive(rest, others)
}

test("PL79 matches patterns like a naive matcher", () => {
  fc.assert(
    fc.property(fc.array(pattern, { maxLength: 6 }), emitName, (patterns, words) => {
      const topics = new Topics()
      const all = patterns.map((tokens) => ({ tokens }) as unknown as Subscription) // the tree reads its tokens only
      for (const each of all) topics.add(each)
      const found = new Set(topics.match(words.join(".")))
      for (const each of all) {
        assert.equal(found.has(each), naive(each.tokens, words), each.tokens.join("."))
        assert.equal(matches(each.tokens, words.join(".")), naive(each.tokens, words))
      }
      for (const each of all) topics.remove(each)
      assert.equal(topics.size, 0)
      assert.deepEqual(topics.match(words.join(".")), [])
    }),
  )
  assert.throws(() => tokensOf("a.>.b"), /at most 16 tokens/)
  assert.throws(() => tokensOf(`${"a.".repeat(16)}a`), /at most 16 tokens/)
})

test("PL80 PL83 who falls behind gets the newest in order, and is told how many it missed", () => {
  const sea = new Sea()
  const topics = [{ pattern: "log.*", depth: 3 }]
  const bob = sea.app("bob", { topics })
  const cid = sea.app("cid", { topics: [{ pattern: "log.*", behind: "conflate" }] })
  const dan = sea.app("dan", { topics: [{ pattern: "log.*", behind: "disconnect", depth: 3 }] })
  const ada = sea.app("ada")
  for (const end of [bob, cid, dan]) end.behind = true
  for (let count = 0; count < 5; count++) emit(ada, `log.${count % 2}`, count)
  assert.deepEqual([...emitted(bob), ...emitted(cid)], [])
  for (const end of [bob, cid]) end.behind = false
  sea.pass(100)
  assert.deepEqual(emitted(bob), [2, 3, 4])
  assert.deepEqual(emitted(cid), [3, 4])
  assert.equal(bob.all("emit")[0]?.["lost"], 2)
  assert.equal(cid.all("emit")[0]?.["lost"], 3)
  assert.equal(bob.all("emit")[1]?.["lost"], undefined)
  assert.equal(dan.isOpen, false)
  assert.equal(sea.service.counts.emitsLost, 2 + 3 + 1)
})

test("PL81 of those in one group exactly one gets each emit", () => {
  const sea = new Sea()
  const topics = [{ pattern: "job.*", group: "workers" }]
  const workers = ["a", "b", "c"].map((name) => sea.app(name, { topics }))
  const ada = sea.app("ada")
  for (let count = 0; count < 9; count++) emit(ada, "job.x", count)
  const got = workers.map(emitted)
  assert.deepEqual(got.flat().sort(), [0, 1, 2, 3, 4, 5, 6, 7, 8])
  assert.ok(got.every((each) => each.length === 3))
})

test("PL82 a new subscription gets the last of what was to be kept, first and marked", () => {
  const sea = new Sea()
  const ada = sea.app("ada")
  emit(ada, "state.a", 1, { flags: ["retain"] })
  emit(ada, "state.a", 2, { flags: ["retain"] })
  emit(ada, "state.b", 3, { flags: ["retain"] })
  emit(ada, "state.b", undefined, { flags: ["retain"] })
  const bob = sea.app("bob")
  bob.says({ type: "subscribe", id: "s", pool: "default", topics: ["state.*"] })
  emit(ada, "state.a", 4)
  assert.partialDeepStrictEqual(bob.all("emit"), [{ payload: 2, retained: true }, { payload: 4 }])
  assert.equal(bob.all("emit")[1]?.["retained"], undefined)
})

test("PL84 an emit is answered when it asks for that, or when it goes nowhere", () => {
  const sea = new Sea()
  const ada = sea.app("ada", { topics: ["t"] })
  const bob = sea.app("bob", { topics: ["t"] })
  bob.behind = true
  emit(ada, "t", 1, { id: "1", flags: ["ack"] })
  assert.partialDeepStrictEqual(ada.answerTo("1"), { result: { reached: 2, lost: 0 } })
  emit(ada, "t", 1, { id: "2" })
  emit(ada, "t", 1, { id: "3", pool: "nowhere" })
  emit(ada, "t", 1, { id: "4", pool: "system" })
  assert.deepEqual(ada.all("response").length, 1)
  assert.equal(ada.answerTo("3")["error_code"], "NO_POOL")
  assert.equal(ada.answerTo("4")["error_code"], "NOT_MEMBER")
})

function ask(end: End, operation: string, pool: string, fields: object = {}): unknown {
  const id = `p${end.heard.length}-${operation}`
  end.says({ type: "pool", id, operation, pool, ...fields })
  const answer = end.answerTo(id)
  return answer["error_code"] ?? answer["result"]
}

test("PL86 only the server emits in system, and neither it nor default can be destroyed", () => {
  const sea = new Sea()
  const root = sea.app("root", { pools: ["system", "default"] }, { admin: "all" })
  emit(root, "x", 1, { id: "1", pool: "system" })
  emit(root, "$sys.x", 1, { id: "2" })
  assert.equal(root.answerTo("1")["error_code"], "FORBIDDEN")
  assert.equal(root.answerTo("2")["error_code"], "FORBIDDEN")
  assert.equal(ask(root, "destroy", "system", { force: true }), "FORBIDDEN")
  assert.equal(ask(root, "destroy", "default", { force: true }), "FORBIDDEN")
})

test("PL87 PL88 PL89 a pool belongs to whoever made it, and its lists say who may what", () => {
  const sea = new Sea()
  const ada = sea.app("ada")
  const rights = { read: ["team-*"], execute: ["team-a"] }
  assert.partialDeepStrictEqual(ask(ada, "create", "work", { rights }), { owners: ["ada"] })
  assert.equal(ask(ada, "create", "work"), "POOL_EXISTS")
  assert.equal(ask(ada, "create", "sealed", { encrypted: true }), "BAD_MESSAGE")
  assert.equal(ask(sea.app("eve"), "join", "work"), "FORBIDDEN")
  const b = sea.app("team-b")
  assert.partialDeepStrictEqual(ask(b, "join", "work"), { rights: ["read"] })
  b.says({ type: "trigger", id: "1", trigger: "x", pool: "work" })
  assert.partialDeepStrictEqual(b.answerTo("1"), {
    error_code: "FORBIDDEN",
    detail: { right: "execute", pool: "work" },
  })
  assert.partialDeepStrictEqual(ask(sea.app("team-a"), "join", "work"), {
    rights: ["read", "execute"],
  })
  assert.equal(ask(b, "set_rights", "work", { rights: {} }), "FORBIDDEN")
  ask(ada, "create", "free")
  assert.partialDeepStrictEqual(ask(b, "join", "free"), {
    rights: ["read", "write", "execute", "handle"],
  })
})

test("PL90 the same names in two pools never meet", () => {
  const sea = new Sea()
  const ada = sea.app("ada")
  ask(ada, "create", "other")
  ask(ada, "join", "other")
  const bob = sea.app("bob", { pools: ["other"], triggers: ["x"], topics: ["x"] })
  ada.says({ type: "trigger", id: "1", trigger: "x" })
  emit(ada, "x", 1, { flags: ["retain"] })
  assert.deepEqual(bob.heard, [])
  assert.equal(ada.answerTo("1")["error_code"], "NO_HANDLER")
  bob.says({ type: "subscribe", id: "s", pool: "other", topics: [">"] })
  assert.deepEqual(bob.all("emit"), [])
})

test("PL91 who leaves, or is removed, is no member at once", () => {
  const sea = new Sea()
  const ada = sea.app("ada")
  ask(ada, "create", "work")
  ask(ada, "join", "work")
  const bob = sea.app("bob", { pools: ["work"], triggers: ["x"], topics: ["t"] })
  assert.partialDeepStrictEqual(ask(ada, "members", "work"), {
    members: [{ app_id: "ada" }, { app_id: "bob", state: "live" }],
  })
  ask(ada, "set_rights", "work", { rights: { read: ["ada"] } })
  assert.partialDeepStrictEqual(bob.heard, [{ type: "pool", operation: "removed", pool: "work" }])
  bob.says({ type: "trigger", id: "1", trigger: "x", pool: "work" })
  assert.equal(bob.answerTo("1")["error_code"], "NOT_MEMBER")
  assert.equal(sea.service.kept.triggers, 0)
  ask(ada, "leave", "work")
  assert.equal(ask(ada, "leave", "work"), "NOT_MEMBER")
})

test("PL92 a pool in use goes by force only, and its calls fail then", () => {
  const sea = new Sea()
  const ada = sea.app("ada")
  ask(ada, "create", "work")
  ask(ada, "join", "work")
  const bob = sea.app("bob", { pools: ["work"], triggers: ["x"] })
  ada.says({ type: "trigger", id: "1", trigger: "x", pool: "work" })
  assert.equal(ask(ada, "destroy", "work"), "POOL_IN_USE")
  ask(ada, "destroy", "work", { force: true })
  assert.equal(ada.answerTo("1")["error_code"], "NO_POOL")
  assert.partialDeepStrictEqual(bob.all("pool"), [{ operation: "destroyed", pool: "work" }])
  assert.equal(ask(ada, "join", "work"), "NO_POOL")
})

test("PL93 a pool that an old handshake made goes when it stays empty", () => {
  const sea = new Sea()
  const old = sea.app("old", { protocol_version: "0.1.0", pools: ["made-up"] })
  const before = sea.service.kept.pools
  sea.pass(1_000)
  old.leaves()
  sea.pass(299_900)
  assert.equal(sea.service.kept.pools, before)
  sea.pass(200)
  assert.equal(sea.service.kept.pools, before - 1)
})

test("PL94 PL26 counts have limits, and the limit is named", () => {
  const limits = { triggersPerPool: 1, retainedPerPool: 1, poolsPerApp: 1, retainedBytes: 20 }
  const sea = new Sea({ limits: { ...limits, subscriptionsPerApp: 1, poolLimit: 3 } })
  const ada = sea.app("ada", { triggers: ["x"], topics: ["t"] })
  const limitOf = (id: string) => (ada.answerTo(id)["detail"] as { limit: string }).limit
  ada.says({ type: "register", id: "1", pool: "default", triggers: ["y"] })
  assert.equal(limitOf("1"), "triggersPerPool")
  ada.says({ type: "subscribe", id: "2", pool: "default", topics: ["u"] })
  assert.equal(limitOf("2"), "subscriptionsPerApp")
  emit(ada, "a", 1, { flags: ["retain"], id: "3" })
  emit(ada, "b", "", { flags: ["retain"], id: "4" })
  emit(ada, "b", 1, { flags: ["retain"], id: "5" })
  assert.equal(limitOf("5"), "retainedPerPool")
  emit(ada, "a", "x".repeat(50), { flags: ["retain"], id: "6" })
  assert.equal(ada.answerTo("6")["error_code"], "TOO_LARGE")
  ask(ada, "create", "one")
  assert.equal(ask(ada, "create", "two"), "LIMIT")
})

test("PL39 PL58 a trigger has one policy in a pool", () => {
  const sea = new Sea()
  sea.app("ada", { triggers: [{ name: "x", policy: "first" }] })
  const bob = sea.app("bob")
  bob.says({ type: "register", id: "1", pool: "default", triggers: ["y", "x"] })
  assert.partialDeepStrictEqual(bob.answerTo("1"), {
    ...{ error_code: "POLICY_CONFLICT", field: "/triggers/1" },
  })
  assert.equal(sea.service.kept.triggers, 1)
})
