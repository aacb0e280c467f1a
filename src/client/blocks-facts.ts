/** An attachment to a block, as the server tells it. */
import { type Fields, isFields, numberIn, textIn } from "./pools-frames.ts"
import type { PoolsError } from "./pools-shapes.ts"

export interface Facts {
  readonly attachment: number
  readonly uuid: string
  readonly capacity: number
  readonly via: "map" | "socket"
  readonly mode: "read" | "write"
  readonly generation: number
  readonly length: number
  readonly state: string
  readonly fence: number
  readonly path: string
  readonly fileBytes: number
  readonly cell: number | undefined
}

export function factsOf(result: Fields): Facts {
  return {
    attachment: numberIn(result, "attachment") ?? 0,
    uuid: textIn(result, "uuid") ?? "",
    capacity: numberIn(result, "size") ?? 0,
    via: result["via"] === "map" ? "map" : "socket",
    mode: result["mode"] === "write" ? "write" : "read",
    generation: numberIn(result, "generation") ?? 0,
    length: numberIn(result, "length") ?? 0,
    state: textIn(result, "state") ?? "live",
    fence: numberIn(result, "fence") ?? 0,
    path: textIn(result, "path") ?? "",
    fileBytes: numberIn(result, "file_bytes") ?? 0,
    cell: numberIn(result, "cell"),
  }
}

/** Whether a block has no writer but one of which the server still finds out whether it lives. */
export function isLeaving({ code, detail }: PoolsError): boolean {
  return code === "WRITER_EXISTS" && isFields(detail) && detail["writer"] === null
}
