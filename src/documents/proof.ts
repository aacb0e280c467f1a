/**
 * The proof that a caller over HTTP is an editor who may govern a document (DC86).
 *
 * What always holds: user ids can be guessed and prove nothing. What proves it is the secret that
 * only this editor's Welcome told, or the cookie of its handshake; its connection is open, and its
 * role is full. There is no weaker way.
 */
import { sameAs } from "./access.ts"
import type { Document } from "./document.ts"
import type { Editor } from "./editor.ts"

/** Who a caller says it is, and what it brings as proof: the secret or the cookie is enough. */
export interface Claimant {
  /** Undefined where the request names nobody: then any editor that the proof fits. */
  readonly user: number | undefined
  /** The secret of its Welcome. */
  readonly secret: string | undefined
  /** The cookie of its handshake. */
  readonly cookie: string | undefined
}

/** An editor that a caller has proved to be, and where. */
export interface Proved {
  readonly document: Document
  readonly editor: Editor
}

/** The editor in `document` that `claimant` is; undefined for a stranger. */
export function prove(document: Document | undefined, claimant: Claimant): Proved | undefined {
  if (document === undefined) return undefined
  const { user, secret, cookie } = claimant
  const isSecret = secret === undefined ? nothing : sameAs(secret)
  const isCookie = cookie === undefined ? nothing : sameAs(cookie)
  for (const editor of document.audience) {
    const { seat } = editor
    if (seat.role !== "full" || (user !== undefined && editor.user !== user)) continue
    const isBySecret = isSecret(seat.secret)
    const isByCookie = seat.cookie !== undefined && isCookie(seat.cookie)
    if (isBySecret || isByCookie) return { document, editor }
  }
  return undefined
}

function nothing(): boolean {
  return false
}
