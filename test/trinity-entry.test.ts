/** Coming into an encrypted pool and staying in it, as an SDK does it over any connection. */
import assert from "node:assert/strict"
import { test } from "node:test"
import { Keyring } from "../src/client/keys.ts"
import { type Door, enter, notice, reachBack } from "../src/client/keys-entry.ts"
import { nodePrimitives } from "../src/client/keys-node.ts"
import { encode64Url } from "../src/wire/base64.ts"
import { found, guest, Member, pool, ringOptions } from "./encrypted-parts.ts"
import { Sea } from "./pools-parts.ts"
import { isRefused } from "./trinity-parts.ts"
import { fixed } from "./trinity-vectors.ts"

const nonce = fixed.callNonce

test("PL124 PL129 an SDK comes in by one step, goes on with each epoch and reads what was before", async () => {
  const sea = new Sea({ limits: { heartbeatMs: 10 ** 9, recordsBytes: 500 } })
  const owner = await found(sea)
  const doorOf = (member: Member): Door => ({
    appId: member.appId,
    session: Buffer.from((member.end.ack["session"] as { id: string }).id, "base64url"),
    now: () => sea.now,
    async ask(operation, fields) {
      const told = member.ask(operation, fields)
      if (told["error"] !== undefined) throw new Error(String(told["error"]))
      return told
    },
  })
  const uuid = fixed.block
  const old = await owner.ring.sealBlock({ uuid, generation: 1 }, { type: 2, bytes: nonce })
  const ada = await guest(sea, owner, { appId: "ada", grade: "shard" })
  const certificate = await owner.ring.certify({ writer: ada.ring.writerKey })
  const entered = await enter(ada.ring, doorOf(ada), certificate)
  assert.deepEqual(entered.rights, ["read", "write", "execute", "handle"])
  const { publicKey: key } = await nodePrimitives.exchange(ada.ring.keys.memberSeed ?? nonce)
  for (let epoch = 2; epoch <= 4; epoch++) {
    const { record } = await owner.ring.rotate({ members: [{ key, grade: "writer" }] })
    owner.ask("add_epoch", { record: encode64Url(record) })
    assert.equal(await notice(owner.ring, owner.end.all("pool").at(-1) ?? {}), "enter")
    await enter(owner.ring, doorOf(owner))
    const told = ada.end.all("pool").findLast(({ operation }) => operation === "epoch_added")
    assert.equal(await notice(ada.ring, told ?? {}), "enter")
    await enter(ada.ring, doorOf(ada), await owner.ring.certify({ writer: ada.ring.writerKey }))
  }
  sea.pass(61_000)
  assert.equal((await owner.knock())["epoch"], 4)
  const emit = { kind: "emit", callNonce: undefined, name: "x" } as const
  const message = { type: "emit", id: "e", pool, trigger: "x", flags: ["ack"] }
  ada.end.says({ ...message, ...(await ada.sealed(emit, "in the fourth")) })
  assert.equal(ada.end.answerTo("e")["status"], "success")
  // Back with nothing but what it keeps: it fetches the pages behind, and those before.
  const back = new Member(
    sea.app("owner2"),
    "owner2",
    await Keyring.from(ada.ring.keys, ringOptions(sea)),
  )
  await enter(back.ring, doorOf(back))
  assert.ok(await isRefused(back.ring.openBlock({ uuid }, old)))
  await reachBack(back.ring, doorOf(back))
  await enter(back.ring, doorOf(back))
  assert.deepEqual((await back.ring.openBlock({ uuid }, old)).bytes, Uint8Array.from(nonce))
  const late = await Keyring.from(owner.ring.keys, ringOptions(sea))
  const revoking = await owner.ring.revoke(back.ring.writerKey)
  owner.ask("revoke", { bytes: encode64Url(revoking) })
  assert.equal(await notice(back.ring, back.end.all("pool").at(-1) ?? {}), "noted")
  assert.ok(
    await isRefused(back.ring.open(emit, await back.ring.seal(emit, { type: 2, bytes: nonce }))),
  )
  assert.equal(late.epoch, 4)
})
