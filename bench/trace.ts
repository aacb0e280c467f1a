/**
 * Recorded sessions, as edits that a server can be sent: read from a file or invented here.
 *
 * A recording says of each transaction which earlier ones its writer had seen, and gives positions
 * in the text that he saw then. Replayed on one server in the order of the file, each transaction
 * becomes one edit: written for the revision at which the writer knew all he had seen and all his
 * own, exactly as the client of a writer who types on meanwhile would send it. What always holds
 * of a plan: edit i, sent when i edits were accepted, is moved by the server to `accepted`, and
 * all of these together make `text`. Where the server would put two inserts at one place the other
 * way round than the recording has them, the edit is written for a later revision, behind the tie.
 */
import { readFileSync } from "node:fs"
import { gunzipSync } from "node:zlib"
import { codePointCount } from "../src/ot/codepoints.ts"
import { compose, Operation, transform } from "../src/ot/operation.ts"
import { Pieces } from "../src/ot/pieces.ts"

/** At `place`, `deleted` code points go and `inserted` comes. The patches of a transaction apply one after another. */
export type Patch = readonly [place: number, deleted: number, inserted: string]

/** One change of one writer. Without parents it comes after the one before it, by writer 0. */
export interface Transaction {
  readonly parents?: readonly number[]
  readonly agent?: number
  readonly patches: readonly Patch[]
}

/** The form of the files of josephg/editing-traces: only what is read of it. */
export interface Trace {
  readonly startContent?: string
  readonly endContent: string
  readonly txns: readonly Transaction[]
}

/** An edit as it is sent: by whom, for which revision; and what the server makes of it. */
export interface PlannedEdit {
  readonly agent: number
  readonly revision: number
  readonly operation: Operation
  readonly accepted: Operation
}

export interface Plan {
  /** How many writers there are. */
  readonly agents: number
  readonly edits: readonly PlannedEdit[]
  /** The text after all of them. */
  readonly text: string
}

/** Reads a file of the collection, compressed by gzip. */
export function readTrace(path: string): Trace {
  // A file of another form fails at its first transaction.
  return JSON.parse(gunzipSync(readFileSync(path)).toString()) as Trace
}

/**
 * How a trace is replayed on one server, in the order of its file.
 *
 * Throws when that order is none that one server could have accepted, and when the text in the end
 * is not the recorded one: then the recording has ties that it settled by another rule.
 */
export function plan({ startContent = "", endContent, txns }: Trace): Plan {
  const seen = seenBy(txns)
  const branches = new Branches(agentsOf(txns))
  // What was there before is told by the first writer, and shifts all revisions by one.
  const shift = startContent === "" ? 0 : 1
  if (shift === 1) branches.type(0, 0, Operation.from([startContent]))
  for (const [index, { agent = 0, patches }] of txns.entries()) {
    const saw = seen[index] ?? 0
    branches.hear(agent, saw + shift)
    branches.type(agent, saw + shift, operationOf(patches, branches.length(agent)))
  }
  const planned = branches.plan()
  if (planned.text !== endContent) throw new Error("the replayed text is not the recorded one")
  return planned
}

/** A session of one writer: `count` transactions, typed here and there, some of several patches. */
export function inventSequential(count: number, seed = 1): Trace {
  const draw = drawFrom(seed)
  const text: string[] = []
  let place = 0
  const txns = Array.from({ length: count }, () => {
    if (draw(40) === 0) place = draw(text.length + 1)
    const patches: Patch[] = [draw(500) === 0 ? paste(place) : stroke(draw, place, text.length)]
    if (draw(30) === 0) patches.push([0, 0, "-"])
    for (const [at, deleted, inserted] of patches) text.splice(at, deleted, ...inserted)
    const [at, , inserted] = patches[0] ?? [0, 0, ""]
    place = at + inserted.length
    return { patches }
  })
  return { endContent: text.join(""), txns }
}

/** A session of two writers who hear of each other late. Where both insert at one place, writer 0's goes left. */
export function inventConcurrent(count: number, seed = 1): Trace {
  const draw = drawFrom(seed)
  const branches = new Branches(2)
  const places = [0, 0]
  const heard = [0, 0]
  const last: [number | undefined, number | undefined] = [undefined, undefined]
  const txns: Transaction[] = []
  let agent = 0
  for (let index = 0; index < count; index += 1) {
    // Bursts of a few keys by either, and what the other one did comes a few keys late.
    if (draw(8) === 0) agent = 1 - agent
    if (draw(3) === 0) heard[agent] = Math.max(heard[agent] ?? 0, index - draw(20))
    const saw = heard[agent] ?? 0
    branches.hear(agent, saw)
    const length = branches.length(agent)
    const place = draw(30) === 0 ? draw(length + 1) : Math.min(places[agent] ?? 0, length)
    const patch = stroke(draw, place, length)
    places[agent] = patch[0] + patch[2].length
    // The newest of the other's that were seen, and his own last.
    const theirs = lastBefore(txns, saw, 1 - agent)
    const parents = [theirs, last[agent]].filter((parent) => parent !== undefined)
    txns.push({ agent, parents, patches: [patch] })
    branches.type(agent, saw, operationOf([patch], length))
    last[agent] = index
  }
  return { endContent: branches.plan().text, txns }
}

/** What a writer has not heard: an accepted edit, as a change of his own text. */
interface Unheard {
  readonly revision: number
  readonly agent: number
  operation: Operation
}

/**
 * The server's text and the texts of all writers, as far as they are needed: their lengths, and
 * what leads from one to the other. Invariant: a writer's text, changed by all of his `unheard`
 * one after another, is the server's text.
 */
class Branches {
  readonly #edits: PlannedEdit[] = []
  readonly #text = Pieces.of("")
  readonly #lengths: number[]
  readonly #unheard: Unheard[][]
  /** The first revision that holds all edits of a writer. */
  readonly #own: number[]

  constructor(agents: number) {
    this.#lengths = Array.from({ length: agents }, () => 0)
    this.#unheard = Array.from({ length: agents }, () => [])
    this.#own = Array.from({ length: agents }, () => 0)
  }

  /** Of the text that `agent` sees. */
  length(agent: number): number {
    return this.#lengths[agent] ?? 0
  }

  /** Lets `agent` see everything before `revision`. */
  hear(agent: number, revision: number): void {
    const unheard = this.#unheard[agent] ?? []
    const rest = unheard.findIndex((each) => each.revision >= revision)
    const heard = unheard.splice(0, rest < 0 ? unheard.length : rest).at(-1)
    if (heard !== undefined) this.#lengths[agent] = heard.operation.targetLength
  }

  /** `agent`, who has seen everything before `saw`, changes his text; the server accepts it next. */
  type(agent: number, saw: number, operation: Operation): void {
    // Of its own an edit must know all: a server counts them like anybody's.
    let revision = Math.max(saw, this.#own[agent] ?? 0)
    let sent = operation
    let mine = operation
    for (const theirs of this.#unheard[agent] ?? []) {
      const served = transform(mine, theirs.operation)
      const isLeft = agent < theirs.agent
      const recorded = isLeft ? served : swap(transform(theirs.operation, mine))
      const isTied = !recorded[0].equals(served[0])
      mine = recorded[0]
      theirs.operation = recorded[1]
      if (theirs.revision < revision || isTied) {
        sent = mine
        revision = Math.max(revision, theirs.revision + 1)
      }
    }
    this.#lengths[agent] = operation.targetLength
    this.#accept({ agent, revision, operation: sent, accepted: mine })
  }

  plan(): Plan {
    return { agents: this.#lengths.length, edits: this.#edits, text: this.#text.toString() }
  }

  #accept(edit: PlannedEdit): void {
    const { agent, accepted } = edit
    const revision = this.#edits.push(edit) - 1
    this.#own[agent] = revision + 1
    this.#text.apply(accepted)
    for (const [other, unheard] of this.#unheard.entries()) {
      if (other !== agent) unheard.push({ revision, agent, operation: accepted })
    }
  }
}

function swap<T>([one, other]: readonly [T, T]): readonly [T, T] {
  return [other, one]
}

function agentsOf(txns: readonly Transaction[]): number {
  return txns.reduce((most, { agent = 0 }) => Math.max(most, agent + 1), 1)
}

/**
 * For each transaction, the number s such that its writer had seen all before s, and after that
 * only his own. Throws when he had seen others' in another order than the file's.
 */
function seenBy(txns: readonly Transaction[]): readonly number[] {
  // Of each transaction: how many of each writer's it comes after or is.
  const known: (readonly number[])[] = []
  // Of each writer: the indexes of his transactions so far.
  const indexes: number[][] = Array.from({ length: agentsOf(txns) }, () => [])
  return txns.map(({ agent = 0, parents }, index) => {
    const counts = indexes.map(() => 0)
    for (const parent of parents ?? (index === 0 ? [] : [index - 1])) {
      for (const [at, count] of (known[parent] ?? []).entries()) {
        counts[at] = Math.max(counts[at] ?? 0, count)
      }
    }
    const others = indexes.map((own, at) =>
      at === agent ? -1 : (own[(counts[at] ?? 0) - 1] ?? -1),
    )
    const saw = Math.max(...others) + 1
    for (const [at, own] of indexes.entries()) {
      const first = own[counts[at] ?? 0] // of what he had not seen
      const isMissed = first !== undefined && (at === agent || first < saw)
      if (isMissed) throw new Error(`transaction ${index}: no server has this file's order`)
    }
    indexes[agent]?.push(index)
    counts[agent] = (counts[agent] ?? 0) + 1
    known.push(counts)
    return saw
  })
}

function operationOf(patches: readonly Patch[], length: number): Operation {
  let operation = Operation.identity(length)
  for (const [place, deleted, inserted] of patches) {
    const { targetLength } = operation
    const count = codePointCount(inserted)
    operation = compose(
      operation,
      Operation.onePlace(targetLength, place, inserted, count, deleted),
    )
  }
  return operation
}

// The index of the last transaction of `agent` before `end`.
function lastBefore(txns: readonly Transaction[], end: number, agent: number): number | undefined {
  for (let index = end - 1; index >= 0; index -= 1) {
    if (txns[index]?.agent === agent) return index
  }
  return undefined
}

type Draw = (below: number) => number

// A linear congruential generator: the same trace for the same seed, everywhere.
function drawFrom(seed: number): Draw {
  let state = seed
  return (below) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return Math.floor((state / 2 ** 32) * below)
  }
}

// Mostly a letter, now and then a blank, and every eighth takes back the last one.
function stroke(draw: Draw, place: number, length: number): Patch {
  if (draw(8) === 0 && place > 0) return [place - 1, 1, ""]
  if (draw(60) === 0 && place < length) return [place, 1, "y"]
  return [place, 0, draw(6) === 0 ? " " : "x"]
}

function paste(place: number): Patch {
  return [place, 0, "a line that was copied from somewhere else\n".repeat(4)]
}
