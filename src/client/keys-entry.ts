/**
 * Coming into an encrypted pool, and staying in it: what is asked of the server, and what is made of
 * what it says. Whoever holds the connection gives `ask` and hands on what the server tells.
 *
 * What always holds: what the server hands out is believed only as far as it is signed; the strongest
 * key that one has is proven, and the writer key where a certificate for it is known; whoever has the
 * OblivionSeal certifies itself.
 */
import { decode64, encode64Url } from "../wire/base64.ts"
import { type Grade, grades, isSame, readCertificate } from "../wire/trinity.ts"
import type { Keyring } from "./keys.ts"
import { integrity } from "./keys-open.ts"
import { certificateLifeMs } from "./keys-shapes.ts"
import type { Door } from "./pools-sealed.ts"

export type { Door }

type Fields = Readonly<Record<string, unknown>>

/** How far somebody has come in. */
export interface Entered {
  readonly rights: readonly string[]
  readonly members: readonly unknown[]
  /** In which epoch it may write, and until when by its certificate, ms since 1970. */
  readonly writes: { readonly epoch: number; readonly until: number } | undefined
}

/** A certificate with less of its life left than this is made anew. */
const renewBeforeMs = certificateLifeMs / 2

/**
 * Joins, takes what is handed out, and proves what it can. Rejects with what the server refused, or
 * with a Refusal "integrity" for what it handed out. Good once more after each new epoch, and after
 * each reconnect. `certificate` is this app's own, where the server may not have it yet; one of an epoch
 * that is over is left aside.
 */
export async function enter(ring: Keyring, door: Door, certificate?: Uint8Array): Promise<Entered> {
  const own = await join(ring, door)
  const { grade } = ring.keys
  const entered = await prove(ring, door, { grade, nonce: own.nonce })
  const given = isOf(certificate, ring.epoch) ? certificate : own.certificate
  const mine = grade === "seal" ? await selfCertified(ring, door, own.certificate) : given
  const until = mine === undefined ? undefined : readCertificate(mine)?.notAfter
  if (mine === undefined || until === undefined || grade === "sigil") return entered
  const writes = { epoch: ring.epoch, until }
  if (grade === "seal") return { ...entered, writes }
  const { nonce } = await join(ring, door)
  const proven = await prove(ring, door, { grade: "writer", nonce, certificate: mine })
  return { ...proven, writes }
}

function isOf(certificate: Uint8Array | undefined, epoch: number): boolean {
  return certificate !== undefined && readCertificate(certificate)?.epoch === epoch
}

/**
 * Takes what the server tells the members of a pool. "enter" asks for `enter` once more: the epoch is
 * a new one. "left-out" says that this member is not part of it. Rejects with a Refusal "integrity".
 */
export async function notice(ring: Keyring, told: Fields): Promise<"noted" | "enter" | "left-out"> {
  switch (told["operation"]) {
    case "epoch_added":
      return (await ring.take(bytesIn(told, "record"))) === "taken" ? "enter" : "left-out"
    case "certificate_added":
      await ring.addCertificate(bytesIn(told, "bytes"))
      return "noted"
    case "revoked":
      revoke(ring, told)
      return "noted"
  }
  return "noted"
}

/** Fetches records from before the first that is known, so that what was sealed then can be read. */
export async function reachBack(ring: Keyring, door: Door): Promise<void> {
  const records: Uint8Array[] = []
  const first = ring.firstEpoch
  while (records.length < first - 1) {
    const page = bytesOfAll(await door.ask("epochs", { after: records.length }), "records")
    if (page.length === 0) throw integrity("the server has lost records of epochs")
    records.push(...page)
  }
  for (const record of records.slice(0, first - 1).toReversed()) await ring.take(record)
}

async function join(ring: Keyring, door: Door) {
  const told = await door.ask("join", { known_epoch: ring.knownEpoch })
  let page = told
  for (;;) {
    for (const record of bytesOfAll(page, "records")) await ring.take(record)
    if (page["more"] !== true) break
    page = await door.ask("epochs", { after: ring.knownEpoch })
  }
  let own: Uint8Array | undefined
  for (const bytes of bytesOfAll(told, "certificates")) {
    const read = readCertificate(bytes)
    // Of epochs before those that are known here nothing can be verified.
    if (read === undefined || !ring.knows(read.epoch)) continue
    await ring.addCertificate(bytes)
    if (read.epoch === ring.epoch && isSame(read.writer, ring.writerKey)) own = bytes
  }
  const revoked = told["revoked"]
  if (Array.isArray(revoked)) for (const each of revoked) revoke(ring, each)
  return { nonce: bytesIn(told, "nonce"), certificate: own }
}

async function prove(
  ring: Keyring,
  { appId, session, ask }: Door,
  of: { readonly grade: Grade; readonly nonce: Uint8Array; readonly certificate?: Uint8Array },
): Promise<Entered> {
  const { grade, nonce, certificate } = of
  const { epoch } = ring
  const signature = await ring.prove({ grade, nonce, session, appId })
  const told = await ask("prove", {
    ...{ epoch, grade: grades[grade], signature: encode64Url(signature) },
    ...(certificate === undefined ? {} : { certificate: encode64Url(certificate) }),
  })
  const { rights, members } = told
  return {
    rights: Array.isArray(rights) ? rights.map(String) : [],
    members: Array.isArray(members) ? members : [],
    writes: undefined,
  }
}

/** A certificate of this app by its own OblivionSeal, where the one that is known ends soon. */
async function selfCertified(
  ring: Keyring,
  door: Door,
  known: Uint8Array | undefined,
): Promise<Uint8Array> {
  const ends = known === undefined ? 0 : (readCertificate(known)?.notAfter ?? 0)
  if (known !== undefined && ends > door.now() + renewBeforeMs) return known
  const made = await ring.certify()
  await ring.addCertificate(made)
  await door.ask("add_certificate", { bytes: encode64Url(made) })
  return made
}

function revoke(ring: Keyring, of: Fields): void {
  const { epoch } = of
  if (typeof epoch === "number") ring.revoked(bytesIn(of, "writer"), epoch)
}

function bytesIn(fields: Fields, name: string): Uint8Array {
  const value = fields[name]
  const bytes = typeof value === "string" ? decode64(value) : undefined
  if (bytes === undefined) throw integrity(`the server's ${name} is no base64url`)
  return bytes
}

function bytesOfAll(fields: Fields, name: string): readonly Uint8Array[] {
  const list = fields[name]
  if (!Array.isArray(list)) return []
  return list.map((each) => bytesIn({ [name]: each }, name))
}
