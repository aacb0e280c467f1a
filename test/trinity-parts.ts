/** What tests of encrypted pools share: the committed vectors, fixed inputs, two ways to do the cryptography. */
import { readFileSync } from "node:fs"
import { type Primitives, webPrimitives } from "../src/client/keys-crypto.ts"
import { nodePrimitives } from "../src/client/keys-node.ts"
import { Refusal } from "../src/wire/pools-errors.ts"
import { vectorsFile } from "./trinity-vectors.ts"

export const ways: readonly (readonly [name: string, primitives: Primitives])[] = [
  ["node:crypto", nodePrimitives],
  ["WebCrypto", webPrimitives],
]

/** What `test/vectors/trinity.json` holds that tests look at. */
export interface Vectors {
  readonly inputs: Readonly<Record<string, unknown>>
  readonly blockEnvelope: string
  readonly messages: Readonly<Record<string, string>>
  readonly certificate: string
  readonly revocation: string
  readonly recordOne: string
  readonly recordTwo: string
  readonly shard: string
}

// As test/trinity-vectors.ts writes it.
export const committed = JSON.parse(readFileSync(vectorsFile, "utf8")) as Vectors

export const fromHex = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text, "hex"))

export const sha = async (primitives: Primitives, text: string): Promise<string> =>
  Buffer.from(await primitives.hash(fromHex(text))).toString("hex")

/** Whether a work is refused with "integrity". */
export async function isRefused(work: Promise<unknown>): Promise<boolean> {
  try {
    await work
    return false
  } catch (thrown) {
    if (thrown instanceof Refusal && thrown.fault.code === "integrity") return true
    throw thrown
  }
}

export const text = (bytes: Uint8Array): string => new TextDecoder().decode(bytes)
export const bytesOf = (value: string): Uint8Array => new TextEncoder().encode(value)
