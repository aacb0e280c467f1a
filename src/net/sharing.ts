/**
 * What lets a page of ALLOWED_ORIGINS read what it asked for, and write: the headers of CORS (DC16).
 *
 * What always holds: an origin is told only of itself, and only where the gate has let it in; every
 * other page's browser keeps the answer from it. Nothing is shared that rests on a cookie.
 */
import type { IncomingMessage } from "node:http"
import type { Gate } from "./gate.ts"

/** What a browser asks before it lets a page send what a form could not. */
const preflight = {
  "access-control-allow-methods": "GET, HEAD, POST, PUT, PATCH, DELETE",
  "access-control-allow-headers":
    "Authorization, Content-Type, Idempotency-Key, If-Match, If-None-Match",
  // It need not ask again for ten minutes.
  "access-control-max-age": "600",
}

/** What a page may read of an answer's headers, besides what it always may. */
const shown = { "access-control-expose-headers": "ETag, Retry-After" }

/** What `answer` gives, so that the page it is for can read it. */
export async function shared(
  { headers, method }: IncomingMessage,
  gate: Gate,
  answer: () => Promise<Response>,
): Promise<Response> {
  const { origin } = headers
  if (origin === undefined || gate.originOf(headers) !== "allowed") return answer()
  const sharing = { "access-control-allow-origin": origin, vary: "Origin" }
  if (method === "OPTIONS" && "access-control-request-method" in headers) {
    return new Response(null, { status: 204, headers: { ...sharing, ...preflight } })
  }
  const answered = await answer()
  for (const [name, value] of Object.entries({ ...sharing, ...shown })) {
    answered.headers.set(name, value)
  }
  return answered
}
