/**
 * Programs of the bench as parts of a larger run: each is a process of its own, so that nobody's
 * heap weighs on the next one, and gives its rows to the one who started it.
 *
 * What always holds: a part that fails or takes too long ends with everything it has started, and
 * costs nothing but its own rows. A program alone prints its rows instead.
 */
import { fork } from "node:child_process"
import { once } from "node:events"
import { join } from "node:path"
import { setTimeout as sleep } from "node:timers/promises"
import { type Row, table } from "./figures.ts"
import { loadAverages, machine, missing } from "./present.ts"

/** What is run, and for how long at most. */
export interface Part {
  readonly name: string
  readonly file: string
  readonly words: readonly string[]
  readonly limitSeconds: number
}

/** What came of it. */
export interface Outcome {
  readonly rows: readonly Row[]
  readonly seconds: number
  /** Why there are no rows, or not all. */
  readonly failure: string | undefined
}

/** Runs a part to its end. Never rejects. */
export async function run({ name, file, words, limitSeconds }: Part): Promise<Outcome> {
  const began = performance.now()
  const child = fork(join(import.meta.dirname, file), words, {
    stdio: ["ignore", "ignore", "inherit", "ipc"],
    serialization: "advanced",
  })
  const kill = () => child.kill("SIGTERM")
  process.once("exit", kill)
  const rows: Row[] = []
  child.on("message", (given) => rows.push(...(given as readonly Row[]))) // `give` sends nothing else
  let isLate = false
  const late = setTimeout(() => {
    isLate = true
    kill()
    setTimeout(() => child.kill("SIGKILL"), 5_000).unref()
  }, limitSeconds * 1_000)
  const [code] = await once(child, "close")
  clearTimeout(late)
  process.off("exit", kill)
  const seconds = (performance.now() - began) / 1_000
  const ended = code === 0 ? undefined : `${name} ended with ${code}`
  return { rows, seconds, failure: isLate ? `${name} took more than ${limitSeconds} s` : ended }
}

/**
 * What a program of the bench does first: says where it runs, and sees to it that it ends, with what
 * it has started, when it is told to and when whoever started it is gone.
 */
export function begin(): void {
  const end = () => process.exit(1)
  process.once("SIGTERM", end)
  process.once("SIGINT", end)
  if (process.channel !== undefined) {
    process.once("disconnect", end)
    // A listener would keep a program from ending that is done.
    process.channel.unref()
  }
  if (process.channel !== undefined) return
  for (const line of missing()) console.error(`MISSING: ${line}`)
  console.error(`${machine()}; load averages ${loadAverages()}`)
}

/** Hands rows to whoever started this program, or prints them. May be called more than once. */
export async function give(rows: readonly Row[]): Promise<void> {
  if (process.send === undefined) {
    console.log(`\n${table(rows)}`)
    return
  }
  const told = Promise.withResolvers<void>()
  // No handle goes along.
  process.send(rows, undefined, {}, (error) => {
    if (error === null) told.resolve()
    else told.reject(error)
  })
  // A parent that is gone never answers.
  await Promise.race([told.promise, sleep(5_000, undefined, { ref: false })])
}
