/**
 * Random texts and operations for the laws of `ot/`, made from tapes of small numbers: fast enough
 * for 100,000 cases of a law, and a shorter tape of smaller numbers is a simpler case, so what
 * fast-check shrinks to can be read.
 */
import fc from "fast-check"
import { type Component, Operation } from "../src/ot/operation.ts"

/** What texts are made of: ASCII, LF, combining marks, other scripts, astral characters, ZWJ sequences. */
const atoms = [
  ..."abcxyz 019",
  "\n",
  "\n",
  "\u0301", // a combining acute accent
  "e\u0308\u0323",
  "ß",
  "ж",
  "中",
  "\u200d", // a joiner alone
  "😀",
  "𐅣",
  "🎉",
  "👨‍👨‍👦‍👦",
  "👯‍♂️",
] as const

/** Numbers to decide by. */
export type Tape = readonly number[]

/** A tape of up to `maxLength` numbers from 0 to 255; of any length equally likely. */
export function tape(maxLength: number): fc.Arbitrary<Tape> {
  return fc.array(fc.nat({ max: 255 }), { maxLength, size: "max" })
}

/** The text a tape spells, atom by atom. */
export function textOf(numbers: Tape): string {
  return numbers.map((number) => atoms[number % atoms.length]).join("")
}

/** The components a tape spells for a text of `length` code points: in no normal form, zeros included. */
export function componentsOf(numbers: Tape, length: number): readonly Component[] {
  const components: Component[] = []
  let left = length
  for (const number of numbers) {
    const count = Math.min(left, number >> 3)
    switch (number & 7) {
      case 0:
      case 1:
        components.push(count % 8)
        left -= count % 8
        break
      case 2:
      case 3:
        components.push(-(count % 4))
        left -= count % 4
        break
      case 4:
        components.push(-(count % 16))
        left -= count % 16
        break
      case 5:
        components.push("")
        break
      default:
        components.push(
          atoms[count % atoms.length] ?? "",
          atoms[(number >> 2) % atoms.length] ?? "",
        )
    }
  }
  components.push(left)
  return components
}

/** The operation a tape spells for a text of `length` code points. */
export function operationOf(numbers: Tape, length: number): Operation {
  return Operation.from(componentsOf(numbers, length))
}

/** An operation that changes one place at most, for a text of `length` code points. */
export function onePlaceOf(numbers: Tape, length: number): Operation {
  const [place = 0, deleted = 0, text = 0, more = 0] = numbers
  const at = place % (length + 1)
  const gone = deleted % 3 === 0 ? 0 : Math.min(length - at, deleted % 7)
  const inserted = text % 3 === 0 ? "" : textOf([text, more])
  return Operation.from([at, inserted, -gone, length - at - gone])
}

/** The code points of a text, one string each. */
export function pointsOf(text: string): readonly string[] {
  return Array.from(text)
}

/** Random numbers from 0 up to 1, the same for the same seed. Source: mulberry32, public domain. */
export function seeded(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}
