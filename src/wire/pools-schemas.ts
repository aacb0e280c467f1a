/**
 * Schemas of what apps send as JSON, by `type`. `/schemas/pools.json` serves these very objects.
 *
 * What always holds: fields that are not named here are ignored and not passed on; every text and
 * list has a bound, so has every number.
 */
import { examined, type Misfit, type Static, Type } from "./schema.ts"
import { recordLimitBytes } from "./trinity-record.ts"

const id = Type.String({ pattern: "^[\\x21-\\x7e]{1,64}$" })
const appId = Type.String({ pattern: "^[A-Za-z0-9._-]{1,128}$" })
const poolName = Type.String({ pattern: "^[A-Za-z0-9._-]{1,64}$" })
/** No space or control character: names stand in patterns, paths and logs. */
const name = Type.String({ pattern: "^[^\\u0000-\\u0020\\u007f]{1,128}$" })
const word = Type.String({ minLength: 1, maxLength: 128 })
const bytes = Type.String({ pattern: "^[A-Za-z0-9_+/-]*=*$", maxLength: 1024 })
const whole = (maximum: number) => Type.Integer({ minimum: 0, maximum })
const u32 = 0xffff_ffff
const contentType = Type.Optional(
  Type.String({ pattern: "^(json|text|bytes|app:(1[3-9]\\d|12[89]|2[0-4]\\d|25[0-5]))$" }),
)
const flags = (ours: string) =>
  Type.Optional(
    Type.Array(Type.String({ pattern: `^(${ours}|x-[A-Za-z0-9._-]{1,64})$` }), { maxItems: 16 }),
  )
const trace = {
  traceparent: Type.Optional(
    Type.String({ pattern: "^[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$" }),
  ),
  tracestate: Type.Optional(Type.String({ maxLength: 512, pattern: "^[\\x20-\\x7e]*$" })),
}

const offer = Type.Union([
  name,
  Type.Object({
    name,
    pools: Type.Optional(Type.Array(poolName, { maxItems: 100 })),
    policy: Type.Optional(
      Type.String({ pattern: "^(round_robin|random|first|last|least_pending|latency|hash)$" }),
    ),
    concurrency: Type.Optional(Type.Integer({ minimum: 1, maximum: 65_536 })),
    queue: Type.Optional(whole(65_536)),
    weight: Type.Optional(Type.Integer({ minimum: 1, maximum: 100 })),
    idempotent: Type.Optional(Type.Boolean()),
    plain: Type.Optional(Type.Boolean()),
    version: Type.Optional(word),
    input: Type.Optional(Type.Unknown()),
    output: Type.Optional(Type.Unknown()),
    description: Type.Optional(Type.String({ maxLength: 4_096 })),
  }),
])

/** Sixteen tokens at the most; `*` is one, `>` is the rest. */
const pattern = Type.String({ pattern: "^[^\\u0000-\\u0020\\u007f]{1,128}$" })
const topic = Type.Union([
  pattern,
  Type.Object({
    pattern,
    group: Type.Optional(word),
    behind: Type.Optional(Type.String({ pattern: "^(drop_oldest|conflate|disconnect)$" })),
    depth: Type.Optional(Type.Integer({ minimum: 1, maximum: 256 })),
  }),
])
const anything = Type.Record(Type.String(), Type.Unknown())

const exact = whole(Number.MAX_SAFE_INTEGER)
const memoryFields = {
  size: Type.Optional(exact),
  block_type: Type.Optional(word),
  permissions: Type.Optional(
    Type.Object({
      read: Type.Optional(Type.Array(word, { maxItems: 1_000 })),
      write: Type.Optional(Type.Array(word, { maxItems: 1_000 })),
    }),
  ),
  slots: Type.Optional(whole(32)),
  writers: Type.Optional(Type.String({ pattern: "^(one|many)$" })),
  checksum: Type.Optional(Type.Boolean()),
  durable: Type.Optional(Type.Boolean()),
  filling: Type.Optional(Type.Boolean()),
  ring: Type.Optional(Type.String({ pattern: "^(block|overwrite)$" })),
  /** Of `create`: whether writing needs a lock. Of no other operation. */
  lock: Type.Optional(Type.String({ pattern: "^(advisory|required)$" })),
  initial: Type.Optional(Type.String({ pattern: "^(empty|zeros)$" })),
  mode: Type.Optional(Type.String({ pattern: "^(read|write|exclusive)$" })),
  via: Type.Optional(Type.String({ pattern: "^(socket|map)$" })),
  /** Of `attach`: asks for a cell to pin with. */
  pin: Type.Optional(Type.Boolean()),
  pid: Type.Optional(whole(u32)),
  started: Type.Optional(exact),
  offset: Type.Optional(exact),
  length: Type.Optional(exact),
  generation: Type.Optional(exact),
  if_generation: Type.Optional(exact),
  whole: Type.Optional(Type.Boolean()),
  fence: Type.Optional(whole(u32)),
  timeout: Type.Optional(exact),
  lease_ms: Type.Optional(exact),
  lock_id: Type.Optional(word),
  payload: Type.Optional(Type.Unknown()),
}

/** Of encrypted pools. */
const keyFields = {
  root_key: Type.Optional(bytes),
  /** An epoch's record with all its members, in base64url. */
  record: Type.Optional(
    Type.String({ pattern: "^[A-Za-z0-9_-]*$", maxLength: Math.ceil((recordLimitBytes * 4) / 3) }),
  ),
  known_epoch: Type.Optional(whole(u32)),
  after: Type.Optional(whole(u32)),
  epoch: Type.Optional(whole(u32)),
  grade: Type.Optional(Type.Integer({ minimum: 1, maximum: 4 })),
  signature: Type.Optional(bytes),
  certificate: Type.Optional(bytes),
  binding: Type.Optional(bytes),
  bytes: Type.Optional(bytes),
}

/** A piece of a block's content, instead of a payload. */
const blockRef = Type.Optional(
  Type.Object({
    block: Type.String({ pattern: "^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$" }),
    generation: exact,
    offset: Type.Optional(exact),
    length: Type.Optional(exact),
  }),
)

/** By `type`. */
export const schemas = {
  handshake: Type.Object({
    id: Type.Optional(id),
    app_id: appId,
    pools: Type.Optional(Type.Array(poolName, { maxItems: 100 })),
    triggers: Type.Optional(Type.Array(offer, { maxItems: 10_000 })),
    topics: Type.Optional(Type.Array(topic, { maxItems: 1_000 })),
    metadata: Type.Optional(Type.Unknown()),
    protocol_version: Type.Optional(Type.String({ pattern: "^\\d{1,4}(\\.\\d{1,4}){1,2}$" })),
    min_protocol_version: Type.Optional(Type.String({ pattern: "^\\d{1,4}(\\.\\d{1,4}){1,2}$" })),
    features: Type.Optional(Type.Array(Type.String({ maxLength: 64 }), { maxItems: 32 })),
    public_key: Type.Optional(bytes),
    token: Type.Optional(Type.String({ minLength: 1, maxLength: 8_192 })),
    resume: Type.Optional(word),
    rehydrate: Type.Optional(Type.Boolean()),
    instances: Type.Optional(Type.Boolean()),
  }),
  auth: Type.Object({
    id: Type.Optional(id),
    correlation_id: Type.Optional(id),
    signature: bytes,
  }),
  trigger: Type.Object({
    id,
    trigger: name,
    payload: Type.Optional(Type.Unknown()),
    content_type: contentType,
    pool: Type.Optional(poolName),
    destination: Type.Optional(Type.String({ pattern: "^[A-Za-z0-9._-]{1,128}(#\\d{1,9})?$" })),
    ttl: Type.Optional(whole(Number.MAX_SAFE_INTEGER)),
    flags: flags("idempotent|stream|detach"),
    correlation_id: Type.Optional(id),
    parent: Type.Optional(id),
    affinity: Type.Optional(word),
    idempotency_key: Type.Optional(word),
    wait_ms: Type.Optional(whole(u32)),
    credit: Type.Optional(whole(0xffff)),
    block_ref: blockRef,
    call_nonce: Type.Optional(Type.String({ pattern: "^[A-Za-z0-9_+/-]{22}=*$" })),
    ...trace,
  }),
  response: Type.Object({
    id: Type.Optional(id),
    correlation_id: id,
    status: Type.String({ pattern: "^(success|error)$" }),
    result: Type.Optional(Type.Unknown()),
    error: Type.Optional(Type.Unknown()),
    error_code: Type.Optional(word),
    handler_code: Type.Optional(word),
    content_type: contentType,
    block_ref: blockRef,
  }),
  emit: Type.Object({
    id: Type.Optional(id),
    trigger: name,
    payload: Type.Optional(Type.Unknown()),
    content_type: contentType,
    pool: Type.Optional(poolName),
    flags: flags("ack|retain|exclude_self"),
    ...trace,
  }),
  chunk: Type.Object({
    correlation_id: id,
    to: Type.String({ pattern: "^(caller|handler)$" }),
    seq: whole(u32),
    payload: Type.Optional(Type.Unknown()),
    content_type: contentType,
    last: Type.Optional(Type.Boolean()),
  }),
  credit: Type.Object({
    correlation_id: id,
    to: Type.String({ pattern: "^(caller|handler)$" }),
    count: Type.Integer({ minimum: 1, maximum: u32 }),
  }),
  cancel: Type.Object({
    correlation_id: id,
    mode: Type.Optional(Type.String({ pattern: "^(killnowait|kill|skip)$" })),
  }),
  drain: Type.Object({ id: Type.Optional(id) }),
  ping: Type.Object({ id: Type.Optional(id) }),
  pong: Type.Object({ id: Type.Optional(id) }),
  register: Type.Object({ id, pool: poolName, triggers: Type.Array(offer, { maxItems: 10_000 }) }),
  unregister: Type.Object({
    id,
    pool: poolName,
    triggers: Type.Array(offer, { maxItems: 10_000 }),
  }),
  subscribe: Type.Object({ id, pool: poolName, topics: Type.Array(topic, { maxItems: 1_000 }) }),
  unsubscribe: Type.Object({ id, pool: poolName, topics: Type.Array(topic, { maxItems: 1_000 }) }),
  pool: Type.Object({
    id,
    operation: word,
    pool: poolName,
    /** Its message has a `type` already. */
    pool_type: Type.Optional(Type.String({ pattern: "^(local|global|encrypted)$" })),
    rights: Type.Optional(anything),
    owners: Type.Optional(Type.Array(appId, { maxItems: 100 })),
    encrypted: Type.Optional(Type.Boolean()),
    force: Type.Optional(Type.Boolean()),
    description: Type.Optional(Type.String({ maxLength: 4_096 })),
    limits: Type.Optional(anything),
    ...keyFields,
  }),
  admin: Type.Object({
    id,
    operation: word,
    target: Type.Optional(Type.String({ maxLength: 256 })),
    params: Type.Optional(anything),
  }),
  memory: Type.Object({
    id: Type.Optional(id),
    operation: word,
    /** 1 to 128 bytes without control characters. */
    block_id: Type.Optional(Type.String({ pattern: "^[^\\u0000-\\u001f\\u007f-\\u009f]{1,128}$" })),
    pool: Type.Optional(poolName),
    attachment: Type.Optional(whole(u32)),
    /** Bytes in base64; true with `subscribe`: the content comes with each notice. */
    data: Type.Optional(
      Type.Union([Type.String({ pattern: "^[A-Za-z0-9_+/-]*=*$" }), Type.Boolean()]),
    ),
    content_type: contentType,
    ...memoryFields,
  }),
} as const

export type MessageType = keyof typeof schemas

/** A message of one type that fits its schema. */
export type Written<Name extends MessageType> = Static<(typeof schemas)[Name]>

/** What a check found: the value with its type, or what is wrong with it. */
export type Examined<Value> =
  | { readonly fits: true; readonly value: Value }
  | { readonly fits: false; readonly misfit: Misfit }

/** The checks, by type. */
export const fitting = {
  handshake: examined(schemas.handshake),
  auth: examined(schemas.auth),
  trigger: examined(schemas.trigger),
  response: examined(schemas.response),
  emit: examined(schemas.emit),
  chunk: examined(schemas.chunk),
  credit: examined(schemas.credit),
  cancel: examined(schemas.cancel),
  drain: examined(schemas.drain),
  ping: examined(schemas.ping),
  pong: examined(schemas.pong),
  register: examined(schemas.register),
  unregister: examined(schemas.unregister),
  subscribe: examined(schemas.subscribe),
  unsubscribe: examined(schemas.unsubscribe),
  pool: examined(schemas.pool),
  admin: examined(schemas.admin),
  memory: examined(schemas.memory),
} satisfies { readonly [Name in MessageType]: (value: unknown) => Examined<Written<Name>> }

/** Whether a text is one of the types. */
export function isType(type: string): type is MessageType {
  return Object.hasOwn(schemas, type)
}

/** All schemas, as `/schemas/pools.json` gives them. */
export function schemasText(): string {
  return JSON.stringify({ $schema: "https://json-schema.org/draft/2020-12/schema", $defs: schemas })
}
