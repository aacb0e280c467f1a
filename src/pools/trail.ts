/**
 * The trail of a call in the log, so that it can be followed from its caller over the server to its
 * handler: one line when it is handed over, one when it is settled, one for a request that is refused.
 *
 * What always holds: ids stand there and nothing else that an app wrote: no payload, name, metadata,
 * token or key. At other levels than debug a call costs one comparison.
 */
import type { Log } from "../log.ts"
import { type Id, uuidOf } from "../wire/pools-shapes.ts"
import type { Call, Held } from "./call.ts"
import type { Settled } from "./calls.ts"
import type { Session } from "./session.ts"

export class Trail {
  readonly #log: Log

  constructor(log: Log) {
    this.#log = log
  }

  /** A handler has been given a call. `given` is the id that it knows it by. */
  handed(call: Call, held: Held): void {
    if (!this.#log.tellsDebug) return
    this.#log.debug("call handed over", {
      ...idsOf(call),
      handler: held.registration.session.connection.id,
      given: uuidOf(held.id),
      attempt: call.attempt,
    })
  }

  /** A call has its one answer. */
  settled({ call, outcome, at }: Settled): void {
    if (!this.#log.tellsDebug) return
    this.#log.debug("call settled", { ...idsOf(call), outcome, ms: at - call.startedAt })
  }

  /** A request is refused before anything came of it. */
  refused(session: Session, id: Id | undefined, code: string): void {
    if (!this.#log.tellsDebug) return
    const request = id === undefined ? {} : { call: String(id) }
    this.#log.debug("request refused", { connection: session.connection.id, ...request, code })
  }
}

/** Who called, and by which ids its caller and the apps behind it know it. */
function idsOf({ caller, callerId, correlation, traceparent }: Call) {
  return {
    connection: caller.connection.id,
    call: String(callerId),
    correlation,
    // `00-…-…-01`: the second part is the trace's.
    trace: traceparent?.split("-")[1],
  }
}
