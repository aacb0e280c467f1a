/**
 * Writes `test/vectors/trinity.json`: keys, proofs, certificates, envelopes and records of encrypted
 * pools from fixed inputs, which every implementation has to give byte for byte.
 *
 *     node test/trinity-vectors.ts
 */
import { writeFileSync } from "node:fs"
import { join } from "node:path"
import type { Primitives } from "../src/client/keys-crypto.ts"
import { epochKeys, makeRecord } from "../src/client/keys-epoch.ts"
import { nodePrimitives } from "../src/client/keys-node.ts"
import { hex } from "../src/client/keys-replays.ts"
import { Sealer } from "../src/client/keys-seal.ts"
import {
  certificateHead,
  certificateSigned,
  derivation,
  joined,
  noBinding,
  proofBytes,
  revocationHead,
  revocationSigned,
} from "../src/wire/trinity.ts"
import { type MessageOf, messageBytes } from "../src/wire/trinity-envelope.ts"
import { readRecord } from "../src/wire/trinity-record.ts"

export const vectorsFile = join(import.meta.dirname, "vectors/trinity.json")

const repeated = (byte: number, length = 32) => new Uint8Array(length).fill(byte)

/** What all is made from. */
export const fixed = {
  poolId: Uint8Array.from({ length: 16 }, (_, at) => at),
  seals: [repeated(0x11), repeated(0x22)],
  rootSeed: repeated(0x33),
  writerSeed: repeated(0x44),
  salt: repeated(0x55, 16),
  block: repeated(0x66, 16),
  memberSeed: repeated(0x77),
  ephemeralSeed: repeated(0x88),
  nonce: repeated(0x99),
  session: repeated(0xaa, 16),
  callNonce: repeated(0xbb, 16),
  appId: "ada",
  rights: 15,
  notAfter: 4_102_444_800_000,
  revokedAt: 1_700_000_300_000,
  times: [1_700_000_000_000, 1_700_000_600_000],
  plain: "quartet",
  contentType: 2,
  generation: 1,
  name: "add",
} as const

/** The vectors, all bytes in hex. */
export async function vectors(primitives: Primitives): Promise<object> {
  const { poolId, seals, times } = fixed
  const [sealOne, sealTwo] = seals
  if (sealOne === undefined || sealTwo === undefined) throw new Error("never: there are two")
  const keys = await epochKeys(primitives, poolId, { epoch: 1, grade: "seal", secret: sealOne })
  const { shard, sealSign, readSign, sigil, admitSign } = keys
  if (shard === undefined || sealSign === undefined || readSign === undefined) throw new Error()
  const writer = await primitives.signer(fixed.writerSeed)
  const member = await primitives.exchange(fixed.memberSeed)
  const root = await primitives.signer(fixed.rootSeed)
  const dataInfo = derivation("data", 1, joined(writer.publicKey, fixed.salt))
  const one = { poolId, epoch: 1, seal: sealOne, before: undefined, time: times[0] ?? 0, root }
  const recordOne = await makeRecord(primitives, one)
  const recordTwo = await makeRecord(primitives, {
    ...{ poolId, epoch: 2, seal: sealTwo, time: times[1] ?? 0, root },
    before: { hash: await primitives.hash(recordOne), shard },
    members: [{ key: member.publicKey, grade: "shard" }],
    ephemeral: () => fixed.ephemeralSeed,
  })
  const second = readRecord(recordTwo)
  const envelopes = await sealedVectors(primitives, { shard, writer })
  return {
    inputs: inputs(),
    shard: hex(shard),
    sigil: hex(sigil),
    sealKey: hex(sealSign.publicKey),
    readKey: hex(readSign.publicKey),
    admitKey: hex(admitSign.publicKey),
    rootKey: hex(root.publicKey),
    writerKey: hex(writer.publicKey),
    memberKey: hex(member.publicKey),
    dataKey: hex(await primitives.derive(shard, poolId, dataInfo)),
    proofs: Object.fromEntries(
      await Promise.all(
        [
          ["sigil", admitSign] as const,
          ["shard", readSign] as const,
          ["writer", writer] as const,
          ["seal", sealSign] as const,
        ].map(async ([grade, signer]) => {
          const { nonce, session, appId } = fixed
          const of = { poolId, epoch: 1, nonce, session, grade, appId, binding: noBinding }
          return [grade, hex(await signer.sign(proofBytes(of)))]
        }),
      ),
    ),
    ...(await signedVectors(writer.publicKey, sealSign.sign)),
    ...envelopes,
    recordOne: hex(recordOne),
    recordTwo: hex(recordTwo),
    previousWrap: hex(second?.previousWrap ?? poolId),
    wrap: hex(second?.wraps[0]?.sealed ?? poolId),
  }
}

type Sign = (message: Uint8Array) => Promise<Uint8Array>

async function signedVectors(writer: Uint8Array, sign: Sign) {
  const { poolId, rights, notAfter, revokedAt } = fixed
  const certificate = certificateHead({ epoch: 1, writer, rights, notAfter })
  const revocation = revocationHead({ epoch: 1, writer, time: revokedAt })
  const certified = await sign(certificateSigned(poolId, certificate))
  const revoked = await sign(revocationSigned(poolId, revocation))
  return {
    certificate: hex(joined(certificate, certified)),
    revocation: hex(joined(revocation, revoked)),
  }
}

async function sealedVectors(
  primitives: Primitives,
  { shard, writer }: { shard: Uint8Array; writer: Awaited<ReturnType<Primitives["signer"]>> },
) {
  const { poolId, block, callNonce, name } = fixed
  const bytes = new TextEncoder().encode(fixed.plain)
  const content = { type: fixed.contentType, bytes }
  const epoch = { poolId, epoch: 1, shard }
  // Each begins with counter 1: one salt is used anew only here, where nothing is secret.
  const sealer = () =>
    new Sealer(primitives, writer, { drawSalt: () => Uint8Array.from(fixed.salt) })
  const object = async (of: MessageOf) => (await primitives.hash(messageBytes(of))).slice(0, 16)
  const message = async (of: MessageOf) =>
    hex(await sealer().seal(epoch, { object: await object(of), generation: undefined }, content))
  return {
    blockEnvelope: hex(
      await sealer().seal(epoch, { object: block, generation: fixed.generation }, content),
    ),
    messages: {
      trigger: await message({ kind: "trigger", callNonce, name }),
      response: await message({ kind: "response", callNonce, name }),
      emit: await message({ kind: "emit", callNonce: undefined, name }),
      "chunk-to-handler": await message({ kind: "chunk-to-handler", callNonce, name }),
      "chunk-to-caller": await message({ kind: "chunk-to-caller", callNonce, name }),
    },
  }
}

function inputs() {
  return Object.fromEntries(
    Object.entries(fixed).map(([name, value]) => {
      if (value instanceof Uint8Array) return [name, hex(value)]
      if (!Array.isArray(value)) return [name, value]
      return [name, value.map((each) => (each instanceof Uint8Array ? hex(each) : each))]
    }),
  )
}

if (import.meta.main) {
  writeFileSync(vectorsFile, `${JSON.stringify(await vectors(nodePrimitives), null, 2)}\n`)
}
