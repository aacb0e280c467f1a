/** Whoever comes back: what is known of its edits, and how much it is told of what it missed. */
import assert from "node:assert/strict"
import { test } from "node:test"
import type { Welcome } from "../src/wire/documents-shapes.ts"
import { type FarEnd, pad } from "./far-end.ts"

function welcomeOf(far: FarEnd): Welcome {
  const [welcome] = far.all("Welcome")
  return welcome as Welcome // what this key holds
}

test("DC44 DC46 a key that was forgotten while its editor was here is remembered by its next edit", async (t) => {
  const server = pad(t)
  const x = server.extend("notes", "x")
  const { epoch, id } = welcomeOf(x)
  for (let day = 0; day < 31; day += 1) {
    server.now += 86_400_000
    server.tick()
    server.turn()
  }
  server.extend("notes", "y").leaves()
  server.now += 120_000
  server.tick()
  x.edits(0, ["once"], 1)
  x.leaves()
  const resume = { epoch, revision: 0, seq: 1, age: 0, pending: true }
  const back = server.extend("notes", "x", { resume })
  assert.deepEqual([welcomeOf(back).applied, welcomeOf(back).id], [1, id])
  back.edits(1, ["once", 4], 1)
  assert.equal(await server.text("notes"), "once")
})

test("DC58 a tail has at most 1 MiB of operations, some nine thousand; beyond that comes the text", (t) => {
  const server = pad(t, { settings: { textLimit: 1_000_000 } })
  const tailFrom = (id: string, epoch: string, revision: number) => {
    const resume = { epoch, revision, seq: null, age: 0, pending: false }
    const far = server.extend(id, "back", { resume })
    const { text, revision: from, head } = welcomeOf(far)
    far.leaves()
    return text === undefined ? head - from : "text"
  }
  const many = server.extend("many", "a")
  many.saysAll(
    Array.from({ length: 10_001 }, (_, at) => {
      return { Edit: { revision: at, operation: at === 0 ? ["x"] : [at, "x"], seq: at + 1 } }
    }),
  )
  const { epoch } = welcomeOf(many)
  assert.deepEqual([tailFrom("many", epoch, 0), tailFrom("many", epoch, 1_001)], ["text", 9_000])
  const long = server.extend("long", "a")
  long.edits(0, ["x".repeat(300_000)], 1)
  long.edits(1, ["y".repeat(300_000), 300_000], 2)
  const { epoch: other } = welcomeOf(long)
  assert.deepEqual([tailFrom("long", other, 0), tailFrom("long", other, 1)], ["text", 1])
})
