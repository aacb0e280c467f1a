/** How a floor or a peer begins: on any free port of this host, told in a line as Quartet logs it. */
import type { AddressInfo, Server } from "node:net"

export function listenAndTell(server: Server): void {
  server.listen(0, "127.0.0.1", () => {
    const { port } = server.address() as AddressInfo // of a TCP server that listens
    const url = `http://127.0.0.1:${port}/`
    process.stderr.write(`${JSON.stringify({ event: "listening", url })}\n`)
  })
}
