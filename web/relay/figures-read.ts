/** Reads what the server says of itself, and puts it into words. Pure; a field that is missing is none. */
import { fieldOf } from "./fields.ts"

/** How it is now. */
export interface Health {
  readonly status: string
  /** "alone" where no bus leads to other servers. */
  readonly bus: "alone" | "connected" | "away"
  readonly replicas: number
  readonly rooms: number
  readonly waiting: number
  readonly dirty: number
  /** Messages on their way to other servers. */
  readonly queue: number
}

/** A room on this server. */
export interface RoomRow {
  readonly name: string
  readonly kind: string
  readonly replicas: number
  readonly holders: number
  readonly state: string
}

/** The rooms, as far as one may see them. */
export type RoomsSeen =
  | { readonly state: "unasked" }
  | { readonly state: "refused"; readonly sentence: string }
  | { readonly state: "listed"; readonly rooms: readonly RoomRow[]; readonly total: number }

/** The count of deliveries in what `/metrics` says; NaN where it says none. */
export function deliveriesIn(metrics: string): number {
  const line = /^quartet_relay_delivered_messages_total (\S+)/m.exec(metrics)?.[1]
  return line === undefined ? Number.NaN : Number(line)
}

/** What `/health` says. */
export function healthOf(body: unknown): Health {
  const status = fieldOf(body, "status")
  const isConfigured = fieldOf(fieldOf(body, "redis"), "configured") === true
  const isReached = fieldOf(fieldOf(body, "probe"), "ok") !== false
  return {
    status: typeof status === "string" ? status : "unknown",
    bus: isReached ? (isConfigured ? "connected" : "alone") : "away",
    replicas: numberAt(body, ["connections"]) ?? 0,
    rooms: numberAt(body, ["documents"]) ?? 0,
    waiting: numberAt(body, ["rooms", "waiting"]) ?? 0,
    dirty: numberAt(body, ["rooms", "dirty"]) ?? 0,
    queue: numberAt(body, ["queue", "messages"]) ?? 0,
  }
}

/** What `/api/relay/rooms` says: those with most replicas first. */
export function roomsOf(body: unknown): RoomsSeen {
  const listed = fieldOf(body, "rooms")
  const rooms = (Array.isArray(listed) ? listed : []).map((room: unknown) => ({
    name: String(fieldOf(room, "name")),
    kind: String(fieldOf(room, "kind")),
    replicas: numberAt(room, ["replicas"]) ?? 0,
    holders: numberAt(room, ["holders"]) ?? 0,
    state: String(fieldOf(room, "state")),
  }))
  rooms.sort((one, other) => other.replicas - one.replicas || (one.name < other.name ? -1 : 1))
  return { state: "listed", rooms, total: numberAt(body, ["total"]) ?? rooms.length }
}

/** A number at the end of a path of names; undefined where there is none. */
export function numberAt(value: unknown, path: readonly string[]): number | undefined {
  const found = path.reduce(fieldOf, value)
  return typeof found === "number" && Number.isFinite(found) ? found : undefined
}

/** What the bus means for who looks on. */
export function wordsOfBus(bus: Health["bus"]): string {
  switch (bus) {
    case "alone":
      return "This server works alone: no bus leads to others. One server needs none."
    case "connected":
      return "The bus leads to other servers: their replicas are in the same rooms."
    case "away":
      return "The bus is away. Rooms here go on; replicas on other servers wait, and nothing is lost."
  }
}
