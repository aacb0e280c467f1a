/** Pages of other origins over HTTP: those of ALLOWED_ORIGINS read and write, all others neither. */
import assert from "node:assert/strict"
import { test } from "node:test"
import { startServer } from "./harness.ts"

const friend = "https://notes.example"

/** The headers of CORS of an answer. */
function sharing(answer: Response): Record<string, string> {
  const all = [...answer.headers].filter(([name]) => /^access-control-|^vary$/.test(name))
  return Object.fromEntries(all)
}

test("DC16 a page of ALLOWED_ORIGINS may read and write over HTTP, without a cookie", async (t) => {
  const { url } = await startServer(t, { allowedOrigins: [friend] })
  const headers = { origin: friend }
  const asked = await fetch(`${url}/api/text/notes`, {
    method: "OPTIONS",
    headers: { ...headers, "access-control-request-method": "PUT" },
  })
  assert.equal(asked.status, 204)
  assert.deepEqual(sharing(asked), {
    "access-control-allow-origin": friend,
    "access-control-allow-methods": "GET, HEAD, POST, PUT, PATCH, DELETE",
    "access-control-allow-headers":
      "Authorization, Content-Type, Idempotency-Key, If-Match, If-None-Match",
    "access-control-max-age": "600",
    vary: "Origin",
  })
  const shared = {
    "access-control-allow-origin": friend,
    "access-control-expose-headers": "ETag, Retry-After",
    vary: "Origin",
  }
  const put = await fetch(`${url}/api/text/notes`, { method: "PUT", headers, body: "hello" })
  assert.deepEqual([put.status, sharing(put)], [200, shared])
  // What was refused can be read as well: a page asks so why its handshake was.
  for (const path of ["text/notes", "document/notes", "stats", "text/~AAAAAAAAAAAAAAAAAAAAAA"]) {
    const got = await fetch(`${url}/api/${path}`, { headers })
    assert.deepEqual(sharing(got), shared, path)
  }
  const plain = await fetch(`${url}/api/text/notes`, { method: "OPTIONS", headers })
  assert.equal(plain.status, 405, "nobody asks for leave with this")
})

test("DC16 a page of any other origin is told nothing by which its browser would let it read", async (t) => {
  const { url } = await startServer(t, { allowedOrigins: [friend] })
  for (const origin of [
    "https://evil.example",
    "null",
    `${friend}.evil.example`,
    "http://notes.example",
  ]) {
    const got = await fetch(`${url}/api/text/notes`, { headers: { origin } })
    assert.deepEqual([got.status, sharing(got)], [200, {}], origin)
    const asked = await fetch(`${url}/api/text/notes`, {
      method: "OPTIONS",
      headers: { origin, "access-control-request-method": "PUT" },
    })
    assert.deepEqual([asked.status, sharing(asked)], [403, {}], origin)
  }
  const own = await fetch(`${url}/api/text/notes`, { headers: { origin: url } })
  assert.deepEqual([own.status, sharing(own)], [200, {}], "this server's own page needs no leave")
  const program = await fetch(`${url}/api/text/notes`)
  assert.deepEqual(sharing(program), {})
})
