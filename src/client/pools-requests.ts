/**
 * Requests that are no calls: registering, pools, questions. And what was asked for and holds: it is
 * asked for again after each return.
 *
 * What always holds: a request is answered once; what holds is restored in the order in which it was
 * first asked for, memberships before all else, before any call goes; a piece that the server refuses
 * then is told to the program and forgotten.
 */
import { contentTypeName } from "../wire/pools-payload.ts"
import { asPoolsError, connectionLost, errorOf, fault } from "./pools-faults.ts"
import { type Fields, type Hearing, isFields, type Saying } from "./pools-frames.ts"
import type { Gate } from "./pools-gate.ts"
import type { PoolsError } from "./pools-shapes.ts"
import { valueFrom } from "./pools-values.ts"

/** So many things may be asked for again after a return. */
const heldLimit = 20_000

/** What a request needs of the app. */
export interface RequestsGround {
  readonly gate: Gate
  say(message: Saying): void
  nextId(): number
}

interface Waiting {
  readonly resolve: (result: Fields) => void
  readonly reject: (error: PoolsError) => void
}

/** What is asked; a function is asked for it when there is a connection. */
type Body = Fields | (() => Fields)

/** Several questions that only their owner knows, in a row. */
interface Steps {
  readonly rank: "first"
  readonly run: (ask: (body: Fields) => Promise<Fields>) => Promise<Fields>
  readonly refused?: undefined
}

interface Asked {
  readonly rank: "first" | "later"
  readonly body: Body
  /** Told each time it was agreed to, before anything that the server says afterwards. */
  readonly heard?: (result: Fields) => void
  /** Does what is left to do after a return, before anything else goes. */
  readonly again?: () => Promise<void>
  /** It was refused after a return, for whatever reason; without this a fault of the program is told. */
  readonly refused?: (error: PoolsError) => void
}

type Holding = Steps | Asked

interface AskOptions {
  /** Bytes of a block. */
  readonly data?: Uint8Array
  /** Told the answer before anything that the server says after it. */
  readonly heard?: ((result: Fields) => void) | undefined
}

export class Requests {
  readonly #ground: RequestsGround
  readonly #waiting = new Map<number, Waiting>()
  readonly #held = new Map<string, Holding>()

  constructor(ground: RequestsGround) {
    this.#ground = ground
  }

  /**
   * Asks, as soon as there is a connection. `body` has all but the id. Rejects with PoolsError;
   * CONNECTION_LOST says in `executionUncertain` whether it was sent. A content comes with its bytes
   * in `data`.
   */
  ask(body: Body, { data, heard }: AskOptions = {}): Promise<Fields> {
    return new Promise((resolve, reject) => {
      let bytes = data
      let isWaiting = true
      const told = (result: Fields) => {
        heard?.(result)
        resolve(result)
      }
      const go = () => {
        isWaiting = false
        this.#say(typeof body === "function" ? body() : body, { resolve: told, reject }, bytes)
      }
      this.#ground.gate.pass(go, reject)
      // Until there is a connection the program may do what it likes with its bytes.
      if (isWaiting) bytes = data?.slice()
    })
  }

  /** Asks now: for restoring, while the gate is shut. */
  askNow(body: Fields, heard?: (result: Fields) => void): Promise<Fields> {
    return new Promise((resolve, reject) => {
      const told = (result: Fields) => {
        heard?.(result)
        resolve(result)
      }
      this.#say(body, { resolve: told, reject })
    })
  }

  /**
   * Asks for what is to hold, and again after each return until `release`. `key` names it; the same
   * key replaces. It may be asked for twice without harm, so a lost connection only delays it.
   */
  async hold(key: string, holding: Holding): Promise<Fields> {
    if (!this.#held.has(key) && this.#held.size >= heldLimit) {
      throw fault("limit", `heldLimit, ${heldLimit}, is reached`)
    }
    for (;;) {
      try {
        const result = await ("run" in holding
          ? holding.run((body) => this.ask(body))
          : this.ask(holding.body, { heard: holding.heard }))
        this.#held.delete(key)
        this.#held.set(key, holding)
        return result
      } catch (thrown) {
        const error = asPoolsError(thrown)
        if (error.code !== "CONNECTION_LOST") throw error
      }
    }
  }

  /** It holds: it was asked for in another way. */
  keep(key: string, holding: Holding): void {
    this.#held.set(key, holding)
  }

  /** It is to hold no more; `body` tells the server, if it knows of it. */
  async release(key: string, body: Fields): Promise<void> {
    this.#held.delete(key)
    try {
      await this.ask(body)
    } catch (thrown) {
      // With the connection it went anyway.
      const { code, retry } = asPoolsError(thrown)
      if (code !== "CONNECTION_LOST" && retry !== "stay") throw thrown
    }
  }

  /** Whether the server was asked for it and has agreed. */
  holds(key: string): boolean {
    return this.#held.has(key)
  }

  /** It holds no more, and the server knows. */
  forget(key: string): void {
    this.#held.delete(key)
  }

  /** Asks for all that holds, at once, in order. What is refused is told to `refused`. */
  async restore(refused: (error: PoolsError, about: string) => void): Promise<void> {
    const all = [...this.#held]
    const again = ([key, holding]: (typeof all)[number]) =>
      this.#askAgain(holding).catch((thrown: unknown) => {
        const error = asPoolsError(thrown)
        // Not a word about this piece: the next connection will ask for it.
        if (isLater(error, holding)) throw error
        this.#held.delete(key)
        holding.refused?.(error)
        refused(error, key)
      })
    const first = all.filter(([, { rank }]) => rank === "first")
    const entering = Promise.all(first.map(again))
    // What takes several questions is waited for: all else rests on it.
    if (first.some(([, holding]) => "run" in holding)) await entering
    const later = all.filter(([, { rank }]) => rank === "later")
    await Promise.all([entering, ...later.map(again)])
  }

  async #askAgain(holding: Holding): Promise<void> {
    if ("run" in holding) return void (await holding.run((body) => this.askNow(body)))
    const { body, heard, again } = holding
    await this.askNow(typeof body === "function" ? body() : body, heard)
    await again?.()
  }

  hear(message: Hearing): "taken" | "other" {
    const { kind } = message
    if (kind !== "answer" && kind !== "fault" && kind !== "content") return "other"
    const id = typeof message.to === "number" ? message.to : undefined
    const waiting = id === undefined ? undefined : this.#waiting.get(id)
    if (id === undefined || waiting === undefined) return "other"
    this.#waiting.delete(id)
    if (message.kind === "fault") {
      waiting.reject(errorOf(message.fault, message.word))
    } else if (message.kind === "content") {
      const { data, contentType, generation, time, lost } = message
      const name = contentTypeName(contentType) ?? "json"
      waiting.resolve({ data, content_type: name, generation, time, lost })
    } else {
      const result = valueFrom(message.payload)
      waiting.resolve(isFields(result) ? result : {})
    }
    return "taken"
  }

  lost(why: PoolsError): void {
    const waiting = [...this.#waiting.values()]
    this.#waiting.clear()
    for (const { reject } of waiting) reject(connectionLost(why.message, "sent"))
  }

  #say(body: Fields, waiting: Waiting, data?: Uint8Array): void {
    const id = this.#ground.nextId()
    this.#waiting.set(id, waiting)
    const asked = { ...body, id: String(id) }
    this.#ground.say({ kind: "plain", body: asked, ...(data === undefined ? {} : { data }) })
  }

  /** Waits for the answer to what was said under this id in another form. */
  await(id: number, waiting: Waiting): void {
    this.#waiting.set(id, waiting)
  }
}

/** Whether the next connection may be given what this one was refused. */
function isLater({ code, retry }: PoolsError, holding: Holding): boolean {
  if (code === "CONNECTION_LOST" || retry === "conn") return true
  // A proof that was refused here will be refused there.
  if ("run" in holding) return retry === "later"
  return retry !== "fix" && holding.refused === undefined
}
