/** Proofs of keys that are bound to their TLS connection, by a client that speaks TLS itself. */
import assert from "node:assert/strict"
import { writeFileSync } from "node:fs"
import { join } from "node:path"
import { type TestContext, test } from "node:test"
import { connect, type TLSSocket } from "node:tls"
import { Keyring } from "../src/client/keys.ts"
import { nodePrimitives } from "../src/client/keys-node.ts"
import { prefixFraming } from "../src/net/framing.ts"
import { decode64, encode64Url } from "../src/wire/base64.ts"
import { FrameReader } from "../src/wire/frames.ts"
import { grades, noBinding } from "../src/wire/trinity.ts"
import { selfSigned } from "./certificate.ts"
import { eventually, startServer, temporaryDirectory } from "./harness.ts"

type Told = Readonly<Record<string, unknown>>

/** An app on TLS that has shaken hands. */
async function secured(t: TestContext, place: string, app_id: string) {
  const [host = "", port] = place.split(":")
  const socket: TLSSocket = connect({ host, port: Number(port), rejectUnauthorized: false })
  t.after(() => socket.destroy())
  socket.on("error", () => {})
  const heard: Told[] = []
  const reader = new FrameReader(1024 * 1024)
  socket.on("data", (chunk: Buffer) => {
    for (const frame of reader.push(chunk)) heard.push(JSON.parse(Buffer.from(frame).toString()))
  })
  let asked = 0
  const ask = async (message: object): Promise<Told> => {
    const id = `q${++asked}`
    socket.write(prefixFraming(Buffer.from(JSON.stringify({ id, ...message }))))
    const answer = await eventually(() => heard.find((each) => each["correlation_id"] === id))
    return answer["status"] === "success" ? (answer["result"] as Told) : answer // an object, then
  }
  const hello = { type: "handshake", id: "h", app_id, protocol_version: "1.0" }
  socket.write(prefixFraming(Buffer.from(JSON.stringify(hello))))
  const ack = await eventually(() => heard.find((each) => each["type"] === "handshake_ack"))
  const { id } = ack["session"] as { id: string } // as the acknowledgement has it
  const context = Buffer.alloc(0)
  const binding = socket.exportKeyingMaterial(32, "EXPORTER-Channel-Binding", context)
  return { ask, binding: new Uint8Array(binding), session: decode64(id) ?? new Uint8Array(0) }
}

/** An encrypted pool on a server, and how an app of it proves its key with a binding. */
async function vault(t: TestContext, settings: { readonly poolsRequireBinding: boolean }) {
  const made = selfSigned()
  if (made === undefined) return undefined
  const folder = temporaryDirectory(t)
  const tls = { cert: join(folder, "cert.pem"), key: join(folder, "key.pem") }
  writeFileSync(tls.cert, made.cert)
  writeFileSync(tls.key, made.key)
  const { pools } = await startServer(t, { poolsPort: 0, tls, ...settings })
  const { keys, record } = await Keyring.create({ primitives: nodePrimitives })
  const ring = await Keyring.from(keys, { primitives: nodePrimitives })
  const app = await secured(t, pools[0] ?? "", "ada")
  const own = { type: "pool", pool: "vault" }
  const created = await app.ask({
    ...{ ...own, operation: "create", encrypted: true },
    ...{ root_key: encode64Url(keys.rootKey), record: encode64Url(record) },
  })
  assert.equal(created["error_code"], undefined, JSON.stringify(created))
  const prove = async (binding: Uint8Array) => {
    const told = await app.ask({ ...own, operation: "join", known_epoch: ring.knownEpoch })
    const records = told["records"]
    for (const each of Array.isArray(records) ? records : []) {
      await ring.take(decode64(String(each)) ?? new Uint8Array(0))
    }
    const signature = await ring.prove({
      ...{ grade: "seal", appId: "ada", session: app.session, binding },
      nonce: decode64(String(told["nonce"])) ?? new Uint8Array(0),
    })
    return app.ask({
      ...{ ...own, operation: "prove", epoch: ring.epoch, grade: grades.seal },
      ...{ signature: encode64Url(signature), binding: encode64Url(binding) },
    })
  }
  return { app, prove, place: pools[0] ?? "" }
}

for (const poolsRequireBinding of [true, false]) {
  test(`PL124 a proof over TLS is bound to its connection, zeros ${poolsRequireBinding ? "are refused" : "are taken"}`, async (t) => {
    const world = await vault(t, { poolsRequireBinding })
    if (world === undefined) return t.skip("openssl is missing")
    const { app, prove, place } = world
    const other = await secured(t, place, "bob")
    assert.notDeepEqual(other.binding, app.binding)
    const stolen = await prove(other.binding)
    assert.equal(stolen["error_code"], "UNAUTHENTICATED")
    assert.match(String(stolen["error"]), /another connection/)
    const unbound = await prove(noBinding)
    if (poolsRequireBinding) {
      assert.equal(unbound["error_code"], "UNAUTHENTICATED")
      assert.match(String(unbound["error"]), /zeros/)
    } else assert.ok(Array.isArray(unbound["rights"]), JSON.stringify(unbound))
    const bound = await prove(app.binding)
    assert.ok(Array.isArray(bound["rights"]), JSON.stringify(bound))
  })
}
