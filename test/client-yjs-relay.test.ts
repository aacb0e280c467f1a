/** What the SDK's class for Yjs has beyond y-websocket's: tokens, seeds, counts, states, and no mix-ups. */
import assert from "node:assert/strict"
import { type TestContext, test } from "node:test"
import { setImmediate } from "node:timers/promises"
import * as Y from "yjs"
import { RoomKey } from "../src/client/sealed.ts"
import { type WebsocketOptions, WebsocketProvider } from "../src/client/yjs.ts"
import { eventually, HandClock, startServer } from "./harness.ts"
import { between, secret, tokenFor } from "./room-parts.ts"

const tokenKey = { kind: "secret", secret } as const
const key = RoomKey.random()

/** One that is gone when the test ends. */
function join(t: TestContext, url: string, options: WebsocketOptions = {}) {
  const doc = new Y.Doc()
  const address = `${url.replace("http", "ws")}/yjs`
  const line = new WebsocketProvider(address, "notes", doc, {
    disableBc: true,
    maxBackoffTime: 300,
    ...options,
  })
  t.after(() => {
    line.destroy()
    line.awareness.destroy()
  })
  const states: string[] = [line.state]
  line.on("state", (state) => states.push(state))
  return { doc, line, states, text: doc.getText("text") }
}

for (const [name, sealed] of [
  ["", {}],
  [" with a key", { key }],
] as const) {
  test(`RL37 RL129 asks exactly one replica of a new room to fill it${name}`, async (t) => {
    const { url } = await startServer(t)
    const asked: number[] = []
    const replicas = Array.from({ length: 5 }, (_, at) =>
      join(t, url, {
        ...sealed,
        seed(doc) {
          asked.push(at)
          doc.getText("text").insert(0, "filled")
        },
      }),
    )
    await eventually(() => replicas.every(({ text }) => text.toString() === "filled"))
    assert.equal(asked.length, 1)
    const late = join(t, url, { ...sealed, seed: () => assert.fail("there is content") })
    await eventually(() => late.text.toString() === "filled")
  })

  test(`RL120 RL129 counts the edits that are not acknowledged${name}`, async (t) => {
    const { url } = await startServer(t)
    const line = await between(t, url)
    const [ada, bob] = [join(t, line.url, sealed), join(t, url, sealed)]
    await eventually(() => ada.line.synced && bob.line.synced)
    const counts: number[] = []
    ada.line.on("unacknowledged", (count) => counts.push(count))
    ada.text.insert(0, "one ")
    await eventually(() => counts.at(-1) === 0)
    assert.deepEqual(counts, [1, 0])
    line.cut()
    await eventually(() => !ada.line.wsconnected)
    ada.text.insert(4, "two ")
    ada.text.insert(8, "three")
    assert.equal(ada.line.unacknowledged, 2)
    await eventually(() => bob.text.toString() === "one two three")
    await eventually(() => ada.line.unacknowledged === 0)
  })

  test(`RL129 RL133 a viewer's edits reach nobody and stay unacknowledged${name}`, async (t) => {
    const { url } = await startServer(t, { tokenKey })
    const ada = join(t, url, { ...sealed, token: await tokenFor({ role: "editor" }) })
    ada.text.insert(0, "kept")
    await eventually(() => ada.line.synced)
    const bob = join(t, url, { ...sealed, token: await tokenFor({ sub: "bob", role: "viewer" }) })
    await eventually(() => bob.text.toString() === "kept")
    bob.text.insert(0, "not ")
    ada.text.insert(4, " so")
    await eventually(() => bob.text.toString() === "not kept so")
    await eventually(() => ada.line.unacknowledged === 0)
    assert.equal(ada.text.toString(), "kept so")
    assert.equal(bob.line.unacknowledged, 1)
  })

  test(`RL129 asks again for a token that could not be given${name}`, async (t) => {
    const { url } = await startServer(t, { tokenKey })
    let asked = 0
    const token = () => {
      asked += 1
      if (asked <= 2) throw new Error("there is no token now")
      return tokenFor({ role: "editor" })
    }
    const ada = join(t, url, { ...sealed, token })
    await eventually(() => ada.line.state === "open")
    assert.ok(asked >= 3)
  })

  test(`RL129 tells how it stands${name}`, async (t) => {
    const { url } = await startServer(t)
    const ada = join(t, url, sealed)
    await eventually(() => ada.line.state === "open")
    ada.line.disconnect()
    assert.equal(ada.line.state, "closed")
    ada.line.connect()
    await eventually(() => ada.line.state === "open")
    // With a key it waits for the answer to its question, which may be none.
    const states = ada.states.filter((state) => state !== "waiting")
    assert.deepEqual(states, ["connecting", "open", "closed", "connecting", "open"])
  })
}

test("RL95 RL129 shows a newer token when the relay asks for it, and stays", async (t) => {
  const clock = new HandClock()
  const { url } = await startServer(t, { tokenKey, clock })
  const line = await between(t, url)
  let asked = 0
  const token = () => {
    asked += 1
    return tokenFor({ role: "editor" }, { seconds: 60, now: clock.now() })
  }
  const madeAt = clock.now()
  const ada = join(t, line.url, { token })
  // Time goes on for the relay's sake, yet so slowly that a busy machine lets no token end.
  let looks = 0
  const slowly = (isSo: () => boolean) =>
    eventually(() => {
      looks += 1
      if (looks % 10 === 0) clock.turn(1)
      return isSo()
    })
  const acknowledged = () => slowly(() => ada.line.unacknowledged === 0)
  await slowly(() => ada.line.synced)
  clock.turn(madeAt + 31_000 - clock.now())
  await eventually(() => asked === 2)
  ada.text.insert(0, "renewed")
  await acknowledged()
  // The first one ends on the way; the second one counts, which is looked at beside the loop.
  for (let step = 0; step < 400; step++) {
    clock.turn(100)
    await setImmediate()
  }
  ada.text.insert(0, "still here, ")
  await acknowledged()
  assert.equal(line.lines, 1)
  const [request = ""] = Buffer.concat(line.seen).toString("latin1").split("\r\n\r\n")
  assert.match(request, /^GET \/yjs\/notes\?features=notice HTTP/)
})

test("RL129 what does not go with a key is refused at once", (t) => {
  const doc = new Y.Doc()
  const make = (url: string, options: WebsocketOptions) => () =>
    new WebsocketProvider(url, "notes", doc, { connect: false, key, ...options })
  assert.throws(make("ws://127.0.0.1:9/yjs", { protocols: ["one"] }), TypeError)
  assert.throws(make("ws://127.0.0.1:9/other", {}), /ends in \/yjs/)
  t.after(() => doc.destroy())
})
