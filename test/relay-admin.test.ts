/** Whoever runs a relay: the admin API, health, figures, and who may come without a token. */
import assert from "node:assert/strict"
import { once } from "node:events"
import { type TestContext, test } from "node:test"
import { HocuspocusProvider } from "@hocuspocus/provider"
import { SignJWT } from "jose"
import { WebSocket } from "ws"
import { WebsocketProvider } from "y-websocket"
import * as Y from "yjs"
import {
  eventually,
  fleet,
  launch,
  type Start,
  type Started,
  startServer,
  temporaryDirectory,
} from "./harness.ts"

const secret = "a secret of at least thirty-two bytes"
const adminToken = "an-admin-token-of-thirty-two-bytes-or-more"

function token(claims: Record<string, unknown>, secondsAgo = 0): Promise<string> {
  const now = Math.floor(Date.now() / 1_000) - secondsAgo
  const whole = { aud: "quartet", iat: now, exp: now + 3_600, ...claims }
  return new SignJWT(whole)
    .setProtectedHeader({ alg: "HS256" })
    .sign(new TextEncoder().encode(secret))
}

const withTokens: Start = {
  tokenKey: { kind: "secret", secret },
  relayAdminToken: adminToken,
}

/** One request to the admin API. */
async function asks(
  { url }: Pick<Started, "url">,
  path: string,
  { bearer, ...init }: RequestInit & { bearer?: string | undefined } = {},
) {
  const headers = bearer === undefined ? {} : { authorization: `Bearer ${bearer}` }
  const answer = await fetch(`${url}/api/relay/${path}`, { ...init, headers })
  return { status: answer.status, text: await answer.text(), headers: answer.headers }
}

function post(server: Started, path: string, body: unknown, bearer = adminToken) {
  return asks(server, path, { method: "POST", body: JSON.stringify(body), bearer })
}

/** A bare socket in a room, and why it was closed. */
async function enters(t: TestContext, { ws }: Started, room: string, jwt?: string) {
  const query = jwt === undefined ? "" : `?token=${jwt}`
  const socket = new WebSocket(`${ws}/yjs/${room}${query}`)
  t.after(() => socket.terminate())
  const state: { code?: number; heard: Buffer[] } = { heard: [] }
  socket.on("message", (data: Buffer) => state.heard.push(data))
  socket.on("close", (code) => {
    state.code = code
  })
  await once(socket, "open")
  return Object.assign(state, { socket })
}

/** "What is there?", said by someone with nothing. */
const emptyStep1 = Uint8Array.of(0, 0, 1, 0)
const emptyStep2 = "0001020000"

/** Enters, asks, and is told that there is nothing: then it is known to be in. */
async function settles(t: TestContext, server: Started, room: string, jwt?: string) {
  const end = await enters(t, server, room, jwt)
  end.socket.send(emptyStep1)
  await eventually(() => end.heard.some((each) => each.toString("hex") === emptyStep2))
  return end
}

test("RL103 the admin API is for the admin token and for tokens whose role is admin, each for its rooms", async (t) => {
  const server = await startServer(t, withTokens)
  const status = async (path: string, bearer?: string) =>
    (await asks(server, path, { bearer })).status
  const [editor, overTeam, overAll] = await Promise.all([
    token({ sub: "eve", room: "*", role: "editor" }),
    token({ sub: "tim", room: "team/*", role: "admin" }),
    token({ sub: "ada", role: "admin" }),
  ])
  assert.deepEqual(
    [
      await status("rooms"),
      await status("rooms", "wrong"),
      await status("rooms", `${adminToken}!`),
      await status("rooms", editor),
      await status("rooms", overTeam),
      await status("rooms", overAll),
      await status("rooms", adminToken),
    ],
    [401, 401, 401, 403, 200, 200, 200],
  )
  await settles(t, server, "team/plans", overAll)
  await settles(t, server, "other", overAll)
  const names = async (bearer: string) => {
    const { rooms } = JSON.parse((await asks(server, "rooms", { bearer })).text)
    return rooms.map(({ name }: { name: string }) => name).sort()
  }
  assert.deepEqual(await names(overAll), ["other", "team/plans"])
  assert.deepEqual(await names(overTeam), ["team/plans"])
  assert.equal(await status("rooms/other", overTeam), 404)
  assert.equal(await status("rooms/team%2Fplans", overTeam), 200)
  const acts: readonly (readonly [string, object, number])[] = [
    ["revoke", { sub: "eve" }, 403],
    ["revoke", { sub: "eve", room: "other" }, 403],
    ["revoke", { sub: "eve", room: "team/plans" }, 204],
    ["deny", { pattern: "*", on: true }, 403],
    ["deny", { pattern: "team/*", on: true }, 403],
    ["deny", { pattern: "team/old", on: true }, 204],
    ["message", { room: "other", text: "hi" }, 403],
    ["message", { room: "team/plans", text: "hi" }, 204],
  ]
  for (const [path, body, expected] of acts) {
    assert.equal((await post(server, path, body, overTeam)).status, expected, JSON.stringify(body))
  }
})

test("RL103 RL126 an admin of some rooms deletes no copy of another", async (t) => {
  const server = await startServer(t, withTokens)
  const bearer = await token({ sub: "tim", room: "team/*", role: "admin" })
  const remove = async (room: string) =>
    (await asks(server, `copies/${room}`, { method: "DELETE", bearer })).status
  assert.deepEqual([await remove("other"), await remove("team%2Fplans")], [403, 404])
})

test("RL103 shows a room's replicas, holders and state, and says what a request should have been", async (t) => {
  const server = await startServer(t, withTokens)
  const jwt = await token({ sub: "ada", room: "*", role: "editor" })
  const doc = new Y.Doc()
  const client = new WebsocketProvider(`${server.ws}/yjs`, "notes", doc, {
    disableBc: true,
    params: { token: jwt },
  })
  t.after(() => {
    client.destroy()
    doc.destroy()
  })
  await eventually(() => client.synced)
  doc.getText("t").insert(0, "secret words")
  await settles(t, server, "blank", jwt)
  const room = async (name: string) => {
    const { text } = await asks(server, `rooms/${name}`, { bearer: adminToken })
    assert.doesNotMatch(text, /secret words/)
    return JSON.parse(text)
  }
  for (;;) if ((await room("notes")).state === "open") break
  const { trackedBytes, editsPerSecond, bytesPerSecond, ...notes } = await room("notes")
  const roles = { viewer: 0, editor: 1, admin: 0 }
  const standing = { holders: 1, roles, servers: 0, state: "open" }
  assert.deepEqual(notes, { name: "notes", kind: "yjs", replicas: 1, ...standing })
  assert.ok(trackedBytes > 1)
  // One change in the last ten seconds, or none where they are over.
  assert.ok(editsPerSecond === 0.1 || editsPerSecond === 0, `${editsPerSecond}`)
  assert.equal(typeof bytesPerSecond, "number")
  assert.equal((await room("blank")).state, "blank")
  const told = async (path: string, init: RequestInit = {}) => {
    const { status, text } = await asks(server, path, { bearer: adminToken, ...init })
    return [status, text]
  }
  assert.deepEqual(await told("rooms/nowhere"), [404, "no such room here"])
  assert.deepEqual(await told("nothing"), [404, "not found"])
  assert.deepEqual(await told("revoke"), [405, "method not allowed"])
  assert.deepEqual(await told("rooms", { method: "POST" }), [405, "method not allowed"])
  assert.deepEqual(await told("copies/notes"), [405, "method not allowed"])
  assert.deepEqual(await told("copies/notes", { method: "DELETE" }), [404, "there is no such copy"])
  const [status, sentence] = await told("revoke", { method: "POST", body: '{"sub":7}' })
  assert.equal(status, 400)
  assert.match(String(sentence), /"sub":"ada"/)
  assert.equal((await told("revoke", { method: "POST", body: "{" }))[0], 400)
})

test("RL103 each act is logged with who and what, and without the text of a message", async (t) => {
  const { url, log } = await launch(t, {
    DATA_DIR: temporaryDirectory(t),
    RELAY_ADMIN_TOKEN: adminToken,
  })
  const server = { url } as Started // post needs no more of it
  await post(server, "revoke", { sub: "eve", room: "notes" })
  await post(server, "message", { room: "notes", text: "a private word" })
  await eventually(() => log.filter(({ event }) => event === "relay admin").length === 2)
  const said = log.filter(({ event }) => event === "relay admin")
  assert.deepEqual(
    said.map(({ act, by, sub, room }) => ({ act, by, sub, room })),
    [
      { act: "revoke", by: "admin token", sub: "eve", room: "notes" },
      { act: "message", by: "admin token", sub: undefined, room: undefined },
    ],
  )
  assert.doesNotMatch(JSON.stringify(log), /private word|an-admin-token/)
})

test("RL99 RL103 a revoked user is out at once and stays out, and a newer token is let in", async (t) => {
  const server = await startServer(t, withTokens)
  const old = await token({ sub: "eve", room: "*", role: "editor" }, 120)
  const [here, there] = [
    await settles(t, server, "notes", old),
    await settles(t, server, "plans", old),
  ]
  const ada = await settles(
    t,
    server,
    "notes",
    await token({ sub: "ada", room: "*", role: "editor" }),
  )
  assert.equal((await post(server, "revoke", { sub: "eve", room: "notes" })).status, 204)
  await eventually(() => here.code === 4403)
  const again = await enters(t, server, "notes", old)
  await eventually(() => again.code === 4403)
  assert.deepEqual([there.code, ada.code], [undefined, undefined])
  await post(server, "revoke", { sub: "eve" })
  await eventually(() => there.code === 4403)
  // Issued after the revocation: somebody has let eve in again.
  const young = await token({ sub: "eve", room: "*", role: "editor", iat: Date.now() / 1_000 + 30 })
  const back = await enters(t, server, "plans", young)
  back.socket.send(emptyStep1)
  await eventually(() => back.heard.length > 0)
  assert.equal(back.code, undefined)
})

test("RL92 RL103 a denied room is closed to those in it and to newcomers until it is opened again", async (t) => {
  const server = await startServer(t, { ...withTokens, relayDeny: ["locked/*"] })
  const jwt = await token({ sub: "ada", room: "*", role: "editor" })
  const locked = await enters(t, server, "locked/a", jwt)
  await eventually(() => locked.code === 4403)
  const [draft, notes] = [
    await settles(t, server, "drafts/1", jwt),
    await settles(t, server, "notes", jwt),
  ]
  assert.equal((await post(server, "deny", { pattern: "drafts/*", on: true })).status, 204)
  await eventually(() => draft.code === 4403)
  const late = await enters(t, server, "drafts/2", jwt)
  await eventually(() => late.code === 4403)
  assert.equal(notes.code, undefined)
  await post(server, "deny", { pattern: "drafts/*", on: false })
  const back = await settles(t, server, "drafts/2", jwt)
  assert.equal(back.code, undefined)
})

test("RL103 a message of an admin reaches Hocuspocus replicas of its room and nobody else", async (t) => {
  const server = await startServer(t, { relayAdminToken: adminToken })
  const heard: string[] = []
  const visit = (name: string) => {
    const provider = new HocuspocusProvider({
      url: `${server.ws}/hocuspocus`,
      name,
      token: "anyone",
      onStateless: ({ payload }) => heard.push(`${name}: ${payload}`),
    })
    t.after(() => provider.destroy())
    return provider
  }
  const providers = [visit("notes"), visit("plans")]
  const plain = await settles(t, server, "notes")
  await eventually(() => providers.every(({ synced }) => synced))
  const before = plain.heard.length
  assert.equal((await post(server, "message", { room: "notes", text: "saving now" })).status, 204)
  await post(server, "message", { room: "plans", text: "over" })
  await eventually(() => heard.length === 2)
  assert.deepEqual(heard.sort(), ["notes: saving now", "plans: over"])
  assert.equal(plain.heard.slice(before).filter((each) => each.includes("saving")).length, 0)
  const long = await post(server, "message", { room: "notes", text: "x".repeat(65_537) })
  assert.equal(long.status, 400)
})

test("RL103 a message of an admin goes to a room that only another server has, and once to one that several have", async (t) => {
  const [here, there, third] = await fleet(t, 3, { relayAdminToken: adminToken })
  assert.ok(here !== undefined && there !== undefined && third !== undefined)
  const heard: string[] = []
  const visit = (server: Started, who: string, name: string) => {
    const provider = new HocuspocusProvider({
      url: `${server.ws}/hocuspocus`,
      name,
      token: "anyone",
      onStateless: ({ payload }) => heard.push(`${who}: ${payload}`),
    })
    t.after(() => provider.destroy())
    return provider
  }
  const providers = [
    visit(there, "ada", "notes"),
    visit(third, "bob", "notes"),
    visit(third, "cleo", "plans"),
  ]
  await eventually(() => providers.every(({ synced }) => synced))
  for (const server of [here, there]) {
    assert.equal((await post(server, "message", { room: "notes", text: "saving" })).status, 204)
  }
  await eventually(() => heard.length === 4)
  await post(here, "message", { room: "plans", text: "over" })
  await eventually(() => heard.includes("cleo: over"))
  assert.deepEqual(heard.sort(), [
    "ada: saving",
    "ada: saving",
    "bob: saving",
    "bob: saving",
    "cleo: over",
  ])
})

test("RL103 RL146 the fullest rooms are shown first, of either kind", async (t) => {
  const server = await startServer(t, { relayAdminToken: adminToken })
  for (let n = 0; n < 101; n++) await enters(t, server, `small${n}`)
  const socket = () => new WebSocket(`${server.ws}/collab/full?senderId=ada`)
  const ends = [socket(), socket()]
  t.after(() => {
    for (const end of ends) end.terminate()
  })
  const listed = async () => JSON.parse((await asks(server, "rooms", { bearer: adminToken })).text)
  let seen = await listed()
  while (seen.total < 102 || seen.rooms[0].replicas < 2) seen = await listed()
  const [first] = seen.rooms
  assert.deepEqual([first.name, first.kind, seen.rooms.length], ["full", "opaque", 100])
})

test("RL103 whose token names all rooms governs them all, and who may not is told what it takes", async (t) => {
  const server = await startServer(t, withTokens)
  const overAll = await token({ sub: "ada", room: ["*"], role: "admin" })
  const overTeam = await token({ sub: "tim", room: "team/*", role: "admin" })
  assert.equal((await post(server, "revoke", { sub: "eve" }, overAll)).status, 204)
  assert.equal((await post(server, "deny", { pattern: "old/*", on: true }, overAll)).status, 204)
  const { status, text } = await post(server, "revoke", { sub: "eve" }, overTeam)
  assert.equal(status, 403)
  assert.match(text, /for who governs all rooms/)
  const long = await post(server, "message", { room: "a", text: "x".repeat(65_537) })
  assert.match(long.text, /at most 65536 characters/)
})

test("RL126 RL103 an admin deletes the copy of a room", async (t) => {
  const server = await startServer(t, {
    relayAdminToken: adminToken,
    relayCopies: "sqlite",
    relayLimits: { copyQuietMs: 0 },
  })
  const doc = new Y.Doc()
  const client = new WebsocketProvider(`${server.ws}/yjs`, "a/b", doc, { disableBc: true })
  t.after(() => {
    client.destroy()
    doc.destroy()
  })
  await eventually(() => client.synced)
  doc.getText("t").insert(0, "kept")
  for (;;) if (/copies_total\{result="taken"\} 1/.test(await metricsOf(server))) break
  const remove = (bearer?: string) => asks(server, "copies/a%2Fb", { method: "DELETE", bearer })
  assert.equal((await remove()).status, 403)
  assert.equal((await remove(adminToken)).status, 204)
  assert.equal((await remove(adminToken)).status, 404)
})

test("RL103 without a key those on this machine may look, and nobody may act", async (t) => {
  const server = await startServer(t)
  assert.equal((await asks(server, "rooms")).status, 200)
  const init = { method: "POST", body: '{"sub":"eve"}' }
  assert.equal((await asks(server, "revoke", init)).status, 403)
  const closed = await startServer(t, { relayAnonymous: "off" })
  assert.equal((await asks(closed, "rooms")).status, 401)
  const far = await startServer(t, { trustProxy: 1 })
  const answer = await fetch(`${far.url}/api/relay/rooms`, {
    headers: { "x-forwarded-for": "203.0.113.9" },
  })
  assert.equal(answer.status, 401)
})

async function metricsOf({ url }: Started): Promise<string> {
  return (await fetch(`${url}/metrics`)).text()
}

test("RL111 health has the fields of LFCC's relay first, and they are true", async (t) => {
  const server = await startServer(t, { serverId: "server-7" })
  await settles(t, server, "notes")
  await settles(t, server, "plans")
  const lfcc = new WebSocket(`${server.ws}/collab/notes?senderId=ada`)
  await once(lfcc, "open")
  t.after(() => lfcc.terminate())
  lfcc.send(JSON.stringify({ type: "JOIN", docId: "notes", senderId: "ada", ts: 1 }))
  const answer = await fetch(`${server.url}/health`)
  assert.equal(answer.status, 200)
  const health = (await answer.json()) as Record<string, unknown>
  const { probe, services, ...rest } = health
  assert.deepEqual(Object.keys(health).slice(0, 6), [
    "ok",
    "status",
    "serverId",
    "redis",
    "connections",
    "documents",
  ])
  assert.deepEqual(rest, {
    ok: true,
    status: "healthy",
    serverId: "server-7",
    redis: { connected: false, activeSubscriptions: 0, configured: false },
    connections: 3,
    documents: 3,
    queue: { messages: 0, bytes: 0, dropped: 0 },
    rooms: { dirty: 0, waiting: 1, untracked: 0 },
    store: { ok: true },
    bus: { ok: true },
  })
  const { roundTripMs, ...probed } = probe as Record<string, unknown>
  assert.deepEqual(probed, { ok: true, ageMs: 0, failures: 0 })
  assert.equal(typeof roundTripMs, "number")
  assert.ok("relay" in (services as object))
})

test("RL113 the names with dots are in the stats, and are true", async (t) => {
  const server = await startServer(t)
  await settles(t, server, "notes")
  await settles(t, server, "plans")
  const stats = (await (await fetch(`${server.url}/api/stats`)).json()) as Record<string, unknown>
  assert.equal(stats["redis.connection_state"], "disconnected")
  assert.equal(stats["relay.remote_messages"], 0)
  assert.equal(stats["relay.snapshot_requests"], 2)
  assert.equal(stats["relay.active_documents"], 2)
  const alone = await startServer(t, { parts: ["relay"] })
  const names = Object.keys((await (await fetch(`${alone.url}/api/stats`)).json()) as object)
  assert.equal(names.length, 4)
})

/** One value of what `/metrics` says. */
function figure(text: string, name: string): number {
  const line = text.split("\n").find((each) => each.startsWith(`quartet_relay_${name} `))
  return Number(line?.split(" ")[1] ?? Number.NaN)
}

test("RL113 the figures of the relay are what a test counts, and no room or user is a label", async (t) => {
  const server = await startServer(t, withTokens)
  const jwt = await token({ sub: "ada-the-user", room: "*", role: "editor" })
  const ada = await settles(t, server, "secret-room", jwt)
  const bob = await enters(t, server, "secret-room", jwt)
  // "a" by client 1, as Yjs encodes it.
  const update = Uint8Array.of(1, 1, 1, 0, 4, 1, 1, 116, 1, 97, 0)
  ada.socket.send(Uint8Array.of(0, 2, update.length, ...update))
  await eventually(() => bob.heard.length > 0)
  bob.socket.send(emptyStep1)
  await eventually(() => ada.heard.some((each) => each[0] === 0 && each[1] === 0))
  ada.socket.send(Uint8Array.of(0, 1, update.length, ...update))
  await eventually(() => bob.heard.some((each) => each[0] === 0 && each[1] === 1))
  ada.socket.send(Uint8Array.of(0, 2, 200))
  const stranger = await enters(t, server, "secret-room")
  await eventually(() => stranger.code === 4401)
  const text = await metricsOf(server)
  const expected = {
    'connections{dialect="yjs"}': 2,
    'active_documents{kind="yjs"}': 1,
    'active_documents{kind="opaque"}': 0,
    local_messages_total: 1,
    'snapshot_requests_total{source="local"}': 1,
    'snapshot_requests_total{source="empty"}': 1,
    snapshot_responses_total: 1,
    seed_grants_total: 1,
    seed_held_total: 0,
    divergence_total: 0,
    rooms_waiting: 0,
    rooms_untracked: 0,
    rate_limited_messages_total: 0,
    'bad_frames_total{dialect="yjs"}': 1,
    'refused_total{cause="token"}': 1,
  }
  const found = Object.keys(expected).map((name) => [name, figure(text, name)])
  assert.deepEqual(Object.fromEntries(found), expected)
  assert.doesNotMatch(text, /secret-room|ada-the-user/)
  for (const name of [
    "delivered_messages_total",
    "backpressure_events_total",
    "acks_total",
    "presence_refused_total",
    "gaps_total",
    "batch_size",
    "copies_total",
  ]) {
    assert.match(text, new RegExp(`^# TYPE quartet_relay_${name} `, "m"))
  }
})

test("RL113 however many rooms there are, the relay's figures are as many as before", async (t) => {
  const server = await startServer(t)
  const lines = async () =>
    (await metricsOf(server)).split("\n").filter((line) => line.startsWith("quartet_relay_")).length
  await settles(t, server, "first")
  const before = await lines()
  for (let i = 0; i < 30; i++) await settles(t, server, `room-${i}`)
  assert.equal(await lines(), before)
})
