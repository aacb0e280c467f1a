/**
 * Whole sessions of one and of two writers, sent through a live server: what the server has in the
 * end, and every editor, is what the session ends with.
 */
import assert from "node:assert/strict"
import { type TestContext, test } from "node:test"
import type { Place } from "../bench/editors.ts"
import { checkReplay, openReplay, replay } from "../bench/replay.ts"
import { inventConcurrent, inventSequential, plan, type Trace } from "../bench/trace.ts"
import { History } from "../src/ot/history.ts"
import { startServer } from "./harness.ts"

/** Replays `trace` with three readers. Rejects unless all texts are the same in the end. */
async function replayLive(t: TestContext, trace: Trace): Promise<void> {
  const { url } = await startServer(t, { editsPerSecond: 0 })
  const place: Place = {
    kind: "quartet",
    port: Number(new URL(url).port),
    text: async (id) => (await fetch(`${url}/api/text/${id}`)).text(),
  }
  const planned = plan(trace)
  const room = await openReplay(place, planned, { id: "session", readers: 3 })
  await replay(room, planned)
  await room.compare()
  await checkReplay(room, planned)
  assert.equal(await place.text("session"), trace.endContent)
  await room.close()
}

test("DC36 a writer who never waits ends with his text on the server and at every reader", async (t) => {
  await replayLive(t, inventSequential(2_000, 7))
})

test("DC30 two writers who hear of each other late end with one text everywhere", async (t) => {
  await replayLive(t, inventConcurrent(2_000, 7))
})

test("DC30 a session planned for one server is what a history makes of it, edit by edit", () => {
  const { edits } = plan(inventConcurrent(2_000, 8))
  const history = new History()
  for (const { operation, revision, accepted } of edits) {
    const moved = history.move(operation, revision)
    assert.ok(moved.kind === "moved" && moved.operation.equals(accepted))
    history.accept({ user: 0, operation: accepted, at: 0 })
  }
  assert.ok(edits.some(({ revision }, index) => revision < index - 1))
})

test("DC30 a session whose order no server could have accepted is refused", () => {
  const trace = {
    endContent: "abc",
    txns: [
      { agent: 0, parents: [], patches: [[0, 0, "a"]] },
      { agent: 0, parents: [], patches: [[0, 0, "b"]] },
    ],
  } as const
  assert.throws(() => plan(trace), /no server has this file's order/)
})

test("DC33 the places of a recorded session count code points", () => {
  const trace = {
    startContent: "🎉",
    endContent: "🎉a😀",
    txns: [{ patches: [[1, 0, "😀"]] }, { patches: [[1, 0, "ab"]] }, { patches: [[2, 1, ""]] }],
  } as const
  assert.equal(plan(trace).text, "🎉a😀")
})
