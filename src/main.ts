#!/usr/bin/env node
/**
 * The program: arguments and environment in, one subcommand run, an exit code out.
 *
 * A subcommand is a file of `cli/`, loaded only when it is asked for.
 */
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

// Not process.exit: what is still on its way to a pipe would be cut off.
process.exitCode = await main()
