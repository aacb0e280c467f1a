/** Pictures of a document: three people write a program together, and a visitor looks on. */
import type { Page } from "playwright-core"
import { connect, type SharedText } from "../src/client/client.ts"
import { openWindow, type Studio, shoot, until } from "./screenshots-parts.ts"

const id = "tides"

const code = `import { readFile } from "node:fs/promises"

/** A tide table for one harbour: when the water is high, and how high. */
export class Tides {
  readonly #heights = new Map<number, number>()

  /** Reads lines of \`time;metres\`, as the harbour office publishes them. */
  static async load(path: string): Promise<Tides> {
    const tides = new Tides()
    for (const line of (await readFile(path, "utf8")).split("\\n")) {
      const [time, metres] = line.split(";")
      if (time === undefined || metres === undefined) continue
      tides.#heights.set(Date.parse(time), Number(metres))
    }
    return tides
  }

  /** The next high water after \`now\`; undefined where the table ends. */
  next(now: number): { at: Date; metres: number } | undefined {
    const times = [...this.#heights.keys()].sort((a, b) => a - b)
    const at = times.find((time) => time > now)
    return at && { at: new Date(at), metres: this.#heights.get(at) ?? 0 }
  }
}

const tides = await Tides.load("tables/wick.csv")
const high = tides.next(Date.now())
console.log(high ? \`High water at \${high.at.toLocaleTimeString()}\` : "No table for today")
`

/** Who writes, and the piece they have selected or stand behind. */
const people = [
  { name: "Grace Hopper", hue: 268, at: "return tides", how: "behind" },
  {
    name: "Alan Turing",
    hue: 150,
    at: "if (time === undefined || metres === undefined) continue",
    how: "selected",
  },
  { name: "Mary Jackson", hue: 330, at: "as the harbour office", how: "behind" },
] as const

const pictures = [
  { name: "documents-light", width: 1280, height: 780, theme: "light", act: lookOn },
  { name: "documents-dark", width: 1280, height: 780, theme: "dark", act: follow },
  { name: "documents-phone", width: 390, height: 780, theme: "light", act: lookOn },
] as const

type Picture = (typeof pictures)[number]

/** Writes the program line by line, each person in turn, as a real history would have it. */
async function write(writers: readonly SharedText[]): Promise<void> {
  const [first] = writers
  await until(() => writers.every((writer) => writer.state === "synchronized"))
  first?.setLanguage("typescript")
  for (const [index, line] of code.split(/(?<=\n)/).entries()) {
    const writer = writers[index % writers.length]
    writer?.replace(writer.text.length, writer.text.length, line)
    await until(() => writers.every((each) => each.text === first?.text))
  }
  await Promise.all(writers.map((writer) => writer.whenSaved()))
}

/** Everybody goes to their place; each time anew, so that their names are shown. */
function gather(writers: readonly SharedText[]): void {
  for (const [index, { at, how }] of people.entries()) {
    const from = code.indexOf(at)
    const to = from + at.length
    // Somewhere else first: who does not move shows no name.
    writers[index]?.setCursors({ cursors: [0], selections: [] })
    writers[index]?.setCursors({
      cursors: [to],
      selections: how === "selected" ? [[from, to]] : [],
    })
  }
}

/** Somebody types at the end, and the others' names stand at their carets. */
async function lookOn(page: Page): Promise<void> {
  await page.locator(".cm-content").focus()
  await page.keyboard.press("Control+End")
  await page
    .locator(".cm-scroller")
    .evaluate("document.querySelector('.cm-scroller').scrollTo(0, 0)")
}

/** The drawer is open, and the visitor follows Grace. */
async function follow(page: Page): Promise<void> {
  await page.getByRole("button", { name: "People and settings" }).click()
  await page.getByRole("button", { name: "Follow Grace Hopper" }).click()
  await page.getByText("Following Grace Hopper").waitFor()
  await page.mouse.move(640, 700)
}

async function take(studio: Studio, writers: readonly SharedText[], picture: Picture) {
  const page = await openWindow(studio, `#${id}`, picture)
  await page.locator(".tok-keyword").first().waitFor()
  await page.locator(".state-words").filter({ hasText: "Saved" }).waitFor()
  await picture.act(page)
  gather(writers)
  await page.locator(".cm-remoteSelection").first().waitFor()
  await page
    .locator(".cm-remoteCaret")
    .nth(people.length - 1)
    .waitFor()
  await shoot(page, picture.name)
}

export async function takeDocuments(studio: Studio): Promise<void> {
  const writers = people.map((person) => connect(studio.url, person).documents.open(id))
  await write(writers)
  for (const picture of pictures) await take(studio, writers, picture)
  await Promise.all(writers.map((writer) => writer.close()))
}
