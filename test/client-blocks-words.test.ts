/** The words of a block under a writer that is faster than who looks at them; and its frames. */
import assert from "node:assert/strict"
import { test } from "node:test"
import { read } from "../src/client/pools-frames.ts"
import { at, Damaged, fileBytes, type Header, MemoryArea } from "../src/wire/layout.ts"
import type { Content, Notice } from "../src/wire/pools-memory.ts"
import { tell } from "../src/wire/pools-told.ts"
import { Slots } from "../src/wire/slots.ts"

test("PL98 the newest generation is found however fast it is written", () => {
  const buffer = new ArrayBuffer(fileBytes({ slots: 2, capacity: 64 }))
  const header: Header = {
    ...{ uuid: new Uint8Array(16), flags: new Set(), slots: 2, capacity: 64, createdAt: 0 },
  }
  const writer = new Slots(new MemoryArea(buffer), header)
  const write = () => {
    const rest = { writer: 1, fence: 0, time: 0 }
    writer.write({ offset: "whole", data: Uint8Array.of(1), ...rest })
  }
  write()
  // Between any two looks both slots are written.
  class Racing extends MemoryArea {
    override load(address: number): number {
      const word = super.load(address)
      for (let each = 0; each < 2; each++) write()
      return word
    }
  }
  const newest = new Slots(new Racing(buffer), header).newest()
  assert.ok(newest >= 1 && newest <= writer.newest())
  // What stands still and does not fit is damaged.
  new MemoryArea(buffer).store(at.latest, 999)
  assert.throws(() => new Slots(new MemoryArea(buffer), header).newest(), Damaged)
})

test("PL4 contents and notices of blocks are read as they were told, in compact frames", () => {
  const form = { binary: "both", version: "1.0", dialect: "plain" } as const
  const data = Uint8Array.of(0, 1, 255)
  const contents: readonly Content[] = [
    {
      ...{ kind: "content", to: 7, data, contentType: 200, offset: 0, generation: 2 ** 40 },
      ...{ time: 1_700_000_000_000_000 },
    },
    {
      ...{
        kind: "content",
        to: 8,
        data,
        contentType: 3,
        offset: 0,
        generation: 1,
        time: 0,
        lost: 9,
      },
    },
  ]
  const notices: readonly Notice[] = [
    {
      ...{ kind: "notice", pool: "", blockId: "", attachment: 4, generation: 5, length: 3 },
      ...{ writer: "größe", lost: 2, content: { data, contentType: 2 } },
    },
    {
      ...{ kind: "notice", pool: "", blockId: "", attachment: 4, generation: 5, length: 0 },
      writer: "",
    },
  ]
  for (const message of [...contents, ...notices]) {
    const frame = tell(message, form)
    assert.ok(frame instanceof Uint8Array && frame[0] === 0xb1)
    assert.deepEqual(read(frame), message)
  }
})
