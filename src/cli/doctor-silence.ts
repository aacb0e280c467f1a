/**
 * Proof that operators leave nothing behind: a server in an empty directory, words of which none
 * may be found again, and every way in which a message goes or ends.
 *
 * What always holds: the server is ours, and is ended; the directory is removed. A word that is
 * found is told with the place, and what could not be played is told as a failure too.
 */
import { type ChildProcess, spawn } from "node:child_process"
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs"
import { tmpdir } from "node:os"
import { extname, join } from "node:path"
import type { Line } from "../client/operators-shapes.ts"
import { openerFor } from "../client/tcp.ts"
import { openStore } from "../store.ts"
import type { Finding } from "./doctor.ts"
import { bad, good } from "./doctor-tor.ts"

/** In texts, passwords, refs and tokens. */
const canary = "CaNaRy5q7z"
const startMs = 15_000
const stepMs = 30_000
/** 8.6 s: the least that a message may wait. */
const expiryDays = "0.0001"

/** Plays it twice: once the server is stopped, once it is killed. `path` is where programs are. */
export async function proveSilence(path: string | undefined): Promise<readonly Finding[]> {
  const findings: Finding[] = []
  for (const signal of ["SIGTERM", "SIGKILL"] as const) {
    const directory = mkdtempSync(join(tmpdir(), "quartet-silence-"))
    const server = new Trial(directory, path)
    try {
      findings.push(...(await server.prove(signal)))
    } catch (thrown) {
      const why = thrown instanceof Error ? thrown.message : String(thrown)
      findings.push(bad(`${signal}: could not be played to its end: ${why}`))
    } finally {
      server.kill()
      rmSync(directory, { recursive: true, force: true })
    }
  }
  return findings
}

class Trial {
  readonly #directory: string
  readonly #socket: string
  readonly #process: ChildProcess
  #said = ""

  constructor(directory: string, path: string | undefined) {
    this.#directory = directory
    this.#socket = join(directory, "operators.sock")
    // With the ending of this file: .ts in the sources, .js in what is published.
    const main = join(import.meta.dirname, `../main${extname(import.meta.filename)}`)
    const environment = {
      ...(path === undefined ? {} : { PATH: path }),
      DATA_DIR: join(directory, "data"),
      PARTS: "operators",
      PORT: "0",
      OPERATORS_PORT: "0",
      POOLS_PORT: "0",
      OPERATORS_SOCKET: this.#socket,
      OPERATORS_RATE: "0",
      OPERATORS_EXPIRY_DAYS: expiryDays,
      LOG_LEVEL: "debug",
    }
    this.#process = spawn(process.execPath, [main, "serve"], {
      env: environment,
      cwd: directory,
      stdio: ["ignore", "pipe", "pipe"],
    })
    for (const stream of [this.#process.stdout, this.#process.stderr]) {
      stream?.setEncoding("utf8").on("data", (text: string) => {
        this.#said += text
      })
    }
  }

  kill(): void {
    this.#process.kill("SIGKILL")
  }

  async prove(signal: "SIGTERM" | "SIGKILL"): Promise<readonly Finding[]> {
    const { url, ada, bob } = await this.#begin()
    await this.#play(ada, bob)
    const pages = await Promise.all(
      ["metrics", "api/stats", "health"].map(async (name) => (await fetch(`${url}${name}`)).text()),
    )
    const secret = await this.#secretOf("ada")
    if (signal === "SIGTERM") {
      ada.says("$ die")
      await ada.hears("$ bye deleted")
    }
    await this.#end(signal)
    const places = [
      ...this.#files().map(([name, bytes]) => [`the file ${name}`, bytes] as const),
      ["its output", Buffer.from(this.#said)] as const,
      ["a page of figures", Buffer.from(pages.join("\n"))] as const,
    ]
    const found = places.filter(([, bytes]) => bytes.includes(canary))
    const findings = found.map(([where]) => bad(`${signal}: a word was found in ${where}`))
    if (found.length === 0) {
      findings.push(good(`${signal}: no word in ${places.length} places, files and output`))
    }
    if (signal !== "SIGTERM") return findings
    const kept = places.filter(([, bytes]) => bytes.includes(secret))
    const sentence = "the secret of a deleted account"
    return kept.length === 0
      ? [...findings, good(`${sentence} is in no file`)]
      : [...findings, ...kept.map(([where]) => bad(`${sentence} is in ${where}`))]
  }

  async #begin(): Promise<{ url: string; ada: Far; bob: Far }> {
    const listening = () => /"url":"([^"]+)"/.exec(this.#said)?.[1]
    await until(() => listening() !== undefined || this.#process.exitCode !== null, startMs)
    const url = listening()
    if (url === undefined) throw new Error(`the server did not start: ${this.#said}`)
    const [ada, bob] = [new Far(this.#socket), new Far(this.#socket)]
    await Promise.all([ada.enters("ada", `a${canary}`), bob.enters("bob", `b${canary}`)])
    return { url, ada, bob }
  }

  /** Live, queued, recalled, taken late, expired, refused, failed, and a fault of the server's. */
  async #play(ada: Far, bob: Far): Promise<void> {
    ada.says(`$ send l${canary} bob live ${canary}`)
    await bob.hears(`live ${canary}`)
    bob.leaves()
    ada.says(`$ recall ${await this.#queued(ada)}`)
    await ada.hears("$ recalled")
    ada.says("bob $ in a block")
    ada.says(canary)
    ada.says("$")
    await ada.hears("$ queued -")
    ada.says(`${canary} hello ${canary}`)
    ada.says(`$ nonsense ${canary}`)
    const eve = new Far(this.#socket)
    eve.says("$ quartet")
    eve.says(`$ invite ${canary}`)
    eve.says(`$ ada wrong ${canary}`)
    await eve.hears("$ refused - login")
    await ada.hears("$ expired")
    ada.says(`bob left at the end ${canary}`)
    await ada.hears("$ queued -")
    await this.#fault()
  }

  /** The id of a message that waits: until the server has seen that bob is gone, it is sent. */
  async #queued(ada: Far): Promise<string> {
    for (let count = 0; count < 100; count++) {
      ada.says(`$ send r${count}${canary} bob recalled ${canary}`)
      const [, word, , id = ""] = (await ada.hears(` r${count}${canary} `)).split(" ")
      if (word === "queued") return id
      await new Promise((resolve) => setTimeout(resolve, 20))
    }
    throw new Error("bob would not leave")
  }

  /** Takes the table away for a moment: the connection that asks for it meets a fault of ours. */
  async #fault(): Promise<void> {
    const rename = (from: string, to: string) => {
      const store = openStore({ uri: join(this.#directory, "data/quartet.db"), use: "visit" })
      store.prepare(`ALTER TABLE ${from} RENAME TO ${to}`).run()
      store.close()
    }
    const mallory = new Far(this.#socket)
    await mallory.enters("mallory", canary)
    rename("operators", "operators_away")
    mallory.says(`nobody-${canary} ${canary}`)
    await until(() => mallory.isOver || this.#process.exitCode !== null, stepMs)
    rename("operators_away", "operators")
    if (this.#process.exitCode !== null)
      throw new Error("a fault of one connection ended the server")
  }

  async #secretOf(callsign: string): Promise<string> {
    const store = openStore({ uri: join(this.#directory, "data/quartet.db"), use: "visit" })
    const sql = "SELECT secret FROM operators WHERE callsign = :callsign"
    const row = store.prepare<{ secret: string }>(sql).get({ callsign })
    store.close()
    return row?.secret.split("$").at(-1) ?? "the row is not there"
  }

  async #end(signal: "SIGTERM" | "SIGKILL"): Promise<void> {
    this.#process.kill(signal)
    await until(() => this.#process.exitCode !== null || this.#process.signalCode !== null, stepMs)
  }

  #files(): readonly (readonly [string, Buffer])[] {
    return readdirSync(this.#directory, { recursive: true, encoding: "utf8" })
      .filter((name) => statSync(join(this.#directory, name)).isFile())
      .map((name) => [name, readFileSync(join(this.#directory, name))] as const)
  }
}

/** A far end that speaks lines by hand. */
class Far {
  readonly #line: Line
  readonly #due: string[] = []
  #heard: string[] = []
  #isOpen = false
  isOver = false

  constructor(path: string) {
    this.#line = openerFor(`unix:${path}`)({
      opened: () => {
        this.#isOpen = true
        for (const line of this.#due.splice(0)) this.#line.send(line)
      },
      heard: (line) => void this.#heard.push(line),
      lost: () => {
        this.isOver = true
        this.#line.close()
      },
    })
  }

  says(line: string): void {
    if (this.#isOpen) this.#line.send(line)
    else this.#due.push(line)
  }

  /** Resolves with the next line that holds `words`. */
  async hears(words: string): Promise<string> {
    const at = () => this.#heard.findIndex((line) => line.includes(words))
    await until(() => at() >= 0, stepMs)
    const line = this.#heard[at()]
    this.#heard = this.#heard.slice(at() + 1)
    if (line === undefined) throw new Error(`"${words.replaceAll(canary, "…")}" was not heard`)
    return line
  }

  async enters(callsign: string, password: string): Promise<void> {
    this.says("$ quartet")
    for (let count = 0; count < 2; count++) this.says(`$ ${callsign} ${password}`)
    await this.hears("$ welcome")
  }

  leaves(): void {
    this.#line.close()
  }
}

/** Waits at most so long; what came of it, the caller looks at. */
async function until(isDone: () => boolean, limitMs: number): Promise<void> {
  const end = Date.now() + limitMs
  while (!isDone() && Date.now() < end) await new Promise((resolve) => setTimeout(resolve, 20))
}
