/**
 * A document as HTTP tells of it. What always holds: one that is unknown looks like an empty one,
 * so that asking tells nobody which there are.
 */
import type { Role } from "../wire/documents-shapes.ts"
import type { Document } from "./document.ts"
import type { Admission } from "./gate.ts"
import { endFor } from "./joining.ts"

export interface View {
  readonly role: Role
  readonly text: string
  /** In code points. */
  readonly length: number
  readonly epoch: string
  readonly revision: number
  readonly language: string | undefined
  readonly isProtected: boolean
  /** In ms since 1970; undefined for never. For who came by a link, no later than that ends. */
  readonly expiresAt: number | undefined
}

/** What an unknown document looks like. No real epoch has this name. */
const unknown: Omit<View, "role" | "expiresAt"> = {
  text: "",
  length: 0,
  epoch: "new",
  revision: 0,
  language: undefined,
  isProtected: false,
}

/** `document` as it is now, for one who was admitted to it. */
export function viewOf(document: Document | undefined, { role, link }: Admission): View {
  if (document === undefined) return { ...unknown, role, expiresAt: link?.expiresAt }
  const { text, length, epoch, revision, language, otp } = document
  const [isProtected, expiresAt] = [otp !== undefined, endFor(document, link)]
  return { role, text, length, epoch, revision, language, isProtected, expiresAt }
}
