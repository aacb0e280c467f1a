/**
 * Loads of the operators' bench that go on for a while: as fast as a server takes them, or at a pace.
 *
 * What always holds: every message that was written came, once, or the figure is not given; the
 * first seconds of a server do not count.
 */
import { setTimeout as sleep } from "node:timers/promises"
import { median, quantile } from "./figures.ts"
import { callsignOf, type Dialect, Far, readText, textOf } from "./operators-far.ts"
import type { Server } from "./operators-servers.ts"

/** Figures of one round, by name. */
export type Figures = Readonly<Record<string, number>>

const warmSeconds = 3
const runSeconds = 4
/** Logins at a time: fewer than may wait for a hash. */
const opening = 32
/** Messages of one sender that are under way. */
const window = 8
const patienceMs = 120_000

/** Far ends numbered from 0 on, who write to each other in an order that is always the same. */
export class Crowd {
  readonly #fars: Far[] = []
  readonly #dialect: Dialect
  readonly #port: number
  #latencies: number[] = []
  #written = 0
  #came = 0
  /** Ends that are told to senders: extended, or of MQTT with acknowledgements. */
  #told = 0
  #isOpenLoop = true
  #due: number[] = []
  #draw = 1
  #talkers: number | undefined

  private constructor(port: number, dialect: Dialect) {
    this.#port = port
    this.#dialect = dialect
  }

  static async open(server: Server, count: number, dialect: Dialect): Promise<Crowd> {
    const crowd = new Crowd(server.port, dialect)
    for (let first = 0; first < count; first += opening) {
      const numbers = Array.from(
        { length: Math.min(opening, count - first) },
        (_, at) => first + at,
      )
      crowd.#fars.push(...(await Promise.all(numbers.map((number) => crowd.#far(number)))))
    }
    return crowd
  }

  get far(): readonly Far[] {
    return this.#fars
  }

  close(): void {
    for (const far of this.#fars) far.close()
  }

  /** Each sender writes the next one when one of its own has come. */
  async saturate(server: Server): Promise<Figures> {
    await this.#inClosedLoop(warmSeconds)
    return this.#measured(server, () => this.#inClosedLoop(runSeconds))
  }

  /** So many a second, from anyone to anyone, or only among the first `talkers` of them. */
  async pace(server: Server, perSecond: number, talkers = this.#fars.length): Promise<Figures> {
    this.#talkers = talkers
    await this.#inOpenLoop(warmSeconds, perSecond)
    return this.#measured(server, () => this.#inOpenLoop(runSeconds, perSecond))
  }

  #far(number: number): Promise<Far> {
    const heard = {
      text: (text: string) => this.#onText(text),
      answer: (word: string) => {
        if (word === "taken" || word === "puback") this.#told += 1
        if (word === "refused") throw new Error(`${callsignOf(number)} was refused`)
      },
    }
    return Far.open({ port: this.#port, number, dialect: this.#dialect, heard })
  }

  #onText(text: string): void {
    const [number, agoMs] = readText(text)
    this.#came += 1
    this.#latencies.push(agoMs)
    if (this.#isOpenLoop) return
    if (this.#due.push(number) === 1) setImmediate(() => this.#writeDue())
  }

  /** What the last turn released, a write for each sender. */
  #writeDue(): void {
    const due = this.#due
    this.#due = []
    if (this.#isOpenLoop) return
    const counts = new Map<number, number>()
    for (const number of due) counts.set(number, (counts.get(number) ?? 0) + 1)
    for (const [number, count] of counts) this.#write(number, count)
  }

  #write(number: number, count: number): void {
    this.#written += count
    const some = Array.from(
      { length: count },
      () => [callsignOf(this.#anyone()), textOf(number)] as const,
    )
    this.#fars[number]?.sendAll(some)
  }

  #anyone(): number {
    this.#draw = (Math.imul(this.#draw, 1_664_525) + 1_013_904_223) >>> 0
    return Math.floor((this.#draw / 2 ** 32) * (this.#talkers ?? this.#fars.length))
  }

  async #inClosedLoop(seconds: number): Promise<void> {
    this.#isOpenLoop = false
    for (const { number } of this.#fars) this.#write(number, window)
    await sleep(seconds * 1_000)
    this.#isOpenLoop = true
    await this.#settled()
  }

  async #inOpenLoop(seconds: number, perSecond: number): Promise<void> {
    const total = seconds * perSecond
    const began = performance.now()
    for (let written = 0; written < total; ) {
      const due = Math.min(total, Math.floor(((performance.now() - began) / 1_000) * perSecond))
      for (; written < due; written += 1) this.#write(this.#anyone(), 1)
      await sleep(1)
    }
    await this.#settled()
  }

  async #settled(): Promise<void> {
    const isAnswered = this.#dialect === "extended" || this.#dialect === "mqtt1"
    const since = performance.now()
    while (this.#came < this.#written || (isAnswered && this.#told < this.#written)) {
      if (performance.now() - since > patienceMs) {
        throw new Error(`${this.#written} written, ${this.#came} came, ${this.#told} were told`)
      }
      await sleep(1)
    }
    if (this.#came > this.#written) throw new Error("a message came twice")
  }

  async #measured(server: Server, load: () => Promise<void>): Promise<Figures> {
    this.#latencies = []
    const came = this.#came
    const cpuMs = server.cpuMs
    const own = process.cpuUsage()
    const began = performance.now()
    await load()
    const elapsedMs = performance.now() - began
    const { user, system } = process.cpuUsage(own)
    const messages = this.#came - came
    return {
      perSecond: (messages / elapsedMs) * 1_000,
      cpuUs: ((server.cpuMs - cpuMs) * 1_000) / messages,
      p50Ms: median(this.#latencies),
      p99Ms: quantile(this.#latencies, 0.99),
      loadPercent: (user + system) / elapsedMs / 10,
    }
  }
}
