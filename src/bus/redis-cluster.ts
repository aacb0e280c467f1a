/**
 * The masters of a Redis Cluster, as one: sharded channels, and two connections to each master.
 *
 * What always holds: each name is asked for at the master that has its slot. A slot that moved
 * between them is learned from the answer, and what was subscribed there is told as moved; a master
 * that ended, or one that is new, ends this life.
 */
import type { Lines, ScriptInput, Told } from "./lines.ts"
import type { RedisPlace } from "./place.ts"
import { RedisLines, type SlotRange } from "./redis-lines.ts"
import { slotOf, taggedName } from "./slots.ts"

/** Connections to one Redis, or to the cluster that several addresses belong to. Not open yet. */
export function linesTo(place: RedisPlace, told: Told): Lines {
  const { urls, prefix, tls } = place
  const [url = ""] = urls
  return urls.length > 1
    ? new RedisCluster(place, told)
    : new RedisLines({ url, prefix, tls }, told)
}

/** A slot may be on its way while we ask. */
const triesLimit = 4

export class RedisCluster implements Lines {
  readonly #place: RedisPlace
  readonly #told: Told
  readonly #masters = new Map<string, RedisLines>()
  /** The place of the master that has each slot; a hole where none has. */
  readonly #placeBySlot: string[] = []
  /** What is subscribed, by its name in the cluster. */
  readonly #channels = new Map<string, string>()
  #seed: RedisLines | undefined
  #isOver = false

  /** Its addresses are of any of its servers, of which one has to answer. */
  constructor(place: RedisPlace, told: Told) {
    this.#place = place
    this.#told = told
  }

  async open(): Promise<void> {
    const { url, ranges } = await this.#ask()
    for (const { from, to, host, port } of ranges) {
      const place = placeOf(host === "" ? new URL(url).hostname : host, port)
      for (let slot = from; slot <= to; slot++) this.#placeBySlot[slot] = place
      if (!this.#masters.has(place)) this.#masters.set(place, this.#lines(urlAt(url, place)))
    }
    if (this.#masters.size === 0) throw new Error("the cluster has no masters yet")
    await Promise.all([...this.#masters.values()].map((master) => master.open()))
  }

  publish(channel: string, data: Uint8Array): Promise<number> {
    const name = taggedName(channel)
    return this.#at(name, (master) => master.publish(name, data))
  }

  async subscribe(channels: readonly string[]): Promise<void> {
    await Promise.all(
      channels.map((channel) => {
        const name = taggedName(channel)
        this.#channels.set(name, channel)
        return this.#at(name, (master) => master.subscribe([name]))
      }),
    )
  }

  async unsubscribe(channel: string): Promise<void> {
    const name = taggedName(channel)
    this.#channels.delete(name)
    await this.#at(name, (master) => master.unsubscribe(name))
  }

  get(key: string): Promise<Uint8Array | undefined> {
    const name = taggedName(key)
    return this.#at(name, (master) => master.get(name))
  }

  set(key: string, data: Uint8Array, forMs: number): Promise<void> {
    const name = taggedName(key)
    return this.#at(name, (master) => master.set(name, data, forMs))
  }

  run(script: string, of: ScriptInput): Promise<string> {
    const keys = of.keys.map(taggedName)
    const [name = ""] = keys
    return this.#at(name, (master) => master.run(script, { ...of, keys }))
  }

  // All servers ask the same master, whatever the clocks of the others say.
  time(): Promise<number> {
    return this.#at(taggedName("lfcc:servers"), (master) => master.time())
  }

  probes(name: string): readonly string[] {
    const found = new Map<string, string>()
    for (let tried = 0; found.size < this.#masters.size && tried < 1_000; tried++) {
      const channel = `${name}:${tried}`
      const place = this.#placeBySlot[slotOf(taggedName(channel))]
      if (place !== undefined && !found.has(place)) found.set(place, channel)
    }
    return [...found.values()]
  }

  close(): void {
    this.#isOver = true
    this.#seed?.close()
    for (const master of this.#masters.values()) master.close()
  }

  /** The slots, as the first server says that answers. */
  async #ask(): Promise<{ readonly url: string; readonly ranges: readonly SlotRange[] }> {
    let last: unknown
    const { urls, prefix, tls } = this.#place
    for (const url of urls) {
      // A seed that ends tells it by what it was asked.
      const told = { ...this.#told, ended: () => {} }
      const seed = new RedisLines({ url, prefix, tls }, told, "of a cluster")
      this.#seed = seed
      try {
        await seed.open()
        return { url, ranges: await seed.slots() }
      } catch (thrown) {
        last = thrown
      } finally {
        seed.close()
      }
      if (this.#isOver) break
    }
    throw last
  }

  #lines(url: string): RedisLines {
    const told: Told = {
      message: (name, data) => {
        const channel = this.#channels.get(name)
        if (channel !== undefined) this.#told.message(channel, data)
      },
      moved: (name) => this.#moved(name),
      ended: (why) => this.#end(why),
    }
    const { prefix, tls } = this.#place
    return new RedisLines({ url, prefix, tls }, told, "of a cluster")
  }

  /** Does `work` at the master that has `name`, wherever that is by then. */
  async #at<T>(name: string, work: (master: RedisLines) => Promise<T>): Promise<T> {
    for (let tries = 1; ; tries++) {
      const place = this.#placeBySlot[slotOf(name)]
      const master = place === undefined ? undefined : this.#masters.get(place)
      if (master === undefined) throw new Error("a slot of the cluster has no master")
      try {
        return await work(master)
      } catch (thrown) {
        if (tries === triesLimit || !this.#learn(thrown)) throw thrown
      }
    }
  }

  /** Whether `thrown` says where a slot is now. */
  #learn(thrown: unknown): boolean {
    const [, slot, place] = /^MOVED (\d+) (\S+)$/.exec(String(Object(thrown).message)) ?? []
    if (slot === undefined || place === undefined) return false
    if (!this.#masters.has(place)) {
      this.#end("the masters of the cluster have changed")
      return false
    }
    if (this.#placeBySlot[Number(slot)] === place) return true
    this.#placeBySlot[Number(slot)] = place
    for (const name of this.#channels.keys()) if (slotOf(name) === Number(slot)) this.#moved(name)
    return true
  }

  #moved(name: string): void {
    const channel = this.#channels.get(name)
    // Later: what learned of it is still under way.
    if (channel !== undefined) queueMicrotask(() => this.#isOver || this.#told.moved(channel))
  }

  #end(why: string): void {
    if (this.#isOver) return
    this.close()
    this.#told.ended(why)
  }
}

function placeOf(host: string, port: number): string {
  return `${host}:${port}`
}

/** `url`, with its scheme, user and password, at another place. */
function urlAt(url: string, place: string): string {
  const other = new URL(url)
  const colon = place.lastIndexOf(":")
  const host = place.slice(0, colon)
  other.hostname = host.includes(":") ? `[${host}]` : host
  other.port = place.slice(colon + 1)
  return other.href
}
