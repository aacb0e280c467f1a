/** What the bus over Redis promises when Redis, a connection or a process fails. Over a real Redis. */
import assert from "node:assert/strict"
import { spawn } from "node:child_process"
import { once } from "node:events"
import { type AddressInfo, createServer, type Socket } from "node:net"
import { createInterface } from "node:readline"
import { type TestContext, test } from "node:test"
import { type Bus, type Claim, type Knocked, knockAt } from "../src/bus/bus.ts"
import { eventually } from "./harness.ts"
import {
  asked,
  bytes,
  head,
  heardOn,
  joinBus,
  noRedis,
  openBus,
  type Redis,
  startRedis,
  text,
} from "./redis-parts.ts"

const skip = noRedis

function gapsOf(bus: Bus): (string | undefined)[] {
  const gaps: (string | undefined)[] = []
  bus.onGap((channel) => gaps.push(channel))
  return gaps
}

test("RL60 a Redis that is killed and comes back empty is connected to again, and what waited arrives", {
  skip,
}, async (t) => {
  const redis = await startRedis(t)
  const { bus, log } = openBus(t, redis.url)
  const gaps = gapsOf(bus)
  await eventually(() => bus.state === "ready")
  const heard = await heardOn(bus, "lfcc:doc:tea")
  await redis.kill()
  await eventually(() => bus.state === "away")
  const answers: (number | "away")[] = []
  bus.publish("lfcc:doc:tea", bytes("one"), (count) => answers.push(count))
  bus.publish("lfcc:doc:tea", bytes("two"), (count) => answers.push(count))
  assert.equal(await asked((answer) => bus.get("cup", answer)), "away")
  assert.equal(await asked<number>((answer) => bus.probe(answer)), "away")
  assert.equal(bus.figures.queuedMessages, 2)
  assert.equal(bus.figures.subscriptions, 0)
  await redis.start()
  await eventually(() => heard.length === 2)
  assert.deepEqual(heard, ["one", "two"])
  assert.deepEqual(answers, [1, 1])
  assert.deepEqual(gaps, [undefined, undefined])
  const { connection, reconnects, queuedMessages, subscriptions, dropped } = bus.figures
  assert.deepEqual(
    { connection, reconnects, queuedMessages, subscriptions, dropped },
    { connection: "connected", reconnects: 1, queuedMessages: 0, subscriptions: 1, dropped: 0 },
  )
  const events = log.map(({ event }) => event)
  assert.equal(events.filter((event) => event === "bus back").length, 1)
  assert.equal(events[0], "bus ready")
})

test("RL60 a Redis that is not there is tried again, after 100 ms at first and 5 s at most", {
  skip,
}, async (t) => {
  const waits: number[] = []
  let now: (() => void) | undefined
  const { bus, log } = openBus(t, "redis://127.0.0.1:1", {
    after: (ms, work) => {
      // What is longer than any wait is the time that connecting may take.
      if (ms <= 7_500) {
        waits.push(ms)
        now = work
      }
      return () => {}
    },
    random: (length) => new Uint8Array(length).fill(128),
  })
  while (waits.length < 9) {
    const work = await eventually(() => now)
    now = undefined
    work()
  }
  assert.deepEqual(waits, [100, 200, 400, 800, 1_600, 3_200, 5_000, 5_000, 5_000])
  assert.equal(bus.figures.connection, "error")
  // The same reason is told once.
  assert.deepEqual(
    log.map(({ event }) => event),
    ["bus away"],
  )
})

test("RL60 a Redis that accepts and says nothing is given up after 15 s, and tried again", async (t) => {
  let accepted = 0
  const server = createServer(() => accepted++).listen(0, "127.0.0.1")
  await once(server, "listening")
  t.after(() => server.close())
  const { port } = server.address() as AddressInfo // a TCP server has no path
  const works = new Map<number, () => void>()
  const { bus, log } = openBus(t, `redis://127.0.0.1:${port}`, {
    after: (ms, work) => {
      works.set(ms, work)
      return () => works.delete(ms)
    },
    random: (length) => new Uint8Array(length).fill(128),
  })
  await eventually(() => accepted === 2)
  works.get(15_000)?.()
  assert.deepEqual(
    log.map(({ event, why }) => [event, why]),
    [["bus away", "it does not answer"]],
  )
  works.get(100)?.()
  await eventually(() => accepted === 4)
  assert.equal(bus.state, "away")
})

test("RL60 who asks a Redis that accepts and says nothing is told so after 15 s", async (t) => {
  const lines: Socket[] = []
  const server = createServer((line) => lines.push(line)).listen(0, "127.0.0.1")
  await once(server, "listening")
  t.after(() => server.close())
  const { port } = server.address() as AddressInfo // a TCP server has no path
  const works = new Map<number, () => void>()
  const after = (ms: number, work: () => void) => {
    works.set(ms, work)
    return () => works.delete(ms)
  }
  const told: Knocked[] = []
  knockAt({ urls: [`redis://127.0.0.1:${port}`], after }, (knocked) => told.push(knocked))
  await eventually(() => lines.length === 2)
  const ended = lines.map((line) => once(line.resume(), "close"))
  works.get(15_000)?.()
  assert.deepEqual(told, [{ kind: "away", why: "it does not answer" }])
  await Promise.all(ended)
  assert.equal(told.length, 1)
})

test("RL60 a Redis that is held up holds up the end for two seconds at most", {
  skip,
}, async (t) => {
  const redis = await startRedis(t)
  const works = new Map<number, () => void>()
  const bus = await joinBus(t, redis.url, {
    after: (ms, work) => {
      works.set(ms, work)
      return () => works.delete(ms)
    },
  })
  redis.signal("SIGSTOP")
  const published = asked<number>((answer) => bus.publish("tea", bytes("green"), answer))
  const closed = bus.close()
  assert.equal(bus.state, "ready")
  works.get(2_000)?.()
  await closed
  assert.equal(bus.state, "away")
  assert.equal(await published, "away")
})

test("RL59 while Redis is away the oldest that waits makes room, and is told", {
  skip,
}, async (t) => {
  for (const limits of [{ busQueueMessages: 3 }, { busQueueBytes: 15 }]) {
    const redis = await startRedis(t)
    const bus = await joinBus(t, redis.url, { limits })
    const heard = await heardOn(bus, "tea")
    await redis.kill()
    await eventually(() => bus.state === "away")
    const gaps = gapsOf(bus)
    const lost: string[] = []
    for (const word of ["aa", "bb", "cc", "dd", "ee"]) {
      bus.publish("tea", bytes(word), (count) => count === "away" && lost.push(word))
      // Never within the call.
      assert.deepEqual([lost, gaps], [[], []])
      if (word === "cc") await Promise.resolve()
    }
    await eventually(() => lost.length === 2)
    assert.deepEqual(lost, ["aa", "bb"])
    assert.deepEqual(gaps, ["tea", "tea"])
    assert.equal(bus.figures.dropped, 2)
    assert.deepEqual([bus.figures.queuedMessages, bus.figures.queuedBytes], [3, 15])
    await redis.start()
    await eventually(() => heard.length === 3)
    assert.deepEqual(heard, ["cc", "dd", "ee"])
  }
})

test("RL59 with no room in the queue all is lost and told while Redis is away, and nothing else", {
  skip,
}, async (t) => {
  const redis = await startRedis(t)
  const limits = { busQueueMessages: 0, busQueueBytes: 0 }
  const bus = await joinBus(t, redis.url, { limits })
  const heard = await heardOn(bus, "tea")
  assert.equal(await asked<number>((answer) => bus.publish("tea", bytes("green"), answer)), 1)
  await redis.kill()
  await eventually(() => bus.state === "away")
  const gaps = gapsOf(bus)
  assert.equal(await asked<number>((answer) => bus.publish("tea", bytes("black"), answer)), "away")
  assert.deepEqual(gaps, ["tea"])
  await redis.start()
  await eventually(() => bus.state === "ready")
  assert.equal(await asked<number>((answer) => bus.publish("tea", bytes("white"), answer)), 1)
  await eventually(() => heard.length === 2)
  assert.deepEqual(heard, ["green", "white"])
})

test("RL59 after an outage servers make themselves known before what waited", {
  skip,
}, async (t) => {
  const redis = await startRedis(t)
  const bus = await joinBus(t, redis.url)
  const order: string[] = []
  await new Promise<void>((resolve) => {
    bus.subscribe("tea", (data) => order.push(text(data)))
    bus.subscribe("lfcc:servers", (data) => order.push(text(data)), resolve)
  })
  bus.onGap(() => bus.publish("lfcc:servers", bytes("hello")))
  await redis.kill()
  await eventually(() => bus.state === "away")
  for (const word of ["one", "two"]) bus.publish("tea", bytes(word))
  await redis.start()
  await eventually(() => order.length === 3)
  assert.deepEqual(order, ["hello", "one", "two"])
})

for (const kind of ["pubsub", "normal"] as const) {
  test(`RL60 when Redis ends only the ${kind} connection both are made anew, and a gap is told`, {
    skip,
  }, async (t) => {
    const redis = await startRedis(t)
    const bus = await joinBus(t, redis.url)
    const heard = await heardOn(bus, "tea")
    const gaps = gapsOf(bus)
    assert.equal(Number(await redis.run("CLIENT", "KILL", "TYPE", kind, "SKIPME", "yes")) > 0, true)
    await eventually(() => gaps.includes(undefined))
    assert.equal(await asked<number>((answer) => bus.publish("tea", bytes("green"), answer)), 1)
    await eventually(() => heard.length === 1)
    // The test's own, and two of this life: nothing of the first is left.
    const clients = async () => String(await redis.run("CLIENT", "LIST")).match(/^id=/gm)?.length
    while ((await clients()) !== 3);
  })
}

test("RL60 while Redis is held up nothing is lost that fits, and all arrives in order", {
  skip,
}, async (t) => {
  const redis = await startRedis(t)
  const [ada, bob] = [await joinBus(t, redis.url), await joinBus(t, redis.url)]
  const heard = await heardOn(bob, "tea")
  redis.signal("SIGSTOP")
  const words = Array.from({ length: 3_000 }, (_, index) => `word ${index}`)
  for (const word of words) ada.publish("tea", bytes(word))
  assert.equal(ada.figures.queuedMessages, 2_000)
  redis.signal("SIGCONT")
  await eventually(() => heard.length === words.length)
  assert.deepEqual(heard, words)
})

/** A bus in a process of its own, and what it says it heard: words, and `gap`. */
async function farBus(t: TestContext, redis: Redis) {
  const program = `
    import { openBus } from ${JSON.stringify(new URL("./redis-parts.ts", import.meta.url).href)}
    const { bus } = openBus({ after() {} }, ${JSON.stringify(redis.url)})
    bus.onGap((channel) => console.log("gap " + channel))
    bus.subscribe("tea", (data) => console.log(data.length > 100 ? "long" : Buffer.from(data).toString("latin1", 3)), () => console.log("ready"))`
  const words = ["--input-type=module", "--eval", program]
  const child = spawn(process.execPath, words, { stdio: ["ignore", "pipe", "inherit"] })
  t.after(() => child.kill("SIGKILL"))
  const heard: string[] = []
  createInterface({ input: child.stdout }).on("line", (line) => heard.push(line))
  await eventually(() => heard.includes("ready"))
  heard.length = 0
  return { child, heard }
}

test("RL60 a process that was held up hears all that Redis kept for it", { skip }, async (t) => {
  const redis = await startRedis(t)
  const { child, heard } = await farBus(t, redis)
  const bus = await joinBus(t, redis.url)
  child.kill("SIGSTOP")
  const words = Array.from({ length: 500 }, (_, index) => `word ${index}`)
  for (const word of words) bus.publish("tea", bytes(word))
  assert.equal(await asked<number>((answer) => bus.publish("tea", bytes("last"), answer)), 1)
  child.kill("SIGCONT")
  await eventually(() => heard.includes("last"))
  assert.deepEqual(heard, [...words, "last"])
})

test("RL60 a process that was held up until Redis cut it off is told that it may have missed something", {
  skip,
}, async (t) => {
  const redis = await startRedis(t, "--client-output-buffer-limit", "pubsub 1mb 1mb 1")
  const { child, heard } = await farBus(t, redis)
  const bus = await joinBus(t, redis.url)
  child.kill("SIGSTOP")
  const long = Buffer.concat([head, Buffer.alloc(200_000)])
  const publish = () => asked<number>((answer) => bus.publish("tea", long, answer))
  while ((await publish()) !== 0);
  child.kill("SIGCONT")
  await eventually(() => heard.includes("gap undefined"))
  bus.publish("tea", bytes("last"))
  await eventually(() => heard.includes("last"))
})

test("RL62 ten thousand channels are subscribed anew after a restart, each heard only once Redis has it", {
  skip,
}, async (t) => {
  const redis = await startRedis(t)
  const bus = await joinBus(t, redis.url)
  const count = 10_000
  let confirmed = 0
  for (let index = 0; index < count; index++) {
    bus.subscribe(
      `lfcc:doc:${index}`,
      () => {},
      () => confirmed++,
    )
  }
  assert.equal(bus.figures.subscriptions, 0)
  await eventually(() => confirmed === count)
  assert.equal(bus.figures.subscriptions, count)
  await redis.kill()
  await eventually(() => bus.state === "away")
  assert.equal(bus.figures.subscriptions, 0)
  await redis.start()
  const began = performance.now()
  await eventually(() => bus.state === "ready")
  t.diagnostic(
    `${count} channels again, with connecting: ${Math.round(performance.now() - began)} ms`,
  )
  assert.equal(bus.figures.subscriptions, count)
  const names = (await redis.run("PUBSUB", "CHANNELS", "lfcc:doc:*")) as string[]
  assert.equal(names.length, count)
  // Each `confirmed` was called once.
  assert.equal(confirmed, count)
})

test("RL62 who ends a subscription before Redis has confirmed it leaves nothing there", {
  skip,
}, async (t) => {
  const redis = await startRedis(t)
  const bus = await joinBus(t, redis.url)
  let isConfirmed = false
  const forget = bus.subscribe(
    "tea",
    () => {},
    () => (isConfirmed = true),
  )
  await Promise.resolve()
  await Promise.resolve()
  forget()
  await heardOn(bus, "marker")
  await heardOn(bus, "marker 2")
  assert.equal(await asked<number>((answer) => bus.publish("tea", bytes("green"), answer)), 0)
  assert.equal(isConfirmed, false)
  // And who comes back at once is heard.
  bus.subscribe("cup", () => {})()
  const heard = await heardOn(bus, "cup")
  bus.publish("cup", bytes("full"))
  await eventually(() => heard.length === 1)
})

test("RL66 clocks an hour apart tell one time on the bus, and change no claim", {
  skip,
}, async (t) => {
  const redis = await startRedis(t)
  const hour = 3_600_000
  let jump = 0
  const ada = await joinBus(t, redis.url, { server: "ada", now: () => Date.now() - hour + jump })
  const bob = await joinBus(t, redis.url, { server: "bob", now: () => Date.now() + hour })
  const isClose = (bus: Bus) => Math.abs(bus.now() - Date.now()) < 1_000
  assert.ok(isClose(ada) && isClose(bob))
  const claim = (bus: Bus) => asked<Claim>((answer) => bus.claim("pot", bus.server, 60_000, answer))
  const first = await claim(ada)
  assert.ok(first !== "away" && first.value === "ada")
  assert.deepEqual(await claim(bob), first)
  assert.equal(await asked<boolean>((answer) => ada.renew(first, 0, answer)), true)
  const second = await claim(bob)
  assert.ok(second !== "away" && second.value === "bob" && second.fence > first.fence)
  // A clock that is set meanwhile is noticed: the difference is measured again.
  jump = hour / 2
  assert.ok(!isClose(ada))
  await asked<number>((answer) => ada.probe(answer))
  await eventually(() => isClose(ada))
})
