/**
 * The body of a request, read whole.
 *
 * What always holds: no more of it is kept than its limit, and nothing once it is refused; what is
 * kept of all bodies is counted with all else that far ends have begun.
 */
import type { IncomingMessage } from "node:http"
import type { Intake } from "./intake.ts"

/** Why there is no body: above its limit, half of it only, or too much was begun by all far ends together. */
export type NoBody = "too-large" | "broken off" | "too-many"

export interface BodyOptions {
  readonly limitBytes: number
  readonly intake: Intake
  /** Who counts as one far end with the sender. */
  readonly group: string | undefined
}

/** Reads a body whole. Half a body is none: its sender has gone. */
export function bodyOf(
  incoming: IncomingMessage,
  { limitBytes, intake, group }: BodyOptions,
): Promise<Uint8Array | NoBody> {
  return new Promise((resolve) => {
    let chunks: Buffer[] = []
    let length = 0
    let isKept = Number(incoming.headers["content-length"] ?? 0) <= limitBytes
    const forget = intake.add({
      group,
      get begunBytes() {
        return isKept ? length : 0
      },
      cut: () => refuse("too-many"),
    })
    // Only the first that is resolved counts.
    const refuse = (why: NoBody) => {
      forget()
      isKept = false
      chunks = []
      resolve(why)
    }
    incoming.on("data", (chunk: Buffer) => {
      length += chunk.length
      if (!isKept) return
      if (length <= limitBytes) chunks.push(chunk)
      else refuse("too-large")
    })
    incoming.on("end", () => {
      forget()
      if (isKept) resolve(Buffer.concat(chunks))
    })
    // It comes after "end" where there is one.
    incoming.on("close", () => refuse("broken off"))
    if (!isKept) refuse("too-large")
  })
}
