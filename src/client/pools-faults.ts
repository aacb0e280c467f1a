/**
 * The errors of pools as programs get them: of what a server said, and of what the SDK saw itself.
 */
import { adviceOf, type Fault, type PoolsCode, wordOf } from "../wire/pools-errors.ts"
import { type Advice, PoolsError, type PoolsErrorFacts } from "./pools-shapes.ts"

/** What a server said. `word` is a code that is not known here; then its advice is to mend it. */
export function errorOf(fault: Fault, word?: string): PoolsError {
  const { code, sentence, ...facts } = fault
  const retry: Advice = word === undefined ? adviceOf(code) : "fix"
  return new PoolsError(word ?? wordOf(code), sentence, { retry, ...facts })
}

/** What the SDK saw. */
export function fault(
  code: PoolsCode,
  sentence: string,
  facts: Omit<PoolsErrorFacts, "retry"> = {},
): PoolsError {
  return new PoolsError(wordOf(code), sentence, { retry: adviceOf(code), ...facts })
}

/** The socket ended with it under way. */
export function connectionLost(sentence: string, how: "sent" | "unsent"): PoolsError {
  return fault("connection-lost", sentence, { executionUncertain: how === "sent" })
}

/** A program's own mistake, or what it threw, as a PoolsError. */
export function asPoolsError(thrown: unknown): PoolsError {
  if (thrown instanceof PoolsError) return thrown
  // Told by its shape: the keys may come with a copy of its class.
  if (thrown instanceof Error && "fault" in thrown && isFault(thrown.fault)) {
    return errorOf(thrown.fault)
  }
  return fault("internal", thrown instanceof Error ? thrown.message : String(thrown))
}

function isFault(value: unknown): value is Fault {
  if (typeof value !== "object" || value === null) return false
  return "code" in value && "sentence" in value && typeof value.sentence === "string"
}
