/**
 * The routes of who governs a document: its links, and for how long it is kept (DC27, DC89).
 *
 * What always holds: the caller has proved to be an editor of the document with the full role before
 * anything is looked at, changed or told; a link itself is told once, in the answer that made it.
 */
import type { HttpAnswer, HttpRequest } from "../service.ts"
import { readLinkBody, readRetentionBody } from "../wire/documents-http.ts"
import { refOf } from "./access.ts"
import {
  away,
  claimantOf,
  isReading,
  json,
  type Reply,
  stranger,
  volatile,
  wrongMethod,
} from "./answers.ts"
import type { Documents } from "./documents.ts"
import { isoTime } from "./joining.ts"
import type { Made, Revoked } from "./links.ts"
import type { Kept } from "./retention.ts"
import type { StoredLink } from "./shelf.ts"

/** The document that a request is about, by its id or a link, and where its answer goes. */
export interface Asked {
  readonly name: string
  readonly reply: Reply
}

/** Answers below `/api/document/{id}/links`; `ref` is what follows that, if anything does. */
export function answerLinks(
  documents: Documents,
  request: HttpRequest,
  { name, ref, reply }: Asked & { readonly ref: string | undefined },
): void {
  const { method } = request
  if (ref !== undefined) {
    if (method !== "DELETE") return reply(wrongMethod("DELETE"))
    return revoke(documents, request, { name, ref, reply })
  }
  if (method === "POST") return make(documents, request, { name, reply })
  if (!isReading(request)) return reply(wrongMethod("GET, HEAD, POST"))
  const proved = documents.prove(name, claimantOf(request, undefined))
  reply(proved === undefined ? stranger : json(documents.links.of(proved.document).map(rowOf)))
}

/** Answers `/api/document/{id}/retention`. */
export function answerRetention(
  documents: Documents,
  request: HttpRequest,
  { name, reply }: Asked,
): void {
  if (request.method !== "PUT") return reply(wrongMethod("PUT"))
  documents.gate.take(documents.gate.writes, request.address)
  const { user_id, days } = readRetentionBody(request.body)
  const proved = documents.prove(name, claimantOf(request, user_id))
  if (proved === undefined) return reply(stranger)
  documents.retention.keep(proved.document, days ?? undefined, (outcome) => reply(kept(outcome)))
}

function make(documents: Documents, request: HttpRequest, { name, reply }: Asked): void {
  documents.gate.take(documents.gate.writes, request.address)
  const { user_id, role, expires_in_hours: hours, label } = readLinkBody(request.body)
  const proved = documents.prove(name, claimantOf(request, user_id))
  if (proved === undefined) return reply(stranger)
  // A label of nothing says no more than none.
  const wish = { role, hours, label: label || undefined }
  documents.links.make(proved.document, wish, (outcome) => reply(made(outcome)))
}

// It has no body: the secret or the cookie says who asks.
function revoke(
  documents: Documents,
  request: HttpRequest,
  { name, ref, reply }: Asked & { readonly ref: string },
): void {
  documents.gate.take(documents.gate.writes, request.address)
  const proved = documents.prove(name, claimantOf(request, undefined))
  if (proved === undefined) return reply(stranger)
  documents.links.revoke(proved.document, ref, (outcome) => reply(revoked(outcome)))
}

function made(outcome: Made): HttpAnswer {
  switch (outcome.kind) {
    case "made": {
      const { ref, role, expires_at } = rowOf(outcome.row)
      return json({ link: outcome.link, ref, role, expires_at }, 201)
    }
    case "full":
      return { status: 409, body: "too many links" }
    case "away":
      return away
  }
}

function revoked(outcome: Revoked): HttpAnswer {
  switch (outcome) {
    case "revoked":
      return { status: 204 }
    case "unknown":
      return { status: 404, body: "no such link" }
    case "away":
      return away
  }
}

function kept(outcome: Kept): HttpAnswer {
  switch (outcome.kind) {
    case "done":
      return json({ expires_at: isoTime(outcome.expiresAt) })
    case "volatile":
      return volatile
    case "away":
      return away
  }
}

// A link as those who may revoke it see it.
function rowOf({ hash, role, label, expiresAt, createdAt }: StoredLink) {
  return {
    ref: refOf(hash),
    role,
    label: label ?? null,
    expires_at: isoTime(expiresAt),
    created_at: isoTime(createdAt),
  }
}
