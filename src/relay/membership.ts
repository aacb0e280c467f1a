/**
 * One replica's place in its Yjs room: what its dialect calls with what it hears.
 *
 * What always holds: it says the time as the relay has it, so a dialect needs no clock.
 */
import type { Role } from "../service.ts"
import type { Counts } from "./counts.ts"
import type { Replica } from "./replica.ts"
import type { Room } from "./room.ts"

/** What it takes from the relay. */
interface World {
  /** ms since 1970. */
  readonly now: number
  readonly counts: Counts
}

export class Membership {
  readonly name: string
  readonly replica: Replica
  readonly #relay: World
  readonly #room: Room

  constructor(of: {
    readonly relay: World
    readonly room: Room
    readonly replica: Replica
    readonly name: string
  }) {
    this.name = of.name
    this.replica = of.replica
    this.#relay = of.relay
    this.#room = of.room
  }

  step1(vector: Uint8Array): void {
    this.#room.step1(this.replica, vector, this.#relay.now)
  }

  step2(update: Uint8Array): void {
    this.#room.step2(this.replica, update, this.#relay.now)
  }

  update(update: Uint8Array): void {
    this.#room.update(this.replica, update, this.#relay.now)
  }

  awareness(rows: Parameters<Room["awareness"]>[1]): "own" | "echo" {
    return this.#room.awareness(this.replica, rows, this.#relay.now)
  }

  queryAwareness(): void {
    this.#room.queryAwareness(this.replica)
  }

  /** A text for the programs at the other ends. Who is behind does not get it. */
  stateless(text: string): void {
    this.#room.say(text, this.replica)
  }

  /** It sent so many bytes. Returns the ms for which it is not read then, since its room is over its rate (RL91). */
  charge(bytes: number): number {
    return this.#room.occupants.charge(this.replica, bytes, this.#relay.now)
  }

  declineSeed(): void {
    this.#room.declineSeed(this.replica, this.#relay.now)
  }

  /** Whether it was asked for something that it has not answered: an answer is free of its rate. */
  get isAsked(): boolean {
    return this.replica.asked.length > 0
  }

  /** A newer token of the same subject says another role. */
  assign(role: Role): void {
    if (role !== this.replica.role) this.#room.assign(this.replica, role, this.#relay.now)
  }

  leave(how: "clean" | "broken"): void {
    this.#room.leave(this.replica, how, this.#relay.now)
  }
}
