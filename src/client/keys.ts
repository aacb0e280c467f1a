/**
 * The keys of one encrypted pool, as a program holds them: what it can prove, seal, open and sign.
 *
 * What always holds: secrets stay in this object and in what the program keeps; records are believed
 * by the root's signature and by their chain, never because a server sent them; two records for one
 * epoch end the trust in the pool. Nothing here talks to a server: whoever does brings what it says.
 */
import { Refusal } from "../wire/pools-errors.ts"
import {
  type Bytes,
  certificateHead,
  certificateSigned,
  everyRight,
  type Grade,
  joined,
  lengths,
  noBinding,
  proofBytes,
  revocationHead,
  revocationSigned,
  rightOfKind,
} from "../wire/trinity.ts"
import { type MessageOf, messageBytes } from "../wire/trinity-envelope.ts"
import { type Primitives, type Signer, webPrimitives } from "./keys-crypto.ts"
import { type KeyGrade, makeRecord } from "./keys-epoch.ts"
import { integrity, type Opened, Opener } from "./keys-open.ts"
import { type Content, Sealer } from "./keys-seal.ts"
import {
  type Challenge,
  certificateLifeMs,
  type KeyringOptions,
  type LentKeys,
  type PoolKeys,
  type Rotated,
  type Rotation,
} from "./keys-shapes.ts"
import { Trust } from "./keys-trust.ts"
import type { HeldKeys, Lane, LaneGround } from "./pools-sealed.ts"
import { SealedLane } from "./pools-sealed-lane.ts"

export { webPrimitives } from "./keys-crypto.ts"
export type { KeyGrade, NewMember } from "./keys-epoch.ts"
export type { Opened } from "./keys-open.ts"
export type { Content } from "./keys-seal.ts"
export {
  type Challenge,
  certificateLifeMs,
  type KeyringOptions,
  type LentKeys,
  type PoolKeys,
  type Rotated,
  type Rotation,
} from "./keys-shapes.ts"

export class Keyring implements HeldKeys {
  readonly #primitives: Primitives
  readonly #now: () => number
  readonly #keys: PoolKeys
  readonly #trust: Trust
  readonly #opener: Opener
  readonly #sealer: Sealer
  readonly #writer: Signer
  /** The epoch that is sealed for; undefined: the newest. */
  #writesIn: number | undefined

  private constructor(
    keys: PoolKeys,
    parts: { primitives: Primitives; now: () => number; trust: Trust; writer: Signer },
  ) {
    const { primitives, now, trust, writer } = parts
    this.#primitives = primitives
    this.#now = now
    this.#keys = keys
    this.#trust = trust
    this.#writer = writer
    this.#sealer = new Sealer(primitives, writer)
    this.#opener = new Opener({
      ...{ primitives, now, poolId: keys.poolId },
      epoch: (epoch) => trust.sealingOf(epoch),
      isAccepted: (epoch) => trust.isAccepted(epoch, now()),
    })
  }

  /**
   * What a program kept, or was lent: then it draws seeds of its own, and `keys` has them. It seals
   * and opens once `take` was given the record of its epoch, as joining a pool does.
   */
  static async from(of: PoolKeys | LentKeys, options: KeyringOptions = {}): Promise<Keyring> {
    const { primitives = webPrimitives, now = Date.now, epochGraceMs } = options
    const draw = () => primitives.random(lengths.key)
    const keys = "writerSeed" in of ? of : { ...of, writerSeed: draw(), memberSeed: draw() }
    const trust = await Trust.of(keys, primitives, epochGraceMs)
    const writer = await primitives.signer(keys.writerSeed)
    return new Keyring(keys, { primitives, now, trust, writer })
  }

  /** The keys of a new pool and its first record: `pool create` takes the record and the root's key. */
  static async create(options: KeyringOptions & Rotation = {}): Promise<Rotated> {
    const { primitives = webPrimitives, now = Date.now, members = [] } = options
    const rootSeed = primitives.random(lengths.key)
    const root = await primitives.signer(rootSeed)
    const seal = options.seal ?? primitives.random(lengths.key)
    const poolId = primitives.random(lengths.poolId)
    const making = { poolId, epoch: 1, seal, before: undefined, time: now(), root, members }
    const keys: PoolKeys = {
      ...{ poolId, rootSeed, epoch: 1, grade: "seal", secret: seal },
      rootKey: root.publicKey,
      writerSeed: primitives.random(lengths.key),
    }
    return { record: await makeRecord(primitives, making), keys }
  }

  /** What this app writes as: others certify it. */
  get writerKey(): Bytes {
    return this.#writer.publicKey
  }

  /** What later epochs are wrapped to; undefined for one who has no seed for that. */
  get memberKey(): Bytes | undefined {
    return this.#trust.memberKey
  }

  /**
   * What another app needs to come in: this key of the newest epoch, or a weaker one. It is secret,
   * and goes by another way than the server. Throws a Refusal for a key that this ring does not have.
   */
  lend(grade: KeyGrade): LentKeys {
    const { epoch, keys } = this.#trust.newest
    const secret = keys[grade]
    if (secret === undefined) throw missing(grade)
    const { poolId, rootKey } = this.#keys
    return { poolId, rootKey, epoch, grade, secret }
  }

  /** Seals and opens what an app says and hears in this pool: `pool.join` calls it. */
  attach(ground: LaneGround): Lane {
    return new SealedLane(this, ground)
  }

  /** What the program should keep by now. Its epoch is the newest that it has a secret of. */
  get keys(): PoolKeys {
    return { ...this.#keys, ...this.#trust.newestSecret }
  }

  /** The newest epoch it can prove a key of. */
  get epoch(): number {
    return this.#trust.newestSecret.epoch
  }

  /** The epoch up to which it knows records: what `join` is told as `known_epoch`. */
  get knownEpoch(): number {
    return this.#trust.knownEpoch
  }

  /** The first epoch whose record it knows. */
  get firstEpoch(): number {
    return this.#trust.firstEpoch
  }

  /** Whether it knows an epoch's record. */
  knows(epoch: number): boolean {
    return this.#trust.recordOf(epoch) !== undefined
  }

  /**
   * An epoch's record: the first that comes, the next, or the one before the oldest. "left-out" says
   * that it names another epoch's keys to others, and this member is none of them. Throws a Refusal
   * "integrity" for what the root has not signed, what does not follow, or a second record for an
   * epoch; after that last one nothing of this pool is taken any more.
   */
  async take(record: Uint8Array): Promise<"taken" | "left-out"> {
    return this.#trust.take(record, this.#now())
  }

  /** A writer's certificate, as the server handed it out. Throws a Refusal "integrity". */
  async addCertificate(bytes: Uint8Array): Promise<void> {
    const epoch = bytes.length < 4 ? 0 : new DataView(Uint8Array.from(bytes).buffer).getUint32(0)
    const known = this.#trust.recordOf(epoch)
    if (known === undefined) throw integrity(`no record of epoch ${epoch} is known`)
    await this.#opener.addCertificate(bytes, known.sealKey)
  }

  /** A writer was revoked: nothing of it is taken from now on. */
  revoked(writer: Uint8Array, epoch: number): void {
    this.#opener.revoke(writer, epoch)
  }

  /** The signature that proves a key of the newest epoch. Throws a Refusal for one it does not have. */
  async prove(challenge: Challenge): Promise<Bytes> {
    const { epoch, keys } = this.#trust.newest
    const { binding = noBinding, ...rest } = challenge
    const signers = {
      sigil: keys.admitSign,
      shard: keys.readSign,
      writer: this.#writer,
      seal: keys.sealSign,
    }
    const signer = signers[challenge.grade]
    if (signer === undefined) throw missing(challenge.grade)
    const { poolId } = this.#keys
    return signer.sign(proofBytes({ ...rest, poolId, epoch, binding }))
  }

  /** A writer's certificate for the newest epoch: itself for all, for a day, unless told. Needs the OblivionSeal. */
  async certify(
    of: { readonly writer?: Uint8Array; readonly rights?: number; readonly notAfter?: number } = {},
  ): Promise<Bytes> {
    const { writer = this.writerKey, rights = everyRight } = of
    const { notAfter = this.#now() + certificateLifeMs } = of
    const { epoch, keys } = this.#trust.newest
    if (keys.sealSign === undefined) throw missing("seal")
    const head = certificateHead({ epoch, writer, rights, notAfter })
    const signed = certificateSigned(this.#keys.poolId, head)
    return joined(head, await keys.sealSign.sign(signed))
  }

  /** That a writer may do nothing more in the newest epoch. Needs the OblivionSeal. */
  async revoke(writer: Uint8Array): Promise<Bytes> {
    const { epoch, keys } = this.#trust.newest
    if (keys.sealSign === undefined) throw missing("seal")
    const head = revocationHead({ epoch, writer, time: this.#now() })
    return joined(head, await keys.sealSign.sign(revocationSigned(this.#keys.poolId, head)))
  }

  /**
   * The next epoch: fresh keys, wrapped to those who are named. Needs the root, and the last record.
   * It holds once the server has it and `take` was given it; this keyring goes on by itself then.
   */
  async rotate(rotation: Rotation = {}): Promise<Rotated> {
    const { rootSeed, poolId } = this.#keys
    if (rootSeed === undefined) throw new Refusal("forbidden", "only the owner root makes an epoch")
    const last = this.#trust.last
    if (last === undefined) throw new Refusal("not-ready", "take the records of this pool first")
    const primitives = this.#primitives
    const { members = [], seal = primitives.random(lengths.key) } = rotation
    const epoch = last.record.epoch + 1
    const root = await primitives.signer(rootSeed)
    const before = { hash: last.hash, shard: last.keys?.shard }
    const making = { poolId, epoch, seal, before, time: this.#now(), root, members }
    const record = await makeRecord(primitives, making)
    const secret = { epoch, grade: "seal", secret: seal } as const
    this.#trust.expect(record, secret)
    return { record, keys: { ...this.#keys, ...secret } }
  }

  /** Seals for this epoch from now on, also when a newer one is known: it may write there by now. */
  writesIn(epoch: number): void {
    this.#writesIn = epoch
  }

  /** Seals with another salt from now on: after a copy of the whole machine was restored. */
  renew(): void {
    this.#sealer.renew()
  }

  /** A message as an envelope. */
  async seal(of: MessageOf, content: Content): Promise<Bytes> {
    const object = await this.#objectOf(of)
    return this.#sealer.seal(this.#sealing(), { object, generation: undefined }, content)
  }

  /** A block's content as an envelope. */
  async sealBlock(
    of: { readonly uuid: Uint8Array; readonly generation: number },
    content: Content,
  ): Promise<Bytes> {
    const { uuid: object, generation } = of
    return this.#sealer.seal(this.#sealing(), { object, generation }, content)
  }

  /**
   * What a message holds. Of chunks those behind `after`, the counter of the one before, are taken;
   * a `retained` emit may have been heard before. Throws a Refusal "integrity".
   */
  async open(
    of: MessageOf & { readonly after?: number; readonly isRetained?: boolean },
    envelope: Uint8Array,
  ): Promise<Opened> {
    const { kind, after, isRetained } = of
    const isChunk = kind === "chunk-to-caller" || kind === "chunk-to-handler"
    const order = isChunk ? { after: after ?? 0 } : kind === "emit" && isRetained === true
    return this.#opener.open(envelope, {
      object: await this.#objectOf(of),
      right: rightOfKind[kind],
      order: order === true ? "again" : order === false ? "once" : order,
    })
  }

  /** What a block holds; nothing older than what was read of it before. Throws a Refusal "integrity". */
  openBlock(
    of: { readonly uuid: Uint8Array; readonly generation?: number },
    envelope: Uint8Array,
  ): Promise<Opened> {
    const { uuid: object, generation } = of
    return this.#opener.open(envelope, { object, right: "write", order: "newest", generation })
  }

  async #objectOf(of: MessageOf): Promise<Bytes> {
    return (await this.#primitives.hash(messageBytes(of))).slice(0, lengths.object)
  }

  #sealing() {
    const epoch = this.#writesIn ?? this.#trust.newest.epoch
    const sealing = this.#trust.sealingOf(epoch)
    if (sealing === undefined) throw missing("shard")
    return sealing
  }
}

function missing(grade: Grade): Refusal {
  const names = {
    sigil: "SigilKey",
    shard: "CipherShard",
    writer: "writer key",
    seal: "OblivionSeal",
  }
  return new Refusal("forbidden", `this needs the ${names[grade]} of the newest epoch`)
}
