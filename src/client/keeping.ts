/**
 * Keeps one open text in a store: what it goes on from when it is opened again, with all that is
 * pending. A store that fails is told of and costs nothing else.
 *
 * What always holds: one open text at a time writes the record of a document, the one that holds
 * its Web Lock; so a client key is never used by two (DC143). A second one starts from what the
 * first had confirmed, under a key of its own, and keeps nothing until the first is gone and has
 * left nothing that is pending. Where there are no Web Locks (a page that is not served securely)
 * nothing is kept at all. A record that could not be read is not written over.
 */
import type { PendingRecord } from "../ot/effects.ts"
import { Pending } from "../ot/pending.ts"
import type { CloseCode } from "../wire/error.ts"
import { drawClientKey } from "./client-key.ts"
import type { Keeping } from "./documents.ts"
import type { OfflineRecord, OfflineStore } from "./offline.ts"

/** A record is written at most so often: it holds the whole text. */
const writeMs = 500
/** And so long after a change, that a word typed in one go is one write. */
const settleMs = 100
/** What others type is on the server anyway; and a store that failed is tried again this late. */
const lazyMs = 5_000
/** A store that has not answered by then is done without. */
const patienceMs = 2_000

/** Another brought the same client key. */
const takenCode: CloseCode<"taken"> = 4409
/** One may not see the text any more. */
const barredCodes: readonly number[] = [4401, 4403] satisfies CloseCode<
  "unauthenticated" | "forbidden"
>[]

/**
 * A lock that is not got so soon is another's. A page that is loaded anew may find its own former
 * one still letting go, or a second tab looking whether it may take over.
 */
const graceMs = 300

/** What this file needs of a browser. Node has the locks too. */
interface Platform {
  readonly setTimeout: unknown // every platform has it: so this type fits them all
  readonly navigator?: { readonly userAgent: unknown; readonly locks?: Locks }
  addEventListener?(type: "pagehide", listener: () => void): void
  removeEventListener?(type: "pagehide", listener: () => void): void
}

interface Locks {
  request(
    name: string,
    options: { readonly signal: AbortSignal },
    granted: () => Promise<void>,
  ): Promise<unknown>
}

const platform: Platform = globalThis

/** How the text stands. */
export interface Mark {
  /** What a record is made of, in a fixed order: equal parts make equal records. */
  readonly parts: readonly unknown[]
  /** Whether there is anything to keep. */
  readonly isWorthKeeping: boolean
  /** How many edits were made here, and how many of them are not acknowledged. */
  readonly typed: number
  readonly unsettled: number
}

/** Whose text it is. */
export interface KeepingOwner {
  readonly mark: Mark
  readonly record: PendingRecord
  /** `keeping` is another now. */
  kept(): void
}

export class Keeper {
  readonly #store: OfflineStore
  readonly #id: string
  readonly #owner: KeepingOwner
  readonly #gone = new AbortController()
  /** "beside": another has the record, which this one may get later. */
  #phase: "loading" | "writing" | "beside" | "over" = "loading"
  #keeping: Keeping = "due"
  #seen: Mark | undefined
  #written: Mark | undefined
  #hasFailed = false
  #isWriting = false
  #wroteAt = 0
  #writesAt = Number.POSITIVE_INFINITY
  #timer: ReturnType<typeof setTimeout> | undefined
  #ended: Promise<void> | undefined
  #release = (): void => {}

  /** Does nothing until `load`. */
  constructor(store: OfflineStore, id: string, owner: KeepingOwner) {
    this.#store = store
    this.#id = id
    this.#owner = owner
  }

  get keeping(): Keeping {
    return this.#keeping
  }

  /** What to go on from, if there is anything. Never rejects, and takes 2 s at most. */
  async load(): Promise<PendingRecord | undefined> {
    const { locks } = platform.navigator ?? {}
    if (locks === undefined) {
      this.#phase = "over"
      this.#tell("off")
      return undefined
    }
    try {
      const found = await within(this.#read(locks), patienceMs)
      if (this.#phase !== "loading") return undefined // closed meanwhile
      if (found.isOurs) {
        this.#begin()
        return found.record
      }
      this.#phase = "beside"
      this.#tell("off")
      void this.#follow(locks)
      return found.record && confirmedOf(found.record)
    } catch {
      // It may hold what is pending: what cannot be read is not written over either.
      this.#phase = "over"
      this.#release()
      this.#tell("failed")
      return undefined
    }
  }

  /** The text may stand otherwise than before. */
  look(): void {
    if (this.#phase !== "writing") return
    const mark = this.#owner.mark
    const isNews = mark.parts.some((part, at) => part !== this.#seen?.parts[at])
    if (mark.isWorthKeeping && isNews) {
      this.#seen = mark
      this.#plan(mark)
    }
    this.#tellOf(mark)
  }

  /**
   * The text is closed. "keep" writes what is left to write; "leave" says that the record is
   * another's now; "remove" that nobody here may see the text any more. Never rejects.
   */
  end(how: "keep" | "leave" | "remove"): Promise<void> {
    this.#ended ??= this.#end(how)
    return this.#ended
  }

  async #read(locks: Locks) {
    const isOurs = await this.#claim(locks, AbortSignal.timeout(graceMs))
    return { isOurs, record: await this.#store.load(this.#id) }
  }

  // Whether the lock was got before `signal`; it is held until `#release` is called.
  #claim(locks: Locks, signal: AbortSignal): Promise<boolean> {
    return new Promise((resolve) => {
      const granted = (): Promise<void> => {
        resolve(this.#phase !== "over")
        return new Promise((release) => {
          if (this.#phase === "over") release()
          else this.#release = release
        })
      }
      locks.request(`quartet ${this.#id}`, { signal }, granted).catch(() => resolve(false))
    })
  }

  // Waits until the first is gone, and takes its place if that has left nothing pending. What it has
  // left is for whoever opens the document next, and then to wait for.
  async #follow(locks: Locks): Promise<void> {
    while (await this.#claim(locks, this.#gone.signal)) {
      const left = await this.#store.load(this.#id).catch(() => null)
      const isFree = left !== null && left?.outstanding === undefined && left?.buffer === undefined
      if (isFree && this.#phase === "beside") {
        this.#begin()
        return this.look()
      }
      this.#release()
      await new Promise((resolve) => setTimeout(resolve, lazyMs))
    }
  }

  #begin(): void {
    this.#phase = "writing"
    platform.addEventListener?.("pagehide", this.#onHide)
  }

  // The page may never run again after this: what is not handed over now is lost.
  readonly #onHide = (): void => {
    if (this.#phase === "writing" && this.#seen !== this.#written) void this.#write()
  }

  #plan(mark: Mark): void {
    // Typed here, or acknowledged: a second tab shows only what a record says is that.
    const { typed = 0, unsettled = 0 } = this.#written ?? {}
    const isOurs = mark.typed !== typed || mark.unsettled !== unsettled
    const isUrgent = isOurs && !this.#hasFailed
    const now = Date.now()
    const at = Math.max(now + settleMs, this.#wroteAt + (isUrgent ? writeMs : lazyMs))
    if (at >= this.#writesAt) return
    clearTimeout(this.#timer)
    this.#writesAt = at
    this.#timer = setTimeout(() => {
      this.#writesAt = Number.POSITIVE_INFINITY
      if (!this.#isWriting) void this.#write() // else it is planned again when that is done
    }, at - now)
  }

  async #write(): Promise<void> {
    const mark = this.#seen
    this.#isWriting = true
    this.#wroteAt = Date.now()
    try {
      await this.#store.save({ ...this.#owner.record, id: this.#id, at: this.#wroteAt })
      this.#written = mark
      this.#hasFailed = false
    } catch {
      this.#hasFailed = true // full, or forbidden: it is told, and tried again
    }
    this.#isWriting = false
    if (this.#phase === "writing" && this.#seen !== this.#written) this.#plan(this.#owner.mark)
    this.#tellOf(this.#owner.mark)
  }

  async #end(how: "keep" | "leave" | "remove"): Promise<void> {
    const isOurs = this.#phase === "writing"
    this.#phase = "over"
    clearTimeout(this.#timer)
    platform.removeEventListener?.("pagehide", this.#onHide)
    this.#gone.abort()
    try {
      const isNew = isOurs && how === "keep" && this.#seen !== this.#written
      if (isNew) await within(this.#write(), patienceMs)
      if (isOurs && how === "remove") await within(this.#store.remove(this.#id), patienceMs)
    } catch {} // a store that does not remove it now has its own limit of age
    this.#release()
  }

  #tellOf({ typed, unsettled }: Mark): void {
    const isDue = unsettled > 0 && typed !== (this.#written?.typed ?? 0)
    this.#tell(this.#hasFailed ? "failed" : isDue ? "due" : "kept")
  }

  #tell(keeping: Keeping): void {
    if (keeping === this.#keeping) return
    this.#keeping = keeping
    this.#owner.kept()
  }
}

/**
 * What becomes of the record of a text that was closed for good with this code. Words that were
 * never sent are never thrown away; but who may not see the text any more keeps no copy of it.
 */
export function howToEnd(code: number, { isPending }: Pending): "keep" | "leave" | "remove" {
  if (code === takenCode) return "leave"
  return barredCodes.includes(code) && !isPending ? "remove" : "keep"
}

/** What goes on from a record. Undefined for one that does not fit itself: it is as if there were none. */
export function pendingOf(record: PendingRecord): Pending | undefined {
  try {
    return new Pending(record.client, record)
  } catch {
    return undefined
  }
}

// What another is to send stays with it; the text it has confirmed may be shown by anybody.
function confirmedOf(record: OfflineRecord): PendingRecord {
  const numbers = { client: drawClientKey(), seq: 0, acknowledged: 0 }
  return { ...record, ...numbers, outstanding: undefined, buffer: undefined }
}

/** The same, but it rejects after `ms`; then what comes of it is nobody's concern any more. */
export function within<T>(promise: Promise<T>, ms: number): Promise<T> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(reject, ms)
    promise.then(resolve, reject).finally(() => clearTimeout(timer))
  })
}
