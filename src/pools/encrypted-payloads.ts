/**
 * What members of encrypted pools say: envelopes by writers who may, and nothing else.
 *
 * What always holds: what is refused here goes no further and changes nothing. Triggers that all
 * their handlers registered as plain are the exception, both ways: their calls and answers are open.
 */
import { Refusal } from "../wire/pools-errors.ts"
import { bytesOf, contentTypes, type Payload } from "../wire/pools-payload.ts"
import type { Answer, Chunk, Emit, Offer, Start } from "../wire/pools-shapes.ts"
import { lengths, type MessageKind, rightOfKind } from "../wire/trinity.ts"
import { type Envelope, type MessageOf, messageBytes } from "../wire/trinity-envelope.ts"
import type { Call } from "./call.ts"
import { digestOf } from "./keys.ts"
import { type Membership, mayWrite, type Pool } from "./pool.ts"
import type { Session } from "./session.ts"
import type { Trigger } from "./trigger.ts"

export class Payloads {
  readonly #now: () => number

  /** `now` is ms since 1970. */
  constructor(now: () => number) {
    this.#now = now
  }

  /** A call in a pool. Throws a Refusal. */
  checkStart(membership: Membership, start: Start): void {
    const { pool } = membership
    if (pool.sealed === undefined || isPlain(pool.triggers.get(start.trigger))) return
    if (start.nonce?.length !== lengths.callNonce) {
      const reason = "must be 16 bytes in base64url: an encrypted pool asks for it"
      throw new Refusal("not-encrypted", reason, { field: "/call_nonce", reason })
    }
    const of = { kind: "trigger", callNonce: start.nonce, name: start.trigger } as const
    this.#check(membership, of, start.payload)
  }

  /** An emit in a pool. Throws a Refusal. */
  checkEmit(membership: Membership, { trigger: name, payload }: Emit): void {
    if (membership.pool.sealed === undefined) return
    this.#check(membership, { kind: "emit", callNonce: undefined, name }, payload)
  }

  /** A handler's answer. Throws a Refusal. */
  checkAnswer(session: Session, { to, outcome }: Answer): void {
    const held = to === undefined ? undefined : session.held.get(to)
    if (held?.call === undefined || outcome.is !== "done") return
    if (held.registration.offer.plain === true) return
    this.#checkOf(session, held.call, { kind: "response", payload: outcome.result })
  }

  /** A chunk of either way. Throws a Refusal. */
  checkChunk(session: Session, { to, toward, payload }: Chunk): void {
    if (to === undefined) return
    if (toward === "handler") {
      const call = session.calls.get(to)
      if (call === undefined || isOpen(call)) return
      return this.#checkOf(session, call, { kind: "chunk-to-handler", payload })
    }
    const held = typeof to === "number" ? session.held.get(to) : undefined
    if (held?.call === undefined || held.registration.offer.plain === true) return
    this.#checkOf(session, held.call, { kind: "chunk-to-caller", payload })
  }

  /**
   * A block's content, written over a socket. Gives what it says; whether its epoch and generation
   * are above those of the block is for whoever keeps the block. Throws a Refusal.
   */
  checkBlock(membership: Membership, uuid: Uint8Array, bytes: Uint8Array): Envelope | undefined {
    const { pool } = membership
    if (pool.sealed === undefined) return undefined
    const asked = { object: uuid, right: "write", writer: writerOf(membership) } as const
    return pool.sealed.checkEnvelope(bytes, asked, this.#now())
  }

  /** What somebody wants to handle in a pool. Throws a Refusal. */
  checkOffers({ pool, session, key }: Membership, offers: readonly Offer[]): void {
    if (pool.sealed === undefined) return
    for (const [at, { name, plain = false }] of offers.entries()) {
      const field = `/triggers/${at}`
      if (!plain && !mayWrite(key)) {
        const sentence = `to handle ${name} here takes a proof of a writer key: it answers`
        throw new Refusal("forbidden", sentence, { field })
      }
      const others = pool.triggers
        .get(name)
        ?.registrations.filter((each) => each.session !== session)
      if (others?.some(({ offer }) => (offer.plain ?? false) !== plain) === true) {
        const sentence = `${name} is ${plain ? "sealed" : "plain"} for those who handle it`
        throw new Refusal("policy-conflict", sentence, { field, detail: { plain: !plain } })
      }
    }
  }

  #checkOf(
    session: Session,
    call: Call,
    { kind, payload }: { readonly kind: MessageKind; readonly payload: Payload },
  ): void {
    const { pool, name } = call.trigger
    if (pool.sealed === undefined) return
    const membership = session.memberships.get(pool.name)
    if (membership === undefined) throw new Refusal("not-member", `join pool ${pool.name} first`)
    this.#check(membership, { kind, callNonce: call.nonce, name }, payload)
  }

  #check(membership: Membership, of: MessageOf, payload: Payload): void {
    const { sealed } = membership.pool
    if (sealed === undefined) return
    if (payload.type !== contentTypes.bytes) {
      throw new Refusal("not-encrypted", "an envelope is sent as bytes: the content type says so")
    }
    const object = digestOf(messageBytes(of)).subarray(0, lengths.object)
    const asked = { object, right: rightOfKind[of.kind], writer: writerOf(membership) }
    sealed.checkEnvelope(bytesOf(payload), asked, this.#now())
  }
}

/** Whether calls of a trigger go open: all who handle it said so. */
function isPlain(trigger: Trigger | undefined): boolean {
  const registrations = trigger?.registrations ?? []
  return registrations.length > 0 && registrations.every(({ offer }) => offer.plain === true)
}

function isOpen({ state, trigger }: Call): boolean {
  if (state.is === "dispatched") return state.held.registration.offer.plain === true
  return isPlain(trigger)
}

/** Who may have written what a member says; undefined: any writer, for who has the OblivionSeal. */
function writerOf({ key, pool }: Membership): Uint8Array | undefined {
  if (key?.grades.has("seal") === true) return undefined
  if (key?.writer !== undefined) return key.writer.key
  throw new Refusal("forbidden", `to write in pool ${pool.name} takes a proof of a writer key`)
}

/** Whether a payload of a pool holds nothing, as far as can be seen from outside. */
export function isEmptyEnvelope({ sealed }: Pool, payload: Payload): boolean {
  return (
    sealed !== undefined && payload.type === contentTypes.bytes && sealed.isEmpty(bytesOf(payload))
  )
}
