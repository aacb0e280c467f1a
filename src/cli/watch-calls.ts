/**
 * The calls of a pool as they settle, out of what the server remembers of the last ones.
 *
 * What always holds: the server is asked again only when it has answered, a few times a second; a
 * call is told once, in the order of settling, and where some were forgotten before they were asked
 * for, that is said.
 */
import { matches } from "../client/pools-emits.ts"
import { type App, PoolsError } from "../client/tcp.ts"

const pauseMs = 250
/** What is asked for first; when that does not reach back far enough, the second. */
const fewRows = 32
const manyRows = 1_000

export interface CallFeedOptions {
  readonly pool: string
  /** Which triggers; all if undefined. */
  readonly pattern: string | undefined
  readonly say: (line: string) => void
}

/** A call as the server's answer has it. */
interface Row {
  /** Its place among all calls since the server began. */
  readonly at: number
  readonly pool: string
  readonly trigger: string
  readonly line: string
}

export class CallFeed {
  readonly #app: App
  readonly #options: CallFeedOptions
  #last = 0
  #timer: ReturnType<typeof setTimeout> | undefined
  #state: "going" | "stopped" = "going"

  constructor(app: App, options: CallFeedOptions) {
    this.#app = app
    this.#options = options
  }

  /** Resolves when calls that settle from now on will be told. Rejects when they may not be seen. */
  async begin(): Promise<void> {
    this.#last = (await this.#rows(fewRows)).at(-1)?.at ?? 0
    this.#wait()
  }

  stop(): void {
    this.#state = "stopped"
    clearTimeout(this.#timer)
  }

  #wait(): void {
    if (this.#state === "going") this.#timer = setTimeout(() => void this.#look(), pauseMs)
  }

  async #look(): Promise<void> {
    try {
      let rows = await this.#rows(fewRows)
      const newest = rows.at(-1)?.at ?? 0
      // A server that was started again counts from 1.
      if (newest < this.#last) this.#last = 0
      if (rows.length === fewRows && (rows[0]?.at ?? 0) > this.#last + 1) {
        rows = await this.#rows(manyRows)
      }
      this.#tell(rows)
    } catch (thrown) {
      // Away for a while: the next question waits for the connection. Closed ends the whole command.
      if (!(thrown instanceof PoolsError)) throw thrown
    }
    this.#wait()
  }

  #tell(rows: readonly Row[]): void {
    const { pool, pattern, say } = this.#options
    const missed = rows.length === manyRows && (rows[0]?.at ?? 0) > this.#last + 1
    if (missed) say(`calls: more than ${manyRows} at once, some are not told`)
    for (const row of rows) {
      if (row.at <= this.#last) continue
      this.#last = row.at
      const isMeant = pattern === undefined || matches(pattern.split("."), row.trigger.split("."))
      if (row.pool === pool && isMeant) say(row.line)
    }
  }

  /** The oldest first. */
  async #rows(limit: number): Promise<readonly Row[]> {
    const { calls } = await this.#app.admin("list_calls", { params: { limit } })
    const rows = Array.isArray(calls) ? calls.map((each: unknown) => rowOf(each)) : []
    return rows.toSorted((one, other) => one.at - other.at)
  }
}

function rowOf(value: unknown): Row {
  const fields = typeof value === "object" && value !== null ? Object.entries(value) : []
  const row = new Map<string, unknown>(fields)
  const text = (name: string) => {
    const found = row.get(name)
    return typeof found === "string" ? found : ""
  }
  const [ms, handled, attempt] = [row.get("ms"), row.get("handler"), row.get("attempt")]
  // A failure by its word on the wire.
  const ended = text("outcome")
  const outcome = ended === "answered" ? ended : ended.toUpperCase().replaceAll("-", "_")
  const by = typeof handled === "string" ? handled : "nobody"
  const took = typeof ms === "number" ? `${Math.round(ms * 10) / 10} ms` : ""
  const again = typeof attempt === "number" && attempt > 1 ? ` (attempt ${attempt})` : ""
  const line = `call ${text("trigger")} from ${text("caller")} to ${by} ${outcome} ${took}${again}`
  return { at: Number(text("call")), pool: text("pool"), trigger: text("trigger"), line }
}
