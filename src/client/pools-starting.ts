/** The first connecting of an app, as whoever asked for it waits for it. */
import { fault } from "./pools-faults.ts"
import type { AppState, PoolsError } from "./pools-shapes.ts"

/** What is waited for. */
export interface Starting {
  readonly signal: AbortSignal | undefined
  watch(listener: (state: AppState, why: PoolsError | undefined) => void): () => void
  /** Opens the first socket. */
  begin(): void
  /** Nobody waits any more. */
  giveUp(why: PoolsError): void
}

/** Resolves once it is ready. Rejects with why it never will be, or with the reason of the signal. */
export function starting({ signal, watch, begin, giveUp }: Starting): Promise<void> {
  return new Promise((resolve, reject) => {
    const onAbort = () => {
      giveUp(fault("cancelled", "connecting was given up"))
      reject(signal?.reason)
    }
    const unwatch = watch((state, why) => {
      // With patience it may be away first.
      if (state !== "ready" && state !== "closed") return
      unwatch()
      signal?.removeEventListener("abort", onAbort)
      if (state === "ready") resolve()
      else reject(why)
    })
    signal?.addEventListener("abort", onAbort)
    begin()
  })
}
