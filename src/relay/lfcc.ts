/**
 * The LFCC dialect as a service: one replica for each connection, in an opaque room.
 *
 * What always holds: what is relayed carries the ids of its connection, never those of a frame
 * (RL19); a frame that names another document or sender is refused and goes nowhere; who is refused
 * is told why in an ERROR before the socket is closed.
 */
import type { Connection, Service } from "../service.ts"
import { WireError } from "../wire/error.ts"
import type { FromLfcc, LfccFrame } from "../wire/lfcc.ts"
import type { ToLfcc } from "../wire/lfcc-told.ts"
import type { Unreadable } from "../wire/relay.ts"
import { Agenda } from "./agenda.ts"
import { LfccSession } from "./lfcc-session.ts"
import type { OpaqueMembership } from "./opaque-membership.ts"
import type { Outcome } from "./opaque-shapes.ts"
import type { AskIdentity, Relay } from "./relay.ts"
import { renewal } from "./yjs.ts"

/** What a frame is counted with besides its bytes: fields, and the answer it may need. */
const leastBytes = 1

export class LfccDialect implements Service<FromLfcc, ToLfcc> {
  readonly #relay: Relay
  readonly #identify: AskIdentity
  readonly #sessions = new Map<Connection<ToLfcc>, LfccSession>()
  // What is due here may wait for the steady tick.
  readonly #agenda = new Agenda<LfccSession>(() => {})

  constructor(relay: Relay, identify: AskIdentity) {
    this.#relay = relay
    this.#identify = identify
  }

  /** How many replicas speak it. */
  get size(): number {
    let size = 0
    for (const { member } of this.#sessions.values()) if (member !== undefined) size++
    return size
  }

  /** The document stands in `path` or in `docId`; a host that knows the sender gives it as `sender`. */
  open(connection: Connection<ToLfcc>): void {
    const session = new LfccSession(connection, this.#relay)
    this.#sessions.set(connection, session)
    this.#guarded(session, () => session.begin())
    this.#agenda.rouse(session)
  }

  receive(connection: Connection<ToLfcc>, { kind, frames }: FromLfcc): void {
    const session = this.#sessions.get(connection)
    if (session === undefined) return
    if (kind === "batch") session.outlet.learn(["batch"])
    for (const frame of frames) {
      if (session.isOver) return
      this.#guarded(session, () => this.#hear(session, frame))
    }
    if (session.isRestless) this.#agenda.rouse(session)
  }

  close(connection: Connection<ToLfcc>): void {
    const session = this.#sessions.get(connection)
    this.#sessions.delete(connection)
    if (session === undefined) return
    this.#agenda.drop(session)
    session.leave(connection.saidGoodbye ? "clean" : "broken", undefined)
  }

  tick(now: number): void {
    this.#agenda.tick(now, (session) => session.tick(now))
  }

  stop(): void {}

  #guarded(session: LfccSession, work: () => void): void {
    try {
      work()
    } catch (thrown) {
      if (!(thrown instanceof WireError)) throw thrown
      session.refuse(thrown)
    }
  }

  #hear(session: LfccSession, frame: LfccFrame | Unreadable): void {
    const { counts, now } = this.#relay
    if (frame.kind === "unreadable") {
      session.spend(leastBytes)
      counts.badFrames.add("lfcc")
      if (session.faults.isLast(now)) throw new WireError("bad-message", frame.sentence)
      return session.complain("UNKNOWN", frame.sentence)
    }
    const isFree = frame.message.kind === "snapshot-response" && session.member?.isAsked === true
    if (!isFree) session.spend(weightOf(frame))
    if (!session.isOf(frame)) {
      counts.refused.add("foreign")
      const sentence = "a frame bears the docId and the senderId of its connection"
      return session.complain("PERMISSION_DENIED", sentence)
    }
    const member = session.member ?? session.enter(frame)
    if (member !== undefined) this.#act(session, member, frame)
  }

  #act(session: LfccSession, member: OpaqueMembership, { message, form, ts }: LfccFrame): void {
    const { counts, options } = this.#relay
    switch (message.kind) {
      case "join":
        session.outlet.learn(message.features)
        return member.introduce(message)
      case "update":
        if (form !== undefined) session.outlet.reads(form)
        if (message.update.length > options.frameLimitBytes) {
          counts.refused.add("too-big")
          const sentence = `a change holds at most ${options.frameLimitBytes} bytes, this one has ${message.update.length}`
          if (!options.limitsDryRun) throw new WireError("too-large", sentence)
        }
        return tell(session, member.update({ ...message, ts }), "change this document")
      case "presence":
        return tell(session, member.show({ ...message, ts }), "show presence here")
      case "snapshot-request":
        return member.request(message.version)
      case "snapshot-response":
        return tell(session, member.answer(message), "answer for this document")
      case "token":
        return this.#renew(session, member, message.token)
      case "leave":
        return session.leave("clean", ts)
      case "oversize":
        counts.presenceRefused.add("oversize")
        return session.complain("QUOTA_EXCEEDED", message.sentence)
    }
  }

  /** A newer token: of the same user, it prolongs the stay, and its role counts (RL95). */
  #renew(session: LfccSession, member: OpaqueMembership, token: string): void {
    const { connection } = session
    const release = connection.hold()
    this.#identify(token, (found) => {
      release()
      if (session.isOver || !this.#sessions.has(connection) || found === undefined) return
      const renewed = renewal(found, { relay: this.#relay, member })
      if (renewed instanceof WireError) return session.refuse(renewed, "INVALID_TOKEN")
      connection.renew(renewed)
    })
  }
}

/** A viewer is told what it may not do (RL97). */
function tell(session: LfccSession, outcome: Outcome, what: string): void {
  if (outcome === "forbidden") session.complain("PERMISSION_DENIED", `a viewer may not ${what}`)
  if (outcome === "full") session.complain("QUOTA_EXCEEDED", "too many show presence here already")
}

/** The bytes that a frame counts in its rate. */
function weightOf({ message }: LfccFrame): number {
  if ("update" in message) return message.update.length
  if ("snapshot" in message) return message.snapshot.length
  if ("payload" in message) return message.payload.length
  if ("token" in message) return message.token.length
  return leastBytes
}
