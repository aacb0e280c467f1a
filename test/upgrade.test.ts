/**
 * The upgrade, as whoever runs a server meets it: a file that release 0.1.0 left behind when it was
 * killed, and today's program started over it.
 *
 * `vectors/release-0.1.0.sql` is what that release's database held, row by row.
 */
import assert from "node:assert/strict"
import { readFileSync } from "node:fs"
import { join } from "node:path"
import { DatabaseSync } from "node:sqlite"
import { type TestContext, test } from "node:test"
import { connect } from "../src/client/client.ts"
import { launch, temporaryDirectory } from "./harness.ts"

const notes = "High water at 06:12 🌊\nLow water at 12:31\n"
const otp = "hk3FunUCHoMY"

/** The row of the journal that was saved by then: such rows are dropped somewhat later. */
const saved = "DELETE FROM journal WHERE id = 3"

/** A directory with the old release's file, as if it had been used today, changed by `sql`. */
function leftBehind(t: TestContext, sql: string): string {
  const directory = temporaryDirectory(t)
  const database = new DatabaseSync(join(directory, "quartet.db"))
  database.exec(readFileSync(join(import.meta.dirname, "vectors/release-0.1.0.sql"), "utf8"))
  database.exec(sql)
  database.prepare("UPDATE document SET accessed_at = ?").run(Date.now())
  database.close()
  return directory
}

for (const [name, sql] of [
  [" as it was killed, its journal and history too", ""],
  [" where the journal no longer has what was saved", saved],
] as const) {
  test(`SV28 today's release goes on with the file of release 0.1.0${name}`, async (t) => {
    const directory = leftBehind(t, sql)
    const environment = { DATA_DIR: directory, LOG_LEVEL: "info" }
    const first = await launch(t, environment)
    const read = async (url: string, path: string, token?: string) => {
      const headers: HeadersInit = token === undefined ? {} : { authorization: `Bearer ${token}` }
      return fetch(`${url}/api/${path}`, { headers })
    }
    assert.equal(await (await read(first.url, "text/notes")).text(), notes)
    assert.equal(await (await read(first.url, "text/tide")).text(), "only in the journal")
    assert.equal((await read(first.url, "text/locked")).status, 401)
    assert.equal(await (await read(first.url, "text/locked", otp)).text(), "for three")
    const locked = await (await read(first.url, "document/locked/history?from=0", otp)).json()
    assert.equal(locked.operations.length, 1)
    const facts = await (await read(first.url, "document/notes")).json()
    assert.deepEqual([facts.revision, facts.language], [2, "rust"])
    const past = await (await read(first.url, "document/notes/history?from=0")).json()
    assert.equal(past.operations.length, 2)
    assert.equal(past.text, "")

    const client = connect(first.url, { name: "Ada" })
    await client.documents.append("tide", ", and more")
    assert.equal(await first.end("SIGTERM"), 0)

    const second = await launch(t, environment)
    const tide = await (await read(second.url, "text/tide")).text()
    assert.equal(tide, "only in the journal, and more")
    assert.equal(await (await read(second.url, "text/notes")).text(), notes)
    const health = await fetch(`${second.url}/health`)
    assert.equal(health.status, 200)
  })
}
