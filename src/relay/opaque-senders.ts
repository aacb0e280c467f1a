/**
 * A name in an opaque room: who bears it, and where.
 *
 * What always holds: a name belongs to one user; it has a place at each server where somebody bears
 * it, and each server speaks for its own place only.
 */
import type { Role } from "../service.ts"
import type { FarName } from "../wire/bus-opaque.ts"
import type { ToOpaque } from "../wire/relay.ts"
import type { Counts } from "./counts.ts"
import type { OpaqueReplica } from "./opaque-fan-out.ts"

export interface AttendanceLimits {
  readonly presenceRowsPerRoom: number
  readonly presenceWindowMs: number
  readonly presenceGraceMs: number
  readonly limitsDryRun: boolean
}

/** What it needs of its room. */
export interface AttendanceWorld {
  readonly counts: Counts
  /** What a replica changed arrives before what it shows afterwards (RL17): changes that wait leave now. */
  lead(): void
  /** Names that have a place here, for other servers. */
  tellFar(names: readonly FarName[]): void
  /** ms of bus time. */
  busNow(): number
}

/** A name, and who bears it. */
export interface Sender {
  readonly id: string
  readonly subject: string | undefined
  role: Role
  /** Of its JOIN, in the sender's own ms. */
  readonly ts: number
  readonly replicas: Set<OpaqueReplica>
  /** Versions of its places, by server. */
  readonly places: Map<string, number>
  /** Of its place here; 0 while it has none. */
  version: number
  shown: Shown | undefined
  /** Set when its last line broke, or its server died: it leaves then, unless it comes back. */
  orphanedUntil: number | undefined
}

/** The last PRESENCE of a name. */
export interface Shown {
  /** Undefined for one that came from elsewhere. */
  readonly by: OpaqueReplica | undefined
  readonly version: number
  readonly message: ToOpaque & { readonly kind: "presence" }
}

/** Whether both are one user or, without tokens, may be. */
export function isSame(
  sender: Pick<Sender, "subject" | "role">,
  { subject, role }: Pick<Sender, "subject" | "role">,
): boolean {
  return sender.subject === subject && (subject !== undefined || sender.role === role)
}

/** Its place here, as other servers are told of it. */
export function farNameOf({ id, subject, role, ts, version, shown }: Sender): FarName {
  const state = shown?.by && {
    version: shown.version,
    ts: shown.message.ts,
    payload: shown.message.payload,
  }
  return { id, subject: subject ?? "", role, ts, version, state: "here", shown: state }
}

/** A name that bears nobody yet. */
export function newSender(of: Pick<Sender, "id" | "subject" | "role" | "ts">): Sender {
  const { id, subject, role, ts } = of
  const rest = { version: 0, shown: undefined, orphanedUntil: undefined }
  return { id, subject, role, ts, replicas: new Set(), places: new Map(), ...rest }
}

/** Whether somebody bears it, here or elsewhere. */
export function isBorne({ replicas, places }: Sender): boolean {
  return replicas.size > 0 || places.size > 0
}

/** As those who are here are told of it. */
export function joinOf(docId: string, { id, ts, role }: Sender): ToOpaque {
  return { kind: "join", docId, senderId: id, ts, role }
}
