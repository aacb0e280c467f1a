/**
 * What the server is told from outside: environment variables, checked all at once.
 *
 * What always holds: `readConfig` gives one frozen object in which every value is in range, or
 * throws one ConfigError that names every bad variable. Nothing is read later and nothing
 * reloads. A new setting goes into `Config`, `variables`, `readConfig` and docs/operating.md.
 */
import { poolsSettingsOf } from "./config-pools.ts"
import { type Environment, Reader } from "./config-reader.ts"
import type { Level } from "./log.ts"
import { problemsOf } from "./relay/limits.ts"

/** The parts that this release has; PARTS chooses among them. */
const allParts = ["documents", "relay", "operators", "pools"] as const
export type Part = (typeof allParts)[number]

/** Every setting, named like its variable. Units stand in the names. */
export interface Config {
  readonly host: string
  /** HTTP, WebSocket and page. In code 0 takes a free port. */
  readonly port: number
  /** The path in front of everything: begins and ends with a slash. */
  readonly pathPrefix: string
  readonly parts: readonly Part[]
  readonly dataDir: string
  /** A path, a `file:` URI or `:memory:`. */
  readonly sqliteUri: string
  /** Paths of PEM files. */
  readonly tls: { readonly cert: string; readonly key: string } | undefined
  readonly allowedOrigins: readonly string[]
  /** As in the frame-ancestors directive: `'self'`, or origins with spaces between. */
  readonly frameAncestors: string
  /** How many proxies in front may name the far end's address. */
  readonly trustProxy: number
  readonly maxConnections: number
  readonly maxConnectionsPerAddress: number
  readonly wsReadTimeoutMinutes: number
  readonly wsWriteTimeoutSeconds: number
  readonly wsHeartbeatIntervalSeconds: number
  readonly broadcastBufferSize: number
  readonly logLevel: Level
  readonly shutdownTimeoutSeconds: number
  readonly drainSeconds: number
  readonly expiryDays: number
  readonly cleanupIntervalHours: number
  readonly retentionDays: number
  readonly maxDocumentSizeKb: number
  readonly maxEditors: number
  readonly idleDocumentsMb: number
  readonly historyRevisions: number
  readonly playbackKb: number
  readonly syncIntervalMs: number
  readonly editsPerSecond: number
  readonly joinsPerMinute: number
  readonly documentsDialect: "kolabpad" | "rustpad"
  /** What tokens are checked with; without it everyone is anonymous. */
  readonly tokenKey: TokenKeyPlace | undefined
  readonly jwtAudience: string
  readonly jwtIssuer: string | undefined
  /** What replicas without a token may do; undefined where the key for tokens and HOST decide. */
  readonly relayAnonymous: "off" | "viewer" | "editor" | undefined
  /** Opens the relay's admin API, beside tokens whose role is admin. */
  readonly relayAdminToken: string | undefined
  readonly relayCopies: "off" | "sqlite" | "redis"
  /** Where Redis is that keeps copies; none where it is that of `redisUrls`. Several are a Redis Cluster. */
  readonly relayCopiesUrls: readonly string[]
  /** 32 bytes that seal copies. */
  readonly relayCopyKey: string | undefined
  /** Patterns of rooms that are closed to everyone. */
  readonly relayDeny: readonly string[]
  /** Limits and choices of the relay, by name; the relay checks them. */
  readonly relayLimits: Readonly<Record<string, unknown>>
  /** The operators' lines over TCP; undefined for none. In code 0 takes a free port. */
  readonly operatorsPort: number | undefined
  /** The path of a unix socket for the same. */
  readonly operatorsSocket: string | undefined
  /** Whether connections of that socket begin with PROXY lines. */
  readonly operatorsCircuits: "off" | "on"
  readonly operatorsRegistration: "open" | "invite" | "closed"
  readonly operatorsConnections: number
  /** Messages a second of one connection; 0 for no limit. */
  readonly operatorsRate: number
  readonly operatorsExpiryDays: number
  /** The cost of a password's hash: `m=19456,t=2,p=1`. */
  readonly operatorsHash: string
  /** Where Redis is, through which servers reach each other; several addresses are a Redis Cluster. */
  readonly redisUrls: readonly string[]
  /** Signs what servers tell each other. */
  readonly busSecret: string | undefined
  /** The framed protocol of pools over TCP; undefined for none. In code 0 takes a free port. */
  readonly poolsPort: number | undefined
  /** The path of a unix socket for the same: who connects there governs the server. */
  readonly poolsSocket: string | undefined
  /** Whether an app must prove its id; undefined where HOST and TRUST_PROXY decide. */
  readonly poolsAuth: "open" | "required" | undefined
  /** The path of the authority that apps' certificates are of. */
  readonly poolsTlsCa: string | undefined
  /** The folder of memory for blocks; "auto" is one in /dev/shm. Absent: buffers of this process. */
  readonly blocksDir?: string | undefined
  /** A group, by name or number, whose members may map blocks; undefined for our own user alone. */
  readonly blocksGroup?: string | undefined
  /** "leave": a durable block whose content is damaged is left out; else the server does not start. */
  readonly blocksDamaged?: "refuse" | "leave"
  /** Whether a proof of a key of an encrypted pool must be bound to its TLS connection. */
  readonly poolsRequireBinding?: boolean
  /** Who we are to other servers and in `/health`; undefined for a name made up at the start. */
  readonly serverId: string | undefined
}

/** Where the key for tokens lies: here, in a PEM or JWK file, or at an address. */
export type TokenKeyPlace =
  | { readonly kind: "secret"; readonly secret: string }
  | { readonly kind: "file"; readonly path: string }
  | { readonly kind: "jwks"; readonly url: string }

/** The variables that `readConfig` reads. `quartet serve` takes each as a flag. */
export const variables = [
  "HOST",
  "PORT",
  "BASE_PATH",
  "PARTS",
  "DATA_DIR",
  "SQLITE_URI",
  "TLS_CERT",
  "TLS_KEY",
  "ALLOWED_ORIGINS",
  "FRAME_ANCESTORS",
  "TRUST_PROXY",
  "MAX_CONNECTIONS",
  "MAX_CONNECTIONS_PER_ADDRESS",
  "WS_READ_TIMEOUT_MINUTES",
  "WS_WRITE_TIMEOUT_SECONDS",
  "WS_HEARTBEAT_INTERVAL_SECONDS",
  "BROADCAST_BUFFER_SIZE",
  "LOG_LEVEL",
  "SHUTDOWN_TIMEOUT_SECONDS",
  "DRAIN_SECONDS",
  "EXPIRY_DAYS",
  "CLEANUP_INTERVAL_HOURS",
  "RETENTION_DAYS",
  "MAX_DOCUMENT_SIZE_KB",
  "MAX_EDITORS",
  "IDLE_DOCUMENTS_MB",
  "HISTORY_REVISIONS",
  "PLAYBACK_KB",
  "SYNC_INTERVAL_MS",
  "EDITS_PER_SECOND",
  "JOINS_PER_MINUTE",
  "DOCUMENTS_DIALECT",
  "JWT_SECRET",
  "JWT_PUBLIC_KEY",
  "JWT_JWKS_URL",
  "JWT_AUDIENCE",
  "JWT_ISSUER",
  "SERVER_ID",
  "REDIS_URL",
  "BUS_SECRET",
  "RELAY_ANONYMOUS",
  "RELAY_ADMIN_TOKEN",
  "RELAY_COPIES",
  "RELAY_COPIES_URL",
  "RELAY_COPY_KEY",
  "RELAY_DENY",
  "RELAY_LIMITS",
  "POOLS_PORT",
  "POOLS_SOCKET",
  "POOLS_AUTH",
  "POOLS_TLS_CA",
  "POOLS_REQUIRE_BINDING",
  "BLOCKS_DIR",
  "BLOCKS_GROUP",
  "BLOCKS_DAMAGED",
  "OPERATORS_PORT",
  "OPERATORS_SOCKET",
  "OPERATORS_CIRCUITS",
  "OPERATORS_REGISTRATION",
  "OPERATORS_CONNECTIONS",
  "OPERATORS_RATE",
  "OPERATORS_EXPIRY_DAYS",
  "OPERATORS_HASH",
] as const

/** A shorter secret could be guessed from one token, or from one message. */
const secretBytes = 32

/** Reads the whole configuration. Throws ConfigError with every bad value in it. */
export function readConfig(environment: Environment): Config {
  const read = new Reader(environment)
  const dataDir = read.text("DATA_DIR", "./data")
  const config: Config = {
    host: read.text("HOST", "127.0.0.1"),
    port: read.whole("PORT", 3030, [0, 65_535]),
    pathPrefix: read.path("BASE_PATH"),
    parts: read.someOf("PARTS", allParts),
    dataDir,
    sqliteUri: read.text("SQLITE_URI", `${dataDir.replace(/\/+$/, "")}/quartet.db`),
    tls: tlsOf(read),
    allowedOrigins: read.origins("ALLOWED_ORIGINS"),
    frameAncestors: read.ancestors("FRAME_ANCESTORS"),
    trustProxy: read.whole("TRUST_PROXY", 0, [0, 16]),
    maxConnections: read.whole("MAX_CONNECTIONS", 10_000, [1, 1_000_000]),
    maxConnectionsPerAddress: read.whole("MAX_CONNECTIONS_PER_ADDRESS", 256, [1, 1_000_000]),
    wsReadTimeoutMinutes: read.number("WS_READ_TIMEOUT_MINUTES", 30, [0.01, 10_080]),
    wsWriteTimeoutSeconds: read.number("WS_WRITE_TIMEOUT_SECONDS", 10, [0.1, 3_600]),
    wsHeartbeatIntervalSeconds: read.number("WS_HEARTBEAT_INTERVAL_SECONDS", 60, [0, 3_600]),
    broadcastBufferSize: read.whole("BROADCAST_BUFFER_SIZE", 16, [1, 10_000]),
    logLevel: read.oneOf("LOG_LEVEL", ["info", "debug", "warn", "error", "silent"]),
    shutdownTimeoutSeconds: read.number("SHUTDOWN_TIMEOUT_SECONDS", 10, [0.1, 3_600]),
    drainSeconds: read.number("DRAIN_SECONDS", 5, [0, 3_600]),
    expiryDays: read.number("EXPIRY_DAYS", 7, [0.0001, 36_500]),
    cleanupIntervalHours: read.number("CLEANUP_INTERVAL_HOURS", 1, [0.0001, 720]),
    retentionDays: read.number("RETENTION_DAYS", 0, [0, 36_500]),
    maxDocumentSizeKb: read.whole("MAX_DOCUMENT_SIZE_KB", 256, [1, 16_384]),
    maxEditors: read.whole("MAX_EDITORS", 1_000, [1, 100_000]),
    idleDocumentsMb: read.whole("IDLE_DOCUMENTS_MB", 256, [1, 65_536]),
    historyRevisions: read.whole("HISTORY_REVISIONS", 2_000, [1, 1_000_000]),
    playbackKb: read.whole("PLAYBACK_KB", 1_024, [0, 1_048_576]),
    syncIntervalMs: read.whole("SYNC_INTERVAL_MS", 50, [0, 60_000]),
    editsPerSecond: read.whole("EDITS_PER_SECOND", 200, [0, 1_000_000]),
    joinsPerMinute: read.whole("JOINS_PER_MINUTE", 300, [1, 1_000_000]),
    documentsDialect: read.oneOf("DOCUMENTS_DIALECT", ["kolabpad", "rustpad"]),
    tokenKey: tokenKeyOf(read),
    jwtAudience: read.text("JWT_AUDIENCE", "quartet"),
    jwtIssuer: read.optional("JWT_ISSUER"),
    serverId: read.optional("SERVER_ID"),
    redisUrls: redisUrlsOf(read, "REDIS_URL"),
    busSecret: secretOf(read, "BUS_SECRET"),
    ...relaySettingsOf(read),
    ...operatorsSettingsOf(read),
    ...poolsSettingsOf(read),
  }
  if (config.drainSeconds >= config.shutdownTimeoutSeconds) {
    read.problem("DRAIN_SECONDS: must be less than SHUTDOWN_TIMEOUT_SECONDS")
  }
  read.finish(variables, allParts)
  return Object.freeze(config)
}

function tlsOf(read: Reader): Config["tls"] {
  const [cert, key] = [read.optional("TLS_CERT"), read.optional("TLS_KEY")]
  if (cert !== undefined && key !== undefined) return { cert, key }
  if (cert !== undefined) read.problem("TLS_CERT: needs TLS_KEY beside it")
  if (key !== undefined) read.problem("TLS_KEY: needs TLS_CERT beside it")
  return undefined
}

function tokenKeyOf(read: Reader): TokenKeyPlace | undefined {
  const names = ["JWT_SECRET", "JWT_PUBLIC_KEY", "JWT_JWKS_URL"]
  const [secret, path, url] = names.map((name) => read.optional(name))
  if ([secret, path, url].filter((each) => each !== undefined).length > 1) {
    read.problem(`${names.join(", ")}: set one of them, not several`)
  }
  if (secret !== undefined) {
    const bytes = Buffer.byteLength(secret)
    if (bytes < secretBytes) {
      read.problem(`JWT_SECRET: has ${bytes} bytes, ${secretBytes} are the least`)
    }
    return { kind: "secret", secret }
  }
  if (path !== undefined) return { kind: "file", path }
  if (url === undefined) return undefined
  if (!isSafe(url)) read.problem(`JWT_JWKS_URL: "${url}" is not an https address`)
  return { kind: "jwks", url }
}

/** Over https, or on this machine. */
function isSafe(url: string): boolean {
  if (!URL.canParse(url)) return false
  const { protocol, hostname } = new URL(url)
  const isHere = ["localhost", "127.0.0.1", "[::1]"].includes(hostname)
  return protocol === "https:" || (protocol === "http:" && isHere)
}

/** Passwords may stand in them, so no bad one is repeated. */
function redisUrlsOf(read: Reader, name: string): readonly string[] {
  const urls = read.words(name)
  for (const [index, url] of urls.entries()) {
    const { protocol = "", hostname = "" } = URL.canParse(url) ? new URL(url) : {}
    if (["redis:", "rediss:"].includes(protocol) && hostname !== "") continue
    const which = urls.length > 1 ? `address ${index + 1}` : "it"
    read.problem(`${name}: ${which} is not like redis://HOST:6379 or rediss://USER:PASSWORD@HOST`)
  }
  return urls
}

function secretOf(read: Reader, name: string): string | undefined {
  const secret = read.optional(name)
  if (secret !== undefined && Buffer.byteLength(secret) < secretBytes) {
    read.problem(`${name}: is shorter than ${secretBytes} bytes`)
  }
  return secret
}

function relaySettingsOf(read: Reader) {
  const isSaid = read.optional("RELAY_ANONYMOUS") !== undefined
  const anonymous = read.oneOf("RELAY_ANONYMOUS", ["off", "viewer", "editor"])
  const adminToken = secretOf(read, "RELAY_ADMIN_TOKEN")
  if (adminToken !== undefined && !/^[\x21-\x7e]*$/.test(adminToken)) {
    read.problem("RELAY_ADMIN_TOKEN: may hold letters, digits and signs of ASCII, and no spaces")
  }
  const copyKey = read.optional("RELAY_COPY_KEY")
  if (copyKey !== undefined && !/^[\w-]{43}$/.test(copyKey)) {
    read.problem("RELAY_COPY_KEY: is not 32 bytes in base64url, which are 43 characters")
  }
  const relayCopies = read.oneOf("RELAY_COPIES", ["off", "sqlite", "redis"])
  const relayCopiesUrls = redisUrlsOf(read, "RELAY_COPIES_URL")
  if (relayCopies === "redis" && relayCopiesUrls.length === 0) {
    const isThere = read.optional("REDIS_URL") !== undefined
    if (!isThere) read.problem("RELAY_COPIES: redis needs REDIS_URL, or RELAY_COPIES_URL")
  } else if (relayCopies !== "redis" && relayCopiesUrls.length > 0) {
    read.problem("RELAY_COPIES_URL: needs RELAY_COPIES=redis beside it")
  }
  const relayLimits = read.object("RELAY_LIMITS")
  for (const problem of problemsOf(relayLimits)) read.problem(`RELAY_LIMITS: ${problem}`)
  return {
    relayAnonymous: isSaid ? anonymous : undefined,
    relayAdminToken: adminToken,
    relayCopies,
    relayCopiesUrls,
    relayCopyKey: copyKey,
    relayDeny: read.words("RELAY_DENY"),
    relayLimits,
  }
}

function operatorsSettingsOf(read: Reader) {
  const port = read.whole("OPERATORS_PORT", 9_696, [0, 65_535])
  const hash = read.text("OPERATORS_HASH", "m=19456,t=2,p=1")
  if (!/^m=\d{1,7},t=\d{1,2},p=\d{1,2}$/.test(hash)) {
    read.problem(`OPERATORS_HASH: "${hash}" is not like m=19456,t=2,p=1`)
  }
  const rate = read.number("OPERATORS_RATE", 2, [0, 1_000_000])
  // A message that waits longer than a minute for its turn would look like a fault of ours.
  if (rate > 0 && rate < 0.1)
    read.problem(`OPERATORS_RATE: "${rate}" is neither 0 nor at least 0.1`)
  return {
    operatorsPort: port === 0 ? undefined : port,
    operatorsSocket: read.optional("OPERATORS_SOCKET"),
    operatorsCircuits: read.oneOf("OPERATORS_CIRCUITS", ["off", "on"]),
    operatorsRegistration: read.oneOf("OPERATORS_REGISTRATION", ["open", "invite", "closed"]),
    operatorsConnections: read.whole("OPERATORS_CONNECTIONS", 1_024, [1, 1_000_000]),
    operatorsRate: rate,
    operatorsExpiryDays: read.number("OPERATORS_EXPIRY_DAYS", 7, [0.0001, 36_500]),
    operatorsHash: hash,
  }
}
