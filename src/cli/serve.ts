/** `quartet serve`: runs the server until a signal ends it. */
import { type Config, readConfig, variables } from "../config.ts"
import { ConfigError } from "../config-reader.ts"
import { createServer } from "../server.ts"
import { type Command, fail, readOptions } from "./command.ts"
import { placeRefused } from "./serve-place.ts"

/** `--data-dir` for DATA_DIR: each setting is a flag as well. */
const flags = new Map(variables.map((name) => [name.toLowerCase().replaceAll("_", "-"), name]))

const help = `usage: quartet serve [--SETTING VALUE …]

Runs the server and its web page. Settings come from the environment or as flags:
${[...flags].map(([flag, name]) => `  --${flag.padEnd(34)} ${name}`).join("\n")}

docs/operating.md says what each one means. SIGTERM and SIGINT stop the server; nothing is lost.`

export const serve: Command = async (words, environment) => {
  const options = Object.fromEntries([...flags.keys()].map((flag) => [flag, { type: "string" }]))
  const read = readOptions(words, { ...options, help: { type: "boolean", short: "h" } } as const)
  if (typeof read === "string") return fail(read, 2)
  if (read.values.help === true) {
    process.stdout.write(`${help}\n`)
    return 0
  }
  if (read.positionals.length > 0) return fail(`what is "${read.positionals[0]}" for?`, 2)
  let config: Config
  try {
    config = readConfig({ ...environment, ...asVariables(read.values) })
  } catch (thrown) {
    if (thrown instanceof ConfigError) return fail(`bad settings\n${thrown.message}`)
    throw thrown
  }
  try {
    const server = createServer(config)
    const { url } = await server.start()
    // The log is for programs; who sits at a terminal wants to know where to go.
    if (process.stdout.isTTY) process.stdout.write(`Quartet is at ${url}\n`)
    return await new Promise((resolve) => onSignals(server, resolve))
  } catch (thrown) {
    const refused = placeRefused(thrown, config)
    return fail(refused ?? (thrown instanceof Error ? thrown.message : String(thrown)))
  }
}

function asVariables(values: Readonly<Record<string, unknown>>): Record<string, string> {
  const given = Object.entries(values).filter(([, value]) => typeof value === "string")
  return Object.fromEntries(given.map(([flag, value]) => [flags.get(flag), value]))
}

/** The first SIGTERM or SIGINT stops in order, the second ends the process at once (SV7). */
function onSignals(
  server: { stop(): Promise<"done" | "late"> },
  exit: (code: number) => void,
): void {
  let stopping = false
  const onSignal = () => {
    if (stopping) process.exit(1)
    stopping = true
    void server.stop().then((how) => {
      // What is late must not keep the process: its sockets and writes are given up here.
      if (how === "late") process.exit(1)
      exit(0)
    })
  }
  // Node would open a debugger, which reads all memory: OP80.
  process.on("SIGUSR1", () => {})
  process.on("SIGTERM", onSignal)
  process.on("SIGINT", onSignal)
}
