/**
 * What an editor is told of what it got wrong: which part, which limit, in numbers that it knows;
 * and what is not wrong, though it looks late.
 */
import assert from "node:assert/strict"
import { join as joinPath } from "node:path"
import { type TestContext, test } from "node:test"
import { systemUser } from "../src/wire/documents-shapes.ts"
import { folder, type Pad, pad } from "./far-end.ts"

const key = "AAAAAAAAAAAAAAAAAAAAAA"

/** A document "notes" with the text "hello!", loaded from the disk at revision 3: plain revision 1. */
function loaded(t: TestContext): Pad {
  const uri = joinPath(folder(t), "pad.db")
  const before = pad(t, { uri })
  const author = before.join("notes")
  author.edits(0, ["hel"])
  author.edits(1, [3, "lo"])
  author.edits(2, [5, "!"])
  before.stop()
  return pad(t, { uri })
}

test("DC13 DC60 a Join that cannot be read is refused for what is wrong with it", (t) => {
  const server = pad(t)
  const resume = { epoch: "e", revision: 1, seq: null, age: 0, pending: false }
  for (const [frame, sentence] of [
    ['{"Join":{"client":"short"}}', /looks like \{"Join":\{"client":"22 characters of base64url"/],
    [JSON.stringify({ Join: { client: key, name: null } }), /looks like \{"Join"/],
    [JSON.stringify({ Join: { client: key, resume: null } }), /looks like "resume":\{"epoch"/],
    [JSON.stringify({ Join: { client: key, resume: { ...resume, age: null } } }), /"age":3/],
    ["not JSON", /^this is not JSON$/],
    ['{"SetLanguage":"go"}', /^the first message is a Join$/],
  ] as const) {
    const far = server.join("notes", { protocols: ["quartet-documents-1"] })
    far.utters(frame)
    assert.equal(far.ended?.code, "bad-message", frame)
    assert.match(far.ended?.sentence ?? "", sentence)
    assert.ok(Buffer.byteLength(far.ended?.sentence ?? "") <= 123, "a close frame holds no more")
  }
})

test("DC60 DC62 DC64 a language or a hue beyond its limit is refused with the limit", (t) => {
  const server = pad(t)
  for (const [message, sentence] of [
    [{ SetLanguage: "a/b" }, /1 to 64 of A-Z a-z 0-9 space \+ # \. _ -$/],
    [{ ClientInfo: { name: "Ada", hue: 1.5 } }, /a whole hue from 0 to 4294967295$/],
  ] as const) {
    const far = server.join("notes")
    far.says(message)
    assert.equal(far.ended?.code, "bad-message")
    assert.match(far.ended?.sentence ?? "", sentence)
    assert.ok(Buffer.byteLength(far.ended?.sentence ?? "") <= 123, "a close frame holds no more")
  }
})

test("DC34 DC55 an edit that does not fit is refused with both lengths, in its editor's revisions", (t) => {
  const server = loaded(t)
  const refusalOf = (revision: number, operation: readonly (string | number)[]) => {
    const far = server.join("notes")
    far.edits(revision, operation)
    return far.ended
  }
  assert.deepEqual(refusalOf(1, [2, "x"]), {
    code: "bad-operation",
    sentence: "the operation covers 2 code points, the text at 1 has 6",
  })
  assert.deepEqual(refusalOf(7, [6, "x"]), {
    code: "stale-revision",
    sentence: "revision 7 is ahead: the text is at 1",
  })
  const x = server.extend("notes", "x")
  x.edits(3, [2, "x"], 1)
  x.edits(7, [6, "x"], 2)
  assert.deepEqual(
    x.all("Error").map((error) => (error as { message: string }).message),
    [
      "the operation covers 2 code points, the text at 3 has 6",
      "revision 7 is ahead: the text is at 3",
    ],
  )
})

test("DC35 R3 what was typed before the past was heard goes left of it, also of a loaded text", async (t) => {
  const server = loaded(t)
  const a = server.join("notes")
  a.edits(1, [6, "?"])
  const b = server.join("notes")
  b.edits(0, ["> "])
  assert.deepEqual(b.heard, [
    { Identity: 2 },
    {
      History: {
        start: 0,
        operations: [
          { id: systemUser, operation: ["hello!"] },
          { id: 1, operation: [6, "?"] },
        ],
      },
    },
    { History: { start: 2, operations: [{ id: 2, operation: ["> ", 7] }] } },
  ])
  assert.equal(await server.text("notes"), "> hello!?")
  b.edits(0, [1, "x"])
  assert.equal(b.ended?.code, "stale-revision", "at revision 0 there is nothing to keep")
})

test("DC35 R3 the empty text is never too far back for a plain editor", async (t) => {
  const server = pad(t, { settings: { windowOperations: 10 } })
  const a = server.join("notes")
  for (let length = 0; length < 30; length += 1) a.edits(length, length > 0 ? [length, "x"] : ["x"])
  const b = server.join("notes")
  b.edits(0, ["é😀"])
  assert.deepEqual(b.all("History").at(-1), {
    start: 30,
    operations: [{ id: 1, operation: ["é😀", 30] }],
  })
  assert.equal(await server.text("notes"), `é😀${"x".repeat(30)}`)
  // Any other revision that the window has let go of is.
  b.edits(5, [5, "y"])
  assert.equal(b.ended?.code, "stale-revision")
})
