/** Unmodified clients of other libraries on a real server: what their users would see. */
import assert from "node:assert/strict"
import { type TestContext, test } from "node:test"
import { HocuspocusProvider, HocuspocusProviderWebsocket } from "@hocuspocus/provider"
import { SignJWT } from "jose"
import * as Y from "yjs"
import { eventually, HandClock, startServer } from "./harness.ts"
import { type Library, libraries, type Person, seenBy, textOf, write } from "./relay-libraries.ts"

const secret = "a secret of at least thirty-two bytes"

function signed(claims: Record<string, unknown>, now = Date.now()): Promise<string> {
  const seconds = Math.floor(now / 1_000)
  const whole = { aud: "quartet", iat: seconds, exp: seconds + 600, docId: "*", ...claims }
  return new SignJWT(whole)
    .setProtectedHeader({ alg: "HS256" })
    .sign(new TextEncoder().encode(secret))
}

/** One of each library, all in one room, the first of them alone at first. */
async function oneOfEach(t: TestContext, origin: string): Promise<readonly Person[]> {
  const people: Person[] = []
  for (const library of libraries) {
    const person = library.come(t, origin)
    await eventually(() => person.isSynced)
    if (people.length === 0) write(person, "first. ")
    people.push(person)
  }
  return people
}

async function agreed(people: readonly Person[], text: RegExp | string): Promise<void> {
  const isIt = (found: string) => (typeof text === "string" ? found === text : text.test(found))
  await eventually(() => people.every((each) => isIt(textOf(each))))
  await eventually(() => new Set(people.map(textOf)).size === 1)
}

for (const library of libraries) {
  const { name } = library

  test(`RL22 ${name} alone is synced at once, and everything it had is accepted`, async (t) => {
    const { ws } = await startServer(t)
    const doc = new Y.Doc()
    write({ doc }, "offline")
    for (const each of [new Y.Doc(), doc]) {
      const person = library.come(t, ws, { room: `room ${each.clientID}`, doc: each })
      await eventually(() => person.isSynced && (person.unsynced ?? 0) === 0)
      write(person, "typed")
      await eventually(() => (person.unsynced ?? 0) === 0)
    }
  })

  test(`RL82 ${name} alone hears from the server every ten seconds`, async (t) => {
    const clock = new HandClock()
    const { ws } = await startServer(t, { clock })
    const person = library.come(t, ws)
    await eventually(() => {
      clock.turn(10)
      return person.isSynced
    })
    for (let n = 0; n < 9; n++) {
      person.lastHeard = 0
      clock.turn(10_100)
      await eventually(() => person.lastHeard > 0)
    }
    assert.equal(person.closedWith, undefined)
    assert.ok(person.isConnected)
  })

  test(`RL22 ${name} comes to a room and has what is in it when it is synced`, async (t) => {
    const { ws } = await startServer(t)
    const [first, second] = [library.come(t, ws), library.come(t, ws)]
    write(first, "text")
    await eventually(() => first.isSynced && second.isSynced)
    await agreed([first, second], "text")
    const third = library.come(t, ws)
    await eventually(() => third.isSynced)
    assert.equal(textOf(third), "text")
    write(third, "!")
    await agreed([first, second, third], "text!")
  })

  test(`RL24 ${name} brings what it wrote while away, and gets what others did`, async (t) => {
    const { ws } = await startServer(t)
    const [first, second] = [library.come(t, ws), library.come(t, ws)]
    await eventually(() => first.isSynced && second.isSynced)
    write(first, "both ")
    await agreed([first, second], "both ")
    second.disconnect()
    await eventually(() => !second.isConnected)
    write(first, "[here]")
    write(second, "[away]")
    second.connect()
    await agreed([first, second], /^both (\[here\]\[away\]|\[away\]\[here\])$/)
    await eventually(() => second.isSynced && (second.unsynced ?? 0) === 0)
    second.cut()
    write(second, "[cut]")
    await agreed([first, second], /\[cut\]/)
  })

  test(`RL81 ${name} and the others see each other within a second of a reconnect`, async (t) => {
    const { ws } = await startServer(t)
    const people = [library.come(t, ws), libraries[0]!.come(t, ws)] as const // there are four
    for (const [n, { awareness }] of people.entries()) awareness.setLocalStateField("name", `p${n}`)
    const [one, other] = people
    await eventually(() => seenBy(one).length === 1 && seenBy(other).length === 1)
    const flickers: string[] = []
    other.awareness.on("change", ({ removed }: { removed: number[] }) => {
      if (removed.length > 0) flickers.push("gone")
    })
    for (let n = 0; n < 3; n++) {
      one.cut()
      await eventually(() => !one.isConnected)
      await eventually(() => one.isConnected)
      const from = Date.now()
      await eventually(() => seenBy(one).includes("p1") && seenBy(other).includes("p0"))
      assert.ok(Date.now() - from < 20_000, `${Date.now() - from} ms`)
      one.awareness.setLocalStateField("name", "p0")
      one.awareness.setLocalStateField("at", n)
      await eventually(() => other.awareness.getStates().get(one.doc.clientID)?.["at"] === n)
    }
    assert.deepEqual(flickers, [], "nobody saw it leave")
    one.destroy()
    await eventually(() => seenBy(other).length === 0)
  })

  test(`RL96 RL98 ${name} that may only look changes nothing`, async (t) => {
    const { ws } = await startServer(t, { tokenKey: { kind: "secret", secret } })
    const editor = libraries[0]!.come(t, ws, {
      token: await signed({ sub: "ada", role: "editor" }),
    })
    await eventually(() => editor.isSynced)
    write(editor, "text")
    const looking = library.come(t, ws, { token: await signed({ sub: "vic", role: "viewer" }) })
    await agreed([looking], "text")
    write(looking, "forged")
    looking.awareness.setLocalStateField("name", "vic")
    await eventually(() => seenBy(editor).includes("vic"))
    write(editor, "!")
    await eventually(() => /!/.test(textOf(looking)))
    assert.equal(textOf(editor), "text!")
    if (library.family === "Hocuspocus") {
      assert.deepEqual(looking.access, ["readonly"])
      assert.ok(looking.unsynced === undefined || looking.unsynced > 0)
    }
  })

  test(`RL95 ${name} is let go at the end of its token, and does not come back as it is`, async (t) => {
    const clock = new HandClock()
    const { ws, url } = await startServer(t, { clock, tokenKey: { kind: "secret", secret } })
    const now = clock.now()
    const token = await signed({ sub: "ada", role: "editor", exp: now / 1_000 + 100 }, now)
    const person = library.come(t, ws, { token })
    const until = (look: () => boolean) =>
      eventually(() => {
        clock.turn(10)
        return look()
      })
    await until(() => person.isSynced)
    clock.turn(160_000)
    await until(() => !person.isConnected)
    if (library.family === "y-websocket") await until(() => person.closedWith === 4401)
    else await until(() => /expired/.test(person.access.at(-1) ?? ""))
    const metrics = await (await fetch(`${url}/metrics`)).text()
    assert.match(metrics, /quartet_relay_connections\{dialect="yjs"\} 0\n/)
    assert.match(metrics, /quartet_relay_connections\{dialect="hocuspocus"\} 0\n/)
  })

  test(`RL99 ${name} is put out while it writes when its user is revoked`, async (t) => {
    const adminToken = "an-admin-token-of-some-length-at-least"
    const { ws, url } = await startServer(t, {
      tokenKey: { kind: "secret", secret },
      relayAdminToken: adminToken,
    })
    const bad = library.come(t, ws, { token: await signed({ sub: "eve", role: "editor" }) })
    const good = library.come(t, ws, { token: await signed({ sub: "ada", role: "editor" }) })
    await eventually(() => bad.isSynced && good.isSynced)
    write(bad, "before")
    await agreed([bad, good], "before")
    const answer = await fetch(`${url}/api/relay/revoke`, {
      method: "POST",
      headers: { authorization: `Bearer ${adminToken}`, "content-type": "application/json" },
      body: JSON.stringify({ sub: "eve" }),
    })
    assert.ok(answer.ok, await answer.text())
    await eventually(() => !bad.isConnected)
    write(bad, "after")
    write(good, "!")
    assert.equal(textOf(good), "before!")
    assert.ok(good.isConnected)
  })
}

test("RL10 all libraries share one room, and see each other", async (t) => {
  const { ws } = await startServer(t)
  const people = await oneOfEach(t, ws)
  for (const [n, person] of people.entries()) {
    write(person, `${n} `)
    person.awareness.setLocalStateField("name", `p${n}`)
  }
  await agreed(people, /^first\. (?=.*0)(?=.*1)(?=.*2)(?=.*3).{8}$/)
  await eventually(() => people.every((each) => seenBy(each).length === libraries.length - 1))
})

test("RL128 documents multiplexed on one socket are rooms of their own", async (t) => {
  const { ws } = await startServer(t)
  const line = new HocuspocusProviderWebsocket({ url: `${ws}/hocuspocus` })
  const clients = Array.from({ length: 20 }, (_, n) => {
    const name = `doc ${n % 10}`
    // Two sessions of each document.
    const client = new HocuspocusProvider({ name, websocketProvider: line, sessionAwareness: true })
    client.attach()
    return client
  })
  t.after(() => {
    for (const client of clients) client.destroy()
    line.destroy()
  })
  for (const [n, client] of clients.entries()) client.document.getText("t").insert(0, `${n} `)
  const text = (n: number) => clients[n]?.document.getText("t").toString() ?? ""
  await eventually(() =>
    clients.every(
      ({ unsyncedChanges }, n) =>
        unsyncedChanges === 0 && text(n).length > 2 && text(n) === text((n + 10) % 20),
    ),
  )
  for (let n = 0; n < 10; n++) {
    assert.deepEqual(text(n).trim().split(" ").toSorted(), [`${n}`, `${n + 10}`].toSorted())
  }
})

const tabbed = libraries.filter(({ family }) => family === "y-websocket")

for (const library of tabbed) {
  test(`RL75 two tabs of ${library.name} that also speak to each other stay present for a third`, async (t) => {
    const { ws } = await startServer(t)
    const third = (libraries[2] as Library).come(t, ws) // there are four
    const tabs = [library.come(t, ws, { tabs: "joined" }), library.come(t, ws, { tabs: "joined" })]
    for (const [n, { awareness }] of tabs.entries())
      awareness.setLocalStateField("name", `tab ${n}`)
    await eventually(() => seenBy(third).join() === "tab 0,tab 1")
    for (let n = 0; n < 5; n++) {
      tabs[0]!.cut()
      write(tabs[0]!, `${n}`)
      tabs[1]!.awareness.setLocalStateField("at", n)
      await eventually(() => tabs[0]!.isConnected && textOf(third) === textOf(tabs[0]!))
    }
    await eventually(() => [third, ...tabs].every((each) => textOf(each) === "01234"))
    await eventually(() => seenBy(third).join() === "tab 0,tab 1")
    for (const tab of tabs) await eventually(() => seenBy(tab).length === 1)
    assert.deepEqual(
      tabs.map(({ awareness }) => awareness.getLocalState()?.["name"]),
      ["tab 0", "tab 1"],
      "nobody lost its own state",
    )
  })
}
