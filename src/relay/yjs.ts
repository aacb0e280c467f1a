/**
 * The Yjs dialect as a service: one replica for each connection, in the room that its path names.
 *
 * What always holds: whoever is here was admitted before it was opened; a far end is never left
 * without a message for ten seconds, since its library closes after thirty (RL82); the tenth frame
 * in ten seconds that cannot be read closes it, and no other.
 */
import type { Connection, Identity, Role, Service } from "../service.ts"
import { type Code, WireError } from "../wire/error.ts"
import type { FromYjs, Notice, Row, ToYjsReplica } from "../wire/relay.ts"
import type { ToYjs } from "../wire/yjs.ts"
import { Agenda } from "./agenda.ts"
import { Expiry } from "./expiry.ts"
import { Faults } from "./faults.ts"
import type { Membership } from "./membership.ts"
import { Pace } from "./pace.ts"
import type { AskIdentity, Relay } from "./relay.ts"
import type { YjsOutlet } from "./replica.ts"

/** The feature that asks for notices. */
const noticeFeature = "notice"
const aliveMs = 10_000
/** No rows: what keeps a line alive. */
const alive: ToYjs = { kind: "awareness", rows: [] }

interface Session {
  readonly connection: Connection<ToYjs>
  readonly outlet: Speaker
  readonly pace: Pace
  readonly faults: Faults
  readonly expiry: Expiry
  readonly member: Membership
}

export class YjsDialect implements Service<readonly FromYjs[], ToYjs> {
  readonly #relay: Relay
  readonly #identify: AskIdentity
  readonly #sessions = new Map<Connection<ToYjs>, Session>()
  // What is due here may wait for the steady tick.
  readonly #agenda = new Agenda<Session>(() => {})

  constructor(relay: Relay, identify: AskIdentity) {
    this.#relay = relay
    this.#identify = identify
  }

  /** How many replicas speak it. */
  get size(): number {
    return this.#sessions.size
  }

  open(connection: Connection<ToYjs>): void {
    const relay = this.#relay
    const name = connection.params.get("path") ?? ""
    const who = relay.admit(connection.identity, name)
    const features = connection.params.get("features")?.split(",") ?? []
    const outlet = new Speaker(connection, features.includes(noticeFeature), relay)
    const { options, counts, now } = relay
    const session: Session = {
      connection,
      outlet,
      pace: new Pace(connection, { options, counts, now }),
      faults: new Faults(),
      expiry: new Expiry(),
      member: relay.enter(name, who, outlet),
    }
    session.expiry.begin(connection.identity?.until ?? Number.POSITIVE_INFINITY, now)
    this.#sessions.set(connection, session)
    this.#agenda.rouse(session)
  }

  receive(connection: Connection<ToYjs>, messages: readonly FromYjs[]): void {
    const session = this.#sessions.get(connection)
    if (session === undefined) return
    for (const message of messages) this.#hear(session, message)
  }

  close(connection: Connection<ToYjs>): void {
    const session = this.#sessions.get(connection)
    this.#sessions.delete(connection)
    if (session === undefined) return
    this.#agenda.drop(session)
    session.member.leave(connection.saidGoodbye ? "clean" : "broken")
  }

  tick(now: number): void {
    this.#agenda.tick(now, (session) => {
      const { pace, outlet, expiry } = session
      pace.tick(now)
      // net itself closes at the end of a token.
      if (expiry.look(now) === "ask") {
        outlet.notice({ kind: "token", expiresMs: Math.max(0, expiry.until - now) })
      }
      return Math.min(pace.dueAt, outlet.keepAlive(now), expiry.dueAt)
    })
  }

  stop(): void {}

  #hear(session: Session, message: FromYjs): void {
    const { member, pace, faults, connection } = session
    const { now, counts } = this.#relay
    try {
      const bytes = this.#act(session, message)
      if (bytes > 0 && pace.heard(bytes, now, member.charge(bytes)) > 0) this.#agenda.rouse(session)
    } catch (thrown) {
      if (!(thrown instanceof WireError) || thrown.code !== "bad-message") throw thrown
      counts.badFrames.add("yjs")
      if (faults.isLast(now)) throw thrown
      if (member.replica.standing === "newcomer" && message.kind === "step1") {
        // Without a vector it would wait for ever.
        connection.close("bad-message", thrown.message)
      }
    }
  }

  /** Does what it says. Returns the bytes that count in its rate. */
  #act(session: Session, message: FromYjs): number {
    const { member, connection } = session
    const { counts } = this.#relay
    switch (message.kind) {
      case "step1":
        member.step1(message.vector)
        return message.vector.length
      case "step2": {
        const isFree = member.isAsked
        member.step2(message.update)
        return isFree ? 0 : message.update.length
      }
      case "update":
        member.update(message.update)
        return message.update.length
      case "awareness":
        if (message.rows.length === 0) return 1
        return member.awareness(message.rows) === "echo" ? 0 : rowBytes(message.rows)
      case "query-awareness":
        member.queryAwareness()
        return 1
      case "seed-declined":
        member.declineSeed()
        return 1
      case "token":
        this.#renew(session, message.token)
        return message.token.length
      case "echo":
        connection.send({ kind: "echo", bytes: message.bytes.slice() })
        return message.bytes.length
      case "oversize":
        counts.presenceRefused.add("oversize")
        return 1
      case "unreadable":
        throw new WireError("bad-message", message.sentence)
      case "stateless":
      case "leave":
      case "ignored":
        return 1
    }
  }

  /** A newer token: of the same user, it prolongs the stay, and its role counts (RL95). */
  #renew(session: Session, token: string): void {
    const { connection, member, expiry, outlet } = session
    const release = connection.hold()
    this.#identify(token, (found) => {
      release()
      if (!this.#sessions.has(connection) || found === undefined) return
      const { replica } = member
      const before = replica.role
      const renewed = renewal(found, { relay: this.#relay, member })
      if (renewed instanceof WireError) return outlet.close(renewed.code, renewed.message)
      if (replica.role !== before) outlet.notice({ kind: "role", role: replica.role })
      connection.renew(renewed)
      expiry.begin(renewed.until, this.#relay.now)
      this.#agenda.rouse(session)
    })
  }
}

/** What rows of presence count in a rate. */
export function rowBytes(rows: readonly Row[]): number {
  return rows.reduce((bytes, { state }) => bytes + (state?.length ?? 0), 1)
}

/** A place in a room of either kind. */
interface Member {
  readonly name: string
  readonly replica: { readonly subject: string | undefined }
  assign(role: Role): void
}

/** Takes over what a newer token says of a member: the identity, or why it is refused. */
export function renewal(
  found: Identity | WireError,
  { relay, member }: { readonly relay: Relay; readonly member: Member },
): Identity | WireError {
  if (found instanceof WireError) return found
  if (found.subject !== member.replica.subject) {
    return new WireError("forbidden", "the token is another user's")
  }
  try {
    member.assign(relay.admit(found, member.name).role)
  } catch (thrown) {
    if (thrown instanceof WireError) return thrown
    throw thrown
  }
  return found
}

/** Says to one connection what its room says. */
class Speaker implements YjsOutlet {
  readonly hearsSeeds: boolean
  readonly isAcknowledged = false
  readonly #connection: Connection<ToYjs>
  readonly #clock: { readonly now: number }
  #accepted = 0
  #spokeAt: number

  constructor(
    connection: Connection<ToYjs>,
    hearsNotices: boolean,
    clock: { readonly now: number },
  ) {
    this.#connection = connection
    this.hearsSeeds = hearsNotices
    this.#clock = clock
    this.#spokeAt = clock.now
  }

  get behind(): boolean {
    return this.#connection.behind
  }

  send(message: ToYjsReplica): void {
    this.#spokeAt = this.#clock.now
    this.#connection.send(message)
  }

  notice(notice: Notice): void {
    if (!this.hearsSeeds) return
    this.#spokeAt = this.#clock.now
    this.#connection.offer(`notice:${notice.kind}`, { kind: "notice", notice })
  }

  acknowledge(accepted: boolean): void {
    if (!accepted) return
    this.#accepted++
    this.notice({ kind: "ack", count: this.#accepted })
  }

  /** This dialect has no frame for it. */
  stateless(): void {}

  close(code: Code, sentence: string): void {
    if (code === "forbidden" || code === "unauthenticated") {
      this.#connection.send({ kind: "denied", reason: sentence })
    }
    this.#connection.close(code, sentence)
  }

  /** Both client libraries close after 30 s without a message; pings are none to them. Returns when it is due again. */
  keepAlive(now: number): number {
    if (now - this.#spokeAt >= aliveMs) {
      this.#spokeAt = now
      this.#connection.send(alive)
    }
    return this.#spokeAt + aliveMs
  }
}
