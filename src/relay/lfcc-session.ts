/**
 * One connection of the LFCC dialect: which document and sender it is, how it is spoken to, and what
 * it has been refused.
 *
 * What always holds: its document is fixed when it opens, its sender when it enters the room. Where
 * a host has named the sender, its frames may bear a name of their own, but always the same; what
 * is relayed bears the host's. An update is told in the form in which it sends its own.
 */
import type { Connection } from "../service.ts"
import { type Code, WireError } from "../wire/error.ts"
import { type LfccFrame, senderIdBytes } from "../wire/lfcc.ts"
import { errorCodeOf, type Form, formed, type ToLfcc } from "../wire/lfcc-told.ts"
import type { ErrorCode, ToOpaque } from "../wire/relay.ts"
import { Faults } from "./faults.ts"
import type { OpaqueMembership } from "./opaque-membership.ts"
import { Pace } from "./pace.ts"
import type { Relay } from "./relay.ts"
import type { OpaqueOutlet } from "./replica.ts"

/** A sender is told so often at most that it is too fast. */
const complaintMs = 1_000
/** Who hears nothing for longer may take its line for dead; pings are no message to a browser. */
const aliveMs = 20_000

export class LfccSession {
  readonly connection: Connection<ToLfcc>
  readonly outlet: Speaker
  readonly faults: Faults
  /** It was refused, and is closed as soon as it has been told. */
  isOver = false
  readonly #relay: Relay
  readonly #pace: Pace
  readonly #docId: string
  /** What is relayed bears it. Undefined until it is known. */
  #senderId: string | undefined
  /** What its frames bear; undefined until the first. */
  #calledItself: string | undefined
  #member: OpaqueMembership | undefined
  /** It sent LEAVE, and comes back by JOIN only. */
  #hasLeft = false
  /** Since when it is in no room, in ms since 1970. */
  #emptySince: number
  #slowedAt = Number.NEGATIVE_INFINITY

  constructor(connection: Connection<ToLfcc>, relay: Relay) {
    const { options, counts, now } = relay
    const { params } = connection
    this.connection = connection
    this.#relay = relay
    this.#docId = params.get("path") || (params.get("docId") ?? "")
    this.#senderId = params.get("sender") ?? params.get("senderId")
    this.#calledItself = params.has("sender") ? undefined : params.get("senderId")
    this.outlet = new Speaker(connection, relay, (code, sentence) =>
      this.refuse(new WireError(code, sentence)),
    )
    this.outlet.learn(params.get("features")?.split(",") ?? [])
    this.#pace = new Pace(connection, { options, counts, now })
    this.faults = new Faults()
    this.#emptySince = now
  }

  /** Its place in the room, once its sender is known. */
  get member(): OpaqueMembership | undefined {
    return this.#member
  }

  /** Enters the room if its sender is known by now. Throws a WireError for who may not. */
  begin(): void {
    const { now } = this.#relay
    // Who may not enter hears so at once, and not after its first frame.
    this.#relay.admit(this.connection.identity, this.#docId)
    if (this.#senderId !== undefined) this.#enter(this.#senderId, now)
  }

  /** Enters with its first frame, or returns with a JOIN. Throws a WireError for who may not. */
  enter({ message, senderId, ts }: LfccFrame): OpaqueMembership | undefined {
    if (message.kind === "leave") return undefined
    if (this.#hasLeft && message.kind !== "join") {
      this.complain("UNKNOWN", "it has left this room: JOIN brings it back")
      return undefined
    }
    return this.#enter(this.#senderId ?? senderId, ts)
  }

  /** Whether a frame is of this document and sender. The first one says what it calls itself. */
  isOf({ docId, senderId }: LfccFrame): boolean {
    if (docId !== this.#docId) return false
    this.#calledItself ??= senderId
    return senderId === this.#calledItself
  }

  /** `ts` is that of its LEAVE. */
  leave(how: "clean" | "broken", ts: number | undefined): void {
    this.#member?.leave(how, ts)
    this.#member = undefined
    this.#hasLeft = true
    this.#emptySince = this.#relay.now
  }

  /** It has sent so many bytes. Above its rate it is told when it is heard again (RL87). */
  spend(bytes: number): void {
    const { now } = this.#relay
    const wait = this.#pace.heard(bytes, now, this.#member?.charge(bytes) ?? 0)
    if (wait === 0 || now - this.#slowedAt < complaintMs) return
    this.#slowedAt = now
    this.#error({ code: "RATE_LIMITED", message: "it sends too fast", retryAfterMs: wait })
  }

  /** Tells what is wrong with what it sent; it may go on. */
  complain(code: ErrorCode, message: string): void {
    this.#error({ code, message, retryAfterMs: undefined })
  }

  /** Tells why, and closes it. `token` says how a token that is no good is called. */
  refuse(error: WireError, token: ErrorCode = "UNAUTHORIZED"): void {
    if (this.isOver) return
    this.isOver = true
    const code = error.code === "unauthenticated" ? token : errorCodeOf(error.code)
    this.complain(code, error.message)
    this.connection.close(error.code, error.message)
  }

  /**
   * It goes on when its rate allows; one that joins nothing is closed (RL84). Returns the ms since
   * 1970 of what is due next.
   */
  tick(now: number): number {
    this.#pace.tick(now)
    if (this.isOver) return Number.POSITIVE_INFINITY
    const aliveAt = this.outlet.keepAlive(this.#docId, now)
    if (this.#member !== undefined) return Math.min(aliveAt, this.#pace.dueAt)
    const dueAt = this.#emptySince + this.#relay.options.joinMs
    if (now < dueAt) return Math.min(dueAt, this.#pace.dueAt)
    this.#relay.counts.refused.add("never-joined")
    this.refuse(
      new WireError(
        "timed-out",
        "nothing was joined in time: send a frame with docId and senderId",
      ),
    )
    return Number.POSITIVE_INFINITY
  }

  /** Whether it is due sooner than it last said. */
  get isRestless(): boolean {
    return this.#pace.isHeld || this.#member === undefined
  }

  #enter(senderId: string, ts: number): OpaqueMembership {
    const { connection, outlet } = this
    const relay = this.#relay
    if (senderId === "" || Buffer.byteLength(senderId) > senderIdBytes) {
      throw new WireError("bad-message", `a senderId has 1 to ${senderIdBytes} bytes`)
    }
    const who = relay.admit(connection.identity, this.#docId)
    const has = connection.params.get("hasSnapshot") === "1" ? "snapshot" : "nothing"
    const member = relay.opaque.enter(this.#docId, who, { outlet, senderId, ts, has })
    this.#member = member
    this.#senderId = senderId
    this.#hasLeft = false
    return member
  }

  #error(of: {
    readonly code: ErrorCode
    readonly message: string
    readonly retryAfterMs: number | undefined
  }): void {
    const stamp = { docId: this.#docId, ts: this.#relay.now }
    this.connection.send(formed("top", { kind: "error", ...stamp, ...of }))
  }
}

/** Says to one connection what its room says. */
class Speaker implements OpaqueOutlet {
  hearsSeeds = false
  hearsAcks = false
  readonly #connection: Connection<ToLfcc>
  readonly #clock: { readonly now: number }
  readonly #refuse: (code: Code, sentence: string) => void
  #readsBatches = false
  #form: Form = "top"
  /** In ms since 1970. */
  #spokeAt: number

  constructor(
    connection: Connection<ToLfcc>,
    clock: { readonly now: number },
    refuse: (code: Code, sentence: string) => void,
  ) {
    this.#connection = connection
    this.#clock = clock
    this.#refuse = refuse
    this.#spokeAt = clock.now
  }

  /** Frames with bytes behind them stand in no batch. */
  get hasBatches(): boolean {
    return this.#readsBatches && this.#form !== "binary"
  }

  get behind(): boolean {
    return this.#connection.behind
  }

  /** Its client said that it knows these. Words we do not know are among them. */
  learn(features: readonly string[]): void {
    if (features.includes("ack")) this.hearsAcks = true
    if (features.includes("seed")) this.hearsSeeds = true
    if (features.includes("batch")) this.#readsBatches = true
    if (features.includes("binary")) this.#form = "binary"
  }

  /** It sends updates in this form. Who has named `binary` reads that, whatever it sends. */
  reads(form: Form): void {
    if (this.#form !== "binary") this.#form = form
  }

  send(message: ToOpaque): void {
    this.#spokeAt = this.#clock.now
    this.#connection.send(formed(this.#form, message))
  }

  /**
   * After a long silence it says so much that the line is seen to live, to who knows what that is.
   * Returns when it is due again.
   */
  keepAlive(docId: string, now: number): number {
    if (now - this.#spokeAt < aliveMs) return this.#spokeAt + aliveMs
    if (this.hearsAcks) this.send({ kind: "ack", docId, ts: now, ref: undefined })
    return now + aliveMs
  }

  close(code: Code, sentence: string): void {
    this.#refuse(code, sentence)
  }
}
