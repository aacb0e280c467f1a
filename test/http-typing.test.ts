/** Programs that write over HTTP and people who type behind the times, by drawn schedules. */
import assert from "node:assert/strict"
import { test } from "node:test"
import fc from "fast-check"
import { type Component, Operation } from "../src/ot/operation.ts"
import { type FarEnd, type Pad, pad } from "./far-end.ts"

const path = "/api/text/notes"

/** What a schedule does next; the numbers choose where, and how far back. */
const deed = fc.record({
  kind: fc.constantFrom("type", "type", "erase", "put", "put now", "append", "find", "operation"),
  at: fc.nat(1_000),
  back: fc.nat(6),
  with: fc.constantFrom("", "\n", "ab "),
})

test("DC94 DC95 whatever programs write amid typing, no typed character is lost that nobody deleted", async (t) => {
  const schedules = fc.array(deed, { minLength: 1, maxLength: 60 })
  await fc.assert(
    fc.asyncProperty(schedules, async (deeds) => {
      const server = pad(t, { settings: { windowOperations: 4 } })
      const world = new World(server)
      for (const [index, each] of deeds.entries()) await world.does(each, index)
      await world.check(!deeds.some((each) => each.with === "\n"))
      server.close()
    }),
    { numRuns: 300 },
  )
})

type Deed = typeof deed extends fc.Arbitrary<infer T> ? T : never

/** Two who type behind the times, programs that write, and all texts there ever were. */
class World {
  readonly #server: Pad
  readonly #typists: readonly [FarEnd, FarEnd]
  readonly #epoch: string
  readonly #texts = [""]
  readonly #alive = new Set<string>()
  #count = 0
  #seq = 0

  constructor(server: Pad) {
    this.#server = server
    this.#typists = [server.extend("notes", "ada"), server.extend("notes", "bob")]
    this.#epoch = (this.#typists[0].all("Welcome")[0] as { epoch: string }).epoch
  }

  async does({ kind, at, back, with: filler }: Deed, index: number): Promise<void> {
    const mark = this.#mark()
    // Typists may be no further back than the window; programs may.
    const window = kind === "type" || kind === "erase" ? Math.min(back, 3) : back
    const revision = Math.max(0, this.#texts.length - 1 - window)
    const text = this.#texts[revision] ?? ""
    const points = Array.from(text)
    const place = points.length === 0 ? 0 : at % points.length
    const victim = points[place]
    const later = points.slice(place)
    const inserted = [...points.slice(0, place), mark, ...filler, ...later].join("")
    const without = points.toSpliced(place, 1).join("")
    const typed: Component[] = [place, mark + filler, later.length]
    const header = { "if-match": `"${this.#epoch}.${revision}"` }
    const address = `192.0.2.${index}`
    const ask = (method: string, body: string, headers = {}) =>
      this.#server.request(method, path, { body, headers, address })
    if (kind === "type") this.#edit(index, revision, typed)
    else if (kind === "erase" && victim !== undefined) {
      this.#alive.delete(victim)
      this.#edit(index, revision, [place, -1, later.length - 1])
    } else if (kind === "put") await ask("PUT", inserted, header)
    else if (kind === "put now" && victim !== undefined) {
      this.#alive.delete(victim)
      await ask("PUT", without, header)
    } else if (kind === "append") await ask("PATCH", JSON.stringify({ append: mark + filler }))
    else if (kind === "operation") {
      await ask("PATCH", JSON.stringify({ revision, operation: typed }))
    } else if (kind === "find" && victim !== undefined) {
      const replace = victim + mark
      const answer = await ask("PATCH", JSON.stringify({ find: victim, replace }))
      if (answer.status === 409) return this.#hear()
    }
    this.#hear()
    const isNothing = victim === undefined && /erase|put now|find/.test(kind)
    if (!isNothing && kind !== "erase" && kind !== "put now") this.#alive.add(mark)
  }

  /** All are there, once where lines leave no doubt, and everybody has the same text. */
  async check(isOnce: boolean): Promise<void> {
    const text = await this.#server.text("notes")
    assert.equal(this.#texts.at(-1), text)
    const points = Array.from(text)
    for (const mark of this.#alive) {
      const found = points.filter((point) => point === mark).length
      assert.ok(
        found === 1 || (found > 1 && !isOnce),
        `${mark.codePointAt(0)} is there ${found} times`,
      )
    }
  }

  // A character that nobody has typed before.
  #mark(): string {
    this.#count += 1
    return String.fromCodePoint(0x1_0000 + this.#count)
  }

  #edit(index: number, revision: number, operation: readonly Component[]): void {
    this.#seq += 1
    const kept = operation.filter((each) => each !== 0)
    this.#typists[index % 2 === 0 ? 0 : 1].edits(revision, kept as (string | number)[], this.#seq)
  }

  // What the first one was told makes the texts.
  #hear(): void {
    for (const message of this.#typists[0].news()) {
      assert.ok(!("Error" in message), JSON.stringify(message))
      const history = message["History"] as { operations: { operation: Component[] }[] } | undefined
      for (const { operation } of history?.operations ?? []) {
        this.#texts.push(Operation.from(operation).apply(this.#texts.at(-1) ?? ""))
      }
    }
  }
}
