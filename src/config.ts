/**
 * What the server is told from outside: environment variables, checked all at once.
 *
 * What always holds: `readConfig` gives one frozen object in which every value is in range, or
 * throws one ConfigError that names every bad variable. Nothing is read later and nothing
 * reloads. A new setting goes into `Config`, `readConfig` and docs/operating.md.
 */
import type { Level } from "./log.ts"

/** The parts that this release has; PARTS chooses among them. */
export const allParts = ["documents"] as const
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
}

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
] as const
export type Variable = (typeof variables)[number]

/** Variables by name, as a process has them. */
export type Environment = Readonly<Record<string, string | undefined>>

/** Says every bad value, one sentence a line. */
export class ConfigError extends Error {
  constructor(problems: readonly string[]) {
    super(problems.join("\n"))
    this.name = "ConfigError"
  }
}

/** Reads the whole configuration. Throws ConfigError with every bad value in it. */
export function readConfig(environment: Environment): Config {
  const read = new Reader(environment)
  const dataDir = read.text("DATA_DIR", "./data")
  const config: Config = {
    host: read.text("HOST", "127.0.0.1"),
    port: read.whole("PORT", 3030, [0, 65_535]),
    pathPrefix: read.path("BASE_PATH"),
    parts: read.parts("PARTS"),
    dataDir,
    sqliteUri: read.text("SQLITE_URI", `${dataDir.replace(/\/+$/, "")}/quartet.db`),
    tls: read.tls(),
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
  }
  if (config.drainSeconds >= config.shutdownTimeoutSeconds) {
    read.problem("DRAIN_SECONDS: must be less than SHUTDOWN_TIMEOUT_SECONDS")
  }
  read.finish()
  return Object.freeze(config)
}

/** Reads variables one by one and gathers what is wrong with them. An empty variable counts as not set. */
class Reader {
  readonly #environment: Environment
  readonly #problems: string[] = []

  constructor(environment: Environment) {
    this.#environment = environment
  }

  problem(sentence: string): void {
    this.#problems.push(sentence)
  }

  text(name: Variable, fallback: string): string {
    return this.#value(name) ?? fallback
  }

  number(name: Variable, fallback: number, range: readonly [number, number]): number {
    return this.#inRange(name, fallback, { range, kind: "a number", fits: Number.isFinite })
  }

  whole(name: Variable, fallback: number, range: readonly [number, number]): number {
    return this.#inRange(name, fallback, { range, kind: "a whole number", fits: Number.isInteger })
  }

  /** The first of `values` is the default. */
  oneOf<T extends string>(name: Variable, values: readonly [T, ...T[]]): T {
    const value = this.#value(name)
    if (value === undefined) return values[0]
    const found = values.find((each) => each === value)
    if (found === undefined) this.problem(`${name}: "${value}" is not one of ${values.join(", ")}`)
    return found ?? values[0]
  }

  path(name: Variable): string {
    const value = this.#value(name) ?? "/"
    if (!/^[\w\-./~]*$/.test(value) || value.includes("..")) {
      this.problem(`${name}: "${value}" is not a path like /quartet/`)
    }
    return `/${value}/`.replace(/\/+/g, "/")
  }

  parts(name: Variable): readonly Part[] {
    const value = this.#value(name)
    if (value === undefined) return allParts
    const wanted = list(value)
    for (const each of wanted) {
      if (allParts.every((part) => part !== each)) {
        this.problem(`${name}: "${each}" is not one of ${allParts.join(", ")}`)
      }
    }
    return allParts.filter((part) => wanted.includes(part))
  }

  tls(): Config["tls"] {
    const cert = this.#value("TLS_CERT")
    const key = this.#value("TLS_KEY")
    if (cert !== undefined && key !== undefined) return { cert, key }
    if (cert !== undefined) this.problem("TLS_CERT: needs TLS_KEY beside it")
    if (key !== undefined) this.problem("TLS_KEY: needs TLS_CERT beside it")
    return undefined
  }

  origins(name: Variable): readonly string[] {
    const origins = list(this.#value(name) ?? "")
    for (const origin of origins) {
      if (!isOrigin(origin)) {
        this.problem(`${name}: "${origin}" is not an origin like https://pad.example.org`)
      }
    }
    return origins
  }

  ancestors(name: Variable): string {
    const value = this.#value(name) ?? "'self'"
    const words = value.split(/[\s,]+/).filter((word) => word !== "")
    for (const word of words) {
      if (word !== "'self'" && word !== "'none'" && !isOrigin(word)) {
        this.problem(`${name}: "${word}" is not 'self', 'none' or an origin`)
      }
    }
    return words.join(" ")
  }

  /** Throws if anything was wrong, a misspelt variable of a part of ours included. */
  finish(): void {
    const known = new Set<string>(variables)
    for (const name of Object.keys(this.#environment)) {
      const ours = allParts.some((part) => name.startsWith(`${part.toUpperCase()}_`))
      if (ours && !known.has(name)) this.problem(`${name}: there is no such setting`)
    }
    if (this.#problems.length > 0) throw new ConfigError(this.#problems)
  }

  #value(name: Variable): string | undefined {
    const value = this.#environment[name]?.trim()
    return value === "" ? undefined : value
  }

  #inRange(name: Variable, fallback: number, wanted: Wanted): number {
    const value = this.#value(name)
    if (value === undefined) return fallback
    const [low, high] = wanted.range
    const number = /^\d+(\.\d+)?$/.test(value) ? Number(value) : Number.NaN
    if (!wanted.fits(number) || number < low || number > high) {
      this.problem(`${name}: "${value}" is not ${wanted.kind} from ${low} to ${high}`)
    }
    return number
  }
}

interface Wanted {
  readonly range: readonly [low: number, high: number]
  readonly kind: string
  readonly fits: (value: number) => boolean
}

function list(value: string): readonly string[] {
  return value
    .split(",")
    .map((each) => each.trim())
    .filter((each) => each !== "")
}

function isOrigin(value: string): boolean {
  return URL.canParse(value) && new URL(value).origin === value
}
