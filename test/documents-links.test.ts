/** Links: who makes them, what they open, and when they end. */
import assert from "node:assert/strict"
import { createHash } from "node:crypto"
import { readFileSync } from "node:fs"
import { join as joinPath } from "node:path"
import { type TestContext, test } from "node:test"
import { type Arrival, folder, type Pad, pad } from "./far-end.ts"
import { type Link, Owner, welcomed } from "./owner.ts"

const hour = 3_600_000

function onFile(t: TestContext, settings = {}): Pad {
  return pad(t, { uri: joinPath(folder(t), "pad.db"), settings })
}

test("DC89 a link is answered once and durable, listed without itself, and stored as its hash", async (t) => {
  const uri = joinPath(folder(t), "pad.db")
  const server = pad(t, { uri })
  const owner = new Owner(server, "notes")
  const wish = { role: "read", expires_in_hours: 2, label: "for\u202e Ada\n" }
  const body = JSON.stringify({ user_id: 0, ...wish })
  const created = server.now
  const asked = server.request("POST", "/api/document/notes/links", {
    headers: owner.headers,
    body,
  })
  const waits = Symbol("waits")
  assert.equal(await Promise.race([asked, Promise.resolve(waits)]), waits, "not yet on the disk")
  await server.durable()
  const { status, headers, body: told = "" } = await asked
  const { link, ref, ...rest } = JSON.parse(told)
  assert.deepEqual([status, headers], [201, { "content-type": "application/json" }])
  assert.match(link, /^~[\w-]{22}$/)
  const hash = createHash("sha256").update(link).digest()
  assert.equal(ref, hash.toString("hex").slice(0, 8))
  const ends = new Date(created + 2 * hour).toISOString()
  assert.deepEqual(rest, { role: "read", expires_at: ends })
  server.tick()
  const later = server.now
  const plain = await owner.link()
  assert.deepEqual(await owner.list(), [
    {
      ref,
      role: "read",
      label: "for Ada",
      expires_at: ends,
      created_at: new Date(created).toISOString(),
    },
    {
      ref: plain.ref,
      role: "edit",
      label: null,
      expires_at: null,
      created_at: new Date(later).toISOString(),
    },
  ])
  const rows = server.store.prepare<{ hash: Uint8Array }>("SELECT hash FROM link").all()
  assert.ok(rows.some((row) => hash.equals(row.hash)))
  const disk = `${readFileSync(uri, "latin1")}${readFileSync(`${uri}-wal`, "latin1")}`
  assert.ok(disk.includes(hash.toString("latin1")), "this would find it")
  for (const each of [link, plain.link]) assert.ok(!disk.includes(each.slice(1)))
  assert.ok(!JSON.stringify(server.log).includes(link.slice(1)), "DC107")
})

test("DC89 what is no wish for a link is refused with how it looks", async (t) => {
  const owner = new Owner(onFile(t), "notes")
  const bad = [
    {},
    { role: "full" },
    { role: "edit", expires_in_hours: 0 },
    { role: "edit", expires_in_hours: 8_761 },
    { role: "edit", expires_in_hours: 1.5 },
    { role: "edit", label: 1 },
    { role: "edit", user_id: -1 },
  ]
  for (const wish of bad) {
    const { status, body } = await owner.asks("POST", "links", wish)
    assert.equal(status, 400, JSON.stringify(wish))
    assert.match(body ?? "", /"role":"edit" or "read".*1 to 8760/)
  }
  for (const hours of [1, 8_760]) await owner.link({ role: "edit", expires_in_hours: hours })
  await owner.link({ role: "edit", label: "🎉".repeat(65) })
  assert.equal((await owner.list()).at(-1)?.["label"], "🎉".repeat(64))
  for (const [method, path, status] of [
    ["PUT", "links", 405],
    ["GET", "links/00000000", 405],
    ["DELETE", "links", 405],
    ["POST", "retention", 405],
    ["DELETE", "links/a/b", 404],
    ["DELETE", "retention/x", 404],
  ] as const) {
    assert.equal((await owner.asks(method, path)).status, status, `${method} ${path}`)
  }
})

test("DC89 a document has a hundred links; one that is revoked or over makes room", async (t) => {
  // No clean-up comes between: what is over makes room by itself.
  const server = onFile(t, { cleanupMs: 100 * hour })
  const owner = new Owner(server, "notes")
  const refs: string[] = []
  for (let count = 0; count < 100; count += 1) {
    const wish = { role: "read", ...(count === 0 ? { expires_in_hours: 1 } : {}) }
    refs.push((await owner.link(wish)).ref)
  }
  server.pass(60_000)
  const { status, body } = await owner.asks("POST", "links", { role: "read" })
  assert.deepEqual([status, body], [409, "too many links"])
  await new Owner(server, "another").link()
  assert.equal((await owner.asks("DELETE", `links/${refs[1]}`)).status, 204)
  const again = await owner.asks("DELETE", `links/${refs[1]}`)
  assert.deepEqual([again.status, again.body], [404, "no such link"])
  await owner.link()
  assert.equal((await owner.asks("POST", "links", { role: "read" })).status, 409)
  server.pass(hour)
  await owner.link()
  assert.equal((await owner.list()).length, 100)
  const rows = server.store.prepare("SELECT 1 FROM link WHERE document = 'notes'").all()
  assert.equal(rows.length, 100, "the one that was over is gone")
})

test("DC89 DC86 only a connected editor with the full role makes, lists and revokes links", async (t) => {
  const server = onFile(t)
  const cookies = { quartet_editor: "c".repeat(22) }
  const owner = new Owner(server, "notes", { cookie: cookies.quartet_editor })
  const { link, ref } = await owner.link()
  const elsewhere = new Owner(server, "elsewhere")
  const guest = server.extend(link, "guest", {}, { cookie: "g".repeat(22) })
  const stranger = "Forbidden: not connected to document"
  const requests = [
    ["POST", "links", { role: "edit" }],
    ["GET", "links", undefined],
    ["DELETE", `links/${ref}`, undefined],
    ["PUT", "retention", { days: 1 }],
    ["POST", "protect", {}],
    ["DELETE", "protect", { otp: "x" }],
  ] as const
  const bearer = (secret: string) => ({ headers: { authorization: `Bearer ${secret}` } })
  const claims = [
    [{}, 0],
    [bearer("x".repeat(22)), 0],
    [elsewhere, 0],
    [bearer(welcomed(guest).secret), 1],
    [{ cookies: { quartet_editor: "g".repeat(22) } }, 1],
    [bearer(welcomed(guest).secret), 0],
  ] as const
  for (const [method, path, wish] of requests) {
    for (const [claim, user_id] of claims) {
      const body = JSON.stringify({ user_id, ...wish })
      const { headers = {}, cookies = {} } = claim as Partial<
        Record<string, Record<string, string>>
      > // one of both, or none
      for (const name of ["notes", link]) {
        const asked = await server.request(method, `/api/document/${name}/${path}`, {
          headers,
          cookies,
          ...(wish && { body }),
          address: `192.0.2.${user_id + 7}${path.length}`,
        })
        assert.deepEqual([asked.status, asked.body], [403, stranger], `${method} ${path}`)
      }
    }
  }
  const listed = await server.request("GET", `/api/document/${link}/links`, { cookies })
  assert.equal(listed.status, 200, "a link may stand for the id here, too")
  owner.far.leaves()
  const gone = await owner.asks("GET", "links")
  assert.deepEqual([gone.status, gone.body], [403, stranger])
})

test("DC89 whoever comes by a link is never told the id", async (t) => {
  const id = "secret-id/🎉"
  const server = onFile(t)
  const owner = new Owner(server, id)
  owner.far.edits(0, ["hello"], 1)
  const { body = "" } = await owner.asks("POST", "protect", { user_name: "Ada" })
  const { otp } = JSON.parse(body)
  const links = [await owner.link(), await owner.link({ role: "read" })]
  const told: unknown[] = []
  for (const { link } of links) {
    const guests = [
      server.extend(link, `x${link.slice(1, 5)}`, { name: "guest", hue: 1 }),
      server.join(link),
      server.join(link, { dialect: "rustpad" }),
      server.join(link, { protocols: ["quartet-documents-1"] }),
    ]
    const [x, a] = guests
    x?.edits(1, [5, "!"], 1)
    x?.edits(99, ["!"], 2)
    x?.says({ SetLanguage: "go" })
    x?.utters("{")
    a?.says({ CursorData: { cursors: [1], selections: [] } })
    a?.edits(999, ["x"])
    for (const [method, path] of [
      ["GET", `/api/text/${link}`],
      ["GET", `/api/document/${link}`],
      ["GET", `/api/document/${link}/history`],
      ["PUT", `/api/text/${link}`],
      ["PATCH", `/api/text/${link}`],
      ["GET", `/api/document/${link}/links`],
      ["POST", `/api/document/${link}/links`],
      ["POST", `/api/document/${link}/protect`],
      ["PUT", `/api/document/${link}/retention`],
      ["PUT", `/api/document/${link}`],
      ["GET", `/api/document/${link}/paint`],
    ] as const) {
      const wish = JSON.stringify({ user_id: 0, role: "edit", days: 1 })
      told.push(await server.request(method, path, { body: wish }))
    }
    told.push(...guests.flatMap(({ heard, ended }) => [heard, ended]))
    for (const { heard } of guests.slice(0, 3)) assert.ok(heard.length > 1)
  }
  const { body: changed = "" } = await owner.asks("PUT", "retention", { days: 3 })
  assert.match(changed, /expires_at/)
  for (const { ref } of links) await owner.asks("DELETE", `links/${ref}`)
  for (const far of server.far) told.push(far.ended)
  told.push(server.refusal(links[0]?.link ?? "")?.message)
  const all = JSON.stringify(told)
  for (const secret of ["secret-id", otp]) assert.ok(!all.includes(secret), secret)
  assert.ok(all.includes("hello"), "this would find it")
})

test("DC89 DC22 a link to a document that nobody has edited keeps it, over a restart", async (t) => {
  const uri = joinPath(folder(t), "pad.db")
  const before = pad(t, { uri })
  const owner = new Owner(before, "notes")
  const { link } = await owner.link()
  owner.far.leaves()
  before.pass(120_000)
  assert.equal(before.refusal(link), undefined, "not forgotten")
  before.close()
  const server = pad(t, { uri, now: before.now })
  assert.deepEqual([server.service.stats().num_documents, server.refusal(link)], [0, undefined])
  const guest = server.extend(link, "guest")
  guest.edits(0, ["by link"], 1)
  assert.equal(await server.text("notes"), "by link")
  assert.equal(await server.text(link), "by link")
})

test("DC89 DC26 in memory a link lives as long as its document", async (t) => {
  const server = pad(t, { settings: { expiryMs: 2 * hour, cleanupMs: hour } })
  const owner = new Owner(server, "notes")
  const { link } = await owner.link()
  owner.far.edits(0, ["hello"], 1)
  assert.equal(await server.text(link), "hello")
  owner.far.leaves()
  server.passHours(4)
  assert.equal(server.refusal(link)?.code, "unauthenticated")
  assert.equal(server.store.prepare("SELECT 1 FROM link").all().length, 0)
})

test("DC89 DC27 a link goes with its document, and comes back with no other of that id", async (t) => {
  const server = onFile(t, { retentionDays: 1 })
  const owner = new Owner(server, "notes")
  const { link } = await owner.link()
  owner.far.leaves()
  server.passHours(24 * 9)
  assert.equal(server.store.prepare("SELECT 1 FROM link").all().length, 0)
  const next = new Owner(server, "notes")
  assert.equal(server.refusal(link)?.code, "unauthenticated")
  const orphan = await next.link()
  server.store.prepare("DELETE FROM document").run()
  assert.equal(server.refusal(orphan.link)?.code, "unauthenticated")
  const { status, body } = await next.asks("POST", "links", { role: "edit" })
  assert.deepEqual([status, body], [503, "store away"], "none is made to a document that is gone")
})

test("DC90 whoever came by a link is closed within a second of its end, and nobody else", async (t) => {
  const server = onFile(t, { cleanupMs: 100 * hour })
  const owner = new Owner(server, "notes")
  const long = await owner.link({ role: "edit", expires_in_hours: 2 })
  const other = server.extend(long.link, "other")
  const short: (Link & { ends: number })[] = []
  // So that their ends fall on all parts of the second.
  for (let count = 0; count < 5; count += 1) {
    const made = await owner.link({ role: "edit", expires_in_hours: 1 })
    short.push({ ...made, ends: Date.parse(made.expires_at ?? "") })
    server.pass(200)
  }
  server.passHours(0.99)
  const first = short[0]?.ends ?? 0
  server.pass(first - 1_000 - server.now)
  const guests = short.flatMap(({ link, ends }, index) => {
    const unjoined = server.join(link, { protocols: ["quartet-documents-1"] })
    const fars = [server.extend(link, `x${index}`), server.join(link), unjoined]
    return fars.map((far) => ({ far, ends }))
  })
  for (let step = 0; server.now < first + 4 * 300 + 1_000; step += 1) {
    const { now } = server
    for (const { link, ends } of short) {
      const isGood = server.refusal(link, { address: `198.51.100.${step}` }) === undefined
      assert.equal(isGood, now < ends)
    }
    for (const { far, ends } of guests) {
      if (now < ends) assert.equal(far.endedWith, undefined)
      if (now >= ends + 999) assert.equal(far.endedWith, "forbidden")
    }
    server.pass(50)
  }
  assert.ok(guests.every(({ far }) => far.endedWith === "forbidden"))
  assert.equal((await owner.asks("DELETE", `links/${short[0]?.ref}`)).status, 404)
  for (const far of [other, owner.far]) assert.equal(far.endedWith, undefined)
  assert.deepEqual(
    (await owner.list()).map(({ ref }) => ref),
    [long.ref],
  )
  assert.match(await server.metrics.text(), /^quartet_documents_guests 1$/m)
})

test("DC90 a revoked link ends its editors at once; other links and documents stay", async (t) => {
  const server = onFile(t)
  const owner = new Owner(server, "notes")
  const [one, two] = [await owner.link(), await owner.link()]
  const elsewhere = new Owner(server, "elsewhere")
  const there = server.extend((await elsewhere.link()).link, "x")
  const x = server.extend(one.link, "x")
  const y = server.extend(two.link, "y")
  assert.equal((await elsewhere.asks("DELETE", `links/${one.ref}`)).status, 404, "not its own")
  assert.equal((await owner.asks("DELETE", `links/${one.ref}`)).status, 204)
  assert.deepEqual(x.ended, { code: "forbidden", sentence: "the link you came by was revoked" })
  for (const far of [y, there, owner.far]) assert.equal(far.endedWith, undefined)
  for (const path of [`/api/text/${one.link}`, `/api/document/${one.link}`]) {
    const { status, body } = await server.request("GET", path)
    assert.deepEqual([status, body], [401, "Unknown or expired link"])
  }
  assert.equal(server.refusal(one.link)?.code, "unauthenticated")
  assert.equal(server.refusal(two.link), undefined)
})

test("DC8 DC89 DC90 DC27 what cannot be written is refused, and changes nothing", async (t) => {
  const server = onFile(t)
  const owner = new Owner(server, "notes")
  const { link, ref } = await owner.link()
  const guest = server.extend(link, "guest")
  for (const [table, event] of [
    ["link", "INSERT"],
    ["link", "DELETE"],
    ["document", "UPDATE"],
  ] as const) {
    const sql = `CREATE TRIGGER ${table}${event} BEFORE ${event} ON ${table}
      BEGIN SELECT raise(ABORT, 'no'); END`
    server.store.prepare(sql).run()
  }
  for (const [method, path, wish] of [
    ["POST", "links", { role: "edit" }],
    ["DELETE", `links/${ref}`, undefined],
    ["PUT", "retention", { days: 7 }],
  ] as const) {
    const { status, body } = await owner.asks(method, path, wish)
    assert.deepEqual([status, body], [503, "store away"], `${method} ${path}`)
  }
  assert.equal(guest.endedWith, undefined)
  assert.equal(server.refusal(link), undefined)
  assert.deepEqual(owner.far.all("Access"), [])
  server.store.prepare("ALTER TABLE link RENAME TO hidden").run()
  const unread = await server.request("GET", `/api/text/${link}`)
  assert.deepEqual([unread.status, unread.body], [503, "store away"])
})

test("DC104 a wrong link counts like a wrong token", async (t) => {
  const server = onFile(t)
  const owner = new Owner(server, "notes")
  const { link } = await owner.link()
  const { body = "" } = await owner.asks("POST", "protect", { user_name: "Ada" })
  const { otp } = JSON.parse(body)
  server.pass(60_000)
  const why = (id: string, more: Arrival) => server.refusal(id, more)?.code
  for (let count = 0; count < 5; count += 1) {
    const address = "198.51.100.1"
    assert.equal(why(`~${"x".repeat(21)}${count}`, { address }), "unauthenticated")
    const asked = await server.request("GET", `/api/text/~${"y".repeat(21)}${count}`, { address })
    assert.equal(asked.status, 401)
  }
  assert.equal(why(link, { address: "198.51.100.1" }), "flooding")
  assert.equal(why("notes", { address: "198.51.100.1", otp }), "flooding")
  assert.equal(why(link, { address: "198.51.100.2" }), undefined)
  server.pass(60_000)
  assert.equal(why(link, { address: "198.51.100.1" }), undefined)
})
