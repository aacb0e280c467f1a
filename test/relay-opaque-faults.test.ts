/** Opaque rooms over servers and a bus that fail, from seeds: whatever happens, all end with one content. */
import assert from "node:assert/strict"
import { test } from "node:test"
import { drawing, noFaults } from "./fault-hub.ts"
import { OpaqueFleetReplica } from "./opaque-fleet.ts"
import { Fleet, type FleetServer } from "./relay-fleet.ts"

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
  #written = 0

  constructor(seed: number) {
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
    else if (what < 0.85 && replica.words.size > 0) replica.write(`w${this.#written++}`)
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

test("RL4, RL54, RL61 ends with one content and one table everywhere, whatever servers and the bus do", async () => {
  for (let seed = 1; seed <= 40; seed++) {
    const story = new Story(seed)
    await story.happens()
    let left = 80
    do {
      await story.fleet.pass(500)
      story.returns()
    } while (story.difference !== undefined && left-- > 0)
    assert.equal(story.difference, undefined, `seed ${seed}, ${story.kind}`)
    assert.deepEqual(story.fleet.faults, [], `seed ${seed}`)
  }
})
