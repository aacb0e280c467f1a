/** What `quartet chat` shows and reads, without a terminal: hostile text, pastes, typed lines. */
import assert from "node:assert/strict"
import { test } from "node:test"
import fc from "fast-check"
import { Contacts } from "../src/cli/chat-contacts.ts"
import { Keys } from "../src/cli/chat-keys.ts"
import { messageRows, wishOf } from "../src/cli/chat-words.ts"
import { rows, visible } from "../src/cli/terminal.ts"

/** Text as somebody would write it who wants to look like somebody else. */
const hostile = fc
  .array(
    fc.oneof(
      fc.string({ unit: "binary", maxLength: 12 }),
      fc.constantFrom(
        "\u001b[2J",
        "\r",
        "\n",
        "\t",
        "\u202e",
        "\u200b",
        "\ud83d",
        "漢字",
        "12:00 bob: ",
      ),
      fc.nat({ max: 200 }).map((count) => " ".repeat(count)),
    ),
  )
  .map((parts) => parts.join(""))

test("OP87 nothing that a terminal obeys is in what is shown, and what has no look is a number", () => {
  assert.equal(
    visible("a\u001b[31mb\u0007\u202e\u200d\u2066\ufeff\u0085\u{e0041}"),
    ["a<U+001B>[31mb<U+0007><U+202E><U+200D><U+2066><U+FEFF><U+0085><U+E0041>"].join(""),
  )
  assert.equal(visible("größe 漢字 👍\tx\ny"), "größe 漢字 👍\tx\ny")
  fc.assert(
    fc.property(hostile, (text) => {
      assert.doesNotMatch(visible(text), /[^\P{C}\t\n\p{Co}\p{Cn}]/u)
    }),
  )
})

test("OP87 however wide the terminal and whatever the text, one row begins with the sender", () => {
  fc.assert(
    fc.property(hostile, fc.integer({ min: 24, max: 120 }), (text, columns) => {
      const shown = messageRows({ sender: "ada", text, at: 0 }, columns)
      assert.match(shown[0] ?? "", /^\d\d:\d\d ada: /)
      for (const row of shown.slice(1)) assert.ok(row.startsWith("      │ "), row)
      // No terminal breaks a row itself: what is not ASCII takes two columns at most.
      for (const row of shown) {
        const width = Array.from(row).reduce((sum, each) => sum + (each <= "\x7f" ? 1 : 2), 0)
        assert.ok(width <= columns, `${width} of ${columns}`)
      }
      const whole = shown.map((row) => row.replace(/^(?:\d\d:\d\d ada: | {6}│ )/, "")).join("")
      assert.equal(whole, visible(text).replaceAll("\t", "    ").replaceAll("\n", ""))
    }),
  )
  assert.deepEqual(rows("abcdef", { columns: 4, first: "> ", rest: "| " }), [
    "> ab",
    "| cd",
    "| ef",
  ])
})

function keyed() {
  const heard: (string | undefined)[] = []
  const keys = new Keys({
    pasted: (text) => heard.push(text === undefined ? undefined : `paste ${text}`),
    newline: () => heard.push("newline"),
  })
  let typed = ""
  keys.keys.on("data", (bytes: Buffer) => {
    typed += bytes
  })
  return { keys, heard, typed: () => typed }
}

test("OP88 a paste and Alt-Enter are found wherever the bytes are cut", async () => {
  const bytes = Buffer.from(
    "hé\u001b[A\u001b[200~one\r\ntwo\u001b[31m\rdreiß\u001b[201~x\u001b\ry\u001b[B",
  )
  for (let at = 0; at <= bytes.length; at++) {
    const { keys, heard, typed } = keyed()
    keys.push(bytes.subarray(0, at))
    keys.push(bytes.subarray(at))
    await new Promise((resolve) => setImmediate(resolve))
    assert.deepEqual(heard, ["paste one\ntwo\u001b[31m\ndreiß", "newline"], `cut at ${at}`)
    assert.equal(typed(), "hé\u001b[Axy\u001b[B", `cut at ${at}`)
    keys.close()
  }
})

test("OP88 a paste that is longer than a message can be is told, and not kept", () => {
  const { keys, heard } = keyed()
  keys.push(Buffer.from("\u001b[200~"))
  for (let count = 0; count < 100; count++) keys.push(Buffer.alloc(10_000, "x"))
  keys.push(Buffer.from("\u001b[201~\u001b[200~ok\u001b[201~"))
  assert.deepEqual(heard, [undefined, "paste ok"])
  keys.close()
})

test("OP88 a typed line has one reading", () => {
  const say = (target: string | undefined, text: string) => ({ kind: "say", target, text })
  assert.deepEqual(wishOf("hello", "line"), say(undefined, "hello"))
  assert.deepEqual(wishOf("@bob hi  there", "line"), say("bob", "hi  there"))
  assert.deepEqual(wishOf("@bob\nhi\n/die", "draft"), say("bob", "hi\n/die"))
  assert.deepEqual(wishOf("/die", "draft"), say(undefined, "/die"))
  assert.deepEqual(wishOf("//die", "line"), say(undefined, "/die"))
  assert.deepEqual(wishOf("/to @bob", "line"), { kind: "to", target: "bob", isNew: false })
  assert.deepEqual(wishOf("/to bob!", "line"), { kind: "to", target: "bob", isNew: true })
  assert.deepEqual(wishOf("/end 3", "line"), { kind: "end", session: 3 })
  assert.deepEqual(wishOf("/recall", "line"), { kind: "recall", id: undefined })
  for (const line of ["/nonsense", "/to", "/end x", "@bob", "@b\u001bob hi", "/search", "/diet"]) {
    assert.equal(wishOf(line, "line").kind, "wrong", line)
  }
})

test("OP91 a callsign that was registered anew is told once, and accepted by hand", () => {
  const contacts = new Contacts()
  assert.equal(contacts.meet("Bob", "00000001"), "known")
  assert.equal(contacts.meet("bob", "00000001"), "known")
  assert.equal(contacts.meet("bob", "00000002"), "changed")
  assert.equal(contacts.meet("bob", "00000002"), "known")
  assert.equal(contacts.of("bob").generation, "00000001")
  contacts.accept("bob")
  assert.equal(contacts.of("bob").generation, "00000002")
  assert.deepEqual(contacts.names, ["Bob"])
  for (let count = 0; count < 2_000; count++) contacts.of(`n${count}`)
  assert.equal(contacts.all.length, 1_000)
  contacts.of("n1999").unread = 1
  assert.equal(contacts.nextUnread("n1500")?.name, "n1999")
})
