/**
 * Calls from their start to their one answer.
 *
 * What always holds: a call is settled exactly once, by its handler's answer or by one of our errors,
 * and nothing of it is kept then; what may run twice is handed over again only where it may. No timer
 * belongs to a call: what is due is found by the tick.
 */
import { type Fault, Refusal } from "../wire/pools-errors.ts"
import type { Answer, CancelMode, CancelReason, Id, Start } from "../wire/pools-shapes.ts"
import { Call, type Held, settled } from "./call.ts"
import type { Counts, Outcome } from "./counts.ts"
import { Hands, type HandsOptions, mayRepeat, retryMs } from "./hands.ts"
import type { Limits } from "./limits.ts"
import { type Answered, Repeats } from "./repeats.ts"
import type { Session } from "./session.ts"
import type { Trigger } from "./trigger.ts"

/** What a settled call leaves behind for those who look. */
export interface Settled {
  readonly call: Call
  readonly outcome: Outcome
  readonly handler: string | undefined
  readonly at: number
}

export interface CallsOptions extends Omit<HandsOptions, "settle"> {
  readonly limits: Limits
  readonly settled: (settled: Settled) => void
}

export class Calls {
  readonly #options: CallsOptions
  readonly #limits: Limits
  readonly #counts: Counts
  readonly #repeats: Repeats
  readonly hands: Hands
  inFlight = 0

  constructor(options: CallsOptions) {
    this.#options = options
    this.#limits = options.limits
    this.#counts = options.counts
    this.#repeats = new Repeats(options.limits)
    this.hands = new Hands({
      ...options,
      settle: (call, fault) => this.settle(call, fault, undefined),
    })
  }

  /** Keys that run or whose answers are kept. */
  get keys(): number {
    return this.#repeats.size
  }

  /** A call begins. Throws a Refusal, which is its one answer. */
  start(caller: Session, trigger: Trigger, start: Start): void {
    const now = this.#options.now()
    const parent = parentOf(caller, start)
    const ends = now + Math.min(start.ttlMs, this.#limits.ttlLimitMs)
    const deadline = Math.min(ends, parent?.deadline ?? ends)
    this.#checkRoom(caller, now, deadline)
    const waitUntil = now + (start.waitMs ?? 0)
    const call = new Call({ caller, trigger, start, deadline, waitUntil, parent, startedAt: now })
    if (start.flags.has("stream")) {
      const credit = Math.min(start.credit ?? this.#limits.credit, this.#limits.creditLimit)
      call.results = { credit, next: 0, isOver: false }
    }
    const claimed = start.key === undefined ? "runs" : this.#repeats.claim(call, now)
    caller.calls.set(call.callerId, call)
    this.inFlight++
    if (parent !== undefined) {
      parent.children ??= new Set()
      parent.children.add(call)
    }
    if (claimed === "runs") return this.hands.place(call)
    if (claimed === "follows") {
      call.state = { is: "following" }
      return this.hands.list(call, deadline)
    }
    this.#counts.repeated++
    this.#settleAnswered(call, claimed, { isRepeated: true })
  }

  /** A handler answers a call that it was given. Throws a Refusal when it was given none such. */
  answer(session: Session, { to, outcome }: Answer): void {
    const held = this.hands.heldBy(session, to)
    if (held === undefined) return
    const { call, registration } = held
    const tookMs = this.#options.now() - held.since
    registration.roundTripMs = smoothed(registration.roundTripMs, tookMs)
    if (call === undefined) return this.hands.release(held)
    const isStopping = call.state.is === "stopping"
    this.hands.leavePlace(call)
    if (outcome.is === "done") {
      this.#finish(call, { is: "answer", payload: outcome.result }, held)
    } else if (isStopping) {
      this.settle(call, cancelled, held)
    } else if (outcome.is === "failed") {
      const { sentence, handlerCode } = outcome
      this.#finish(call, { is: "failed", sentence, handlerCode }, held)
    } else if (call.hasFlowed || call.start === undefined) {
      this.settle(call, { code: "unavailable", sentence: outcome.sentence }, held)
    } else {
      call.declined ??= new Set()
      call.declined.add(registration)
      this.hands.place(call)
    }
    this.hands.release(held)
  }

  /** What its handler answered may not go on: the caller hears so at once, and the work is over. */
  refuseAnswer(held: Held, fault: Fault): void {
    const { call } = held
    if (call === undefined) return
    const isStopping = call.state.is === "stopping"
    this.hands.leavePlace(call)
    this.settle(call, isStopping ? cancelled : fault, held)
    this.hands.release(held)
  }

  /** A caller gives up one of its calls. Nothing happens to one that is settled. */
  cancel(session: Session, id: Id, mode: CancelMode): void {
    const call = session.calls.get(id)
    if (call !== undefined) this.#cancel(call, mode, "caller")
  }

  /** Ends a call with an error of ours; its handler, if it has one, is told to stop. */
  fail(call: Call, fault: Fault, reason: CancelReason): void {
    this.hands.abandon(call, reason, this.#options.now() + this.#limits.cancelGraceMs)
    this.settle(call, fault, undefined)
  }

  /** A connection has ended: its registrations, its calls, and what it held. */
  left(session: Session): void {
    for (const registration of [...session.registrations]) this.hands.unregistered(registration)
    for (const call of [...session.calls.values()]) {
      if (!call.isDetached) this.#cancel(call, "killnowait", "caller")
    }
    for (const held of this.hands.takeAll(session)) {
      if (held.call !== undefined) this.#lose(held.call, held)
    }
  }

  /** A trigger goes, because its pool does. */
  dissolve(trigger: Trigger, fault: Fault): void {
    const calls = [...trigger.waiting, ...trigger.queue.all()]
    for (const { tied, session } of trigger.registrations) {
      calls.push(...tied.all())
      for (const { call } of session.held.values()) {
        if (call?.trigger === trigger) calls.push(call)
      }
    }
    for (const call of calls) if (call.state.is !== "settled") this.fail(call, fault, "lost")
    for (const registration of [...trigger.registrations]) this.hands.unregistered(registration)
  }

  /** It is `now`: what is due. */
  tick(now: number): void {
    for (const call of this.hands.agenda.take(now)) {
      // One that was due with it may have ended it, or given it more time.
      if (call.state.is !== "settled" && call.dueAt <= now) this.#due(call, now)
    }
    this.hands.tick(now)
    this.#repeats.tick(now)
  }

  /** Ends a call with an error. `by` is the handler that answered it. */
  settle(call: Call, fault: Fault, by: Held | undefined): void {
    const { run } = call
    const isLeader = run?.leader === call
    this.#close(call, fault.code, by)
    call.caller.refuse(call.callerId, fault)
    if (run === undefined || !isLeader) return
    this.#repeats.end(run, undefined, this.#options.now())
    for (const follower of [...run.followers]) this.settle(follower, fault, undefined)
  }

  #checkRoom(caller: Session, now: number, deadline: number): void {
    if (deadline <= now) throw new Refusal("timeout", late.sentence, { executionUncertain: false })
    const { inFlightLimit, inFlightPerApp, queuedBytesLimit } = this.#limits
    const full = (limit: string) =>
      new Refusal("busy", `${limit} is reached`, { retryAfterMs: retryMs, detail: { limit } })
    if (this.inFlight >= inFlightLimit) throw full("inFlightLimit")
    if (caller.calls.size >= inFlightPerApp) throw full("inFlightPerApp")
    if (this.hands.keptBytes >= queuedBytesLimit) throw full("queuedBytesLimit")
  }

  /** Its handler's connection has ended. */
  #lose(call: Call, { registration }: Held): void {
    if (call.state.is === "stopping") return this.settle(call, cancelled, undefined)
    const mayMove =
      mayRepeat(call, registration) &&
      call.start !== undefined &&
      !call.hasFlowed &&
      call.attempt < this.#limits.attemptLimit
    const others = call.trigger.registrations.some((each) => !each.isLeaving)
    if (!mayMove || !(others || call.waitUntil > this.#options.now())) {
      return this.settle(call, lost, undefined)
    }
    call.attempt++
    this.#counts.reroutes++
    this.hands.place(call)
  }

  #cancel(call: Call, mode: CancelMode, reason: CancelReason): void {
    const { state } = call
    const now = this.#options.now()
    if (state.is === "settled" || state.is === "stopping") return
    if (this.#handDown(call) || state.is !== "dispatched") {
      return this.settle(call, cancelled, undefined)
    }
    const { held } = state
    const grace = now + this.#limits.cancelGraceMs
    if (mode === "kill") {
      held.registration.session.send({ kind: "cancel", to: held.id, reason })
      call.state = { is: "stopping", held }
      return this.hands.list(call, Math.min(grace, call.deadline))
    }
    // One that is told nothing has its whole time to come to its end.
    if (mode === "skip") this.hands.abandon(call, undefined, call.deadline)
    else this.hands.abandon(call, reason, grace)
    this.settle(call, cancelled, undefined)
  }

  /** The time of a call, or of its wait, is over. */
  #due(call: Call, now: number): void {
    const grace = now + this.#limits.cancelGraceMs
    switch (call.state.is) {
      case "waiting":
        this.hands.leavePlace(call)
        if (now < call.deadline) return this.hands.wait(call)
        return this.settle(call, late, undefined)
      case "dispatched":
        if (!this.#handDown(call)) this.hands.abandon(call, "deadline", grace)
        return this.settle(call, { ...late, executionUncertain: true }, undefined)
      case "stopping":
        this.hands.abandon(call, undefined, grace)
        return this.settle(call, cancelled, undefined)
      case "following": {
        const executionUncertain = call.run?.leader.state.is === "dispatched"
        return this.settle(call, { ...late, executionUncertain }, undefined)
      }
      case "queued":
        this.#handDown(call)
        return this.settle(call, late, undefined)
      case "loose":
      case "settled":
        throw new Error("never: a call in no place is due")
    }
  }

  /** Whoever follows a call takes its place, since its work has more than one caller. */
  #handDown(call: Call): boolean {
    const { run, state } = call
    if (run?.leader !== call) return false
    const [heir] = run.followers
    if (heir === undefined) return false
    this.hands.leavePlace(heir)
    run.leader = heir
    heir.start = call.start
    heir.keptBytes = call.keptBytes
    call.keptBytes = 0
    heir.attempt = call.attempt
    heir.declined = call.declined
    this.hands.leavePlace(call)
    if (state.is === "dispatched") {
      state.held.call = heir
      heir.state = state
      this.hands.list(heir, heir.deadline)
    } else {
      this.hands.place(heir)
    }
    return true
  }

  /** The handler has answered: everyone who waits for this work is told, and a key remembers it. */
  #finish(call: Call, answered: Answered, by: Held): void {
    const { run } = call
    this.#settleAnswered(call, answered, { by })
    if (run?.leader !== call) return
    this.#repeats.end(run, answered, this.#options.now())
    for (const follower of [...run.followers]) this.#settleAnswered(follower, answered, { by })
  }

  #settleAnswered(
    call: Call,
    answered: Answered,
    { by, isRepeated }: { readonly by?: Held; readonly isRepeated?: true },
  ): void {
    this.#close(call, answered.is === "answer" ? "answered" : "handler-error", by)
    const { caller, callerId: to } = call
    if (answered.is === "answer") {
      const { payload } = answered
      return caller.send({ kind: "answer", to, payload, ...(isRepeated && { isRepeated }) })
    }
    const { sentence, handlerCode } = answered
    const own = handlerCode === undefined ? {} : { handlerCode }
    caller.refuse(to, { code: "handler-error", sentence, ...own })
  }

  /** The end of a call's record. */
  #close(call: Call, outcome: Outcome, by: Held | undefined): void {
    if (call.state.is === "settled") throw new Error("never: a call is settled twice")
    this.hands.leavePlace(call)
    this.hands.forget(call)
    call.state = settled
    call.caller.calls.delete(call.callerId)
    this.inFlight--
    call.parent?.children?.delete(call)
    this.#counts.settled(outcome)
    const at = this.#options.now()
    this.#options.settled({ call, outcome, handler: by?.registration.session.name, at })
    if (call.children === undefined) return
    for (const child of [...call.children]) this.#cancel(child, "killnowait", "parent")
  }
}

/** How much the newest counts in a smoothed time. */
const newestShare = 0.2

const cancelled: Fault = { code: "cancelled", sentence: "it was cancelled" }
const late: Fault = { code: "timeout", sentence: "its time is over", executionUncertain: false }
const lost: Fault = {
  code: "handler-lost",
  sentence: "its handler's connection has ended",
  executionUncertain: true,
}

/** The call that a new one is a part of: its caller has to hold it. */
function parentOf(caller: Session, { parent }: Start): Call | undefined {
  if (parent === undefined) return undefined
  const call = caller.held.get(parent)?.call
  if (call === undefined) throw new Refusal("cancelled", "the call that it is a part of is over")
  return call
}

function smoothed(before: number, newest: number): number {
  return before === 0 ? newest : before + (newest - before) * newestShare
}
