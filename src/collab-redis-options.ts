/**
 * What a bus over Redis may be told, checked.
 *
 * What always holds: an option that nobody knows is refused by its name. Passwords may stand in
 * addresses, so no bad one is repeated.
 */
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
  /** true: over TLS, whatever the address says. */
  readonly tls?: boolean
  /** Further servers of a Redis Cluster, as addresses or `HOST:PORT`; any that answers tells of the rest. */
  readonly clusterNodes?: readonly string[]
  /** What may wait for a Redis that is away: the oldest goes, and its room is repaired afterwards. */
  readonly queueMessages?: number
  readonly queueBytes?: number
  /** Of 32 bytes or more, the same everywhere: what comes without its hash is dropped. */
  readonly busSecret?: string
}

/** The same, in full. */
export interface RedisPlace {
  readonly urls: readonly string[]
  readonly secret: string | undefined
  readonly queueMessages: number
  readonly queueBytes: number
}

const kinds: Readonly<Record<keyof RedisBusChoice, string>> = {
  redisUrl: "string",
  serverId: "string",
  username: "string",
  password: "string",
  tls: "boolean",
  clusterNodes: "object",
  queueMessages: "number",
  queueBytes: "number",
  busSecret: "string",
}

const secretBytes = 32

/** Throws an Error that names each option that is none. */
export function placeOf(choice: RedisBusChoice): RedisPlace {
  const problems = problemsOf(choice)
  const { clusterNodes = [], queueMessages, queueBytes } = choice
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
    urls,
    secret: choice.busSecret,
    queueMessages: queueMessages ?? relayDefaults.busQueueMessages,
    queueBytes: queueBytes ?? relayDefaults.busQueueBytes,
  }
}

function problemsOf(choice: RedisBusChoice): string[] {
  const known = new Map<string, string>(Object.entries(kinds))
  const problems: string[] = []
  for (const [name, value] of Object.entries(choice)) {
    const kind = known.get(name)
    if (kind === undefined) problems.push(`${name}: there is no such option of a bus over Redis`)
    else if (value !== undefined && (typeof value !== kind || value === null)) {
      problems.push(`${name}: is not of type ${kind === "object" ? "array" : kind}`)
    } else if (kind === "number" && !(Number.isSafeInteger(value) && Number(value) >= 0)) {
      if (value !== undefined) problems.push(`${name}: is not a whole number from 0`)
    }
  }
  const { redisUrl, clusterNodes, busSecret } = choice
  if (redisUrl === undefined) problems.push("redisUrl: is required, such as redis://HOST:6379")
  const isList = Array.isArray(clusterNodes) && clusterNodes.every((e) => typeof e === "string")
  if (typeof clusterNodes === "object" && !isList) {
    problems.push("clusterNodes: is not an array of addresses")
  }
  if (typeof busSecret === "string" && Buffer.byteLength(busSecret) < secretBytes) {
    problems.push(`busSecret: must have at least ${secretBytes} bytes`)
  }
  return problems
}

/** The address with what was said beside it; undefined for what is none. */
function urlOf(text: string, { username, password, tls }: RedisBusChoice): string | undefined {
  if (!URL.canParse(text)) return undefined
  const url = new URL(text)
  if (!["redis:", "rediss:"].includes(url.protocol) || url.hostname === "") return undefined
  if (username !== undefined) url.username = encodeURIComponent(username)
  if (password !== undefined) url.password = encodeURIComponent(password)
  if (tls === true) url.protocol = "rediss:"
  return url.href
}
