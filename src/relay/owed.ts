/**
 * Acknowledgements that wait until another holder has what they are for (RL120, `ackNeeds`).
 *
 * What always holds: those of one replica are told in the order of its changes, so that a count of
 * them, or the last of them, is true. What it answers to an ask holds all that it wrote before: who
 * is given the answer has that.
 */

import { isOpen, type Peer } from "./peer.ts"

/** Acknowledgements of one replica; each stands for one change, and for several where too many wait. */
interface Owed {
  /** "out": on its way to other servers. "lost": nobody else is known to have it. */
  state: "out" | "lost" | "taken"
  times: number
  /** Says that so many more changes were accepted; the newest of them is that for which it was made. */
  readonly tell: (times: number) => void
}

/** So many of one replica wait each by itself. Above it the two oldest become one, told with the younger. */
const owedLimit = 1_000

/** What became of a change: another holder has it, or nobody is known to. */
export type Fate = "taken" | "lost"

/** Of a replica, all that it is owed by a moment: when it is called, another holder has that. */
export type Settle = () => void

export class OwedAcks<R extends object> {
  readonly #owed = new Map<R, Owed[]>()

  /** A change of `from` is on its way. What is returned is told what became of it. */
  owe(from: R, tell: Owed["tell"]): (fate: Fate) => void {
    const owed: Owed = { state: "out", times: 1, tell }
    const all = this.#owed.get(from) ?? []
    this.#owed.set(from, all)
    all.push(owed)
    if (all.length > owedLimit) unite(all)
    return (fate) => {
      // One that stands for a lost one, too, is lost.
      if (owed.state === "out") owed.state = fate
      if (fate === "taken") this.#pay(from)
    }
  }

  /** Settles, when it is called, what `from` is owed now. */
  upToNow(from: R): Settle {
    const last = this.#owed.get(from)?.at(-1)
    return () => {
      const all = last === undefined ? [] : (this.#owed.get(from) ?? [])
      for (let at = last === undefined ? -1 : all.indexOf(last); at >= 0; at--) {
        const owed = all[at]
        if (owed !== undefined) owed.state = "taken"
      }
      this.#pay(from)
    }
  }

  /** Those who wrote something that nobody else is known to have: their answers to an ask are wanted. */
  get unheld(): readonly R[] {
    const found: R[] = []
    for (const [from, all] of this.#owed) {
      if (all.some(({ state }) => state === "lost")) found.push(from)
    }
    return found
  }

  /** `from` counts anew from here on: of what it wrote before it is told nothing. */
  recount(from: R): void {
    for (const owed of this.#owed.get(from) ?? []) owed.times = 0
  }

  /** `from` is gone. */
  forget(from: R): void {
    this.#owed.delete(from)
  }

  #pay(from: R): void {
    const all = this.#owed.get(from) ?? []
    let paid = 0
    while (all[paid]?.state === "taken") paid++
    // Told when it is over: who is told may say something at once.
    const due = all.splice(0, paid)
    if (all.length === 0) this.#owed.delete(from)
    for (const { tell, times } of due) if (times > 0) tell(times)
  }
}

/** The second stands for the first, too. */
function unite(all: Owed[]): void {
  const [first, second] = all
  if (first === undefined || second === undefined) return
  all.shift()
  second.times += first.times
  if (first.state !== "taken") second.state = "lost"
}

/** What became of a message that so many servers had, ourselves too, where these have the room. */
export function fateOf(count: number | "away", peers: ReadonlyMap<string, Peer>): Fate {
  const isHeard = count !== "away" && count > peers.size
  return isHeard && peers.values().some(isOpen) ? "taken" : "lost"
}

/** What is to be told the fate of each of so many, and tells `all` that of all: one that is lost is lost for all. */
export function gathered(count: number, all: (fate: Fate) => void): (fate: Fate) => void {
  const fates: Fate[] = []
  return (fate) => {
    fates.push(fate)
    if (fates.length === count) all(fates.includes("lost") ? "lost" : "taken")
  }
}
