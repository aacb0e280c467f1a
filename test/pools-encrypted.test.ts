/** Encrypted pools at the server: who comes in, what may be said, how keys come and go. */
import assert from "node:assert/strict"
import { join } from "node:path"
import { test } from "node:test"
import { Keyring } from "../src/client/keys.ts"
import { nodePrimitives } from "../src/client/keys-node.ts"
import { openStore } from "../src/store.ts"
import { encode64Url } from "../src/wire/base64.ts"
import { writerRights } from "../src/wire/trinity.ts"
import { found, guest, lent, Member, pool, ringOptions, writer } from "./encrypted-parts.ts"
import { temporaryDirectory } from "./harness.ts"
import { type Heard, Sea } from "./pools-parts.ts"
import { isRefused } from "./trinity-parts.ts"
import { fixed } from "./trinity-vectors.ts"

/** Nobody is pinged: who is silent for long stays. */
const calm = { heartbeatMs: 10 ** 9 }
const nonce = fixed.callNonce
const asked = { kind: "trigger", callNonce: nonce, name: "add" } as const
const answered = { kind: "response", callNonce: nonce, name: "add" } as const
const call = { type: "trigger", trigger: "add", pool, call_nonce: encode64Url(nonce) }

test("PL124 a proof opens the door as far as its key goes", async () => {
  const sea = new Sea({ limits: calm })
  const owner = await found(sea)
  assert.deepEqual((await owner.knock())["rights"], [
    ...["read", "write", "execute", "handle", "admin"],
  ])
  const eve = await guest(sea, owner, { appId: "eve", grade: "sigil" })
  const told = await eve.knock()
  assert.deepEqual([told["rights"], told["members"], told["epoch"]], [[], [], 1])
  assert.equal(eve.ask("members")["error"], "FORBIDDEN")
  eve.end.says({ type: "subscribe", id: "s", pool, topics: [">"] })
  assert.equal(eve.end.answerTo("s")["error_code"], "NOT_MEMBER")
  const proven = await eve.prove("sigil")
  assert.deepEqual(proven["rights"], ["read", "execute", "handle"])
  assert.equal((proven["members"] as unknown[]).length, 2)
  eve.end.says({ type: "emit", id: "e", pool, trigger: "x", flags: ["ack"] })
  assert.equal(eve.end.answerTo("e")["error_code"], "FORBIDDEN")
  eve.end.says({ ...call, id: "c", ...(await owner.sealed(asked, "taken from the line")) })
  assert.equal(eve.end.answerTo("c")["error_code"], "FORBIDDEN")
  eve.end.says({ type: "register", id: "r", pool, triggers: ["add"] })
  assert.equal(eve.end.answerTo("r")["error_code"], "FORBIDDEN")
  const ada = await writer(sea, owner, "ada")
  assert.deepEqual((await ada.knock())["rights"], ["read", "write", "execute", "handle"])
  assert.deepEqual(sea.faults, [])
})

test("PL124 a proof holds for its connection, nonce, app, pool, epoch and key alone, and once", async () => {
  const sea = new Sea({ limits: calm })
  const owner = await found(sea)
  const ada = await guest(sea, owner, { appId: "ada", grade: "shard" })
  const first = await ada.proof("shard", await ada.knock())
  assert.equal((await ada.knock())["error"], undefined)
  assert.equal(ada.ask("prove", first)["error"], "UNAUTHENTICATED", "an older nonce")
  assert.equal(ada.ask("prove", first)["error"], "UNAUTHENTICATED", "no nonce is left")
  for (const wrong of [
    { grade: 4 },
    { grade: 1 },
    { epoch: 2 },
    { signature: encode64Url(new Uint8Array(64)) },
    { binding: encode64Url(fixed.nonce) },
  ]) {
    assert.equal((await ada.prove("shard", wrong))["error"], "UNAUTHENTICATED")
  }
  const posing = new Member(ada.end, "owner", ada.ring)
  assert.equal((await posing.prove("shard"))["error"], "UNAUTHENTICATED", "another app's id")
  const other = new Member(sea.app("bob"), "bob", ada.ring)
  const theirs = await other.proof("shard", await other.knock())
  await ada.knock()
  assert.equal(ada.ask("prove", theirs)["error"], "UNAUTHENTICATED", "another connection")
  const strange = await Keyring.create(ringOptions(sea))
  const elsewhere = { ...(await lent(owner, "shard")), poolId: strange.keys.poolId }
  const wrongPool = await Keyring.from(elsewhere, ringOptions(sea))
  const pretending = await new Member(ada.end, "ada", wrongPool).proof("shard", await ada.knock())
  assert.equal(ada.ask("prove", pretending)["error"], "UNAUTHENTICATED", "another pool")
  const late = await ada.proof("shard", await ada.knock())
  sea.pass(30_000)
  assert.equal(ada.ask("prove", late)["error"], "UNAUTHENTICATED", "too late")
  const good = await ada.proof("shard", await ada.knock())
  assert.equal(ada.ask("prove", good)["error"], undefined)
  assert.equal(ada.ask("prove", good)["error"], "UNAUTHENTICATED", "once")
  assert.deepEqual(sea.faults, [])
})

test("PL124 a writer is proven by its certificate and its own key", async () => {
  const sea = new Sea({ limits: calm })
  const owner = await found(sea)
  const ada = await guest(sea, owner, { appId: "ada", grade: "shard" })
  const early = encode64Url(await owner.ring.certify({ writer: ada.ring.writerKey }))
  assert.equal((await ada.prove("writer", { certificate: early }))["error"], "FORBIDDEN")
  assert.equal((await ada.prove("shard"))["error"], undefined)
  assert.equal((await ada.prove("writer"))["error"], "BAD_MESSAGE")
  const anothers = encode64Url(await owner.ring.certify())
  assert.equal((await ada.prove("writer", { certificate: anothers }))["error"], "UNAUTHENTICATED")
  const mine = await owner.ring.certify({ writer: ada.ring.writerKey })
  const forged = Uint8Array.from(mine)
  forged[39] = writerRights.emit
  assert.equal(
    (await ada.prove("writer", { certificate: encode64Url(forged) }))["error"],
    "BAD_MESSAGE",
  )
  const long = await owner.ring.certify({
    ...{ writer: ada.ring.writerKey, notAfter: sea.now + 91 * 86_400_000 },
  })
  assert.equal(
    (await ada.prove("writer", { certificate: encode64Url(long) }))["error"],
    "BAD_MESSAGE",
  )
  const proven = await ada.prove("writer", { certificate: encode64Url(mine) })
  assert.deepEqual(proven["rights"], ["read", "write", "execute", "handle"])
  const told = owner.end.all("pool").filter(({ operation }) => operation === "certificate_added")
  assert.equal(told.length, 2)
})

test("PL125 calls, answers, chunks and emits pass sealed, and nothing else does", async () => {
  const sea = new Sea({ limits: calm })
  const owner = await found(sea)
  const [ada, bob] = [await writer(sea, owner, "ada"), await writer(sea, owner, "bob")]
  await bob.knock()
  await ada.knock()
  bob.end.says({ type: "register", id: "r", pool, triggers: ["add"] })
  assert.equal(bob.end.answerTo("r")["status"], "success")
  const refused = (fields: object, code: string) => {
    const id = `no-${sea.ids++}`
    ada.end.says({ ...call, id, ...fields })
    assert.equal(ada.end.answerTo(id)["error_code"], code, JSON.stringify(fields).slice(0, 200))
  }
  const good = await ada.sealed(asked, "1 + 1")
  refused({ payload: { x: 1 } }, "NOT_ENCRYPTED")
  refused({}, "NOT_ENCRYPTED")
  refused({ ...good, content_type: "text" }, "NOT_ENCRYPTED")
  refused({ ...good, call_nonce: undefined }, "NOT_ENCRYPTED")
  refused({ ...good, call_nonce: encode64Url(fixed.salt) }, "NOT_ENCRYPTED")
  refused({ ...good, trigger: "sub" }, "NOT_ENCRYPTED")
  refused(await ada.sealed(answered, "1 + 1"), "NOT_ENCRYPTED")
  refused(await bob.sealed(asked, "1 + 1"), "NOT_ENCRYPTED")
  refused(await owner.sealed(asked, "1 + 1"), "NOT_ENCRYPTED")
  assert.equal(bob.end.all("trigger").length, 0)

  ada.end.says({ ...call, id: "1", flags: ["stream"], ...good })
  const [got] = bob.end.all("trigger") as [Heard]
  assert.equal(await bob.opened(asked, got), "1 + 1")
  const chunk = { kind: "chunk-to-caller", callNonce: nonce, name: "add" } as const
  const piece = { type: "chunk", correlation_id: got["id"], to: "caller", seq: 0 }
  bob.end.says({ ...piece, ...(await bob.sealed(chunk, "so far")) })
  assert.equal(await ada.opened(chunk, ada.end.all("chunk")[0] ?? {}), "so far")
  const response = { type: "response", correlation_id: got["id"], status: "success" }
  const { payload: result, content_type } = await bob.sealed(answered, "2")
  bob.end.says({ ...response, result, content_type })
  assert.equal(await ada.opened(answered, ada.end.answerTo("1"), "result"), "2")

  ada.end.says({ type: "subscribe", id: "s", pool, topics: ["log.*"] })
  const emit = { type: "emit", pool, trigger: "log.web", flags: ["ack"] }
  bob.end.says({ ...emit, id: "e1", payload: "open" })
  assert.equal(bob.end.answerTo("e1")["error_code"], "NOT_ENCRYPTED")
  const about = { kind: "emit", callNonce: undefined, name: "log.web" } as const
  bob.end.says({ ...emit, id: "e2", ...(await bob.sealed(about, "hit")) })
  assert.deepEqual(bob.end.answerTo("e2")["result"], { reached: 1, lost: 0 })
  assert.equal(await ada.opened(about, ada.end.all("emit")[0] ?? {}), "hit")
  assert.deepEqual(sea.faults, [])
})

test("PL125 each changed bit of a sealed call stops at the server", async () => {
  const sea = new Sea({ limits: { ...calm, badMessageLimit: 10_000 } })
  const owner = await found(sea)
  const [ada, bob] = [await writer(sea, owner, "ada"), await writer(sea, owner, "bob")]
  bob.end.says({ type: "register", id: "r", pool, triggers: ["add"] })
  const envelope = await ada.ring.seal(asked, { type: 2, bytes: new Uint8Array(3) })
  const content_type = "bytes"
  for (let bit = 0; bit < envelope.length * 8; bit++) {
    const changed = Uint8Array.from(envelope)
    changed[bit >> 3] = (changed[bit >> 3] ?? 0) ^ (1 << (bit & 7))
    ada.end.says({ ...call, id: `b${bit}`, payload: encode64Url(changed), content_type })
    assert.equal(ada.end.answerTo(`b${bit}`)["error_code"], "NOT_ENCRYPTED", `bit ${bit}`)
  }
  assert.equal(bob.end.all("trigger").length, 0)
  assert.equal(sea.service.calls.inFlight, 0)
})

test("PL125 plain triggers are open both ways, for all who handle them or for none", async () => {
  const sea = new Sea({ limits: calm })
  const owner = await found(sea)
  const eve = await guest(sea, owner, { appId: "eve", grade: "sigil" })
  await eve.prove("sigil")
  eve.end.says({ type: "register", id: "r", pool, triggers: [{ name: "hello", plain: true }] })
  assert.equal(eve.end.answerTo("r")["status"], "success")
  owner.end.says({ type: "register", id: "r", pool, triggers: ["hello"] })
  assert.equal(owner.end.answerTo("r")["error_code"], "POLICY_CONFLICT")
  owner.end.says({ type: "trigger", id: "1", pool, trigger: "hello", payload: "you" })
  eve.end.answers(eve.end.all("trigger")[0] ?? {}, "hi")
  assert.partialDeepStrictEqual(owner.end.answerTo("1"), { status: "success", result: "hi" })
})

test("PL129 a new epoch is one signed record behind the last, and the old one ends after its grace", async () => {
  const sea = new Sea({ limits: calm })
  const owner = await found(sea)
  const ada = await writer(sea, owner, "ada")
  const eve = await writer(sea, owner, "eve")
  const member = await nodePrimitives.exchange(ada.ring.keys.memberSeed ?? nonce)
  const rotation = { members: [{ key: member.publicKey, grade: "shard" }] } as const
  const { record } = await owner.ring.rotate(rotation)
  const second = await owner.ring.rotate(rotation)
  const changed = Uint8Array.from(record)
  changed[90] = (changed[90] ?? 0) ^ 1
  assert.equal(ada.ask("add_epoch", { record: encode64Url(changed) })["error"], "BAD_MESSAGE")
  assert.equal(owner.ask("add_epoch", { record: encode64Url(record) })["epoch"], 2)
  assert.equal(owner.ask("add_epoch", { record: encode64Url(record) })["epoch"], 2)
  const late = owner.ask("add_epoch", { record: encode64Url(second.record) })
  assert.equal(late["error"], "STALE_EPOCH")
  const told = ada.end.all("pool").find(({ operation }) => operation === "epoch_added")
  assert.equal(told?.["record"], encode64Url(record))
  await owner.ring.take(record)
  await ada.ring.take(record)
  assert.equal(await eve.ring.take(record), "left-out")

  // Within the grace all goes on in the old epoch.
  const emit = { kind: "emit", callNonce: undefined, name: "x" } as const
  const says = async (by: Member) => {
    const id = `emit-${sea.ids++}`
    const message = { type: "emit", id, pool, trigger: "x", flags: ["ack"] }
    by.end.says({ ...message, ...(await by.sealed(emit, "?")) })
    return by.end.answerTo(id)["error_code"]
  }
  assert.equal(await says(eve), undefined)
  assert.equal((await owner.prove("seal"))["epoch"], 2)
  const certificate = await owner.ring.certify({ writer: ada.ring.writerKey })
  const early = await ada.prove("writer", { certificate: encode64Url(certificate) })
  assert.equal(early["error"], "FORBIDDEN", "no key of this epoch is proven")
  await ada.prove("shard")
  // Its writer key is that of the epoch before, until that is over.
  assert.equal(await says(ada), "NOT_ENCRYPTED")
  assert.deepEqual((await ada.knock())["rights"], ["read", "write", "execute", "handle"])
  await ada.prove("writer", { certificate: encode64Url(certificate) })
  sea.pass(59_000)
  assert.equal(await says(eve), undefined)
  assert.equal(await says(ada), undefined)
  sea.pass(1_100)
  assert.equal(await says(eve), "NOT_MEMBER")
  assert.partialDeepStrictEqual(eve.end.all("pool").at(-1), { operation: "removed", pool })
  assert.equal(await says(ada), undefined)
  assert.equal((await eve.prove("shard"))["error"], "STALE_EPOCH")
  // The newest key with an envelope of the old one.
  const old = await Keyring.from(await lent(owner, "seal"), ringOptions(sea))
  assert.equal(old.epoch, 2)
  eve.end.says({ type: "emit", id: "s", pool, trigger: "x", flags: ["ack"] })
  assert.equal(eve.end.answerTo("s")["error_code"], "NOT_MEMBER")
})

test("PL125 PL129 an envelope of an epoch that is over is STALE_EPOCH, and records are handed out in pages", async () => {
  const sea = new Sea({ limits: { ...calm, recordsBytes: 600 } })
  const owner = await found(sea)
  const emit = { kind: "emit", callNonce: undefined, name: "x" } as const
  const old = await owner.sealed(emit, "old")
  for (let epoch = 2; epoch <= 5; epoch++) {
    const { record } = await owner.ring.rotate()
    assert.equal(owner.ask("add_epoch", { record: encode64Url(record) })["epoch"], epoch)
    await owner.ring.take(record)
  }
  await owner.prove("seal")
  sea.pass(60_100)
  owner.end.says({ type: "emit", id: "o", pool, trigger: "x", flags: ["ack"], ...old })
  assert.partialDeepStrictEqual(owner.end.answerTo("o"), {
    ...{ error_code: "STALE_EPOCH", detail: { epoch: 5 } },
  })
  const seen: unknown[] = []
  for (let after = 0; ; ) {
    const { records, more } = owner.ask("epochs", { after }) as Heard & { records: unknown[] }
    assert.ok(records.length <= 2)
    seen.push(...records)
    after += records.length
    if (more !== true) break
  }
  assert.equal(new Set(seen).size, 5)
})

test("PL130 a revoked writer is refused at once, and stays revoked", async () => {
  const sea = new Sea({ limits: calm })
  const owner = await found(sea)
  const [ada, bob] = [await writer(sea, owner, "ada"), await writer(sea, owner, "bob")]
  await bob.knock()
  const again = await owner.ring.certify({
    ...{ writer: ada.ring.writerKey, notAfter: sea.now + 3_600_000 },
  })
  const revocation = await owner.ring.revoke(ada.ring.writerKey)
  const forged = Uint8Array.from(revocation)
  forged[43] = (forged[43] ?? 0) ^ 1
  assert.equal(bob.ask("revoke", { bytes: encode64Url(forged) })["error"], "BAD_MESSAGE")
  assert.equal(bob.ask("revoke", { bytes: encode64Url(revocation) })["error"], undefined)
  const told = bob.end.all("pool").at(-1)
  const writerKey = encode64Url(ada.ring.writerKey)
  assert.partialDeepStrictEqual(told, { operation: "revoked", writer: writerKey, epoch: 1 })
  const message = { type: "emit", id: "e", pool, trigger: "x", flags: ["ack"] }
  const emit = { kind: "emit", callNonce: undefined, name: "x" } as const
  const sealed = await ada.sealed(emit, "?")
  ada.end.says({ ...message, ...sealed })
  assert.equal(ada.end.answerTo("e")["error_code"], "FORBIDDEN")
  assert.equal(owner.ask("add_certificate", { bytes: encode64Url(again) })["error"], "FORBIDDEN")
  assert.equal(
    (await ada.prove("writer", { certificate: encode64Url(again) }))["error"],
    "FORBIDDEN",
  )
  // Whoever may send for any writer cannot send for this one.
  owner.end.says({ ...message, id: "f", ...sealed })
  assert.equal(owner.end.answerTo("f")["error_code"], "NOT_ENCRYPTED")
  bob.ring.revoked(ada.ring.writerKey, 1)
  const envelope = await ada.ring.seal(emit, { type: 2, bytes: nonce })
  assert.ok(await isRefused(bob.ring.open(emit, envelope)))
})

test("PL130 who is revoked in a new epoch may not go on in the one before it, which is still accepted", async () => {
  const sea = new Sea({ limits: calm })
  const owner = await found(sea)
  const [ada, bob] = [await writer(sea, owner, "ada"), await writer(sea, owner, "bob")]
  const { record } = await owner.ring.rotate()
  owner.ask("add_epoch", { record: encode64Url(record) })
  await owner.ring.take(record)
  await owner.prove("seal")
  const emit = { kind: "emit", callNonce: undefined, name: "x" } as const
  const says = async (by: Member, id: string) => {
    const message = { type: "emit", id, pool, trigger: "x", flags: ["ack"] }
    by.end.says({ ...message, ...(await by.sealed(emit, "?")) })
    return by.end.answerTo(id)["error_code"]
  }
  assert.equal(await says(ada, "before"), undefined)
  const revocation = await owner.ring.revoke(ada.ring.writerKey)
  assert.equal(owner.ask("revoke", { bytes: encode64Url(revocation) })["error"], undefined)
  assert.equal(await says(ada, "after"), "FORBIDDEN")
  assert.equal(await says(bob, "other"), undefined)
  const told = bob.end.all("pool").filter(({ operation }) => operation === "revoked")
  assert.deepEqual(told.map(({ epoch }) => epoch).toSorted(), [1, 2])
})

test("PL131 what becomes of keys is told to admins alone, without secrets, and counted", async () => {
  const sea = new Sea({ limits: calm })
  const owner = await found(sea)
  const hear = (member: { says(message: object): void }) =>
    member.says({ type: "subscribe", id: "sys", pool: "system", topics: ["$sys.security.>"] })
  const bob = sea.app("bob", { pools: ["system"] })
  owner.end.says({ type: "pool", id: "sj", operation: "join", pool: "system" })
  hear(owner.end)
  hear(bob)
  const ada = await writer(sea, owner, "ada")
  await ada.prove("shard", { epoch: 9 })
  const { record } = await owner.ring.rotate()
  owner.ask("add_epoch", { record: encode64Url(record) })
  const revocation = await owner.ring.revoke(ada.ring.writerKey)
  owner.ask("revoke", { bytes: encode64Url(revocation) })
  sea.leap(86_400_000 + 120_000)
  const events = owner.end.all("emit").map(({ trigger }) => trigger)
  assert.deepEqual(events, [
    ...["certificate-added", "proof-refused", "epoch-added", "revoked", "expired"].map(
      (each) => `$sys.security.${each}`,
    ),
  ])
  assert.equal(bob.all("emit").length, 0)
  const told = JSON.stringify(owner.end.all("emit"))
  assert.ok(!told.includes(encode64Url(owner.ring.keys.secret)))
  const figures = await sea.metrics.text()
  assert.match(figures, /quartet_pools_security_total\{event="epoch-added"\} 1/)
  assert.match(figures, /quartet_pools_security_total\{event="proof-refused"\} 1/)
})

test("PL123 PL136 records, certificates and revocations are there again after a kill", async (t) => {
  const uri = join(temporaryDirectory(t), "pools.db")
  const sea = new Sea({ store: openStore({ uri }), limits: calm })
  const owner = await found(sea)
  const [ada, eve] = [await writer(sea, owner, "ada"), await writer(sea, owner, "eve")]
  const revoked = await owner.ring.revoke(eve.ring.writerKey)
  owner.ask("revoke", { bytes: encode64Url(revoked) })
  const { record } = await owner.ring.rotate()
  owner.ask("add_epoch", { record: encode64Url(record) })
  await owner.ring.take(record)
  sea.store.close()
  const again = new Sea({ store: openStore({ uri }), now: sea.now + 10_000, limits: calm })
  const back = new Member(again.app("owner"), "owner", owner.ring)
  const told = await back.knock()
  assert.equal(told["epoch"], 2)
  assert.equal((told["certificates"] as unknown[]).length, 2)
  assert.deepEqual(told["revoked"], [{ writer: encode64Url(eve.ring.writerKey), epoch: 1 }])
  assert.equal((await back.prove("seal"))["error"], undefined)
  // Within its grace the epoch before is still proven.
  const old = new Member(again.app("ada"), "ada", ada.ring)
  assert.equal(old.ask("prove", await old.proof("shard", old.ask("join")))["error"], undefined)
  again.pass(60_100)
  assert.equal(old.ask("prove", await old.proof("shard", old.ask("join")))["error"], "STALE_EPOCH")
  assert.equal(back.ask("destroy", { force: true })["error"], undefined)
  const rows = again.store.prepare(
    "SELECT pool FROM pools_epoch UNION ALL SELECT pool FROM pools_certificate",
  )
  assert.deepEqual(rows.all(), [])
  again.store.close()
})

test("PL124 an encrypted pool is made with its root's first record, and entered by no handshake", async () => {
  const sea = new Sea({ limits: calm })
  const { record, keys } = await Keyring.create(ringOptions(sea))
  const ada = new Member(sea.app("ada"), "ada", await Keyring.from(keys, ringOptions(sea)))
  const root_key = encode64Url(keys.rootKey)
  const good = { encrypted: true, root_key, record: encode64Url(record) }
  const other = await Keyring.create(ringOptions(sea))
  for (const wrong of [
    { record: undefined },
    { root_key: undefined },
    { root_key: encode64Url(other.keys.rootKey) },
    { record: encode64Url(record.slice(1)) },
    { root_key: "AAAA" },
  ]) {
    assert.equal(ada.ask("create", { ...good, ...wrong })["error"], "BAD_MESSAGE")
  }
  const told = ada.ask("create", good)
  assert.partialDeepStrictEqual(told, {
    encrypted: true,
    epoch: 1,
    pool_id: encode64Url(keys.poolId),
  })
  ada.end.says({ type: "pool", id: "2", operation: "create", pool: "copy", ...good })
  assert.equal(ada.end.answerTo("2")["error_code"], "POOL_EXISTS")
  assert.throws(
    () => sea.app("bob", { pools: [pool] }),
    /FORBIDDEN.*is encrypted|is encrypted.*FORBIDDEN/,
  )
  assert.equal(sea.service.size, 1, "it is refused before anything of it is there")
  assert.equal(ada.ask("join")["epoch"], 1)
  ada.end.says({ type: "pool", id: "3", operation: "epochs", pool: "default" })
  assert.equal(ada.end.answerTo("3")["error_code"], "BAD_MESSAGE")
})

test("PL144 certificates of one pool have a limit, and room again when they expire", async () => {
  const sea = new Sea({ limits: { ...calm, certificatesPerPool: 2 } })
  const owner = await found(sea)
  const add = async () => {
    const { publicKey: writer } = await nodePrimitives.signer(nodePrimitives.random(32))
    const certificate = await owner.ring.certify({ writer, notAfter: sea.now + 1_000 })
    return owner.ask("add_certificate", { bytes: encode64Url(certificate) })
  }
  assert.equal((await add())["error"], undefined)
  assert.partialDeepStrictEqual(await add(), {
    ...{ error: "LIMIT", sentence: "certificatesPerPool, 2, is reached" },
  })
  sea.pass(61_100)
  assert.equal((await add())["error"], undefined)
})

test("PL125 where the server leaves signatures to the readers, they refuse what is forged", async () => {
  const sea = new Sea({ limits: { ...calm, verifyWrites: false } })
  const owner = await found(sea)
  const [ada, bob] = [await writer(sea, owner, "ada"), await writer(sea, owner, "bob")]
  await bob.knock()
  bob.end.says({ type: "register", id: "r", pool, triggers: ["add"] })
  const envelope = await ada.ring.seal(asked, { type: 2, bytes: new Uint8Array(3) })
  envelope[120] = (envelope[120] ?? 0) ^ 1
  const payload = encode64Url(envelope)
  ada.end.says({ ...call, id: "1", payload, content_type: "bytes" })
  assert.equal(bob.end.all("trigger").length, 1)
  assert.ok(await isRefused(bob.ring.open(asked, envelope)))
})
