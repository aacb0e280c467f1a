/** Names and colours for newcomers (DC124), and how a name is shown in a small circle. */
import type { Self } from "../preferences.ts"

/** One more is easily added: nothing else knows them. */
const animals: readonly string[] = (
  "Alpaca Badger Beaver Bison Bittern Camel Caracal Cat Chamois Cormorant Crane Curlew Deer " +
  "Dolphin Dormouse Eagle Egret Elk Ermine Falcon Ferret Finch Fox Gazelle Gecko Giraffe Goose " +
  "Hare Hawk Hedgehog Heron Horse Ibex Iguana Jackdaw Jay Kestrel Kingfisher Koala Lark Lemur " +
  "Linnet Lynx Magpie Marmot Marten Mole Moose Newt Nightjar Ocelot Octopus Okapi Orca Osprey " +
  "Otter Owl Panda Penguin Pika Plover Puffin Quail Rabbit Raven Robin Salamander Seal Sparrow " +
  "Squirrel Stork Swallow Swift Tapir Tern Toad Tortoise Vole Walrus Weasel Wombat Wren Yak Zebra"
).split(" ")

/** Colours closer than this are one colour to many eyes. */
const nearDegrees = 30
/** So often a hue is drawn before the widest gap is taken instead. */
const limitDraws = 20

/** A name and a colour for who has chosen none. */
export function drawSelf(): Self {
  const animal = animals[Math.floor(Math.random() * animals.length)] ?? "Otter"
  return { name: `Anonymous ${animal}`, hue: drawHue([]) }
}

/** A hue away from `taken`: drawn, or the middle of the widest gap where they leave no room. */
export function drawHue(taken: readonly number[]): number {
  for (let draw = 0; draw < limitDraws; draw += 1) {
    const hue = Math.floor(Math.random() * 360)
    if (!isNear(hue, taken)) return hue
  }
  return middleOfWidestGap(taken)
}

/** Whether `hue` could be taken for one of `taken`. */
export function isNear(hue: number, taken: readonly number[]): boolean {
  return taken.some((other) => {
    const apart = Math.abs(hue - other) % 360
    return Math.min(apart, 360 - apart) < nearDegrees
  })
}

function middleOfWidestGap(taken: readonly number[]): number {
  const round = taken.toSorted((one, other) => one - other)
  let widest = { from: round.at(-1) ?? 0, width: 0 }
  for (const [index, hue] of round.entries()) {
    const next = round[index + 1] ?? (round[0] ?? 0) + 360
    if (next - hue > widest.width) widest = { from: hue, width: next - hue }
  }
  return Math.floor(widest.from + widest.width / 2) % 360
}

const graphemes = new Intl.Segmenter(undefined, { granularity: "grapheme" })

/** The first character of the first and of the last word, as a reader counts characters. */
export function initials(name: string): string {
  const words = name.split(/\s+/).filter(Boolean)
  const chosen = words.length > 1 ? [words[0], words.at(-1)] : words
  const letters = chosen.map((word) => [...graphemes.segment(word ?? "")][0]?.segment ?? "")
  return letters.join("").toUpperCase() || "?"
}
