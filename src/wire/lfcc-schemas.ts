/**
 * The frames of the LFCC dialect as JSON Schemas, both ways; docs/protocol/lfcc.schema.json is made
 * of them.
 *
 * What always holds: of a frame that passed its schema every field has the type that stands here,
 * and every number its bounds. Sizes in bytes, base64 and nesting are checked by lfcc.ts besides,
 * since no schema can say them. Fields that do not stand here are ignored, and never sent on.
 */
import { count, Type } from "./schema.ts"

/** A BATCH holds at most so many frames. */
export const batchFrames = 50

/** A snapshot is asked for under a name of at most so many characters. */
const requestIdLength = 64

/** The features that a JOIN may name. */
const limitFeatures = 16

const docId = Type.String({ minLength: 1, maxLength: 256 })
const senderId = Type.String({ minLength: 1, maxLength: 128 })
const ts = Type.Integer({ minimum: 1, maximum: Number.MAX_SAFE_INTEGER })
const base64 = Type.String({ contentEncoding: "base64" })
const requestId = Type.String({ minLength: 1, maxLength: requestIdLength })
const role = Type.Union([Type.Literal("viewer"), Type.Literal("editor"), Type.Literal("admin")])
const ref = Type.Union([Type.String({ maxLength: 128 }), count])
const server = Type.Literal("server")

/** What every frame has. */
export const frameSchema = Type.Object({ type: Type.String(), docId, senderId, ts })

const join = Type.Object({
  ...named("JOIN"),
  payload: Type.Optional(
    Type.Object({
      hasSnapshot: Type.Optional(Type.Boolean()),
      version: Type.Optional(base64),
      features: Type.Optional(
        Type.Array(Type.String({ maxLength: 32 }), { maxItems: limitFeatures }),
      ),
      sealed: Type.Optional(Type.Boolean()),
    }),
  ),
})

const update = Type.Object({
  ...named("CRDT_UPDATE"),
  bytesB64: Type.Optional(base64),
  payload: Type.Optional(Type.Object({ bytesB64: Type.Optional(base64) })),
  ref: Type.Optional(ref),
})

const presence = Type.Object({ ...named("PRESENCE"), payload: Type.Object({}) })

const leave = Type.Object(named("LEAVE"))

const snapshotRequest = Type.Object({
  ...named("SNAPSHOT_REQUEST"),
  payload: Type.Optional(Type.Object({ version: Type.Optional(base64) })),
})

const snapshotResponse = Type.Object({
  ...named("SNAPSHOT_RESPONSE"),
  payload: Type.Object({
    requestId: Type.Optional(requestId),
    snapshot: base64,
    isBase64: Type.Literal(true),
    version: Type.Optional(base64),
  }),
})

/** In a binary message: the snapshot follows the JSON. */
const snapshotHead = Type.Object({
  ...named("SNAPSHOT_RESPONSE"),
  payload: Type.Optional(
    Type.Object({ requestId: Type.Optional(requestId), version: Type.Optional(base64) }),
  ),
})

const auth = Type.Object({ ...named("AUTH"), token: Type.String() })

const batch = Type.Object({
  ...named("BATCH"),
  messages: Type.Array(Type.Unknown(), { minItems: 1, maxItems: batchFrames }),
})

/** What a replica sends. */
export const fromReplica = {
  JOIN: join,
  CRDT_UPDATE: update,
  PRESENCE: presence,
  LEAVE: leave,
  SNAPSHOT_REQUEST: snapshotRequest,
  SNAPSHOT_RESPONSE: snapshotResponse,
  AUTH: auth,
  BATCH: batch,
}

/** What a replica that named `binary` sends in front of bytes. */
export const fromReplicaBinary = { CRDT_UPDATE: update, SNAPSHOT_RESPONSE: snapshotHead }

/** What the relay sends. */
export const toReplica = {
  JOIN: Type.Object({
    ...named("JOIN"),
    role,
    payload: Type.Object({ status: Type.Literal("active") }),
  }),
  CRDT_UPDATE: update,
  PRESENCE: presence,
  LEAVE: Type.Object({
    ...named("LEAVE"),
    payload: Type.Object({ status: Type.Literal("away") }),
  }),
  SNAPSHOT_REQUEST: Type.Object({
    ...named("SNAPSHOT_REQUEST"),
    senderId: server,
    payload: Type.Object({ requestId, version: Type.Optional(base64) }),
  }),
  SNAPSHOT_RESPONSE: Type.Object({
    ...named("SNAPSHOT_RESPONSE"),
    senderId: server,
    payload: Type.Object({
      requestId,
      snapshot: Type.Optional(base64),
      isBase64: Type.Optional(Type.Literal(true)),
      version: Type.Optional(base64),
      empty: Type.Optional(Type.Literal(true)),
      seed: Type.Optional(Type.Literal(true)),
    }),
  }),
  BATCH: batch,
  ACK: Type.Object({
    ...named("ACK"),
    senderId: server,
    payload: Type.Object({ ref: Type.Optional(ref) }),
  }),
  ERROR: Type.Object({
    ...named("ERROR"),
    /** Empty where the socket is closed before its room is known. */
    docId: Type.String(),
    senderId: server,
    code: Type.String(),
    payload: Type.Object({
      code: Type.String(),
      message: Type.String(),
      retryAfterMs: Type.Optional(count),
    }),
  }),
}

function named<const Name extends string>(name: Name) {
  return { type: Type.Literal(name), docId, senderId, ts }
}
