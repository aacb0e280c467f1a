/**
 * The end of a handshake: what the app brings is registered, all of it or nothing.
 *
 * What always holds: everything is checked before the first change; the acknowledgement leaves before
 * the first call that waited for this app.
 */
import { encode64Url } from "../wire/base64.ts"
import { Refusal } from "../wire/pools-errors.ts"
import type { Handshake, Offer, TopicOffer } from "../wire/pools-shapes.ts"
import { type App, nothingRemembered, type Remembered } from "./app.ts"
import type { Apps } from "./apps.ts"
import type { Limits } from "./limits.ts"
import type { Realm } from "./realm.ts"
import { forbidden, limit } from "./realm.ts"
import { mayRegister, type Registering } from "./registering.ts"
import type { Session } from "./session.ts"

export interface AdmissionOptions {
  readonly limits: Limits
  readonly apps: Apps
  readonly realm: Realm
  readonly registering: Registering
  readonly serverVersion: string
  readonly announce: (event: string, fact: object) => void
  /** Where programs of this machine find the files of blocks. */
  readonly place: { readonly dir: string; readonly probe: Uint8Array } | undefined
}

/** What an app brings into one pool. */
interface Share {
  readonly pool: string
  readonly triggers: readonly Offer[]
  readonly topics: readonly TopicOffer[]
}

export class Admission {
  readonly #options: AdmissionOptions

  constructor(options: AdmissionOptions) {
    this.#options = options
  }

  /** Lets a proven session in. Throws the Refusal that says why not, with nothing changed. */
  admit(session: Session, app: App, handshake: Handshake): void {
    const isOld = session.form.version === "0.1"
    const isEmpty = (handshake.triggers?.length ?? 0) === 0
    const remembers = app.remembered.triggers.length > 0
    const rehydrates = handshake.rehydrate ?? (isOld && isEmpty && remembers)
    const { realm } = this.#options
    const stored = rehydrates ? app.remembered : nothingRemembered
    // What was destroyed meanwhile does not keep an app out.
    const pools = stored.pools.filter((name) => {
      const pool = realm.find(name)
      // Nor one that it has to prove a key of first.
      return pool === undefined ? isOld : pool.sealed === undefined
    })
    const shares = sharesOf(handshake, { ...stored, pools })
    const metadata = handshake.metadata ?? (rehydrates ? app.remembered.metadata : undefined)
    session.app = app
    try {
      this.#check(session, shares, metadata)
    } catch (thrown) {
      session.app = undefined
      throw thrown
    }
    this.#enter(session, app)
    const memberships = shares.map((share) => {
      const pool = this.#options.realm.find(share.pool) ?? this.#options.realm.improvise(share.pool)
      return { share, membership: this.#options.realm.join(session, pool) }
    })
    this.#acknowledge(session, handshake, { rehydrates, shares })
    for (const { share, membership } of memberships) {
      this.#options.registering.register(membership, share.triggers)
      this.#options.registering.subscribe(membership, share.topics)
    }
    this.#options.apps.remember(session, metadata)
    this.#options.announce("$sys.app.live", { app: session.name })
  }

  #check(session: Session, shares: readonly Share[], metadata: unknown): void {
    const { limits, realm, registering } = this.#options
    const { metadataLimitBytes } = limits
    const size = JSON.stringify(metadata ?? null).length
    if (size > metadataLimitBytes) {
      const sentence = `metadata holds at most metadataLimitBytes, ${metadataLimitBytes}`
      throw new Refusal("too-large", sentence, { field: "/metadata" })
    }
    if (shares.length > limits.poolsPerApp) throw limit("poolsPerApp", limits.poolsPerApp)
    registering.checkTopics(
      session,
      shares.flatMap(({ topics }) => topics),
    )
    for (const { pool: name, triggers, topics } of shares) {
      const pool = realm.find(name)
      const mayMake = session.form.version === "0.1" && session.entrance.auth === "open"
      if (pool === undefined && !mayMake) throw new Refusal("no-pool", `there is no pool ${name}`)
      if (pool === undefined) continue
      if (pool.sealed !== undefined) {
        const sentence = `pool ${name} is encrypted: join it after the handshake, by a proof of a key`
        throw new Refusal("forbidden", sentence, { field: "/pools" })
      }
      const rights = realm.rightsOf(session, pool)
      if (rights.size === 0) throw forbidden("read", name)
      mayRegister(pool, rights, { triggers: triggers.length, topics: topics.length })
      registering.check(pool, triggers)
    }
  }

  #enter(session: Session, app: App): void {
    const instance = app.instances === "many" ? app.nextInstance() : 0
    session.name = instance === 0 ? app.id : `${app.id}#${instance}`
    app.generation++
    app.protocol = session.form.version
    session.generation = app.generation
    session.stage = { is: "ready" }
    this.#options.apps.live(app, instance, session)
  }

  #acknowledge(
    session: Session,
    handshake: Handshake,
    { rehydrates, shares }: { readonly rehydrates: boolean; readonly shares: readonly Share[] },
  ): void {
    const { limits, serverVersion, place } = this.#options
    const isNear = place !== undefined && session.entrance.place === "local"
    const triggers = new Set(shares.flatMap((share) => share.triggers.map(({ name }) => name)))
    const old = {
      type: "handshake_ack",
      ...(handshake.id === undefined ? {} : { correlation_id: String(handshake.id) }),
      status: "success",
      assigned: {
        app_id: session.name,
        pools: shares.map(({ pool }) => pool),
        triggers: [...triggers],
        rehydrated: rehydrates,
      },
      server_version: serverVersion,
    }
    if (!session.isModern) return session.send({ kind: "plain", body: old })
    const rights = [...session.memberships].map(([pool, each]) => [pool, [...each.rights]])
    const features = {
      none: [],
      mixed: ["mixed"],
      compact: ["compact"],
      both: ["mixed", "compact"],
    }
    const body = {
      ...old,
      protocol_version: session.form.version,
      session: {
        id: encode64Url(session.key),
        generation: session.generation,
        resume: session.resume,
      },
      features: features[session.form.binary],
      limits,
      heartbeat_ms: limits.heartbeatMs,
      rights: Object.fromEntries(rights),
      ...(isNear ? { shm: { dir: place.dir, probe: encode64Url(place.probe) } } : {}),
    }
    session.send({ kind: "plain", body })
  }
}

/** What goes into which pool: what the handshake names, and what was stored where it wants that back. */
function sharesOf(handshake: Handshake, remembered: Remembered): readonly Share[] {
  const named = handshake.pools ?? remembered.pools
  const pools = new Set([...named, ...remembered.pools])
  if (pools.size === 0) pools.add("default")
  const { triggers = [], topics = [] } = handshake
  const names = new Set(triggers.map(({ name }) => name))
  for (const offer of triggers) for (const pool of offer.pools ?? []) pools.add(pool)
  return [...pools].map((pool): Share => {
    const own = triggers.filter((offer) => offer.pools?.includes(pool) ?? true)
    const kept = remembered.triggers.filter(
      (offer) => offer.pool === pool && !names.has(offer.name),
    )
    const keptTopics = remembered.topics.filter((topic) => topic.pool === pool)
    return {
      pool,
      triggers: [...own, ...kept.map(withoutPool)],
      topics: [...topics, ...keptTopics],
    }
  })
}

function withoutPool({ pool: _, ...offer }: Offer & { readonly pool: string }): Offer {
  return offer
}
