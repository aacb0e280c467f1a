/** Every conversation in docs/protocol is held with a real server. */
import assert from "node:assert/strict"
import { once } from "node:events"
import { readFileSync } from "node:fs"
import { join } from "node:path"
import { type TestContext, test } from "node:test"
import { type RawData, WebSocket } from "ws"
import { compose, moveIndex, Operation, transform } from "../src/ot/operation.ts"
import { startServer } from "./harness.ts"

const manual = readFileSync(join(import.meta.dirname, "../docs/protocol/documents.md"), "utf8")
const conversations = [...manual.matchAll(/```wire\n([\s\S]*?)```/g)].map((match) => match[1] ?? "")

/** A WebSocket that keeps what it hears until it is asked for. */
class FarEnd {
  readonly #socket: WebSocket
  readonly #heard: string[] = []
  #wake = () => {}
  #closed: number | undefined
  /** Of its Welcome: proves over HTTP that it is this editor. */
  secret = ""

  constructor(url: string, protocols: string[]) {
    this.#socket = new WebSocket(url, protocols)
    this.#socket.on("message", (data: RawData) => {
      this.#heard.push(String(data))
      this.secret = /"secret":"([^"]*)"/.exec(String(data))?.[1] ?? this.secret
      this.#wake()
    })
    this.#socket.on("close", (code) => {
      this.#closed = code
      this.#wake()
    })
  }

  async opened(): Promise<void> {
    await once(this.#socket, "open")
  }

  say(message: string): void {
    this.#socket.send(message)
  }

  /** The next message, or `closed 4400`. */
  async hear(): Promise<string> {
    for (;;) {
      const message = this.#heard.shift()
      if (message !== undefined) return message
      if (this.#closed !== undefined) return `closed ${this.#closed}`
      await new Promise<void>((resolve) => {
        this.#wake = resolve
      })
    }
  }

  async leave(): Promise<void> {
    if (this.#closed !== undefined) return
    const closed = once(this.#socket, "close")
    this.#socket.close()
    await closed
  }
}

/** Holds one conversation, line by line. */
class Conversation {
  readonly #origin: { readonly url: string; readonly ws: string }
  readonly #farEnds = new Map<string, FarEnd>()
  readonly #remembered = new Map<string, string>()
  #lastHeard = ""
  #answer = ""

  constructor(origin: { readonly url: string; readonly ws: string }) {
    this.#origin = origin
  }

  async hold(line: string): Promise<void> {
    const [first = "", verb = ""] = line.split(" ")
    const rest = line.slice(first.length + verb.length + 2)
    if (/^(GET|PUT|PATCH)$/.test(first)) return this.#request(first, verb, rest)
    if (/^\d{3}$/.test(first)) return this.#expect(this.#answer, line)
    if (verb === "opens") return this.#open(first, rest)
    const farEnd = this.#farEnds.get(first)
    assert.ok(farEnd, `${first} has not come: ${line}`)
    if (verb === "<") return this.#expect(await farEnd.hear(), rest)
    if (verb === ">") return farEnd.say(this.#filled(rest))
    if (verb === "asks") return this.#ask(farEnd, rest)
    if (verb === "closed") return assert.equal(await farEnd.hear(), `closed ${rest}`)
    if (verb === "leaves") return farEnd.leave()
    assert.equal(verb, "remembers", line)
    this.#remembered.set(rest, new RegExp(`"${rest}":"([^"]*)"`).exec(this.#lastHeard)?.[1] ?? "")
  }

  async end(): Promise<void> {
    for (const farEnd of this.#farEnds.values()) await farEnd.leave()
  }

  async #request(method: string, path: string, body: string): Promise<void> {
    const answer = await fetch(this.#origin.url + this.#named(path), {
      method,
      ...(body === "" ? {} : { body }),
    })
    this.#answer = `${answer.status} ${await answer.text()}`
  }

  /** A request with the secret of `farEnd`: a method, a path and, for most, a body. */
  async #ask({ secret }: FarEnd, request: string): Promise<void> {
    const [method = "", path = "", ...words] = request.split(" ")
    const answer = await fetch(this.#origin.url + this.#named(path), {
      method,
      headers: { authorization: `Bearer ${secret}` },
      ...(words.length === 0 ? {} : { body: words.join(" ") }),
    })
    this.#answer = `${answer.status} ${await answer.text()}`.trimEnd()
  }

  async #open(name: string, what: string): Promise<void> {
    const [path = "", , protocol] = what.split(" ")
    const farEnd = new FarEnd(
      this.#origin.ws + this.#named(path),
      protocol === undefined ? [] : [protocol],
    )
    this.#farEnds.set(name, farEnd)
    await farEnd.opened()
  }

  /** `"…"` stands for any text, `…` for any number. */
  #expect(heard: string, wanted: string): void {
    this.#lastHeard = heard
    const pattern = wanted
      .split('"…"')
      .map((part) => part.replace(/[.*+?^${}()|[\]\\]/g, "\\$&"))
      .join('"[^"]*"')
      .replaceAll("…", "\\d+")
    assert.match(heard, new RegExp(`^${pattern}$`))
  }

  #named(path: string): string {
    return path.replace(/\{(\w+)\}/g, (_, name) => `${this.#remembered.get(name)}`)
  }

  #filled(message: string): string {
    return message.replace(/"\{(\w+)\}"/g, (_, name) => `"${this.#remembered.get(name)}"`)
  }
}

async function hold(t: TestContext, text: string): Promise<void> {
  const { url, ws } = await startServer(t)
  const conversation = new Conversation({ url, ws })
  for (const line of text.split("\n")) if (line !== "") await conversation.hold(line)
  await conversation.end()
}

for (const [index, text] of conversations.entries()) {
  const [opening] = text.split("\n")
  test(`DC12 DC13 DC60 conversation ${index + 1} of the manual: ${opening}`, (t) => hold(t, text))
}

test("DC32 the manual's table of transformations is what transform gives", () => {
  const rows = [...manual.matchAll(/^\| `(\[.*?)` \| `(\[.*?)` \| `(\[.*?)` \| `(\[.*?)` \|$/gm)]
  assert.ok(rows.length >= 6)
  for (const [, ...cells] of rows) {
    const [a, b, a2, b2] = cells.map((cell) => JSON.parse(cell))
    const moved = transform(Operation.from(a), Operation.from(b))
    assert.deepEqual(
      moved.map((each) => each.components),
      [a2, b2],
    )
  }
})

test("DC31 the manual's table of compositions is what composing gives", () => {
  const rows = [...manual.matchAll(/^\| `(\[[^`]*)` \| `(\[[^`]*)` \| `(\[[^`]*)` \|$/gm)]
  assert.ok(rows.length >= 3)
  for (const [, ...cells] of rows) {
    const [a, b, both] = cells.map((cell) => JSON.parse(cell))
    assert.deepEqual(compose(Operation.from(a), Operation.from(b)).components, both)
  }
})

test("DC66 DC68 the manual's table of positions is how they are moved", () => {
  const rows = [...manual.matchAll(/^\| `(\[[^`]*)` \| (\d+) \| (\d+) \| (\d+) \|$/gm)]
  assert.ok(rows.length >= 4)
  for (const [, operation = "", ...cells] of rows) {
    const [position = 0, right, left] = cells.map(Number)
    const moves = Operation.from(JSON.parse(operation))
    assert.equal(moveIndex(moves, position, "right"), right, operation)
    assert.equal(moveIndex(moves, position, "left"), left, operation)
  }
})
