/** Whom a token makes one, and which tokens are refused. */
import assert from "node:assert/strict"
import { generateKeyPairSync } from "node:crypto"
import { createServer } from "node:http"
import type { AddressInfo } from "node:net"
import { test } from "node:test"
import { type CryptoKey, exportJWK, generateKeyPair, SignJWT, UnsecuredJWT } from "jose"
import { createTokens, type Identify, type TokenKey } from "../src/tokens.ts"
import { WireError } from "../src/wire/error.ts"

const secret = "a secret of at least thirty-two bytes"
/** ms since 1970. */
const now = 1_800_000_000_000
const nowSeconds = now / 1_000

function tokensOf(key: TokenKey, issuer?: string): Identify {
  const tokens = createTokens({ key, audience: "quartet", issuer, now: () => now })
  assert.ok(tokens !== undefined)
  return tokens
}

const withSecret = (issuer?: string) => tokensOf({ kind: "secret", secret }, issuer)

/** Good for an hour, unless `claims` say otherwise. A claim that is undefined is left out. */
function signed(
  claims: Record<string, unknown> = {},
  key: CryptoKey | string = secret,
  alg = "HS256",
) {
  const whole = { sub: "ada", aud: "quartet", iat: nowSeconds, exp: nowSeconds + 3_600, ...claims }
  const signer = new SignJWT(JSON.parse(JSON.stringify(whole))).setProtectedHeader({ alg })
  return signer.sign(typeof key === "string" ? new TextEncoder().encode(key) : key)
}

function refusal(sentence: RegExp, code = "unauthenticated") {
  return (thrown: unknown) => {
    assert.ok(thrown instanceof WireError)
    assert.equal(thrown.code, code)
    assert.match(thrown.message, sentence)
    return true
  }
}

test("RL94 SV35 a token says who one is, what one may do, and where", async () => {
  const identify = withSecret()
  const claims = { role: "editor", docId: ["notes", "team/*"], rights: ["read"] }
  assert.deepEqual(await identify(await signed(claims)), {
    subject: "ada",
    role: "editor",
    places: ["notes", "team/*"],
    rights: ["read"],
    since: now,
    until: now + 3_600_000,
  })
  const bare = await identify(await signed({ room: "notes", iat: undefined }))
  assert.deepEqual([bare.role, bare.places, bare.since], ["viewer", ["notes"], undefined])
})

test("SV35 a token is refused in words that say what is wrong with it", async () => {
  const identify = withSecret("https://issuer.example")
  const good = { iss: "https://issuer.example" }
  await identify(await signed(good))
  const cases: readonly [claims: Record<string, unknown>, sentence: RegExp][] = [
    [{ exp: nowSeconds - 61 }, /has expired/],
    [{ exp: undefined }, /exp is missing/],
    [{ sub: undefined }, /sub is missing/],
    [{ sub: "" }, /sub must have/],
    [{ sub: {} }, /sub must have/],
    [{ sub: "x".repeat(257) }, /sub must have/],
    [{ aud: "other" }, /aud is missing or not/],
    [{ iss: "https://other.example" }, /iss is missing or not/],
    [{ nbf: nowSeconds + 120 }, /nbf is missing or not/],
    [{ exp: nowSeconds + 25 * 3_600 }, /more than 24 hours/],
    [{ role: "owner" }, /role is not one of viewer, editor, admin/],
    [{ docId: 7 }, /docId or room is not/],
    [{ docId: Array(101).fill("a") }, /at most 100 texts/],
    [{ room: "*a*b*c*d*" }, /4 of "\*"/],
    [{ rights: "all" }, /rights is not/],
  ]
  for (const [claims, sentence] of cases) {
    await assert.rejects(identify(await signed({ ...good, ...claims })), refusal(sentence))
  }
  // Clocks may differ by a minute.
  await identify(await signed({ ...good, exp: nowSeconds - 59 }))
  await assert.rejects(identify("x".repeat(5_000)), refusal(/at most 4096 characters/))
  await assert.rejects(identify("not a token"), refusal(/cannot be verified/))
})

test("SV35 the algorithm is the configured key's, whatever a token says", async () => {
  const { publicKey, privateKey } = generateKeyPairSync("ed25519")
  const pem = publicKey.export({ format: "pem", type: "spki" }).toString()
  const identify = tokensOf({ kind: "public", text: pem })
  const jwk = JSON.stringify(publicKey.export({ format: "jwk" }))
  const pair = await generateKeyPair("EdDSA")
  const own = await new SignJWT({ sub: "ada", aud: "quartet", exp: nowSeconds + 60 })
    .setProtectedHeader({ alg: "EdDSA" })
    .sign(privateKey)
  assert.equal((await identify(own)).subject, "ada")
  assert.equal((await tokensOf({ kind: "public", text: jwk })(own)).subject, "ada")
  const forged = [
    await signed({}, pair.privateKey, "EdDSA"),
    await signed({}, pem), // the public key, used as a secret
    new UnsecuredJWT({ sub: "ada", aud: "quartet", exp: nowSeconds + 60 }).encode(),
  ]
  for (const token of forged) {
    await assert.rejects(identify(token), refusal(/cannot be verified/))
    await assert.rejects(withSecret()(token), refusal(/cannot be verified/))
  }
  await assert.rejects(withSecret()(await signed({}, `${secret}!`)), refusal(/cannot be verified/))
  const rsa = generateKeyPairSync("rsa", { modulusLength: 2_048 }).publicKey
  const rsaPem = rsa.export({ format: "pem", type: "spki" }).toString()
  assert.throws(() => tokensOf({ kind: "public", text: rsaPem }), /not an Ed25519 key/)
})

test("SV35 keys that are fetched are kept, and keys that cannot be fetched are no bad token", async () => {
  const { publicKey, privateKey } = await generateKeyPair("ES256")
  const keys = [{ ...(await exportJWK(publicKey)), kid: "1", alg: "ES256" }]
  let asked = 0
  const server = createServer((_, response) => {
    asked++
    response.end(JSON.stringify({ keys }))
  })
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
  const { port } = server.address() as AddressInfo // a TCP server that listens has one
  const identify = tokensOf({ kind: "jwks", url: `http://127.0.0.1:${port}/keys` })
  const token = await signed({}, privateKey, "ES256")
  assert.equal((await identify(token)).subject, "ada")
  assert.equal((await identify(token)).subject, "ada")
  assert.equal(asked, 1)
  await new Promise((resolve) => server.close(resolve))
  const alone = tokensOf({ kind: "jwks", url: `http://127.0.0.1:${port}/keys` })
  await assert.rejects(alone(token), refusal(/cannot be fetched/, "unavailable"))
})

test("SV35 without a key there is nobody who looks at tokens", () => {
  const options = { key: undefined, audience: "quartet", issuer: undefined, now: () => now }
  assert.equal(createTokens(options), undefined)
})
