/**
 * A session of two writers as steps that can be replayed at full speed.
 *
 * A recorded session says of each change which others its writer had seen, and its position in
 * the text he saw then. Here a writer may have seen more by then, since one edit at a time is in
 * flight; so the recorded texts are run beside the replayed ones, every character has a tag, and
 * a position is found again by the tag to its left. What always holds: a writer types only after
 * hearing all that he had seen in the record.
 */
import type { Accepted, Effects, Send } from "../src/ot/effects.ts"
import { History } from "../src/ot/history.ts"
import { type Component, Operation, transform } from "../src/ot/operation.ts"
import { Pending } from "../src/ot/pending.ts"
import { readTrace, type Trace } from "./trace.ts"

type Agent = 0 | 1

/** One step of a replay: a change is typed, or so many accepted operations are heard in one message. */
export type Step =
  | { readonly kind: "type"; readonly agent: Agent; readonly operation: Operation }
  | { readonly kind: "hear"; readonly agent: Agent; readonly count: number }

/** A recorded change: at the one place of a text that its writer saw. */
interface Typed {
  readonly agent: Agent
  /** How many changes of the other one its writer had seen. */
  readonly seen: number
  readonly place: number
  readonly deleted: number
  readonly inserted: string
}

/** Replays a session on a server and two writers. Returns the texts of all three at the end. */
export function replay(steps: readonly Step[]): readonly string[] {
  const session = new Session()
  for (const step of steps) {
    if (step.kind === "type") session.type(step.agent, step.operation)
    else session.hear(step.agent, step.count)
  }
  session.settle()
  const [one, other] = session.writers
  return [one.text, other.text, one.confirmed]
}

/** A server and two writers, as near to each other as function calls. */
class Session {
  readonly writers: readonly [Pending, Pending] = [new Pending("one"), new Pending("other")]
  readonly #history = new History()
  readonly #log: Accepted[] = []
  /** For each accepted operation, how many changes its author had typed when he sent it. */
  readonly #typedAt: number[] = []
  readonly #typed: [number, number] = [0, 0]
  readonly #heard: [number, number] = [0, 0]
  readonly #onShow: (agent: Agent, operation: Operation) => void

  constructor(onShow: (agent: Agent, operation: Operation) => void = () => {}) {
    this.#onShow = onShow
    const greeting = { epoch: "e", revision: 0, head: 0, applied: 0, fresh: true, text: "" }
    for (const [id, writer] of this.writers.entries()) writer.welcome({ ...greeting, id }, 0)
  }

  /** How many accepted operations a writer has not heard. */
  unheard(agent: Agent): number {
    return this.#log.length - this.#heard[agent]
  }

  /** Whether the next one a writer is to hear is his own, or holds of the other's changes `most` at most. */
  mayHear(agent: Agent, most: number): boolean {
    const next = this.#heard[agent]
    if (next >= this.#log.length) return false
    return this.#log[next]?.id === agent || (this.#typedAt[next] ?? 0) <= most
  }

  type(agent: Agent, operation: Operation): void {
    this.#typed[agent] += 1
    this.#obey(agent, this.writers[agent].local(operation, 0))
  }

  /** Hears the next `count` operations. Returns how many of the other's changes are in them, at most. */
  hear(agent: Agent, count: number): number {
    const start = this.#heard[agent]
    const elements = this.#log.slice(start, start + count)
    this.#heard[agent] += count
    this.#obey(agent, this.writers[agent].history(start, elements, 0))
    let seen = 0
    for (const [at, { id }] of elements.entries()) {
      if (id !== agent) seen = this.#typedAt[start + at] ?? 0
    }
    return seen
  }

  /** Both hear everything, until nothing more is sent. */
  settle(): void {
    while (this.unheard(0) > 0 || this.unheard(1) > 0) {
      for (const agent of agents) this.hear(agent, this.unheard(agent))
    }
  }

  #obey(agent: Agent, effects: Effects): void {
    for (const effect of effects) {
      if (effect.kind === "show") this.#onShow(agent, effect.operation)
      else if (effect.kind === "send") this.#receive(agent, effect)
      else throw new Error(`never: ${effect.kind}`)
    }
  }

  #receive(agent: Agent, { seq, revision, operation }: Send): void {
    const moved = this.#history.move(operation, revision)
    if (moved.kind !== "moved") throw new Error(`never: ${moved.kind}`)
    if (moved.operation.isNoop) throw new Error(`never: edit ${seq} does nothing`)
    this.#history.accept({ user: agent, operation: moved.operation, at: 0 })
    this.#history.letGo(this.#history.revision)
    this.#log.push({ id: agent, operation: moved.operation })
    this.#typedAt.push(this.#typed[agent])
  }
}

const agents: readonly Agent[] = [0, 1]

/** A session of `count` changes: two writers type words here and there, and hear of each other late. */
export function invent(count: number): readonly Step[] {
  const steps: Step[] = []
  const session = new Session()
  const places: [number, number] = [0, 0]
  let state = 1
  const draw = (below: number) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return Math.floor((state / 2 ** 32) * below)
  }
  const hear = (agent: Agent) => {
    const unheard = session.unheard(agent)
    if (unheard === 0) return
    session.hear(agent, unheard)
    steps.push({ kind: "hear", agent, count: unheard })
  }
  for (let typed = 0; typed < count; typed += 1) {
    const agent: Agent = draw(2) === 0 ? 0 : 1
    const { length } = session.writers[agent]
    // Mostly on where the last key fell, now and then somewhere else.
    const place = draw(30) === 0 ? draw(length + 1) : Math.min(places[agent], length)
    const deletes = draw(8) === 0 && place > 0
    const operation = deletes
      ? Operation.from([place - 1, -1, length - place])
      : Operation.from([place, draw(6) === 0 ? " " : "x", length - place])
    places[agent] = deletes ? place - 1 : place + 1
    session.type(agent, operation)
    steps.push({ kind: "type", agent, operation })
    if (draw(4) === 0) hear(0)
    if (draw(4) === 0) hear(1)
  }
  return steps
}

/** The session recorded in a file of editing-traces with two writers, and the text it ends with. */
export function planFile(path: string): { readonly steps: readonly Step[]; readonly end: string } {
  const file = readTrace(path)
  return { steps: plan(changesOf(file)), end: file.endContent }
}

// The changes in the file's order, with how much of the other's each writer had seen.
function changesOf({ txns }: Trace): readonly Typed[] {
  // Of each transaction: how many of either writer's it comes after, and is one of.
  const known: (readonly [number, number])[] = []
  return txns.map(({ parents = [], agent: number = 0, patches }) => {
    const agent: Agent = number === 0 ? 0 : 1
    const [patch] = patches
    if (number > 1 || patch === undefined || patches.length > 1) {
      throw new Error("not a session of two writers who change one place at a time")
    }
    const seen: [number, number] = [0, 0]
    for (const parent of parents) {
      for (const one of agents) seen[one] = Math.max(seen[one], known[parent]?.[one] ?? 0)
    }
    const others = seen[agent === 0 ? 1 : 0]
    seen[agent] += 1
    known.push(seen)
    const [place, deleted, inserted] = patch
    return { agent, seen: others, place, deleted, inserted }
  })
}

/** A replay of recorded changes: see the top of this file. */
function plan(changes: readonly Typed[]): readonly Step[] {
  const steps: Step[] = []
  const views: readonly [string[], string[]] = [[], []]
  const session = new Session((agent, operation) => change(views[agent], operation))
  const record = new Recorded()
  const seen: [number, number] = [0, 0]
  const hear = (agent: Agent, count: number) => {
    if (count === 0) return
    seen[agent] = Math.max(seen[agent], session.hear(agent, count))
    steps.push({ kind: "hear", agent, count })
  }
  const nextSeen = nextSeens(changes)
  let tags = 0
  for (const [at, typed] of changes.entries()) {
    const { agent } = typed
    // A change that found nothing left to delete was never sent: then there is no more to hear.
    while (seen[agent] < typed.seen && session.unheard(0) + session.unheard(1) > 0) {
      for (const one of agents) hear(one, session.unheard(one))
    }
    const inserted = Array.from(typed.inserted, () => tagOf(tags++))
    const was = { text: record.type(typed, inserted.join("")), inserted: inserted.join("") }
    const components = find(views[agent], typed, was)
    const operation = Operation.from(components)
    change(views[agent], operation)
    session.type(agent, operation)
    const text = components.map((one) => (typeof one === "string" ? typed.inserted : one))
    steps.push({ kind: "type", agent, operation: Operation.from(text) })
    for (const one of agents) {
      while (session.mayHear(one, nextSeen[one][at] ?? 0)) hear(one, 1)
    }
  }
  return steps
}

// For either writer and each change: how much of the other's he has seen when he types next.
function nextSeens(changes: readonly Typed[]): readonly [number[], number[]] {
  const next: readonly [number[], number[]] = [[], []]
  const seen: [number, number] = [changes.length, changes.length]
  for (let at = changes.length - 1; at >= 0; at -= 1) {
    for (const agent of agents) next[agent][at] = seen[agent]
    const typed = changes[at]
    if (typed !== undefined) seen[typed.agent] = typed.seen
  }
  return next
}

/**
 * The two texts as they were recorded, in tags: each writer's changes are moved over the other's
 * as they reach him. With two writers that takes no server. Of two inserts at one place the first
 * writer's went left in these recordings.
 */
class Recorded {
  readonly #texts: readonly [string[], string[]] = [[], []]
  /** Of each writer: his changes that are on their way to the other, with what he had seen then. */
  readonly #sent: readonly [OnItsWay[], OnItsWay[]] = [[], []]
  /** Of each writer: his changes the other had not seen in what came from him so far. */
  readonly #unseen: readonly [Operation[], Operation[]] = [[], []]
  readonly #typed: [number, number] = [0, 0]

  /** Takes the next change, whose inserted characters have the tags `inserted`. Returns its text before. */
  type({ agent, seen, place, deleted }: Typed, inserted: string): readonly string[] {
    this.#receive(agent, seen)
    const text = this.#texts[agent]
    const before = text.slice()
    const operation = Operation.from([place, inserted, -deleted, text.length - place - deleted])
    change(text, operation)
    this.#typed[agent] += 1
    this.#unseen[agent].push(operation)
    this.#sent[agent].push({ operation, seen })
    return before
  }

  // Lets a writer see the other's changes up to their number `seen`.
  #receive(agent: Agent, seen: number): void {
    const other: Agent = agent === 0 ? 1 : 0
    const sent = this.#sent[other]
    const own = this.#unseen[agent]
    while (this.#typed[other] - sent.length < seen) {
      const next = sent.shift()
      if (next === undefined) throw new Error("a change was seen before it was typed")
      // Of his own he keeps those that the other had not seen when he typed this.
      own.splice(0, own.length - (this.#typed[agent] - next.seen))
      let theirs = next.operation
      for (const [at, mine] of own.entries()) {
        const moved = agent === 0 ? transform(mine, theirs) : swap(transform(theirs, mine))
        own[at] = moved[0]
        theirs = moved[1]
      }
      change(this.#texts[agent], theirs)
    }
  }
}

interface OnItsWay {
  readonly operation: Operation
  readonly seen: number
}

function swap<T>([one, other]: readonly [T, T]): readonly [T, T] {
  return [other, one]
}

// The recorded change as a change of the text its writer sees in the replay: by the tags.
function find(view: readonly string[], typed: Typed, was: Was): readonly Component[] {
  // Right of the nearest character to its left that is still there.
  let place = 0
  for (let left = typed.place; left > 0 && place === 0; left -= 1) {
    place = view.indexOf(was.text[left - 1] ?? "") + 1
  }
  const deleted = was.text
    .slice(typed.place, typed.place + typed.deleted)
    .map((tag) => view.indexOf(tag))
    .filter((index) => index >= 0)
    .sort((a, b) => a - b)
  const components: Component[] = []
  let done = 0
  const keepTo = (index: number) => {
    components.push(index - done)
    done = index
  }
  for (const index of deleted.filter((one) => one < place)) {
    keepTo(index)
    components.push(-1)
    done += 1
  }
  keepTo(place)
  components.push(was.inserted)
  for (const index of deleted.filter((one) => one >= place)) {
    keepTo(index)
    components.push(-1)
    done += 1
  }
  keepTo(view.length)
  return components
}

/** What a recorded change is found by: the text its writer saw, and the tags it inserts. */
interface Was {
  readonly text: readonly string[]
  readonly inserted: string
}

/** A tag is a code point that stands in no text: of the private use planes. */
function tagOf(number: number): string {
  if (number >= 65_000) throw new Error("more characters than tags")
  return String.fromCodePoint(0xf0000 + number)
}

// Applies an operation to a text of tags.
function change(tags: string[], operation: Operation): void {
  let at = 0
  for (const component of operation.components) {
    if (typeof component === "string") {
      const inserted = Array.from(component)
      tags.splice(at, 0, ...inserted)
      at += inserted.length
    } else if (component > 0) {
      at += component
    } else {
      tags.splice(at, -component)
    }
  }
}
