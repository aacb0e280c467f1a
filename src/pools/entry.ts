/**
 * How a connection becomes an app: the handshake, its proofs, and who an id belongs to.
 *
 * What always holds: an id that is bound is claimed by its proof only; a nonce is good once, for a
 * while, on its own connection; whoever takes a live id over ends the session before, at once; and a
 * handshake is acknowledged when all of it holds, or refused with nothing changed.
 */
import type { Log } from "../log.ts"
import type { Answer, Identity, Random } from "../service.ts"
import { encode64Url } from "../wire/base64.ts"
import type { WireError } from "../wire/error.ts"
import { type Fault, Refusal } from "../wire/pools-errors.ts"
import type { Handshake, Proof } from "../wire/pools-shapes.ts"
import type { App } from "./app.ts"
import { type Apps, newApp } from "./apps.ts"
import type { Counts } from "./counts.ts"
import { isSigned, sameAs, signedBytes } from "./keys.ts"
import type { Limits } from "./limits.ts"
import type { Session } from "./session.ts"
import { agreed, knownVersions } from "./versions.ts"

/** Asks whose token it is; the answer comes in a later turn. */
export type Ask = (token: string, answer: Answer<Identity | WireError>) => void

export interface EntryOptions {
  readonly limits: Limits
  readonly apps: Apps
  readonly random: Random
  readonly now: () => number
  readonly log: Log
  readonly counts: Counts
  /** Undefined without a key for tokens: then none is believed. */
  readonly ask: Ask | undefined
  /** Takes a session's place from it: what it held is lost, what it says counts no more. */
  readonly end: (session: Session, fault: Fault) => void
  /** All is proven: registers what it brings, and acknowledges. Throws a Refusal. */
  readonly admit: (session: Session, app: App, handshake: Handshake) => void
  readonly security: (event: string, fact: object) => void
}

/** What somebody has shown. */
interface Shown {
  readonly proof: Proof
  readonly key: Uint8Array | undefined
  /** A token or a certificate besides. */
  readonly isVouched: boolean
}

/** Somebody wants an id whose holder is asked whether it is still there. */
interface Claim {
  readonly session: Session
  readonly handshake: Handshake
  readonly shown: Shown
  readonly holder: Session
  readonly since: number
}

const nonceBytes = 32
const resumeBytes = 32

export class Entry {
  readonly #options: EntryOptions
  #claims: Claim[] = []

  constructor(options: EntryOptions) {
    this.#options = options
  }

  /** Somebody says who it is. */
  begin(session: Session, handshake: Handshake): void {
    if (session.stage.is !== "new")
      throw new Refusal("bad-message", "the handshake has begun already")
    const version = agreed(handshake.version, handshake.leastVersion)
    const { dialect, features } = handshake
    if (version === undefined) {
      const detail = { known: knownVersions }
      throw new Refusal("unsupported-version", "no version in common", { detail })
    }
    const [mixed, compact] = [features.includes("mixed"), features.includes("compact")]
    const both = mixed && compact ? "both" : compact ? "compact" : mixed ? "mixed" : "none"
    session.form = { version, dialect, binary: version === "0.1" ? "none" : both }
    session.stage = { is: "asking", handshake }
    const certified = session.connection.params.get("certificate")?.split(",")
    if (certified !== undefined && !certified.includes(handshake.appId)) {
      throw this.#disproved(handshake, "the certificate is another app's")
    }
    const { token } = handshake
    const isVouched = certified !== undefined
    if (token === undefined)
      return this.#challenge(session, handshake, {
        proof: isVouched ? "certificate" : "none",
        key: undefined,
        isVouched,
      })
    this.#askToken(session, handshake, token)
  }

  /** The answer to a challenge. */
  prove(session: Session, signature: Uint8Array): void {
    const { stage } = session
    if (stage.is !== "challenged") throw new Refusal("not-ready", "nothing was to be signed")
    const { handshake, nonce, until } = stage
    session.stage = { is: "asking", handshake }
    const key = this.#keyOf(handshake)
    const message = signedBytes(nonce, session.key, handshake.appId)
    const isGood =
      this.#options.now() < until && key !== undefined && isSigned(message, key, signature)
    if (!isGood)
      throw this.#disproved(handshake, "the signature is not this key's, or came too late")
    const isVouched = stage.shown !== "none"
    this.#decide(session, handshake, { proof: "key", key, isVouched })
  }

  /** A session was heard: whoever wants its id has to wait. */
  heard(holder: Session): void {
    if (this.#claims.length === 0) return
    const refused = this.#claims.filter((claim) => claim.holder === holder)
    if (refused.length === 0) return
    this.#claims = this.#claims.filter((claim) => claim.holder !== holder)
    for (const { session, handshake } of refused) this.#refuse(session, handshake, taken(handshake))
  }

  /** A session has ended: claims on its id go on, its own are dropped. */
  left(session: Session): void {
    if (this.#claims.length === 0) return
    const freed = this.#claims.filter((claim) => claim.holder === session)
    this.#claims = this.#claims.filter(
      (claim) => claim.holder !== session && claim.session !== session,
    )
    for (const claim of freed) this.#again(claim)
  }

  tick(now: number): void {
    const due = this.#claims.filter(({ since }) => now - since >= this.#options.limits.probeMs)
    if (due.length === 0) return
    for (const { holder } of due) {
      // Ending it lets the claims on its id go on.
      if (!holder.isGone) {
        this.#options.end(holder, { code: "replaced", sentence: "it did not answer when asked" })
      }
    }
  }

  #askToken(session: Session, handshake: Handshake, token: string): void {
    const { ask } = this.#options
    if (ask === undefined) throw this.#disproved(handshake, "this server takes no tokens")
    const release = session.connection.hold()
    ask(token, (answer) => {
      release()
      if (session.isGone || session.stage.is !== "asking") return
      this.#guarded(session, handshake, () => {
        if (answer === "away" || !("subject" in answer)) {
          const why = answer === "away" ? "tokens cannot be checked now" : answer.message
          throw this.#disproved(handshake, why)
        }
        if (answer.subject !== handshake.appId) {
          throw this.#disproved(handshake, "the token is another app's")
        }
        session.connection.renew(answer)
        session.narrowing = { pools: answer.pools, rights: answer.rights }
        this.#challenge(session, handshake, { proof: "token", key: undefined, isVouched: true })
      })
    })
  }

  /** Asks for a signature where a key is shown, or is what the id belongs to. */
  #challenge(session: Session, handshake: Handshake, shown: Shown): void {
    const key = this.#keyOf(handshake)
    if (key === undefined) return this.#decide(session, handshake, shown)
    const { random, now, limits } = this.#options
    const nonce = random(nonceBytes)
    const until = now() + limits.nonceMs
    session.stage = { is: "challenged", handshake, nonce, until, shown: shown.proof }
    const body = {
      type: "challenge",
      ...(handshake.id === undefined ? {} : { correlation_id: String(handshake.id) }),
      nonce: encode64Url(nonce),
      session_id: encode64Url(session.key),
    }
    session.send({ kind: "plain", body })
  }

  #keyOf({ appId, publicKey }: Handshake): Uint8Array | undefined {
    const binding = this.#options.apps.find(appId)?.binding
    return publicKey ?? (binding?.to === "key" ? binding.key : undefined)
  }

  /** Whether the id may be this session's, and what becomes of whoever has it. */
  #decide(session: Session, handshake: Handshake, shown: Shown): void {
    const { apps, now } = this.#options
    const app = apps.find(handshake.appId) ?? newApp(handshake.appId, now())
    const resumed = resumedBy(app, handshake)
    if (resumed === undefined) this.#checkProof(session, { app, handshake, shown })
    const holders = [...app.live.values()]
    const isShared = handshake.instances && (holders.length === 0 || app.instances === "many")
    if (holders.length > 0 && !isShared) {
      const isOwn =
        resumed !== undefined ||
        (shown.isVouched && app.binding.to !== "key") ||
        this.#isOwn(app, shown)
      if (!isOwn) return this.#ask(session, { handshake, shown, holders })
      for (const holder of holders) {
        this.#options.end(holder, {
          code: "replaced",
          sentence: "another connection proved to be this app",
        })
      }
      this.#options.security("$sys.security.taken-over", { app: app.id })
    }
    if (resumed === undefined) return this.#enter(session, { app, handshake, shown })
    // It is the same far end, and may what it might before.
    session.narrowing = resumed.narrowing
    const { identity } = resumed.connection
    if (identity !== undefined) session.connection.renew(identity)
    this.#enter(session, { app, handshake, shown: { ...shown, proof: resumed.proof } })
  }

  #isOwn(app: App, { proof, key }: Shown): boolean {
    return app.binding.to !== "none" && app.isProvenBy(proof, key)
  }

  /** Throws the Refusal for whoever lacks the proof that this id, or this way in, asks for. */
  #checkProof(
    session: Session,
    { app, handshake, shown }: { app: App; handshake: Handshake; shown: Shown },
  ): void {
    const { proof, key, isVouched } = shown
    if (app.binding.to !== "none") {
      if (app.isProvenBy(proof, key)) return
      throw this.#disproved(handshake, `this id is bound to a ${app.binding.to}`)
    }
    if (session.entrance.auth === "open" || isVouched) return
    const why =
      proof === "key"
        ? "a new key needs a token or a certificate beside it"
        : "a proof is asked for here"
    throw this.#disproved(handshake, why)
  }

  /** Asks the holder of an id whether it is there. One of 0.1 cannot be asked: it is, while its socket is. */
  #ask(
    session: Session,
    to: { handshake: Handshake; shown: Shown; holders: readonly Session[] },
  ): void {
    const { handshake, shown } = to
    const [holder] = to.holders
    if (holder === undefined || !holder.isModern) throw taken(handshake)
    session.stage = { is: "asking", handshake }
    this.#claims.push({ session, handshake, shown, holder, since: this.#options.now() })
    holder.send({ kind: "plain", body: { type: "ping", id: "claimed" } })
  }

  #again({ session, handshake, shown }: Claim): void {
    if (session.isGone) return
    this.#guarded(session, handshake, () => this.#decide(session, handshake, shown))
  }

  #enter(
    session: Session,
    { app, handshake, shown }: { app: App; handshake: Handshake; shown: Shown },
  ): void {
    const { apps, random, security } = this.#options
    session.proof = shown.proof
    session.resume = encode64Url(random(resumeBytes))
    const instances = handshake.instances ? "many" : "one"
    const before = { binding: app.binding, instances: app.instances }
    const isNew = apps.find(app.id) === undefined
    if (isNew) apps.add(app)
    try {
      app.instances = instances
      if (app.binding.to === "none" && shown.proof !== "none") {
        app.binding =
          shown.proof === "key" && shown.key !== undefined
            ? { to: "key", key: shown.key }
            : { to: shown.proof === "certificate" ? "certificate" : "token" }
        apps.writeNow(app)
        security("$sys.security.bound", { app: app.id, to: app.binding.to })
      }
      this.#options.admit(session, app, handshake)
    } catch (thrown) {
      // Refused: the id is as it was before.
      if (!app.isLive) {
        app.binding = before.binding
        app.instances = before.instances
        if (isNew) apps.release(app)
        else apps.changed(app)
      }
      throw thrown
    }
  }

  /** What comes in a later turn is refused as it would have been in the first. */
  #guarded(session: Session, handshake: Handshake, work: () => void): void {
    try {
      work()
    } catch (thrown) {
      if (!(thrown instanceof Refusal)) throw thrown
      this.#refuse(session, handshake, thrown)
    }
  }

  #refuse(session: Session, handshake: Handshake, { fault }: Refusal): void {
    refuseEntry(session, handshake, fault)
  }

  #disproved({ appId }: Handshake, why: string): Refusal {
    this.#options.security("$sys.security.refused", { app: appId })
    return new Refusal("unauthenticated", why)
  }
}

/** A refused handshake: the connection may try again, unless it may not stay. */
export function refuseEntry(session: Session, handshake: Handshake, fault: Fault): void {
  if (session.isReady) return session.refuse(handshake.id, fault)
  if (fault.code === "unauthenticated" || fault.code === "unsupported-version") {
    return session.end(fault, handshake.id)
  }
  session.refuse(handshake.id, fault)
  session.stage = { is: "new" }
}

/** The live session whose secret this is. */
function resumedBy(app: App, { resume }: Handshake): Session | undefined {
  if (resume === undefined) return undefined
  const isOf = sameAs(resume)
  return [...app.live.values()].find((each) => isOf(each.resume))
}

function taken({ appId }: Handshake): Refusal {
  return new Refusal("app-id-taken", `${appId} is live elsewhere`, { retryAfterMs: 5_000 })
}
