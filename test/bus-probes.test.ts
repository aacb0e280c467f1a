/** How the bus over Redis notices that nothing reaches it any more. Over a real Redis. */
import assert from "node:assert/strict"
import { test } from "node:test"
import type { Bus } from "../src/bus/bus.ts"
import { eventually } from "./harness.ts"
import { asked, bytes, heardOn, joinBus, noRedis, SpoiltLine, startRedis } from "./redis-parts.ts"

const skip = noRedis

function gapsOf(bus: Bus): (string | undefined)[] {
  const gaps: (string | undefined)[] = []
  bus.onGap((channel) => gaps.push(channel))
  return gaps
}

test("RL63 a message that nobody heard shows that our subscription is gone: it is made anew and told as a gap", {
  skip,
}, async (t) => {
  const redis = await startRedis(t)
  const line = await new SpoiltLine(redis).start(t)
  const bus = await joinBus(t, line.url)
  const [tea, cup] = [await heardOn(bus, "lfcc:doc:tea"), await heardOn(bus, "lfcc:doc:cup")]
  const gaps = gapsOf(bus)
  line.forget("lfcc:doc:tea")
  const listeners = async () => {
    const counted = (await redis.run("PUBSUB", "NUMSUB", "lfcc:doc:tea")) as unknown[] // name, number
    return Number(counted[1])
  }
  while ((await listeners()) > 0);
  const publish = (channel: string, word: string) =>
    asked<number>((answer) => bus.publish(channel, bytes(word), answer))
  assert.equal(await publish("lfcc:doc:tea", "lost"), 0)
  await eventually(() => gaps.length > 0)
  assert.deepEqual(gaps, ["lfcc:doc:tea"])
  assert.equal(bus.figures.subscriptions, 2)
  assert.equal(await publish("lfcc:doc:tea", "green"), 1)
  assert.equal(await publish("lfcc:doc:cup", "full"), 1)
  await eventually(() => tea.length + cup.length === 2)
  assert.deepEqual([tea, cup], [["green"], ["full"]])
  // Where we do not listen it is no sign of anything.
  assert.equal(await publish("lfcc:server:other", "hello"), 0)
  assert.deepEqual(gaps, ["lfcc:doc:tea"])
})

test("RL63 the subscription of one server that Redis forgot is made anew, though others hear what that one says", {
  skip,
}, async (t) => {
  const redis = await startRedis(t)
  const line = await new SpoiltLine(redis).start(t)
  const bus = await joinBus(t, line.url)
  const other = await joinBus(t, redis.url, { server: "bob" })
  const [heard, gaps] = [await heardOn(bus, "lfcc:doc:tea"), gapsOf(bus)]
  const heardByOther = await heardOn(other, "lfcc:doc:tea")
  line.forget("lfcc:doc:tea")
  const listeners = async () => {
    const counted = (await redis.run("PUBSUB", "NUMSUB", "lfcc:doc:tea")) as unknown[] // name, number
    return Number(counted[1])
  }
  while ((await listeners()) > 1);
  const publish = (word: string) =>
    asked<number>((answer) => bus.publish("lfcc:doc:tea", bytes(word), answer))
  // The count alone says nothing: somebody heard it.
  assert.equal(await publish("one"), 1)
  assert.deepEqual(gaps, [])
  // What was said before a probe, and has not come back when it does, never will.
  assert.notEqual(await asked<number>((answer) => bus.probe(answer)), "away")
  await eventually(() => gaps.length > 0)
  assert.deepEqual(gaps, ["lfcc:doc:tea"])
  assert.equal(await publish("two"), 2)
  await eventually(() => heard.length === 1)
  assert.deepEqual([heard, heardByOther], [["two"], ["one", "two"]])
  // Where all comes back, nothing is made anew.
  for (let times = 0; times < 20; times++) {
    publish("more")
    assert.notEqual(await asked<number>((answer) => bus.probe(answer)), "away")
  }
  assert.equal(gaps.length, 1)
  assert.equal(bus.figures.reconnects, 0)
})

test("RL64 a line that looks open and carries nothing gives back no probe, and is made anew when it is asked for", {
  skip,
}, async (t) => {
  const redis = await startRedis(t)
  const line = await new SpoiltLine(redis).start(t)
  const bus = await joinBus(t, line.url)
  const heard = await heardOn(bus, "tea")
  const gaps = gapsOf(bus)
  const took = await asked<number>((answer) => bus.probe(answer))
  assert.ok(took !== "away" && took >= 0)
  line.freeze()
  const probed = asked<number>((answer) => bus.probe(answer))
  const published = asked<number>((answer) => bus.publish("tea", bytes("lost"), answer))
  assert.equal(bus.state, "ready")
  bus.reconnect()
  assert.equal(await probed, "away")
  assert.equal(await published, "away")
  await eventually(() => gaps.includes(undefined))
  assert.notEqual(await asked<number>((answer) => bus.probe(answer)), "away")
  bus.publish("tea", bytes("green"))
  await eventually(() => heard.length === 1)
  assert.deepEqual(heard, ["green"])
})

test("RL64 what carries messages is not made anew because a probe is late, but is when it never comes", {
  skip,
}, async (t) => {
  const redis = await startRedis(t)
  const line = await new SpoiltLine(redis).start(t)
  let at = Date.now()
  const now = () => at
  const bus = await joinBus(t, line.url, { random: (length) => new Uint8Array(length), now })
  const heard = await heardOn(bus, "tea")
  const probe = `lfcc:probe:${"00".repeat(8)}`
  line.forget(probe)
  const listeners = async () => {
    const counted = (await redis.run("PUBSUB", "NUMSUB", probe)) as unknown[] // name, number
    return Number(counted[1])
  }
  while ((await listeners()) > 0);
  const probed = asked<number>((answer) => bus.probe(answer))
  const carries = async () => {
    const before = heard.length
    assert.equal(await asked((answer) => bus.publish("tea", bytes("green"), answer)), 1)
    await eventually(() => heard.length > before)
  }
  await carries()
  bus.reconnect()
  assert.equal(bus.state, "ready")
  at += 20_000
  await carries()
  bus.reconnect()
  assert.equal(bus.state, "away")
  assert.equal(await probed, "away")
  await eventually(() => bus.state === "ready")
  assert.notEqual(await asked<number>((answer) => bus.probe(answer)), "away")
})
