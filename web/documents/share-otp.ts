/** The OTP of a document: how it is set and taken away, from the palette and from the share sheet. */
import { tell } from "../notices.tsx"
import type { Session } from "./session.ts"

/** Sets an OTP, or takes it away, and tells what came of it; gives why not, where it was refused. */
export async function guard(
  { text }: Session,
  wish: "protect" | "unprotect",
): Promise<string | undefined> {
  try {
    await text[wish]()
    tell("guard", wish === "protect" ? "Newcomers are asked for the OTP" : "The OTP is gone")
    return undefined
  } catch (refused) {
    const why = refused instanceof Error ? refused.message : "refused"
    const sentence = `Nothing was changed: ${why}`
    tell("guard", sentence)
    return sentence
  }
}
