/**
 * Parts of the fault tests: a server process that is ended and started again where it was, a long
 * line to it, what is typed, and a bell for those who wait for what events bring.
 *
 * What always holds: what is typed are marks, code points of which no test types one twice, so a
 * text says what was lost and what was repeated. Nobody here waits for time to pass, only for events.
 */
import assert from "node:assert/strict"
import { once } from "node:events"
import { type AddressInfo, connect, createServer, type Socket } from "node:net"
import type { TestContext } from "node:test"
import { setTimeout as delay } from "node:timers/promises"
import { type Launched, lastingPort, launch, temporaryDirectory } from "./harness.ts"

/** Nobody waits longer for anything, so that a fault ends a test with a sentence and not by its time-out. */
const longestMs = 60_000

/** Rung at each event that may bring about what somebody waits for. */
export class Bell {
  /** How often it was rung. */
  rings = 0
  readonly #looks = new Set<() => void>()

  readonly ring = (): void => {
    this.rings += 1
    for (const look of [...this.#looks]) look()
  }

  /** Resolves when `holds`, looked at now and at each ring. Rejects after a minute, with `what`. */
  until(what: string, holds: () => boolean): Promise<void> {
    return new Promise((resolve, reject) => {
      const settle = (how: () => void) => {
        this.#looks.delete(look)
        clearTimeout(late)
        how()
      }
      const look = () => {
        if (holds()) settle(resolve)
      }
      const late = setTimeout(() => {
        settle(() => reject(new Error(`within a minute it did not come to this: ${what}`)))
      }, longestMs)
      this.#looks.add(look)
      look()
    })
  }
}

/** Code points that stand for what is typed: never one twice, most of them two UTF-16 units long. */
export class Marks {
  /** All that were typed. */
  readonly typed: string[] = []

  /** A text of `count` fresh marks. */
  next(count = 1): string {
    const first = this.typed.length
    for (let at = first; at < first + count; at += 1) this.typed.push(markAt(at))
    return this.typed.slice(first).join("")
  }
}

// One in four is of the basic plane, as long as there are such: lengths in units are then not twice
// those in code points. Ideographs, for no other reason than that there are many.
function markAt(index: number): string {
  const ofBasicPlane = 0x3400 + index / 4
  const isBasic = index % 4 === 0 && ofBasicPlane < 0xa000
  return String.fromCodePoint(isBasic ? ofBasicPlane : 0x20000 + index)
}

/** Checks that `text` has each of `marks` exactly once, and nothing else. */
export function assertOnce(text: string, marks: Iterable<string>): void {
  const wanted = new Set(marks)
  const seen = new Set<string>()
  const repeated: string[] = []
  for (const mark of text) {
    if (seen.has(mark)) repeated.push(mark)
    seen.add(mark)
  }
  const lost = [...wanted].filter((mark) => !seen.has(mark))
  const unknown = [...seen].filter((mark) => !wanted.has(mark))
  assert.deepEqual({ lost, repeated, unknown }, { lost: [], repeated: [], unknown: [] })
}

/** A server process on a directory and a port of its own, for as many lives as it is given. */
export class Host {
  readonly bell = new Bell()
  readonly #t: TestContext
  readonly #environment: Readonly<Record<string, string>>
  readonly #within: readonly string[]
  #server: Launched | undefined

  private constructor(
    t: TestContext,
    environment: Readonly<Record<string, string>>,
    within: readonly string[],
  ) {
    this.#t = t
    this.#environment = environment
    this.#within = within
  }

  /** Starts its first life. `settings` are variables; without DATA_DIR it has a fresh directory. */
  static async start(
    t: TestContext,
    settings: Readonly<Record<string, string>> = {},
    within: readonly string[] = [],
  ): Promise<Host> {
    const place = settings["DATA_DIR"] ?? temporaryDirectory(t)
    // All editors come from one address, again and again.
    const environment = {
      JOINS_PER_MINUTE: "1000000",
      PORT: `${await lastingPort()}`,
      DATA_DIR: place,
    }
    const host = new Host(t, { ...environment, ...settings }, within)
    await host.start()
    return host
  }

  get environment(): Readonly<Record<string, string>> {
    return this.#environment
  }

  get directory(): string {
    return this.#environment["DATA_DIR"] ?? ""
  }

  get url(): string {
    return `http://127.0.0.1:${this.#environment["PORT"]}`
  }

  /** Its present life, or the one that ended last. */
  get server(): Launched {
    if (this.#server === undefined) throw new Error("it was never started")
    return this.#server
  }

  /** Another life, on the same files and the same port. Each line that it logs rings the bell. */
  async start(environment: Readonly<Record<string, string>> = {}): Promise<void> {
    this.#server = await launch(this.#t, { ...this.#environment, ...environment }, this.#within)
    this.#server.process.stderr?.on("data", this.bell.ring)
  }

  /** Ends this life; resolves with the exit code, null after a kill. No fault of ours was logged in it. */
  async end(signal: NodeJS.Signals): Promise<number | null> {
    const code = await this.server.end(signal)
    assert.deepEqual(this.logged("internal error"), [])
    return code
  }

  /** What this life has logged of one event. */
  logged(event: string): readonly Record<string, unknown>[] {
    return this.server.log.filter((entry) => entry["event"] === event)
  }

  /** The text over HTTP. */
  async text(id: string): Promise<string> {
    const answer = await fetch(`${this.url}/api/text/${id}`)
    assert.equal(answer.status, 200)
    return answer.text()
  }

  /** What is told of a document over HTTP. */
  async about(id: string): Promise<{ readonly epoch: string; readonly revision: number }> {
    const answer = await fetch(`${this.url}/api/document/${id}`)
    assert.equal(answer.status, 200)
    return (await answer.json()) as { epoch: string; revision: number } // our own server's answer
  }

  /** The status of /health. */
  async health(): Promise<number> {
    return (await fetch(`${this.url}/health`)).status
  }

  /** A figure of /metrics, by its name with its labels. */
  async figure(name: string): Promise<number> {
    const lines = (await (await fetch(`${this.url}/metrics`)).text()).split("\n")
    const line = lines.find((each) => each.startsWith(`${name} `))
    return Number(line?.slice(name.length + 1))
  }
}

/** A line with a near end for editors, and a far end at a host. */
export interface Line {
  readonly url: string
  /** Cuts it: all that is on its way is lost. New connections may be made at once. */
  cut(): void
}

/** So long, in ms, a chunk is on its way on a long line, at the most. */
const lineMs = 25

/**
 * A line on which what the host says takes some ms. So edits are applied of which their authors do
 * not hear before it is cut, which hardly happens to those who sit beside the server.
 */
export async function longLine(t: TestContext, host: Host): Promise<Line> {
  const sockets = new Set<Socket>()
  const server = createServer((near) => {
    const far = connect(Number(new URL(host.url).port), "127.0.0.1")
    near.pipe(far)
    // The time of each chunk begins when the one before has arrived: they stay in order.
    let last = Promise.resolve()
    far.on("data", (chunk: Buffer) => {
      last = last.then(() => delay(Math.random() * lineMs)).then(() => void near.write(chunk))
    })
    for (const socket of [near, far]) {
      sockets.add(socket)
      socket.on("error", () => {}) // told by "close" as well
      socket.on("close", () => sockets.delete(socket))
    }
    near.on("close", () => far.destroy())
    far.on("close", () => void last.then(() => near.destroy()))
  })
  const cut = () => {
    for (const socket of sockets) socket.destroy()
  }
  server.listen(0, "127.0.0.1")
  await once(server, "listening")
  t.after(() => {
    server.close()
    cut()
  })
  const { port } = server.address() as AddressInfo // it listens on a port, so that is what it has
  return { url: `http://127.0.0.1:${port}`, cut }
}
