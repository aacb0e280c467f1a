/**
 * Copies of what was in rooms, as a room asks for them: the contract, and its trivial form.
 *
 * What always holds: a copy is bytes that replicas gave, or a Yjs merge of such; every answer comes
 * in a later turn; "away" says that nobody could look, and never means that there is none.
 */
import type { Answer } from "../service.ts"
import type { Settle } from "./owed.ts"

/** What kind of room a copy is of. "sealed": of a room whose clients encrypt. */
export type CopyKind = "yjs" | "opaque" | "sealed"

/** A copy as it is kept. */
export interface Copy {
  readonly kind: CopyKind
  /** A Yjs update, or a snapshot of the replicas' own making. */
  readonly bytes: Uint8Array
  /** Yjs: the encoded vector of what is in `bytes` without a hole. Else the version that came with them. */
  readonly vector: Uint8Array | undefined
  /** How many differences were merged into it since it was taken whole. */
  readonly merges: number
}

/**
 * Whose turn it is to copy a room. "ours": as it was when it was asked last, and nobody else has
 * written since; "new": ours from now on, others may have.
 */
export type Turn = "ours" | "new" | "theirs"

/** Where copies lie. Rooms are named by keys: `y/notes` is a Yjs room, `l/notes` an opaque one. */
export interface CopyShelf {
  /** False where no copies are kept: then nobody is asked for one. */
  readonly keeps: boolean
  /** Looks a copy up, and counts it as used. */
  get(key: string, answer: Answer<Copy | undefined>): void
  /** Keeps a copy in place of the one before. Answers once it is written, "away" where it could not be. */
  put(key: string, copy: Copy, answer: Answer<"kept">): void
  /** Deletes a copy. Answers whether there was one, "away" where it could not be looked. */
  remove(key: string, answer: Answer<boolean>): void
  /**
   * Asks for the turn to copy a room, and keeps it; "seize" takes it from whoever has it. Left out
   * where no other server writes to this shelf: then what was put last is what is there.
   */
  turn?(key: string, how: "wait" | "seize", answer: Answer<Turn>): void
}

/** No copies: nothing is written anywhere. */
export const noCopies: CopyShelf = {
  keeps: false,
  get: (_key, answer) => queueMicrotask(() => answer(undefined)),
  put: (_key, _copy, answer) => queueMicrotask(() => answer("away")),
  remove: (_key, answer) => queueMicrotask(() => answer(false)),
}

/** What a holder answers that was asked for a copy. */
export interface CopyAnswer {
  readonly bytes: Uint8Array
  readonly version?: Uint8Array | undefined
  /** To be called once the copy has it. */
  readonly settle: Settle
}
