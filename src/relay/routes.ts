/**
 * The relay's admin API, below `/api/relay/`: what rooms there are, who is shut out, and what copies
 * are deleted (RL103).
 *
 * What always holds: it is open to the admin token and to JWTs whose role is admin, for the rooms
 * that those name; where there is neither key nor token, who asks from this machine may look and
 * no more. Each act is logged with who and what, without content.
 */
import { createHash, timingSafeEqual } from "node:crypto"
import type { Log } from "../log.ts"
import type { HttpAnswer, HttpRequest, HttpRoute, Identity } from "../service.ts"
import { statusOf, WireError } from "../wire/error.ts"
import { type RelayAct, readAct } from "../wire/relay-http.ts"
import { matches } from "./access.ts"
import type { AskIdentity, Relay } from "./relay.ts"

export interface RelayRoutesOptions {
  readonly relay: Relay
  readonly identify: AskIdentity
  readonly adminToken: string | undefined
  /** Whether those without a token may look, from this machine. */
  readonly isOpenHere: boolean
  readonly log: Log
}

/** For which rooms somebody may govern, and as whom. */
interface Admin {
  readonly name: string
  readonly mayAct: boolean
  readonly governs: (room: string) => boolean
}

const bodyBytes = 128 * 1024
/** Of the rooms, as many as the page shows. */
const roomsShown = 100

const everywhere = () => true

export function relayRoutes(options: RelayRoutesOptions): readonly HttpRoute[] {
  return [
    {
      prefix: "/api/relay/",
      bodyBytes,
      answer: (request, reply) =>
        identifyAdmin(options, request, (admin) => {
          const answer = told(() => answerFor(options, request, admin))
          if (typeof answer === "function") answer(reply)
          else reply(answer)
        }),
    },
  ]
}

/** An answer, or what gives it in a later turn. */
type Answering = HttpAnswer | ((reply: (answer: HttpAnswer) => void) => void)

/** The token may have been looked at in another turn: a refusal is answered here. */
function told(answer: () => Answering): Answering {
  try {
    return answer()
  } catch (thrown) {
    if (!(thrown instanceof WireError)) throw thrown
    return { status: statusOf(thrown.code), body: thrown.message }
  }
}

function answerFor(
  options: RelayRoutesOptions,
  request: HttpRequest,
  admin: Admin | HttpAnswer,
): Answering {
  if ("status" in admin) return admin
  const { relay, log } = options
  const { method, path } = request
  const isReading = method === "GET" || method === "HEAD"
  if (path === "rooms" || path.startsWith("rooms/")) {
    if (!isReading) return wrongMethod("GET, HEAD")
    return path === "rooms" ? roomsOf(relay, admin) : roomOf(relay, admin, path.slice(6))
  }
  if (path.startsWith("copies/")) {
    if (method !== "DELETE") return wrongMethod("DELETE")
    if (!admin.mayAct) return { status: 403, body: "an admin's token is required" }
    return deleteCopy(options, admin, decoded(path.slice(7)))
  }
  if (path !== "revoke" && path !== "deny" && path !== "message") {
    return { status: 404, body: "not found" }
  }
  if (method !== "POST") return wrongMethod("POST")
  if (!admin.mayAct) return { status: 403, body: "an admin's token is required" }
  const act = readAct(path, request.body)
  if (!isWithin(act, admin)) return { status: 403, body: beyondOf(act) }
  const { kind, ...what } = act
  log.info("relay admin", { act: kind, by: admin.name, ...("text" in what ? {} : what) })
  perform(relay, act)
  return { status: 204 }
}

function deleteCopy({ relay, log }: RelayRoutesOptions, admin: Admin, room: string): Answering {
  if (!admin.governs(room)) return { status: 403, body: "the token is not good for that room" }
  log.info("relay admin", { act: "delete copy", by: admin.name, room })
  return (reply) =>
    relay.deleteCopy(room, (wasThere) => {
      if (wasThere === "away") {
        const status = statusOf("unavailable")
        reply({ status, body: "the copy could not be deleted: try again later" })
      } else if (wasThere) reply({ status: 204 })
      else reply({ status: 404, body: "there is no such copy" })
    })
}

function perform(relay: Relay, act: RelayAct): void {
  switch (act.kind) {
    case "revoke":
      return relay.revoke(act.sub, act.room, act.role)
    case "deny":
      return relay.deny(act.pattern, act.on ? "on" : "off")
    case "message":
      return relay.tell(act.room, act.text)
  }
}

/** What concerns all rooms is only for who governs all of them. */
function isWithin(act: RelayAct, { governs }: Admin): boolean {
  if (governs === everywhere) return true
  switch (act.kind) {
    case "revoke":
      return act.room !== undefined && governs(act.room)
    case "deny":
      return !act.pattern.includes("*") && governs(act.pattern)
    case "message":
      return governs(act.room)
  }
}

/** Why an act is not within what somebody governs. */
function beyondOf(act: RelayAct): string {
  const isOfMany =
    act.kind === "revoke"
      ? act.room === undefined
      : act.kind === "deny" && act.pattern.includes("*")
  if (!isOfMany) return "the token is not good for that room"
  return "that concerns rooms which the token does not name: it is for who governs all rooms"
}

function roomsOf(relay: Relay, { governs }: Admin): HttpAnswer {
  const rooms = relay.view(roomsShown, governs)
  return json({ rooms, total: relay.size })
}

function roomOf(relay: Relay, { governs }: Admin, encoded: string): HttpAnswer {
  const name = decoded(encoded)
  const [room] = relay.view(1, (each) => each === name && governs(each))
  return room === undefined ? { status: 404, body: "no such room here" } : json(room)
}

function identifyAdmin(
  options: RelayRoutesOptions,
  request: HttpRequest,
  answer: (admin: Admin | HttpAnswer) => void,
): void {
  const { adminToken, identify, isOpenHere } = options
  const token = /^Bearer +(\S+)$/i.exec(request.headers.get("authorization") ?? "")?.[1]
  if (token === undefined) {
    const isHere = isOpenHere && isLocal(request.address)
    const guest: Admin = { name: "local", mayAct: false, governs: everywhere }
    return answer(isHere ? guest : { status: 401, body: "an admin's token is required" })
  }
  if (adminToken !== undefined && isEqual(token, adminToken)) {
    return answer({ name: "admin token", mayAct: true, governs: everywhere })
  }
  identify(token, (found) => answer(adminOf(found)))
}

function adminOf(found: Identity | WireError | undefined): Admin | HttpAnswer {
  if (found instanceof WireError) return { status: 401, body: found.message }
  if (found === undefined) return { status: 401, body: "an admin's token is required" }
  const { role, subject, places } = found
  if (role !== "admin") return { status: 403, body: "the token's role is not admin" }
  const isOfAll = places === undefined || places.includes("*")
  if (isOfAll) return { name: subject, mayAct: true, governs: everywhere }
  const governs = (room: string) => places.some((pattern) => matches(pattern, room))
  return { name: subject, mayAct: true, governs }
}

/** Compared as hashes, so that neither length nor content shows in the time it takes. */
function isEqual(a: string, b: string): boolean {
  const [left, right] = [a, b].map((each) => createHash("sha256").update(each).digest())
  return left !== undefined && right !== undefined && timingSafeEqual(left, right)
}

function isLocal(address: string): boolean {
  return address === "local" || address === "::1" || address.startsWith("127.")
}

function wrongMethod(allow: string): HttpAnswer {
  return { status: 405, headers: { allow }, body: "method not allowed" }
}

function json(value: unknown): HttpAnswer {
  const headers = { "content-type": "application/json" }
  return { status: 200, headers, body: JSON.stringify(value) }
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    throw new WireError("bad-message", "malformed percent-encoding")
  }
}
