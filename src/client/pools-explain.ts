/** Who would get a call, out of what the server answers. */
import { policies } from "../wire/pools-shapes.ts"
import { type Fields, isFields, numberIn, present, textIn } from "./pools-frames.ts"
import type { CallOptions, Candidate, Explanation } from "./pools-shapes.ts"

/** The question. */
export function explainBody(trigger: string, options: CallOptions): Fields {
  const { pool, to, affinity, ttlMs } = options
  const params = present({ pool, destination: to, affinity, ttl: ttlMs })
  return { type: "admin", operation: "explain", target: trigger, params }
}

export function explanationOf(answer: Fields): Explanation {
  const { candidates } = answer
  return {
    policy: policies.find((each) => each === answer["policy"]) ?? null,
    member: answer["member"] === true,
    mayExecute: answer["may_execute"] === true,
    candidates: Array.isArray(candidates) ? candidates.filter(isFields).map(candidateOf) : [],
    outcome: textIn(answer, "outcome") ?? "",
    chosen: textIn(answer, "chosen"),
    queued: numberIn(answer, "queued") ?? 0,
    deadline: numberIn(answer, "deadline") ?? 0,
  }
}

function candidateOf(row: Fields): Candidate {
  return {
    app: textIn(row, "app") ?? "",
    pending: numberIn(row, "pending") ?? 0,
    queued: numberIn(row, "queued") ?? 0,
    roundTripMs: numberIn(row, "round_trip_ms") ?? 0,
    passedOver: textIn(row, "passed_over"),
  }
}
