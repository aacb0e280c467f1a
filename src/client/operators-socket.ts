/** A line of operators over WebSocket, which browsers and Node have alike. */
import type { OpenLine } from "./operators-shapes.ts"
import { Socket } from "./socket.ts"

/** The first wait before a return; a server of operators is often far away. */
const firstWaitMs = 1_000

/** Lines to `operators` below a server's address. Throws TypeError when `url` is no address. */
export function openSocketLine(url: string): OpenLine {
  const address = new URL(url)
  address.protocol = address.protocol.replace("http", "ws")
  if (!/^wss?:$/.test(address.protocol)) throw new TypeError(`not a server's address: ${url}`)
  // The path of a page's folder stays: a server may lie below one.
  address.pathname = address.pathname.replace(/\/*(?:operators\/?)?$/, "/operators")
  address.search = ""
  address.hash = ""
  const { href } = address
  return (owner) =>
    new Socket(
      // A refusal comes after the handshake, with a code: there is nothing to ask over HTTP.
      { url: href, protocols: () => [], why: async () => undefined, firstWaitMs },
      owner,
    )
}
