/**
 * Frames by chance, out of a fixed seed: whatever comes is a message, BAD_FRAME or BAD_MESSAGE. A
 * few thousand each time; POOLS_FUZZ_SECONDS says how long each test goes on instead.
 */
import assert from "node:assert/strict"
import { join } from "node:path"
import { test } from "node:test"
import { prefixFraming } from "../src/net/framing.ts"
import { WireError } from "../src/wire/error.ts"
import { FrameReader } from "../src/wire/frames.ts"
import { poolsCodec } from "../src/wire/pools.ts"
import { eventually, launch, temporaryDirectory } from "./harness.ts"
import { FramedApp } from "./pools-app.ts"
import { Dice, frames, messages, strangeFrame } from "./pools-corpus.ts"
import { type End, Sea } from "./pools-parts.ts"

const seconds = Number(process.env["POOLS_FUZZ_SECONDS"] ?? 0)
const seed = Number(process.env["POOLS_FUZZ_SEED"] ?? 20_261_121)
/** Time passes for the service after so many. */
const untilTick = 500

/** Whether to go on after `done`: for the seconds that were asked for, or to `least`. */
function goingOn(least: number): (done: number) => boolean {
  const until = performance.now() + seconds * 1_000
  return (done) => (seconds === 0 ? done < least : performance.now() < until)
}

test("PL15 every message of the corpus is one, so that what is made of them is near to them", () => {
  for (const frame of frames) {
    const read = poolsCodec.decode(frame)
    assert.notEqual(read.kind, "bad", JSON.stringify(read))
  }
  assert.ok(messages.length > 40)
})

test("PL2 PL15 PL143 no frame by chance is a fault of ours, and none stays beyond its limit", (t) => {
  const dice = new Dice(seed)
  const sea = new Sea({ limits: { triggersPerPool: 50, poolLimit: 20, retainedPerPool: 20 } })
  const names = ["ada", "bob", "cid"]
  const fields = { pools: ["default"], triggers: ["work"], topics: ["log.*"] }
  const ends = new Map<string, End>()
  const goesOn = goingOn(20_000)
  const outcomes = new Map<string, number>()
  let done = 0
  for (; goesOn(done); done++) {
    const name = dice.of(names)
    const known = ends.get(name)
    const isNew = known === undefined || !known.isOpen
    const features = dice.of([[], ["mixed"], ["compact"]])
    const end = isNew ? sea.app(name, { ...fields, features }, { admin: "all" }) : known
    ends.set(name, end)
    const frame = strangeFrame(dice)
    const read = poolsCodec.decode(frame)
    const outcome = read.kind === "bad" ? read.fault.code : "message"
    outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1)
    end.utters(frame)
    if (done % untilTick !== 0) continue
    sea.pass(dice.below(2) === 0 ? 100 : 700)
    for (const each of ends.values()) each.news()
    sea.log.length = 0
    assert.deepEqual(sea.faults, [], `after ${done} frames of the seed ${seed}`)
    const { triggers, pools, calls } = sea.service.kept
    assert.ok(triggers <= 50 * pools && pools <= 20, JSON.stringify(sea.service.kept))
    assert.ok(calls <= 3 * sea.service.limits.inFlightPerApp)
  }
  assert.deepEqual(sea.faults, [])
  t.diagnostic(`${done} frames: ${JSON.stringify(Object.fromEntries(outcomes))}`)
  const bad = ["bad-frame", "bad-message", "unknown-type"]
  assert.deepEqual([...outcomes.keys()].toSorted(), [...bad, "message"].toSorted())
  // Whoever is left goes, and all that they asked for goes with them.
  for (const each of ends.values()) if (each.isOpen) each.leaves()
  sea.pass(1_000)
  sea.leap(sea.service.limits.ttlLimitMs)
  assert.partialDeepStrictEqual(sea.service.kept, { sessions: 0, calls: 0, bytes: 0, unshaken: 0 })
})

test("PL1 PL2 a stream cut and spoilt by chance gives frames or ends, and keeps no more than came", (t) => {
  const dice = new Dice(seed)
  const goesOn = goingOn(2_000)
  const limit = 4_096
  let streams = 0
  let refused = 0
  for (; goesOn(streams); streams++) {
    const pieces = Array.from({ length: 1 + dice.below(6) }, () =>
      prefixFraming(strangeFrame(dice)),
    )
    const stream = Buffer.concat(pieces)
    for (let left = dice.below(3); left > 0; left--) {
      stream[dice.below(stream.length)] = dice.below(256)
    }
    const reader = new FrameReader(limit)
    let came = 0
    let gave = 0
    try {
      while (came < stream.length) {
        const chunk = stream.subarray(came, came + 1 + dice.below(200))
        came += chunk.length
        for (const frame of reader.push(chunk)) {
          assert.ok(frame.length <= limit)
          gave += 4 + frame.length
          assert.equal(typeof poolsCodec.decode(frame).kind, "string")
        }
        assert.equal(reader.begunBytes, came - gave)
      }
    } catch (thrown) {
      assert.ok(thrown instanceof WireError && thrown.code === "too-large", String(thrown))
      refused++
    }
  }
  t.diagnostic(`${streams} streams, ${refused} of them refused`)
  assert.ok(refused > 0 && refused < streams)
})

test("PL2 PL143 a server that hears frames by chance goes on for everybody else", async (t) => {
  const dice = new Dice(seed)
  const directory = temporaryDirectory(t)
  const path = join(directory, "pools.sock")
  const server = await launch(t, { DATA_DIR: directory, POOLS_SOCKET: path })
  const bob = new FramedApp(t, path)
  await bob.shakesHands("bob", { triggers: ["sure"] })
  const ada = new FramedApp(t, path)
  await ada.shakesHands("ada")
  const goesOn = goingOn(4_000)
  let done = 0
  for (let round = 0; goesOn(done); round++) {
    const eve = new FramedApp(t, path)
    const isShaken = dice.below(4) > 0
    if (isShaken) await eve.shakesHands(`eve-${round % 8}`, { instances: true })
    const pieces = Array.from({ length: 200 }, () => {
      const frame = prefixFraming(strangeFrame(dice))
      // Now and then the length is wrong, and all that follows is read from a wrong place.
      if (dice.below(150) === 0) frame[dice.below(4)] = dice.below(256)
      return frame
    })
    // What shuts the server down is an order, no accident.
    const stream = Buffer.concat(pieces.filter((each) => !/"shutdown"/.test(String(each))))
    for (let at = 0; at < stream.length && !eve.isOver; ) {
      const length = 1 + dice.below(8_000)
      eve.socket.write(stream.subarray(at, at + length))
      at += length
    }
    done += pieces.length
    eve.socket.end()
    ada.heard.length = 0
    bob.heard.length = 0
    ada.says({ type: "trigger", id: `${round}`, trigger: "sure", destination: "bob" })
    const call = await eventually(() => bob.heard.find((each) => each["trigger"] === "sure"))
    bob.says({ type: "response", correlation_id: call["id"], status: "success", result: round })
    assert.partialDeepStrictEqual(await ada.answerTo(`${round}`), { result: round })
    await eventually(() => eve.isOver)
  }
  t.diagnostic(`${done} frames`)
  const faults = server.log.filter(({ event }) => event === "internal error")
  assert.deepEqual(faults, [])
  assert.equal(server.process.exitCode, null)
})
