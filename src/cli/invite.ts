/**
 * `quartet invite`: lets somebody register, or into an onion service that asks for a key.
 *
 * What always holds: what it prints is printed once and kept nowhere; the server may run meanwhile.
 */
import { generateKeyPairSync, randomBytes } from "node:crypto"
import type { Config } from "../config.ts"
import { inviteTo } from "../operators/invitations.ts"
import { type Command, fail, readOptions } from "./command.ts"
import { configAt, onStore, placeHelp, placeOptions } from "./visit.ts"

const help = `usage: quartet invite CALLSIGN [--at ADDRESS] [--data-dir DIR] [--sqlite-uri URI]
       quartet invite CALLSIGN --onion-key ADDRESS.onion

Lets somebody register as CALLSIGN within 7 days. Prints one line to give to them: the address of
the server, the callsign, and the token, which is told this once. OPERATORS_REGISTRATION may be
open or invite; the server may run.

  --at ADDRESS          the address to print, such as that of an onion service
  --onion-key ADDRESS   makes a pair of keys for an onion service instead, and prints both: one
                        line for the server, one for CALLSIGN. It keeps neither

${placeHelp}`

export const invite: Command = async (words, environment) => {
  const read = readOptions(words, {
    ...placeOptions,
    at: { type: "string" },
    "onion-key": { type: "string" },
    help: { type: "boolean", short: "h", default: false },
  })
  if (typeof read === "string") return fail(read, 2)
  if (read.values.help) {
    process.stdout.write(`${help}\n`)
    return 0
  }
  const [callsign, ...more] = read.positionals
  if (callsign === undefined) return fail("whom? quartet invite CALLSIGN", 2)
  if (more.length > 0) return fail(`what is "${more[0]}" for?`, 2)
  try {
    const onion = read.values["onion-key"]
    if (onion !== undefined) return printKeys(callsign, onion)
    const config = configAt(read.values, environment)
    const at = read.values.at ?? addressOf(config)
    const invited = await onStore(config, "beside", (store) =>
      inviteTo(store, callsign, { random: randomBytes, now: Date.now() }),
    )
    const until = new Date(invited.untilMs).toISOString().slice(0, 16).replace("T", " ")
    process.stdout.write(`${at} ${callsign} ${invited.token}\n`)
    process.stderr.write(`good until ${until} UTC; this token is told once\n`)
    return 0
  } catch (thrown) {
    return fail(thrown instanceof Error ? thrown.message : String(thrown))
  }
}

/** Where the operators are, as the settings say. */
function addressOf(config: Config): string {
  const { host, operatorsPort: port, operatorsSocket: path } = config
  if (port !== undefined) return `${host}:${port}`
  return path === undefined ? "ADDRESS" : `unix:${path}`
}

function printKeys(callsign: string, address: string): number {
  const name = address
    .replace(/:\d+$/, "")
    .replace(/\.onion$/i, "")
    .toLowerCase()
  if (!/^[a-z2-7]{56}$/.test(name)) {
    return fail(`"${address}" is no onion address: 56 of a-z 2-7, and .onion`, 2)
  }
  if (!/^[A-Za-z0-9_-]{1,32}$/.test(callsign)) return fail("that cannot be a callsign", 2)
  const { open, secret } = onionKeys()
  process.stdout.write(
    [
      `# for the server: HiddenServiceDir/authorized_clients/${callsign}.auth, then reload tor`,
      `descriptor:x25519:${open}`,
      `# for ${callsign}: a file that ends in .auth_private, in tor's ClientOnionAuthDir`,
      `${name}:descriptor:x25519:${secret}`,
      "",
    ].join("\n"),
  )
  return 0
}

/** A pair of X25519 keys: 32 bytes each, as tor writes them. */
export function onionKeys(): { readonly open: string; readonly secret: string } {
  const { privateKey } = generateKeyPairSync("x25519")
  const { x = "", d = "" } = privateKey.export({ format: "jwk" })
  return {
    open: lettered(Buffer.from(x, "base64url")),
    secret: lettered(Buffer.from(d, "base64url")),
  }
}

/** RFC 4648 without padding. */
export function lettered(bytes: Uint8Array): string {
  let [text, held, bits] = ["", 0, 0]
  for (const byte of bytes) {
    held = (held << 8) | byte
    for (bits += 8; bits >= 5; bits -= 5) text += letters[(held >> (bits - 5)) & 31]
    held &= (1 << bits) - 1
  }
  return bits === 0 ? text : text + letters[(held << (5 - bits)) & 31]
}

const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
