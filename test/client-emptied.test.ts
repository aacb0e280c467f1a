/** A document that the server has not any more: whoever still shows its text decides. */
import assert from "node:assert/strict"
import { type TestContext, test } from "node:test"
import { Operation, type SharedText } from "../src/client/client.ts"
import { agree, isSynchronized, next, open, restartable, until } from "./client-parts.ts"

/** Two with one text, whose server has lost it; `meanwhile` is done while there is none. */
async function emptied(t: TestContext, meanwhile = (_ada: SharedText, _bob: SharedText) => {}) {
  const server = await restartable(t) // in memory: a restart forgets everything
  const ada = open(t, server, "notes")
  const bob = open(t, server, "notes")
  ada.replace(0, 0, "precious")
  await agree(ada, bob)
  await server.stop()
  meanwhile(ada, bob)
  const told = [next(ada, "emptied"), next(bob, "emptied")]
  await server.start()
  ada.hurry()
  bob.hurry()
  return { server, ada, bob, choices: await Promise.all(told) }
}

test("DC150 when the server has nothing any more its user decides", async (t) => {
  for (const choice of ["restore", "discard"] as const) {
    const server = await restartable(t) // in memory: a restart forgets everything
    const text = open(t, server, "notes")
    text.replace(0, 0, "precious")
    await text.whenSaved()
    await server.stop()
    text.replace(8, 8, " words")
    const emptied = next(text, "emptied")
    await server.start()
    text.hurry()
    const { text: left, restore, discard } = await emptied
    assert.equal(left, "precious words")
    assert.equal(text.state, "resuming")
    const witness = open(t, server, "notes")
    await until([witness], () => isSynchronized(witness))
    assert.equal(witness.text, "")
    if (choice === "restore") restore()
    else discard()
    const expected = choice === "restore" ? "precious words" : ""
    assert.equal(await agree(text, witness), expected)
  }
})

test("DC150 two who restore one text at the same moment give it once", async (t) => {
  const { server, ada, bob, choices } = await emptied(t)
  const lost: string[] = []
  for (const text of [ada, bob]) text.on("lost", ({ why }) => lost.push(why))
  for (const { restore } of choices) restore()
  // What each types behind it is no part of what was restored, and stays.
  ada.replace(0, 0, "[ada]")
  bob.replace(bob.text.length, bob.text.length, "[bob]")
  const witness = open(t, server, "notes")
  await until([witness], () => witness.text.includes("[ada]") && witness.text.includes("[bob]"))
  const text = await agree(ada, bob, witness)
  assert.equal(text.match(/precious/g)?.length, 1, text)
  assert.equal(text.length, "[ada]precious[bob]".length)
  assert.deepEqual(lost, [], "both had the same: nothing is lost")
})

test("DC150 who restores second and had another text is offered it beside the first's", async (t) => {
  const { ada, bob, choices } = await emptied(t, (ada, bob) => {
    ada.replace(8, 8, " by ada")
    bob.replace(8, 8, " by bob")
  })
  const lost = Promise.race([next(ada, "lost"), next(bob, "lost")])
  for (const { restore } of choices) restore()
  const { why, mine, server: theirs, resend } = await lost
  assert.equal(why, "rolled-back")
  assert.deepEqual([mine, theirs].toSorted(), ["precious by ada", "precious by bob"])
  assert.equal(await agree(ada, bob), theirs)
  resend()
  assert.equal(await agree(ada, bob), mine)
})

test("DC150 a text that another restored before is taken as it is", async (t) => {
  const { server, ada, bob, choices } = await emptied(t)
  const [first, second] = choices
  bob.on("lost", () => assert.fail("nothing is lost"))
  first?.restore()
  await ada.whenSaved()
  const witness = open(t, server, "notes")
  await until([witness], () => isSynchronized(witness))
  second?.restore()
  witness.edit(Operation.from([8, "!"]))
  assert.equal(await agree(ada, bob, witness), "precious!")
})
