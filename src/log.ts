/**
 * The log: one line of JSON per event on stderr, with a fixed event name and plain fields.
 *
 * What always holds: no content, document ids, names, tokens or addresses stand in it, and a
 * stranger cannot make it grow: each event has ten lines a second, then one that counts the rest.
 */
import { pino } from "pino"

/** Fields of a log line. Never what a far end wrote, but for ids whose shape was checked. */
export type Fields = Readonly<Record<string, string | number | boolean | undefined>>

/** How loud a line is, and what a log leaves out. */
export type Level = "debug" | "info" | "warn" | "error" | "silent"

type Loudness = Exclude<Level, "silent">

/** Lines that one event may take in a second. */
const linesPerSecond = 10

/** Where events are told. An event is a fixed name, never built from a stranger's words. */
export class Log {
  /** How often "internal error" was told: bugs of ours that `guard` caught. */
  faults = 0
  /** Whether lines of the level debug are told: who asks saves building them. */
  readonly tellsDebug: boolean

  readonly #lines: pino.Logger
  // Events are named in our code, so this map is as small as their list.
  readonly #toldByEvent = new Map<string, number>()
  #second = 0

  /** A log at `level`; `write` takes its lines instead of stderr. */
  constructor(level: Level, write?: (line: string) => void) {
    this.tellsDebug = level === "debug"
    const out = write === undefined ? pino.destination({ dest: 2, sync: true }) : { write }
    const time = pino.stdTimeFunctions.isoTime
    const formatters = { level: (label: string) => ({ level: label }) }
    const options = { level, base: null, messageKey: "event", timestamp: time, formatters }
    this.#lines = pino(options, out)
  }

  debug(event: string, fields?: Fields): void {
    this.#tell("debug", event, fields)
  }

  info(event: string, fields?: Fields): void {
    this.#tell("info", event, fields)
  }

  warn(event: string, fields?: Fields): void {
    this.#tell("warn", event, fields)
  }

  error(event: string, fields?: Fields): void {
    if (event === "internal error") this.faults++
    this.#tell("error", event, fields)
  }

  /** It is `now`, in ms since 1970: in a new second, tells what the last one left out. */
  tick(now: number): void {
    const second = Math.floor(now / 1000)
    if (second === this.#second) return
    this.#second = second
    for (const [event, told] of this.#toldByEvent) {
      if (told > linesPerSecond) this.#lines.warn({ left_out: told - linesPerSecond }, event)
    }
    this.#toldByEvent.clear()
  }

  #tell(loudness: Loudness, event: string, fields: Fields = {}): void {
    const told = (this.#toldByEvent.get(event) ?? 0) + 1
    this.#toldByEvent.set(event, told)
    if (told <= linesPerSecond) this.#lines[loudness](fields, event)
  }
}
