/**
 * What an app says in an encrypted pool, sealed.
 *
 * What always holds: it leaves in the order in which it was said; what cannot be sealed does not
 * leave, and neither does what belongs to no call that is known here. A handler's words about a
 * failure stay with it: its code alone is told.
 */
import { type Fault, wordOf } from "../wire/pools-errors.ts"
import { bytesOf, bytesPayload, contentTypes, type Payload, sizeOf } from "../wire/pools-payload.ts"
import type { Answer, Chunk, Start } from "../wire/pools-shapes.ts"
import { lengths } from "../wire/trinity.ts"
import type { MessageOf } from "../wire/trinity-envelope.ts"
import type { Saying } from "./pools-frames.ts"
import { Order } from "./pools-sealed-order.ts"
import {
  type Asked,
  Chunks,
  faultOf,
  type Given,
  giveUp,
  refuse,
  type Talk,
  tell,
} from "./pools-sealed-talk.ts"

const failedSentence = "the handler failed"
const declinedSentence = "declined"

export class Said {
  readonly #talk: Talk
  readonly #order = new Order()

  constructor(talk: Talk) {
    this.#talk = talk
  }

  /** Bytes that wait to be sealed. */
  get bytes(): number {
    return this.#order.bytes
  }

  say(message: Saying): void {
    switch (message.kind) {
      case "trigger":
        return this.start(message, "first")
      case "emit":
        return this.emit({ message, tries: "first" })
      case "chunk":
        return this.#chunk(message)
      case "response":
        return this.#answer(message)
      case "cancel":
        // Behind its call.
        return this.#post(0, async () => message)
      case "credit":
      case "pong":
      case "plain":
        return this.#talk.ground.say(message)
    }
  }

  start(message: Start, tries: "first" | "again"): void {
    const { id, trigger: name, payload } = message
    if (typeof id !== "number") throw new Error("never: an app numbers its calls")
    const before = this.#talk.own.get(id)
    const isSame = message.key !== undefined && tries === "first"
    const own = {
      ...{ message, tries, since: Date.now(), chunks: new Chunks() },
      nonce: before?.nonce ?? crypto.getRandomValues(new Uint8Array(lengths.callNonce)),
      payload: isSame ? before?.payload : undefined,
    }
    this.#talk.own.set(id, own)
    const of = { kind: "trigger", callNonce: own.nonce, name } as const
    const seal = async (): Promise<Saying> => {
      own.payload ??= await this.#sealed(of, payload)
      return { ...message, payload: own.payload, nonce: own.nonce }
    }
    this.#post(sizeOf(payload), seal, (fault) => refuse(this.#talk, id, fault))
  }

  emit({ message, tries }: Asked): void {
    const { id, payload, trigger: name } = message
    if (typeof id === "number" && message.flags.has("ack")) {
      this.#talk.asked.set(id, { message, tries })
    }
    const of = { kind: "emit", callNonce: undefined, name } as const
    const seal = async () => ({ ...message, payload: await this.#sealed(of, payload) })
    this.#post(sizeOf(payload), seal, (fault) => {
      if (typeof id === "number") refuse(this.#talk, id, fault)
    })
  }

  #answer(message: Answer): void {
    const { to = 0, outcome } = message
    const given = this.#talk.given.get(to)
    this.#talk.given.delete(to)
    if (given === undefined) return
    switch (outcome.is) {
      case "failed":
        return this.#post(0, async () => failed(message, outcome.handlerCode))
      case "unavailable": {
        const declined = { ...outcome, sentence: declinedSentence }
        return this.#post(0, async () => ({ ...message, outcome: declined }))
      }
      case "done":
        return this.#done({ message, given, result: outcome.result })
    }
  }

  #done(of: { readonly message: Answer; readonly given: Given; readonly result: Payload }): void {
    const { message, given, result } = of
    const { nonce: callNonce, name } = given
    const seal = async (): Promise<Saying> => {
      if (given.isBroken) return failed(message, wordOf("integrity"))
      const sealed = await this.#sealed({ kind: "response", callNonce, name }, result)
      return { ...message, outcome: { is: "done", result: sealed } }
    }
    this.#post(sizeOf(result), seal, (fault) => {
      this.#talk.ground.say(failed(message, wordOf(fault.code)))
      tell(this.#talk, fault, `answer to ${name}`)
    })
  }

  #chunk(message: Chunk): void {
    const { to, toward, payload } = message
    if (typeof to !== "number") return
    const { own: calls, given: handled } = this.#talk
    const own = toward === "handler" ? calls.get(to) : undefined
    const given = toward === "caller" ? handled.get(to) : undefined
    const callNonce = own?.nonce ?? given?.nonce
    if (callNonce === undefined) return
    const kind = toward === "caller" ? "chunk-to-caller" : "chunk-to-handler"
    const of = { kind, callNonce, name: given?.name ?? own?.message.trigger ?? "" } as const
    const seal = async () => ({ ...message, payload: await this.#sealed(of, payload) })
    this.#post(sizeOf(payload), seal, (fault) => {
      if (given !== undefined) given.isBroken = true
      else giveUp(this.#talk, to, fault)
    })
  }

  async #sealed(of: MessageOf, payload: Payload): Promise<Payload> {
    const content = { type: payload.type, bytes: bytesOf(payload) }
    return bytesPayload(await this.#talk.ring.seal(of, content), contentTypes.bytes)
  }

  /** Says what `seal` gives, behind all that was said before; `fail` is told why there is nothing. */
  #post(bytes: number, seal: () => Promise<Saying>, fail: (fault: Fault) => void = () => {}): void {
    const { standing, ground } = this.#talk
    standing.renew()
    this.#order.run(standing.line, bytes, async () => {
      try {
        const message = await seal()
        return () => ground.say(message)
      } catch (thrown) {
        const fault = faultOf(thrown)
        return () => fail(fault)
      }
    })
  }
}

function failed(message: Answer, handlerCode: string | undefined): Saying {
  const code = handlerCode === undefined ? {} : { handlerCode }
  return { ...message, outcome: { is: "failed", sentence: failedSentence, ...code } }
}
