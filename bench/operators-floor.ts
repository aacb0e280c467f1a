/**
 * The floor of the operators: the least that a server in Node can do with lines between callsigns.
 *
 * `$ callsign password` names a connection, whatever the password; `target text` is written to the
 * connection of that name as `sender: text`. What one turn writes to a socket leaves in one piece,
 * as at Quartet. No account, no limit, no mailbox, nothing checked, nothing cleaned.
 */
import { type AddressInfo, createServer, type Socket } from "node:net"

const named = new Map<string, Socket>()
let due: Socket[] = []

const server = createServer({ noDelay: true }, (socket) => {
  let own = ""
  let begun = ""
  socket.setEncoding("utf8")
  socket.on("data", (text: string) => {
    const lines = (begun + text).split("\n")
    begun = lines.pop() ?? ""
    for (const line of lines) {
      const at = line.indexOf(" ")
      const word = line.slice(0, at)
      if (word === "$") {
        own = line.split(" ", 2)[1] ?? ""
        named.set(own, socket)
      } else {
        give(named.get(word), `${own}: ${line.slice(at + 1)}\n`)
      }
    }
  })
  socket.on("close", () => named.get(own) === socket && named.delete(own))
  socket.on("error", () => {})
})

function give(socket: Socket | undefined, line: string): void {
  if (socket === undefined) return
  if (socket.writableCorked === 0) {
    socket.cork()
    if (due.push(socket) === 1) setImmediate(leave)
  }
  socket.write(line)
}

function leave(): void {
  const corked = due
  due = []
  for (const socket of corked) socket.uncork()
}

server.listen({ port: 0, host: "127.0.0.1", backlog: 4_096 }, () => {
  const { port } = server.address() as AddressInfo // of a TCP server that listens
  const operators = `127.0.0.1:${port}`
  process.stderr.write(`${JSON.stringify({ event: "listening", operators })}\n`)
})
