/**
 * A program of its own that writes or reads blocks at full speed, for tests that stop and kill it.
 *
 *     node test/client-blocks-worker.ts '{"role": "write", "address": "unix:…", …}'
 *
 * What always holds: a content tells what it must be: its first 8 bytes are a number, and each word
 * behind them is that number mixed with its place.
 */
import { pathToFileURL } from "node:url"
import type { Block } from "../src/client/blocks-shapes.ts"
import { connect } from "../src/client/tcp.ts"

export interface Job {
  readonly role: "write" | "read"
  readonly address: string
  readonly app: string
  readonly block: string
  readonly bytes: number
  readonly map?: "auto" | "off"
}

/** The content with a number, in `into`. */
export function fill(into: Uint8Array, number: number): Uint8Array {
  const words = new Uint32Array(into.buffer, into.byteOffset, into.length >>> 2)
  for (let at = 0; at < words.length; at++) words[at] = mixed(number, at)
  words[0] = number
  return into
}

/** The number of a content that is whole; undefined for a torn one. */
export function numberOf(data: Uint8Array): number | undefined {
  const whole = data.byteOffset % 4 === 0 ? data : data.slice()
  const words = new Uint32Array(whole.buffer, whole.byteOffset, whole.length >>> 2)
  const number = words[0] ?? 0
  for (let at = 1; at < words.length; at++) if (words[at] !== mixed(number, at)) return undefined
  return number
}

function mixed(number: number, at: number): number {
  return (Math.imul(number, 2_654_435_761) + at) >>> 0
}

async function write(block: Block, bytes: number): Promise<void> {
  const content = new Uint8Array(bytes)
  console.log("begun")
  for (let number = 1; ; number++) {
    // Again and again a turn of the loop, so that the connection lives.
    const until = performance.now() + 5
    do {
      number += 1
      if (block.via === "map") block.put(fill(content, number))
      else await block.write(fill(content, number))
    } while (performance.now() < until)
    await new Promise((resolve) => setTimeout(resolve, 0))
  }
}

/** Says every 100 ms how many whole, torn and backward contents it has seen. */
async function read(block: Block): Promise<void> {
  const into = new Uint8Array(block.capacity)
  const seen = { whole: 0, torn: 0, back: 0 }
  let newest = 0
  console.log("begun")
  for (;;) {
    const until = performance.now() + 50
    do {
      const found = block.via === "map" ? peeked(block, into) : await block.read().catch(whenBusy)
      if (found === undefined || found.generation === 0) continue
      if (numberOf(found.data) === undefined) seen.torn += 1
      else seen.whole += 1
      if (found.generation < newest) seen.back += 1
      newest = found.generation
    } while (performance.now() < until)
    console.log(JSON.stringify(seen))
    await new Promise((resolve) => setTimeout(resolve, 0))
  }
}

/** Two slots may be written faster than anybody reads over a socket. */
function whenBusy(thrown: { readonly code?: string }): undefined {
  if (thrown.code !== "BUSY") throw thrown
}

/** Undefined where writers were faster 64 times: the server would be asked. */
function peeked(block: Block, into: Uint8Array) {
  try {
    return block.peek(into)
  } catch (thrown) {
    return whenBusy(thrown as { code?: string })
  }
}

async function work({ role, address, app, block: id, bytes, map = "auto" }: Job): Promise<void> {
  const own = await connect(address).pools({ app, map })
  const { block } = own.pool("default")
  const attached = await block.attach(id, { mode: role })
  if (role === "write") await write(attached, bytes)
  else await read(attached)
}

const [, program, job] = process.argv
if (program !== undefined && pathToFileURL(program).href === import.meta.url) {
  // What starts it is the test beside it.
  await work(JSON.parse(job ?? "") as Job)
}
