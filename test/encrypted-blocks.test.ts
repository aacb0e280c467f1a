/** Blocks of encrypted pools: who attaches by which proof, and what may be written. */
import assert from "node:assert/strict"
import { test } from "node:test"
import { decode64, encode64Url } from "../src/wire/base64.ts"
import { refused, result, sent } from "./blocks-parts.ts"
import { found, guest, type Member, pool, writer } from "./encrypted-parts.ts"
import { Sea } from "./pools-parts.ts"
import { bytesOf, isRefused, text } from "./trinity-parts.ts"

function stage() {
  const sea = new Sea({ limits: { heartbeatMs: 10 ** 9 } })
  const as = (member: Member, operation: string, fields: object = {}) => {
    const id = sent(member.end, operation, { pool, ...fields })
    sea.pass(0)
    return member.end.answerTo(id)
  }
  return { sea, as }
}

const content = { type: 2, bytes: bytesOf("a secret") }

test("PL124 a block is attached to read by the CipherShard, to write by a writer's key", async () => {
  const { sea, as } = stage()
  const owner = await found(sea)
  result(as(owner, "create", { size: 500 }))
  const eve = await guest(sea, owner, { appId: "eve", grade: "sigil" })
  await eve.prove("sigil")
  refused(as(eve, "attach", { mode: "read" }), "FORBIDDEN")
  const ada = await guest(sea, owner, { appId: "ada", grade: "shard" })
  refused(as(ada, "attach", { mode: "read" }), "NOT_MEMBER")
  await ada.prove("shard")
  result(as(ada, "attach", { mode: "read" }))
  refused(as(ada, "attach", { mode: "write" }), "FORBIDDEN")
  refused(as(ada, "create", { block_id: "mine", size: 5 }), "FORBIDDEN")
  const bob = await writer(sea, owner, "bob")
  result(as(bob, "create", { block_id: "his", size: 500 }))
  refused(as(bob, "create", { block_id: "r", size: 4_096, ring: "block" }), "UNAVAILABLE")
  refused(as(bob, "create", { block_id: "f", size: 5, filling: true }), "UNAVAILABLE")
  refused(as(bob, "create", { block_id: "z", size: 5, initial: "zeros" }), "BAD_MESSAGE")
  assert.deepEqual(sea.faults, [])
})

test("PL125 PL126 a block takes one whole envelope, sealed for it and its next generation", async () => {
  const { sea, as } = stage()
  const owner = await found(sea)
  const bob = await writer(sea, owner, "bob")
  const { uuid: spelled } = result(as(bob, "create", { size: 500 }))
  const uuid = Uint8Array.from(Buffer.from(String(spelled).replaceAll("-", ""), "hex"))
  const sealed = async (generation: number, of: Uint8Array = uuid, by: Member = bob) => {
    const envelope = await by.ring.sealBlock({ uuid: of, generation }, content)
    return { data: encode64Url(envelope), whole: true, if_generation: generation - 1 }
  }
  const good = await sealed(1)
  refused(as(bob, "write", { data: encode64Url(bytesOf("open")), whole: true }), "NOT_ENCRYPTED")
  refused(as(bob, "write", { ...good, whole: false }), "BAD_MESSAGE")
  refused(as(bob, "write", { ...good, if_generation: undefined }), "BAD_MESSAGE")
  refused(as(bob, "write", await sealed(1, new Uint8Array(16))), "NOT_ENCRYPTED")
  refused(as(bob, "write", await sealed(1, uuid, owner)), "NOT_ENCRYPTED")
  refused(as(bob, "write", await sealed(2)), "CONFLICT")
  refused(as(bob, "notify", { payload: "open" }), "NOT_ENCRYPTED")
  assert.equal(result(as(bob, "write", good))["generation"], 1)
  refused(as(bob, "write", good), "CONFLICT")
  const ada = await guest(sea, owner, { appId: "ada", grade: "shard" })
  await ada.prove("shard")
  result(as(ada, "attach", { mode: "read" }))
  const read = async () => {
    const { data, generation } = result(as(ada, "read"))
    const envelope = decode64(String(data)) ?? uuid
    return ada.ring.openBlock({ uuid, generation: Number(generation) }, envelope)
  }
  assert.equal(text((await read()).bytes), "a secret")
  await ada.knock()
  assert.equal(result(as(bob, "write", await sealed(2)))["generation"], 2)
  assert.equal(text((await read()).bytes), "a secret")
  assert.ok(await isRefused(ada.ring.openBlock({ uuid }, decode64(good.data) ?? uuid)))
  assert.deepEqual(sea.faults, [])
})
