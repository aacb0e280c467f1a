/**
 * The HTTP routes of the documents part, as functions from plain requests to plain answers.
 *
 * What always holds: what is refused is one line of plain text with the status that the protocol
 * names; no answer is kept by a cache, but for texts, which are asked for again by their ETag. A
 * WireError that is thrown here is answered with its own status by whoever mounts the routes.
 */
import type { HttpAnswer, HttpRequest, HttpRoute } from "../service.ts"
import { readProtectBody } from "../wire/documents-http.ts"
import { parseId } from "./access.ts"
import {
  away,
  callerOf,
  claimantOf,
  isReading,
  json,
  type Reply,
  stranger,
  unknownPath,
  volatile,
  wrongMethod,
} from "./answers.ts"
import type { Documents } from "./documents.ts"
import { isoTime } from "./joining.ts"
import { answerLinks, answerRetention } from "./link-routes.ts"
import type { Protected } from "./protection.ts"
import { answerHistory, textRoute } from "./text-routes.ts"

/** A body here holds an id, a name and an OTP. */
const bodyBytes = 16 * 1_024

/** What lies below `/api/document/` and `/api/text/`. */
export function documentRoutes(documents: Documents): readonly HttpRoute[] {
  return [
    {
      prefix: "/api/document/",
      bodyBytes,
      answer: (request, reply) => answerDocument(documents, request, reply),
    },
    textRoute(documents),
  ]
}

function answerDocument(documents: Documents, request: HttpRequest, reply: Reply): void {
  // An id with a slash in it is written with %2F here: what follows a slash is what to do.
  const [id = "", action, ...more] = request.path.split("/")
  if (action === undefined) return reply(describe(documents, request, parseId(id)))
  const [ref, ...beyond] = more
  if (action === "links" && beyond.length === 0) {
    return answerLinks(documents, request, { name: parseId(id), ref, reply })
  }
  if (ref !== undefined) return reply(unknownPath)
  if (action === "history") return reply(answerHistory(documents, request, parseId(id)))
  if (action === "retention") {
    return answerRetention(documents, request, { name: parseId(id), reply })
  }
  if (action !== "protect") return reply(unknownPath)
  const isKnown = request.method === "POST" || request.method === "DELETE"
  if (!isKnown) return reply(wrongMethod("POST, DELETE"))
  protect(documents, request, { id: parseId(id), reply })
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
  const petitioner = {
    ...claimantOf(request, user_id),
    name: user_name ?? "Anonymous",
    tokens: otp === undefined ? [] : [otp],
  }
  const answer = (outcome: Protected) => reply(told(outcome))
  if (request.method === "POST") protection.protect(id, petitioner, answer)
  else protection.unprotect(id, petitioner, answer)
}

function told(outcome: Protected): HttpAnswer {
  switch (outcome.kind) {
    case "done":
      return outcome.otp === undefined ? { status: 204 } : json({ otp: outcome.otp })
    case "stranger":
      return stranger
    case "wrong":
      return { status: 403, body: "Forbidden: invalid OTP" }
    case "open":
      return { status: 400, body: "document is not OTP-protected" }
    case "volatile":
      return volatile
    case "away":
      return away
  }
}
