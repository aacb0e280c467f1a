/**
 * Whether those who are connected are still there.
 *
 * What always holds: who shakes no hands in time is closed; who is silent is asked, and closed when
 * two questions in a row went unanswered. Apps of 0.1 know no such question: they are there while
 * their socket is.
 */
import type { Fault } from "../wire/pools-errors.ts"
import type { Limits } from "./limits.ts"
import type { Session } from "./session.ts"

export interface PulseOptions {
  readonly limits: Limits
  readonly end: (session: Session, fault: Fault) => void
}

const pingsLimit = 2

export class Pulse {
  readonly #options: PulseOptions

  constructor(options: PulseOptions) {
    this.#options = options
  }

  /** A session has answered. */
  heard(session: Session, now: number): void {
    if (session.pingedAt !== undefined) session.roundTripMs = now - session.pingedAt
    session.pingedAt = undefined
    session.pingsMissed = 0
  }

  tick(sessions: Iterable<Session>, now: number): void {
    const { limits, end } = this.#options
    for (const session of sessions) {
      if (session.isGone) continue
      if (session.isReady) {
        if (session.isModern) this.#listen(session, now)
      } else if (now - session.since >= limits.handshakeLimitMs) {
        end(session, {
          code: "limit",
          sentence: `no handshake within handshakeLimitMs, ${limits.handshakeLimitMs}`,
        })
      }
    }
  }

  #listen(session: Session, now: number): void {
    const { heartbeatMs } = this.#options.limits
    const since = Math.max(session.heardAt, session.pingedAt ?? 0)
    if (now - since < heartbeatMs) return
    // Whatever it says shows that it is there.
    if (session.pingedAt !== undefined && session.heardAt < session.pingedAt) session.pingsMissed++
    else session.pingsMissed = 0
    if (session.pingsMissed >= pingsLimit) {
      return this.#options.end(session, { code: "slow", sentence: "two pings went unanswered" })
    }
    session.pingedAt = now
    session.send({ kind: "plain", body: { type: "ping", id: "alive" } })
  }
}
