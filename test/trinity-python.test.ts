/** Python's keys: the same bytes as TypeScript's, and each opens what the other sealed. */
import assert from "node:assert/strict"
import { spawnSync } from "node:child_process"
import { join } from "node:path"
import { test } from "node:test"
import { Keyring } from "../src/client/keys.ts"
import { nodePrimitives } from "../src/client/keys-node.ts"
import { hex } from "../src/client/keys-replays.ts"
import { findPython } from "./needs.ts"
import { bytesOf, fromHex, text } from "./trinity-parts.ts"
import { fixed } from "./trinity-vectors.ts"

const python = findPython()
const skip = python === undefined && "no Python with cryptography: install python3-cryptography"
const root = join(import.meta.dirname, "..")

/** What Python answers to some JSON, as a program that reads one line and writes one. */
function run(program: readonly string[], input = ""): string {
  const environment = {
    ...process.env,
    PYTHONPATH: join(root, "python"),
    PYTHONDONTWRITEBYTECODE: "1",
  }
  const done = spawnSync(python ?? "", program, { input, env: environment, encoding: "utf8" })
  assert.equal(done.status, 0, done.stderr)
  return done.stdout
}

const member = `
import json, sys
from quartet.envelopes import Content
from quartet.keys import Keyring, PoolKeys
told = {name: bytes.fromhex(value) for name, value in json.load(sys.stdin).items()}
keys = PoolKeys(told["poolId"], told["rootKey"], 1, "seal", told["secret"], told["writerSeed"],
    told["memberSeed"], told["rootSeed"])
ring = Keyring(keys)
ring.take(told["record"])
ring.add_certificate(told["certificate"])
opened = ring.open("trigger", "add", told["call"], told["nonce"])
block = ring.open_block(told["uuid"], told["block"])
answer = Content(2, opened.data + b" and " + block.data)
again, kept = ring.rotate([(told["member"], "shard")])
made = {
    "certificate": ring.certify(),
    "answer": ring.seal("response", "add", answer, told["nonce"]),
    "block": ring.seal_block(told["uuid"], 2, Content(3, bytes(range(256)))),
    "proof": ring.prove("shard", nonce=told["nonce"] * 2, session=told["nonce"], app_id="ada"),
    "record": again,
}
ring.take(again)
made["later"] = ring.seal("emit", "log.web", Content(2, "später".encode()))
made["later_certificate"] = ring.certify()
print(json.dumps({name: value.hex() for name, value in made.items()}))
`

test("PL122 PL127 Python gives the vectors and keeps the rules of sealing", { skip }, () => {
  run([join(root, "python/tests/test_keys.py")])
})

test("PL122 PL129 Python and TypeScript open what the other sealed, over a rotation", {
  skip,
}, async () => {
  const options = { primitives: nodePrimitives }
  const { record, keys } = await Keyring.create(options)
  const memberSeed = nodePrimitives.random(32)
  const ring = await Keyring.from({ ...keys, memberSeed }, options)
  await ring.take(record)
  const [callNonce, uuid] = [fixed.callNonce, fixed.block]
  const certificate = await ring.certify()
  const told = {
    ...{ record, certificate, nonce: callNonce, uuid },
    ...{ poolId: keys.poolId, rootKey: keys.rootKey, secret: keys.secret },
    ...{ rootSeed: keys.rootSeed ?? uuid, writerSeed: nodePrimitives.random(32) },
    memberSeed: nodePrimitives.random(32),
    member: (await nodePrimitives.exchange(memberSeed)).publicKey,
    call: await ring.seal(
      { kind: "trigger", callNonce, name: "add" },
      { type: 2, bytes: bytesOf("ein Geheimnis") },
    ),
    block: await ring.sealBlock({ uuid, generation: 1 }, { type: 2, bytes: bytesOf("noch eins") }),
  }
  const input = Object.fromEntries(Object.entries(told).map(([name, value]) => [name, hex(value)]))
  // As the program above prints it.
  const made = JSON.parse(run(["-c", member], JSON.stringify(input))) as Record<string, string>
  const bytes = (name: string) => fromHex(made[name] ?? "")
  await ring.addCertificate(bytes("certificate"))
  const answer = await ring.open({ kind: "response", callNonce, name: "add" }, bytes("answer"))
  assert.equal(text(answer.bytes), "ein Geheimnis and noch eins")
  const block = await ring.openBlock({ uuid, generation: 2 }, bytes("block"))
  assert.deepEqual(
    block.bytes,
    Uint8Array.from({ length: 256 }, (_, at) => at),
  )
  const nonce = Uint8Array.from([...callNonce, ...callNonce])
  const proof = await ring.prove({ grade: "shard", nonce, session: callNonce, appId: "ada" })
  assert.equal(hex(proof), made["proof"])
  assert.equal(await ring.take(bytes("record")), "taken")
  await ring.addCertificate(bytes("later_certificate"))
  const emit = { kind: "emit", callNonce: undefined, name: "log.web" } as const
  assert.equal(text((await ring.open(emit, bytes("later"))).bytes), "später")
})
