/**
 * Opaque rooms over servers and a bus that fail, from seeds: whatever happens, all end with one
 * content. `RELAY_SEEDS=n` runs n seeds of each kind of writers, from `RELAY_FIRST_SEED` on;
 * `RELAY_SEED=k` the one that failed.
 */
import assert from "node:assert/strict"
import { test } from "node:test"
import { drawing, noFaults } from "./fault-hub.ts"
import { OpaqueFleetReplica } from "./opaque-fleet.ts"
import { Fleet, type FleetServer } from "./relay-fleet.ts"

const only = process.env["RELAY_SEED"]
const first = Number(only ?? process.env["RELAY_FIRST_SEED"] ?? 1)
const count = only === undefined ? Number(process.env["RELAY_SEEDS"] ?? 40) : 1

/** "all": newcomers that have been given nothing write, too. */
type Writers = "all" | "who has something"

/** Seeds that once ended with different contents, each of a kind of its own. */
const known: readonly (readonly [number, Writers])[] = [
  // A newcomer wrote while nobody beside it had the content.
  [2211, "all"],
  [2360, "all"],
  [2461, "all"],
  [2740, "who has something"],
  [3727, "who has something"],
  // The content came from a server that lacked what had passed here before.
  [5665, "who has something"],
  [8941, "all"],
  [9379, "all"],
  // Content came back on one side of a cut, where nobody else was.
  [2772, "all"],
]

const lossy = { drop: 0.2, duplicate: 0.1, delay: 0.2, delayMs: 300 }
const faults = {
  calm: noFaults,
  loss: { ...lossy, delay: 0 },
  delay: { ...lossy, drop: 0 },
  partition: noFaults,
  "long partition": noFaults,
  kill: noFaults,
}

/** One world of a seed: servers, replicas that come, go and write, and what goes wrong. */
class Story {
  readonly fleet: Fleet
  readonly replicas: readonly OpaqueFleetReplica[]
  readonly kind: keyof typeof faults
  readonly #draw: () => number
  readonly #writers: Writers
  #written = 0

  constructor(seed: number, writers: Writers) {
    this.#writers = writers
    this.#draw = drawing(seed)
    const skewed = this.#draw() < 0.3
    const count = 2 + Math.floor(this.#draw() * 2)
    this.fleet = new Fleet(count, this.#draw, skewed ? { aheadMs: [0, 3_600_000, -3_600_000] } : {})
    this.replicas = Array.from(
      { length: 3 + Math.floor(this.#draw() * 4) },
      (_, at) => new OpaqueFleetReplica(`r${at}`),
    )
    this.kind = this.#pick(Object.keys(faults) as (keyof typeof faults)[]) // the keys of a record of ours
  }

  async happens(): Promise<void> {
    const [first] = this.replicas
    const [server] = this.fleet.servers
    assert.ok(first && server)
    first.words.add("first")
    this.#comes(first, server)
    await this.fleet.pass(500)
    this.fleet.hub.faults = faults[this.kind]
    for (let step = 0; step < 30; step++) {
      this.#acts(this.#pick(this.replicas), step)
      this.#fails(step)
      const longest = this.kind === "long partition" ? 3_000 : 200
      await this.fleet.pass(10 + Math.floor(this.#draw() * longest))
    }
    this.fleet.hub.faults = noFaults
    this.returns()
  }

  /** Whoever is away comes back. */
  returns(): void {
    for (const replica of this.replicas) if (!replica.isHere) this.#comes(replica, this.#up())
  }

  /** What differs from replica to replica; undefined when nothing does. */
  get difference(): string | undefined {
    const all = new Set(this.replicas.flatMap(({ words }) => [...words]))
    for (const { name, words, present } of this.replicas) {
      if (words.size < all.size) return `${name} has ${words.size} of ${all.size} words`
      if (present.size !== this.replicas.length - 1) return `${name} sees ${[...present]}`
    }
    const dirty = this.fleet.servers.some(({ isUp, relay }) => isUp && relay.dirty > 0)
    return dirty ? "a room is dirty" : undefined
  }

  #acts(replica: OpaqueFleetReplica, step: number): void {
    const what = this.#draw()
    if (!replica.isHere) this.#comes(replica, this.#up())
    else if (what < 0.12) replica.leave(this.#draw() < 0.5 ? "clean" : "broken")
    else if (what < 0.85 && (this.#writers === "all" || replica.words.size > 0))
      replica.write(`w${this.#written++}`)
    else replica.show(`s${step}`)
  }

  #fails(step: number): void {
    const { hub, servers } = this.fleet
    if (this.kind.endsWith("partition")) {
      if (step === 8) for (const [at, { name }] of servers.entries()) hub.parts.set(name, at % 2)
      if (step === 20) hub.parts.clear()
    }
    if (this.kind !== "kill" || step !== 15) return
    const server = this.#up()
    this.fleet.kill(server)
    for (const each of this.replicas) if (each.server === server) each.leave("broken")
    this.fleet.add()
  }

  #comes(replica: OpaqueFleetReplica, server: FleetServer): void {
    const isReturning = replica.words.size > 0
    replica.join(server, { has: isReturning ? "snapshot" : "nothing" })
    if (isReturning) replica.asks()
  }

  #up(): FleetServer {
    return this.#pick(this.fleet.servers.filter(({ isUp }) => isUp))
  }

  #pick<T>(all: readonly T[]): T {
    const one = all[Math.floor(this.#draw() * all.length)]
    assert.ok(one !== undefined)
    return one
  }
}

/** Lets a seed happen, and all of it heal. */
async function plays(seed: number, writers: Writers): Promise<void> {
  const story = new Story(seed, writers)
  await story.happens()
  let left = 80
  do {
    await story.fleet.pass(500)
    story.returns()
  } while (story.difference !== undefined && left-- > 0)
  assert.equal(story.difference, undefined, `RELAY_SEED=${seed} (${story.kind}, ${writers})`)
  assert.deepEqual(story.fleet.faults, [], `RELAY_SEED=${seed} (${writers})`)
}

test("RL4, RL54, RL61 ends with one content and one table everywhere, whatever servers and the bus do", async () => {
  for (let seed = first; seed < first + count; seed++) {
    await plays(seed, "who has something")
    await plays(seed, "all")
  }
})

test("RL52, RL61 brings what only newcomers had, and what a server that answered had missed", async () => {
  for (const [seed, writers] of known) await plays(seed, writers)
})
