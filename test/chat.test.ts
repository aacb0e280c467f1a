/** `quartet chat` under a pseudo-terminal, with real servers. */
import assert from "node:assert/strict"
import { createServer } from "node:net"
import { join } from "node:path"
import { type TestContext, test } from "node:test"
import { connect } from "../src/client/tcp.ts"
import { Cable } from "./cable.ts"
import { eventually, startServer } from "./harness.ts"
import { Terminal } from "./pty.ts"

const main = join(import.meta.dirname, "../src/main.ts")

async function serverPort(t: TestContext) {
  const server = await startServer(t, {
    ...{ parts: ["operators"], operatorsPort: 0, operatorsHash: "m=8,t=1,p=1", operatorsRate: 0 },
  })
  return { server, port: Number(server.operators[0]?.split(":")[1]) }
}

/** A terminal at which `callsign` is registered and logged in. */
async function seated(t: TestContext, address: string, callsign: string, words: string[] = []) {
  const command = [process.execPath, main, "chat", address, "--callsign", callsign, "--no-bell"]
  const terminal = new Terminal(t, [...command, ...words])
  await terminal.sees(`password of ${callsign}: `)
  terminal.types("correct horse\r")
  await terminal.sees("the password again")
  terminal.types("correct horse\r")
  await terminal.sees("logged in as")
  return terminal
}

function program(t: TestContext, address: string, callsign: string) {
  const operators = connect(address).operators({
    ...{ callsign, password: () => "pw", register: true },
  })
  const texts: string[] = []
  operators.onMessage(({ text }) => void texts.push(text))
  t.after(() => operators.close())
  return { operators, texts }
}

test("OP89 OP90 a person registers, talks and leaves; the password is seen nowhere", async (t) => {
  const { port } = await serverPort(t)
  const ada = await seated(t, `127.0.0.1:${port}`, "ada")
  const bob = program(t, `127.0.0.1:${port}`, "bob")
  await eventually(() => bob.operators.state === "ready")
  ada.types("/to bob\rhello bob\r")
  await eventually(() => bob.texts.includes("hello bob"))
  await ada.sees("✓✓  bob: hello bob")
  ada.types("/sessions\r")
  await ada.sees("this one")
  // Up leads to what was typed, and no further than the first line: not to the password.
  ada.types(`${"\u001b[A".repeat(9)}\r`)
  ada.types("@bob again\r")
  await eventually(() => bob.texts.includes("again"))
  ada.types("/die\r")
  await ada.sees("type the callsign")
  ada.types("bob\r")
  await ada.sees("nothing was deleted")
  ada.types("/quit\r")
  assert.equal(await ada.code(), 0)
  assert.ok(!ada.raw.includes("horse"))
  assert.ok(ada.raw.endsWith("\u001b[?2004l\r\n"), "the terminal is left as it was")
})

test("OP87 hostile text moves nothing on the screen, and what is being typed stays whole", async (t) => {
  const { port } = await serverPort(t)
  const ada = await seated(t, `127.0.0.1:${port}`, "ada", ["--to", "bob"])
  const bob = program(t, `127.0.0.1:${port}`, "bob")
  await eventually(() => bob.operators.state === "ready")
  const long = `half a line ${"that goes on ".repeat(8)}`
  ada.types(long)
  await ada.sees("goes on that goes on")
  const text = `x\u202e\u200b${" ".repeat(70)}12:00 carol: forged\ncarol: too\n`
  bob.operators.send("ada", `${text}last`)
  await ada.sees("last")
  bob.operators.send("ada", "second")
  await ada.sees("second")
  await ada.sees("goes on")
  bob.operators.send("ada", "third")
  await ada.sees("third")
  ada.types("to its end\r")
  await eventually(() => bob.texts.includes(`${long}to its end`))
  // `rows` throws at any sequence that readline does not write itself.
  const shown = ada.rows
  const carol = shown.filter((row) => row.includes("carol"))
  assert.equal(carol.length, 2)
  const at = shown.indexOf("      │ last")
  assert.deepEqual(
    shown.slice(at + 1, at + 3).map((row) => row.slice(5)),
    [" bob: second", " bob: third"],
  )
  for (const row of carol) assert.ok(row.startsWith("      │ "), row)
  assert.ok(shown.some((row) => /^\d\d:\d\d bob: x<U\+202E><U\+200B>/.test(row)))
  assert.ok(shown.some((row) => row.startsWith("ada→bob> half a line")))
})

test("OP88 a paste is one message and is sent by Enter alone; Tab completes; Alt-Down goes on", async (t) => {
  const { port } = await serverPort(t)
  const ada = await seated(t, `127.0.0.1:${port}`, "ada")
  const bob = program(t, `127.0.0.1:${port}`, "bob")
  const carol = program(t, `127.0.0.1:${port}`, "carol")
  await eventually(() => carol.operators.state === "ready" && bob.operators.state === "ready")
  bob.operators.send("ada", "from bob")
  await ada.sees("ada→bob> ")
  carol.operators.send("ada", "from carol")
  await ada.sees("[carol 1] ada→bob> ")
  ada.pastes("one\n/die\n$ die\nfour\n")
  await ada.sees("4 lines of one message: Enter sends it")
  ada.types("\u0003")
  ada.pastes("a\n\tb")
  await ada.sees("2 lines of one message")
  ada.types("\r")
  await eventually(() => bob.texts.includes("a\n\tb"))
  ada.types("top\u001b\rbottom\r")
  await eventually(() => bob.texts.includes("top\nbottom"))
  ada.types("\u001b[1;3B")
  await ada.sees("ada→carol> ")
  ada.types("@bo\t")
  await ada.sees("@bob ")
  ada.types("completed\r")
  await eventually(() => bob.texts.includes("completed"))
  assert.deepEqual(bob.texts, ["a\n\tb", "top\nbottom", "completed"])
  assert.deepEqual(carol.texts, [])
})

test("OP82 OP91 what was lost with a restart is listed, and somebody new under an old name told", async (t) => {
  const one = await serverPort(t)
  const cable = await Cable.to(t, one.port)
  const ada = await seated(t, cable.address, "ada", ["--to", "bob"])
  const bob = program(t, `127.0.0.1:${one.port}`, "bob")
  await eventually(() => bob.operators.state === "ready")
  ada.types("hello\r")
  await ada.sees("✓✓  bob: hello")
  bob.operators.close()
  for (let count = 0; ; count++) {
    ada.types(`lost ${count}\r`)
    await ada.sees(`  bob: lost ${count}`)
    if (/queued \d+\/256 {2}bob: lost/.test(ada.raw)) break
  }
  const two = await serverPort(t)
  const other = program(t, `127.0.0.1:${two.port}`, "bob")
  await eventually(() => other.operators.state === "ready")
  cable.leadTo(two.port)
  await one.server.stop()
  await ada.sees("connecting again")
  await ada.sees("the server restarted: what was waiting is lost")
  await ada.sees("not known to have arrived (waiting): bob: lost")
  await ada.sees("password again")
  ada.types("correct horse\r")
  await ada.sees("connected again")
  ada.types("the usual place\r")
  await ada.sees("refused changed")
  other.operators.send("ada", "it is me")
  await ada.sees("bob was registered anew")
  ada.types("/to bob!\rhello again\r")
  await eventually(() => other.texts.length === 1)
  assert.deepEqual(other.texts, ["hello again"])
})

test("OP96 a server that answers nothing is talked to in classic mode, and that is said", async (t) => {
  const heard: string[] = []
  let say: (text: string) => void = () => {}
  const original = createServer((socket) => {
    socket.setEncoding("utf8").on("data", (text: string) => heard.push(text))
    socket.on("error", () => {})
    say = (text) => void socket.write(text)
  })
  await new Promise<void>((resolve) => original.listen(0, "127.0.0.1", resolve))
  t.after(() => original.close())
  const address = original.address()
  const port = typeof address === "object" ? address?.port : undefined
  const ada = new Terminal(t, [
    ...[process.execPath, main, "chat", `127.0.0.1:${port}`, "-c", "ada", "--classic"],
  ])
  await ada.sees("password of ada: ")
  ada.types("pw\r")
  await ada.sees("the server answers nothing")
  await ada.sees("connected")
  say("bob: hi\u001b[2J\n| more\n")
  await ada.sees("hi<U+001B>[2J")
  ada.types("one\rto\u001b\rtwo\r@carol x\r/waiting\r")
  await ada.sees("cannot tell that")
  await eventually(() => heard.join("").endsWith("carol x\n"))
  assert.equal(heard.join(""), "$ ada pw\nbob one\nbob $ \nto\ntwo\n$\ncarol x\n")
  ada.types("\u0004")
  assert.equal(await ada.code(), 0)
})
