/**
 * Who may connect: how many there are in all, from one address and of one identity; which pages may
 * speak for their visitors; and whose word about a far end's address is taken.
 *
 * What always holds: whoever is let in is counted until the returned undo is called, and each map
 * here is as long as what is connected. Headers that only a proxy should write are believed only
 * where TRUST_PROXY says that there is one.
 */
import { isIP, isIPv6, type Socket } from "node:net"
import type { Identity, Undo } from "../service.ts"
import { WireError } from "../wire/error.ts"

export interface GateOptions {
  /** MAX_CONNECTIONS, in all. */
  readonly connections: number
  /** MAX_CONNECTIONS_PER_ADDRESS, and as many of one identity. */
  readonly connectionsPerAddress: number
  /** TRUST_PROXY: how many proxies in front may name the far end's address. */
  readonly trustProxy: number
  /** ALLOWED_ORIGINS, each as `https://pad.example.org`. */
  readonly allowedOrigins: readonly string[]
  /** "local": only programs and pages of this machine are expected, and no proxy. "any" unless told. */
  readonly hosts?: "local" | "any"
}

/** Told to who asks for a name that is not this server's. */
export const unknownHost =
  "this server does not go by that name: behind a proxy set TRUST_PROXY, else list the page's origin in ALLOWED_ORIGINS"

/** What the gate reads of a request: header values by name in lower case. */
export type Headers = Readonly<Record<string, string | readonly string[] | undefined>>

/** "own": this server's page, or a program, which sends none. "allowed": of ALLOWED_ORIGINS. */
export type Origin = "own" | "allowed" | "foreign"

/** The address of who comes by a unix socket. */
export const localAddress = "local"

/** How many times as many sockets as connections there may be: browsers open six for a page, and let them lie. */
const socketsPerConnection = 2

export class Gate {
  readonly #options: GateOptions
  readonly #allowed: ReadonlySet<string>
  readonly #byAddress = new Counter()
  readonly #byIdentity = new Counter()
  readonly #socketsByAddress = new Counter()
  #connections = 0
  #sockets = 0

  constructor(options: GateOptions) {
    this.#options = options
    this.#allowed = new Set(options.allowedOrigins)
  }

  /** How many have entered and not left. */
  get size(): number {
    return this.#connections
  }

  /** Lets a connection in. Throws "too-many" when the server, its address or its identity has its fill. */
  enter(address: string, identity: Identity | undefined): Undo {
    const { connections, connectionsPerAddress: each } = this.#options
    const group = isExempt(address) ? undefined : groupOf(address)
    const subject = identity?.subject
    if (this.#connections >= connections) {
      throw new WireError("too-many", "the server is full")
    }
    if (this.#byAddress.of(group) >= each) {
      throw new WireError("too-many", `there are ${each} connections from this address already`)
    }
    if (this.#byIdentity.of(subject) >= each) {
      throw new WireError("too-many", `there are ${each} connections with this identity already`)
    }
    this.#connections++
    this.#byAddress.add(group)
    this.#byIdentity.add(subject)
    return once(() => {
      this.#connections--
      this.#byAddress.take(group)
      this.#byIdentity.take(subject)
    })
  }

  /** Counts a socket that has said nothing yet; destroys it when there are too many, in all or of its address. */
  takeSocket(socket: Socket): void {
    const { connections, connectionsPerAddress, trustProxy } = this.#options
    const address = this.addressOf(socket.remoteAddress, {})
    // Behind a proxy all sockets are the proxy's.
    const group = trustProxy > 0 || isExempt(address) ? undefined : groupOf(address)
    const isFull = this.#sockets >= connections * socketsPerConnection
    const limit = connectionsPerAddress * socketsPerConnection
    if (isFull || this.#socketsByAddress.of(group) >= limit) {
      socket.destroy()
      return
    }
    this.#sockets++
    this.#socketsByAddress.add(group)
    socket.once("close", () => {
      this.#sockets--
      this.#socketsByAddress.take(group)
    })
  }

  /**
   * The far end's address: the socket's or, with TRUST_PROXY=n, the n-th entry of X-Forwarded-For
   * from the end. With fewer entries than proxies it is the first, since all are theirs. An IPv4
   * address in IPv6 clothes comes out as IPv4.
   */
  addressOf(socketAddress: string | undefined, headers: Headers): string {
    const own = plain(socketAddress ?? "") ?? localAddress
    const proxies = this.#options.trustProxy
    if (proxies === 0) return own
    const entries = wordsOf(headers["x-forwarded-for"])
    return plain(entries[Math.max(0, entries.length - proxies)] ?? "") ?? own
  }

  /** What counts as one far end: an address, or a network of IPv6; undefined for this machine's own programs. */
  groupOf(address: string): string | undefined {
    return isExempt(address) ? undefined : groupOf(address)
  }

  /** Whether the far end came over TLS: to us, or to the proxy in front. */
  isSecure(encrypted: boolean, headers: Headers): boolean {
    const proxies = this.#options.trustProxy
    if (encrypted || proxies === 0) return encrypted
    const entries = wordsOf(headers["x-forwarded-proto"])
    return entries[Math.max(0, entries.length - proxies)]?.toLowerCase() === "https"
  }

  /**
   * Whether `Host` is a name that this server may have. On loopback that is an address, a name
   * without a dot, an onion service or one of ALLOWED_ORIGINS: any page can point a name of its own
   * at 127.0.0.1, and would be taken for ours by its visitor's browser.
   */
  isAskedFor(headers: Headers): boolean {
    const { host } = headers
    if (this.#options.hosts !== "local" || host === undefined) return true
    const url = `http://${host}`
    if (typeof host !== "string" || !URL.canParse(url)) return false
    const { hostname } = new URL(url)
    // A URL has IPv6 in brackets.
    const name = hostname.replace(/^\[(.*)\]$/, "$1")
    if (!name.includes(".") || isIP(name) !== 0 || /\.(localhost|onion)$/.test(name)) return true
    return this.#options.allowedOrigins.some((origin) => new URL(origin).hostname === hostname)
  }

  /** What page, if any, speaks here. Schemes are not compared: TLS may end at a proxy. */
  originOf(headers: Headers): Origin {
    const origin = headers["origin"]
    if (origin === undefined) return "own"
    if (typeof origin !== "string" || !URL.canParse(origin)) return "foreign"
    const { host, protocol } = new URL(origin)
    const hosts = [...wordsOf(headers["host"])]
    if (this.#options.trustProxy > 0) hosts.push(...wordsOf(headers["x-forwarded-host"]))
    // Compared as URLs, so that `pad.example.org:443` is `pad.example.org` where the page has https.
    const isOwn = hosts.some((each) => {
      const url = `${protocol}//${each}`
      return host !== "" && URL.canParse(url) && new URL(url).host === host
    })
    if (isOwn) return "own"
    return this.#allowed.has(origin) ? "allowed" : "foreign"
  }
}

/** How many there are of each key. Keys at zero are forgotten; undefined is not counted. */
class Counter {
  readonly #counts = new Map<string, number>()

  of(key: string | undefined): number {
    return key === undefined ? 0 : (this.#counts.get(key) ?? 0)
  }

  add(key: string | undefined): void {
    if (key !== undefined) this.#counts.set(key, this.of(key) + 1)
  }

  take(key: string | undefined): void {
    if (key === undefined) return
    const count = this.of(key) - 1
    if (count > 0) this.#counts.set(key, count)
    else this.#counts.delete(key)
  }
}

function once(work: Undo): Undo {
  let isDone = false
  return () => {
    if (isDone) return
    isDone = true
    work()
  }
}

/** The comma-separated values of a header that may stand there several times. */
function wordsOf(value: string | readonly string[] | undefined): readonly string[] {
  const all = typeof value === "string" ? value : (value ?? []).join(",")
  return all
    .split(",")
    .map((each) => each.trim())
    .filter((each) => each !== "")
}

/** An IP address without brackets, port, zone or IPv6 clothes; undefined for what is none. */
function plain(address: string): string | undefined {
  // Proxies write `[::1]:443`, `10.0.0.1:443` or the bare address.
  const bare = /^\[(.*)\](?::\d+)?$/.exec(address)?.[1] ?? address.replace(/^([\d.]+):\d+$/, "$1")
  const [zoneless = ""] = bare.split("%")
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(zoneless)?.[1] ?? zoneless
  return isIP(mapped) === 0 ? undefined : mapped.toLowerCase()
}

/** Whether only programs of this machine reach `host`, a name or an address; IPv6 without brackets. */
export function isLoopback(host: string): boolean {
  return host === "localhost" || host === "::1" || /^127(\.\d{1,3}){3}$/.test(host)
}

/** Loopback and unix sockets know no limit by address: all local programs share theirs. */
function isExempt(address: string): boolean {
  return address === localAddress || isLoopback(address)
}

/** What counts as one address: of IPv6 the first 64 bits, since every household has so many of them. */
function groupOf(address: string): string {
  if (!isIPv6(address)) return address
  const [before = "", after = ""] = address.split("::")
  const head = before === "" ? [] : before.split(":")
  const tail = after === "" ? [] : after.split(":")
  const gap = address.includes("::")
    ? Array(Math.max(0, 8 - head.length - tail.length)).fill("0")
    : []
  return [...head, ...gap, ...tail]
    .slice(0, 4)
    .map((each) => each.replace(/^0+(?=.)/, ""))
    .join(":")
}
