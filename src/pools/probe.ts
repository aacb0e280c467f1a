/**
 * A call inside the server, from start to answer: what `/health` asks before it says that calls work.
 *
 * What always holds: it goes the way of every call, through the same code, in a pool that nobody else
 * can name; it is over when `works` returns, and leaves nothing behind.
 */
import type { Connection, Identity } from "../service.ts"
import { noPayload } from "../wire/pools-payload.ts"
import type { Start } from "../wire/pools-shapes.ts"
import type { Calls } from "./calls.ts"
import { Pool } from "./pool.ts"
import { type Entrance, Session } from "./session.ts"
import { Registration, Trigger } from "./trigger.ts"

const entrance: Entrance = { auth: "open", place: "local", admin: "none" }
const none: ReadonlySet<string> = new Set()

export class Probe {
  readonly #calls: Calls
  readonly #trigger: Trigger
  readonly #caller: Session
  readonly #worker: Session
  #answers = 0

  constructor(calls: Calls) {
    this.#calls = calls
    const facts = { name: "", id: new Uint8Array(16), type: "local", createdAt: 0 } as const
    const pool = new Pool({ ...facts, rights: {}, owners: [], description: "" }, "built-in")
    this.#trigger = new Trigger(pool, "probe")
    this.#caller = sessionOf(() => this.#answers++)
    this.#worker = sessionOf(() => this.#answer())
    const options = { offer: { name: "probe" }, concurrency: 1, queue: 0 }
    const registration = new Registration(this.#trigger, this.#worker, options)
    this.#trigger.registrations.push(registration)
    this.#worker.registrations.add(registration)
  }

  /** Whether a call comes back now, answered once. */
  works(): boolean {
    const before = this.#answers
    const start: Start = {
      ...{ kind: "trigger", id: "probe", pool: "", trigger: "probe", payload: noPayload },
      ...{ ttlMs: 1_000, flags: none, appFlags: [] },
    }
    try {
      this.#calls.start(this.#caller, this.#trigger, start)
    } catch {
      // Refused, for whatever reason: that is the answer to the question.
      return false
    }
    return this.#answers === before + 1 && this.#caller.calls.size === 0
  }

  #answer(): void {
    const outcome = { is: "done", result: noPayload } as const
    const to = this.#worker.given
    this.#calls.answer(this.#worker, { kind: "response", id: undefined, to, outcome })
  }
}

/** A session whose far end is this very server. */
function sessionOf(heard: () => void): Session {
  const connection: Connection<Uint8Array | string> = {
    ...{ id: "probe", params: new Map(), identity: undefined, isOpen: true, behind: false },
    saidGoodbye: false,
    renew: (_: Identity) => {},
    send: heard,
    offer: () => true,
    hold: () => () => {},
    close: () => {},
  }
  const key = new Uint8Array(16)
  const session = new Session({ connection, entrance, key, now: 0, burst: 1 })
  session.stage = { is: "ready" }
  session.name = "probe"
  return session
}
