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

/** Reads `words` by `options`; a misspelt option comes back as the sentence that says what to do. */
export function readOptions<const T extends NonNullable<ParseArgsConfig["options"]>>(
  words: readonly string[],
  options: T,
) {
  try {
    return parseArgs({ args: [...words], options, allowPositionals: true, strict: true })
  } catch (thrown) {
    if (!(thrown instanceof Error)) return String(thrown)
    // Node's own hints, in further sentences, are about what its own parser can.
    const [sentence] = thrown.message.split(". ")
    return `${sentence}: --help shows what there is`
  }
}
