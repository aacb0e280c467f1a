/**
 * `quartet backup`: a whole, consistent copy of the database and of durable blocks' contents, made
 * while the server runs.
 *
 * What always holds: no file is ever replaced, and one under the wanted name is whole, its contents
 * beside it. A copy says of itself that it was not left in order, so a server that starts on it draws
 * new epochs and no editor takes its revisions for those it knows (DC59).
 */
import { existsSync, statSync } from "node:fs"
import { dirname, join } from "node:path"
import { copyWhole } from "../store-contents.ts"
import { type Command, fail, readOptions } from "./command.ts"
import { configAt, onStore, placeHelp, placeOptions } from "./visit.ts"

const help = `usage: quartet backup FILE|DIRECTORY [--without-operators]
       [--data-dir DIR] [--sqlite-uri URI]

Copies the database of a server, which may run meanwhile, into FILE, or into a new file in
DIRECTORY that is named after the time. Prints the name of the copy. --without-operators leaves
out who is registered as an operator: a deleted account then lives on in no copy. Contents of
durable blocks go into a folder beside the copy, FILE-blocks, each checked against its sum.

${placeHelp}

To go back to a copy, stop the server, put the copy in the place of the database and remove
the files beside it that end in -wal and -shm; put what is in FILE-blocks into DATA_DIR/blocks.
The server refuses to start when a content does not match its sum, and names the file.`

export const backup: Command = async (words, environment) => {
  const options = {
    ...placeOptions,
    "without-operators": { type: "boolean" },
    help: { type: "boolean", short: "h" },
  } as const
  const read = readOptions(words, options)
  if (typeof read === "string") return fail(read, 2)
  if (read.values.help === true) {
    process.stdout.write(`${help}\n`)
    return 0
  }
  const [place, ...more] = read.positionals
  if (place === undefined) return fail("where to? quartet backup FILE|DIRECTORY", 2)
  if (more.length > 0) return fail(`what is "${more[0]}" for?`, 2)
  try {
    const file = fileAt(place)
    const config = configAt(read.values, environment)
    const without = read.values["without-operators"] === true ? ["operators"] : []
    const contents = join(config.dataDir, "blocks")
    await onStore(config, "beside", (store) => copyWhole({ store, copy: file, contents, without }))
    process.stdout.write(`${file}\n`)
    return 0
  } catch (thrown) {
    return fail(thrown instanceof Error ? thrown.message : String(thrown))
  }
}

function fileAt(place: string): string {
  const isDirectory = existsSync(place) && statSync(place).isDirectory()
  if (!existsSync(dirname(place))) throw new Error(`there is no directory ${dirname(place)}`)
  if (!isDirectory) return place
  const time = new Date(Date.now()).toISOString().replace(/[-:]|\.\d+/g, "")
  return join(place, `quartet-${time}.db`)
}
