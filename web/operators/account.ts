/**
 * Who one is to the operators here: signing in, registering, and coming back after an end.
 *
 * What always holds: callsign, password and invitation are in this object only, and gone with
 * `signOut` or the page; a callsign is registered only after its password was typed twice.
 */

import type { Operators } from "../../src/client/operators-shapes.ts"
import { Cell } from "../cell.ts"
import { openOperators } from "./opening.ts"
import { sentenceOf } from "./standing.ts"
import { Talks } from "./talks.ts"

/** What is typed to get in. */
export interface Credentials {
  readonly callsign: string
  readonly password: string
  /** The token of an invitation; empty for none. */
  readonly invite: string
}

/** How far one is in. */
export type Stage =
  | { readonly state: "out"; readonly callsign: string; readonly problem: string }
  | { readonly state: "asking"; readonly callsign: string; readonly why: string }
  /** Nobody has the callsign: the password is typed again to register it. */
  | { readonly state: "again"; readonly callsign: string; readonly problem: string }
  | { readonly state: "in"; readonly talks: Talks }

export class Account {
  readonly stage = new Cell<Stage>({ state: "out", callsign: "", problem: "" })
  #credentials: Credentials | undefined
  #talks: Talks | undefined
  #answer: ((isWanted: boolean) => void) | undefined

  signIn(credentials: Credentials): void {
    this.#credentials = credentials
    const { callsign } = credentials
    this.stage.value = { state: "asking", callsign, why: "" }
    const talks = new Talks(this.#open(credentials))
    this.#talks = talks
    this.#watch(talks)
  }

  /** Once more with the same password, after the line was ended for good. What was said stays. */
  again(): void {
    if (this.#credentials === undefined || this.#talks === undefined) return
    this.#talks.continueWith(this.#open(this.#credentials))
    this.#watch(this.#talks)
  }

  /** The password typed a second time: registers the callsign if it is the same. */
  register(password: string): void {
    const { callsign = "", password: first } = this.#credentials ?? {}
    if (password !== first) {
      const problem = "That is another password than the first. Type the same one, or go back."
      this.stage.value = { state: "again", callsign, problem }
      return
    }
    this.stage.value = { state: "asking", callsign, why: "" }
    this.#answer?.(true)
  }

  /** Ends the line and forgets all of it; `problem` is said where one signs in. */
  signOut(problem = ""): void {
    const callsign = this.#credentials?.callsign ?? ""
    const talks = this.#talks
    // First: what the end of the line tells is nobody's any more.
    this.#talks = undefined
    this.#credentials = undefined
    this.#answer?.(false)
    this.#answer = undefined
    talks?.stop()
    this.stage.value = { state: "out", callsign, problem }
  }

  #open({ callsign, password, invite }: Credentials): Operators {
    return openOperators({
      callsign,
      password: () => password,
      ...(invite === "" ? {} : { invite }),
      register: () => this.#askAgain(callsign),
    })
  }

  #askAgain(callsign: string): boolean | Promise<boolean> {
    // Who was in already is not registered anew behind their back.
    if (this.stage.value.state === "in") return false
    this.stage.value = { state: "again", callsign, problem: "" }
    return new Promise((resolve) => {
      this.#answer = resolve
    })
  }

  #watch(talks: Talks): void {
    const { operators } = talks
    operators.onState((state, why) => {
      if (talks !== this.#talks || talks.operators !== operators) return
      this.#noticed(talks, { state, why })
    })
  }

  #noticed(talks: Talks, { state, why }: { state: Operators["state"]; why: string }): void {
    const stage = this.stage.value
    if (state === "ready") this.stage.value = { state: "in", talks }
    else if (stage.state === "in") return
    else if (state === "closed") this.signOut(`${sentenceOf(why)}.`)
    else if (stage.state === "asking") this.stage.value = { ...stage, why }
    else {
      // The line went while the password was typed again: the server has forgotten the first.
      this.signOut("The line was lost meanwhile. Sign in again.")
    }
  }
}
