/**
 * Documents on a real server, told what no editor says: plain and extended over WebSocket, and
 * every route over HTTP. Two editors write meanwhile, and one is in a document that strangers edit.
 */
import assert from "node:assert/strict"
import { test } from "node:test"
import { connect } from "../src/client/client.ts"
import type { SharedText } from "../src/client/shared-text.ts"
import {
  besiege,
  damaged,
  framed,
  type Honest,
  Stranger,
  seconds,
  twisted,
  upgradeOf,
  watched,
} from "./fuzz-parts.ts"
import { eventually } from "./harness.ts"
import type { Dice } from "./pools-corpus.ts"

const keys = ["AAAAAAAAAAAAAAAAAAAAAA", "BBBBBBBBBBBBBBBBBBBBBB", "CCCCCCCCCCCCCCCCCCCCCC"]
const epochs = ["0".repeat(16), "x", ""]

/** A message of each kind; edits fit a text of `length` at `revision`. */
function messageOf(dice: Dice, { revision, length }: Place): unknown {
  const at = dice.below(length + 1)
  const words = dice.of(["a", "two ", "é", "😀", "\n", "x".repeat(dice.below(3_000)), "\u0301"])
  const insert = [at, words, length - at].filter((part) => part !== 0 && part !== "")
  const cut = dice.below(length - at + 1)
  const cutting = [at, -cut, length - at - cut].filter((part) => part !== 0)
  const numbers = Array.from({ length: dice.below(300) }, () => dice.below(length + 9))
  const resume = {
    ...{ epoch: dice.of(epochs), revision: dice.below(revision + 3) },
    ...{ seq: dice.of([null, 1, dice.below(50)]), age: dice.below(99), pending: dice.below(2) > 0 },
  }
  return dice.of<unknown>([
    { Edit: { revision, operation: insert } },
    { Edit: { revision, operation: insert, seq: dice.below(200) } },
    { Edit: { revision, operation: cutting, seq: dice.below(200) } },
    { Edit: { revision: dice.below(revision + 2), operation: insert, cursors: numbers } },
    { Join: { client: dice.of(keys), name: words, hue: dice.below(400) } },
    { Join: { client: dice.of(keys), resume } },
    { SetLanguage: dice.of(["python", "c++", words, "x".repeat(65)]) },
    { ClientInfo: { name: words, hue: dice.below(400) } },
    { CursorData: { cursors: numbers, selections: numbers.map((n) => [n, 0]), revision } },
    { CursorData: { cursors: numbers, selections: [] } },
  ])
}

interface Place {
  readonly revision: number
  readonly length: number
}

/** Where the text stands, by the last that was heard of it: never exact for long. */
function placeIn(heard: string): Place {
  const starts = [...heard.matchAll(/"start":(\d+)/g)]
  const keeps = [...heard.matchAll(/"operation":\[(\d+)/g)]
  return {
    revision: Number(starts.at(-1)?.[1] ?? -1) + 1,
    length: Number(keeps.at(-1)?.[1] ?? 0),
  }
}

/** Frames as an editor sends them, most of them with something wrong. */
function frameOf(dice: Dice, place: Place): Buffer {
  const message = messageOf(dice, place)
  const text = JSON.stringify(message)
  switch (dice.below(8)) {
    case 0:
    case 1:
    case 2:
      return framed(dice, text)
    case 3:
    case 4:
      return framed(dice, JSON.stringify(twisted(dice, message)) ?? "undefined")
    case 5:
      return framed(dice, damaged(dice, Buffer.from(text)).toString("latin1"))
    case 6:
      return framed(
        dice,
        dice.of(["[".repeat(5_000), '{"Edit":'.repeat(900), "null", "", " ", "{}"]),
      )
  }
  return framed(dice, dice.bytes(dice.below(200)))
}

const documentIds = ["shared", "f0", "f1", "f2", "f%2F3", "%F0%9F%98%80"]
const oddIds = [
  ...["", "%", "%00", "%ff", "..%2f..", "../../etc/passwd", "%252e%252e", "~", "a".repeat(129)],
  ...["~AAAAAAAAAAAAAAAAAAAAAA", "__proto__", "%ed%a0%80", "x//y", "a%0d%0ab", "%2e%2e", ";", "\\"],
]

function idOf(dice: Dice): string {
  return dice.below(5) === 0 ? dice.of(oddIds) : dice.of(documentIds)
}

function headersOf(dice: Dice): string[] {
  // From another address each time, or the limits by address would be all that is met.
  const address = [10, dice.below(256), dice.below(256), dice.below(256)].join(".")
  const some = [
    "Origin: https://elsewhere.example",
    "Cookie: quartet_editor=AAAAAAAAAAAAAAAAAAAAAA",
    `Cookie: ${"a=b; ".repeat(dice.below(400))}`,
    "Authorization: Bearer AAAAAAAAAAAA",
    `If-Match: "${dice.of(epochs)}.${dice.below(9)}"`,
    `If-None-Match: ${dice.of(["*", "W/", '"x"', ","])}`,
    `Idempotency-Key: ${"k".repeat(1 + dice.below(70))}`,
    "Sec-WebSocket-Extensions: permessage-deflate",
    "Expect: 100-continue",
    "X-Forwarded-Host: elsewhere.example",
  ]
  return [`X-Forwarded-For: ${address}`, ...some.filter(() => dice.below(8) === 0)]
}

/** A request to any route, with a body whose length is mostly true. */
function requestOf(dice: Dice): Buffer {
  const id = idOf(dice)
  const number = dice.of(["0", "1", "-1", "99999999999999999999", "", "x", "1e3"])
  const path = dice.of([
    ...[`/api/text/${id}`, `/api/text/${id}`, `/api/text/${id}?otp=x`, `/api/document/${id}`],
    `/api/document/${id}/history?from=${number}&limit=${number}`,
    ...[
      `/api/document/${id}/protect`,
      `/api/document/${id}/links`,
      `/api/document/${id}/retention`,
    ],
    ...[`/api/document/${id}/links/${number}`, "/api/stats", `/${id}`, `/assets/${id}`],
  ])
  const patches = [
    ...[{ append: "more" }, { find: "a", replace: "b" }, { find: "o", replace: "0", all: true }],
    ...[
      { revision: 1, operation: ["x", 3] },
      { user_id: 0, user_name: "x", otp: "y" },
    ],
    ...[
      { user_id: 0, role: "read", expires_in_hours: 24, label: "l" },
      { user_id: 0, days: 30 },
    ],
  ]
  const patch = dice.of(patches)
  const body = dice.of<() => string | Uint8Array>([
    () => JSON.stringify(patch),
    () => JSON.stringify(twisted(dice, patch)) ?? "",
    () => damaged(dice, Buffer.from(JSON.stringify(patch))),
    () => dice.bytes(dice.below(300)),
    () => `a text, ${"word ".repeat(dice.below(3_000))}`,
    () => "",
  ])()
  const bytes = Buffer.from(body)
  const lengths = [`Content-Length: ${bytes.length}`, "Transfer-Encoding: chunked"]
  const length = dice.below(12) === 0 ? dice.of([...lengths, "Content-Length: 5", ""]) : lengths[0]
  const method = dice.of(["GET", "GET", "HEAD", "PUT", "PUT", "PATCH", "PATCH", "POST", "DELETE"])
  const odd = dice.below(30) === 0 ? dice.of(["OPTIONS", "TRACE", "G ET", "get", "\0"]) : method
  const head = [`${odd} ${path} HTTP/1.1`, "Host: 127.0.0.1", ...headersOf(dice), length, "\r\n"]
  const whole = Buffer.concat([Buffer.from(head.filter((line) => line !== "").join("\r\n")), bytes])
  return dice.below(20) === 0 ? damaged(dice, whole) : whole
}

/** One connection of requests, one after the other and not waited for. */
async function asks(url: string, dice: Dice, seen: Map<string, number>): Promise<void> {
  const stranger = new Stranger(url, dice)
  for (let left = 1 + dice.below(12); left > 0 && !stranger.isOver; left--) {
    await stranger.writes(requestOf(dice))
  }
  await stranger.writes("GET /nothing HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n")
  await stranger.leaves()
  count(seen, stranger)
}

/** One editor of a kind, from its handshake to its end. */
async function edits(url: string, dice: Dice, seen: Map<string, number>): Promise<void> {
  const stranger = new Stranger(url, dice)
  const isExtended = dice.below(2) === 0
  const query = dice.of(["", "", "?dialect=rustpad", "?dialect=x&otp=%ff", "?otp=AAAAAAAAAAAA"])
  const protocol = isExtended ? ["Sec-WebSocket-Protocol: quartet-documents-1, otp.x"] : []
  await stranger.writes(
    upgradeOf(`/api/socket/${idOf(dice)}${query}`, [...headersOf(dice), ...protocol]),
  )
  const isIn = await stranger.isAnswered()
  count(seen, stranger)
  if (isIn && isExtended && dice.below(6) > 0) {
    await stranger.writes(framed(dice, JSON.stringify({ Join: { client: dice.of(keys) } })))
  }
  for (let left = isIn ? 1 + dice.below(60) : 0; left > 0 && !stranger.isOver; left--) {
    await stranger.writes(frameOf(dice, placeIn(stranger.heard)))
  }
  await stranger.leaves()
}

function count(seen: Map<string, number>, { heard }: Stranger): void {
  for (const [, status = ""] of heard.matchAll(/HTTP\/1\.1 (\d{3}) /g)) {
    seen.set(status, (seen.get(status) ?? 0) + 1)
  }
}

/** ada writes a number that bob waits for. */
class Pair implements Honest {
  readonly #ada: SharedText
  readonly #bob: SharedText
  #said = 0

  constructor(ada: SharedText, bob: SharedText) {
    this.#ada = ada
    this.#bob = bob
  }

  async says(): Promise<void> {
    const words = `number ${this.#said++}`
    this.#ada.replace(0, this.#ada.text.length, words)
    await eventually(() => this.#bob.text === words)
  }
}

test("DC105 DC106 SV14 SV19 whatever editors and requests say, nothing breaks, grows or reaches others", {
  timeout: (seconds + 300) * 1_000,
}, async (t) => {
  const server = await watched(t, {
    ...{ PARTS: "documents", TRUST_PROXY: "1", MAX_DOCUMENT_SIZE_KB: "8" },
    JOINS_PER_MINUTE: "1000000",
  })
  const come = async (id: string, name: string) => {
    const text = connect(server.url, { name }).documents.open(id)
    t.after(() => text.close())
    await eventually(() => text.state === "synchronized")
    return text
  }
  const pair = new Pair(await come("apart", "Ada"), await come("apart", "Bob"))
  const among = await come("shared", "Cid")
  const lost: unknown[] = []
  among.on("lost", ({ why }) => lost.push(why))
  const seen = new Map<string, number>()
  const torment = (dice: Dice) =>
    dice.below(3) === 0 ? asks(server.url, dice, seen) : edits(server.url, dice, seen)
  await besiege(t, { server, honest: pair, torment })
  t.diagnostic(JSON.stringify(Object.fromEntries(seen)))
  assert.ok(seen.has("101"))
  assert.ok(!seen.has("500"))
  // What was accepted is the same for all who saw it. The last frames may still be on their way.
  among.replace(0, among.text.length, "still here")
  let stored = ""
  await eventually(() => among.unacknowledged === 0)
  for (let left = 1_000; left > 0 && (stored === "" || stored !== among.text); left--) {
    stored = await (await fetch(`${server.url}/api/text/shared`)).text()
  }
  assert.equal(among.text, stored)
  assert.ok(stored.includes("still here"))
  assert.deepEqual(lost, [])
})
