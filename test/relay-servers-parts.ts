/**
 * Several servers as processes of their own, which reach each other over a Redis of our own, and
 * unmodified y-websocket clients spread over them, who write markers. For tests, and for
 * bench/faults.ts.
 *
 * What always holds: a client keeps the server it was given until it is given another, as it would
 * behind a balancer; each edit puts in one marker that nobody else writes, so what was lost and what
 * came twice can be told. Time is the machine's.
 */
import type { TestContext } from "node:test"
import { setTimeout as sleep } from "node:timers/promises"
import { WebsocketProvider } from "y-websocket"
import * as Y from "yjs"
import { type Launched, launch, temporaryDirectory } from "./harness.ts"
import { freePort, Redis, SpoiltLine } from "./redis-parts.ts"
import { Cuttable } from "./relay-libraries.ts"

/** How a world is made. */
export interface WorldStart {
  readonly servers: number
  readonly clients: number
  /** Edits in a second, of all clients together. */
  readonly editsPerSecond: number
  /** Further variables of every server. */
  readonly environment?: Readonly<Record<string, string>>
  /** "spoilt": the servers' lines to Redis may be frozen, and subscriptions forgotten. */
  readonly lines?: "straight" | "spoilt"
}

/** What `/health` of a server said. */
export interface HealthSample {
  /** ms since 1970. */
  readonly at: number
  /** Which server, from 0. */
  readonly server: number
  readonly says: "well" | "ill" | "draining" | "nothing"
}

/** One client of the room. */
export interface Writer {
  readonly name: string
  readonly doc: Y.Doc
  readonly provider: WebsocketProvider
  readonly written: string[]
  /** Which server it comes to, from 0. */
  server: number
}

interface UnderWay {
  readonly at: number
  /** Of the writer. */
  readonly server: number
  lacking: number
  lackingNear: number
}

const writeMs = 20
const sampleMs = 250
const answerMs = 2_500

export class ServersWorld {
  readonly redis: Redis
  readonly line: SpoiltLine
  readonly servers: Launched[] = []
  readonly writers: Writer[] = []
  readonly health: HealthSample[] = []
  /** ms that each marker took until the last client had it. */
  readonly delays: number[] = []
  /** The same, until the last client on the writer's own server had it. */
  readonly nearDelays: number[] = []
  readonly #t: TestContext
  readonly #start: WorldStart
  /** Markers that somebody lacks: when they were written, how many lack them. */
  readonly #underWay = new Map<string, UnderWay>()
  #isWriting = false
  #environment: Readonly<Record<string, string>>
  #isOver = false
  #serial = 0

  private constructor(t: TestContext, redis: Redis, start: WorldStart) {
    this.#t = t
    this.redis = redis
    this.line = new SpoiltLine(redis)
    this.#start = start
    this.#environment = start.environment ?? {}
    t.after(() => {
      this.#isOver = true
      for (const { provider, doc } of this.writers) {
        provider.destroy()
        doc.destroy()
      }
    })
  }

  /** All servers are well, all clients in step. */
  static async open(t: TestContext, start: WorldStart): Promise<ServersWorld> {
    const redis = new Redis(await freePort(), temporaryDirectory(t), [])
    t.after(() => redis.kill())
    await redis.start()
    const world = new ServersWorld(t, redis, start)
    await world.line.start(t)
    const places = Array.from({ length: start.servers }, (_, place) => place)
    await Promise.all(places.map((place) => world.launch(place)))
    for (const place of places) void world.#watch(place)
    await until(() => world.isWellSince(0), 20_000)
    for (let place = 0; place < start.clients; place++) {
      world.#come(place)
      // The first one begins the room.
      if (place === 0) await until(() => world.writers[0]?.provider.synced === true, 10_000)
    }
    await until(() => world.isInStep, 20_000)
    void world.#write()
    return world
  }

  /** Whether every server has said since then, and last, that it is well. */
  isWellSince(since: number): boolean {
    return this.servers.every((_, place) => {
      const last = this.health.findLast(({ server }) => server === place)
      return last?.says === "well" && last.at >= since
    })
  }

  /** When every server had its bus back last, in ms since 1970; undefined while one was not since `since`. */
  readySince(since: number): number | undefined {
    const times = this.servers.map(({ log }) => {
      const last = log.findLast(({ event }) => event === "bus back")
      return Date.parse(String(last?.["time"]))
    })
    return times.every((time) => time >= since) ? Math.max(...times) : undefined
  }

  /** Whether all clients are synced. */
  get isInStep(): boolean {
    return this.writers.every(({ provider }) => provider.wsconnected && provider.synced)
  }

  /** Markers that are not everywhere yet. */
  get underWay(): readonly string[] {
    return [...this.#underWay.keys()]
  }

  /** Starts the server at this place anew, from now on with this environment if one is given. */
  async launch(place: number, environment = this.#environment): Promise<void> {
    this.#environment = environment
    this.servers[place] = await launch(this.#t, {
      PARTS: "relay",
      SQLITE_URI: ":memory:",
      REDIS_URL: this.#start.lines === "spoilt" ? this.line.url : this.redis.url,
      RELAY_ANONYMOUS: "editor",
      SERVER_ID: `server-${place + 1}`,
      ...this.#environment,
    })
  }

  /** Starts one more server, with this environment from now on. */
  async add(environment: Readonly<Record<string, string>>): Promise<void> {
    const place = this.servers.length
    await this.launch(place, environment)
    void this.#watch(place)
  }

  /** Every other client of the last server breaks off, and comes to the first. */
  spread(): void {
    for (const [place, writer] of this.writers.entries()) {
      if (place % 2 === 0) continue
      this.#lead(writer, 0)
      writer.provider.ws?.close()
    }
  }

  /** From now on the clients of one server come to another; where they are connected they stay. */
  send(from: number, to: number): void {
    for (const writer of this.writers) {
      if (writer.server === from) this.#lead(writer, to)
    }
  }

  write(): void {
    this.#isWriting = true
  }

  rest(): void {
    this.#isWriting = false
  }

  /** What is not as it must be once all has healed; nothing where all is well. */
  wrongs(): readonly string[] {
    const wrongs: string[] = []
    for (const { name, doc } of this.writers) {
      const { pendingStructs, pendingDs } = doc.store
      if (pendingStructs !== null || pendingDs !== null)
        wrongs.push(`${name} has something pending`)
    }
    const contents = new Set(this.writers.map(({ doc }) => contentOf(doc)))
    if (contents.size > 1) wrongs.push(`there are ${contents.size} documents`)
    for (const { name, doc } of this.writers) {
      const markers = markersOf(doc).toArray()
      const found = new Set(markers)
      const lost = this.writers.flatMap(({ written }) => written.filter((each) => !found.has(each)))
      if (lost.length > 0) wrongs.push(`${name} lacks ${lost.length} markers, such as ${lost[0]}`)
      if (found.size < markers.length) wrongs.push(`${name} has markers twice`)
    }
    return wrongs
  }

  /** Whom somebody does not see; nothing where all see all. */
  unseen(): readonly string[] {
    return this.writers.flatMap(({ name, provider }) => {
      const seen = new Set(provider.awareness.getStates().keys())
      const missing = this.writers.filter(({ doc }) => !seen.has(doc.clientID))
      const ghosts = seen.size - (this.writers.length - missing.length)
      const least = missing.length > 0 || ghosts > 0
      return least ? [`${name} misses ${missing.length} and sees ${ghosts} too many`] : []
    })
  }

  /** The sum of a figure over the servers that answer. */
  async figure(name: string): Promise<number> {
    let sum = 0
    for (const { url } of this.servers) {
      const answer = await fetch(`${url}/metrics`)
      const text = await answer.text()
      for (const line of text.matchAll(new RegExp(`^${name}(?:\\{[^}]*\\})? (\\S+)$`, "gm"))) {
        sum += Number(line[1])
      }
    }
    return sum
  }

  #lead(writer: Writer, to: number): void {
    writer.server = to
    writer.provider.serverUrl = `${this.servers[to]?.ws}/yjs`
  }

  #come(place: number): void {
    const doc = new Y.Doc()
    const server = place % this.#start.servers
    const provider = new WebsocketProvider(`${this.servers[server]?.ws}/yjs`, "notes", doc, {
      WebSocketPolyfill: Cuttable as unknown as typeof globalThis.WebSocket, // all that it uses
      maxBackoffTime: 500,
      disableBc: true,
    })
    const name = `c${place + 1}`
    provider.awareness.setLocalStateField("name", name)
    const writer: Writer = { name, doc, provider, written: [], server }
    markersOf(doc).observe((event) => {
      for (const { insert } of event.changes.delta) {
        for (const marker of Array.isArray(insert) ? insert : [])
          this.#arrived(String(marker), writer)
      }
    })
    this.writers.push(writer)
  }

  #arrived(marker: string, { server }: Writer): void {
    const found = this.#underWay.get(marker)
    if (found === undefined) return
    const tookMs = Date.now() - found.at
    if (server === found.server && --found.lackingNear === 0) this.nearDelays.push(tookMs)
    if (--found.lacking > 0) return
    this.#underWay.delete(marker)
    this.delays.push(tookMs)
  }

  async #write(): Promise<void> {
    let owed = 0
    let last = Date.now()
    while (!this.#isOver) {
      await sleep(writeMs)
      const now = Date.now()
      owed = Math.min(
        this.#start.editsPerSecond,
        owed + ((now - last) * this.#start.editsPerSecond) / 1_000,
      )
      last = now
      for (; owed >= 1; owed--) if (this.#isWriting) this.#edit()
    }
  }

  #edit(): void {
    const writer = this.writers[Math.floor(Math.random() * this.writers.length)]
    if (writer === undefined) return
    const marker = `${writer.name}.${this.#serial++}`
    writer.written.push(marker)
    const { server } = writer
    const near = this.writers.filter((each) => each.server === server).length
    const lacking = { lacking: this.writers.length, lackingNear: near }
    this.#underWay.set(marker, { at: Date.now(), server, ...lacking })
    const markers = markersOf(writer.doc)
    const text = writer.doc.getText("t")
    writer.doc.transact(() => {
      markers.insert(Math.floor(Math.random() * (markers.length + 1)), [marker])
      const at = Math.floor(Math.random() * (text.length + 1))
      if (Math.random() < 0.6) text.insert(at, "abc")
      else text.delete(at, Math.min(3, text.length - at))
    })
  }

  async #watch(place: number): Promise<void> {
    while (!this.#isOver) {
      const began = Date.now()
      const says = await healthOf(this.servers[place]?.url ?? "")
      // An answer says how it was when it came.
      this.health.push({ at: Date.now(), server: place, says })
      await sleep(Math.max(0, sampleMs - (Date.now() - began)))
    }
  }
}

async function healthOf(url: string): Promise<HealthSample["says"]> {
  try {
    const answer = await fetch(`${url}/health`, { signal: AbortSignal.timeout(answerMs) })
    const { ok, status } = (await answer.json()) as { ok: boolean; status: string } // two of its fields
    if (ok) return "well"
    return status === "degraded" ? "ill" : "draining"
  } catch {
    return "nothing"
  }
}

/** Resolves with true once `is` holds, with false after `ms`. Looks every 20 ms: this is real time. */
export async function until(is: () => boolean, ms: number): Promise<boolean> {
  for (const end = Date.now() + ms; Date.now() < end; ) {
    if (is()) return true
    await sleep(20)
  }
  return is()
}

function markersOf(doc: Y.Doc): Y.Array<string> {
  return doc.getArray<string>("markers")
}

function contentOf(doc: Y.Doc): string {
  return JSON.stringify([doc.getText("t").toString(), markersOf(doc).toArray()])
}
