/**
 * The way in to the pools: one app for this page, with a token where one is asked for.
 *
 * What always holds: at most one connection; a token is kept in the page's memory only, and one that
 * was refused is forgotten. Without a token all pages share one id, so that the server remembers one
 * of them and not each visit.
 */
import { OpenApp } from "../../src/client/pools-app.ts"
import type { AppState, PoolsError } from "../../src/client/pools-shapes.ts"
import { openSocketWire } from "../../src/client/pools-socket.ts"
import { Cell } from "../cell.ts"

/** The id of pages that prove nothing. */
export const pageId = "quartet-page"

/** How the way in stands. */
export type Entry =
  | { readonly state: "entering" }
  /** The server asks who this is. */
  | { readonly state: "asked"; readonly problem: string }
  | { readonly state: "in"; readonly app: OpenApp; readonly line: AppState }
  | { readonly state: "out"; readonly why: string }

export class WayIn {
  readonly entry = new Cell<Entry>({ state: "entering" })
  #token: string | undefined
  #app: OpenApp | undefined

  /** Whether this page has proved who it is. */
  get hasToken(): boolean {
    return this.#token !== undefined
  }

  /** Comes in, if it has not begun to. */
  begin(): void {
    if (this.#app === undefined) this.#enter(["default", "system"])
  }

  /** Comes in with a token, as the app that it names. */
  admit(token: string): void {
    if (subjectOf(token) === undefined) {
      this.entry.value = { state: "asked", problem: "This is no token that names an app." }
      return
    }
    this.#token = token
    this.again()
  }

  /** Tries again, after it was over. */
  again(): void {
    this.#app = undefined
    this.entry.value = { state: "entering" }
    this.begin()
  }

  #enter(pools: readonly string[]): void {
    const token = this.#token
    const id = token === undefined ? undefined : subjectOf(token)
    const app = new OpenApp(openSocketWire(new URL(".", location.href).href), {
      app: id ?? pageId,
      pools,
      instances: true,
      patient: true,
      ...(token === undefined ? {} : { token }),
    })
    this.#app = app
    const unwatch = app.watch((line, why) => {
      if (this.#app !== app) return
      if (line !== "closed") {
        this.entry.value = { state: "in", app, line }
        return
      }
      unwatch()
      this.#over(why, pools)
    })
    // What is told when it fails is told to the watcher too.
    app.started.catch(() => {})
  }

  #over(why: PoolsError | undefined, pools: readonly string[]): void {
    const code = why?.code ?? ""
    const sentence = sentenceOf(why?.message ?? "The connection is closed")
    // A token may admit to some pools only: without them it still says who this is.
    if (["FORBIDDEN", "NO_POOL"].includes(code) && pools.length > 0) return this.#enter([])
    const hadToken = this.#token !== undefined
    if (code !== "UNAUTHENTICATED") {
      this.entry.value = { state: "out", why: sentence }
      return
    }
    this.#token = undefined
    this.entry.value = { state: "asked", problem: hadToken ? sentence : "" }
  }
}

/** The app that a JWT is of; undefined for what is none. */
export function subjectOf(token: string): string | undefined {
  try {
    const part = (token.split(".")[1] ?? "").replaceAll("-", "+").replaceAll("_", "/")
    const claims: unknown = JSON.parse(atob(part))
    const subject = claims !== null && typeof claims === "object" ? Reflect.get(claims, "sub") : ""
    return typeof subject === "string" && /^[\w.-]{1,128}$/.test(subject) ? subject : undefined
  } catch {
    return undefined // not base64, or not JSON
  }
}

function sentenceOf(words: string): string {
  const text = (words[0] ?? "").toUpperCase() + words.slice(1)
  return /[.!?]$/.test(text) ? text : `${text}.`
}
