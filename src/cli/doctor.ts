/**
 * `quartet doctor`: looks at the pools and the database, or at how the operators are served, or proves
 * that they keep nothing.
 *
 * What always holds: a look changes nothing; each check is one line that says what to do. The proof
 * runs a server of its own, in a directory that it removes.
 */
import type { Config } from "../config.ts"
import { type Command, fail, readOptions } from "./command.ts"
import { lookAtMachine } from "./doctor-machine.ts"
import { lookAtPools } from "./doctor-pools.ts"
import { lookAtReach } from "./doctor-reach.ts"
import { proveSilence } from "./doctor-silence.ts"
import { lookAtStore } from "./doctor-store.ts"
import { dialOperators, lookAtTor } from "./doctor-tor.ts"
import { harmless } from "./terminal.ts"
import { configAt, placeHelp, placeOptions } from "./visit.ts"

/** One check: how it went, and for what is not well what to do. */
export interface Finding {
  readonly level: "ok" | "warn" | "fail"
  readonly says: string
}

const help = `usage: quartet doctor
       quartet doctor --tor [--torrc FILE] [--dial ADDRESS:PORT] [--socks HOST:PORT]
       quartet doctor --silence

Alone it looks at pools and at the database, with the settings of the environment that it is
started in: ports, who may claim an id, certificates, memory for blocks, limits, backups, and how
long an answer takes. Run it as the server's user; the server may run, or not.

--tor looks at torrc, sockets, files and the running server, with the settings of the environment
that it is started in. It changes nothing.

  --torrc FILE           /etc/tor/torrc if it is not said
  --dial ADDRESS:PORT    also connects as an operator would, and waits for a greeting
  --socks HOST:PORT      the proxy for that (127.0.0.1:9050)

--silence starts a server in an empty directory, lets words go through it in every way, stops and
kills it, and looks for them in all that it left and said. Takes half a minute.

${placeHelp}

Exit code 1 if anything failed.`

export const doctor: Command = async (words, environment) => {
  const read = readOptions(words, {
    ...placeOptions,
    tor: { type: "boolean", default: false },
    silence: { type: "boolean", default: false },
    torrc: { type: "string", default: "/etc/tor/torrc" },
    dial: { type: "string" },
    socks: { type: "string" },
    help: { type: "boolean", short: "h", default: false },
  })
  if (typeof read === "string") return fail(read, 2)
  const { tor, silence, torrc, dial, socks } = read.values
  if (read.values.help) {
    process.stdout.write(`${help}\n`)
    return 0
  }
  if (read.positionals.length > 0) return fail(`what is "${read.positionals[0]}" for?`, 2)
  if (tor && silence) return fail("one at a time: --tor, or --silence", 2)
  try {
    if (silence) return told(await proveSilence(environment["PATH"]))
    const config = configAt(read.values, environment)
    if (!tor) return told(await lookAtAll(config))
    const findings = [...lookAtTor(config, torrc), ...lookAtMachine(config)]
    const dialled = dial === undefined ? [] : [await dialOperators(dial, socks)]
    return told([...findings, ...dialled])
  } catch (thrown) {
    return fail(thrown instanceof Error ? thrown.message : String(thrown))
  }
}

async function lookAtAll(config: Config): Promise<readonly Finding[]> {
  const now = Date.now()
  return [
    ...lookAtPools(config, now),
    ...(await lookAtStore(config, now)),
    ...(await lookAtReach(config)),
  ]
}

function told(findings: readonly Finding[]): number {
  for (const { level, says } of findings) {
    process.stdout.write(`${level.padEnd(5)}${harmless(says)}\n`)
  }
  return findings.some(({ level }) => level === "fail") ? 1 : 0
}
