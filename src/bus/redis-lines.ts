/**
 * Two connections to one Redis: one that publishes and asks, one that listens.
 *
 * What always holds: when one of them ends the other is ended too. The library's own reconnecting
 * and waiting are off: what becomes of a message while Redis is away is decided in redis.ts. Home
 * of `@redis/client`.
 */
import { createClient, RESP_TYPES } from "@redis/client"
import { type Lines, type ScriptInput, sentenceOf, type Told } from "./lines.ts"
import { nameHere, nameThere, type RedisPlace } from "./place.ts"

/** Slots of a cluster, both ends included, and the master that has them. */
export interface SlotRange {
  readonly from: number
  readonly to: number
  readonly host: string
  readonly port: number
}

const connectMs = 5_000
/** So many channels in one command. */
const batch = 500

/** One Redis of a place. */
export interface RedisAddress extends Pick<RedisPlace, "prefix" | "tls"> {
  readonly url: string
}

function client({ url, tls }: RedisAddress) {
  return createClient({
    url,
    RESP: 3,
    disableOfflineQueue: true,
    // It would want a right that Redis knows by name only since 7.2.
    disableClientInfo: true,
    maintNotifications: "disabled",
    socket: {
      reconnectStrategy: false,
      connectTimeout: connectMs,
      ...(url.startsWith("rediss:") ? { ...tls, tls: true } : {}),
    },
  }).withTypeMapping({ [RESP_TYPES.BLOB_STRING]: Buffer })
}

type Client = ReturnType<typeof client>

export class RedisLines implements Lines {
  readonly #told: Told
  readonly #kind: "alone" | "of a cluster"
  readonly #prefix: string | undefined
  readonly #speaker: Client
  readonly #listener: Client
  #isOver = false
  readonly #hear = (data: Buffer, channel: Buffer): void => {
    if (!this.#isOver) this.#told.message(this.#here(channel.toString()), data)
  }

  constructor(address: RedisAddress, told: Told, kind: "alone" | "of a cluster" = "alone") {
    this.#told = told
    this.#kind = kind
    this.#prefix = address.prefix
    this.#speaker = client(address)
    this.#listener = client(address)
    for (const each of [this.#speaker, this.#listener]) {
      each.on("error", (thrown: unknown) => this.#end(sentenceOf(thrown)))
      each.on("end", () => this.#end("the connection ended"))
    }
    this.#listener.on("sharded-channel-moved", (channel: unknown) => {
      if (!this.#isOver) told.moved(this.#here(String(channel)))
    })
  }

  async open(): Promise<void> {
    await Promise.all([this.#speaker.connect(), this.#listener.connect()])
  }

  publish(channel: string, data: Uint8Array): Promise<number> {
    const bytes = bufferOf(data)
    const name = this.#there(channel)
    if (this.#kind === "alone") return this.#speaker.publish(name, bytes)
    return this.#speaker.sPublish(name, bytes)
  }

  async subscribe(channels: readonly string[]): Promise<void> {
    const asked: Promise<void>[] = []
    for (let at = 0; at < channels.length; at += batch) {
      const some = channels.slice(at, at + batch).map((channel) => this.#there(channel))
      if (this.#kind === "alone") asked.push(this.#listener.subscribe(some, this.#hear, true))
      // A cluster takes several in one command only where they share a slot.
      else for (const each of some) asked.push(this.#listener.sSubscribe(each, this.#hear, true))
    }
    await Promise.all(asked)
  }

  async unsubscribe(channel: string): Promise<void> {
    const name = this.#there(channel)
    if (this.#kind === "alone") await this.#listener.unsubscribe(name, this.#hear, true)
    else await this.#listener.sUnsubscribe(name, this.#hear, true)
  }

  async get(key: string): Promise<Uint8Array | undefined> {
    return (await this.#speaker.get(this.#there(key))) ?? undefined
  }

  async set(key: string, data: Uint8Array, forMs: number): Promise<void> {
    const expiration = { type: "PX", value: forMs } as const
    await this.#speaker.set(this.#there(key), bufferOf(data), { expiration })
  }

  async run(script: string, of: ScriptInput): Promise<string> {
    const keys = of.keys.map((key) => this.#there(key))
    const input = { keys, arguments: [...of.arguments] }
    return String(await this.#speaker.eval(script, input))
  }

  async time(): Promise<number> {
    const [seconds, microseconds] = await this.#speaker.time()
    return Number(seconds) * 1000 + Math.floor(Number(microseconds) / 1000)
  }

  probes(name: string): readonly string[] {
    return [name]
  }

  /** The masters of its cluster. An empty host is the one that was asked. */
  async slots(): Promise<readonly SlotRange[]> {
    const ranges = await this.#speaker.clusterSlots()
    return ranges.map(({ from, to, master }) => ({
      from: Number(from),
      to: Number(to),
      host: String(master.host ?? ""),
      port: Number(master.port),
    }))
  }

  close(): void {
    this.#isOver = true
    for (const each of [this.#speaker, this.#listener]) each.destroy()
  }

  #there(name: string): string {
    return nameThere(name, this.#prefix)
  }

  #here(name: string): string {
    return nameHere(name, this.#prefix)
  }

  #end(why: string): void {
    if (this.#isOver) return
    this.close()
    this.#told.ended(why)
  }
}

function bufferOf(data: Uint8Array): Buffer {
  return Buffer.from(data.buffer, data.byteOffset, data.byteLength)
}
