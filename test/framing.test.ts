/** Frames that net writes itself, beside those of the library that writes the others on the same socket. */
import assert from "node:assert/strict"
import { test } from "node:test"
import * as ws from "ws"
import { webSocketFraming } from "../src/net/framing.ts"

// ws exports Sender, its types do not know it.
const { Sender } = ws as unknown as {
  readonly Sender: { frame(data: Buffer, options: object): Buffer[] }
}

/** Around each length at which the header changes. */
const lengths = [0, 1, 125, 126, 127, 65_535, 65_536, 70_001]

test("SV10 a frame has the bytes that ws itself would give it, however long it is", () => {
  for (const length of lengths) {
    const bytes = new Uint8Array(length).fill(7)
    const texts = ["x".repeat(length), "é".repeat(length >> 1), `${"x".repeat(length)}\ud800`]
    for (const payload of [bytes, ...texts]) {
      const opcode = typeof payload === "string" ? 1 : 2
      const options = { fin: true, rsv1: false, opcode, mask: false, readOnly: true }
      const expected = Buffer.concat(Sender.frame(Buffer.from(payload), options))
      assert.ok(webSocketFraming(payload).equals(expected), `${length} as opcode ${opcode}`)
    }
  }
})
