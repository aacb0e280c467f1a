/**
 * The codec of pools: which form a frame is in, and what is said when a connection cannot go on.
 *
 * What always holds: decoding never throws at a far end's fault. What cannot be read becomes a "bad"
 * message, since the connection goes on after most of them; and what is sent comes as finished bytes
 * or text, so it is only handed on.
 */
import { WireError } from "./error.ts"
import { compactMark } from "./pools-compact-frame.ts"
import { readCompact } from "./pools-compact-reader.ts"
import { codeOfClosing } from "./pools-errors.ts"
import { bad, readJson } from "./pools-json.ts"
import type { FromApp } from "./pools-shapes.ts"
import { firstForm, tell } from "./pools-told.ts"

/** The most bytes of JSON in front of a mixed frame. */
const mixedHeaderBytes = 1024 * 1024
/** A mixed frame begins with this byte and the length of its JSON. */
const mixedMark = 0
const jsonBytes = new Set([0x7b, 0x20, 0x09, 0x0a, 0x0d])

export const poolsCodec = {
  decode,
  encode: (frame: Uint8Array | string): Uint8Array | string => frame,
  refuse(error: WireError): Uint8Array | string | undefined {
    // Whoever closes with no words has said why already.
    if (error.message === "") return undefined
    const code = codeOfClosing(error.code)
    const fault = { code, sentence: error.message }
    return tell({ kind: "fault", to: null, fault, close: true }, firstForm)
  },
}

function decode(frame: Uint8Array | string): FromApp {
  if (typeof frame === "string") return readJson(frame)
  const first = frame[0]
  if (first === undefined) return bad("bad-frame", "a frame has at least one byte")
  if (jsonBytes.has(first)) return readJson(frame)
  if (first === mixedMark) return readMixed(frame)
  if (first === compactMark) return attempt(frame)
  return bad("bad-frame", `no frame begins with the byte ${first}`)
}

function attempt(frame: Uint8Array): FromApp {
  try {
    return readCompact(frame)
  } catch (thrown) {
    // Its layout is wrong; where the id could be read, its request is told.
    if (!(thrown instanceof WireError)) throw thrown
    return bad("bad-message", thrown.message, { id: idIn(frame) })
  }
}

function idIn(frame: Uint8Array): number | undefined {
  if (frame.length < 12) return undefined
  const view = new DataView(frame.buffer, frame.byteOffset, 12)
  const id = view.getUint32(4) * 0x1_0000_0000 + view.getUint32(8)
  return Number.isSafeInteger(id) ? id : undefined
}

function readMixed(frame: Uint8Array): FromApp {
  if (frame.length < 5)
    return bad("bad-frame", "a mixed frame has the length of its JSON in bytes 1 to 4")
  const length = new DataView(frame.buffer, frame.byteOffset).getUint32(1)
  if (length > mixedHeaderBytes || 5 + length > frame.length) {
    return bad("bad-frame", `a mixed frame has ${frame.length - 5} bytes, ${length} are announced`)
  }
  const raw = frame.subarray(5 + length)
  return readJson(frame.subarray(5, 5 + length), raw)
}
