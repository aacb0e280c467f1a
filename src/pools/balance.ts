/**
 * Which handler gets a call. A choice is made and nothing else: it dispatches nothing, so `explain`
 * asks the same question.
 *
 * What always holds: whoever has no room, is leaving or has declined is passed over; with `hash` the
 * same affinity goes to the same handler, and one that goes takes only its own keys with it.
 */
import type { Random } from "../service.ts"
import type { Call } from "./call.ts"
import type { Session } from "./session.ts"
import type { Registration, Trigger } from "./trigger.ts"

/** What of a call counts for the choice. */
export interface Wish {
  readonly destination: string | undefined
  readonly affinity: string | undefined
  readonly caller: string
  readonly declined: ReadonlySet<Registration> | undefined
}

export type Choice =
  | { readonly is: "to"; readonly registration: Registration }
  /** `tied`: only this one may take it. */
  | { readonly is: "queue"; readonly tied: Registration | undefined }
  | { readonly is: "busy" | "draining" | "declined" | "nobody" }

/** What counts of a call for the choice. */
export function wishOf(call: Call): Wish {
  const { destination, affinity } = call.start ?? {}
  return { destination, affinity, caller: call.caller.name, declined: call.declined }
}

/** What a call is for, and whom it named. */
export function wordsFor({ trigger, start }: Call): string {
  return start?.destination === undefined ? trigger.name : `${trigger.name} at ${start.destination}`
}

/** Chooses for one call. Changes only whose turn it is. */
export function choose(trigger: Trigger, wish: Wish, random: Random): Choice {
  const [only] = trigger.registrations
  // One handler with room, and nobody in front: what most calls find.
  const isEasy =
    trigger.registrations.length === 1 && trigger.queue.size + (only?.tied.size ?? 0) === 0
  if (only !== undefined && isEasy && only.hasRoom && wish.declined === undefined) {
    if (isNamed(only.session, wish.destination)) return { is: "to", registration: only }
  }
  const named = trigger.registrations.filter(({ session }) => isNamed(session, wish.destination))
  if (named.length === 0) return { is: "nobody" }
  const staying = named.filter((each) => !each.isLeaving)
  if (staying.length === 0) return { is: "draining" }
  const willing = staying.filter((each) => wish.declined?.has(each) !== true)
  if (willing.length === 0) return { is: "declined" }
  if (trigger.policy === "hash") return tiedTo(ownerOf(willing, wish))
  const eligible = eligibleOf(trigger, willing)
  const [sole] = eligible
  if (wish.destination !== undefined && sole !== undefined && eligible.length === 1) {
    return tiedTo(sole)
  }
  const free = eligible.filter((each) => each.hasRoom)
  // Whoever waits already goes first.
  if (free.length === 0 || trigger.queue.size > 0) {
    return trigger.queue.size < trigger.queueLimit ? { is: "queue", tied: undefined } : busy
  }
  return { is: "to", registration: pick(trigger, free, random) }
}

/** Whether a handler may take a call that waits for any of them. */
export function mayTake(registration: Registration, call: Call): boolean {
  if (!isNamed(registration.session, call.start?.destination)) return false
  if (call.declined?.has(registration) === true) return false
  const { trigger } = registration
  const staying = trigger.registrations.filter(
    (each) => !each.isLeaving && call.declined?.has(each) !== true,
  )
  return eligibleOf(trigger, staying).includes(registration)
}

/** Why a handler would not get a call now; undefined when it could. */
export function hindrance(registration: Registration, wish: Wish): string | undefined {
  const { session, trigger } = registration
  if (!isNamed(session, wish.destination)) return "another app is asked for"
  if (registration.isLeaving) return "it is draining"
  if (wish.declined?.has(registration) === true) return "it has declined"
  if (session.connection.behind) return "too much waits to be sent to it"
  if (registration.pending >= registration.concurrency) return "it holds as many as it may"
  const staying = trigger.registrations.filter((each) => !each.isLeaving)
  if (trigger.policy === "hash" && ownerOf(staying, wish) !== registration) {
    return "the affinity belongs to another"
  }
  if (trigger.policy !== "hash" && !eligibleOf(trigger, staying).includes(registration)) {
    return "it stands by"
  }
  return undefined
}

const busy: Choice = { is: "busy" }

function tiedTo(registration: Registration): Choice {
  if (registration.hasRoom && registration.tied.size === 0) return { is: "to", registration }
  return registration.tied.size < registration.queueLimit
    ? { is: "queue", tied: registration }
    : busy
}

/** A destination names an app with all its instances, or one of them. */
export function isNamed(session: Session, destination: string | undefined): boolean {
  if (destination === undefined) return true
  return session.name === destination || session.app?.id === destination
}

/** Those among whom the policy chooses: with `first` and `last` the others stand by. */
function eligibleOf(
  { policy }: Trigger,
  willing: readonly Registration[],
): readonly Registration[] {
  switch (policy) {
    case "first":
      return willing.slice(0, 1)
    case "last":
      return willing.slice(-1)
    case "round_robin":
    case "random":
    case "least_pending":
    case "latency":
    case "hash":
      return willing
  }
}

function pick({ policy }: Trigger, free: readonly Registration[], random: Random): Registration {
  const [first] = free
  if (first === undefined) throw new Error("never: nobody to choose from")
  if (free.length === 1) return first
  switch (policy) {
    case "round_robin":
      return inTurn(free, first)
    case "random":
      return byWeight(free, first, random)
    case "least_pending":
      return least(free, first, ({ pending }) => pending)
    case "latency":
      return least(twoOf(free, random), first, ({ roundTripMs, pending }) => {
        // Between equals the one with less to do.
        return roundTripMs + pending / 1_000
      })
    case "first":
    case "last":
    case "hash":
      return first
  }
}

/** The smooth weighted round: each gains its weight, the furthest ahead goes and pays for all. */
function inTurn(free: readonly Registration[], first: Registration): Registration {
  let total = 0
  let best = first
  for (const each of free) {
    each.turn += each.weight
    total += each.weight
    if (each.turn > best.turn) best = each
  }
  best.turn -= total
  return best
}

function byWeight(
  free: readonly Registration[],
  first: Registration,
  random: Random,
): Registration {
  const total = free.reduce((sum, { weight }) => sum + weight, 0)
  let left = drawn(random) * total
  for (const each of free) {
    left -= each.weight
    if (left < 0) return each
  }
  return first
}

function twoOf(free: readonly Registration[], random: Random): readonly Registration[] {
  const one = Math.floor(drawn(random) * free.length)
  const step = 1 + Math.floor(drawn(random) * (free.length - 1))
  const other = (one + step) % free.length
  return free.filter((_, at) => at === one || at === other)
}

function least(
  among: readonly Registration[],
  first: Registration,
  of: (registration: Registration) => number,
): Registration {
  return among.reduce((best, each) => (of(each) < of(best) ? each : best), among[0] ?? first)
}

/** The highest of all by a number drawn from the key and the handler's name. */
function ownerOf(willing: readonly Registration[], wish: Wish): Registration {
  const key = wish.affinity ?? wish.caller
  const [first] = willing
  if (first === undefined) throw new Error("never: nobody to choose from")
  let best = first
  let highest = -1
  for (const each of willing) {
    const height = hash(`${each.session.name}\n${key}`)
    if (height > highest) {
      best = each
      highest = height
    }
  }
  return best
}

/** FNV-1a, then mixed as in MurmurHash3, so that similar texts lie far apart. */
function hash(text: string): number {
  let sum = 0x811c9dc5
  for (let at = 0; at < text.length; at++) {
    sum = Math.imul(sum ^ text.charCodeAt(at), 0x0100_0193)
  }
  sum = Math.imul(sum ^ (sum >>> 16), 0x85eb_ca6b)
  sum = Math.imul(sum ^ (sum >>> 13), 0xc2b2_ae35)
  return (sum ^ (sum >>> 16)) >>> 0
}

function drawn(random: Random): number {
  const bytes = random(4)
  const [a = 0, b = 0, c = 0, d = 0] = bytes
  return (a * 0x100_0000 + b * 0x1_0000 + c * 0x100 + d) / 0x1_0000_0000
}
