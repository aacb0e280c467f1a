/** What a bus promises, once for each kind of bus there is: in memory, and over Redis. */
import assert from "node:assert/strict"
import { type TestContext, test } from "node:test"
import fc from "fast-check"
import type { Bus, Claim } from "../src/bus/bus.ts"
import { MemoryHub } from "../src/bus/memory.ts"
import { Log } from "../src/log.ts"
import type { Answer } from "../src/service.ts"
import { eventually } from "./harness.ts"
import { joinBus, noRedis, startRedis } from "./redis-parts.ts"

/** Several servers on one bus, and what a test may do to them. */
interface World {
  /** A bus that is ready. */
  join(server: string): Promise<Bus>
  /** Lets the time of claims and values pass. */
  pass(ms: number): Promise<void>
  /** Loses something that `bus` listens to, or pretends to. */
  gap(bus: Bus, channel: string | undefined): Promise<void>
  /** How many messages may be published in one turn. */
  readonly room: number
}

interface Kind {
  readonly begin: (t: TestContext) => Promise<World>
  readonly skip: string | false
  /** How many worlds of actions a property is tried with. */
  readonly numRuns: number
}

async function memory(): Promise<World> {
  const hub = new MemoryHub()
  let now = 1_700_000_000_000
  const log = new Log("silent")
  return {
    join: async (server) => hub.join({ server, now: () => now, log }),
    pass: async (ms) => {
      now += ms
    },
    gap: async (_, channel) => hub.gap(channel),
    room: 10_000,
  }
}

async function redis(t: TestContext): Promise<World> {
  const redis = await startRedis(t)
  let passed = 0
  return {
    join: (server) => joinBus(t, redis.url, { server, now: () => Date.now() + passed }),
    // What Redis keeps ends so much sooner.
    pass: async (ms) => {
      passed += ms
      const names = (await redis.run("KEYS", "*")) as string[] // the answer of KEYS
      for (const name of names) {
        const left = Number(await redis.run("PTTL", name)) - ms
        await redis.run("PEXPIRE", name, String(left))
      }
    },
    gap: async (bus, channel) => {
      if (channel === undefined) bus.reconnect()
      // It names a key that is not there.
      else await redis.run("PUBLISH", channel, "\u0001\u0002\u0001nothing")
    },
    room: 11_000,
  }
}

const kinds: Readonly<Record<string, Kind>> = {
  memory: { begin: memory, skip: false, numRuns: 200 },
  redis: { begin: redis, skip: noRedis, numRuns: 20 },
}

/** What is answered to `question`. */
function asked<T>(question: (answer: Answer<T>) => void): Promise<T | "away"> {
  return new Promise(question)
}

/** The claim that stands after `bus` asked for `name`. */
async function claimed(bus: Bus, name: string, forMs: number): Promise<Claim> {
  const claim = await asked<Claim>((answer) => bus.claim(name, bus.server, forMs, answer))
  assert(claim !== "away")
  return claim
}

function subscribed(bus: Bus, channel: string, heard: string[]): Promise<() => void> {
  return new Promise((resolve) => {
    const forget = bus.subscribe(
      channel,
      (data) => heard.push(text(data)),
      () => resolve(forget),
    )
  })
}

/** Publishes `words` in one turn and waits until the last one was taken. */
async function say(bus: Bus, channel: string, ...words: string[]): Promise<number | "away"> {
  const last = words.pop() ?? ""
  for (const word of words) bus.publish(channel, bytes(word))
  return asked<number>((answer) => bus.publish(channel, bytes(last), answer))
}

/** Waits until all that `from` published before has come to `to`. */
async function delivered(from: Bus, to: Bus): Promise<void> {
  const heard: string[] = []
  const forget = await subscribed(to, "marker", heard)
  await say(from, "marker", "here")
  await eventually(() => heard.length > 0)
  forget()
}

// What every message of the bus begins with.
const head = Uint8Array.of(1, 2, 0)
const bytes = (word: string) => Buffer.concat([head, Buffer.from(word)])
const text = (data: Uint8Array) => new TextDecoder().decode(data.subarray(head.length))

for (const [kind, { begin, skip, numRuns }] of Object.entries(kinds)) {
  test(`SV31 messages arrive in order, at all other servers, once (${kind})`, {
    skip,
  }, async (t) => {
    const world = await begin(t)
    const [ada, bob] = [await world.join("ada"), await world.join("bob")]
    const eve = await world.join("eve")
    const heard: Record<"ada" | "bob" | "eve", string[]> = { ada: [], bob: [], eve: [] }
    await subscribed(ada, "tea", heard.ada)
    await subscribed(bob, "tea", heard.bob)
    await subscribed(eve, "tea", heard.eve)
    const words = Array.from({ length: 500 }, (_, index) => `word ${index}`)
    assert.equal(await say(ada, "tea", ...words), 3)
    for (const far of [bob, eve]) await delivered(ada, far)
    // One's own may come back.
    assert.deepEqual(heard, { ada: heard.ada.length === 0 ? [] : words, bob: words, eve: words })
  })

  test(`SV31 a message is heard on its own channel only (${kind})`, { skip }, async (t) => {
    const world = await begin(t)
    const [ada, bob] = [await world.join("ada"), await world.join("bob")]
    const heard: string[] = []
    await subscribed(bob, "tea", heard)
    assert.equal(await say(ada, "coffee", "black"), 0)
    assert.equal(await say(ada, "tea", "green"), 1)
    await delivered(ada, bob)
    assert.deepEqual(heard, ["green"])
  })

  test(`SV31 a message comes later than the call that published it (${kind})`, {
    skip,
  }, async (t) => {
    const world = await begin(t)
    const [ada, bob] = [await world.join("ada"), await world.join("bob")]
    const heard: string[] = []
    await subscribed(bob, "tea", heard)
    const answers: (number | "away")[] = []
    const done = asked<number>((answer) => {
      ada.publish("tea", bytes("green"), (count) => {
        answers.push(count)
        answer(count)
      })
    })
    assert.deepEqual([heard, answers], [[], []])
    await done
    await delivered(ada, bob)
    assert.deepEqual([heard, answers], [["green"], [1]])
  })

  test(`SV31 who has ended a subscription hears nothing more on it (${kind})`, {
    skip,
  }, async (t) => {
    const world = await begin(t)
    const [ada, bob] = [await world.join("ada"), await world.join("bob")]
    const first: string[] = []
    const second: string[] = []
    const forget = await subscribed(bob, "tea", first)
    await subscribed(bob, "tea", second)
    await say(ada, "tea", "green")
    await delivered(ada, bob)
    forget()
    forget()
    assert.equal(await say(ada, "tea", "black"), 1)
    await delivered(ada, bob)
    assert.deepEqual([first, second], [["green"], ["green", "black"]])
  })

  test(`SV31 a listener may end another while it hears (${kind})`, { skip }, async (t) => {
    const world = await begin(t)
    const [ada, bob] = [await world.join("ada"), await world.join("bob")]
    const heard: string[] = []
    bob.subscribe("tea", () => forget())
    const forget = await subscribed(bob, "tea", heard)
    await say(ada, "tea", "green")
    await delivered(ada, bob)
    assert.deepEqual(heard, [])
  })

  test(`SV31 a listener that throws keeps nobody else from hearing (${kind})`, {
    skip,
  }, async (t) => {
    const world = await begin(t)
    const [ada, bob] = [await world.join("ada"), await world.join("bob")]
    const heard: string[] = []
    bob.subscribe("tea", () => {
      throw new Error("a fault")
    })
    await subscribed(bob, "tea", heard)
    await say(ada, "tea", "green", "black")
    await delivered(ada, bob)
    assert.deepEqual(heard, ["green", "black"])
  })

  test(`SV31 a loss is told, on its channel or on all (${kind})`, { skip }, async (t) => {
    const world = await begin(t)
    const [ada, bob] = [await world.join("ada"), await world.join("bob")]
    const gaps: (string | undefined)[] = []
    await subscribed(bob, "tea", [])
    const forget = bob.onGap((channel) => gaps.push(channel))
    await world.gap(bob, "tea")
    await eventually(() => gaps.length === 1)
    await world.gap(bob, undefined)
    await eventually(() => gaps.length === 2)
    assert.deepEqual(gaps, ["tea", undefined])
    forget()
    await world.gap(bob, "tea")
    await delivered(ada, bob)
    assert.equal(gaps.length, 2)
  })

  test(`SV31 what does not fit into the queue is told as a loss (${kind})`, { skip }, async (t) => {
    const world = await begin(t)
    const [ada, bob] = [await world.join("ada"), await world.join("bob")]
    const heard: string[] = []
    const gaps = new Set<string | undefined>()
    await subscribed(bob, "tea", heard)
    ada.onGap((channel) => gaps.add(channel))
    const answers: (number | "away")[] = []
    for (let index = 0; index < world.room + 5; index += 1) {
      ada.publish("tea", bytes(`${index}`), (count) => answers.push(count))
    }
    assert.notEqual(await say(ada, "tea", "last"), "away")
    await delivered(ada, bob)
    assert.equal(heard.length, world.room)
    assert.equal(heard.pop(), "last")
    const numbers = heard.map(Number)
    assert.deepEqual(
      numbers,
      numbers.toSorted((a, b) => a - b),
    )
    assert.equal(numbers.at(-1), world.room + 4)
    assert.equal(answers.filter((answer) => answer === "away").length, 6)
    // Who could not say it knows that it is missing.
    assert.deepEqual(gaps, new Set(["tea"]))
  })

  test(`SV31 alone it is complete (${kind})`, { skip }, async (t) => {
    const world = await begin(t)
    const bus = await world.join("ada")
    assert.equal(bus.state, "ready")
    assert.equal(await say(bus, "tea", "green"), 0)
    const took = await asked<number>((answer) => bus.probe(answer))
    assert(took !== "away" && took >= 0)
    const before = bus.now()
    await world.pass(60_000)
    assert(bus.now() >= before + 60_000)
  })

  test(`SV31 whoever asks a bus that was closed is answered "away" (${kind})`, {
    skip,
  }, async (t) => {
    const world = await begin(t)
    const bob = await world.join("bob")
    const heard: string[] = []
    await subscribed(bob, "tea", heard)
    const pending = asked<Claim>((answer) => bob.claim("pot", "bob", 60_000, answer))
    await bob.close()
    assert.equal(await pending, "away")
    assert.equal(bob.state, "away")
    assert.deepEqual(heard, [])
    assert.equal(await say(bob, "tea", "black"), "away")
    assert.equal(await asked<Claim>((answer) => bob.claim("cup", "bob", 1, answer)), "away")
    assert.equal(await asked((answer) => bob.get("cup", answer)), "away")
    assert.equal(await asked<number>((answer) => bob.probe(answer)), "away")
  })

  test(`SV31 a value is kept for its time (${kind})`, { skip }, async (t) => {
    const world = await begin(t)
    const [ada, bob] = [await world.join("ada"), await world.join("bob")]
    ada.put("pot", bytes("full"), 60_000)
    const read = () => asked<Uint8Array | undefined>((answer) => bob.get("pot", answer))
    assert.deepEqual(await read(), bytes("full"))
    ada.put("pot", bytes("half"), 60_000)
    // What one server puts another sees once it is there.
    await asked<Uint8Array | undefined>((answer) => ada.get("pot", answer))
    await world.pass(30_000)
    assert.deepEqual(await read(), bytes("half"))
    await world.pass(30_000)
    assert.equal(await read(), undefined)
  })

  test(`SV32 a value is put with a claim only while the claim stands (${kind})`, {
    skip,
  }, async (t) => {
    const world = await begin(t)
    const [ada, bob] = [await world.join("ada"), await world.join("bob")]
    const read = () => asked<Uint8Array | undefined>((answer) => bob.get("pot", answer))
    const claim = await claimed(ada, "kitchen", 30_000)
    ada.put("pot", bytes("full"), 600_000, claim)
    assert.deepEqual(await read(), bytes("full"))
    assert.equal(await asked<boolean>((answer) => ada.renew(claim, 60_000, answer)), true)
    await world.pass(60_000)
    assert.deepEqual(await read(), bytes("full"))
    ada.put("pot", bytes("late"), 600_000, claim)
    await asked<Uint8Array | undefined>((answer) => ada.get("pot", answer))
    assert.deepEqual(await read(), bytes("full"))
  })

  test(`SV32 a name has one holder, until its time is over or it is given up (${kind})`, {
    skip,
  }, async (t) => {
    const world = await begin(t)
    const [ada, bob] = [await world.join("ada"), await world.join("bob")]
    const renew = (claim: Claim, forMs: number) =>
      asked<boolean>((answer) => ada.renew(claim, forMs, answer))
    const first = await claimed(ada, "pot", 100_000)
    assert.equal(first.value, "ada")
    assert.deepEqual(await claimed(bob, "pot", 100_000), first)
    await world.pass(70_000)
    assert.equal(await renew(first, 100_000), true)
    await world.pass(70_000)
    assert.deepEqual(await claimed(bob, "pot", 100_000), first)
    await world.pass(30_000)
    const second = await claimed(bob, "pot", 100_000)
    assert.equal(second.value, "bob")
    assert(second.fence > first.fence)
    assert.equal(await renew(first, 100_000), false)
    assert.equal(await asked<boolean>((answer) => bob.renew(second, 0, answer)), true)
    assert.equal(await asked<boolean>((answer) => bob.renew(second, 100_000, answer)), false)
    assert((await claimed(ada, "pot", 100_000)).fence > second.fence)
  })

  test(`SV32 whatever is asked, no two hold a name and fences only grow (${kind})`, {
    skip,
  }, async (t) => {
    const action = fc.record({
      server: fc.nat(2),
      name: fc.constantFrom("pot", "cup"),
      what: fc.constantFrom("claim", "renew", "give up", "pass"),
      ms: fc.integer({ min: 1, max: 10 }).map((times) => times * 10_000),
    })
    await fc.assert(
      fc.asyncProperty(fc.array(action, { maxLength: 60 }), async (actions) => {
        const world = await begin(t)
        const servers = await Promise.all(["ada", "bob", "eve"].map((name) => world.join(name)))
        const holders = new Map<string, { claim: Claim; until: number }>()
        const fences = new Map<string, number>()
        let now = 0
        for (const { server, name, what, ms } of actions) {
          const bus = servers[server] as Bus // there are three
          const holder = holders.get(name)
          const stands = holder !== undefined && now < holder.until
          if (what === "pass") {
            await world.pass(ms)
            now += ms
          } else if (what === "claim") {
            const claim = await claimed(bus, name, ms)
            if (stands) assert.deepEqual(claim, holder.claim)
            else {
              assert(claim.fence > (fences.get(name) ?? -1))
              fences.set(name, claim.fence)
              holders.set(name, { claim, until: now + ms })
            }
          } else if (holder !== undefined) {
            const forMs = what === "renew" ? ms : 0
            const stood = await asked<boolean>((answer) => bus.renew(holder.claim, forMs, answer))
            assert.equal(stood, stands)
            if (stood) holders.set(name, { claim: holder.claim, until: now + forMs })
          }
        }
      }),
      { numRuns },
    )
  })
}

test("SV31 a message larger than the queue is lost and told", async () => {
  const world = await memory()
  const [ada, bob] = [await world.join("ada"), await world.join("bob")]
  const gaps: (string | undefined)[] = []
  bob.onGap((channel) => gaps.push(channel))
  const large = new Uint8Array(9 * 1024 * 1024)
  assert.equal(await asked<number>((answer) => ada.publish("tea", large, answer)), "away")
  assert.equal(await say(ada, "tea", "marker"), 0)
  assert.deepEqual(gaps, ["tea"])
})

test("SV32 with no room for one more claim nobody is told that it stands", async () => {
  const world = await memory()
  const bus = await world.join("ada")
  for (let index = 0; index < 100_000; index += 1) bus.claim(`${index}`, "ada", 1_000, () => {})
  assert.equal(await asked<Claim>((answer) => bus.claim("more", "ada", 1_000, answer)), "away")
  bus.put("value", bytes("lost"), 1_000)
  assert.equal(await asked((answer) => bus.get("value", answer)), undefined)
  await world.pass(1_000)
  assert.equal((await claimed(bus, "more", 1_000)).value, "ada")
})
