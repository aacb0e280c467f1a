/**
 * Who listens to which names, as a tree of their tokens: `log.*` is one step below `log`.
 *
 * What always holds: a name is looked up in the number of its tokens and of what matches, however
 * many patterns there are; a branch on which nobody listens is not kept.
 */
import { Refusal } from "../wire/pools-errors.ts"
import type { TopicOffer } from "../wire/pools-shapes.ts"
import type { Session } from "./session.ts"

const tokenLimit = 16
const one = "*"
const rest = ">"

/** One pattern of one session. */
export interface Subscription {
  readonly session: Session
  readonly pool: string
  readonly offer: TopicOffer
  readonly tokens: readonly string[]
}

interface Branch {
  readonly byToken: Map<string, Branch>
  /** Whose pattern ends here, and whose ends with `>` below here. */
  readonly ending: Set<Subscription>
  readonly below: Set<Subscription>
}

/** The tokens of a pattern. Throws a Refusal for one that is none. */
export function tokensOf(pattern: string): readonly string[] {
  const tokens = pattern.split(".")
  const isWrong = tokens.length > tokenLimit || tokens.slice(0, -1).includes(rest)
  if (!isWrong) return tokens
  const reason = `a pattern has at most ${tokenLimit} tokens, and > only as its last`
  throw new Refusal("bad-message", reason, { field: "/topics", reason })
}

/** Whether a name is one that the pattern means. */
export function matches(tokens: readonly string[], name: string): boolean {
  const words = name.split(".")
  const last = tokens.length - 1
  if (tokens[last] === rest) {
    return words.length > last && tokens.slice(0, last).every((each, at) => fits(each, words[at]))
  }
  return words.length === tokens.length && tokens.every((each, at) => fits(each, words[at]))
}

export class Topics {
  readonly #root = branch()
  size = 0

  add(subscription: Subscription): void {
    const { tokens } = subscription
    let at = this.#root
    const path = tokens.at(-1) === rest ? tokens.slice(0, -1) : tokens
    for (const token of path) {
      let next = at.byToken.get(token)
      if (next === undefined) {
        next = branch()
        at.byToken.set(token, next)
      }
      at = next
    }
    const listeners = tokens.at(-1) === rest ? at.below : at.ending
    listeners.add(subscription)
    this.size++
  }

  remove(subscription: Subscription): void {
    const { tokens } = subscription
    const path = tokens.at(-1) === rest ? tokens.slice(0, -1) : tokens
    const branches = [this.#root]
    for (const token of path) {
      const next = branches.at(-1)?.byToken.get(token)
      if (next === undefined) return
      branches.push(next)
    }
    const last = branches.at(-1)
    const listeners = tokens.at(-1) === rest ? last?.below : last?.ending
    if (listeners?.delete(subscription) !== true) return
    this.size--
    for (let at = path.length; at > 0; at--) {
      const each = branches[at]
      if (each === undefined || each.byToken.size + each.ending.size + each.below.size > 0) return
      branches[at - 1]?.byToken.delete(path[at - 1] ?? "")
    }
  }

  /** All that a name matches, in no order that counts. */
  match(name: string): readonly Subscription[] {
    if (this.size === 0) return []
    const words = name.split(".")
    const found: Subscription[] = []
    let here: Branch[] = [this.#root]
    for (const word of words) {
      const next: Branch[] = []
      for (const { byToken, below } of here) {
        found.push(...below)
        const exact = byToken.get(word)
        if (exact !== undefined) next.push(exact)
        const any = word === one ? undefined : byToken.get(one)
        if (any !== undefined) next.push(any)
      }
      here = next
    }
    for (const { ending } of here) found.push(...ending)
    return found
  }
}

function branch(): Branch {
  return { byToken: new Map(), ending: new Set(), below: new Set() }
}

function fits(token: string, word: string | undefined): boolean {
  return word !== undefined && (token === one || token === word)
}
