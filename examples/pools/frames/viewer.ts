/**
 * Shows in a browser what frames.py draws. The frames lie in shared memory: nobody copies them here
 * but the answer to the browser. Usage: node viewer.ts [tcp://127.0.0.1:45227] [port]
 */
import { createServer } from "node:http"
import type { AddressInfo } from "node:net"
import { connect } from "../../../src/client/tcp.ts"

const [address = "tcp://127.0.0.1:45227", port = "8080"] = process.argv.slice(2)
const app = await connect(address).pools({ app: "viewer", instances: true })
const frames = await app.pool("default").block.attach("frames")

const page = `<!doctype html><meta charset="utf-8"><title>Frames</title>
<canvas width="320" height="240"></canvas><p id="generation"></p>
<script type="module">
const context = document.querySelector("canvas").getContext("2d")
for (;;) {
  const answer = await fetch("/frame", { cache: "no-store" })
  const pixels = new Uint8ClampedArray(await answer.arrayBuffer())
  if (pixels.length > 0) context.putImageData(new ImageData(pixels, 320, 240), 0, 0)
  generation.textContent = answer.headers.get("generation")
  await new Promise(requestAnimationFrame)
}
</script>`

const server = createServer(async (request, response) => {
  if (request.url !== "/frame") return response.setHeader("content-type", "text/html").end(page)
  try {
    const { data, generation } = await frames.read()
    response.setHeader("generation", generation).end(data)
  } catch (thrown) {
    response.writeHead(503).end(String(thrown))
  }
})
server.listen(Number(port), "127.0.0.1", () => {
  const { port: taken } = server.address() as AddressInfo // never a path: it listens on a port
  console.log(`http://127.0.0.1:${taken}/ reads by ${frames.via}`)
})
