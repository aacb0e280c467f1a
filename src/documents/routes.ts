/**
 * The HTTP routes of the documents part, as functions from plain requests to plain answers.
 *
 * What always holds: what is refused is one line of plain text with the status that the protocol
 * names; no answer is kept by a cache, but for texts, which are asked for again by their ETag. A
 * WireError that is thrown here is answered with its own status by whoever mounts the routes.
 */
import type { HttpAnswer, HttpRequest, HttpRoute } from "../service.ts"
import { readProtectBody } from "../wire/documents-http.ts"
import { bearerToken, parseId } from "./access.ts"
import type { Documents } from "./documents.ts"
import type { Caller } from "./gate.ts"
import { isoTime } from "./joining.ts"
import type { Protected } from "./protection.ts"

/** A body here holds an id, a name and an OTP. */
const bodyBytes = 16 * 1_024

/** Seconds after which a store that is away may be back. */
const awaySeconds = 5

type Reply = (answer: HttpAnswer) => void

/** What lies below `/api/document/` and `/api/text/`. */
export function documentRoutes(documents: Documents): readonly HttpRoute[] {
  return [
    {
      prefix: "/api/document/",
      bodyBytes,
      answer: (request, reply) => answerDocument(documents, request, reply),
    },
    {
      prefix: "/api/text/",
      bodyBytes,
      answer: (request, reply) => reply(answerText(documents, request)),
    },
  ]
}

function answerDocument(documents: Documents, request: HttpRequest, reply: Reply): void {
  // An id with a slash in it is written with %2F here: what follows a slash is what to do.
  const [id = "", action, ...more] = request.path.split("/")
  if (action === undefined) return reply(describe(documents, request, parseId(id)))
  if (action !== "protect" || more.length > 0) {
    return reply({ status: 404, body: "invalid endpoint" })
  }
  const isKnown = request.method === "POST" || request.method === "DELETE"
  if (!isKnown) return reply(wrongMethod("POST, DELETE"))
  protect(documents, request, { id: parseId(id), reply })
}

function answerText(documents: Documents, request: HttpRequest): HttpAnswer {
  if (!isReading(request)) return wrongMethod("GET, HEAD")
  const { text, epoch, revision } = documents.view(parseId(request.path), callerOf(request))
  const etag = `"${epoch}.${revision}"`
  const headers = {
    etag,
    "cache-control": "no-cache",
    // A browser shows it as what it is, and runs nothing in it.
    "content-type": "text/plain; charset=utf-8",
    "content-security-policy": "sandbox",
  }
  if (names(request.headers.get("if-none-match"), etag)) return { status: 304, headers }
  return { status: 200, headers, body: text }
}

function describe(documents: Documents, request: HttpRequest, id: string): HttpAnswer {
  if (!isReading(request)) return wrongMethod("GET, HEAD")
  const { role, isProtected, revision, epoch, length, language, expiresAt } = documents.view(
    id,
    callerOf(request),
  )
  return json({
    role,
    protected: isProtected,
    revision,
    epoch,
    length,
    language: language ?? null,
    expires_at: isoTime(expiresAt),
  })
}

function protect(
  documents: Documents,
  request: HttpRequest,
  { id, reply }: { readonly id: string; readonly reply: Reply },
): void {
  const { gate, protection } = documents
  gate.take(gate.writes, request.address)
  const { user_id, user_name, otp } = readProtectBody(request.body)
  const claimant = {
    user: user_id,
    name: user_name ?? "Anonymous",
    address: request.address,
    tokens: otp === undefined ? [] : [otp],
    secret: bearerToken(request.headers.get("authorization")),
    cookie: request.cookies.get("quartet_editor"),
  }
  const answer = (outcome: Protected) => reply(told(outcome))
  if (request.method === "POST") protection.protect(id, claimant, answer)
  else protection.unprotect(id, claimant, answer)
}

function told(outcome: Protected): HttpAnswer {
  switch (outcome.kind) {
    case "done":
      return outcome.otp === undefined ? { status: 204 } : json({ otp: outcome.otp })
    case "stranger":
      return { status: 403, body: "Forbidden: not connected to document" }
    case "wrong":
      return { status: 403, body: "Forbidden: invalid OTP" }
    case "open":
      return { status: 400, body: "document is not OTP-protected" }
    case "volatile":
      return { status: 503, body: "database not enabled" }
    case "away":
      return { status: 503, headers: { "retry-after": `${awaySeconds}` }, body: "store away" }
  }
}

function callerOf({ address, headers, query }: HttpRequest): Caller {
  const tokens = [bearerToken(headers.get("authorization")), query.get("otp")]
  return { address, tokens: tokens.filter((token) => token !== undefined) }
}

function isReading({ method }: HttpRequest): boolean {
  return method === "GET" || method === "HEAD"
}

/** Whether `etag` is among those of an If-None-Match header. */
function names(header: string | undefined, etag: string): boolean {
  const tags = (header ?? "").split(",").map((tag) => tag.trim().replace(/^W\//, ""))
  return tags.includes(etag) || tags.includes("*")
}

function wrongMethod(allow: string): HttpAnswer {
  return { status: 405, headers: { allow }, body: "method not allowed" }
}

function json(value: unknown): HttpAnswer {
  const headers = { "content-type": "application/json" }
  return { status: 200, headers, body: JSON.stringify(value) }
}
