/** The documents wired to their routes: the database's tables, settings and limits come in here. */
import type { Config } from "./config.ts"
import { Documents } from "./documents/documents.ts"
import { documentRoutes } from "./documents/routes.ts"
import { frameBytes, type Settings } from "./documents/settings.ts"
import { openShelf } from "./documents/shelf-sqlite.ts"
import type { Log } from "./log.ts"
import type { Metrics } from "./metrics.ts"
import type { Limits, WebSocketRoute } from "./net/route.ts"
import type { HttpRoute, Wake } from "./service.ts"
import type { Store } from "./store.ts"
import { chooseProtocol, documentsCodec } from "./wire/documents.ts"

/** WebSocket bytes a second that one editor may send, and in a burst. */
const editorBytesPerSecond = 1024 * 1024
const editorBytesBurst = 8 * 1024 * 1024
const minuteMs = 60_000
const hourMs = 60 * minuteMs
const dayMs = 24 * hourMs

/** What the documents need of the server. */
export interface DocumentsWorld {
  readonly config: Config
  readonly store: Store
  readonly log: Log
  readonly metrics: Metrics
  readonly wake: Wake
  readonly version: string
  random(length: number): Uint8Array
}

/** The documents, and where they answer. */
export interface DocumentsPart {
  readonly service: Documents
  readonly route: WebSocketRoute<unknown, unknown>
  readonly httpRoutes: readonly HttpRoute[]
}

/** Opens the tables, replays the journal and makes the service. Throws one sentence where the file is not ours. */
export function createDocuments(world: DocumentsWorld): DocumentsPart {
  const { config, store, log, metrics, wake, random } = world
  const shelf = openShelf(store, { random, playbackBytes: config.playbackKb * 1024 })
  if (shelf.recovery.edits > 0) log.info("journal replayed", { ...shelf.recovery })
  const settings = documentSettings(config, world.version)
  const service = new Documents({ shelf, log, metrics, wake, random, settings })
  return {
    service,
    httpRoutes: documentRoutes(service),
    route: {
      name: "documents",
      prefix: "/api/socket/",
      service,
      codec: documentsCodec,
      limits: documentLimits(config),
      opens: "before",
      origins: "own",
      query: ["otp", "dialect"],
      cookie: { name: "quartet_editor", path: "/api/" },
      protocols: chooseProtocol,
    },
  }
}

function documentSettings(config: Config, version: string): Partial<Settings> {
  return {
    textLimit: config.maxDocumentSizeKb * 1024,
    editorLimit: config.maxEditors,
    windowOperations: config.historyRevisions,
    expiryMs: config.expiryDays * dayMs,
    cleanupMs: config.cleanupIntervalHours * hourMs,
    retentionDays: config.retentionDays,
    idleBytes: config.idleDocumentsMb * 1024 * 1024,
    joinsPerMinute: config.joinsPerMinute,
    dialect: config.documentsDialect,
    server: `quartet ${version}`,
  }
}

function documentLimits(config: Config): Limits {
  return {
    messageBytes: frameBytes(config.maxDocumentSizeKb * 1024),
    messagesPerSecond: config.editsPerSecond,
    messagesBurst: 2 * config.editsPerSecond,
    bytesPerSecond: config.editsPerSecond === 0 ? 0 : editorBytesPerSecond,
    bytesBurst: editorBytesBurst,
    behindBytes: 64 * 1024,
    slowBytes: 4 * 1024 * 1024,
    stalledMs: config.wsWriteTimeoutSeconds * 1000,
    offers: config.broadcastBufferSize,
    heartbeatMs: config.wsHeartbeatIntervalSeconds * 1000,
    silenceMs: config.wsReadTimeoutMinutes * minuteMs,
  }
}
