/**
 * What the server tells of itself over HTTP besides `/metrics`: the body of `/health`, and
 * `/api/stats`.
 *
 * What always holds: the first fields of `/health`, and the names with dots in `/api/stats`, are
 * those that programs made for LFCC's relay read; no room or user is named.
 */
import type { BusFigures } from "./bus/bus.ts"
import type { HttpAnswer, HttpRoute } from "./service.ts"

/** Of the relay, as `/health` has it at the top. */
export interface RelayHealth {
  readonly ok: boolean
  /** Replicas and rooms on this server. */
  readonly connections: number
  readonly documents: number
  /** Rooms in which something may be missing, or somebody waits for content, and rooms too large to be followed. */
  readonly dirty: number
  readonly waiting: number
  readonly untracked: number
}

/** How delivery over the bus is, as a message to ourselves shows it. */
export interface ProbeStanding {
  readonly ok: boolean
  /** ms that the last one took; undefined before any came back. */
  readonly roundTripMs: number | undefined
  /** ms since the last one came back; Infinity for never. */
  readonly ageMs: number
  /** In a row. */
  readonly failures: number
}

/** What is known when somebody asks how the server is. */
export interface Standing {
  readonly state: "new" | "ready" | "stopping" | "down"
  readonly server: string
  readonly isStoreWell: boolean
  readonly probe: ProbeStanding
  readonly bus: BusFigures
  readonly relay: RelayHealth | undefined
  /** How each part is, by its name. */
  readonly services: Readonly<Record<string, { readonly ok: boolean }>>
}

const noRelay: RelayHealth = {
  ok: true,
  connections: 0,
  documents: 0,
  dirty: 0,
  waiting: 0,
  untracked: 0,
}

/** The answer of `/health` (SV23, RL111): 200 where all is well and newcomers are welcome. */
export function healthAnswer(standing: Standing): HttpAnswer {
  const { state, server, isStoreWell, probe, bus, services, relay = noRelay } = standing
  const isWell = isStoreWell && probe.ok && Object.values(services).every((service) => service.ok)
  const ok = isWell && state === "ready"
  const body = {
    ok,
    status: inWords(state, isWell),
    serverId: server,
    redis: {
      connected: bus.connection === "connected",
      activeSubscriptions: bus.subscriptions,
      configured: bus.isConfigured,
    },
    connections: relay.connections,
    documents: relay.documents,
    // JSON has no Infinity: what is not known is null.
    probe: {
      ok: probe.ok,
      roundTripMs: probe.roundTripMs ?? null,
      ageMs: Number.isFinite(probe.ageMs) ? probe.ageMs : null,
      failures: probe.failures,
    },
    queue: { messages: bus.queuedMessages, bytes: bus.queuedBytes, dropped: bus.dropped },
    rooms: { dirty: relay.dirty, waiting: relay.waiting, untracked: relay.untracked },
    store: { ok: isStoreWell },
    bus: { ok: probe.ok },
    services,
  }
  return { status: ok ? 200 : 503, headers: asJson, body: JSON.stringify(body) }
}

/** `/api/stats`: the figures that pages show (DC98, RL113), read anew each time. */
export function statsRoute(read: () => object): HttpRoute {
  return {
    prefix: "/api/stats",
    bodyBytes: 0,
    answer({ method, path }, reply) {
      if (path !== "") return reply({ status: 404, body: "not found" })
      if (method !== "GET" && method !== "HEAD") {
        return reply({ status: 405, headers: { allow: "GET, HEAD" }, body: "method not allowed" })
      }
      reply({ status: 200, headers: asJson, body: JSON.stringify(read()) })
    },
  }
}

const asJson = { "content-type": "application/json" }

function inWords(state: Standing["state"], isWell: boolean): string {
  if (state === "new") return "starting"
  if (state !== "ready") return "draining"
  return isWell ? "healthy" : "degraded"
}
