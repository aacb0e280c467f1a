/**
 * One replica's place in its opaque room: what its dialect calls with what it hears.
 *
 * What always holds: it says the time as the relay has it, so a dialect needs no clock.
 */
import type { Role } from "../service.ts"
import type { OpaqueRoom } from "./opaque.ts"
import type { OpaqueReplica } from "./opaque-fan-out.ts"
import type { Introduction, Outcome } from "./opaque-shapes.ts"

export class OpaqueMembership {
  readonly name: string
  readonly replica: OpaqueReplica
  readonly #room: OpaqueRoom
  readonly #now: () => number

  constructor(of: {
    readonly name: string
    readonly replica: OpaqueReplica
    readonly room: OpaqueRoom
    readonly now: () => number
  }) {
    this.name = of.name
    this.replica = of.replica
    this.#room = of.room
    this.#now = of.now
  }

  introduce(introduction: Introduction): void {
    this.#room.introduce(this.replica, introduction, this.#now())
  }

  update(update: Parameters<OpaqueRoom["update"]>[1]): Outcome {
    return this.#room.update(this.replica, update, this.#now())
  }

  show(shown: Parameters<OpaqueRoom["show"]>[1]): Outcome {
    return this.#room.show(this.replica, shown, this.#now())
  }

  request(version: Uint8Array | undefined): void {
    this.#room.request(this.replica, version, this.#now())
  }

  answer(answer: Parameters<OpaqueRoom["answer"]>[1]): Outcome {
    return this.#room.answer(this.replica, answer, this.#now())
  }

  /** It sent so many bytes. Returns the ms for which it is not read then, since its room is over its rate (RL91). */
  charge(bytes: number): number {
    return this.#room.occupants.charge(this.replica, bytes, this.#now())
  }

  /** Whether it was asked for something that it has not answered: an answer is free of its rate. */
  get isAsked(): boolean {
    return this.replica.asked.length > 0
  }

  /** A newer token of the same subject says another role. */
  assign(role: Role): void {
    if (role !== this.replica.role) this.#room.assign(this.replica, role, this.#now())
  }

  /** `ts` is the sender's; undefined where it said nothing. */
  leave(how: "clean" | "broken", ts: number | undefined): void {
    const now = this.#now()
    this.#room.leave(this.replica, { how, ts: ts ?? now }, now)
  }
}
