/**
 * The way into a callsign: `$ quartet`, an invitation, the password once, or twice to register.
 *
 * What always holds: one step is open at a time, and an answer that belongs to none is passed over;
 * the password is asked for at each login and forgotten with the connection.
 */
import type { Heard } from "../wire/operators-heard.ts"
import type { OperatorsOptions } from "./operators-shapes.ts"

/** A server that greets nobody is an original one, or none. */
const greetingMs = 60_000

/** Why the server closed us for good, by the word of its last line; after any other we come back. */
export const byes: Readonly<Record<string, string>> = {
  deleted: "the account was deleted",
  ended: "another session of yours has ended this one",
  replaced: "a sixth session of yours has replaced this one",
  failures: "too many wrong passwords",
  late: "not logged in in time",
}

/** How it went. `rest`: to be tried again after so many seconds. */
export type Login =
  | {
      readonly kind: "in"
      readonly callsign: string
      readonly generation: string
      readonly session: number
    }
  | { readonly kind: "again" }
  | { readonly kind: "rest"; readonly seconds: number; readonly why: string }
  | { readonly kind: "closed"; readonly why: string }

interface Steps {
  readonly say: (line: string) => void
  readonly ended: (how: Login) => void
}

export class LoginSteps {
  readonly #options: OperatorsOptions
  readonly #steps: Steps
  #step: "none" | "greeting" | "inviting" | "asking" | "waiting" = "none"
  /** Of the login that is under way: a later one must not go on with what a person answers late. */
  #attempt: object = {}
  #password = ""
  #timer: ReturnType<typeof setTimeout> | undefined

  constructor(options: OperatorsOptions, steps: Steps) {
    this.#options = options
    this.#steps = steps
  }

  /** Whether a person is being asked. */
  get isAsking(): boolean {
    return this.#step === "asking"
  }

  /** There is a new connection. */
  greet(): void {
    this.#attempt = {}
    this.#step = "greeting"
    this.#timer = setTimeout(() => this.#end({ kind: "again" }), greetingMs)
    this.#steps.say("$ quartet")
  }

  hear(heard: Heard): void {
    const { invite } = this.#options
    if (heard.kind === "hello" && this.#step === "greeting") {
      clearTimeout(this.#timer)
      if (invite === undefined) return void this.#logIn()
      if (!isOneLine(invite)) return this.#end({ kind: "closed", why: "that is no invitation" })
      this.#step = "inviting"
      return this.#steps.say(`$ invite ${invite}`)
    }
    if (heard.kind === "noted" && this.#step === "inviting") return void this.#logIn()
    if (heard.kind === "refused" && this.#step === "inviting") {
      return this.#end({ kind: "closed", why: "that is no invitation" })
    }
    if (this.#step !== "waiting") return
    if (heard.kind === "welcome") {
      const { callsign, generation, session } = heard
      return this.#end({ kind: "in", callsign, generation, session })
    }
    if (heard.kind === "again") return void this.#register()
    if (heard.kind === "refused") this.#refuse(heard.reason, heard.seconds)
  }

  /** The connection is gone. */
  drop(): void {
    clearTimeout(this.#timer)
    this.#attempt = {}
    this.#step = "none"
    this.#password = ""
  }

  async #logIn(): Promise<void> {
    const password = await this.#ask(() => this.#options.password())
    if (password === undefined) return
    if (!isOneLine(password)) {
      return this.#end({ kind: "closed", why: "a password is one line, and not empty" })
    }
    this.#password = password
    this.#sayPassword()
  }

  async #register(): Promise<void> {
    const { register = false } = this.#options
    const isWanted = await this.#ask(() =>
      typeof register === "function" ? register(this.#password) : register,
    )
    if (isWanted === undefined) return
    if (isWanted) return this.#sayPassword()
    const { callsign } = this.#options
    this.#end({ kind: "closed", why: `nobody is registered as ${callsign}` })
  }

  /** Undefined if the connection went meanwhile, or the question failed, which ends it. */
  async #ask<T>(question: () => T | Promise<T>): Promise<T | undefined> {
    const attempt = this.#attempt
    this.#step = "asking"
    try {
      const answer = await question()
      return this.#attempt === attempt ? answer : undefined
    } catch (thrown) {
      const why = thrown instanceof Error ? thrown.message : String(thrown)
      if (this.#attempt === attempt) this.#end({ kind: "closed", why })
      return undefined
    }
  }

  #sayPassword(): void {
    this.#step = "waiting"
    this.#steps.say(`$ ${this.#options.callsign} ${this.#password}`)
  }

  #refuse(reason: string, seconds: number | undefined): void {
    if (reason === "busy") return this.#end({ kind: "again" })
    if (reason === "slow") {
      const why = `too many tries; the next one in ${seconds ?? 60} s`
      return this.#end({ kind: "rest", seconds: seconds ?? 60, why })
    }
    const why =
      reason === "name"
        ? "this callsign cannot be registered: it is reserved, or looks like another"
        : `the login was refused (${reason}): a wrong password, or no such account`
    this.#end({ kind: "closed", why })
  }

  #end(how: Login): void {
    this.drop()
    this.#steps.ended(how)
  }
}

function isOneLine(text: string): boolean {
  return text !== "" && !/[\r\n]/.test(text)
}
