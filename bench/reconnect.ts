/**
 * B12: the server is killed and started again under editors of the SDK, who type on meanwhile.
 *
 * What always holds: each edit is one code point that nobody else types, so the text in the end
 * says what was lost and what came twice; a run in which that happened is no run.
 */
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { setTimeout as sleep } from "node:timers/promises"
import { connect, Operation, type SharedText } from "../src/client/client.ts"
import { codePointCount } from "../src/ot/codepoints.ts"
import type { Bench } from "./contest.ts"
import { rowOf } from "./figures.ts"
import { Target } from "./target.ts"

/** Where marks begin: there are sixty thousand from here on. */
const firstMark = 0x20000
/** Marks that are typed in a second, by all together: each of 500 SDKs in this process hears all of them. */
const perSecond = 60
const typingMs = 3_000
const lateMs = 30_000

interface Outcome {
  readonly downMs: number
  readonly allMs: number
  readonly halfMs: number
  readonly unacknowledged: number
  /** What both used meanwhile, in ms: the editors all sit in this process. */
  readonly serverMs: number
  readonly loadMs: number
}

/** "back-off": each comes when its own wait is over. "at once": all of them as soon as the port is open. */
type Coming = "back-off" | "at once"

interface Case {
  readonly documents: number
  readonly coming: Coming
}

/** 500 editors of one document, and of a hundred. */
export async function benchReconnect(bench: Bench): Promise<void> {
  const comings: readonly Coming[] = ["back-off", "at once"]
  for (const coming of comings) {
    for (const documents of [1, 100]) {
      const outcomes: Outcome[] = []
      for (let run = 0; run < bench.runs; run += 1) {
        outcomes.push(await killed({ documents, coming }, 500))
      }
      const name = `B12 500 editors of ${documents}, kill -9, ${coming}`
      const row = (unit: string, aim: string, of: (outcome: Outcome) => number) => {
        bench.rows.push(rowOf(name, unit, outcomes.map(of), aim))
      }
      row("ms from the port's opening to all synchronized", "<= 3,000", ({ allMs }) => allMs)
      row("ms to half of them", "", ({ halfMs }) => halfMs)
      row("ms without a server", "", ({ downMs }) => downMs)
      row("ms CPU of the server for it", "", ({ serverMs }) => serverMs)
      row("ms CPU of the load, all editors", "", ({ loadMs }) => loadMs)
      row("edits not acknowledged then, none lost or doubled", "", (each) => each.unacknowledged)
    }
  }
}

async function killed({ documents, coming }: Case, editors: number): Promise<Outcome> {
  const directory = mkdtempSync(join(tmpdir(), "quartet-bench-killed-"))
  // Below the ports that the kernel gives to those who connect: nobody may be given this one.
  const port = 20_000 + Math.floor(Math.random() * 12_000)
  let target = await Target.start("quartet", { directory, port })
  const crowd = new Crowd(port, documents, editors)
  try {
    await crowd.settled(editors)
    const typing = crowd.type()
    await sleep(typingMs)
    const ended = performance.now()
    await target.kill()
    // Who starts it again takes a moment, in which everybody types on.
    await sleep(200)
    target = await Target.start("quartet", { directory, port })
    const opened = performance.now()
    const { cpuMs } = await target.ask("usage")
    const own = process.cpuUsage()
    typing.end()
    if (coming === "at once") crowd.hurry()
    const unacknowledged = crowd.unacknowledged
    await crowd.settled(editors / 2)
    const halfMs = performance.now() - opened
    await crowd.settled(editors)
    const allMs = performance.now() - opened
    const serverMs = (await target.ask("usage")).cpuMs - cpuMs
    const { user, system } = process.cpuUsage(own)
    const loadMs = (user + system) / 1_000
    await crowd.check(target)
    return { downMs: opened - ended, allMs, halfMs, unacknowledged, serverMs, loadMs }
  } finally {
    crowd.close()
    await target.stop()
    rmSync(directory, { recursive: true, force: true })
  }
}

/** Editors of some documents, and the marks that they have typed. */
class Crowd {
  readonly #texts: readonly SharedText[]
  readonly #typed = new Map<string, string[]>()
  readonly #complaints: string[] = []
  #marks = 0

  constructor(port: number, documents: number, editors: number) {
    const { documents: all } = connect(`http://127.0.0.1:${port}`, { name: "editor", hue: 1 })
    this.#texts = Array.from({ length: editors }, (_, index) => {
      const text = all.open(`killed-${index % documents}`)
      text.on("lost", ({ why }) => this.#complaints.push(why))
      text.on("refused", ({ sentence }) => this.#complaints.push(sentence))
      text.on("emptied", () => this.#complaints.push("emptied"))
      return text
    })
  }

  get unacknowledged(): number {
    return this.#texts.reduce((sum, text) => sum + text.unacknowledged, 0)
  }

  /** One after the other types a mark, as long as it is not ended. */
  type(): { end(): void } {
    const start = performance.now()
    const first = this.#marks
    const timer = setInterval(() => {
      const due = first + ((performance.now() - start) * perSecond) / 1_000
      while (this.#marks < due) this.#typeOne()
    }, 5)
    return { end: () => clearInterval(timer) }
  }

  #typeOne(): void {
    const text = this.#texts[this.#marks % this.#texts.length]
    if (text === undefined) throw new Error("never: there are editors")
    const mark = String.fromCodePoint(firstMark + this.#marks)
    this.#marks += 1
    const typed = this.#typed.get(text.id) ?? []
    this.#typed.set(text.id, typed)
    typed.push(mark)
    const length = codePointCount(text.text)
    const place = Math.floor(Math.random() * (length + 1))
    text.edit(Operation.from([place, mark, length - place]))
  }

  /** Nobody waits any more. */
  hurry(): void {
    for (const text of this.#texts) text.hurry()
  }

  /** Resolves when so many have nothing on their way. Rejects after half a minute. */
  async settled(count: number): Promise<void> {
    const end = performance.now() + lateMs
    while (this.#texts.filter(({ state }) => state === "synchronized").length < count) {
      if (performance.now() > end) throw new Error(`${count} editors did not come back`)
      await sleep(5)
    }
  }

  /** Rejects unless everybody, and the server, has each mark once. */
  async check(target: Target): Promise<void> {
    if (this.#complaints.length > 0) throw new Error(`editors heard ${this.#complaints.join()}`)
    for (const [id, typed] of this.#typed) {
      const texts = this.#texts.filter((text) => text.id === id)
      const end = performance.now() + lateMs
      while (new Set(texts.map(({ revision }) => revision)).size > 1) {
        if (performance.now() > end) throw new Error("editors stayed behind")
        await sleep(5)
      }
      const whole = await target.text(id)
      if (texts.some(({ text }) => text !== whole)) throw new Error("the texts differ")
      if ([...whole].sort().join("") !== typed.slice().sort().join("")) {
        throw new Error("an edit was lost or doubled")
      }
    }
  }

  close(): void {
    for (const text of this.#texts) void text.close()
  }
}
