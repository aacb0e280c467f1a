/**
 * Chunks of results and of arguments, and the credit to send them.
 *
 * What always holds: nobody sends more chunks than it has credit for, so what waits in our sockets for
 * a call is bounded by its credit; one chunk too many, out of order or too long ends that call alone.
 */
import type { Fault } from "../wire/pools-errors.ts"
import { bytesOf, type Payload, sizeOf } from "../wire/pools-payload.ts"
import type { Chunk, Credit } from "../wire/pools-shapes.ts"
import type { Call, Flow } from "./call.ts"
import type { Calls } from "./calls.ts"
import type { Counts } from "./counts.ts"
import type { Limits } from "./limits.ts"
import type { Session } from "./session.ts"

export class Streams {
  readonly #calls: Calls
  readonly #limits: Limits
  readonly #counts: Counts

  constructor(calls: Calls, limits: Limits, counts: Counts) {
    this.#calls = calls
    this.#limits = limits
    this.#counts = counts
  }

  /** A chunk goes on. Throws a Refusal for a result of a call that its sender was never given. */
  chunk(session: Session, { to, toward, seq, payload, isLast }: Chunk): void {
    const call = this.callOf(session, { to, toward })
    if (call === undefined) return
    const flow = toward === "caller" ? call.results : call.input
    const fault = this.#faultOf(flow, seq, payload)
    if (fault !== undefined || flow === undefined)
      return this.#calls.fail(call, fault ?? none, "lost")
    flow.credit--
    flow.next++
    flow.isOver = isLast
    this.#counts.chunks++
    if (toward === "caller") {
      return call.caller.send({ kind: "chunk", to: call.callerId, toward, seq, payload, isLast })
    }
    const held = heldOf(call)
    held?.registration.session.send({ kind: "chunk", to: held.id, toward, seq, payload, isLast })
  }

  /** Somebody may send more. */
  credit(session: Session, { to, toward, count }: Credit): void {
    const call = this.callOf(session, { to, toward: toward === "caller" ? "caller" : "handler" })
    if (call === undefined) return
    const { creditLimit } = this.#limits
    // Credit towards the handler is for results, towards the caller for arguments.
    if (toward === "handler") {
      const { results } = call
      if (results === undefined) return
      const added = grow(results, count, creditLimit)
      const held = heldOf(call)
      if (added > 0)
        held?.registration.session.send({ kind: "credit", to: held.id, toward, count: added })
      return
    }
    call.input ??= { credit: 0, next: 0, isOver: false }
    const added = grow(call.input, count, creditLimit)
    if (added > 0) call.caller.send({ kind: "credit", to: call.callerId, toward, count: added })
  }

  /** The call that is meant; undefined when it is settled. Throws a Refusal for one of somebody else. */
  callOf(session: Session, { to, toward }: Pick<Chunk, "to" | "toward">): Call | undefined {
    if (toward === "caller") {
      return this.#calls.hands.heldBy(session, typeof to === "number" ? to : undefined)?.call
    }
    const call = to === undefined ? undefined : session.calls.get(to)
    if (call === undefined) this.#counts.late++
    return call
  }

  #faultOf(flow: Flow | undefined, seq: number, payload: Payload): Fault | undefined {
    const { chunkLimitBytes } = this.#limits
    if (isAbove(chunkLimitBytes, payload)) {
      const sentence = `a chunk holds at most chunkLimitBytes, ${chunkLimitBytes}`
      return { code: "too-large", sentence, detail: { limit: "chunkLimitBytes" } }
    }
    if (flow === undefined || flow.credit < 1) return none
    if (flow.isOver) return { code: "bad-message", sentence: "a chunk came after the last one" }
    if (seq === flow.next) return undefined
    return { code: "bad-message", sentence: `chunk ${seq} came where ${flow.next} was due` }
  }
}

/** Whether it has more bytes. Of JSON the length of its frame is known: a character has three at most. */
function isAbove(limit: number, payload: Payload): boolean {
  const isNear = payload.as === "bytes" || 3 * sizeOf(payload) > limit
  return isNear && bytesOf(payload).length > limit
}

const none: Fault = { code: "credit-exceeded", sentence: "a chunk came without credit for it" }

function heldOf({ state }: Call) {
  return state.is === "dispatched" || state.is === "stopping" ? state.held : undefined
}

/** Adds what fits below the limit; gives how much that was. */
function grow(flow: Flow, count: number, limit: number): number {
  const added = Math.min(count, limit - flow.credit)
  flow.credit += added
  return added
}
