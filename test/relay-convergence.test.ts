/**
 * Many unmodified clients in one room, who write, fall off the line and come back as a seed says.
 * Then the lines heal, and all must agree. RELAY_SEEDS=100 runs so many seeds, RELAY_SEED=7 that one.
 */
import assert from "node:assert/strict"
import { type TestContext, test } from "node:test"
import type * as Y from "yjs"
import { eventually, type Started, startServer } from "./harness.ts"
import { libraries, type Person, seenBy } from "./relay-libraries.ts"

const only = process.env["RELAY_SEED"]
const count = Number(process.env["RELAY_SEEDS"] ?? 3)
const seeds = only === undefined ? Array.from({ length: count }, (_, n) => n + 1) : [Number(only)]

const yWebsockets = 20
const providers = 10
const steps = 150

/** The same numbers from 0 up to `below` for the same seed. */
function dice(seed: number): (below: number) => number {
  let state = seed * 0x9e3779b9
  return (below) => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below
  }
}

function markersOf(doc: Y.Doc): Y.Array<string> {
  return doc.getArray<string>("markers")
}

/** All that is told apart of a document: equal for those who have converged. */
function contentOf({ doc }: Person): string {
  const { pendingStructs, pendingDs } = doc.store
  if (pendingStructs !== null || pendingDs !== null) return "something is pending"
  return JSON.stringify([doc.getText("t").toString(), markersOf(doc).toJSON()])
}

async function figure(server: Started, name: string): Promise<number> {
  const text = await (await fetch(`${server.url}/metrics`)).text()
  return Number(new RegExp(`^${name} (\\d+)$`, "m").exec(text)?.[1])
}

/** Those in the room, and what they wrote: which of it must be there in the end is theirs. */
class Crowd {
  readonly people: Person[] = []
  readonly #t: TestContext
  readonly #origin: string
  readonly #roll: (below: number) => number
  readonly #written = new Map<Person, string[]>()
  #markers = 0

  constructor(t: TestContext, origin: string, roll: (below: number) => number) {
    this.#t = t
    this.#origin = origin
    this.#roll = roll
  }

  /** Another one, of the library whose turn it is at this place. */
  come(place: number): Person {
    const version = this.#roll(2)
    const library = libraries[place < yWebsockets ? version : 2 + version]! // two of each family
    const person = library.come(this.#t, this.#origin)
    person.awareness.setLocalStateField("name", `p${place}`)
    this.people[place] = person
    this.#written.set(person, [])
    return person
  }

  /** One of them does something. */
  step(): void {
    const place = this.#roll(this.people.length)
    const person = this.people[place]! // rolled among them
    const what = this.#roll(100)
    if (what < 55) this.write(person)
    else if (what < 70) person.awareness.setLocalStateField("at", what)
    else if (what < 82) person.cut()
    else if (what < 88) person.disconnect()
    else if (what < 94) person.connect()
    else if (what < 97) {
      // Gone for good, with whatever has not been sent.
      this.#written.delete(person)
      person.destroy()
      this.come(place)
    }
  }

  get surviving(): readonly string[] {
    return [...this.#written.values()].flat()
  }

  /** It adds a marker, and changes the text somewhere. */
  write(person: Person): void {
    const { doc } = person
    const text = doc.getText("t")
    const marker = `m${this.#markers++}`
    doc.transact(() => {
      markersOf(doc).insert(this.#roll(markersOf(doc).length + 1), [marker])
      const at = this.#roll(text.length + 1)
      if (this.#roll(3) > 0) text.insert(at, "abc😀")
      else text.delete(at, Math.min(3, text.length - at))
    })
    this.#written.get(person)?.push(marker)
  }
}

for (const seed of seeds) {
  test(`RL22 RL24 RL81 RL108 thirty clients of two libraries agree in the end, seed ${seed}`, async (t) => {
    t.diagnostic(`RELAY_SEED=${seed}`)
    const server = await startServer(t)
    const roll = dice(seed)
    const crowd = new Crowd(t, server.ws, roll)
    const first = crowd.come(0)
    await eventually(() => first.isSynced)
    // A blank room would pass the grant on when its grantee falls off the line.
    crowd.write(first)
    for (let place = 1; place < yWebsockets + providers; place++) crowd.come(place)

    for (let step = 0; step < steps; step++) {
      crowd.step()
      for (let turns = roll(8); turns > 0; turns--) {
        await new Promise((resolve) => setImmediate(resolve))
      }
    }
    const { people } = crowd
    for (const person of people) person.connect()

    await eventually(() => people.every((each) => each.isConnected && each.isSynced))
    await eventually(() => new Set(people.map(contentOf)).size === 1)
    const [one] = people as [Person, ...Person[]] // there are thirty
    assert.notEqual(contentOf(one), "something is pending")
    await eventually(() => people.every(({ unsynced = 0 }) => unsynced === 0))
    const markers = markersOf(one.doc).toArray()
    assert.equal(new Set(markers).size, markers.length, "every marker once")
    for (const marker of crowd.surviving) assert.ok(markers.includes(marker), marker)

    const names = people.map((_, place) => `p${place}`)
    for (const [place, person] of people.entries()) {
      const others = names.filter((name) => name !== `p${place}`).toSorted()
      await eventually(() => seenBy(person).join() === others.join())
    }
    assert.equal(await figure(server, "quartet_relay_seed_grants_total"), 1)
    assert.ok((await fewest(server, people)) <= people.length)
  })
}

/** How many deliveries one move of a cursor is: the fewest of some, since others renew themselves meanwhile. */
async function fewest(server: Started, people: readonly Person[]): Promise<number> {
  const name = "quartet_relay_delivered_messages_total"
  const [mover, ...others] = people as [Person, ...Person[]] // there are thirty
  let least = Number.POSITIVE_INFINITY
  for (let at = 1_000; at < 1_005; at++) {
    const before = await figure(server, name)
    mover.awareness.setLocalStateField("at", at)
    const { clientID } = mover.doc
    await eventually(() =>
      others.every(({ awareness }) => awareness.getStates().get(clientID)?.["at"] === at),
    )
    least = Math.min(least, (await figure(server, name)) - before)
  }
  return least
}
