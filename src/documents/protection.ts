/**
 * Protecting a document with an OTP, and taking that away again (DC84 to DC88). A document is named
 * by its id, or by a link in its place.
 *
 * What always holds: whoever changes it has proved to be an editor that is connected with the full
 * role; the row is written first, then memory, and only then is anybody told. A store in memory
 * protects nothing: a restart would silently drop the promise.
 */
import type { Random } from "../service.ts"
import type { By } from "../wire/documents-shapes.ts"
import { isSame, newOtp } from "./access.ts"
import type { Caller, Gate } from "./gate.ts"
import { isFull, nameOf, tellAccess } from "./joining.ts"
import { type Claimant, type Proved, prove } from "./proof.ts"
import type { Publishing } from "./publishing.ts"
import type { Residents } from "./residents.ts"
import type { Saver } from "./saver.ts"
import type { Time } from "./settings.ts"
import type { Shelf } from "./shelf.ts"

/** Who wants to change an OTP; its tokens are the one that it brings. */
export interface Petitioner extends Caller, Claimant {
  /** Used where that editor has not named itself. */
  readonly name: string
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
  protect(id: string, petitioner: Petitioner, answer: (outcome: Protected) => void): void {
    const { shelf, random } = this.#options
    if (!shelf.durable) return answer({ kind: "volatile" })
    const proved = this.#prove(id, petitioner)
    if (proved === undefined) return answer({ kind: "stranger" })
    this.#change(proved, { otp: newOtp(random), name: petitioner.name }, answer)
  }

  /** Removes the OTP, which the petitioner's token has to be. Answers likewise. */
  unprotect(id: string, petitioner: Petitioner, answer: (outcome: Protected) => void): void {
    if (!this.#options.shelf.durable) return answer({ kind: "volatile" })
    const proved = this.#prove(id, petitioner)
    if (proved === undefined) return answer({ kind: "stranger" })
    const { otp } = proved.document
    if (otp === undefined) return answer({ kind: "open" })
    if (!petitioner.tokens.some((token) => isSame(token, otp))) {
      this.#options.gate.refuseToken(petitioner)
      return answer({ kind: "wrong" })
    }
    this.#change(proved, { otp: undefined, name: petitioner.name }, answer)
  }

  #prove(id: string, petitioner: Petitioner): Proved | undefined {
    const { gate, residents } = this.#options
    return prove(residents.find(gate.seek(id, petitioner).id), petitioner)
  }

  #change(
    { document, editor }: Proved,
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
    document.audience.tell("otp", { kolabpad: told, extended: told }, isFull)
    tellAccess(document)
    publishing.watch(document)
    shelf.sync(() => answer({ kind: "done", otp }))
  }
}
