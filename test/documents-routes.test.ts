/** The documents part over HTTP: statuses, bodies and headers. */
import assert from "node:assert/strict"
import { join as joinPath } from "node:path"
import { test } from "node:test"
import { folder, pad } from "./far-end.ts"

test("DC93 R1 a text is plain text with an ETag that names epoch and revision", async (t) => {
  const server = pad(t)
  const x = server.extend("notes", "x")
  x.edits(0, ["grüße"], 1)
  const { epoch } = x.all("Welcome")[0] as { epoch: string }
  const answer = await server.request("GET", "/api/text/notes")
  assert.deepEqual(answer, {
    status: 200,
    headers: {
      etag: `"${epoch}.1"`,
      "cache-control": "no-cache",
      "content-type": "text/plain; charset=utf-8",
      "content-security-policy": "sandbox",
    },
    body: "grüße",
  })
  assert.deepEqual(await server.request("HEAD", "/api/text/notes"), answer)
  for (const header of [`"${epoch}.1"`, `"a", W/"${epoch}.1"`, "*"]) {
    const headers = { "if-none-match": header }
    const { status, body } = await server.request("GET", "/api/text/notes", { headers })
    assert.deepEqual([status, body], [304, undefined])
  }
  x.edits(1, [5, "!"], 2)
  const headers = { "if-none-match": `"${epoch}.1"` }
  assert.equal((await server.request("GET", "/api/text/notes", { headers })).status, 200)
})

test("DC93 an unknown document reads as an empty one, and reading makes none", async (t) => {
  const server = pad(t)
  const text = await server.request("GET", "/api/text/unknown")
  assert.deepEqual([text.status, text.body], [200, ""])
  const { body = "" } = await server.request("GET", "/api/document/unknown")
  assert.deepEqual(JSON.parse(body), {
    role: "full",
    protected: false,
    revision: 0,
    epoch: "new",
    length: 0,
    language: null,
    expires_at: null,
  })
  assert.deepEqual(
    [server.service.stats().num_documents, server.service.stats().database_size],
    [0, 0],
  )
})

test("DC93 DC9 a cold document is read without taking it into memory", async (t) => {
  const uri = joinPath(folder(t), "pad.db")
  const before = pad(t, { uri })
  const a = before.join("a/b 🎉")
  a.edits(0, ["cold 🎉"])
  a.says({ SetLanguage: "go" })
  before.stop()
  const now = before.now + 86_400_000
  const server = pad(t, { uri, now, settings: { retentionDays: 30 } })
  assert.equal(await server.text("a/b 🎉"), "cold 🎉")
  assert.equal(
    (await server.request("GET", "/api/text/a/b%20🎉")).body,
    "cold 🎉",
    "slashes as they are",
  )
  const { body = "" } = await server.request("GET", "/api/document/a%2Fb%20%F0%9F%8E%89")
  const { epoch, ...rest } = JSON.parse(body)
  assert.ok(epoch.length > 3)
  assert.deepEqual(rest, {
    role: "full",
    protected: false,
    revision: 1,
    length: 6,
    language: "go",
    expires_at: new Date(before.now + 30 * 86_400_000).toISOString(),
  })
  assert.equal(server.service.stats().num_documents, 0)
})

test("DC93 DC6 a protected text is read with the OTP, as a bearer or in the query", async (t) => {
  const uri = joinPath(folder(t), "pad.db")
  const before = pad(t, { uri })
  before.join("notes").edits(0, ["x"])
  before.stop()
  const server = pad(t, { uri })
  server.store.prepare("UPDATE document SET otp = 'right'").run()
  for (const path of ["/api/text/notes", "/api/document/notes"]) {
    const refused = await server.request("GET", path)
    assert.deepEqual([refused.status, refused.body], [401, "Invalid or missing OTP"])
    assert.equal((await server.request("GET", `${path}?otp=wrong`)).status, 401)
    assert.equal((await server.request("GET", `${path}?otp=right`)).status, 200)
    const headers = { authorization: "Bearer right" }
    assert.equal((await server.request("GET", path, { headers })).status, 200)
  }
})

test("DC1 DC2 DC105 requests that mean nothing get 400, 404 or 405", async (t) => {
  const server = pad(t)
  const cases: readonly (readonly [string, string, number, string])[] = [
    ["GET", "/api/text/", 400, "document ID required"],
    ["GET", "/api/text/%", 400, "bad document ID"],
    ["GET", "/api/text/%00", 400, "bad document ID"],
    ["GET", "/api/text/~abc", 400, "bad document ID"],
    ["GET", "/api/document/", 400, "document ID required"],
    ["GET", "/api/document/a/b", 404, "invalid endpoint"],
    ["POST", "/api/document/a/protect/x", 404, "invalid endpoint"],
    ["POST", "/api/document/a/", 404, "invalid endpoint"],
    ["PUT", "/api/document/a", 405, "method not allowed"],
    ["GET", "/api/document/a/protect", 405, "method not allowed"],
    ["POST", "/api/text/a", 405, "method not allowed"],
  ]
  for (const [method, path, status, body] of cases) {
    const answer = await server.request(method, path)
    assert.deepEqual([answer.status, answer.body], [status, body], `${method} ${path}`)
    assert.equal(answer.headers?.["allow"] !== undefined, status === 405)
  }
})

test("DC105 a body that is not what it should be is 400, whatever it is", async (t) => {
  const server = pad(t, { uri: joinPath(folder(t), "pad.db") })
  const bad = [
    "",
    "{",
    "[]",
    "null",
    '{"user_id":-1}',
    '{"user_id":1.5}',
    '{"user_id":"0"}',
    '{"user_name":"A"}',
  ]
  for (const body of bad) {
    const answer = await server.request("POST", "/api/document/a/protect", { body })
    assert.deepEqual([answer.status, answer.body], [400, "invalid request body"], body)
  }
  const good = '{"user_id":0,"user_name":"A","more":1,"__proto__":{"x":1}}'
  assert.equal(
    (await server.request("POST", "/api/document/a/protect", { body: good })).status,
    403,
  )
})

test("DC8 a store that cannot be read is 503, never an empty text", async (t) => {
  const server = pad(t)
  server.store.prepare("ALTER TABLE document RENAME TO hidden").run()
  for (const path of ["/api/text/notes", "/api/document/notes"]) {
    const { status, body } = await server.request("GET", path)
    assert.deepEqual([status, body], [503, "store away"])
  }
})
