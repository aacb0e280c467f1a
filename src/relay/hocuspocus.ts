/**
 * The Hocuspocus dialect as a service: many addresses on one socket, each a replica of its own.
 *
 * What always holds: each address is admitted by itself, and what it said before waits in order
 * until it is (RL83), so one slow token holds up no other; a provider counts what it sent until it
 * is told, so each change is answered by exactly one status, and so is what it had when it joined.
 */
import type { Connection, Service } from "../service.ts"
import { WireError } from "../wire/error.ts"
import {
  addressed,
  documentOf,
  type FromHocuspocus,
  type ToAddress,
  type ToHocuspocus,
} from "../wire/hocuspocus.ts"
import type { FromYjs } from "../wire/relay.ts"
import { Agenda } from "./agenda.ts"
import { Faults } from "./faults.ts"
import { Pace } from "./pace.ts"
import type { AskIdentity, Relay } from "./relay.ts"
import { Seat, type SeatState, weightOf } from "./seat.ts"

const aliveMs = 10_000
/** No rows: what keeps a line alive. Pings are no message to the provider (RL82). */
const alive: ToAddress = { kind: "awareness", rows: [] }

export class HocuspocusDialect implements Service<FromHocuspocus, ToHocuspocus> {
  readonly #relay: Relay
  readonly #identify: AskIdentity
  readonly #sockets = new Map<Connection<ToHocuspocus>, Line>()
  // What is due here may wait for the steady tick.
  readonly #agenda = new Agenda<Line>(() => {})

  constructor(relay: Relay, identify: AskIdentity) {
    this.#relay = relay
    this.#identify = identify
  }

  /** How many replicas speak it. */
  get size(): number {
    let size = 0
    for (const { seats } of this.#sockets.values()) {
      for (const seat of seats.values()) if (seat.member !== undefined) size++
    }
    return size
  }

  open(connection: Connection<ToHocuspocus>): void {
    const line = new Line(connection, this.#relay)
    this.#sockets.set(connection, line)
    this.#agenda.rouse(line)
  }

  receive(connection: Connection<ToHocuspocus>, message: FromHocuspocus): void {
    const socket = this.#sockets.get(connection)
    if (socket === undefined) return
    switch (message.kind) {
      case "ping":
        connection.send({ kind: "pong" })
        return
      case "pong":
        return
      case "unreadable":
        return this.#fault(socket, message.sentence)
      case "frame":
        return this.#hear(socket, message.address, message.messages)
    }
  }

  close(connection: Connection<ToHocuspocus>): void {
    const socket = this.#sockets.get(connection)
    this.#sockets.delete(connection)
    if (socket === undefined) return
    this.#agenda.drop(socket)
    const how = connection.saidGoodbye ? "clean" : "broken"
    for (const seat of socket.seats.values()) seat.leave(how)
  }

  tick(now: number): void {
    this.#agenda.tick(now, (line) => line.tick(now))
  }

  stop(): void {}

  #hear(socket: Line, address: string, messages: readonly FromYjs[]): void {
    const seat = socket.seats.get(address) ?? this.#seatFor(socket, address)
    if (seat === undefined) return
    for (const message of messages) {
      if (message.kind === "unreadable") {
        this.#fault(socket, message.sentence)
        continue
      }
      // An answer to an ask is free of the rate (RL87), and so is what was told and is sent back (RL71).
      let isFree = message.kind === "step2" && seat.member?.isAsked === true
      this.#guarded(socket, seat, () => {
        if (seat.hear(message) === "echo") isFree = true
      })
      if (!isFree) socket.charge(seat, weightOf(message))
    }
    if (seat.state === "left") socket.seats.delete(address)
    // It may be due sooner than was thought, or held.
    if (socket.pace.isHeld || seat.state !== "in") this.#agenda.rouse(socket)
  }

  #seatFor(socket: Line, address: string): Seat | undefined {
    const { addressesPerSocket, pendingAddresses, limitsDryRun } = this.#relay.options
    const isFull = socket.seats.size >= addressesPerSocket || socket.pending >= pendingAddresses
    if (isFull) this.#relay.counts.refused.add("full")
    if (isFull && !limitsDryRun) {
      const reason = `a socket takes ${addressesPerSocket} documents, ${pendingAddresses} not yet admitted`
      socket.connection.send(addressed(address, { kind: "denied", reason }))
      return undefined
    }
    const seat: Seat = new Seat({
      address,
      name: documentOf(address),
      relay: this.#relay,
      connection: socket.connection,
      early: socket.early,
      identify: (token, answer) =>
        this.#identify(token, (found) => {
          // Its socket, or this address on it, may have gone meanwhile.
          if (socket.seats.get(address) !== seat) return
          this.#guarded(socket, seat, () => answer(found))
          this.#agenda.rouse(socket)
        }),
      guarded: (work) => this.#guarded(socket, seat, work),
    })
    socket.seats.set(address, seat)
    return seat
  }

  /** A frame that cannot be read is dropped; only the last of many ends the socket. */
  #guarded(socket: Line, seat: Seat, work: () => void): void {
    try {
      work()
    } catch (thrown) {
      if (!(thrown instanceof WireError)) throw thrown
      if (thrown.code === "bad-message") return this.#fault(socket, thrown.message)
      seat.close(thrown.code, thrown.message)
    }
  }

  #fault(socket: Line, sentence: string): void {
    this.#relay.counts.badFrames.add("hocuspocus")
    if (socket.faults.isLast(this.#relay.now)) socket.connection.close("bad-message", sentence)
  }
}

/** What one connection has said before it was admitted: bounded over all of its addresses. */
export interface Early {
  messages: number
  bytes: number
}

/** One connection and the addresses on it. */
class Line {
  readonly connection: Connection<ToHocuspocus>
  readonly pace: Pace
  readonly faults = new Faults()
  readonly seats = new Map<string, Seat>()
  readonly early: Early = { messages: 0, bytes: 0 }
  readonly #relay: Relay
  /** Since when nobody on it is admitted. */
  #emptySince: number | undefined
  #aliveAt: number

  constructor(connection: Connection<ToHocuspocus>, relay: Relay) {
    const { options, counts, now } = relay
    this.connection = connection
    this.pace = new Pace(connection, { options, counts, now })
    this.#relay = relay
    this.#emptySince = now
    this.#aliveAt = now
  }

  /** Addresses that are not admitted. */
  get pending(): number {
    let count = 0
    for (const { state } of this.seats.values()) if (state !== "in") count++
    return count
  }

  /** `seat` said so many bytes. Held is the whole socket: nothing finer can be left unread. */
  charge(seat: Seat, bytes: number): void {
    this.pace.heard(bytes, this.#relay.now, seat.member?.charge(bytes) ?? 0)
  }

  /** Returns the ms since 1970 of what is due next. */
  tick(now: number): number {
    this.pace.tick(now)
    let next = Math.min(this.#checkJoined(now), this.#keepAlive(now), this.pace.dueAt)
    for (const seat of this.seats.values()) next = Math.min(next, seat.tick(now))
    return next
  }

  #keepAlive(now: number): number {
    const [first] = this.seats.values()
    for (const { spokeAt } of this.seats.values()) {
      this.#aliveAt = Math.max(this.#aliveAt, spokeAt)
    }
    if (first === undefined) return Number.POSITIVE_INFINITY
    if (now - this.#aliveAt >= aliveMs) {
      this.#aliveAt = now
      this.connection.send(addressed(first.address, alive))
    }
    return this.#aliveAt + aliveMs
  }

  /** A socket on which nobody is admitted is closed (RL84). */
  #checkJoined(now: number): number {
    const states = new Set<SeatState>()
    for (const { state } of this.seats.values()) states.add(state)
    if (states.has("in")) {
      this.#emptySince = undefined
      return Number.POSITIVE_INFINITY
    }
    this.#emptySince ??= now
    const endsAt = this.#emptySince + this.#relay.options.joinMs
    if (now < endsAt) return endsAt
    this.#relay.counts.refused.add("never-joined")
    if (states.has("denied")) this.connection.close("unauthenticated", "no document was opened")
    else this.connection.close("never-joined", "no document was asked for")
    return Number.POSITIVE_INFINITY
  }
}
