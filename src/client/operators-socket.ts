/** A line of operators over WebSocket, which browsers and Node have alike. */
import { socketAddress } from "./address.ts"
import type { OpenLine } from "./operators-shapes.ts"
import { Socket } from "./socket.ts"

/** The first wait before a return; a server of operators is often far away. */
const firstWaitMs = 1_000

/** Lines to `operators` below a server's address. Throws TypeError when `url` is no address. */
export function openSocketLine(url: string): OpenLine {
  const address = socketAddress(url, "operators")
  return (owner) =>
    new Socket(
      // A refusal comes after the handshake, with a code: there is nothing to ask over HTTP.
      { url: address, protocols: () => [], why: async () => undefined, firstWaitMs },
      owner,
    )
}
