/**
 * What the routes of the documents part have in common: who asks, and the plain answers.
 *
 * What always holds: what is refused is one line of plain text, and names no document.
 */
import type { HttpAnswer, HttpRequest } from "../service.ts"
import { bearerToken } from "./access.ts"
import type { Caller } from "./gate.ts"
import type { Claimant } from "./proof.ts"

/** Answers a request, now or later. */
export type Reply = (answer: HttpAnswer) => void

/** Seconds after which a store that is away may be back. */
const awaySeconds = 5

/** The store could not be written, and nothing has changed. */
export const away: HttpAnswer = {
  status: 503,
  headers: { "retry-after": `${awaySeconds}` },
  body: "store away",
}

/** Without a database a restart would silently drop what is promised here. */
export const volatile: HttpAnswer = { status: 503, body: "database not enabled" }

/** The caller is no editor of that document with the full role, or has not proved to be (DC86). */
export const stranger: HttpAnswer = { status: 403, body: "Forbidden: not connected to document" }

export const unknownPath: HttpAnswer = { status: 404, body: "invalid endpoint" }

/** Who asks for a document, with a token as the OTP. */
export function callerOf({ address, headers, query }: HttpRequest): Caller {
  const tokens = [bearerToken(headers.get("authorization")), query.get("otp")]
  return { address, tokens: tokens.filter((token) => token !== undefined) }
}

/** Who asks as an editor, with a token as its secret; `user` is who it says it is, where it does. */
export function claimantOf(request: HttpRequest, user: number | undefined): Claimant & Caller {
  return {
    user,
    address: request.address,
    tokens: [],
    secret: bearerToken(request.headers.get("authorization")),
    cookie: request.cookies.get("quartet_editor"),
  }
}

export function isReading({ method }: HttpRequest): boolean {
  return method === "GET" || method === "HEAD"
}

/** Refuses a method; `allow` has those that there are. */
export function wrongMethod(allow: string): HttpAnswer {
  return { status: 405, headers: { allow }, body: "method not allowed" }
}

export function json(value: unknown, status = 200): HttpAnswer {
  const headers = { "content-type": "application/json" }
  return { status, headers, body: JSON.stringify(value) }
}
