/** Lines of the operators: cleaned, read, written; and all the ways to forge one. */
import assert from "node:assert/strict"
import { test } from "node:test"
import fc from "fast-check"
import { isReserved, skeletonOf } from "../src/operators/callsign.ts"
import { LineReader, overlong } from "../src/wire/lines.ts"
import {
  cleaned,
  escaped,
  isCallsign,
  type Line,
  lineBytes,
  misshapen,
  operatorsCodec,
  operatorsSocketCodec,
  parseLine,
  unescaped,
} from "../src/wire/operators.ts"
import { circuitOf } from "../src/wire/proxy-line.ts"
import { Exchange } from "./operators-parts.ts"

const controls = ["\r", "\v", "\f", "\u0085", "\u2028", "\u2029", "\u001b[2J", "\0", "\u007f", "\b"]

/** Texts with everything that could end a line, begin one, or redraw a terminal. */
const nasty = fc
  .array(
    fc.oneof(
      fc.constantFrom(
        "\n",
        "\t",
        "\\",
        "\\n",
        "$ ",
        "| ",
        "$ from ",
        "ada: ",
        "root: ",
        ...controls,
      ),
      fc.string({ maxLength: 8 }),
      fc.string({ unit: "grapheme", maxLength: 4 }),
    ),
    { maxLength: 12 },
  )
  .map((pieces) => pieces.join(""))

test("OP53 every control character but TAB becomes U+FFFD, in both modes", () => {
  for (const control of controls) {
    assert.equal(cleaned(`a${control[0]}b\t`), "a\ufffdb\t", JSON.stringify(control))
  }
  for (const mode of ["classic", "extended"] as const) {
    const exchange = new Exchange()
    const bob = exchange.member("bob", mode)
    exchange.member("ada", mode).says("bob a\rmia: b\u001b[1A\u2028mia: c")
    assert.match(bob.news()[0] ?? "", /a\ufffdmia: b\ufffd\[1A\ufffdmia: c$/)
  }
})

test("OP53 invalid UTF-8 becomes U+FFFD, and a character cut in two stays whole", () => {
  const bytes = Buffer.concat([Buffer.from("bob \ud83d\ude00 "), Buffer.from([0xff, 0xc0, 0x0a])])
  for (let at = 0; at <= bytes.length; at++) {
    const reader = new LineReader(lineBytes)
    const pieces = [bytes.subarray(0, at), bytes.subarray(at)]
    const lines = pieces.flatMap((piece) => [...reader.push(piece)])
    assert.deepEqual(lines, ["bob \ud83d\ude00 \ufffd\ufffd"], `cut at ${at}`)
  }
})

test("OP52 OP4 what any session hears reads back as exactly what was accepted", () => {
  fc.assert(
    fc.property(fc.array(nasty, { minLength: 1, maxLength: 6 }), (texts) => {
      const exchange = new Exchange()
      const classic = exchange.member("bob", "classic")
      const extended = exchange.member("bob", "extended")
      const ada = exchange.member("ada")
      const accepted: string[] = []
      for (const text of texts) {
        ada.says(`$ send r${accepted.length} bob ${escaped(text)}`)
        const clean = text.split("\n").map(cleaned).join("\n")
        if (ada.news().some((line) => line.startsWith("$ sent"))) accepted.push(clean)
      }
      assert.deepEqual(readClassic(classic.news()), accepted)
      const told = extended.news()
      assert.ok(told.every((line) => line.startsWith("$ ") && !line.includes("\n")))
      const read = told.filter((line) => line.startsWith("$ from ada "))
      assert.deepEqual(
        read.map((line) => unescaped(line.split(" ").slice(6).join(" "))),
        accepted,
      )
    }),
    { numRuns: 150 },
  )
})

/** The texts of a classic session that hears from ada only; throws for a line of anyone else. */
function readClassic(lines: readonly string[]): readonly string[] {
  const texts: string[] = []
  for (const line of lines) {
    assert.ok(!line.includes("\n"), "a line is one line")
    if (line.startsWith("ada: ")) texts.push(line.slice(5))
    else if (line.startsWith("| ")) texts.push(`${texts.pop()}\n${line.slice(2)}`)
    else throw new Error(`forged: ${line}`)
  }
  return texts
}

test("OP52 a block of lines cannot pose as another sender either", () => {
  fc.assert(
    fc.property(fc.array(nasty, { maxLength: 6 }), (lines) => {
      const exchange = new Exchange()
      const bob = exchange.member("bob", "classic")
      const ada = exchange.member("ada", "classic")
      const said = lines.map((line) => line.replaceAll("\n", " ")).filter((line) => line !== "$")
      ada.says("bob $")
      for (const line of said) ada.says(line)
      ada.says("$")
      const text = said.map(cleaned).join("\n")
      assert.deepEqual(readClassic(bob.news()), text === "" ? [] : [text])
    }),
    { numRuns: 150 },
  )
})

test("OP52 a text is escaped and read back, and no other backslash is taken", () => {
  fc.assert(fc.property(nasty, (text) => assert.equal(unescaped(escaped(text)), text)))
  for (const bad of ["\\", "a\\t", "\\\\\\", "\\\\\\x", "\\N"]) {
    assert.equal(unescaped(bad), undefined, bad)
  }
  assert.equal(unescaped("\\\\n"), "\\n")
})

test("OP45 a callsign is 1 to 32 letters, digits, dashes and underscores, and begins with no dash", () => {
  for (const good of ["a", "9", "Ada-1_", "x".repeat(32)]) assert.ok(isCallsign(good), good)
  for (const bad of ["", "-a", "_a", "x".repeat(33), "a b", "ada:", "\u00e9", "a\n"]) {
    assert.ok(!isCallsign(bad), bad)
  }
  for (const word of ["quartet", "Root", "EVERYONE", "me"]) assert.ok(isReserved(word), word)
})

test("OP51 what looks alike has one skeleton", () => {
  const alike = [
    ["modern", "rnodem"],
    ["vvolf", "wolf"],
    ["o0", "0O"],
    ["i1l", "L-L_l"],
    ["a-b", "ab"],
  ]
  for (const [one = "", other = ""] of alike) assert.equal(skeletonOf(one), skeletonOf(other), one)
  assert.notEqual(skeletonOf("ada"), skeletonOf("adb"))
})

test("OP54 a text beyond its limits is refused whole", () => {
  const exchange = new Exchange()
  const bob = exchange.member("bob", "classic")
  const ada = exchange.member("ada")
  const block = (lines: readonly string[]) => {
    for (const line of ["bob $", ...lines, "$"]) ada.says(line)
  }
  block(Array(201).fill("x"))
  block(Array(100).fill("\u20ac".repeat(60)))
  ada.says(`$ send r1 bob ${Array(201).fill("x").join("\\n")}`)
  ada.says(`bob ${"\u20ac".repeat(5_462)}`)
  assert.deepEqual(
    ada.news().map((line) => line.split(" ").at(-1)),
    Array(4).fill("too-long"),
  )
  assert.deepEqual(bob.news(), [])
  block(Array(200).fill("x"))
  ada.says(`bob ${"\u20ac".repeat(5_461)}`)
  assert.equal(bob.news().length, 201)
})

test("OP54 a line above its limit, or a message with a newline, spoils the block it stands in", () => {
  const exchange = new Exchange()
  const ada = exchange.member("ada")
  const lines: readonly Line[] = ["ada $", "x", overlong, "y", "$", "ada $", misshapen, "$"]
  for (const line of lines) ada.says(line)
  assert.deepEqual(ada.news(), ["$ refused - too-long", "$ refused - bad-line"])
})

test("OP5 a WebSocket message is one line, and one that holds a newline is none", () => {
  const { decode } = operatorsSocketCodec
  assert.equal(decode("bob hi\r"), "bob hi")
  assert.equal(decode("bob hi\nada: x"), misshapen)
  assert.equal(decode("x".repeat(lineBytes - 1)), "x".repeat(lineBytes - 1))
  assert.equal(decode("x".repeat(lineBytes)), overlong)
  assert.equal(decode("\u20ac".repeat(lineBytes / 3)), overlong)
  assert.throws(() => decode(new Uint8Array(1)), { code: "bad-message" })
  assert.equal(operatorsCodec.decode(new Uint8Array(0)), overlong)
})

test("OP2 whatever a line holds, it has one reading, and an answer no longer than a line", () => {
  const line = fc.oneof(
    nasty.map(cleaned),
    fc
      .tuple(fc.constantFrom("$ ", "$ send ", "$ got ", "bob ", "$ end "), nasty.map(cleaned))
      .map((p) => p.join("")),
  )
  const modes = fc.constantFrom("classic" as const, "extended" as const)
  const stages = fc.constantFrom("new" as const, "stranger" as const, "member" as const)
  fc.assert(
    fc.property(line, modes, stages, (text, mode, stage) => {
      const said = parseLine(text, mode, stage)
      if (mode === "classic") assert.notEqual(said.kind, "refused")
      if (stage !== "member") assert.notEqual(said.kind, "message")
    }),
    { numRuns: 2_000 },
  )
  fc.assert(
    fc.property(fc.array(line, { maxLength: 12 }), (lines) => {
      const exchange = new Exchange()
      const ada = exchange.member("ada")
      for (const each of lines) ada.says(each)
      assert.deepEqual(exchange.faults, [])
      assert.ok(ada.heard.every((told) => told.startsWith("$ ") && told.length < lineBytes))
    }),
    { numRuns: 300 },
  )
})

test("OP74 a PROXY line names a circuit, or is none", () => {
  const good = "PROXY TCP6 fc00:dead:beef:4dad::8d:1f ::1 65535 42"
  assert.equal(circuitOf(good), "008d001f")
  assert.equal(circuitOf(`${good}\r`), "008d001f")
  assert.equal(circuitOf("PROXY TCP6 fc00:dead:beef:4dad::FFFF:0 ::1 1 2"), "ffff0000")
  const bad = [
    "",
    "PROXY",
    "PROXY TCP4 127.0.0.1 127.0.0.1 1 2",
    good.replace("4dad", "4dae"),
    good.replace("8d:1f", "8d1f8:1"),
    good.replace("65535", "65536"),
    `${good} `,
    ` ${good}`,
    good.replace("::1 ", "::2 "),
    `${good}\r\r`,
  ]
  for (const line of bad) assert.equal(circuitOf(line), undefined, line)
})
