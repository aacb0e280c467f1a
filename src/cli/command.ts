/** What every subcommand is, and how it reads its options. */
import { type ParseArgsConfig, parseArgs } from "node:util"
import type { Environment } from "../config-reader.ts"

/** Takes the words after its name, and resolves with the exit code: 0 done, 1 failed, 2 misused. */
export type Command = (words: readonly string[], environment: Environment) => Promise<number>

/** Says a failure in one sentence and gives the exit code that goes with it. */
export function fail(sentence: string, exitCode: 1 | 2 = 1): number {
  process.stderr.write(`quartet: ${sentence}\n`)
  return exitCode
}

/** Reads `words` by `options`; a misspelt option comes back as the sentence that says so. */
export function readOptions<const T extends NonNullable<ParseArgsConfig["options"]>>(
  words: readonly string[],
  options: T,
) {
  try {
    return parseArgs({ args: [...words], options, allowPositionals: true, strict: true })
  } catch (thrown) {
    return thrown instanceof Error ? thrown.message : String(thrown)
  }
}
