/** What a bus promises, once for each kind of bus there is. */
import assert from "node:assert/strict"
import { test } from "node:test"
import fc from "fast-check"
import { type Bus, type Claim, createBus } from "../src/bus/bus.ts"
import { MemoryHub } from "../src/bus/memory.ts"
import { Log } from "../src/log.ts"
import type { Answer } from "../src/service.ts"

/** Several servers on one bus, and what a test may do to them. */
interface World {
  join(server: string): Bus
  /** Lets the time of claims and values pass. */
  pass(ms: number): void
  /** Loses something, or pretends to. */
  gap(channel: string | undefined): void
}

function memory(): World {
  const hub = new MemoryHub()
  let now = 1_700_000_000_000
  const log = new Log("silent")
  return {
    join: (server) => createBus({ server, now: () => now, log }, hub),
    pass: (ms) => {
      now += ms
    },
    gap: (channel) => hub.gap(channel),
  }
}

const kinds: Readonly<Record<string, () => World>> = { memory }

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

/** Publishes `words` in one turn and waits until the last one was delivered. */
async function say(bus: Bus, channel: string, ...words: string[]): Promise<number | "away"> {
  const last = words.pop() ?? ""
  for (const word of words) bus.publish(channel, bytes(word))
  return asked<number>((answer) => bus.publish(channel, bytes(last), answer))
}

const bytes = (word: string) => new TextEncoder().encode(word)
const text = (data: Uint8Array) => new TextDecoder().decode(data)

for (const [kind, begin] of Object.entries(kinds)) {
  test(`SV31 messages arrive in order, at all other servers, once (${kind})`, async () => {
    const world = begin()
    const [ada, bob, eve] = [world.join("ada"), world.join("bob"), world.join("eve")]
    const heard: Record<"ada" | "bob" | "eve", string[]> = { ada: [], bob: [], eve: [] }
    await subscribed(ada, "tea", heard.ada)
    await subscribed(bob, "tea", heard.bob)
    await subscribed(eve, "tea", heard.eve)
    const words = Array.from({ length: 500 }, (_, index) => `word ${index}`)
    assert.equal(await say(ada, "tea", ...words), 3)
    assert.deepEqual(heard, { ada: [], bob: words, eve: words })
  })

  test(`SV31 a message is heard on its own channel only (${kind})`, async () => {
    const world = begin()
    const [ada, bob] = [world.join("ada"), world.join("bob")]
    const heard: string[] = []
    await subscribed(bob, "tea", heard)
    assert.equal(await say(ada, "coffee", "black"), 0)
    assert.equal(await say(ada, "tea", "green"), 1)
    assert.deepEqual(heard, ["green"])
  })

  test(`SV31 a message comes later than the call that published it (${kind})`, async () => {
    const world = begin()
    const [ada, bob] = [world.join("ada"), world.join("bob")]
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
    assert.deepEqual([heard, answers], [["green"], [1]])
  })

  test(`SV31 who has ended a subscription hears nothing more on it (${kind})`, async () => {
    const world = begin()
    const [ada, bob] = [world.join("ada"), world.join("bob")]
    const first: string[] = []
    const second: string[] = []
    const forget = await subscribed(bob, "tea", first)
    await subscribed(bob, "tea", second)
    await say(ada, "tea", "green")
    forget()
    forget()
    assert.equal(await say(ada, "tea", "black"), 1)
    assert.deepEqual([first, second], [["green"], ["green", "black"]])
  })

  test(`SV31 a listener may end another while it hears (${kind})`, async () => {
    const world = begin()
    const [ada, bob] = [world.join("ada"), world.join("bob")]
    const heard: string[] = []
    bob.subscribe("tea", () => forget())
    const forget = await subscribed(bob, "tea", heard)
    await say(ada, "tea", "green")
    assert.deepEqual(heard, [])
  })

  test(`SV31 a listener that throws keeps nobody else from hearing (${kind})`, async () => {
    const world = begin()
    const [ada, bob] = [world.join("ada"), world.join("bob")]
    const heard: string[] = []
    bob.subscribe("tea", () => {
      throw new Error("a fault")
    })
    await subscribed(bob, "tea", heard)
    await say(ada, "tea", "green", "black")
    assert.deepEqual(heard, ["green", "black"])
  })

  test(`SV31 a loss is told, on its channel or on all (${kind})`, async () => {
    const world = begin()
    const [ada, bob] = [world.join("ada"), world.join("bob")]
    const gaps: (string | undefined)[] = []
    const forget = bob.onGap((channel) => gaps.push(channel))
    world.gap("tea")
    world.gap(undefined)
    await say(ada, "tea", "marker")
    assert.deepEqual(gaps, ["tea", undefined])
    forget()
    world.gap("tea")
    await say(ada, "tea", "marker")
    assert.equal(gaps.length, 2)
  })

  test(`SV31 what does not fit into the queue is told as a loss (${kind})`, async () => {
    const world = begin()
    const [ada, bob] = [world.join("ada"), world.join("bob")]
    const heard: string[] = []
    const gaps = new Set<string | undefined>()
    await subscribed(bob, "tea", heard)
    bob.onGap((channel) => gaps.add(channel))
    const answers: (number | "away")[] = []
    for (let index = 0; index < 10_005; index += 1) {
      ada.publish("tea", bytes(`${index}`), (count) => answers.push(count))
    }
    await say(ada, "tea", "last")
    assert.equal(heard.length, 10_000)
    assert.equal(heard[0], "6")
    assert.equal(heard.at(-1), "last")
    assert.deepEqual(gaps, new Set(["tea"]))
    assert.equal(answers.filter((answer) => answer === "away").length, 6)
  })

  test(`SV31 a message larger than the queue is lost and told (${kind})`, async () => {
    const world = begin()
    const [ada, bob] = [world.join("ada"), world.join("bob")]
    const gaps: (string | undefined)[] = []
    bob.onGap((channel) => gaps.push(channel))
    const large = new Uint8Array(9 * 1024 * 1024)
    assert.equal(await asked<number>((answer) => ada.publish("tea", large, answer)), "away")
    assert.equal(await say(ada, "tea", "marker"), 0)
    assert.deepEqual(gaps, ["tea"])
  })

  test(`SV31 alone it is complete (${kind})`, async () => {
    const world = begin()
    const bus = world.join("ada")
    assert.equal(bus.state, "ready")
    assert.equal(await say(bus, "tea", "green"), 0)
    const took = await asked<number>((answer) => bus.probe(answer))
    assert(took !== "away" && took >= 0)
    const before = bus.now()
    world.pass(100)
    assert(bus.now() >= before + 100)
  })

  test(`SV31 whoever asks a bus that was closed is answered "away" (${kind})`, async () => {
    const world = begin()
    const [ada, bob] = [world.join("ada"), world.join("bob")]
    const heard: string[] = []
    await subscribed(bob, "tea", heard)
    const pending = asked<Claim>((answer) => bob.claim("pot", "bob", 1_000, answer))
    await bob.close()
    assert.equal(await pending, "away")
    assert.equal(bob.state, "away")
    assert.equal(await say(ada, "tea", "green"), 0)
    assert.deepEqual(heard, [])
    assert.equal(await say(bob, "tea", "black"), "away")
    assert.equal(await asked<Claim>((answer) => bob.claim("cup", "bob", 1, answer)), "away")
    assert.equal(await asked((answer) => bob.get("cup", answer)), "away")
    assert.equal(await asked<number>((answer) => bob.probe(answer)), "away")
  })

  test(`SV31 a value is kept for its time (${kind})`, async () => {
    const world = begin()
    const [ada, bob] = [world.join("ada"), world.join("bob")]
    ada.put("pot", bytes("full"), 1_000)
    const read = () => asked<Uint8Array | undefined>((answer) => bob.get("pot", answer))
    assert.deepEqual(await read(), bytes("full"))
    ada.put("pot", bytes("half"), 1_000)
    world.pass(999)
    assert.deepEqual(await read(), bytes("half"))
    world.pass(1)
    assert.equal(await read(), undefined)
  })

  test(`SV32 a value put with a claim is kept only while the claim stands (${kind})`, async () => {
    const world = begin()
    const [ada, bob] = [world.join("ada"), world.join("bob")]
    const read = () => asked<Uint8Array | undefined>((answer) => bob.get("pot", answer))
    const claim = await claimed(ada, "kitchen", 500)
    ada.put("pot", bytes("full"), 10_000, claim)
    assert.deepEqual(await read(), bytes("full"))
    world.pass(500)
    assert.equal(await read(), undefined)
    ada.put("pot", bytes("late"), 10_000, claim)
    assert.equal(await read(), undefined)
  })

  test(`SV32 a name has one holder, until its time is over or it is given up (${kind})`, async () => {
    const world = begin()
    const [ada, bob] = [world.join("ada"), world.join("bob")]
    const renew = (claim: Claim, forMs: number) =>
      asked<boolean>((answer) => ada.renew(claim, forMs, answer))
    const first = await claimed(ada, "pot", 1_000)
    assert.equal(first.value, "ada")
    assert.deepEqual(await claimed(bob, "pot", 1_000), first)
    world.pass(900)
    assert.equal(await renew(first, 1_000), true)
    world.pass(900)
    assert.deepEqual(await claimed(bob, "pot", 1_000), first)
    world.pass(100)
    const second = await claimed(bob, "pot", 1_000)
    assert.equal(second.value, "bob")
    assert(second.fence > first.fence)
    assert.equal(await renew(first, 1_000), false)
    assert.equal(await asked<boolean>((answer) => bob.renew(second, 0, answer)), true)
    assert.equal(await asked<boolean>((answer) => bob.renew(second, 1_000, answer)), false)
    assert((await claimed(ada, "pot", 1_000)).fence > second.fence)
  })

  test(`SV32 whatever is asked, no two hold a name and fences only grow (${kind})`, async () => {
    const action = fc.record({
      server: fc.nat(2),
      name: fc.constantFrom("pot", "cup"),
      what: fc.constantFrom("claim", "renew", "give up", "pass"),
      ms: fc.integer({ min: 1, max: 100 }),
    })
    await fc.assert(
      fc.asyncProperty(fc.array(action, { maxLength: 60 }), async (actions) => {
        const world = begin()
        const servers = ["ada", "bob", "eve"].map((name) => world.join(name))
        const holders = new Map<string, { claim: Claim; until: number }>()
        const fences = new Map<string, number>()
        let now = 0
        for (const { server, name, what, ms } of actions) {
          const bus = servers[server] as Bus // there are three
          const holder = holders.get(name)
          const stands = holder !== undefined && now < holder.until
          if (what === "pass") {
            world.pass(ms)
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
      { numRuns: 200 },
    )
  })

  test(`SV32 with no room for one more claim nobody is told that it stands (${kind})`, async () => {
    const world = begin()
    const bus = world.join("ada")
    for (let index = 0; index < 100_000; index += 1) bus.claim(`${index}`, "ada", 1_000, () => {})
    assert.equal(await asked<Claim>((answer) => bus.claim("more", "ada", 1_000, answer)), "away")
    bus.put("value", bytes("lost"), 1_000)
    assert.equal(await asked((answer) => bus.get("value", answer)), undefined)
    world.pass(1_000)
    assert.equal((await claimed(bus, "more", 1_000)).value, "ada")
  })
}
