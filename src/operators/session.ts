/**
 * One connection, as the operators see it.
 *
 * What always holds: it stands in one place, and once it has logged in it belongs to that operator
 * until it closes; a classic session is told nothing but deliveries; what a multi-line message in
 * the making holds is bounded.
 */
import type { Connection, Undo } from "../service.ts"
import { overlong } from "../wire/lines.ts"
import {
  type FromOperator,
  isTooLong,
  type Line,
  type Mode,
  misshapen,
  type RefusalReason,
  type Stage,
} from "../wire/operators.ts"
import type { Bucket } from "./limits.ts"
import type { Operator } from "./operator.ts"
import type { Secret } from "./secret.ts"

/** What somebody who has not logged in has said so far. */
export interface Stranger {
  readonly stage: "stranger"
  /** The token it brought for its registration. */
  invite: string | undefined
  /** The first of the two lines of a registration. */
  pending: { readonly callsign: string; readonly secret: Secret } | undefined
  /** Its login is being hashed. */
  isAsked: boolean
}

export interface Member {
  readonly stage: "member"
  readonly operator: Operator
  readonly number: number
  block: Block | undefined
}

/** Where it stands. "gone": it is in no set any more, whatever its socket still does. */
export type Standing = Stranger | Member | { readonly stage: "gone" }

export class Session {
  readonly connection: Connection<string>
  /** What "per circuit" counts by; undefined where there is none. */
  readonly circuit: string | undefined
  readonly openedAt: number
  mode: Mode = "classic"
  standing: Standing = { stage: "stranger", invite: undefined, pending: undefined, isAsked: false }
  heardAt: number
  pingedAt: number
  lines = 0
  failures = 0
  /** How fast it may speak; undefined for no limit. */
  readonly pace: Bucket | undefined
  /** What it said above its rate, and what holds back all that comes after. */
  deferred: { readonly said: FromOperator; readonly release: Undo } | undefined

  constructor(connection: Connection<string>, now: number, pace: Bucket | undefined) {
    this.connection = connection
    this.circuit = connection.params.get("circuit")
    this.openedAt = now
    this.heardAt = now
    this.pingedAt = now
    this.pace = pace
  }

  /** Where its next line stands. */
  get stage(): Stage {
    if (this.lines === 0) return "new"
    if (this.standing.stage !== "member") return "stranger"
    return this.standing.block === undefined ? "member" : "block"
  }

  /** Tells it a line, if it is extended. */
  tell(line: string): void {
    if (this.mode === "extended") this.connection.send(line)
  }
}

/** A message of several lines in the making. */
export class Block {
  readonly target: string
  readonly #lines: string[] = []
  // As long as the text, in UTF-16 units: what bounds it before anything is encoded.
  #length = 0
  #fault: RefusalReason | undefined

  constructor(target: string, first: string) {
    this.target = target
    if (first !== "") this.add(first)
  }

  /** Why it can only be refused, as soon as that is certain. */
  get fault(): RefusalReason | undefined {
    return this.#fault
  }

  /** Its lines as one text. */
  get text(): string {
    return this.#lines.join("\n")
  }

  add(line: Line): void {
    if (this.#fault !== undefined) return
    if (line === overlong) return this.#fail("too-long")
    if (line === misshapen) return this.#fail("bad-line")
    this.#lines.push(line)
    this.#length += line.length + 1
    // Encoding it anew for each line would be a lot: only when it may have become too long.
    if (this.#lines.length <= minLines && this.#length <= minLength) return
    if (isTooLong(this.text)) this.#fail("too-long")
  }

  // The rest is swallowed, in constant memory.
  #fail(reason: RefusalReason): void {
    this.#fault = reason
    this.#lines.length = 0
  }
}

/** Below both a text cannot be too long. */
const minLines = 200
const minLength = 5_000
