/** The keys of an encrypted pool in the hands of a program: what it does with them, and the server told. */
import { encode64Url } from "../wire/base64.ts"
import type { Keyring } from "./keys.ts"
import type { Fields } from "./pools-frames.ts"
import type { CertifyOptions, Keys } from "./pools-sealed.ts"

interface KeysGround {
  /** An operation of this pool; rejects when it is refused. */
  ask(operation: string, fields: Fields): Promise<Fields>
  /** Proves what can be proven by now. */
  goOn(): Promise<unknown>
}

export function keysOf(ring: Keyring, { ask, goOn }: KeysGround): Keys {
  const certify = async (writer: Uint8Array, of: CertifyOptions = {}) => {
    const certificate = await ring.certify({ writer, ...of })
    await ask("add_certificate", { bytes: encode64Url(certificate) })
    // Known before the notice of it comes.
    await ring.addCertificate(certificate)
  }
  return {
    get epoch() {
      return ring.epoch
    },
    get writerKey() {
      return ring.writerKey
    },
    get memberKey() {
      return ring.memberKey
    },
    get kept() {
      return ring.keys
    },
    lend: (grade) => ring.lend(grade),
    certify,
    async revoke(writer) {
      const { epoch } = ring
      await ask("revoke", { bytes: encode64Url(await ring.revoke(writer)) })
      ring.revoked(writer, epoch)
    },
    async rotate({ writers = [], ...rotation } = {}) {
      const { record, keys } = await ring.rotate(rotation)
      await ask("add_epoch", { record: encode64Url(record) })
      await ring.take(record)
      await goOn()
      for (const writer of writers) await certify(writer)
      return keys
    },
    renew: () => ring.renew(),
  }
}
