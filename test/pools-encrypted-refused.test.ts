/** Answers and chunks that an encrypted pool refuses: whoever waits for them hears so at once. */
import assert from "node:assert/strict"
import { test } from "node:test"
import { encode64Url } from "../src/wire/base64.ts"
import { found, pool, writer } from "./encrypted-parts.ts"
import { Sea } from "./pools-parts.ts"
import { fixed } from "./trinity-vectors.ts"

/** Nobody is pinged: who is silent for long stays. */
const calm = { heartbeatMs: 10 ** 9 }
const nonce = fixed.callNonce
const asked = { kind: "trigger", callNonce: nonce, name: "add" } as const
const answered = { kind: "response", callNonce: nonce, name: "add" } as const
const call = { type: "trigger", trigger: "add", pool, call_nonce: encode64Url(nonce) }

test("PL125 what a handler says and may not ends its call at once, and the caller is told why", async () => {
  const sea = new Sea({ limits: calm })
  const owner = await found(sea)
  const [ada, bob] = [await writer(sea, owner, "ada"), await writer(sea, owner, "bob")]
  bob.end.says({ type: "register", id: "r", pool, triggers: [{ name: "add", concurrency: 1 }] })
  const good = await ada.sealed(asked, "1 + 1")
  const calls = (id: string) => {
    ada.end.says({ ...call, id, flags: ["stream"], ...good })
    const given = bob.end.all("trigger").at(-1)?.["id"]
    return { correlation_id: given, status: "success", seq: 0, to: "caller" }
  }
  const lost = (id: string) => {
    const { error_code, execution_uncertain, detail } = ada.end.answerTo(id)
    return [error_code, execution_uncertain, detail]
  }
  const open = ["INTEGRITY", true, { refused: "NOT_ENCRYPTED" }]
  const answer = calls("1")
  bob.end.says({ type: "response", id: "a", ...answer, result: 2 })
  assert.equal(bob.end.answerTo("a")["error_code"], "NOT_ENCRYPTED")
  assert.deepEqual(lost("1"), open)
  // It is over for its handler too, which has room for the next one at once.
  const piece = calls("2")
  bob.end.says({ type: "chunk", ...piece, payload: "open" })
  assert.deepEqual(lost("2"), open)
  const { correlation_id } = piece
  assert.deepEqual(bob.end.all("cancel"), [{ type: "cancel", correlation_id, reason: "lost" }])
  bob.end.says({ type: "response", ...piece })
  const argument = calls("3")
  bob.end.says({ type: "credit", ...argument, count: 1 })
  ada.end.says({ type: "chunk", correlation_id: "3", to: "handler", seq: 0, payload: "open" })
  assert.deepEqual(lost("3"), open)
})

test("PL125 an answer of an epoch that is over ends its call at once", async () => {
  const sea = new Sea({ limits: calm })
  const owner = await found(sea)
  await owner.knock()
  owner.end.says({ type: "register", id: "r", pool, triggers: ["add"] })
  const { payload: result, content_type } = await owner.sealed(answered, "2")
  const { record } = await owner.ring.rotate()
  owner.ask("add_epoch", { record: encode64Url(record) })
  await owner.ring.take(record)
  await owner.prove("seal")
  const bytes = await owner.ring.certify({ writer: owner.ring.writerKey })
  owner.ask("add_certificate", { bytes: encode64Url(bytes) })
  sea.pass(60_100)
  owner.end.says({ ...call, id: "1", ...(await owner.sealed(asked, "1 + 1")) })
  const correlation_id = owner.end.all("trigger")[0]?.["id"]
  const answer = { type: "response", id: "a", correlation_id, status: "success" }
  owner.end.says({ ...answer, result, content_type })
  assert.equal(owner.end.answerTo("a")["error_code"], "STALE_EPOCH")
  assert.partialDeepStrictEqual(owner.end.answerTo("1"), {
    ...{ error_code: "INTEGRITY", execution_uncertain: true, detail: { refused: "STALE_EPOCH" } },
    error: "its answer was refused: epoch 1 is over, 2 is the newest",
  })
})
