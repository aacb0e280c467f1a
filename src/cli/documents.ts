/**
 * `quartet documents`: what is stored, for whoever runs the machine. No route lists documents, so
 * this works on the database itself (DC99).
 *
 * What always holds: reading and deleting go on beside a running server, which notices within ten
 * seconds that a document is gone; expiring does not, since only the server knows what is in use.
 * What goes to a terminal is cleaned; a text that goes to a file or a program is as it is.
 */
import { existsSync, writeFileSync } from "node:fs"
import { type VisitedShelf, visitShelf } from "../documents/shelf-sqlite.ts"
import { type Command, fail, readOptions } from "./command.ts"
import { harmless, print } from "./terminal.ts"
import { configAt, onStore, placeHelp, placeOptions } from "./visit.ts"

const help = `usage: quartet documents list
       quartet documents show ID
       quartet documents export ID [FILE]
       quartet documents delete ID …
       quartet documents expire [--days DAYS]

  list     all stored documents: revision, characters, last use, id; "otp" marks protected ones.
           What was typed in the last minutes may not be counted yet
  show     what is known of one document, its text apart
  export   its text, to FILE or to standard output
  delete   deletes documents for good, with their history and links; whoever has one open
           is told so within ten seconds
  expire   deletes what was not used for DAYS (RETENTION_DAYS), or for the days it was given;
           a running server does this by itself, so it must be stopped for this

${placeHelp}`

/** The database, and what the command line said besides. */
interface Task {
  readonly shelf: VisitedShelf
  readonly words: readonly string[]
  /** Days after which an unused document goes; 0 for never. */
  readonly days: number
}

interface Verb {
  readonly company: "beside" | "alone"
  /** How many words it takes at least and at most. */
  readonly words: readonly [least: number, most: number]
  /** Gives the exit code. */
  readonly run: (task: Task) => number
}

const verbs: Readonly<Record<string, Verb>> = {
  list: { company: "beside", words: [0, 0], run: list },
  show: { company: "beside", words: [1, 1], run: show },
  export: { company: "beside", words: [1, 2], run: exportText },
  delete: { company: "beside", words: [1, Number.POSITIVE_INFINITY], run: remove },
  expire: { company: "alone", words: [0, 0], run: expire },
}

const dayMs = 86_400_000

export const documents: Command = async (words, environment) => {
  const read = readOptions(words, {
    ...placeOptions,
    days: { type: "string" },
    help: { type: "boolean", short: "h" },
  })
  if (typeof read === "string") return fail(read, 2)
  if (read.values.help === true) {
    process.stdout.write(`${help}\n`)
    return 0
  }
  const [name = "", ...rest] = read.positionals
  const verb = Object.hasOwn(verbs, name) ? verbs[name] : undefined
  if (verb === undefined)
    return fail(`which one? quartet documents ${Object.keys(verbs).join("|")}`, 2)
  const [least, most] = verb.words
  if (rest.length < least) return fail(`which document? quartet documents ${name} ID`, 2)
  if (rest.length > most) return fail(`what is "${rest[most]}" for?`, 2)
  const { days } = read.values
  if (days !== undefined && (name !== "expire" || !/^\d{1,5}(\.\d+)?$/.test(days))) {
    return fail("--days is a number, and for expire only", 2)
  }
  try {
    const config = configAt(read.values, environment)
    const kept = days === undefined ? config.retentionDays : Number(days)
    return await onStore(config, verb.company, (store) =>
      verb.run({ shelf: visitShelf(store), words: rest, days: kept }),
    )
  } catch (thrown) {
    return fail(thrown instanceof Error ? thrown.message : String(thrown))
  }
}

function list({ shelf }: Task): number {
  let rows = shelf.list("")
  while (rows.length > 0) {
    for (const { id, revision, length, isProtected, accessedAt } of rows) {
      const numbers = `${String(revision).padStart(9)} ${String(length).padStart(9)}`
      const lock = isProtected ? "otp" : "   "
      print(`${numbers}  ${minuteOf(accessedAt)}  ${lock}  ${id}\n`)
    }
    rows = shelf.list(rows.at(-1)?.id ?? "")
  }
  return 0
}

function show({ shelf, words: [id = ""], days }: Task): number {
  const stored = shelf.load(id)
  if (stored === undefined) return unknown(id)
  const { accessedAt, retentionDays = days } = stored
  const isKept = retentionDays === 0 || accessedAt === undefined
  const until = isKept ? undefined : accessedAt + retentionDays * dayMs
  const first = shelf.oldest(id)
  const facts = {
    id,
    revision: stored.revision,
    characters: Array.from(stored.text).length,
    language: stored.language ?? "none",
    protected: stored.otp === undefined ? "no" : "yes",
    links: shelf.links.of(id).length,
    "last used": minuteOf(accessedAt),
    "kept until": until === undefined ? "it is deleted" : minuteOf(until),
    history: first === undefined ? "none" : `from revision ${first}`,
  }
  for (const [name, fact] of Object.entries(facts)) print(`${name.padEnd(12)}${fact}\n`)
  return 0
}

function exportText({ shelf, words: [id = "", file] }: Task): number {
  const stored = shelf.load(id)
  if (stored === undefined) return unknown(id)
  if (file === undefined) print(stored.text)
  else if (existsSync(file)) return fail(`there is a file at ${file} already`)
  else writeFileSync(file, stored.text, { flag: "wx" })
  return 0
}

function remove({ shelf, words }: Task): number {
  const ids = [...new Set(words)]
  const missing = ids.filter((id) => shelf.load(id) === undefined)
  for (const id of ids) {
    if (missing.includes(id)) continue
    shelf.remove(id)
    print(`deleted ${id}\n`)
  }
  for (const id of missing) unknown(id)
  return missing.length === 0 ? 0 : 1
}

function expire({ shelf, days }: Task): number {
  let deleted = 0
  let last: number
  do {
    last = shelf.expire(Date.now(), days, new Set())
    deleted += last
  } while (last > 0)
  print(`${deleted} deleted, ${shelf.count()} left\n`)
  return 0
}

function unknown(id: string): number {
  return fail(`there is no document "${harmless(id)}"`)
}

/** A time to the minute, in UTC. */
function minuteOf(ms: number | undefined): string {
  if (ms === undefined) return "unknown         "
  return new Date(ms).toISOString().slice(0, 16).replace("T", " ")
}
