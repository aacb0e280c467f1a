/**
 * Whether the database is whole, and how old its newest copy is.
 *
 * What always holds: nothing is changed, and the server may run meanwhile.
 */
import { existsSync, readdirSync, statSync } from "node:fs"
import { join } from "node:path"
import type { Config } from "../config.ts"
import { locate } from "../store-file.ts"
import type { Finding } from "./doctor.ts"
import { bad, good, warn } from "./doctor-tor.ts"
import { onStore } from "./visit.ts"

const dayMs = 86_400_000
/** A copy is made each day; one that was missed is made an hour later. */
const staleMs = 2 * dayMs

/** Reads all of the database: about a second for each GB. `now` is ms since 1970. */
export async function lookAtStore(config: Config, now: number): Promise<readonly Finding[]> {
  const path = locate(config.sqliteUri)
  if (path === undefined) {
    return [warn("the database is in memory: all is gone with the server, see SQLITE_URI")]
  }
  if (!existsSync(path)) return [good(`${path} is not there yet: the server makes it`)]
  return [await integrity(config, path), backups(config, { path, now })]
}

async function integrity(config: Config, path: string): Promise<Finding> {
  try {
    const found = await onStore(config, "beside", (store) =>
      store.prepare<{ integrity_check: string }>("PRAGMA integrity_check(1)").get(),
    )
    const said = found?.integrity_check ?? "nothing"
    return said === "ok"
      ? good(`${path} is whole`)
      : bad(`${path} is damaged (${said}): stop the server and put the newest backup in its place`)
  } catch (thrown) {
    const why = thrown instanceof Error ? thrown.message : String(thrown)
    return bad(`${path} cannot be read (${why}): put the newest backup in its place`)
  }
}

function backups(
  { dataDir }: Config,
  { path, now }: { readonly path: string; readonly now: number },
): Finding {
  const directory = join(dataDir, "backups")
  const names = existsSync(directory) ? readdirSync(directory) : []
  const times = names
    .filter((name) => name.endsWith(".db"))
    .map((name) => statSync(join(directory, name)).mtimeMs)
  if (times.length === 0) {
    return now - statSync(path).birthtimeMs < dayMs
      ? good("no daily backup yet: the first is made an hour after the first start")
      : warn(`there is no backup in ${directory}: look for "daily backup failed" in the log`)
  }
  const age = now - Math.max(...times)
  const sentence = `the newest of ${times.length} backups is ${Math.round(age / 3_600_000)} hours old`
  return age > staleMs
    ? warn(`${sentence}: look for "daily backup failed" in the log, or quartet backup FILE`)
    : good(sentence)
}
