#!/usr/bin/env node
/**
 * The program: arguments and environment in, one subcommand run, an exit code out.
 *
 * A subcommand is a file of `cli/`, loaded only when it is asked for. Compiled code is kept from one
 * start to the next: compiling takes half the time of a start.
 */
import module from "node:module"
import { join } from "node:path"
import type { Command } from "./cli/command.ts"

const commands: Readonly<Record<string, { says: string; load: () => Promise<Command> }>> = {
  serve: {
    says: "run the server and its web page",
    load: async () => (await import("./cli/serve.ts")).serve,
  },
  edit: {
    says: "print, follow or append to a document from the terminal",
    load: async () => (await import("./cli/edit.ts")).edit,
  },
  chat: {
    says: "talk to operators, at a terminal or in a pipe",
    load: async () => (await import("./cli/chat.ts")).chat,
  },
  invite: {
    says: "invite an operator, or make a key for an onion service",
    load: async () => (await import("./cli/invite.ts")).invite,
  },
  call: {
    says: "have a call done by whichever app handles it",
    load: async () => (await import("./cli/call.ts")).call,
  },
  watch: {
    says: "follow the emits, calls and blocks of a pool",
    load: async () => (await import("./cli/watch.ts")).watch,
  },
  doctor: {
    says: "look for what is missing, open or unwise",
    load: async () => (await import("./cli/doctor.ts")).doctor,
  },
  documents: {
    says: "list, show, export or delete what is stored",
    load: async () => (await import("./cli/documents.ts")).documents,
  },
  backup: {
    says: "copy the database while the server runs",
    load: async () => (await import("./cli/backup.ts")).backup,
  },
}

/** As package.json says it under `engines`. */
const leastNode = { major: 24, minor: 12 }

function overview(): string {
  const rows = Object.entries(commands).map(([name, { says }]) => `  ${name.padEnd(10)} ${says}`)
  return [
    "usage: quartet COMMAND [options]",
    "",
    ...rows,
    "",
    "quartet COMMAND --help says more.",
  ].join("\n")
}

/** Where programs keep what they can make again; undefined where there is no such place. */
function cacheDirectory(): string | undefined {
  const { XDG_CACHE_HOME: cache, HOME: home } = process.env
  if (cache !== undefined && cache !== "") return join(cache, "quartet")
  return home === undefined ? undefined : join(home, ".cache/quartet")
}

/** Older ones lack what a part needs when it is first used: better told at once. */
function isOldNode(): boolean {
  const [major = 0, minor = 0] = process.versions.node.split(".").map(Number)
  return major < leastNode.major || (major === leastNode.major && minor < leastNode.minor)
}

function refuseNode(): number {
  const least = `${leastNode.major}.${leastNode.minor}`
  process.stderr.write(
    `quartet: this is Node ${process.versions.node}, and Quartet needs ${least} or later: in the checkout "npm ci" brings one, and "npm start" takes it\n`,
  )
  return 1
}

async function main(): Promise<number> {
  const [name = "--help", ...words] = process.argv.slice(2)
  if (name === "--help" || name === "-h" || name === "help") {
    process.stdout.write(`${overview()}\n`)
    return 0
  }
  const command = Object.hasOwn(commands, name) ? commands[name] : undefined
  if (command === undefined) {
    process.stderr.write(`quartet: there is no command "${name}"\n\n${overview()}\n`)
    return 2
  }
  const run = await command.load()
  return run(words, process.env)
}

const directory = cacheDirectory()
// Where it cannot be written nothing is kept, and nothing is said.
if (directory !== undefined) module.enableCompileCache?.(directory)
// Not process.exit: what is still on its way to a pipe would be cut off.
process.exitCode = isOldNode() ? refuseNode() : await main()
