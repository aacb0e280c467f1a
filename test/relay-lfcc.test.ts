/** The codec of opaque rooms: JSON in three forms, checked by schemas that are published. */
import assert from "node:assert/strict"
import { readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { test } from "node:test"
import fc from "fast-check"
import { Compile } from "typebox/compile"
import { lfccCodec } from "../src/wire/lfcc.ts"
import { fromReplica, fromReplicaBinary, toReplica } from "../src/wire/lfcc-schemas.ts"
import { type Form, formed } from "../src/wire/lfcc-told.ts"
import type { ToOpaque } from "../src/wire/relay.ts"
import { Reader } from "../src/wire/varints.ts"
import { kinds, plain, told } from "./relay-arbitraries.ts"

const limits = { presenceFrameBytes: 65_536, presenceRowBytes: 16_384, statelessBytes: 65_536 }
const lfcc = lfccCodec(limits)
const forms = fc.constantFrom<Form>("top", "payload", "binary")

test("RL107 one message of an opaque room is one object for each form", () => {
  const stamped = { docId: "notes", senderId: "ada", ts: 1 }
  const update: ToOpaque = { kind: "update", ...stamped, update: Uint8Array.of(1) }
  for (const form of ["top", "payload", "binary"] as const) {
    assert.equal(formed(form, update), formed(form, update))
  }
  assert.notEqual(formed("top", update), formed("binary", update))
  const leave: ToOpaque = { kind: "leave", ...stamped }
  assert.equal(formed("top", leave), formed("binary", leave))
})

test("RL128 what an opaque room tells comes back in every form, and is as its schema says", () => {
  const schemas = new Map(
    Object.entries(toReplica).map(([type, schema]) => [type, Compile(schema)]),
  )
  fc.assert(
    fc.property(fc.array(told(), { minLength: 1, maxLength: 4 }), forms, (messages, form) => {
      const batch: ToOpaque = { kind: "batch", docId: "notes", ts: 1, messages }
      for (const message of [...messages, batch]) {
        const frame = lfcc.encode(formed(form, message))
        const json: Record<string, unknown> & { readonly type: string } = JSON.parse(
          typeof frame === "string" ? frame : new Reader(frame).text(1e6),
        )
        assert.ok(schemas.get(json.type)?.Check(json), JSON.stringify(json))
        assert.ok(json["bytesB64"] === undefined || json["payload"] === undefined)
        for (const each of lfcc.decode(frame).frames) {
          if (message.kind !== "update" || each.kind !== "frame") continue
          assert.equal(each.form, form)
          assert.deepEqual(plain(each.message), {
            kind: "update",
            update: message.update,
            ref: undefined,
          })
        }
      }
    }),
  )
})

test("RL128 each frame of an opaque room is read, whatever else stands in it", () => {
  const said = (fields: object) => {
    const frame = { docId: "notes", senderId: "ada", ts: 9, extra: { deep: [1] }, ...fields }
    const [only] = lfcc.decode(JSON.stringify(frame)).frames
    assert.ok(only?.kind === "frame", JSON.stringify(only))
    return plain(only.message)
  }
  const one = Uint8Array.of(1)
  assert.deepEqual(said({ type: "JOIN", role: "admin" }), {
    kind: "join",
    hasSnapshot: false,
    version: undefined,
    features: [],
    sealed: undefined,
  })
  const payload = { hasSnapshot: true, version: "AQ==", features: ["ack", "new"], sealed: true }
  assert.deepEqual(said({ type: "JOIN", payload }), { kind: "join", ...payload, version: one })
  const update = { kind: "update", update: one, ref: undefined }
  assert.deepEqual(said({ type: "CRDT_UPDATE", bytesB64: "AQ==" }), update)
  assert.deepEqual(said({ type: "CRDT_UPDATE", payload: { bytesB64: "AQ==" }, ref: 5 }), {
    ...update,
    ref: 5,
  })
  assert.deepEqual(said({ type: "PRESENCE", payload: { status: "idle", x: [{}] } }), {
    kind: "presence",
    payload: '{"status":"idle","x":[{}]}',
  })
  assert.deepEqual(said({ type: "LEAVE" }), { kind: "leave" })
  assert.deepEqual(said({ type: "AUTH", token: "t" }), { kind: "token", token: "t" })
  const request = { kind: "snapshot-request", version: undefined }
  assert.deepEqual(said({ type: "SNAPSHOT_REQUEST" }), request)
  const response = { requestId: "r1", snapshot: "AQ==", isBase64: true }
  const answer = { kind: "snapshot-response", requestId: "r1", snapshot: one, version: undefined }
  assert.deepEqual(said({ type: "SNAPSHOT_RESPONSE", payload: response }), answer)
})

test("RL89 one bad frame of a batch costs no other, and no batch lies in a batch", () => {
  const stamped = { docId: "notes", senderId: "ada", ts: 9 }
  const leave = { type: "LEAVE", ...stamped }
  const batch = (messages: unknown[]) => ({ type: "BATCH", ...stamped, messages })
  const read = (frame: unknown) => lfcc.decode(JSON.stringify(frame))
  const mixed = read(batch([leave, { ...leave, ts: 0 }, null, batch([leave]), leave]))
  assert.equal(mixed.kind, "batch")
  const expected = ["frame", "unreadable", "unreadable", "unreadable", "frame"]
  assert.deepEqual(kinds(mixed.frames), expected)
  assert.equal(read(batch(Array(50).fill(leave))).frames.length, 50)
  assert.deepEqual(kinds(read(batch(Array(51).fill(leave))).frames), ["unreadable"])
})

test("RL89 a frame of an opaque room that lacks something is unreadable, and says what is meant", () => {
  const good = { type: "CRDT_UPDATE", docId: "notes", senderId: "ada", ts: 9, bytesB64: "AQ==" }
  const bad = [
    ...(["type", "docId", "senderId", "ts", "bytesB64"] as const).map((key) => ({
      ...good,
      [key]: undefined,
    })),
    ...[0, -1, 1.5, 1e300, "9", null].map((ts) => ({ ...good, ts })),
    ...["", "x".repeat(129), "é".repeat(65)].map((senderId) => ({ ...good, senderId })),
    ...["AQ", "AR==", "AQ= =", " AQ==", "AQ==\n", "-_-_", "AQ===", "€"].map((bytesB64) => ({
      ...good,
      bytesB64,
    })),
    { ...good, payload: { bytesB64: "AQ==" } },
    { ...good, type: "__proto__" },
    { ...good, type: "SNAPSHOT_RESPONSE", payload: { snapshot: "AQ==" } },
    { ...good, type: "PRESENCE", payload: "text" },
    [good],
    7,
  ]
  for (const frame of bad) {
    const [only] = lfcc.decode(JSON.stringify(frame)).frames
    assert.ok(only?.kind === "unreadable", JSON.stringify(frame))
    assert.ok(only.sentence.length > 10)
  }
})

test("RL128 the published schemas are those that frames are checked by", () => {
  const path = join(import.meta.dirname, "../docs/protocol/lfcc.schema.json")
  const published = {
    $schema: "https://json-schema.org/draft/2020-12/schema",
    title: "Frames of the LFCC dialect",
    $defs: { fromReplica, fromReplicaBinary, toReplica },
  }
  const text = `${JSON.stringify(published, null, 2)}\n`
  if (process.env["UPDATE"] === "1") writeFileSync(path, text)
  assert.deepEqual(JSON.parse(readFileSync(path, "utf8")), JSON.parse(text))
})
