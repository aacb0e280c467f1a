/**
 * What a bus over Redis may be told, checked.
 *
 * What always holds: an option that nobody knows is refused by its name. Passwords may stand in
 * addresses, so no bad one is repeated.
 */
import { type Reconnect, type RedisPlace, type TlsChoice, usualReconnect } from "./bus/bus.ts"
import { relayDefaults } from "./relay/limits.ts"

/** Where Redis is, and how much may wait for it. */
export interface RedisBusChoice {
  /** `redis://HOST:6379`, with TLS `rediss://USER:PASSWORD@HOST:6379`. */
  readonly redisUrl: string
  /** Names a relay on this bus that is given no name of its own. */
  readonly serverId?: string
  /** In place of those in the address. */
  readonly username?: string
  readonly password?: string
  /** true, or what TLS is given: over TLS, whatever the address says. */
  readonly tls?: boolean | TlsChoice
  /** Further servers of a Redis Cluster, as addresses or `HOST:PORT`; any that answers tells of the rest. */
  readonly clusterNodes?: readonly string[]
  /** What names in Redis begin with, such as `app:doc:`: programs with another one are never met there. */
  readonly channelPrefix?: string
  /** Taken, and without effect: presence travels on the channel of its document. */
  readonly presencePrefix?: string
  /** How long connections that ended wait for the next try. */
  readonly reconnect?: Partial<Reconnect>
  /** A message to ourselves shows so often whether Redis delivers. */
  readonly probeMs?: number
  /** What may wait for a Redis that is away: the oldest goes, and its room is repaired afterwards. */
  readonly queueMessages?: number
  readonly queueBytes?: number
  /** Of 32 bytes or more, the same everywhere: what comes without its hash is dropped. */
  readonly busSecret?: string
}

/** The same, in full. */
export interface RedisSettings {
  readonly place: RedisPlace
  readonly reconnect: Reconnect
  readonly probeMs: number | undefined
  readonly secret: string | undefined
  readonly queueMessages: number
  readonly queueBytes: number
}

/** What is wrong with a value; undefined where it will do. */
type Check = (value: unknown) => string | undefined

const isText: Check = (value) => (typeof value === "string" ? undefined : "is not of type string")

const isPem: Check = (value) => {
  const isOne = (each: unknown) => typeof each === "string" || each instanceof Uint8Array
  const isFine = Array.isArray(value) ? value.every(isOne) : isOne(value)
  return isFine ? undefined : "is not PEM, as a text or a buffer, or an array of such"
}

/** ms between two tries, at most. */
const waitLimitMs = 600_000

const tlsChecks: Readonly<Record<keyof TlsChoice, Check>> = {
  ca: isPem,
  cert: isPem,
  key: isPem,
  servername: isText,
}

const reconnectChecks: Readonly<Record<keyof Reconnect, Check>> = {
  delayMs: whole(1, waitLimitMs),
  maxDelayMs: whole(1, waitLimitMs),
  jitter: (value) =>
    typeof value === "number" && value >= 0 && value <= 1 ? undefined : "is not between 0 and 1",
}

const checks: Readonly<Record<keyof RedisBusChoice, Check>> = {
  redisUrl: isText,
  serverId: isText,
  username: isText,
  password: isText,
  tls: (value) =>
    typeof value === "boolean" || isObject(value) ? undefined : "is not true, false or an object",
  clusterNodes: (value) => {
    if (!Array.isArray(value)) return "is not of type array"
    return value.every((each) => typeof each === "string")
      ? undefined
      : "is not an array of addresses"
  },
  channelPrefix: (value) =>
    typeof value === "string" && isPrefix(namespaceOf(value))
      ? undefined
      : "is not 1 to 128 characters, such as app:doc:, without spaces and braces",
  presencePrefix: isText,
  reconnect: (value) => (isObject(value) ? undefined : "is not of type object"),
  probeMs: whole(100, 60_000),
  queueMessages: whole(0),
  queueBytes: whole(0),
  busSecret: (value) => {
    if (typeof value !== "string") return "is not of type string"
    return Buffer.byteLength(value) < secretBytes
      ? `must have at least ${secretBytes} bytes`
      : undefined
  },
}

const secretBytes = 32

/** Throws an Error that names each option that is none. */
export function settingsOf(choice: RedisBusChoice): RedisSettings {
  if (!isObject(choice)) {
    throw new Error('createRedisAdapter wants options, such as { redisUrl: "redis://HOST:6379" }')
  }
  const problems = problemsOf(choice)
  const { clusterNodes = [], channelPrefix, tls, queueMessages, queueBytes } = choice
  const urls: string[] = []
  if (problems.length === 0) {
    for (const [index, node] of [choice.redisUrl, ...clusterNodes].entries()) {
      const url = urlOf(index === 0 || node.includes("://") ? node : `redis://${node}`, choice)
      if (url !== undefined) urls.push(url)
      else if (index > 0) problems.push(`clusterNodes: number ${index} is not like HOST:6379`)
      else problems.push("redisUrl: is not like redis://HOST:6379 or rediss://USER:PASSWORD@HOST")
    }
  }
  if (problems.length > 0) throw new Error(problems.join("\n"))
  return {
    place: {
      urls,
      prefix: channelPrefix === undefined ? undefined : namespaceOf(channelPrefix),
      tls: typeof tls === "object" ? tls : undefined,
    },
    reconnect: reconnectOf(choice),
    probeMs: choice.probeMs,
    secret: choice.busSecret,
    queueMessages: queueMessages ?? relayDefaults.busQueueMessages,
    queueBytes: queueBytes ?? relayDefaults.busQueueBytes,
  }
}

function problemsOf(choice: RedisBusChoice): string[] {
  const { redisUrl, tls, reconnect } = choice
  const problems = wrongIn(choice, checks, { of: "a bus over Redis", before: "" })
  if (redisUrl === undefined) problems.push("redisUrl: is required, such as redis://HOST:6379")
  if (isObject(tls)) problems.push(...wrongIn(tls, tlsChecks, { of: "TLS", before: "tls." }))
  if (isObject(reconnect)) {
    const of = { of: "reconnecting", before: "reconnect." }
    const wrong = wrongIn(reconnect, reconnectChecks, of)
    const { delayMs = 0, maxDelayMs = delayMs } = reconnect
    if (wrong.length === 0 && maxDelayMs < delayMs)
      wrong.push("reconnect.maxDelayMs: is below delayMs")
    problems.push(...wrong)
  }
  return problems
}

/** A sentence for each field that nobody knows, or whose value is none. One that is undefined is not set. */
function wrongIn(
  given: object,
  known: Readonly<Record<string, Check>>,
  { of, before }: { readonly of: string; readonly before: string },
): string[] {
  const problems: string[] = []
  const checkByName = new Map(Object.entries(known))
  for (const [name, value] of Object.entries(given)) {
    const check = checkByName.get(name)
    const wrong = check === undefined ? `there is no such option of ${of}` : checked(check, value)
    if (wrong !== undefined) problems.push(`${before}${name}: ${wrong}`)
  }
  return problems
}

function checked(check: Check, value: unknown): string | undefined {
  return value === undefined ? undefined : check(value)
}

function isObject(value: unknown): value is object {
  return typeof value === "object" && value !== null && !Array.isArray(value)
}

function whole(least: number, most = Number.MAX_SAFE_INTEGER): Check {
  const bounds = most === Number.MAX_SAFE_INTEGER ? `from ${least}` : `from ${least} to ${most}`
  return (value) => {
    const isWhole = typeof value === "number" && Number.isSafeInteger(value)
    return isWhole && value >= least && value <= most
      ? undefined
      : `is not a whole number ${bounds}`
  }
}

/** LFCC's prefix is that of documents; ours is that of everything. */
function namespaceOf(channelPrefix: string): string {
  return channelPrefix.replace(/doc:$/, "")
}

function isPrefix(text: string): boolean {
  return /^[^\s{}\p{Cc}]{1,128}$/u.test(text)
}

/** One that waits long at first waits no less afterwards. */
function reconnectOf({ reconnect = {} }: RedisBusChoice): Reconnect {
  const { delayMs, maxDelayMs, jitter } = usualReconnect
  const firstMs = reconnect.delayMs ?? delayMs
  return {
    delayMs: firstMs,
    maxDelayMs: reconnect.maxDelayMs ?? Math.max(maxDelayMs, firstMs),
    jitter: reconnect.jitter ?? jitter,
  }
}

/** The address with what was said beside it; undefined for what is none. */
function urlOf(text: string, { username, password, tls }: RedisBusChoice): string | undefined {
  if (!URL.canParse(text)) return undefined
  const url = new URL(text)
  if (!["redis:", "rediss:"].includes(url.protocol) || url.hostname === "") return undefined
  if (username !== undefined) url.username = encodeURIComponent(username)
  if (password !== undefined) url.password = encodeURIComponent(password)
  if (tls !== undefined && tls !== false) url.protocol = "rediss:"
  return url.href
}
