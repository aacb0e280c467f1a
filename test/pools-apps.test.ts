/** Apps: who an id belongs to, how it is claimed, and what is remembered of it. */
import assert from "node:assert/strict"
import { generateKeyPairSync, type KeyObject, sign } from "node:crypto"
import { test } from "node:test"
import type { Ask } from "../src/pools/pools.ts"
import { type Arrival, type End, Sea } from "./pools-parts.ts"

function keyPair() {
  const { publicKey, privateKey } = generateKeyPairSync("ed25519")
  return { public_key: String(publicKey.export({ format: "jwk" }).x), privateKey }
}

function hello(end: End, app_id: string, fields: object = {}): void {
  end.says({ type: "handshake", id: "h", app_id, protocol_version: "1.0", ...fields })
}

/** What proves a key for this challenge. */
function signed(end: End, app_id: string, key: KeyObject): string {
  const challenge = end.all("challenge").at(-1) ?? assert.fail("no challenge")
  const length = Buffer.alloc(2)
  length.writeUInt16BE(app_id.length)
  const message = Buffer.concat([
    Buffer.from("quartet-app/v1\0"),
    Buffer.from(String(challenge["nonce"]), "base64url"),
    Buffer.from(String(challenge["session_id"]), "base64url"),
    length,
    Buffer.from(app_id),
  ])
  return sign(null, message, key).toString("base64url")
}

/** An app that has proved its key. */
function proven(sea: Sea, app_id: string, pair = keyPair(), arrival: Arrival = {}): End {
  const end = sea.come(arrival)
  hello(end, app_id, { public_key: pair.public_key })
  end.says({ type: "auth", signature: signed(end, app_id, pair.privateKey) })
  assert.equal(end.all("handshake_ack").length, 1)
  return end
}

const refusal = (end: End) => end.all("error").at(-1)?.["error_code"]

test("PL18 settles the highest version both know, and refuses where there is none", () => {
  const sea = new Sea()
  const version = (protocol_version?: string, min_protocol_version?: string) => {
    const end = sea.come()
    const app_id = `v${sea.ids}`
    end.says({ type: "handshake", id: "h", app_id, protocol_version, min_protocol_version })
    const [ack] = end.all("handshake_ack")
    if (ack === undefined) assert.equal(end.isOpen, false)
    return ack === undefined ? refusal(end) : (ack["protocol_version"] ?? "0.1")
  }
  assert.equal(version(), "0.1")
  assert.equal(version("0.1.0"), "0.1")
  assert.equal(version("1.0"), "1.0")
  assert.equal(version("1.7"), "1.0")
  assert.equal(version("2.3", "1.0"), "1.0")
  assert.equal(version("2.0"), "UNSUPPORTED_VERSION")
})

test("PL19 nothing but the handshake, a proof and a ping is heard before it", () => {
  const sea = new Sea()
  const end = sea.come()
  end.says({ type: "trigger", id: "1", trigger: "x" })
  end.says({ type: "emit", trigger: "x" })
  end.says({ type: "ping", id: "p" })
  assert.partialDeepStrictEqual(end.heard, [
    { correlation_id: "1", error_code: "NOT_READY" },
    { correlation_id: null, error_code: "NOT_READY" },
    { type: "pong", id: "p" },
  ])
})

test("PL27 a handshake is refused whole: nothing of it stays", () => {
  const sea = new Sea()
  sea.app("owner").says({ type: "pool", id: "1", operation: "create", pool: "vip", rights: {} })
  const end = sea.come()
  hello(end, "eve", { pools: ["default", "vip"], triggers: ["work"] })
  assert.equal(refusal(end), "FORBIDDEN")
  hello(end, "eve", { pools: ["default", "nowhere"], triggers: ["work"] })
  assert.equal(refusal(end), "NO_POOL")
  assert.equal(sea.service.kept.triggers, 0)
  hello(end, "eve", { triggers: ["work"] })
  assert.partialDeepStrictEqual(end.all("handshake_ack"), [
    { assigned: { app_id: "eve", pools: ["default"], triggers: ["work"], rehydrated: false } },
  ])
})

test("PL28 the server says whose a call is, whatever its caller wrote", () => {
  const sea = new Sea()
  const bob = sea.app("bob", { triggers: ["work"], topics: ["t"] })
  const eve = sea.app("eve")
  eve.says({ type: "trigger", id: "1", trigger: "work", origin: "ada" })
  eve.says({ type: "emit", trigger: "t", origin: "ada" })
  assert.deepEqual(
    bob.heard.map(({ origin }) => origin),
    ["eve", "eve"],
  )
})

test("PL29 PL32 an id that was shown with a key is claimed by that key alone", () => {
  const sea = new Sea()
  const pair = keyPair()
  proven(sea, "ada", pair).leaves()
  for (const other of [undefined, keyPair().public_key]) {
    const eve = sea.come()
    hello(eve, "ada", other === undefined ? {} : { public_key: other })
    const key = keyPair().privateKey
    eve.says({ type: "auth", signature: signed(eve, "ada", key) })
    assert.equal(refusal(eve), "UNAUTHENTICATED")
    assert.equal(eve.isOpen, false)
  }
  // Its own key, without the key in the handshake: the server knows it.
  const ada = sea.come()
  hello(ada, "ada")
  ada.says({ type: "auth", signature: signed(ada, "ada", pair.privateKey) })
  assert.equal(ada.all("handshake_ack").length, 1)
})

test("PL29 a signature is good once, for a while, on its own connection", () => {
  const sea = new Sea()
  const pair = keyPair()
  const shown = { public_key: pair.public_key }
  const first = sea.come()
  hello(first, "ada", shown)
  const signature = signed(first, "ada", pair.privateKey)
  const second = sea.come()
  hello(second, "ada", shown)
  second.says({ type: "auth", signature })
  assert.equal(refusal(second), "UNAUTHENTICATED")
  const slow = new Sea({ limits: { handshakeLimitMs: 60_000 } })
  const third = slow.come()
  hello(third, "ada", shown)
  slow.pass(30_000)
  third.says({ type: "auth", signature: signed(third, "ada", pair.privateKey) })
  assert.equal(refusal(third), "UNAUTHENTICATED")
})

const ask: Ask = (token, answer) => {
  const [subject = "", pools, rights] = token.split("/")
  const identity = {
    role: "viewer" as const,
    ...{ subject, places: undefined, since: undefined, until: 2e12 },
    pools: pools ? pools.split(",") : undefined,
    rights: rights ? rights.split(",") : undefined,
  } as const
  answer(identity)
}

test("PL30 a token is good for its own id, and takes from what its app may do", () => {
  const sea = new Sea({ ask })
  const eve = sea.come()
  hello(eve, "ada", { token: "eve" })
  assert.equal(refusal(eve), "UNAUTHENTICATED")
  const ada = sea.app("ada", { token: "ada/default/read,execute" })
  assert.partialDeepStrictEqual(ada.ack, { rights: { default: ["read", "execute"] } })
  ada.says({ type: "emit", id: "1", trigger: "t" })
  assert.partialDeepStrictEqual(ada.answerTo("1"), {
    error_code: "FORBIDDEN",
    detail: { right: "write" },
  })
  ada.leaves()
  const bare = sea.come()
  hello(bare, "ada")
  assert.equal(refusal(bare), "UNAUTHENTICATED")
})

test("PL31 PL32 where proofs are asked for, a name alone and a new key alone are not enough", () => {
  const sea = new Sea({ ask })
  const required = { auth: "required" } as const
  const bare = sea.come(required)
  hello(bare, "ada")
  assert.equal(refusal(bare), "UNAUTHENTICATED")
  const pair = keyPair()
  const keyed = sea.come(required)
  hello(keyed, "ada", { public_key: pair.public_key })
  keyed.says({ type: "auth", signature: signed(keyed, "ada", pair.privateKey) })
  assert.equal(refusal(keyed), "UNAUTHENTICATED")
  const both = sea.come(required)
  hello(both, "ada", { public_key: pair.public_key, token: "ada" })
  both.says({ type: "auth", signature: signed(both, "ada", pair.privateKey) })
  assert.equal(both.all("handshake_ack").length, 1)
  both.leaves()
  proven(sea, "ada", pair, required)
})

test("PL33 a live id is taken only when its holder does not answer", () => {
  const sea = new Sea()
  const ada = sea.app("ada", { triggers: ["work"] })
  const eve = sea.come()
  hello(eve, "ada")
  assert.partialDeepStrictEqual(ada.heard, [{ type: "ping" }])
  assert.deepEqual(eve.heard, [])
  ada.says({ type: "pong", id: ada.heard[0]?.["id"] })
  assert.equal(refusal(eve), "APP_ID_TAKEN")
  hello(eve, "ada")
  sea.pass(1_900)
  assert.equal(eve.all("handshake_ack").length, 0)
  sea.pass(200)
  assert.equal(eve.all("handshake_ack").length, 1)
  assert.equal(ada.isOpen, false)
})

test("PL33 an app of 0.1 cannot be asked: it is live while its socket is", () => {
  const sea = new Sea()
  const old = sea.app("old", { protocol_version: "0.1.0" })
  const eve = sea.come()
  hello(eve, "old")
  assert.equal(refusal(eve), "APP_ID_TAKEN")
  assert.ok(old.isOpen)
  old.leaves()
  hello(eve, "old")
  assert.equal(eve.all("handshake_ack").length, 1)
})

test("PL34 its proof takes a live id over at once, and the old session has no effect any more", () => {
  const sea = new Sea()
  const pair = keyPair()
  const before = proven(sea, "bob", pair)
  before.says({ type: "register", id: "r", pool: "default", triggers: ["work"] })
  const ada = sea.app("ada")
  ada.says({ type: "trigger", id: "1", trigger: "work" })
  const [call] = before.all("trigger")
  const after = proven(sea, "bob", pair)
  assert.partialDeepStrictEqual(before.all("error"), [{ error_code: "REPLACED", close: "stay" }])
  assert.partialDeepStrictEqual(ada.answerTo("1"), { error_code: "HANDLER_LOST" })
  assert.partialDeepStrictEqual(after.all("handshake_ack"), [{ session: { generation: 2 } }])
  // Its socket has not heard yet, and speaks on.
  before.isOpen = true
  before.answers(call ?? {}, "late")
  before.says({ type: "emit", trigger: "t", id: "e", flags: ["ack"] })
  assert.equal(before.all("response").length, 1)
  assert.equal(ada.heard.length, 1)
})

test("PL34 the secret of a session takes its id over, another one does not", () => {
  const sea = new Sea()
  const ada = sea.app("ada")
  const { resume } = ada.ack["session"] as { resume: string }
  const eve = sea.come()
  hello(eve, "ada", { resume: "guess" })
  assert.equal(eve.all("handshake_ack").length, 0)
  const again = sea.come()
  hello(again, "ada", { resume })
  assert.equal(again.all("handshake_ack").length, 1)
  assert.equal(ada.isOpen, false)
})

test("PL35 several connections may share an id when all ask for it", () => {
  const sea = new Sea()
  const many = { instances: true, triggers: ["work"] }
  const one = sea.app("resize", many)
  const two = sea.app("resize", many)
  const ada = sea.app("ada")
  assert.partialDeepStrictEqual(two.ack, { assigned: { app_id: "resize#2" } })
  ada.says({ type: "trigger", id: "1", trigger: "work", destination: "resize#2" })
  assert.equal(two.all("trigger").length, 1)
  for (const id of ["2", "3"])
    ada.says({ type: "trigger", id, trigger: "work", destination: "resize" })
  assert.equal(one.all("trigger").length + two.all("trigger").length, 3)
  assert.ok(one.all("trigger").length > 0)
  const alone = sea.come()
  hello(alone, "resize")
  assert.equal(alone.all("handshake_ack").length, 0)
})

test("PL36 PL37 gives an app back what it had registered, or replaces it", () => {
  const sea = new Sea()
  const metadata = { kind: "worker" }
  sea
    .app("bob", { triggers: [{ name: "work", concurrency: 3 }], topics: ["log.*"], metadata })
    .leaves()
  const back = sea.app("bob", { rehydrate: true })
  assert.partialDeepStrictEqual(back.ack, { assigned: { triggers: ["work"], rehydrated: true } })
  const ada = sea.app("ada")
  ada.says({ type: "trigger", id: "1", trigger: "work" })
  ada.says({ type: "emit", trigger: "log.web" })
  assert.deepEqual(
    back.heard.map(({ type }) => type),
    ["trigger", "emit"],
  )
  back.leaves()
  sea.app("bob", { triggers: [] }).leaves()
  const bare = sea.app("bob", { rehydrate: true })
  assert.partialDeepStrictEqual(bare.ack, { assigned: { triggers: [] } })
})

test("PL38 PL39 PL40 registrations come, go and are told, and end with their connection", () => {
  const sea = new Sea()
  const eve = sea.app("eve", { pools: ["default", "system"], topics: ["$sys.>"] })
  const bob = sea.app("bob")
  const offer = { name: "work", policy: "first", version: "2", input: { type: "object" } }
  bob.says({ type: "register", id: "r", pool: "default", triggers: [offer] })
  eve.says({ type: "admin", id: "l", operation: "list_triggers" })
  assert.partialDeepStrictEqual(eve.answerTo("l")["result"], {
    triggers: [{ trigger: "work", policy: "first", handlers: [{ app: "bob", version: "2" }] }],
  })
  bob.says({ type: "unregister", id: "u", pool: "default", triggers: ["work"] })
  bob.says({ type: "register", id: "s", pool: "default", triggers: ["work"] })
  bob.leaves()
  assert.deepEqual(
    eve.all("emit").map(({ trigger }) => trigger),
    [
      ...["$sys.app.live", "$sys.member.joined", "$sys.app.live"],
      ...["$sys.trigger.added", "$sys.trigger.removed"],
      ...["$sys.trigger.added", "$sys.member.left", "$sys.app.away"],
    ],
  )
  assert.equal(sea.service.kept.triggers, 0)
})

test("PL41 asks who is silent, and closes who does not answer twice", () => {
  const sea = new Sea()
  const ada = sea.app("ada")
  const bob = sea.app("bob")
  const old = sea.app("old", { protocol_version: "0.1.0" })
  sea.pass(15_000)
  assert.equal(ada.all("ping").length, 1)
  for (let round = 0; round < 6; round++) {
    ada.says({ type: "pong", id: "alive" })
    sea.pass(15_000)
  }
  assert.ok(ada.isOpen)
  assert.equal(bob.isOpen, false)
  assert.ok(old.isOpen)
  assert.deepEqual(old.heard, [])
})

test("PL42 forgets who is bound to nothing and stays away", () => {
  const sea = new Sea()
  sea.app("ada").leaves()
  proven(sea, "bob").leaves()
  const known = () => {
    const admin = sea.app("root", {}, { admin: "all" })
    admin.says({ type: "admin", id: "a", operation: "list_apps" })
    const { apps } = admin.answerTo("a")["result"] as { apps: { app_id: string }[] }
    admin.leaves()
    return apps.map(({ app_id }) => app_id).sort()
  }
  assert.deepEqual(known(), ["ada", "bob", "root"])
  sea.leap(7 * 86_400_000 + 120_000)
  assert.deepEqual(known(), ["bob", "root"])
})

test("PL9 PL8 closes who shakes no hands in time, and has room for so many of them", () => {
  const sea = new Sea({ limits: { unshakenLimit: 2 } })
  const slow = sea.come()
  sea.come()
  assert.throws(() => sea.come(), { code: "too-many" })
  sea.pass(10_000)
  assert.equal(slow.isOpen, false)
  assert.equal(refusal(slow), "LIMIT")
  sea.come()
})

test("PL10 tells whoever asks too much when to ask again", () => {
  const sea = new Sea({ limits: { remoteMessagesPerSecond: 2 } })
  const ada = sea.app("ada", {}, { place: "remote" })
  for (const id of ["1", "2", "3"]) ada.says({ type: "trigger", id, trigger: "x" })
  assert.partialDeepStrictEqual(ada.answerTo("3"), { error_code: "BUSY", retry_after_ms: 500 })
  sea.pass(500)
  ada.says({ type: "trigger", id: "4", trigger: "x" })
  assert.partialDeepStrictEqual(ada.answerTo("4"), { error_code: "NO_HANDLER" })
})

test("PL16 closes whoever sends nothing that can be read", () => {
  const sea = new Sea({ limits: { badMessageLimit: 3 } })
  const ada = sea.app("ada")
  ada.utters("{")
  ada.utters("{")
  ada.says({ type: "ping", id: "p" })
  ada.utters("{")
  ada.utters("{")
  assert.ok(ada.isOpen)
  ada.utters("{")
  assert.equal(ada.isOpen, false)
  const bob = sea.app("bob")
  bob.utters(Uint8Array.of(7))
  assert.partialDeepStrictEqual(bob.heard, [{ error_code: "BAD_FRAME", close: "stay" }])
})

test("PL27 PL29 a proof that was good does not have to be given up for a wrong pool", () => {
  const sea = new Sea()
  const pair = keyPair()
  const ada = sea.come()
  hello(ada, "ada", { public_key: pair.public_key, pools: ["nowhere"] })
  ada.says({ type: "auth", signature: signed(ada, "ada", pair.privateKey) })
  assert.equal(ada.all("error").at(-1)?.["error_code"], "NO_POOL")
  assert.ok(ada.isOpen)
  // Nothing stays of it, the binding neither.
  sea.app("ada").leaves()
  ada.says({ type: "auth", signature: signed(ada, "ada", pair.privateKey) })
  assert.equal(refusal(ada), "NOT_READY")
})

test("PL36 an app comes back though one of its pools is gone", () => {
  const sea = new Sea()
  const owner = sea.app("owner")
  owner.says({ type: "pool", id: "c", operation: "create", pool: "short" })
  sea.app("bob", { pools: ["default", "short"], triggers: ["work"] }).leaves()
  owner.says({ type: "pool", id: "d", operation: "destroy", pool: "short" })
  const back = sea.app("bob", { rehydrate: true })
  assert.partialDeepStrictEqual(back.ack, { assigned: { pools: ["default"], triggers: ["work"] } })
})
