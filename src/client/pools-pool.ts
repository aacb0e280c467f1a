/** A pool, as one of its apps sees it: who is in, who may do what. */
import { encode64Url } from "../wire/base64.ts"
import type { Proof } from "../wire/pools-shapes.ts"
import type { Blocks } from "./blocks.ts"
import type { PoolBlocks } from "./blocks-shapes.ts"
import { asPoolsError, fault } from "./pools-faults.ts"
import { type Fields, isFields, listIn, numberIn, present, textIn } from "./pools-frames.ts"
import type { Ground } from "./pools-ground.ts"
import type { HeldKeys, Keys, Lane } from "./pools-sealed.ts"
import type {
  JoinOptions,
  Member,
  Pool,
  PoolEvent,
  PoolOptions,
  Right,
  Rights,
} from "./pools-shapes.ts"

/** What a pool needs of the app. */
export interface PoolGround {
  readonly ground: Ground
  readonly blocks: Blocks
  /** This app came in, or is out. */
  membership(pool: string, how: "in" | "out", rights: readonly string[]): void
  /** Listens to what the server tells of pools. */
  onPool(listener: (pool: string, event: PoolEvent) => void): () => void
}

const allRights: readonly Right[] = ["read", "write", "execute", "handle", "admin"]

export class OpenPool implements Pool {
  readonly name: string
  readonly #ground: PoolGround

  constructor(name: string, ground: PoolGround) {
    this.name = name
    this.#ground = ground
  }

  get block(): PoolBlocks {
    const { blocks, ground } = this.#ground
    const open: PoolBlocks = {
      create: (id, size, options) => blocks.create(this.name, id, { ...options, size }),
      attach: (id, options) => blocks.attach(this.name, id, options ?? {}),
      ring: (id, size, options) => blocks.ring(this.name, id, { ...options, size }),
    }
    return ground.seals.of(this.name)?.blocks(open) ?? open
  }

  get keys(): Keys {
    return told(this.#lane().keys)
  }

  async create(options: PoolOptions = {}): Promise<void> {
    const { type, rights, owners, description, encrypted } = options
    const keys = encrypted && {
      encrypted: true,
      root_key: encode64Url(encrypted.keys.rootKey),
      record: encode64Url(encrypted.record),
    }
    await this.#ask("create", { pool_type: type, rights, owners, description, ...keys })
  }

  async destroy(how: "empty" | "force" = "empty"): Promise<void> {
    await this.#ask("destroy", how === "force" ? { force: true } : {})
    this.#ground.membership(this.name, "out", [])
  }

  async join(keys?: HeldKeys, { certificate }: JoinOptions = {}): Promise<readonly Right[]> {
    const { requests, seals } = this.#ground.ground
    const body = { type: "pool", operation: "join", pool: this.name }
    // Before it is in: from now on nothing is said here in the open.
    const lane = keys === undefined ? undefined : seals.open(this.name, keys, certificate)
    const result = await requests.hold(
      keyOf(this.name),
      lane === undefined
        ? { rank: "first", body }
        : { rank: "first", run: (ask) => entered(lane, (more) => ask({ ...body, ...more })) },
    )
    if (lane === undefined) this.#mustBeOpen(result)
    const given = listIn(result, "rights")
    this.#ground.membership(this.name, "in", given)
    return allRights.filter((right) => given.includes(right))
  }

  async leave(): Promise<void> {
    const body = { type: "pool", operation: "leave", pool: this.name }
    await this.#ground.ground.requests.release(keyOf(this.name), body)
    this.#ground.membership(this.name, "out", [])
  }

  async members(): Promise<readonly Member[]> {
    const { members } = await this.#ask("members", {})
    return Array.isArray(members) ? members.filter(isFields).map(memberOf) : []
  }

  async setRights(rights: Rights): Promise<void> {
    await this.#ask("set_rights", { rights })
  }

  watch(listener: (event: PoolEvent) => void): () => void {
    return this.#ground.onPool((pool, event) => {
      if (pool === this.name) listener(event)
    })
  }

  #ask(operation: string, fields: Fields): Promise<Fields> {
    const body = { type: "pool", operation, pool: this.name, ...present(fields) }
    return this.#ground.ground.requests.ask(body)
  }

  /** Joined without keys: what is said here will be said in the open. */
  #mustBeOpen(result: Fields): void {
    const { requests, seals } = this.#ground.ground
    if (result["encrypted"] !== true) return seals.close(this.name)
    requests.forget(keyOf(this.name))
    throw fault("not-encrypted", `pool ${this.name} is encrypted: join it with its keys`)
  }

  #lane(): Lane {
    const lane = this.#ground.ground.seals.of(this.name)
    if (lane !== undefined) return lane
    throw fault("not-member", `join pool ${this.name} with its keys first`)
  }
}

/** Comes in with the keys of a lane. */
async function entered(lane: Lane, ask: (body: Fields) => Promise<Fields>): Promise<Fields> {
  try {
    return await lane.enter((operation, fields) => ask({ ...fields, operation }))
  } catch (thrown) {
    throw asPoolsError(thrown)
  }
}

/** The name under which a membership holds. */
export function keyOf(pool: string): string {
  return `pool ${pool}`
}

/** The same keys, whose refusals are PoolsErrors. */
function told(keys: Keys): Keys {
  const asked = async <T>(work: () => Promise<T>): Promise<T> => {
    try {
      return await work()
    } catch (thrown) {
      throw asPoolsError(thrown)
    }
  }
  const { epoch, writerKey, memberKey, kept } = keys
  return {
    ...{ epoch, writerKey, memberKey, kept },
    lend: (grade) => keys.lend(grade),
    certify: (writer, of) => asked(() => keys.certify(writer, of)),
    revoke: (writer) => asked(() => keys.revoke(writer)),
    rotate: (of) => asked(() => keys.rotate(of)),
    renew: () => keys.renew(),
  }
}

function memberOf(row: Fields): Member {
  const proofs: readonly Proof[] = ["token", "key", "certificate"]
  return {
    app: textIn(row, "app_id") ?? "",
    identity: proofs.find((proof) => proof === row["identity"]) ?? "none",
    state: textIn(row, "state") ?? "",
    since: numberIn(row, "since") ?? 0,
  }
}
