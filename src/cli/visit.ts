/**
 * The server's database, opened by a program beside it.
 *
 * What always holds: the file must be there, and nothing is made, brought up to date or noted in
 * it; the server may run meanwhile unless the program asked to be alone.
 */
import { type Config, readConfig } from "../config.ts"
import type { Environment } from "../config-reader.ts"
import { openStore, type Store } from "../store.ts"
import { locate } from "../store-file.ts"

/** The options that say which database; settings of the server say so as well. */
export const placeOptions = {
  "data-dir": { type: "string" },
  "sqlite-uri": { type: "string" },
} as const

/** What a help text says of them. */
export const placeHelp = `  --data-dir DIR     where the server has its files (DATA_DIR, or ./data)
  --sqlite-uri URI   the database itself (SQLITE_URI, or DATA_DIR/quartet.db)`

/** The values of `placeOptions`. */
export interface Place {
  readonly "data-dir"?: string | undefined
  readonly "sqlite-uri"?: string | undefined
}

/** The server's settings, with `place` before what the environment says. Throws ConfigError. */
export function configAt(place: Place, environment: Environment): Config {
  const { "data-dir": dataDir, "sqlite-uri": uri } = place
  return readConfig({
    ...environment,
    ...(dataDir === undefined ? {} : { DATA_DIR: dataDir }),
    ...(uri === undefined ? {} : { SQLITE_URI: uri }),
  })
}

/**
 * Runs `work` on the database and closes it. "alone": no server may run on it, and none starts
 * meanwhile. Throws one sentence for a person when it cannot be opened.
 */
export async function onStore<T>(
  { sqliteUri: uri }: Pick<Config, "sqliteUri">,
  company: "beside" | "alone",
  work: (store: Store) => T | Promise<T>,
): Promise<T> {
  if (locate(uri) === undefined) {
    throw new Error("the database is in the memory of its server, where nobody else can reach it")
  }
  let store = openStore({ uri, use: "visit" })
  if (company === "alone") {
    // Opened as a visitor first: an owner would make a file where there is none.
    store.close()
    store = openStore({ uri })
  }
  try {
    return await work(store)
  } finally {
    store.close()
  }
}
