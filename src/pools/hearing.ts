/**
 * One message of an app: which part it is for, and how a refusal is told.
 *
 * What always holds: whoever has not shaken hands reaches nothing but the handshake; what asks for
 * work counts against its connection's rate; a refusal answers one request and leaves all else as it
 * was, except for what no app says by mistake, which ends the connection.
 */
import { type Fault, Refusal } from "../wire/pools-errors.ts"
import type { FromApp, Id } from "../wire/pools-shapes.ts"
import type { Admin } from "./admin.ts"
import type { Blocks } from "./blocks.ts"
import type { Calls } from "./calls.ts"
import type { Counts } from "./counts.ts"
import { type Desk, spend } from "./desk.ts"
import { type Entry, refuseEntry } from "./entry.ts"
import type { Governing } from "./governing.ts"
import type { Limits } from "./limits.ts"
import type { Pulse } from "./pulse.ts"
import type { Replies } from "./replies.ts"
import type { Session } from "./session.ts"
import type { Streams } from "./streams.ts"
import type { Trail } from "./trail.ts"

/** Whom messages are for. */
export interface HearingParts {
  readonly entry: Entry
  readonly pulse: Pulse
  readonly desk: Desk
  readonly replies: Replies
  readonly streams: Streams
  readonly calls: Calls
  readonly blocks: Blocks
  readonly governing: Governing
  readonly admin: Admin
  readonly counts: Counts
  readonly trail: Trail
  readonly limits: Limits
  /** ms since 1970. */
  readonly now: () => number
}

export class Hearing {
  readonly #parts: HearingParts

  constructor(parts: HearingParts) {
    this.#parts = parts
  }

  /** Takes one message. What it asks for is done, or refused: nothing is thrown at a far end's fault. */
  hear(session: Session, message: FromApp): void {
    session.heardAt = this.#parts.now()
    try {
      this.#handOn(session, message)
    } catch (thrown) {
      if (!(thrown instanceof Refusal)) throw thrown
      this.#refuse(session, message, thrown.fault)
    }
  }

  #handOn(session: Session, message: FromApp): void {
    if (message.kind !== "bad") session.badMessages = 0
    switch (message.kind) {
      case "bad":
        throw new Refusal(message.fault.code, message.fault.sentence, message.fault)
      case "handshake":
        return this.#parts.entry.begin(session, message)
      case "auth":
        return this.#parts.entry.prove(session, message.signature)
      case "ping":
        return session.send({ kind: "pong", id: message.id, form: message.form })
    }
    if (!session.isReady) throw new Refusal("not-ready", "shake hands first")
    this.#parts.entry.heard(session)
    if ("id" in message && isUsed(session, message)) {
      throw new Refusal("duplicate-id", "a request with this id waits for its answer")
    }
    switch (message.kind) {
      case "pong":
        return this.#parts.pulse.heard(session, this.#parts.now())
      case "trigger":
        spend(session, this.#parts.limits)
        return this.#parts.desk.start(session, message)
      case "response":
        return this.#parts.replies.answer(session, message)
      case "emit":
        spend(session, this.#parts.limits)
        return this.#parts.desk.emit(session, message)
      case "chunk":
        return this.#parts.replies.chunk(session, message)
      case "credit":
        return this.#parts.streams.credit(session, message)
      case "cancel":
        return this.#parts.calls.cancel(session, message.to, message.mode)
      case "drain":
        session.draining ??= { id: message.id }
        return this.#parts.calls.hands.draining(session)
      case "memory":
        spend(session, this.#parts.limits)
        if (message.id !== undefined) session.asked.add(message.id)
        return this.#parts.blocks.receive(session, message)
    }
    spend(session, this.#parts.limits)
    switch (message.kind) {
      case "register":
      case "unregister":
        return this.#parts.desk.register(session, message)
      case "subscribe":
      case "unsubscribe":
        return this.#parts.desk.subscribe(session, message)
      case "pool":
        return session.answer(message.id, this.#parts.governing.answer(session, message))
      case "admin":
        return session.answer(message.id, this.#parts.admin.answer(session, message))
    }
  }

  #refuse(session: Session, message: FromApp, fault: Fault): void {
    this.#parts.counts.refused(fault.code)
    const id = idOf(message)
    this.#parts.trail.refused(session, id, fault.code)
    if (message.kind === "handshake" && !session.isReady)
      return refuseEntry(session, message, fault)
    const { stage } = session
    if (message.kind === "auth" && stage.is === "asking") {
      return refuseEntry(session, stage.handshake, fault)
    }
    if (fault.code === "bad-frame") return session.end(fault, id)
    if (message.kind === "bad" && ++session.badMessages >= this.#parts.limits.badMessageLimit) {
      return session.end(fault, id)
    }
    session.refuse(id, fault)
  }
}

/** Whether a request's id is that of one which is not answered. */
function isUsed(session: Session, message: FromApp): boolean {
  if (message.kind === "response" || message.kind === "pong") return false
  const id = idOf(message)
  return id !== undefined && (session.calls.has(id) || session.asked.has(id))
}

/** The id that a refusal of this message carries. */
function idOf(message: FromApp): Id | undefined {
  return "id" in message ? message.id : undefined
}
