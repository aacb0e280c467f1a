/** The connection of an app over WebSocket, which browsers and Node have alike. */
import { comesBack } from "../wire/error.ts"
import type { OpenWire } from "./pools-link.ts"

/** The server's own refusals say more in a frame before the end; this is what is left without one. */
const lostSentence = "the connection was lost"

/** Connections to `pools` below a server's address. Throws TypeError when `url` is no address. */
export function openSocketWire(url: string): OpenWire {
  const address = new URL(url)
  address.protocol = address.protocol.replace("http", "ws")
  if (!/^wss?:$/.test(address.protocol)) throw new TypeError(`not a server's address: ${url}`)
  // The path of a page's folder stays: a server may lie below one.
  address.pathname = address.pathname.replace(/\/*(?:pools\/?)?$/, "/pools")
  address.search = ""
  address.hash = ""
  const { href } = address
  return (owner) => {
    const socket = new WebSocket(href)
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
      const unreached = `${href} cannot be reached`
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
