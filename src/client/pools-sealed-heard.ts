/**
 * What an app hears in an encrypted pool, opened.
 *
 * What always holds: it is told in the order in which it came, each piece behind the notices before
 * it; of what cannot be opened nothing is told but that, as INTEGRITY; an open call is taken only by
 * a handler that was registered as plain.
 */
import { type Fault, wordOf } from "../wire/pools-errors.ts"
import { bytesOf, bytesPayload, type Payload } from "../wire/pools-payload.ts"
import type { Chunk, Told, ToldEmit } from "../wire/pools-shapes.ts"
import type { Keyring } from "./keys.ts"
import { integrity } from "./keys-open.ts"
import type { Hearing } from "./pools-frames.ts"
import { Order } from "./pools-sealed-order.ts"
import type { Said } from "./pools-sealed-said.ts"
import {
  type Asked,
  Chunks,
  faultOf,
  giveUp,
  type Own,
  refuse,
  type Talk,
  tell,
} from "./pools-sealed-talk.ts"

/** So much waits to be opened; one more emit is lost, and that is told. */
const openingLimit = 10_000

export class Heard {
  readonly #talk: Talk
  readonly #said: Said
  readonly #order = new Order()

  constructor(talk: Talk, said: Said) {
    this.#talk = talk
    this.#said = said
  }

  hear(message: Hearing): "taken" | "other" {
    const { ground, standing, given } = this.#talk
    switch (message.kind) {
      case "call":
        if (message.pool !== ground.pool) return "other"
        this.#call(message)
        return "taken"
      case "emitted":
        if (message.pool !== ground.pool) return "other"
        this.#emitted(message)
        return "taken"
      case "answer":
        return typeof message.to === "number" ? this.#answer(message, message.to) : "other"
      case "fault":
        return typeof message.to === "number" ? this.#fault(message, message.to) : "other"
      case "chunk":
        return this.#chunk(message)
      case "credit":
      case "cancel": {
        const isOfOwn = message.kind === "credit" && message.toward === "caller"
        if (isOfOwn || typeof message.to !== "number" || !given.has(message.to)) return "other"
        // Behind its call.
        this.#pass(message)
        return "taken"
      }
      case "plain":
        return standing.hear(message.body)
      case "pong":
      case "content":
      case "notice":
        return "other"
    }
  }

  #call(message: Told): void {
    const { id, trigger: name, nonce, payload } = message
    const { ground, given } = this.#talk
    if (nonce === undefined && ground.isPlain(name)) return this.#pass(message)
    const cannot = (fault: Fault) => {
      given.delete(id)
      const sentence = "the call could not be opened"
      const outcome = { is: "failed", sentence, handlerCode: wordOf(fault.code) } as const
      ground.say({ kind: "response", id: undefined, to: id, outcome })
      tell(this.#talk, fault, `call ${name}`)
    }
    if (nonce === undefined) return cannot(integrity(`a call of ${name} came open`).fault)
    given.set(id, { nonce, name, chunks: new Chunks(), isBroken: false })
    this.#open({ kind: "trigger", callNonce: nonce, name }, payload, (opened) => {
      if ("code" in opened) cannot(opened)
      else ground.hear({ ...message, payload: opened })
    })
  }

  #emitted(message: ToldEmit): void {
    const { trigger: name, payload, isRetained = false } = message
    const about = `emit ${name}`
    if (this.#order.size >= openingLimit) {
      const sentence = `openingLimit, ${openingLimit}, is reached: this emit is lost`
      return tell(this.#talk, { code: "busy", sentence }, about)
    }
    this.#open({ kind: "emit", callNonce: undefined, name, isRetained }, payload, (opened) => {
      if ("code" in opened) tell(this.#talk, opened, about)
      else this.#talk.ground.hear({ ...message, payload: opened })
    })
  }

  #answer(message: Extract<Hearing, { kind: "answer" }>, to: number): "taken" | "other" {
    // Of an emit only numbers are answered: they come as they are.
    this.#talk.asked.delete(to)
    const own = this.#talk.own.get(to)
    if (own === undefined) return "other"
    const of = { kind: "response", callNonce: own.nonce, name: own.message.trigger } as const
    this.#open(of, message.payload, (opened) => {
      if ("code" in opened) refuse(this.#talk, to, { ...opened, executionUncertain: true })
      else this.#talk.ground.hear({ ...message, payload: opened })
    })
    return "taken"
  }

  #fault(message: Extract<Hearing, { kind: "fault" }>, to: number): "taken" | "other" {
    const { own, asked } = this.#talk
    const refused = own.get(to) ?? asked.get(to)
    asked.delete(to)
    if (refused === undefined) return "other"
    const mayRepeat = message.fault.code === "stale-epoch" && refused.tries === "first"
    if (mayRepeat) void this.#repeat(refused, message)
    else this.#pass(message)
    return "taken"
  }

  /** The epoch it was sealed for is over: once more, for the one that this app may write in by now. */
  async #repeat(refused: Own | Asked, fault: Hearing): Promise<void> {
    const { standing, own } = this.#talk
    const { line } = standing
    try {
      await standing.enterAgain()
    } catch {
      // What it was refused for says more than why that cannot be mended.
      return this.#pass(fault)
    }
    if (line.isOver) return
    if (!("nonce" in refused)) return this.#said.emit({ ...refused, tries: "again" })
    const { message, since } = refused
    // It was given up meanwhile.
    if (typeof message.id !== "number" || own.get(message.id) !== refused) return
    const ttlMs = Math.floor(message.ttlMs - (Date.now() - since))
    if (ttlMs <= 0) return this.#pass(fault)
    this.#said.start({ ...message, ttlMs }, "again")
  }

  #chunk(message: Chunk): "taken" | "other" {
    const { to, toward, payload } = message
    if (typeof to !== "number") return "other"
    const { ground, own: calls, given: handled } = this.#talk
    const own = toward === "caller" ? calls.get(to) : undefined
    const given = toward === "handler" ? handled.get(to) : undefined
    const stream = own ?? given
    if (stream === undefined) return "other"
    const kind = toward === "caller" ? "chunk-to-caller" : "chunk-to-handler"
    const name = given?.name ?? own?.message.trigger ?? ""
    const after = stream.chunks.after(bytesOf(payload))
    const of = { kind, callNonce: stream.nonce, name, after } as const
    this.#open(of, payload, (opened) => {
      if (!("code" in opened)) ground.hear({ ...message, to, payload: opened })
      else if (own === undefined) ground.breakInput(to, opened)
      else giveUp(this.#talk, to, { ...opened, executionUncertain: true })
    })
    return "taken"
  }

  /** Opens it behind the notices before it, and gives in its turn what came of it. */
  #open(
    of: Parameters<Keyring["open"]>[0],
    payload: Payload,
    then: (opened: Payload | Fault) => void,
  ): void {
    const { ring, standing } = this.#talk
    const opening = standing.noted.then(async () => {
      try {
        const { type, bytes } = await ring.open(of, bytesOf(payload))
        const opened = bytesPayload(bytes, type)
        return () => then(opened)
      } catch (thrown) {
        const fault = faultOf(thrown)
        return () => then(fault)
      }
    })
    this.#order.add(standing.line, opening)
  }

  /** Tells it as it is, in its turn. */
  #pass(message: Hearing): void {
    const { standing, ground } = this.#talk
    const ready = standing.noted.then(() => () => ground.hear(message))
    this.#order.add(standing.line, ready)
  }
}
