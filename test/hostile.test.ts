/**
 * Bad input over real sockets: each kind gets the named error or close, costs bounded memory, and
 * harms nobody else. A bystander types in the same document all the while, and must not notice.
 */
import assert from "node:assert/strict"
import { once } from "node:events"
import { connect as connectSocket } from "node:net"
import { type TestContext, test } from "node:test"
import { type RawData, WebSocket } from "ws"
import { eventually, type Started, startServer } from "./harness.ts"

type Message = Readonly<Record<string, unknown>>

/** An editor on a real WebSocket that keeps what it heard and why it was closed. */
class Editor {
  readonly socket: WebSocket
  readonly heard: Message[] = []
  closed: number | undefined

  private constructor(socket: WebSocket) {
    this.socket = socket
    socket.on("message", (data: RawData) => this.heard.push(JSON.parse(String(data))))
    socket.on("close", (code) => {
      this.closed = code
    })
    socket.on("error", () => {}) // a refused or broken line ends with "close", too
  }

  static async open(url: string, protocols: readonly string[] = []): Promise<Editor> {
    const editor = new Editor(new WebSocket(url, [...protocols]))
    await once(editor.socket, "open")
    return editor
  }

  says(message: unknown): void {
    this.socket.send(typeof message === "string" ? message : JSON.stringify(message))
  }

  /** The first message with this key, once it is there. */
  hears(key: string): Promise<Message> {
    return eventually(() => this.heard.find((message) => key in message))
  }

  closes(): Promise<number> {
    return eventually(() => this.closed)
  }
}

async function plain({ ws }: Started, id: string): Promise<Editor> {
  const editor = await Editor.open(`${ws}/api/socket/${id}`)
  await editor.hears("Identity")
  return editor
}

async function extended({ ws }: Started, id: string, client: string): Promise<Editor> {
  const editor = await Editor.open(`${ws}/api/socket/${id}`, ["quartet-documents-1"])
  editor.says({ Join: { client: client.padEnd(22, "A") } })
  await editor.hears("Welcome")
  return editor
}

/** Somebody else in the document: sees a round trip of its own after whatever the stranger did. */
async function bystander(t: TestContext, server: Started, id: string) {
  const editor = await plain(server, id)
  t.after(() => editor.socket.terminate())
  return async () => {
    const before = editor.heard.length
    editor.says({ ClientInfo: { name: `round ${before}`, hue: 1 } })
    await eventually(() => editor.heard.slice(before).some((message) => "UserInfo" in message))
    assert.equal(editor.closed, undefined)
  }
}

const edit = (revision: unknown, operation: unknown, more = {}) => ({
  Edit: { revision, operation, ...more },
})
const nested = `${"[".repeat(10_000)}${"]".repeat(10_000)}`

/** What is sent, by name. All of it is unreadable. */
const unreadable: Readonly<Record<string, unknown>> = {
  "broken JSON": '{"Edit":{"revision":0,',
  "no object": "42",
  "an array": "[]",
  null: "null",
  "an empty object": "{}",
  "two keys": '{"SetLanguage":"go","ClientInfo":{"name":"A","hue":1}}',
  "an unknown key": '{"Smile":1}',
  __proto__: '{"__proto__":{"polluted":true}}',
  constructor: '{"constructor":{"prototype":{"polluted":true}}}',
  toString: '{"toString":1}',
  "ten thousand nested arrays": `{"Edit":{"revision":0,"operation":${nested}}}`,
  "a revision that is a text": edit("0", ["x"]),
  "a negative revision": edit(-1, ["x"]),
  "a fraction of a revision": edit(2.5, ["x"]),
  "a revision of 1e300": '{"Edit":{"revision":1e300,"operation":["x"]}}',
  "a revision of 2^53": '{"Edit":{"revision":9007199254740992,"operation":["x"]}}',
  "no operation": edit(0, undefined),
  "an operation that is an object": edit(0, { 0: "x", length: 1 }),
  "a component that is true": edit(0, [true]),
  "a component that is null": edit(0, [null]),
  "a component of 2.5": edit(0, [2.5]),
  "a component of 1e300": '{"Edit":{"revision":0,"operation":[1e300]}}',
  "a language with a tag in it": { SetLanguage: "<script>" },
  "a language of 65 characters": { SetLanguage: "x".repeat(65) },
  "an empty language": { SetLanguage: "" },
  "a name that is a number": { ClientInfo: { name: 7, hue: 1 } },
  "no hue": { ClientInfo: { name: "A" } },
  "a negative hue": { ClientInfo: { name: "A", hue: -1 } },
  "a cursor of -1": { CursorData: { cursors: [-1], selections: [] } },
  "a selection of three": { CursorData: { cursors: [], selections: [[1, 2, 3]] } },
  "no selections": { CursorData: { cursors: [] } },
}

/** Operations of the right form that cannot be applied. */
const unfit: Readonly<Record<string, unknown>> = {
  "half a surrogate pair": '{"Edit":{"revision":0,"operation":["\\ud83d"]}}',
  NUL: '{"Edit":{"revision":0,"operation":["a\\u0000b"]}}',
  "a text that is too long for the operation": edit(0, [5, "x"]),
  "more deleted than there is": edit(0, [-1]),
  "lengths beyond all numbers": edit(0, [9007199254740991, 9007199254740991]),
  "twenty thousand and one components": edit(0, Array(20_001).fill("x")),
  "a million components": edit(0, Array(200_000).fill(1)),
}

test("DC105 DC60 what is unreadable closes a plain editor as bad-message, and harms nobody", async (t) => {
  const server = await startServer(t, { joinsPerMinute: 1_000 })
  const others = await bystander(t, server, "notes")
  for (const [name, message] of Object.entries(unreadable)) {
    const editor = await plain(server, "notes")
    editor.says(message)
    assert.equal(await editor.closes(), 4400, name)
    await others()
  }
  assert.equal(({} as Record<string, unknown>)["polluted"], undefined)
  assert.equal(await (await fetch(`${server.url}/api/text/notes`)).text(), "")
})

test("DC41 DC43 DC34 an operation that does not fit closes a plain editor as bad-operation", async (t) => {
  const server = await startServer(t, { joinsPerMinute: 1_000 })
  const others = await bystander(t, server, "notes")
  for (const [name, message] of Object.entries(unfit)) {
    const editor = await plain(server, "notes")
    editor.says(message)
    assert.equal(await editor.closes(), 4422, name)
    await others()
  }
})

test("DC60 DC105 an extended editor is told each of them, and goes on", async (t) => {
  const server = await startServer(t, { joinsPerMinute: 1_000 })
  const all = [
    ...Object.entries(unreadable).map(([name, message]) => ["bad-message", name, message] as const),
    ...Object.entries(unfit).map(([name, message]) => ["bad-operation", name, message] as const),
  ]
  for (const [index, [code, name, message]] of all.entries()) {
    const editor = await extended(server, "notes", `c${index}`)
    // Its edits have a number.
    const text = typeof message === "string" ? message : JSON.stringify(message)
    editor.says(text.replace('{"Edit":{', '{"Edit":{"seq":1,'))
    const { Error: error } = await editor.hears("Error")
    assert.equal((error as { code: string }).code, code, name)
    editor.says({ SetLanguage: "go" })
    await editor.hears("Language")
    assert.equal(editor.closed, undefined)
    editor.socket.terminate()
  }
})

test("DC105 a binary frame is unreadable", async (t) => {
  const server = await startServer(t)
  const editor = await plain(server, "notes")
  editor.socket.send(Buffer.from('{"SetLanguage":"go"}'))
  assert.equal(await editor.closes(), 4400)
})

test("DC13 whatever comes before the Join is no Join, and closes", async (t) => {
  const server = await startServer(t)
  const editor = await Editor.open(`${server.ws}/api/socket/notes`, ["quartet-documents-1"])
  editor.says(edit(0, ["x"], { seq: 1 }))
  assert.equal(await editor.closes(), 4400)
  assert.deepEqual(editor.heard, [])
})

test("DC39 DC60 a text above the limit is refused, closes a plain editor only, and is not applied", async (t) => {
  const server = await startServer(t, { maxDocumentSizeKb: 4 })
  const others = await bystander(t, server, "notes")
  const plainEditor = await plain(server, "notes")
  plainEditor.says(edit(0, ["x".repeat(4 * 1024 + 1)]))
  assert.equal(await plainEditor.closes(), 4413)
  const extendedEditor = await extended(server, "notes", "big")
  extendedEditor.says(edit(0, ["x".repeat(4 * 1024 + 1)], { seq: 1 }))
  const { Error: error } = await extendedEditor.hears("Error")
  assert.deepEqual(
    { ...(error as object), message: "" },
    { code: "too-large", message: "", seq: 1, revision: 0, retry: false },
  )
  await others()
  assert.equal(await (await fetch(`${server.url}/api/text/notes`)).text(), "")
})

test("DC40 SV19 a frame above its limit closes, and one far above it is not even read", async (t) => {
  const server = await startServer(t, { maxDocumentSizeKb: 1 })
  const limit = 4 * 1024 + 64 * 1024
  const others = await bystander(t, server, "notes")
  for (const [bytes, code] of [
    [limit + 1, 4413],
    [3 * limit, 1009],
  ] as const) {
    const editor = await plain(server, "notes")
    editor.says(`{"SetLanguage":"${"x".repeat(bytes - 18)}"}`)
    assert.equal(await editor.closes(), code)
    await others()
  }
})

test("DC35 a revision that is far behind or ahead is stale, for both kinds of editor", async (t) => {
  const server = await startServer(t, { historyRevisions: 10, editsPerSecond: 0 })
  const writer = await plain(server, "notes")
  for (let n = 0; n < 50; n++) {
    writer.says(edit(n, n === 0 ? ["x"] : [n, "x"]))
    await eventually(() => writer.heard.filter((message) => "History" in message).length > n)
  }
  for (const revision of [0, 5, 999, Number.MAX_SAFE_INTEGER]) {
    const operation = revision === 0 ? ["y"] : [Math.min(revision, 50), "y"]
    if (revision > 0) {
      const editor = await plain(server, "notes")
      editor.says(edit(revision, operation))
      assert.equal(await editor.closes(), 4509, `${revision}`)
    }
    const other = await extended(server, "notes", `r${revision}`)
    other.says(edit(revision, operation, { seq: 1 }))
    const { Error: error } = await other.hears("Error")
    const { code, retry } = error as { code: string; retry: boolean }
    assert.deepEqual({ code, retry }, { code: "stale-revision", retry: true })
    other.socket.terminate()
  }
  assert.equal(writer.closed, undefined)
})

test("DC1 DC2 an id is the rest of the path; what is none is refused before the handshake", async (t) => {
  const { ws, url } = await startServer(t)
  const refusal = async (path: string) => {
    const socket = new WebSocket(ws + path)
    socket.on("error", () => {})
    const [, response] = await once(socket, "unexpected-response")
    let body = ""
    for await (const chunk of response) body += chunk
    return `${response.statusCode} ${body}`
  }
  assert.equal(await refusal("/api/socket/"), "400 document ID required")
  const bad = ["~link", "a%00b", "a%0Ab", "%ED%A0%80", "x".repeat(129), "%f0%9f%98%80".repeat(129)]
  for (const id of bad) assert.match(await refusal(`/api/socket/${id}`), /^400 /, id)
  assert.equal(await refusal("/api/socket/~link"), "400 bad document ID")
  const good = ["a/b/c", "%F0%9F%98%80".repeat(128), "with%20space", "UPPER", "%2F", "a%2F..%2Fb"]
  for (const id of good) {
    const editor = await Editor.open(`${ws}/api/socket/${id}`)
    editor.says(edit(0, [`I am ${good.indexOf(id)}`]))
    await editor.hears("History")
    editor.socket.terminate()
  }
  // Compared exactly: each of them is a document of its own.
  for (const id of good) {
    const encoded = encodeURIComponent(decodeURIComponent(id))
    const text = await (await fetch(`${url}/api/text/${encoded}`)).text()
    assert.equal(text, `I am ${good.indexOf(id)}`, id)
  }
})

test("DC104 SV22 who asks too often is told over HTTP when to come back", async (t) => {
  const { url } = await startServer(t)
  const ask = () => fetch(`${url}/api/document/notes/protect`, { method: "POST", body: "{}" })
  let answer = await ask()
  // Counting begins anew with each minute: one may end amid these.
  for (let n = 0; n < 240 && answer.status !== 429; n++) answer = await ask()
  assert.equal(answer.status, 429)
  const wait = answer.headers.get("retry-after")
  assert.equal(await answer.text(), `too many tries, come back in ${wait} s`)
  assert.ok(Number(wait) >= 1 && Number(wait) <= 60, `${wait}`)
})

test("DC17 SV16 at its limit a document takes no further editor, and says so before the handshake", async (t) => {
  const server = await startServer(t, { maxEditors: 2 })
  await plain(server, "notes")
  await plain(server, "notes")
  const third = new WebSocket(`${server.ws}/api/socket/notes`)
  third.on("error", () => {})
  const [, response] = await once(third, "unexpected-response")
  assert.equal(response.statusCode, 503)
  assert.equal(response.headers["retry-after"], "5")
  await plain(server, "another")
})

test("DC100 SV8 a reader that never reads is closed as slow, and nobody else waits", async (t) => {
  const server = await startServer(t, { wsWriteTimeoutSeconds: 0.3, editsPerSecond: 0 })
  const writer = await plain(server, "notes")
  const { port } = new URL(server.url)
  const deaf = connectSocket(Number(port), "127.0.0.1")
  t.after(() => deaf.destroy())
  const key = "dGhlIHNhbXBsZSBub25jZQ=="
  deaf.write(
    `GET /api/socket/notes HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\nUpgrade: websocket\r\n` +
      `Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: ${key}\r\n\r\n`,
  )
  await once(deaf, "readable")
  deaf.pause()
  const slow = async () => {
    const figures = await (await fetch(`${server.url}/metrics`)).text()
    return /closes_total\{code="(?:slow|stale-revision)"\} 1/.test(figures)
  }
  // Insert and delete again: what is sent grows, the text does not.
  const insert = "x".repeat(100_000)
  for (let n = 0; !(await slow()); n += 2) {
    writer.says(edit(n, [insert]))
    writer.says(edit(n + 1, [-100_000]))
    await eventually(() => lastRevision(writer) >= n + 2)
  }
  assert.equal(writer.closed, undefined)
})

function lastRevision({ heard }: Editor): number {
  const histories = heard.flatMap((message) => ("History" in message ? [message["History"]] : []))
  const last = histories.at(-1) as { start: number; operations: unknown[] } | undefined
  return last === undefined ? 0 : last.start + last.operations.length
}
