/**
 * Sessions of the operators' bench that log in over WebSocket and say nothing more, weighed.
 */
import { once } from "node:events"
import { connect, type Socket } from "node:net"
import { setTimeout as sleep } from "node:timers/promises"
import { callsignOf } from "./operators-far.ts"
import { Crowd, type Figures } from "./operators-loads.ts"
import { memoryEach, type Server } from "./operators-servers.ts"

/** So many over WebSocket, logged in and then silent; gives bytes for each. */
export async function idleSockets(server: Server, count: number): Promise<Figures> {
  // What is made once, whatever comes after it, is made before anything is counted.
  const few = await Crowd.open(server, 100, "classic")
  await few.saturate(server)
  few.close()
  const opened = [await openSocket(server, 0)]
  await sleep(1_000)
  const empty = await server.memory()
  while (opened.length <= count) {
    const numbers = Array.from({ length: 32 }, (_, at) => opened.length + at)
    opened.push(...(await Promise.all(numbers.map((number) => openSocket(server, number)))))
  }
  await sleep(1_000)
  const memory = memoryEach(empty, await server.memory(), opened.length - 1)
  for (const socket of opened) socket.destroy()
  return { ...memory }
}

/** Written by hand, since a client of `ws` for each would be most of the load. */
async function openSocket({ httpPort }: Server, number: number): Promise<Socket> {
  const socket = connect({ port: httpPort, host: "127.0.0.1", noDelay: true })
  const callsign = callsignOf(number)
  const login = `$ ${callsign} ${callsign}`
  socket.write(
    "GET /operators HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" +
      "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n",
  )
  socket.write(Buffer.concat([login, login, `${callsign} ready`].map(frame)))
  let heard = ""
  socket.setEncoding("latin1")
  while (!heard.includes(": ready")) heard += (await once(socket, "data"))[0]
  return socket
}

/** A masked text frame of less than 126 bytes; the mask is zero. */
function frame(line: string): Buffer {
  return Buffer.concat([Buffer.from([0x81, 0x80 | line.length, 0, 0, 0, 0]), Buffer.from(line)])
}
