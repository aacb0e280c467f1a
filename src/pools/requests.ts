/** Which request a message is, and whether its id is free. */
import type { FromApp, Id } from "../wire/pools-shapes.ts"
import type { Session } from "./session.ts"

/** Whether a request's id is that of an open call. */
export function isUsed(session: Session, message: FromApp): boolean {
  if (message.kind === "response" || message.kind === "pong") return false
  const id = idOf(message)
  return id !== undefined && session.calls.has(id)
}

/** The id that a refusal of this message carries. */
export function idOf(message: FromApp): Id | undefined {
  return "id" in message ? message.id : undefined
}
