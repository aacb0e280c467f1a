/** Encrypted pools at their ends: keys, proofs, envelopes, and all that a reader refuses. */
import assert from "node:assert/strict"
import { readFileSync } from "node:fs"
import { join } from "node:path"
import { test } from "node:test"
import { Keyring, type PoolKeys } from "../src/client/keys.ts"
import type { Primitives } from "../src/client/keys-crypto.ts"
import { epochKeys } from "../src/client/keys-epoch.ts"
import { nodePrimitives } from "../src/client/keys-node.ts"
import { windowCounters } from "../src/client/keys-replays.ts"
import { Sealer } from "../src/client/keys-seal.ts"
import { Refusal } from "../src/wire/pools-errors.ts"
import { isSame, readCertificate, writerRights } from "../src/wire/trinity.ts"
import { type MessageOf, readEnvelope } from "../src/wire/trinity-envelope.ts"
import { bytesOf, committed, fromHex, isRefused, sha, text, ways } from "./trinity-parts.ts"
import { fixed, vectors } from "./trinity-vectors.ts"

const now = () => 1_700_000_000_000
const call = { kind: "trigger", callNonce: fixed.callNonce, name: "add" } as const
const words = { type: 2, bytes: bytesOf("a secret") }

/** An owner, and a reader who got the CipherShard from it; both know the owner's certificate. */
async function pair(
  options: { readonly now?: () => number; readonly primitives?: Primitives } = {},
) {
  const shared = { primitives: nodePrimitives, now, ...options }
  const { record, keys } = await Keyring.create(shared)
  const owner = await Keyring.from(keys, shared)
  await owner.take(record)
  const reader = await Keyring.from(await lent(keys), shared)
  await reader.take(record)
  const certificate = await owner.certify()
  await owner.addCertificate(certificate)
  await reader.addCertificate(certificate)
  return { owner, reader, record, keys, certificate }
}

/** What an owner gives to whoever may read and write but certify nobody. */
async function lent(keys: PoolKeys): Promise<PoolKeys> {
  const { poolId, rootKey, epoch } = keys
  const { shard } = await epochKeys(nodePrimitives, poolId, keys)
  if (shard === undefined) throw new Error("the owner has no CipherShard")
  const memberSeed = nodePrimitives.random(32)
  const writerSeed = nodePrimitives.random(32)
  return { poolId, rootKey, epoch, grade: "shard", secret: shard, memberSeed, writerSeed }
}

for (const [name, primitives] of ways) {
  test(`PL122 ${name} gives the committed vectors byte for byte`, async () => {
    assert.deepEqual(await vectors(primitives), committed)
  })

  test(`PL122 ${name} opens what the vectors sealed, and goes back an epoch`, async () => {
    const record = fromHex(committed.recordOne)
    const keys: PoolKeys = {
      ...{ poolId: fixed.poolId, epoch: 1, grade: "shard", secret: fromHex(committed.shard) },
      rootKey: (await primitives.signer(fixed.rootSeed)).publicKey,
      writerSeed: fixed.salt,
      memberSeed: fixed.memberSeed,
    }
    const ring = await Keyring.from({ ...keys, writerSeed: fixed.writerSeed }, { primitives, now })
    await ring.take(record)
    await ring.addCertificate(fromHex(committed.certificate))
    const uuid = fixed.block
    const opened = await ring.openBlock({ uuid }, fromHex(committed.blockEnvelope))
    assert.equal(text(opened.bytes), fixed.plain)
    assert.equal(await ring.take(fromHex(committed.recordTwo)), "taken")
    assert.equal(ring.epoch, 2)
    const { poolId } = fixed
    const { shard } = await epochKeys(primitives, poolId, {
      ...{ epoch: 2, grade: "seal", secret: fixed.seals[1] ?? poolId },
    })
    assert.deepEqual(ring.keys.secret, shard)
    // Another who only ever had epoch 2 reads what was sealed in epoch 1.
    const late = await Keyring.from({ ...ring.keys }, { primitives, now })
    await late.take(fromHex(committed.recordTwo))
    await late.take(fromHex(committed.recordOne))
    await late.addCertificate(fromHex(committed.certificate))
    const old = await late.openBlock({ uuid }, fromHex(committed.blockEnvelope))
    assert.equal(text(old.bytes), fixed.plain)
  })
}

test("PL122 the vectors are those that were agreed on", async () => {
  const agreed = {
    shard: "0de6ac74aa73e6835bec6a7fc34eeea02d05f9f90234aacd75201cec4c499af2",
    sigil: "cbd7a0d4309c56a9199acaf958b5f81d371b66465eca3b6fb6d364c679c74fd1",
    sealKey: "c87cac4bce027354ea6353ec3c8b7985002ff584fdb46ff5c14eeb2ba6c27e44",
    readKey: "ed0aba2b3e75ad031715b6fffbfee69c2dc2705cdd9771a18a17799fb99e3cd2",
    admitKey: "c1b7dd138ca1142b3c8c8b0bd00924d978fe88548533221b1fdb01b31872e81b",
    dataKey: "6a753bd9bee2037f25499fb63bfd5571fea73ab230f29057ae1fd8a83aa17329",
    previousWrap:
      "f07de7db73a3410771cf5ba3e9dd52a62cbca34671aea96cba4b2025d7a6527639a8bc019b5469eaf59dee1c1ba1ad66",
    wrap: "4d2c6cf0b0bc1f56307265075999372e0073b6e5e68fa927996fbab61a5d00bc2c7b79012c5e2e255e3bfa33b9bddaa2",
  }
  assert.partialDeepStrictEqual(committed, agreed)
  const { blockEnvelope, certificate, recordOne } = committed
  assert.equal(blockEnvelope.length / 2, 203)
  assert.equal(blockEnvelope.slice(232, 278), "7ebe1245cf4299bb8a6bf5649e35650256380c3fd77eb7")
  assert.equal(
    await sha(nodePrimitives, blockEnvelope),
    "121d77b6c1166d9775effbddec42645fc470bca7851cde06e79a0c0c0339b959",
  )
  assert.equal(
    certificate.slice(96),
    "47b4b4aeae3a977b54e90b5c3f3b437b4acfd0684eb6183cea13a43d20a8bb60f4cf942f7c01d5254fb4341388b00a0079288cb3276421b6891dfcb00f07b00f",
  )
  assert.equal(recordOne.length / 2, 295)
  assert.equal(
    await sha(nodePrimitives, recordOne),
    "26a05d4423fc3f785caf1f15d85cdf9e651f1b664691a4fdf961ae27ec4ef65e",
  )
})

test("PL122 a weaker key proves and makes nothing of a stronger one", async () => {
  const { owner, reader, keys, record } = await pair()
  const challenge = { nonce: fixed.nonce, session: fixed.session, appId: "ada" }
  await assert.rejects(reader.prove({ ...challenge, grade: "seal" }), Refusal)
  await assert.rejects(reader.certify(), Refusal)
  await assert.rejects(reader.rotate(), Refusal)
  const { poolId } = keys
  const { shard, sigil } = await epochKeys(nodePrimitives, poolId, keys)
  const fromShard = await epochKeys(nodePrimitives, poolId, {
    ...{ epoch: 1, grade: "shard", secret: shard ?? poolId },
  })
  assert.deepEqual(fromShard.sigil, sigil)
  assert.equal(fromShard.seal, undefined)
  const sigilOnly = await Keyring.from(
    { ...keys, grade: "sigil", secret: sigil },
    { primitives: nodePrimitives, now },
  )
  await sigilOnly.take(record)
  await assert.rejects(sigilOnly.prove({ ...challenge, grade: "shard" }), Refusal)
  await assert.rejects(sigilOnly.seal(call, words), Refusal)
  const envelope = await owner.seal(call, words)
  assert.ok(await isRefused(sigilOnly.open(call, envelope)))
})

test("PL126 every single bit of an envelope matters, and nothing of it is given out", async () => {
  let decrypted = 0
  const primitives: Primitives = {
    ...nodePrimitives,
    async cipher(key) {
      const cipher = await nodePrimitives.cipher(key)
      const open: typeof cipher.open = (sealed, binding) => {
        decrypted++
        return cipher.open(sealed, binding)
      }
      return { ...cipher, open }
    },
  }
  const { owner, reader } = await pair({ primitives })
  const of = { uuid: fixed.block, generation: 5 }
  for (const envelope of [await owner.seal(call, words), await owner.sealBlock(of, words)]) {
    const isBlock = isSame(envelope.subarray(20, 36), fixed.block)
    const open = (bytes: Uint8Array) =>
      isBlock ? reader.openBlock({ uuid: fixed.block }, bytes) : reader.open(call, bytes)
    for (let bit = 0; bit < envelope.length * 8; bit++) {
      const changed = Uint8Array.from(envelope)
      changed[bit >> 3] = (changed[bit >> 3] ?? 0) ^ (1 << (bit & 7))
      assert.ok(await isRefused(open(changed)), `bit ${bit} was not missed`)
    }
    for (const length of [0, 1, 115, 195, 196, envelope.length - 1]) {
      assert.ok(await isRefused(open(envelope.slice(0, length))))
    }
    assert.ok(await isRefused(open(Uint8Array.from([...envelope, 0]))))
    assert.equal(decrypted, 0, "the signature shows it before anything is decrypted")
    assert.equal(text((await open(envelope)).bytes), "a secret")
    decrypted = 0
  }
})

test("PL126 an envelope opens as what it was sealed, and as nothing else", async () => {
  const { owner, reader } = await pair()
  const envelope = await owner.seal(call, words)
  const others: MessageOf[] = [
    { ...call, kind: "response" },
    { ...call, kind: "chunk-to-handler" },
    { ...call, kind: "emit", callNonce: undefined },
    { ...call, name: "sub" },
    { ...call, callNonce: fixed.salt },
  ]
  for (const other of others) assert.ok(await isRefused(reader.open(other, envelope)))
  assert.ok(await isRefused(reader.openBlock({ uuid: fixed.block }, envelope)))
  const block = await owner.sealBlock({ uuid: fixed.block, generation: 3 }, words)
  assert.ok(await isRefused(reader.openBlock({ uuid: fixed.salt }, block)))
  assert.ok(await isRefused(reader.openBlock({ uuid: fixed.block, generation: 4 }, block)))
  const stranger = await pair()
  await stranger.reader.addCertificate(stranger.certificate)
  assert.ok(await isRefused(stranger.reader.open(call, envelope)))
  assert.equal(text((await reader.open(call, envelope)).bytes), "a secret")
})

test("PL126 a reader who holds the key that makes tags cannot write as another", async () => {
  const { owner, reader, keys, certificate } = await pair()
  const parsed = readEnvelope(await owner.seal(call, words))
  const { shard } = await epochKeys(nodePrimitives, keys.poolId, keys)
  if (parsed === undefined || shard === undefined) throw new Error("never")
  // Its own signature under the owner's name, with a tag that is right.
  const own = await nodePrimitives.signer(fixed.writerSeed)
  const posing = { publicKey: owner.writerKey, sign: own.sign }
  const forger = new Sealer(nodePrimitives, posing)
  const epoch = { poolId: keys.poolId, epoch: 1, shard }
  const forged = await forger.seal(epoch, { object: parsed.object, generation: undefined }, words)
  assert.ok(await isRefused(reader.open(call, forged)))
  // A writer without a certificate, and one whose certificate another key signed.
  const nobody = new Sealer(nodePrimitives, own)
  const unknown = await nobody.seal(epoch, { object: parsed.object, generation: undefined }, words)
  assert.ok(await isRefused(reader.open(call, unknown)))
  const foreign = await pair()
  assert.ok(await isRefused(reader.addCertificate(foreign.certificate)))
  const altered = Uint8Array.from(certificate)
  altered[39] = 1
  assert.ok(await isRefused(reader.addCertificate(altered)))
})

test("PL126 PL130 a certificate holds for its rights, until it ends or its writer is revoked", async () => {
  let time = now()
  const { owner, reader } = await pair({ now: () => time })
  const narrow = await owner.certify({ rights: writerRights.emit, notAfter: time + 90_000_000 })
  await reader.addCertificate(narrow)
  assert.ok(await isRefused(reader.open(call, await owner.seal(call, words))))
  const emit = { kind: "emit", callNonce: undefined, name: "log" } as const
  await reader.open(emit, await owner.seal(emit, words))
  time += 90_000_000 + 60_000
  await reader.open(emit, await owner.seal(emit, words))
  time += 1
  const late = await owner.seal(emit, words)
  assert.ok(await isRefused(reader.open(emit, late)))
  await reader.addCertificate(await owner.certify())
  await reader.open(emit, late)
  reader.revoked(owner.writerKey, 1)
  assert.ok(await isRefused(reader.open(emit, await owner.seal(emit, words))))
})

test("PL126 a message is taken once, in whatever order it comes, and a block never goes back", async () => {
  const { owner, reader } = await pair()
  const sent = await Promise.all(Array.from({ length: 40 }, () => owner.seal(call, words)))
  for (const envelope of sent.toReversed()) await reader.open(call, envelope)
  for (const envelope of sent) assert.ok(await isRefused(reader.open(call, envelope)))
  const twice = await owner.seal(call, words)
  const both = await Promise.allSettled([reader.open(call, twice), reader.open(call, twice)])
  assert.deepEqual(both.map(({ status }) => status).toSorted(), ["fulfilled", "rejected"])
  const uuid = fixed.block
  const at = (generation: number) => owner.sealBlock({ uuid, generation }, words)
  const [four, five, otherFive] = [await at(4), await at(5), await at(5)]
  await reader.openBlock({ uuid }, five)
  await reader.openBlock({ uuid }, five)
  assert.ok(await isRefused(reader.openBlock({ uuid }, four)))
  assert.ok(await isRefused(reader.openBlock({ uuid }, otherFive)))
  await reader.openBlock({ uuid }, await at(6))
})

test("PL126 chunks are taken in their order, and a counter from behind the window never", async () => {
  const { owner, reader } = await pair()
  const chunk = { ...call, kind: "chunk-to-caller" } as const
  const [one, two] = [await owner.seal(chunk, words), await owner.seal(chunk, words)]
  const { counter } = await reader.open(chunk, two)
  assert.ok(await isRefused(reader.open({ ...chunk, after: counter }, one)))
  const old = await owner.seal(call, words)
  const emit = { kind: "emit", callNonce: undefined, name: "log" } as const
  let last = old
  for (let n = 0; n < windowCounters; n++) last = await owner.seal(emit, words)
  await reader.open(emit, last)
  assert.ok(await isRefused(reader.open(call, old)))
  // A retained emit may have been heard before, and is marked so.
  await reader.open({ ...emit, isRetained: true }, last)
})

test("PL127 no key and nonce come twice: over restarts, forks, long use and calls that overlap", async () => {
  const { keys } = await pair()
  let place = "one"
  const primitives = { ...nodePrimitives, place: () => place }
  const { shard } = await epochKeys(primitives, keys.poolId, keys)
  const writer = await primitives.signer(keys.writerSeed)
  const epoch = { poolId: keys.poolId, epoch: 1, shard: shard ?? keys.poolId }
  const about = { object: fixed.block, generation: 1 }
  const limits = { messages: 10, bytes: 64 }
  const sealers = [new Sealer(primitives, writer, { limits }), new Sealer(primitives, writer)]
  const seen = new Set<string>()
  const note = (envelope: Uint8Array): string => {
    const read = readEnvelope(envelope)
    assert.ok(read !== undefined)
    const salt = Buffer.from(read.salt).toString("hex")
    const pair = `${read.epoch} ${salt} ${Buffer.from(read.nonce).toString("hex")}`
    assert.ok(!seen.has(pair), `${pair} came twice`)
    seen.add(pair)
    return salt
  }
  for (const sealer of sealers) {
    const together = Array.from({ length: 35 }, () => sealer.seal(epoch, about, words))
    for (const envelope of await Promise.all(together)) note(envelope)
    const before = note(await sealer.seal(epoch, about, words))
    place = `${place} forked`
    assert.notEqual(note(await sealer.seal(epoch, about, words)), before)
    sealer.renew()
    note(await sealer.seal(epoch, about, words))
    note(await sealer.seal({ ...epoch, epoch: 2 }, about, words))
    note(await sealer.seal(epoch, about, words))
  }
  const short = new Sealer(primitives, writer, { limits: { messages: 3, bytes: 2 ** 48 } })
  const salts: string[] = []
  for (let at = 0; at < 9; at++) salts.push(note(await short.seal(epoch, about, words)))
  assert.equal(new Set(salts).size, 3)
  assert.equal(new Set([...seen].map((each) => each.split(" ")[1])).size > 10, true)
})

test("PL129 who is named goes on and reads the old; who is not is left out", async () => {
  const { owner, reader, record, keys } = await pair()
  const uuid = fixed.block
  const old = await owner.sealBlock({ uuid, generation: 1 }, words)
  const { memberSeed = fixed.salt } = reader.keys
  const member = await nodePrimitives.exchange(memberSeed)
  const out = await owner.rotate({ members: [] })
  const left = await Keyring.from(reader.keys, { primitives: nodePrimitives, now })
  await left.take(record)
  assert.equal(await left.take(out.record), "left-out")
  assert.equal(left.epoch, 1)
  await owner.take(out.record)
  const two = await owner.rotate({ members: [{ key: member.publicKey, grade: "writer" }] })
  await owner.take(two.record)
  assert.equal(owner.epoch, 3)
  const fresh = await owner.sealBlock({ uuid, generation: 2 }, words)
  assert.ok(await isRefused(left.openBlock({ uuid }, fresh)))
  const certificate = await owner.certify()
  assert.ok(await isRefused(left.addCertificate(certificate)))
  // Named again, it goes on from where it was, over the epoch that it never had.
  assert.equal(await left.take(two.record), "taken")
  await left.addCertificate(certificate)
  assert.equal(text((await left.openBlock({ uuid }, fresh)).bytes), "a secret")
  assert.ok(await isRefused(left.openBlock({ uuid }, old)))
  assert.equal(keys.epoch, 1)
})

test("PL129 a record that the root has not signed, that does not follow or is a second one is refused", async () => {
  const { owner, reader, record } = await pair()
  const [a, b] = [await owner.rotate(), await owner.rotate()]
  for (const at of [30, 44, 60, 80, 100, 200, a.record.length - 1]) {
    const changed = Uint8Array.from(a.record)
    changed[at] = (changed[at] ?? 0) ^ 1
    assert.ok(await isRefused(reader.take(changed)))
  }
  const other = await pair()
  assert.ok(await isRefused(reader.take(other.record)))
  await owner.take(b.record)
  const third = await owner.rotate()
  assert.ok(await isRefused(reader.take(third.record)), "an epoch was left out")
  await reader.take(a.record)
  assert.ok(await isRefused(reader.take(third.record)), "it follows another record")
  await reader.take(a.record)
  await reader.take(record)
  assert.ok(await isRefused(reader.take(b.record)))
  assert.ok(await isRefused(reader.take(a.record)), "the pool has shown two records")
})

test("PL129 messages of an epoch that is over are refused after the grace", async () => {
  let time = now()
  const { owner, reader } = await pair({ now: () => time })
  const { memberSeed = fixed.salt } = reader.keys
  const member = await nodePrimitives.exchange(memberSeed)
  const [soon, late] = [await owner.seal(call, words), await owner.seal(call, words)]
  const next = await owner.rotate({ members: [{ key: member.publicKey, grade: "shard" }] })
  await reader.take(next.record)
  time += 119_999
  await reader.open(call, soon)
  time += 1
  assert.ok(await isRefused(reader.open(call, late)))
})

test("PL122 a wrap to a key of small order is refused, and bytes that are no certificate are none", async () => {
  const shared = { primitives: nodePrimitives, now }
  const zeros = { key: new Uint8Array(32), grade: "shard" } as const
  await assert.rejects(Keyring.create({ ...shared, members: [zeros] }), RangeError)
  for (const [, primitives] of ways) {
    const mine = await primitives.exchange(fixed.memberSeed)
    assert.equal(await mine.agree(new Uint8Array(32)), undefined)
    assert.equal(
      await (await primitives.verifier(new Uint8Array(31)))(words.bytes, fixed.salt),
      false,
    )
  }
  assert.equal(readCertificate(new Uint8Array(112)), undefined)
})

test("PL122 the manual's vectors are what its own words give", async () => {
  const path = join(import.meta.dirname, "../docs/protocol/trinity.md")
  const block = /```vectors\n([\s\S]*?)```/.exec(readFileSync(path, "utf8"))?.[1] ?? ""
  const made: unknown = await vectors(nodePrimitives)
  const lines = block.trim().split("\n")
  assert.ok(lines.length >= 10)
  for (const line of lines) {
    const [, name = "", hashed, expected] = /^(\S+)( sha256)? +([0-9a-f]+)$/.exec(line) ?? []
    const value = name.split(".").reduce<unknown>((at, key) => Object(at)[key], made)
    const found = hashed === undefined ? value : await sha(nodePrimitives, String(value))
    assert.equal(found, expected, name)
  }
})
