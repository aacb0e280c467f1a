/**
 * One room's copy: when it is looked up, taken, and how it is brought up to date.
 *
 * What always holds: a copy is taken in the background, from a holder that is asked nothing else,
 * and never takes the place of one that has more: what only the copy has is brought to the room
 * first. Of servers with one shelf one copies at a time, and looks first what others left. A store
 * that fails delays a newcomer and nothing else. Bytes are kept only while somebody waits for them.
 */
import type { Copy, CopyAnswer, CopyKind, CopyShelf } from "./copies.ts"
import { CopyDue, type DueLimits } from "./copies-due.ts"
import { mergeBytes, merged } from "./copies-merge.ts"
import { CopyTurn } from "./copies-turn.ts"
import type { Counts } from "./counts.ts"
import type { Settle } from "./owed.ts"
import { spansOf } from "./spans.ts"
import { advance, covers, encodeVector, isEmptyUpdate, type Vector, vectorOf } from "./vectors.ts"

export interface CopyLimits extends DueLimits {
  readonly copyBytes: number
  readonly askMs: number
}

/** What a room's copy needs of its room. */
export interface CopyWorld {
  readonly key: string
  readonly shelf: CopyShelf
  readonly options: CopyLimits
  readonly counts: Counts
  /** Of what kind a copy of it is now; undefined where nobody has said. */
  kind(): CopyKind | undefined
  /** Asks a holder that is asked nothing else for what it has beyond `vector`. Returns whether there was one. */
  ask(vector: Uint8Array | undefined, now: number): boolean
  /** A copy that whoever is here was not given: it may have what they lack. */
  bring(copy: Copy, now: number): void
  rouse(): void
}

/** What is known of a copy without its bytes. */
interface Head {
  readonly kind: CopyKind
  readonly vector: Uint8Array | undefined
  readonly size: number
  readonly merges: number
}

type Found =
  | { readonly state: "unread" | "asked" }
  | { readonly state: "none" | "away"; readonly at: number }
  | { readonly state: "there"; readonly copy: Copy }

type Work =
  | { readonly state: "idle" | "storing" }
  | { readonly state: "asked"; readonly at: number; readonly beyond: Uint8Array | undefined }

/** So many differences are merged into a copy before it is taken whole, without what was deleted since. */
const mergesLimit = 49
/** Until the next try where nobody could be asked, or the store did not answer. */
const againMs = 2_000
/** A room that was too large is asked again so much later. */
const tooBigMs = 10 * 60_000

export class RoomCopy {
  readonly #world: CopyWorld
  #found: Found = { state: "unread" }
  /** Undefined where there is no copy, or it is not known. */
  #head: Head | undefined
  #work: Work = { state: "idle" }
  #settleWith: Settle = () => {}
  readonly #due: CopyDue
  /** Whoever is here may lack what the copy has. */
  #isOwed = false
  #isAway = false
  #wantsWhole = false
  readonly #turn: CopyTurn
  /** How often it was looked up: an answer to any look but the last is of no use. */
  #reads = 0
  /** Wishes whose replicas were sent the copy while holders are silent. */
  #eased: WeakSet<object> | undefined
  #now = 0

  constructor(world: CopyWorld) {
    this.#world = world
    this.#due = new CopyDue(world.options)
    this.#turn = new CopyTurn(world, () => this.#now)
    if (!world.shelf.keeps) this.#found = { state: "none", at: Number.POSITIVE_INFINITY }
  }

  /** The copy, for a newcomer whom nobody here can answer. "asked": look again when roused; "away": the store fails. */
  look(now: number): Copy | "none" | "asked" | "away" {
    this.#now = now
    const found = this.#found
    if (found.state === "there") return this.#fits(found.copy) ? found.copy : "none"
    if (found.state !== "unread" && !this.#mayReadAgain(now)) return found.state
    this.#read()
    return found.state === "away" ? "away" : "asked"
  }

  /**
   * The copy, for a wish that holders do not answer: it is better than nothing, and no answer.
   * Counts it as given then. Undefined where that was before, or there is none now.
   */
  lookFor(wish: object, now: number): Copy | undefined {
    if (this.#eased?.has(wish)) return undefined
    const found = this.look(now)
    if (found === "asked" || found === "away") return undefined
    this.#eased ??= new WeakSet()
    this.#eased.add(wish)
    if (found === "none") return undefined
    const { counts } = this.#world
    counts.copies.add("given")
    counts.delivered++
    return found
  }

  /** Whether the store did not answer when it was asked last. */
  get isAway(): boolean {
    return this.#isAway
  }

  /** Nobody waits for it any more: its bytes are let go. */
  release(): void {
    if (this.#found.state === "there") this.#found = { state: "unread" }
  }

  /** Somebody was given it. */
  given(now: number): void {
    this.#world.counts.copies.add("given")
    this.#isOwed = false
    this.#due.used(now)
  }

  /** Somebody has the content without having been given the copy: what only that has is still to come. */
  owe(): void {
    this.#isOwed = this.#world.shelf.keeps && (this.#turn.isShared || this.#found.state !== "none")
    this.#world.rouse()
  }

  /** Something in the room is in no copy yet. */
  changed(now: number): void {
    if (this.#world.shelf.keeps) this.#due.changed(now)
  }

  /** One holder is left: what it has is copied at once. */
  hasten(): void {
    this.#due.hasten()
  }

  /** An admin deleted it. What is here now makes a new one with the next change. */
  forget(): void {
    this.#forgetHead()
    this.#isOwed = false
  }

  #forgetHead(): void {
    if (this.#world.shelf.keeps) this.#found = { state: "unread" }
    this.#head = undefined
  }

  /** The answer to `ask`, or one that came too late. Throws WireError "bad-message" for what is no update. */
  took({ bytes: answer, version, settle }: CopyAnswer, now: number): void {
    this.#now = now
    if (this.#work.state !== "asked") return
    const { beyond, at } = this.#work
    this.#work = { state: "idle" }
    this.#due.taken(now)
    this.#settleWith = settle
    if (answer.length > this.#world.options.copyBytes) return this.#tooBig()
    const kind = this.#world.kind()
    const bytes = answer.slice()
    if (kind === undefined || bytes.length === 0) return
    if (kind !== "yjs") return this.#put({ kind, bytes, vector: version?.slice(), merges: 0 }, at)
    const spans = spansOf(bytes)
    if (isEmptyUpdate(bytes)) {
      settle()
      return this.#due.copied(at)
    }
    const vector = new Map(vectorOf(beyond))
    advance(vector, spans)
    if (beyond !== undefined) return this.#merge({ bytes, vector }, at)
    if (this.#head !== undefined && !covers(vector, vectorOf(this.#head.vector))) {
      // It lacks what the copy has. The room gets that first, and is asked again.
      this.#found = { state: "unread" }
      return this.owe()
    }
    this.#wantsWhole = false
    this.#put({ kind, bytes, vector: encodeVector(vector), merges: 0 }, at)
  }

  /** Takes a copy when it is time. Returns when to look again, in ms since 1970. */
  tick(now: number): number {
    this.#now = now
    const { shelf, options } = this.#world
    if (!shelf.keeps) return Number.POSITIVE_INFINITY
    if (this.#isOwed) this.#settle(now)
    if (this.#work.state === "asked") {
      const until = this.#work.at + options.askMs
      if (now < until) return until
      this.#work = { state: "idle" }
      this.#due.rest(now + againMs)
    }
    if (this.#work.state === "storing") return Number.POSITIVE_INFINITY
    if (now >= this.#turn.renewAt) {
      this.#awaitTurn()
      return Number.POSITIVE_INFINITY
    }
    this.#due.tick(now)
    if (now >= this.#due.at) this.#take(now)
    const owedAt = this.#isOwed ? now + againMs : Number.POSITIVE_INFINITY
    return Math.max(Math.min(this.#due.lookAt, owedAt, this.#turn.renewAt), now + 1)
  }

  /** Gives the room what it may lack, once it is read. */
  #settle(now: number): void {
    const found = this.#found
    if (found.state === "there" && this.#fits(found.copy)) this.#world.bring(found.copy, now)
    if (found.state === "unread" || this.#mayReadAgain(now)) this.#read()
    else if (found.state === "there" || found.state === "none") this.#isOwed = false
    this.release()
  }

  #take(now: number): void {
    if (!this.#turn.isOurs(now)) return this.#awaitTurn()
    const head = this.#head
    // What is there already is known first: it must not be lost.
    if (head === undefined && this.#found.state === "unread") this.#read()
    else if (this.#mayReadAgain(now)) this.#read()
    const isKnown = head !== undefined ? this.#fits(head) : this.#found.state === "none"
    const isMerged =
      !this.#wantsWhole &&
      this.#world.kind() === "yjs" &&
      head !== undefined &&
      head.size <= mergeBytes &&
      head.merges < mergesLimit
    const beyond = isMerged ? head.vector : undefined
    if (!isKnown || this.#isOwed || !this.#world.ask(beyond, now)) {
      this.#due.rest(now + againMs)
      return
    }
    this.#work = { state: "asked", at: now, beyond }
    this.#turn.use(now)
    this.#due.begun()
    this.release()
  }

  /** What is sealed is of no use to a room that is not, and the other way round: such a copy is left alone. */
  #fits({ kind }: Copy | Head): boolean {
    const here = this.#world.kind()
    return here === undefined || here === kind
  }

  /** Where nothing was, another server may have put something since. */
  #mayReadAgain(now: number): boolean {
    const found = this.#found
    const may = found.state === "away" || (found.state === "none" && this.#turn.isShared)
    return may && now >= found.at + againMs
  }

  #awaitTurn(): void {
    this.#work = { state: "storing" }
    this.#turn.ask(this.#due.isUrgent ? "seize" : "wait", (turn) => {
      this.#work = { state: "idle" }
      if (turn === "away") return this.#failed()
      if (turn === "theirs") this.#due.rest(this.#now + this.#world.options.copyQuietMs)
      if (turn === "new") this.#forgetHead()
      this.#world.rouse()
    })
  }

  #read(): void {
    const { shelf, key, rouse } = this.#world
    this.#found = { state: "asked" }
    const serial = ++this.#reads
    shelf.get(key, (answer) => {
      this.#isAway = answer === "away"
      if (this.#found.state !== "asked" || serial !== this.#reads) return
      if (answer === "away") {
        this.#world.counts.copies.add("failed")
        this.#found = { state: "away", at: this.#now }
      } else if (answer === undefined) this.#found = { state: "none", at: this.#now }
      else {
        this.#found = { state: "there", copy: answer }
        this.#head = headOf(answer)
      }
      // A take that waited for this goes on.
      this.#due.resume(this.#now)
      rouse()
    })
  }

  #merge(difference: { readonly bytes: Uint8Array; readonly vector: Vector }, at: number): void {
    const { shelf, key } = this.#world
    this.#work = { state: "storing" }
    shelf.get(key, (copy) => {
      this.#work = { state: "idle" }
      if (copy === "away") return this.#failed()
      const isShort = difference.bytes.length <= mergeBytes
      const bytes = copy && isShort ? merged(copy.bytes, difference.bytes) : undefined
      if (copy === undefined || bytes === undefined) return this.#takeWhole()
      if (bytes.length > this.#world.options.copyBytes) return this.#tooBig()
      const vector = encodeVector(difference.vector)
      this.#put({ kind: "yjs", bytes, vector, merges: copy.merges + 1 }, at)
    })
  }

  /** Keeps what was asked for `at` that time. */
  #put(copy: Copy, at: number): void {
    const { shelf, key, counts, rouse } = this.#world
    this.#work = { state: "storing" }
    shelf.put(key, copy, (answer) => {
      this.#work = { state: "idle" }
      if (answer === "away") return this.#failed()
      counts.copies.add("taken")
      this.#head = headOf(copy)
      this.#found = { state: "unread" }
      this.#due.used(this.#now)
      this.#due.copied(at)
      this.#settleWith()
      rouse()
    })
  }

  /** It cannot be merged: all of it is asked for at once. */
  #takeWhole(): void {
    this.#wantsWhole = true
    this.#due.hurry()
    this.#world.rouse()
  }

  #failed(): void {
    this.#world.counts.copies.add("failed")
    // Another may have the turn by now: then what is there is looked at anew.
    this.#turn.lose()
    this.#due.rest(this.#now + againMs)
    this.#world.rouse()
  }

  #tooBig(): void {
    this.#world.counts.copies.add("too-big")
    this.#due.rest(this.#now + tooBigMs)
    this.#world.rouse()
  }
}

function headOf({ kind, vector, bytes, merges }: Copy): Head {
  return { kind, vector, size: bytes.length, merges }
}
