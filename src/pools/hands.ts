/**
 * Calls in the hands of handlers, and calls that wait for one.
 *
 * What always holds: a handler holds at most its concurrency; what waits goes in the order in which
 * it came; a call whose time is over is handed to nobody. What a handler holds fills its place until
 * it answers or, when its call was settled without it, until it had time enough to stop.
 */
import type { Random } from "../service.ts"
import { type Fault, Refusal } from "../wire/pools-errors.ts"
import { kept, sizeOf } from "../wire/pools-payload.ts"
import type { CancelReason, Start, Told } from "../wire/pools-shapes.ts"
import { Agenda } from "./agenda.ts"
import { choose, isNamed, mayTake, wishOf, wordsFor } from "./balance.ts"
import { type Call, Held, loose } from "./call.ts"
import type { Counts } from "./counts.ts"
import type { Session } from "./session.ts"
import type { Trail } from "./trail.ts"
import type { Registration, Trigger } from "./trigger.ts"

export interface HandsOptions {
  readonly counts: Counts
  readonly random: Random
  readonly trail: Trail
  /** ms since 1970. */
  readonly now: () => number
  /** Asks for a tick within 10 ms: a handler's socket is full. */
  readonly wakeSoon: () => void
  /** Apps that handled it once and are away. */
  readonly away: (trigger: Trigger) => readonly string[]
  /** A handler that wants to go holds nothing more. */
  readonly drained: (session: Session) => void
  /** A call whose payload lies in a block, as this handler gets it; or why it cannot be had any more. */
  readonly refer: (session: Session, start: Start) => Start | Fault
  /** Ends a call for which there is no place. */
  readonly settle: (call: Call, fault: Fault) => void
}

export class Hands {
  readonly #options: HandsOptions
  /** Calls, by the time when something is to be done about them. */
  readonly agenda = new Agenda<Call>()
  readonly #abandoned = new Agenda<Held>()
  // Those with queues that no answer may ever move on: their handlers' sockets were full.
  readonly #stuck = new Set<Trigger>()
  /** Payload that is kept for calls: those that wait, and those that may be handed over once more. */
  keptBytes = 0

  constructor(options: HandsOptions) {
    this.#options = options
  }

  /** What a session holds under an id of ours; undefined when it is settled. Throws for one it was never given. */
  heldBy(session: Session, to: number | undefined): Held | undefined {
    if (to === undefined || to < 1 || to > session.given) {
      this.#options.counts.forged++
      throw new Refusal("not-callee", "this call was not given to this connection")
    }
    const held = session.held.get(to)
    if (held?.call === undefined) this.#options.counts.late++
    return held
  }

  /** Finds a place for a call: a handler, a queue, or the wait for one. Settles it where there is none. */
  place(call: Call): void {
    this.leavePlace(call)
    const { trigger } = call
    const choice = choose(trigger, wishOf(call), this.#options.random)
    switch (choice.is) {
      case "to":
        return this.#dispatch(call, choice.registration)
      case "queue":
        this.#keep(call)
        ;(choice.tied?.tied ?? trigger.queue).push(call)
        this.list(call, call.deadline)
        this.#watch(trigger)
        if (choice.tied === undefined) this.#pumpAll(trigger)
        return
      case "busy":
        return this.#options.settle(call, busy(trigger))
      case "draining":
        return this.#options.settle(call, allGoing)
      case "declined":
        return this.#options.settle(call, allDeclined)
      case "nobody":
        return this.wait(call)
    }
  }

  /** Waits for somebody to register, where its caller gave it time for that. */
  wait(call: Call): void {
    const { trigger } = call
    if (call.waitUntil > this.#options.now()) {
      this.#keep(call)
      trigger.waiting.add(call)
      trigger.pool.triggers.set(trigger.name, trigger)
      call.state = { is: "waiting" }
      return this.list(call, Math.min(call.waitUntil, call.deadline))
    }
    const away = this.#options.away(trigger)
    const fault = { code: "no-handler", sentence: `no handler for ${wordsFor(call)}` } as const
    this.#options.settle(call, away.length === 0 ? fault : { ...fault, detail: { away } })
    dropIdle(trigger)
  }

  /** Notes when something is to be done about a call. */
  list(call: Call, dueAt: number): void {
    this.agenda.remove(call)
    call.dueAt = dueAt
    this.agenda.add(call)
  }

  /** Takes a call out of where it waits. */
  leavePlace(call: Call): void {
    const { state } = call
    if (state.is === "loose") return
    this.agenda.remove(call)
    if (state.is === "waiting") call.trigger.waiting.delete(call)
    if (state.is === "queued") state.queue.remove(call)
    if (state.is === "following") call.run?.followers.delete(call)
    call.state = loose
  }

  /** Lets go what a call asked for. */
  forget(call: Call): void {
    this.keptBytes -= call.keptBytes
    call.keptBytes = 0
    call.start = undefined
  }

  /** Takes a call from its handler, which fills its place until then, or until it answers. */
  abandon(call: Call, reason: CancelReason | undefined, until: number): void {
    const { state } = call
    if (state.is !== "dispatched" && state.is !== "stopping") return
    const { held } = state
    held.call = undefined
    held.dueAt = until
    this.#abandoned.add(held)
    if (reason !== undefined && state.is === "dispatched") {
      held.registration.session.send({ kind: "cancel", to: held.id, reason })
    }
    this.leavePlace(call)
  }

  /** The handler has a place free again. */
  release(held: Held): void {
    const { registration } = held
    const { session } = registration
    if (!session.held.delete(held.id)) return
    this.#abandoned.remove(held)
    registration.pending--
    this.#pump(registration)
    this.checkDrained(session)
  }

  /** All that a connection held, when it ends. Its registrations are taken from it first. */
  takeAll(session: Session): readonly Held[] {
    const all = [...session.held.values()]
    session.held.clear()
    for (const held of all) {
      held.registration.pending--
      this.#abandoned.remove(held)
    }
    return all
  }

  checkDrained(session: Session): void {
    if (session.draining !== undefined && session.held.size === 0) this.#options.drained(session)
  }

  /** Somebody can handle a trigger from now on. */
  registered(registration: Registration): void {
    const { trigger } = registration
    for (const call of [...trigger.waiting]) this.place(call)
    this.#pump(registration)
  }

  /** Somebody handles a trigger no more. What it holds it may still answer. */
  unregistered(registration: Registration): void {
    const { trigger, session } = registration
    registration.isOver = true
    trigger.registrations.splice(trigger.registrations.indexOf(registration), 1)
    session.registrations.delete(registration)
    for (const call of registration.tied.all()) this.#options.settle(call, goneBefore)
    this.#reconsider(trigger)
    dropIdle(trigger)
  }

  /** A handler takes nothing new: what only it could take fails, what others may take stays. */
  draining(session: Session): void {
    for (const registration of session.registrations) {
      for (const call of registration.tied.all()) this.#options.settle(call, allGoing)
      this.#reconsider(registration.trigger)
    }
    this.checkDrained(session)
  }

  tick(now: number): void {
    for (const held of this.#abandoned.take(now)) this.release(held)
    for (const trigger of [...this.#stuck]) {
      this.#stuck.delete(trigger)
      this.#pumpAll(trigger)
    }
  }

  #dispatch(call: Call, registration: Registration): void {
    const { start } = call
    if (start === undefined) throw new Error("never: a call that was forgotten is handed over")
    const now = this.#options.now()
    if (call.deadline <= now) return this.#options.settle(call, lateBefore)
    const { session, trigger } = registration
    const given = start.block === undefined ? start : this.#options.refer(session, start)
    if ("code" in given) return this.#options.settle(call, given)
    const id = ++session.given
    const held = new Held(call, { registration, id, since: now })
    session.held.set(id, held)
    registration.pending++
    call.state = { is: "dispatched", held }
    this.list(call, call.deadline)
    const message = told(call, given, { id, ttlMs: call.deadline - now })
    session.send(given.block === undefined ? message : { ...message, block: given.block })
    this.#options.trail.handed(call, held)
    // What may run twice, or may be declined, may be handed over once more.
    const mayMove = trigger.registrations.length > 1 || mayRepeat(call, registration)
    if (mayMove) this.#keep(call)
    else this.forget(call)
  }

  /** Hands on what waits, as far as there is room. */
  #pump(registration: Registration): void {
    const { trigger, tied } = registration
    while (registration.hasRoom) {
      const call =
        tied.first(() => true) ?? trigger.queue.first((each) => mayTake(registration, each))
      if (call === undefined) return
      this.leavePlace(call)
      this.#dispatch(call, registration)
    }
    this.#watch(trigger)
  }

  #pumpAll(trigger: Trigger): void {
    for (const registration of [...trigger.registrations]) this.#pump(registration)
  }

  /** Looks again soon where calls wait for a socket to empty. */
  #watch(trigger: Trigger): void {
    const isStuck = trigger.registrations.some(
      (each) =>
        each.session.connection.behind &&
        each.pending < each.concurrency &&
        trigger.queue.size + each.tied.size > 0,
    )
    if (!isStuck) return
    this.#stuck.add(trigger)
    this.#options.wakeSoon()
  }

  /** Who could take what waits has changed: it waits on only where somebody still can. */
  #reconsider(trigger: Trigger): void {
    const staying = trigger.registrations.filter((each) => !each.isLeaving)
    for (const call of trigger.queue.all()) {
      const can = staying.some(
        (each) =>
          isNamed(each.session, call.start?.destination) && call.declined?.has(each) !== true,
      )
      if (!can) this.place(call)
    }
    // With `first` and `last` another one's time may have come.
    this.#pumpAll(trigger)
  }

  /** Keeps what a call asked for, in memory of its own: it may be a part of what the socket brought. */
  #keep(call: Call): void {
    if (call.start === undefined || call.keptBytes > 0) return
    const payload = kept(call.start.payload)
    if (payload !== call.start.payload) call.start = { ...call.start, payload }
    call.keptBytes = sizeOf(payload)
    this.keptBytes += call.keptBytes
  }
}

/** A call, as its handler gets it. Most ask for nothing special, and that is quick to write down. */
function told(call: Call, start: Start, more: { id: number; ttlMs: number }): Told {
  const { caller, attempt, results } = call
  const { pool, trigger, payload, flags, appFlags, destination, correlation, nonce } = start
  const { traceparent, tracestate } = start
  const { id, ttlMs } = more
  const { name: origin, proof } = caller
  const plain = {
    kind: "call",
    id,
    pool,
    trigger,
    payload,
    origin,
    proof,
    attempt,
    ttlMs,
    flags,
    appFlags,
  } as const
  const special = destination ?? correlation ?? nonce ?? results ?? traceparent ?? tracestate
  if (special === undefined) return plain
  return {
    ...plain,
    ...(destination === undefined ? {} : { destination }),
    ...(correlation === undefined ? {} : { correlation }),
    ...(nonce === undefined ? {} : { nonce }),
    ...(results === undefined ? {} : { credit: results.credit }),
    ...(traceparent === undefined ? {} : { traceparent }),
    ...(tracestate === undefined ? {} : { tracestate }),
  }
}

/** Whether a call may run twice. */
export function mayRepeat(call: Call, registration: Registration): boolean {
  return call.isMarkedIdempotent || registration.isIdempotent
}

/** What BUSY asks for at the least and at the most, in ms. */
export const retryMs = 100
const longestRetryMs = 10_000

const allGoing: Fault = { code: "draining", sentence: "whoever handles it is going" }
const allDeclined: Fault = { code: "unavailable", sentence: "every handler declined" }
const lateBefore: Fault = {
  code: "timeout",
  sentence: "its time was over before it was handed over",
  executionUncertain: false,
}
const goneBefore: Fault = {
  code: "handler-lost",
  sentence: "its handler has gone before it began",
  executionUncertain: false,
}

/** A trigger that nobody handles and nobody waits for is not kept. */
function dropIdle(trigger: Trigger): void {
  const { triggers } = trigger.pool
  if (trigger.isIdle && triggers.get(trigger.name) === trigger) triggers.delete(trigger.name)
}

function busy(trigger: Trigger): Fault {
  const wait = Math.ceil(Math.max(0, ...trigger.registrations.map((each) => each.roundTripMs)))
  return {
    code: "busy",
    sentence: `whoever handles it is busy, and its queue is full with ${trigger.queueLimit}`,
    retryAfterMs: Math.min(Math.max(retryMs, wait), longestRetryMs),
    detail: { limit: "queue" },
  }
}
