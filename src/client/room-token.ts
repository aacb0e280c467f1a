/**
 * A room's token: what shows it at each return, and a newer one before it ends.
 *
 * What always holds: a token never stands in an address. What is read from it is for this side
 * only; the server checks it and believes nothing of ours.
 */
import type { CloseCode } from "../wire/error.ts"
import type { Role } from "../wire/relay.ts"
import { fromBase64 } from "./sealed.ts"

/** A JWT, or what gives one: asked for at each return, and again before the last one ends. */
export type Token = string | (() => string | Promise<string>)

/** A newer token is asked for so long before the end of the last. */
const aheadMs = 40_000
/** No two are asked for within this time: a clock here that is wrong costs no more. */
const leastMs = 10_000
/** No timer runs longer. */
const longestMs = 2 ** 31 - 1
const unauthenticated: CloseCode<"unauthenticated"> = 4401

export class Pass {
  readonly #token: Token | undefined
  readonly #renew: (token: string) => void
  #shown: string | undefined
  #timer: ReturnType<typeof setTimeout> | undefined

  /** `renew` shows a newer token on the line that there is. */
  constructor(token: Token | undefined, renew: (token: string) => void) {
    this.#token = token
    this.#renew = renew
  }

  /**
   * The subprotocol in which a token is shown, since a browser sets no header of a socket. Rejects
   * where the function that gives one throws or rejects.
   */
  protocols(): readonly string[] | Promise<readonly string[]> {
    const token = tokenOf(this.#token)
    if (token === undefined) return []
    if (typeof token === "string") return this.#show(token)
    return token.then((known) => this.#show(known))
  }

  /** What the last token says; undefined without one. A token that does not say makes a viewer. */
  get role(): Role | undefined {
    if (this.#shown === undefined) return undefined
    const { role } = claimsOf(this.#shown)
    return role === "admin" || role === "editor" ? role : "viewer"
  }

  /** The line is gone: the next one shows a token anew. */
  rest(): void {
    clearTimeout(this.#timer)
  }

  #show(token: string): readonly string[] {
    this.#shown = token
    clearTimeout(this.#timer)
    const { exp } = claimsOf(token)
    if (typeof this.#token === "function" && typeof exp === "number") {
      const waitMs = Math.max(leastMs, exp * 1000 - aheadMs - Date.now())
      this.#timer = setTimeout(() => void this.#replace(), Math.min(longestMs, waitMs))
    }
    return [`bearer.${token}`]
  }

  async #replace(): Promise<void> {
    try {
      await this.protocols()
    } catch {
      // The line ends with its token then, and the next try asks again and tells why it fails.
      return
    }
    if (this.#shown !== undefined) this.#renew(this.#shown)
  }
}

/** The token to show now; undefined where there is none. Rejects where its function throws or rejects. */
export function tokenOf(token: Token | undefined): string | Promise<string> | undefined {
  if (typeof token !== "function") return token
  try {
    return token()
  } catch (thrown) {
    return Promise.reject(thrown)
  }
}

/** Whether a line ended because its token did, and another may be had. */
export function isStale(closeCode: number, token: Token | undefined): boolean {
  return closeCode === unauthenticated && typeof token === "function"
}

function claimsOf(token: string): { readonly role?: unknown; readonly exp?: unknown } {
  try {
    const body = (token.split(".")[1] ?? "").replaceAll("-", "+").replaceAll("_", "/")
    const claims: unknown = JSON.parse(new TextDecoder().decode(fromBase64(body)))
    return typeof claims === "object" && claims !== null ? claims : {}
  } catch {
    // No JWT: the server says so itself.
    return {}
  }
}
