/**
 * The pictures of the README, taken from the page at work: a real server, and real far ends of each
 * part. `npm run screenshots` writes them anew, so they show what there is; with names of parts
 * behind `--` only theirs.
 */
import { mkdirSync, mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { chromium } from "playwright-core"
import { createServer, type Server } from "../src/server.ts"
import { findChromium } from "./needs.ts"
import { takeDocuments } from "./screenshots-documents.ts"
import { takeOperators } from "./screenshots-operators.ts"
import { images } from "./screenshots-parts.ts"
import { takePools } from "./screenshots-pools.ts"
import { takeRelay } from "./screenshots-relay.ts"

const takes = {
  documents: takeDocuments,
  relay: takeRelay,
  operators: takeOperators,
  pools: takePools,
}

/** At the usual ports, which stand in the pictures; at any where those are taken. */
async function begin(dataDir: string): Promise<{ readonly server: Server; readonly url: string }> {
  const sqliteUri = join(dataDir, "quartet.db")
  const quiet = { dataDir, sqliteUri, blocksDir: undefined, drainSeconds: 0 }
  for (const ports of [{}, { port: 0, operatorsPort: 0, poolsPort: 0 }]) {
    const server = createServer({ ...quiet, logLevel: "silent", operatorsRate: 0, ...ports })
    try {
      const { port } = await server.start()
      return { server, url: `http://127.0.0.1:${port}` }
    } catch (thrown) {
      process.stderr.write(`${String(thrown)}\n`)
    }
  }
  throw new Error("no server could be started")
}

const executablePath = findChromium()
if (executablePath === undefined) {
  process.stderr.write("Chromium is not installed: no pictures were taken\n")
  process.exit(1)
}
const wanted = process.argv.slice(2)
const dataDir = mkdtempSync(join(tmpdir(), "quartet-pictures-"))
const { server, url } = await begin(dataDir)
const browser = await chromium.launch({
  executablePath,
  args: ["--no-sandbox", "--disable-gpu", "--force-color-profile=srgb"],
})
try {
  mkdirSync(images, { recursive: true })
  for (const [part, take] of Object.entries(takes)) {
    if (wanted.length === 0 || wanted.includes(part)) await take({ browser, url })
  }
} finally {
  await browser.close()
  await server.stop()
  rmSync(dataDir, { recursive: true, force: true })
}
