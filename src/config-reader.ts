/**
 * Reads variables one by one, checks each, and gathers what is wrong with any of them.
 *
 * What always holds: a bad value never becomes a setting, since `finish` throws all problems at
 * once; an empty variable counts as not set.
 */

/** Variables by name, as a process has them. */
export type Environment = Readonly<Record<string, string | undefined>>

/** Says every bad value, one sentence a line. */
export class ConfigError extends Error {
  constructor(problems: readonly string[]) {
    super(problems.join("\n"))
    this.name = "ConfigError"
  }
}

/** One reading of one environment. */
export class Reader {
  readonly #environment: Environment
  readonly #problems: string[] = []

  constructor(environment: Environment) {
    this.#environment = environment
  }

  problem(sentence: string): void {
    this.#problems.push(sentence)
  }

  text(name: string, fallback: string): string {
    return this.#value(name) ?? fallback
  }

  number(name: string, fallback: number, range: readonly [number, number]): number {
    return this.#inRange(name, fallback, { range, kind: "a number", fits: Number.isFinite })
  }

  whole(name: string, fallback: number, range: readonly [number, number]): number {
    return this.#inRange(name, fallback, { range, kind: "a whole number", fits: Number.isInteger })
  }

  /** The first of `values` is the default. */
  oneOf<T extends string>(name: string, values: readonly [T, ...T[]]): T {
    const value = this.#value(name)
    if (value === undefined) return values[0]
    const found = values.find((each) => each === value)
    if (found === undefined) this.problem(`${name}: "${value}" is not one of ${values.join(", ")}`)
    return found ?? values[0]
  }

  path(name: string): string {
    const value = this.#value(name) ?? "/"
    if (!/^[\w\-./~]*$/.test(value) || value.includes("..")) {
      this.problem(`${name}: "${value}" is not a path like /quartet/`)
    }
    return `/${value}/`.replace(/\/+/g, "/")
  }

  /** Some of `all`, by comma; all of them where it is not set. */
  someOf<T extends string>(name: string, all: readonly T[]): readonly T[] {
    const value = this.#value(name)
    if (value === undefined) return all
    const wanted = list(value)
    for (const each of wanted) {
      if (all.every((one) => one !== each)) {
        this.problem(`${name}: "${each}" is not one of ${all.join(", ")}`)
      }
    }
    return all.filter((each) => wanted.includes(each))
  }

  /** Undefined where it is not set. */
  optional(name: string): string | undefined {
    return this.#value(name)
  }

  words(name: string): readonly string[] {
    return list(this.#value(name) ?? "")
  }

  /** A JSON object; an empty one where it is not set. */
  object(name: string): Readonly<Record<string, unknown>> {
    const value = this.#value(name)
    const found = value === undefined ? {} : parsed(value)
    if (typeof found === "object" && found !== null && !Array.isArray(found)) return { ...found }
    this.problem(`${name}: is not a JSON object like {"name": 1}`)
    return {}
  }

  origins(name: string): readonly string[] {
    const origins = list(this.#value(name) ?? "")
    for (const origin of origins) {
      if (!isOrigin(origin)) {
        this.problem(`${name}: "${origin}" is not an origin like https://pad.example.org`)
      }
    }
    return origins
  }

  ancestors(name: string): string {
    const value = this.#value(name) ?? "'self'"
    const words = value.split(/[\s,]+/).filter((word) => word !== "")
    for (const word of words) {
      if (word !== "'self'" && word !== "'none'" && !isOrigin(word)) {
        this.problem(`${name}: "${word}" is not 'self', 'none' or an origin`)
      }
    }
    return words.join(" ")
  }

  /** Throws if anything was wrong, a misspelt variable that begins like one of `parts` included. */
  finish(known: readonly string[], parts: readonly string[]): void {
    for (const name of Object.keys(this.#environment)) {
      const ours = parts.some((part) => name.startsWith(`${part.toUpperCase()}_`))
      if (ours && !known.includes(name)) this.problem(`${name}: there is no such setting`)
    }
    if (this.#problems.length > 0) throw new ConfigError(this.#problems)
  }

  #value(name: string): string | undefined {
    const value = this.#environment[name]?.trim()
    return value === "" ? undefined : value
  }

  #inRange(name: string, fallback: number, wanted: Wanted): number {
    const value = this.#value(name)
    if (value === undefined) return fallback
    const [low, high] = wanted.range
    const number = /^\d+(\.\d+)?$/.test(value) ? Number(value) : Number.NaN
    if (!wanted.fits(number) || number < low || number > high) {
      this.problem(`${name}: "${value}" is not ${wanted.kind} from ${low} to ${high}`)
    }
    return number
  }
}

interface Wanted {
  readonly range: readonly [low: number, high: number]
  readonly kind: string
  readonly fits: (value: number) => boolean
}

function list(value: string): readonly string[] {
  return value
    .split(",")
    .map((each) => each.trim())
    .filter((each) => each !== "")
}

function isOrigin(value: string): boolean {
  return URL.canParse(value) && new URL(value).origin === value
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined // The one who reads says what was expected.
  }
}
