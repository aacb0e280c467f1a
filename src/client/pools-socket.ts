/** The connection of an app over WebSocket, which browsers and Node have alike. */
import { comesBack } from "../wire/error.ts"
import { socketAddress } from "./address.ts"
import type { OpenWire } from "./pools-link.ts"

/** The server's own refusals say more in a frame before the end; this is what is left without one. */
const lostSentence = "the connection was lost"

/** Connections to `pools` below a server's address. Throws TypeError when `url` is no address. */
export function openSocketWire(url: string): OpenWire {
  const address = socketAddress(url, "pools")
  return (owner) => {
    const socket = new WebSocket(address)
    socket.binaryType = "arraybuffer"
    let isOpen = false
    let isGivenUp = false
    socket.onopen = () => {
      isOpen = true
      owner.opened()
    }
    socket.onmessage = (event: { readonly data: unknown }) => {
      const { data } = event
      if (typeof data === "string") owner.heard(data)
      else if (data instanceof ArrayBuffer) owner.heard(new Uint8Array(data))
    }
    socket.onclose = (event: { readonly code: number; readonly reason: string }) => {
      if (isGivenUp) return
      const unreached = `${address} cannot be reached`
      const sentence = event.reason !== "" ? event.reason : isOpen ? lostSentence : unreached
      owner.lost(sentence, comesBack(event.code) ? "conn" : "stay")
    }
    return {
      get unsentBytes() {
        return socket.bufferedAmount
      },
      send: (frame) => {
        if (socket.readyState === WebSocket.OPEN) socket.send(frame)
      },
      close: () => {
        isGivenUp = true
        socket.close()
      },
    }
  }
}
