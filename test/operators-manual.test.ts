/** Every conversation in docs/protocol/operators.md is held as it says there. */
import assert from "node:assert/strict"
import { readFileSync } from "node:fs"
import { join } from "node:path"
import { test } from "node:test"
import { limits } from "../src/operators/limits.ts"
import { carriers, converse } from "./operators-stage.ts"

const manual = readFileSync(join(import.meta.dirname, "../docs/protocol/operators.md"), "utf8")
const conversations = [...manual.matchAll(/```conversation\n([\s\S]*?)```/g)].map(
  ([, text = ""]) => text,
)

for (const [at, written] of conversations.entries()) {
  for (const carrier of carriers) {
    test(`OP5 OP18 conversation ${at + 1} of the manual is held as it is written (${carrier})`, async () => {
      assert.ok(written.includes(" < "))
      const heard = await converse(written, carrier)
      // Of each far end in order; between far ends the order is not part of the protocol.
      const of = (text: string, name: string) =>
        text.split("\n").filter((line) => line.startsWith(`${name} < `))
      for (const name of ["ada", "bob"]) assert.deepEqual(of(heard, name), of(written, name))
    })
  }
}

test("OP1 OP3 OP29 the manual lists every command there is, and none that rules over others", () => {
  const commands = [...manual.matchAll(/^\| `\$ (\w+)/gm)].map(([, word]) => word)
  const known = "invite callsign die ping pong send got recall waiting sessions end".split(" ")
  assert.deepEqual(
    known.filter((word) => !commands.includes(word)),
    [],
  )
  assert.equal(limits.mailboxMessages, 256)
})
