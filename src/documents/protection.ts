/**
 * Protecting a document with an OTP, and taking that away again (DC84 to DC88).
 *
 * What always holds: whoever changes it has proved to be an editor that is connected with the full
 * role; the row is written first, then memory, and only then is anybody told. A store in memory
 * protects nothing: a restart would silently drop the promise.
 */
import type { Random } from "../service.ts"
import type { By } from "../wire/documents-shapes.ts"
import { isSame, newOtp } from "./access.ts"
import type { Document } from "./document.ts"
import type { Editor } from "./editor.ts"
import type { Caller, Gate } from "./gate.ts"
import { isoTime, nameOf } from "./joining.ts"
import type { Publishing } from "./publishing.ts"
import type { Residents } from "./residents.ts"
import type { Saver } from "./saver.ts"
import type { Time } from "./settings.ts"
import type { Shelf } from "./shelf.ts"

/** Who wants to change an OTP, and what proves that it may: one of both is enough (DC86). */
export interface Claimant extends Caller {
  readonly user: number
  /** Used where that editor has not named itself. */
  readonly name: string
  /** The secret of its Welcome. */
  readonly secret: string | undefined
  /** The cookie of its handshake. */
  readonly cookie: string | undefined
}

/** What became of it. "away": the store could not be written, and nothing has changed. */
export type Protected =
  | { readonly kind: "done"; readonly otp: string | undefined }
  | { readonly kind: "volatile" | "stranger" | "open" | "wrong" | "away" }

export interface ProtectionOptions {
  readonly shelf: Shelf
  readonly time: Time
  readonly random: Random
  readonly gate: Gate
  readonly residents: Residents
  readonly saver: Saver
  readonly publishing: Publishing
}

export class Protection {
  readonly #options: ProtectionOptions

  constructor(options: ProtectionOptions) {
    this.#options = options
  }

  /** Sets a fresh OTP. Answers when it is durable, or at once with why not. */
  protect(id: string, claimant: Claimant, answer: (outcome: Protected) => void): void {
    const { shelf, random } = this.#options
    if (!shelf.durable) return answer({ kind: "volatile" })
    const found = this.#prove(id, claimant)
    if (found === undefined) return answer({ kind: "stranger" })
    this.#change(found, { otp: newOtp(random), name: claimant.name }, answer)
  }

  /** Removes the OTP, which the claimant's token has to be. Answers likewise. */
  unprotect(id: string, claimant: Claimant, answer: (outcome: Protected) => void): void {
    if (!this.#options.shelf.durable) return answer({ kind: "volatile" })
    const found = this.#prove(id, claimant)
    if (found === undefined) return answer({ kind: "stranger" })
    const { otp } = found.document
    if (otp === undefined) return answer({ kind: "open" })
    if (!claimant.tokens.some((token) => isSame(token, otp))) {
      this.#options.gate.refuseToken(claimant)
      return answer({ kind: "wrong" })
    }
    this.#change(found, { otp: undefined, name: claimant.name }, answer)
  }

  // The editor that the claimant has proved to be: user ids alone can be guessed.
  #prove(id: string, claimant: Claimant): Found | undefined {
    const document = this.#options.residents.find(id)
    const editor = document?.audience.find(claimant.user)
    if (document === undefined || editor === undefined || editor.seat.role !== "full")
      return undefined
    const { secret, cookie } = editor.seat
    const bySecret = claimant.secret !== undefined && isSame(claimant.secret, secret)
    const byCookie =
      claimant.cookie !== undefined && cookie !== undefined && isSame(claimant.cookie, cookie)
    return bySecret || byCookie ? { document, editor } : undefined
  }

  #change(
    { document, editor }: Found,
    { otp, name }: { readonly otp: string | undefined; readonly name: string },
    answer: (outcome: Protected) => void,
  ): void {
    const { shelf, time, saver, publishing } = this.#options
    publishing.now(document)
    const before = document.otp
    document.otp = otp
    if (saver.save(document) !== "saved") {
      document.otp = before
      return answer({ kind: "away" })
    }
    document.protectedAt = time.now
    const by: By = {
      user_id: editor.user,
      user_name: editor.info === undefined ? name : nameOf(editor),
    }
    const told = { OTP: { otp: otp ?? null, ...by } }
    document.audience.tell("otp", { kolabpad: told, extended: told })
    const access = { protected: otp !== undefined, expires_at: isoTime(document.expiresAt) }
    document.audience.tell("access", { extended: { Access: access } })
    publishing.watch(document)
    shelf.sync(() => answer({ kind: "done", otp }))
  }
}

interface Found {
  readonly document: Document
  readonly editor: Editor
}
