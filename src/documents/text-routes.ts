/**
 * The HTTP routes for programs: a text as it is, as it is to be, and as it was.
 *
 * What always holds: an ETag names the epoch and revision of a text, and equal ETags mean equal
 * texts; a write is answered when it is journaled (DC47). Refusals that are thrown are answered
 * by whoever mounts the routes.
 */
import type { HttpAnswer, HttpRequest, HttpRoute } from "../service.ts"
import { readPatch, readText } from "../wire/documents-http.ts"
import { WireError } from "../wire/error.ts"
import { parseId } from "./access.ts"
import { away, callerOf, isReading, json, wrongMethod } from "./answers.ts"
import type { Documents } from "./documents.ts"
import type { Mark, Wish, Written } from "./writing.ts"

/** DC97: operations in one answer. */
const limitOperations = 2_000
/** DC96: characters of an Idempotency-Key. */
const limitKey = 64

/** What lies below `/api/text/`. */
export function textRoute(documents: Documents): HttpRoute {
  return {
    prefix: "/api/text/",
    bodyBytes: documents.writing.limitBytes,
    answer: (request, reply) => reply(answerText(documents, request)),
  }
}

/** The past of the document `id`, from `from` on, at most `limit` operations (DC97). */
export function answerHistory(documents: Documents, request: HttpRequest, id: string): HttpAnswer {
  if (!isReading(request)) return wrongMethod("GET, HEAD")
  const from = numberIn(request, "from", [0, Number.MAX_SAFE_INTEGER])
  const limit = numberIn(request, "limit", [1, limitOperations]) ?? limitOperations
  const played = documents.playback.play(id, callerOf(request), { from, limit })
  switch (played.kind) {
    case "played": {
      const { kind: _, operations, authors, ...rest } = played
      const told = operations.map(({ user, at, operation }) => ({ id: user, at, operation }))
      return json({ ...rest, operations: told, authors: Object.fromEntries(authors) })
    }
    case "gone":
      return { status: 410, body: "no longer kept" }
    case "ahead":
      return { status: 400, body: `from is ahead: the text is at revision ${played.revision}` }
  }
}

function answerText(documents: Documents, request: HttpRequest): HttpAnswer {
  const id = parseId(request.path)
  switch (request.method) {
    case "PUT":
    case "PATCH":
      return answered(documents.writing.write(id, callerOf(request), wishOf(request)))
    case "GET":
    case "HEAD":
      return readFrom(documents, request, id)
    default: // any word may stand there
      return wrongMethod("GET, HEAD, PUT, PATCH")
  }
}

function readFrom(documents: Documents, request: HttpRequest, id: string): HttpAnswer {
  const view = documents.view(id, callerOf(request))
  const etag = etagOf(view)
  const headers = {
    etag,
    "cache-control": "no-cache",
    // A browser shows it as what it is, and runs nothing in it.
    "content-type": "text/plain; charset=utf-8",
    "content-security-policy": "sandbox",
  }
  const tags = tagsIn(request.headers.get("if-none-match"))
  if (tags.includes(etag) || tags.includes("*")) return { status: 304, headers }
  return { status: 200, headers, body: view.text }
}

function wishOf({ method, headers, body }: HttpRequest): Wish {
  const once = headers.get("idempotency-key")
  if (once !== undefined && (once === "" || once.length > limitKey)) {
    throw new WireError("bad-message", `an Idempotency-Key has 1 to ${limitKey} characters`)
  }
  const change =
    method === "PUT" ? { kind: "text" as const, text: readText(body) } : readPatch(body)
  return { change, known: marksIn(headers.get("if-match")), once }
}

function answered(written: Written): HttpAnswer {
  switch (written.kind) {
    case "written": {
      const answer = json({ revision: written.revision })
      return { ...answer, headers: { ...answer.headers, etag: etagOf(written) } }
    }
    case "unreachable":
      return { status: 412, body: "the text of that ETag is not kept any more: read it again" }
    case "absent":
      return { status: 409, body: "text not found" }
    case "stale":
      return { status: 409, body: "stale revision" }
    case "away":
      return away
    case "refused":
      throw new WireError(written.code, written.sentence)
  }
}

function etagOf({ epoch, revision }: Mark): string {
  return `"${epoch}.${revision}"`
}

// The ETags of a header. A proxy that compresses makes weak ones of ours; they name the same text.
function tagsIn(header: string | undefined): readonly string[] {
  return (header ?? "").split(",").map((tag) => tag.trim().replace(/^W\//, ""))
}

// What an If-Match header names; undefined when there is none, or any text will do.
function marksIn(header: string | undefined): readonly Mark[] | undefined {
  const tags = tagsIn(header)
  if (header === undefined || tags.includes("*")) return undefined
  return tags.flatMap((tag) => {
    const [, epoch, revision] = /^"(.+)\.(\d{1,15})"$/.exec(tag) ?? []
    return epoch === undefined ? [] : [{ epoch, revision: Number(revision) }]
  })
}

// A whole number in the query, undefined when it is not there. Throws "bad-message".
function numberIn(
  { query }: HttpRequest,
  name: string,
  [low, high]: readonly [number, number],
): number | undefined {
  const word = query.get(name)
  if (word === undefined) return undefined
  const number = /^\d{1,16}$/.test(word) ? Number(word) : Number.NaN
  if (number >= low && number <= high) return number
  throw new WireError("bad-message", `${name} is a whole number from ${low} to ${high}`)
}
