/**
 * The operators service with far ends that are arrays, for tests: a real table in memory, a clock
 * turned by hand, chance from a seed, and hashes that are answered when the test says so.
 */
import { createHash } from "node:crypto"
import { Log } from "../src/log.ts"
import type { Limits } from "../src/operators/limits.ts"
import { Operators } from "../src/operators/operators.ts"
import type { Derivation } from "../src/operators/passwords.ts"
import type { Cost } from "../src/operators/secret.ts"
import { type Connection, guard, type Undo } from "../src/service.ts"
import { openStore, type Store } from "../src/store.ts"
import type { Code } from "../src/wire/error.ts"
import { cleaned, type Line } from "../src/wire/operators.ts"
import { seeded } from "./operators-stage.ts"

export interface ExchangeOptions {
  readonly store?: Store
  readonly limits?: Partial<Limits>
  readonly registration?: "open" | "invite" | "closed"
  readonly cost?: Cost
  readonly concurrency?: number
  readonly seed?: number
  readonly now?: number
}

/** The service, and all that the server would be to it. */
export class Exchange {
  readonly store: Store
  readonly service: Operators
  /** Hashes that have begun and are not answered. */
  readonly hashes: {
    readonly work: Derivation
    readonly answer: (tag: Uint8Array | "away") => void
  }[] = []
  /** How many have begun in all. */
  hashed = 0
  readonly broken: unknown[] = []
  readonly faults: string[] = []
  readonly log: Log
  now: number
  readonly #ends: End[] = []

  constructor(options: ExchangeOptions = {}) {
    this.now = options.now ?? 1_700_000_000_000
    this.store = options.store ?? openStore({ uri: ":memory:" })
    this.log = new Log("error", (line) => this.faults.push(line))
    this.service = new Operators({
      store: this.store,
      log: this.log,
      random: seeded(options.seed ?? 1),
      derive: (work, answer) => {
        this.hashed += 1
        this.hashes.push({ work, answer })
      },
      cost: options.cost ?? { memory: 8, passes: 1, lanes: 1 },
      hashConcurrency: options.concurrency ?? 1,
      registration: options.registration ?? "open",
      epoch: "51c3a07d9e22f804",
      broken: (thrown) => this.broken.push(thrown),
      limits: { messagesPerSecond: 0, ...options.limits },
      now: this.now,
    })
  }

  /** Somebody comes. Throws the WireError that refuses it. */
  come(circuit?: string): End {
    const end = new End(this, circuit)
    this.service.open(end)
    this.#ends.push(end)
    return end
  }

  /** Somebody comes and turns to extended mode. */
  extend(circuit?: string): End {
    const end = this.come(circuit)
    end.utters("$ quartet")
    end.heard.length = 0
    return end
  }

  /** Somebody who has logged in, registered first where that is needed. The password is the callsign. */
  member(callsign: string, mode: "classic" | "extended" = "extended"): End {
    const end = mode === "extended" ? this.extend() : this.come()
    const isKnown = this.service.accounts.find(callsign, this.now) !== undefined
    for (let line = isKnown ? 1 : 0; line < 2; line++) end.says(`$ ${callsign} ${callsign}`)
    end.heard.length = 0
    return end
  }

  /** Answers the hash that has waited longest, and ends the turn. */
  hash(): void {
    const begun = this.hashes.shift()
    if (begun === undefined) return
    const { password, salt, cost, tagBytes } = begun.work
    const text = `${password} ${Buffer.from(salt).toString("hex")} ${JSON.stringify(cost)}`
    begun.answer(createHash("sha256").update(text).digest().subarray(0, tagBytes))
    this.turn()
  }

  /** Answers all hashes, those that follow as well. */
  hashAll(): void {
    while (this.hashes.length > 0) this.hash()
  }

  /** The turn of the event loop is over. */
  turn(): void {
    for (const end of [...this.#ends]) {
      if (end.ended !== undefined && !end.isTold) {
        end.isTold = true
        this.#ends.splice(this.#ends.indexOf(end), 1)
        this.service.close(end)
      }
    }
    for (const end of [...this.#ends]) end.goOn()
  }

  /** Lets `ms` pass, in steps. */
  pass(ms: number, step = 100): void {
    const until = this.now + ms
    while (this.now < until) {
      this.now = Math.min(until, this.now + step)
      this.service.tick(this.now)
      this.turn()
    }
  }
}

let count = 0

/** A far end: says what it is told to say, and keeps what it hears. */
export class End implements Connection<string> {
  readonly id = `o${count++}`
  readonly params: ReadonlyMap<string, string>
  readonly identity = undefined
  readonly behind = false
  readonly saidGoodbye = false
  readonly heard: string[] = []
  ended: Code | "left" | undefined
  isTold = false
  /** It takes so many lines more, and is then closed as slow. */
  takes = Number.POSITIVE_INFINITY
  readonly #exchange: Exchange
  readonly #waiting: Line[] = []
  #holds = 0

  constructor(exchange: Exchange, circuit: string | undefined) {
    this.#exchange = exchange
    this.params = new Map(circuit === undefined ? [] : [["circuit", circuit]])
  }

  get isOpen(): boolean {
    return this.ended === undefined
  }

  get isHeld(): boolean {
    return this.#holds > 0
  }

  /** Says a line; its hash, if it needs one, is answered at once. */
  says(line: Line): void {
    this.utters(line)
    this.#exchange.hashAll()
  }

  /** Says a line, and the turn ends; hashes wait. */
  utters(line: Line): void {
    this.#waiting.push(typeof line === "string" ? cleaned(line) : line)
    this.#exchange.turn()
  }

  /** What it has heard since it was last asked. */
  news(): readonly string[] {
    return this.heard.splice(0)
  }

  goOn(): void {
    while (this.#holds === 0 && this.ended === undefined) {
      const line = this.#waiting.shift()
      if (line === undefined) return
      const receive = () => this.#exchange.service.receive(this, line)
      guard(this.#exchange.log, "receive", receive, ({ code }) => this.close(code))
    }
  }

  /** The line is gone, and the service knows. */
  leaves(): void {
    this.vanishes()
    this.#exchange.turn()
  }

  /** The line is gone, and the service does not know yet. */
  vanishes(): void {
    this.ended ??= "left"
  }

  send(message: string): void {
    if (this.ended !== undefined) return
    if (this.takes-- <= 0) this.ended = "slow"
    else this.heard.push(message)
  }

  offer(_key: string, message: string): boolean {
    this.send(message)
    return this.isOpen
  }

  hold(): Undo {
    this.#holds += 1
    let isHeld = true
    return () => {
      if (isHeld) this.#holds -= 1
      isHeld = false
    }
  }

  renew(): void {}

  close(code: Code): void {
    this.ended ??= code
  }
}

/** The id in `$ sent`, `$ queued` or `$ from`. */
export function idIn(line: string | undefined): string {
  const words = (line ?? "").split(" ")
  const id = words[1] === "from" || words[1] === "own" ? words[4] : words[3]
  if (id === undefined) throw new Error(`no id in ${line}`)
  return id
}
