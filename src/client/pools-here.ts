/**
 * Calls of what an app handles itself, run here: the same deadline, cancel and errors, copies of what
 * goes in and out, and no word to the server.
 */
import type { Told } from "../wire/pools-shapes.ts"
import type { Wanted } from "./pools-calls.ts"
import { asPoolsError, fault } from "./pools-faults.ts"
import type { AppOptions, PoolsError, Work } from "./pools-shapes.ts"
import { payloadFrom } from "./pools-values.ts"
import type { Works } from "./pools-works.ts"

/** No timer runs longer; one that should would end at once. */
export const longestMs = 2 ** 31 - 1

/** Whether nothing in the call asks for what only the server can do. */
export function mayRunHere({ options }: Wanted): boolean {
  const { to, idempotencyKey, affinity, detach, input, flags } = options
  const asked = [to, idempotencyKey, affinity, input, flags].some((each) => each !== undefined)
  return !asked && detach !== true
}

/** How an app has shown who it is. */
export function proofOf({ key, token }: AppOptions): Told["proof"] {
  if (key !== undefined) return "key"
  return token === undefined ? "none" : "token"
}

/** Runs it. Rejects with PoolsError. */
export async function runHere(
  works: Works,
  wanted: Wanted & { readonly work: Work },
  caller: Pick<Told, "origin" | "proof">,
): Promise<unknown> {
  const { trigger, options, parent, work } = wanted
  const ttlMs = Math.min(options.ttlMs ?? 30_000, (parent?.deadline ?? Infinity) - Date.now())
  const told: Told = {
    kind: "call",
    ...{ id: 0, pool: options.pool ?? "default", trigger, attempt: 1, ...caller },
    payload: payloadFrom(wanted.payload, options.contentType),
    ...{ ttlMs, flags: new Set(), appFlags: [] },
    ...tracesOf(wanted),
  }
  const stopping = new AbortController()
  const { promise, reject } = Promise.withResolvers<never>()
  const stop = (why: PoolsError, mode: "told" | "untold") => {
    if (mode === "told") stopping.abort(why)
    reject(why)
  }
  const late = () =>
    stop(fault("timeout", "its time is over", { executionUncertain: true }), "told")
  const timer = setTimeout(late, Math.max(0, Math.min(ttlMs, longestMs)))
  const onAbort = () => {
    const why = fault("cancelled", "it was cancelled", { executionUncertain: true })
    // "kill" waits for the work to stop.
    if (options.cancel === "kill") stopping.abort(why)
    else stop(why, options.cancel === "skip" ? "untold" : "told")
  }
  const signals = [options.signal, parent?.signal].filter((each) => each !== undefined)
  for (const signal of signals) signal.addEventListener("abort", onAbort)
  if (signals.some(({ aborted }) => aborted)) onAbort()
  try {
    if (ttlMs <= 0) throw fault("timeout", "its time is over", { executionUncertain: false })
    return await Promise.race([works.run(work, told, stopping.signal), promise])
  } catch (thrown) {
    const error = asPoolsError(thrown)
    // Stopped work fails in its own words; its caller is told that it was cancelled.
    throw stopping.signal.aborted ? stopping.signal.reason : error
  } finally {
    clearTimeout(timer)
    for (const signal of signals) signal.removeEventListener("abort", onAbort)
    promise.catch(() => {})
  }
}

function tracesOf({ options, parent }: Wanted): Pick<Told, "traceparent" | "tracestate"> {
  const traceparent = options.traceparent ?? parent?.traceparent
  const tracestate = options.tracestate ?? parent?.tracestate
  return {
    ...(traceparent === undefined ? {} : { traceparent }),
    ...(tracestate === undefined ? {} : { tracestate }),
  }
}
