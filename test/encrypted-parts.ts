/** Members of encrypted pools for tests: an app of the sea with a keyring, which speaks as an SDK would. */
import assert from "node:assert/strict"
import { Keyring, type KeyringOptions, type PoolKeys } from "../src/client/keys.ts"
import { epochKeys, type KeyGrade } from "../src/client/keys-epoch.ts"
import { nodePrimitives } from "../src/client/keys-node.ts"
import { decode64, encode64Url } from "../src/wire/base64.ts"
import type { Grade } from "../src/wire/trinity.ts"
import { grades } from "../src/wire/trinity.ts"
import type { MessageOf } from "../src/wire/trinity-envelope.ts"
import type { End, Heard, Sea } from "./pools-parts.ts"
import { bytesOf, text } from "./trinity-parts.ts"

export const pool = "vault"

/** Bytes of a field; throws where there are none. */
export function bytesAt(of: Heard, name: string): Uint8Array {
  const value = of[name]
  const bytes = typeof value === "string" ? decode64(value) : undefined
  if (bytes === undefined) throw new Error(`${name} is no base64 in ${JSON.stringify(of)}`)
  return bytes
}

let asked = 0

export class Member {
  readonly end: End
  readonly ring: Keyring
  readonly appId: string

  constructor(end: End, appId: string, ring: Keyring) {
    this.end = end
    this.appId = appId
    this.ring = ring
  }

  /** The answer to a request of the pool: its result, or its error's code. */
  ask(operation: string, fields: object = {}): Heard {
    const id = `${operation}-${++asked}`
    this.end.says({ type: "pool", id, operation, pool, ...fields })
    const answer = this.end.answerTo(id)
    const { result, error_code } = answer
    if (error_code !== undefined) return { error: error_code, sentence: answer["error"] }
    assert.ok(typeof result === "object" && result !== null)
    return { ...result }
  }

  /** Asks to come in, and takes all that is handed out. */
  async knock(): Promise<Heard> {
    const told = this.ask("join", { known_epoch: this.ring.knownEpoch })
    for (const record of listOf(told, "records")) await this.ring.take(record)
    for (const each of listOf(told, "certificates")) await this.ring.addCertificate(each)
    return told
  }

  /** Proves a key; `fields` stand in place of what is right. */
  async prove(grade: Grade, fields: object = {}): Promise<Heard> {
    const told = await this.knock()
    return this.ask("prove", { ...(await this.proof(grade, told)), ...fields })
  }

  async proof(grade: Grade, told: Heard): Promise<object> {
    const { session } = this.end.ack
    const { id } = session as { id: string } // as the acknowledgement has it
    const signature = await this.ring.prove({
      ...{ grade, nonce: bytesAt(told, "nonce"), appId: this.appId },
      session: decode64(id) ?? new Uint8Array(0),
    })
    return { epoch: this.ring.epoch, grade: grades[grade], signature: encode64Url(signature) }
  }

  /** What it says, sealed. */
  async sealed(of: MessageOf, plain: string): Promise<{ payload: string; content_type: "bytes" }> {
    const envelope = await this.ring.seal(of, { type: 2, bytes: bytesOf(plain) })
    return { payload: encode64Url(envelope), content_type: "bytes" }
  }

  /** What somebody said to it. */
  async opened(of: MessageOf, message: Heard, field = "payload"): Promise<string> {
    return text((await this.ring.open(of, bytesAt(message, field))).bytes)
  }
}

function listOf(told: Heard, name: string): readonly Uint8Array[] {
  const list = told[name]
  if (!Array.isArray(list)) return []
  return list.map((each) => decode64(String(each)) ?? new Uint8Array(0))
}

export function ringOptions(sea: Sea): KeyringOptions {
  return { primitives: nodePrimitives, now: () => sea.now }
}

/** The owner of a new encrypted pool, proven and certified. */
export async function found(
  sea: Sea,
  fields: object = {},
): Promise<Member & { record: Uint8Array }> {
  const made = await Keyring.create(ringOptions(sea))
  const owner = new Member(
    sea.app("owner"),
    "owner",
    await Keyring.from(made.keys, ringOptions(sea)),
  )
  const request = {
    ...{ encrypted: true, root_key: encode64Url(made.keys.rootKey) },
    ...{ record: encode64Url(made.record), ...fields },
  }
  const told = owner.ask("create", request)
  assert.equal(told["error"], undefined, JSON.stringify(told))
  await owner.knock()
  await owner.prove("seal")
  const certificate = await owner.ring.certify()
  await owner.ring.addCertificate(certificate)
  owner.ask("add_certificate", { bytes: encode64Url(certificate) })
  return Object.assign(owner, { record: made.record })
}

/** The keys that an owner hands to another app. */
export async function lent(owner: Member, grade: KeyGrade): Promise<PoolKeys> {
  const { poolId, rootKey, epoch, ...own } = owner.ring.keys
  const keys = await epochKeys(nodePrimitives, poolId, { ...own, epoch })
  const secret = { sigil: keys.sigil, shard: keys.shard, seal: keys.seal }[grade]
  if (secret === undefined) throw new Error("the owner has not this key")
  const memberSeed = nodePrimitives.random(32)
  const writerSeed = nodePrimitives.random(32)
  return { poolId, rootKey, epoch, grade, secret, memberSeed, writerSeed }
}

/** An app that has a key and has proven nothing. */
export async function guest(
  sea: Sea,
  owner: Member,
  { appId, grade }: { readonly appId: string; readonly grade: KeyGrade },
): Promise<Member> {
  const keys = await lent(owner, grade)
  return new Member(sea.app(appId), appId, await Keyring.from(keys, ringOptions(sea)))
}

/** An app that reads and writes: it has proven CipherShard and writer key. */
export async function writer(sea: Sea, owner: Member, appId: string): Promise<Member> {
  const member = await guest(sea, owner, { appId, grade: "shard" })
  const certificate = await owner.ring.certify({ writer: member.ring.writerKey })
  const proven = await member.prove("shard")
  assert.equal(proven["error"], undefined, JSON.stringify(proven))
  const written = await member.prove("writer", { certificate: encode64Url(certificate) })
  assert.equal(written["error"], undefined, JSON.stringify(written))
  await owner.ring.addCertificate(certificate)
  await member.ring.addCertificate(certificate)
  return member
}
