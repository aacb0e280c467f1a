/**
 * The pictures of the README, taken from the page at work: a real server, three people who write
 * a program together, a visitor who looks on, and apps that call each other. `npm run screenshots`
 * writes them anew, so they show what there is.
 */
import { mkdirSync, mkdtempSync, rmSync, statSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { type Browser, chromium, type Page } from "playwright-core"
import { connect, type SharedText } from "../src/client/client.ts"
import { type App, connect as connectPools } from "../src/client/pools.ts"
import { createServer } from "../src/server.ts"
import { findChromium } from "./needs.ts"

const images = join(import.meta.dirname, "../docs/images")
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
  { name: "Grace Hopper", hue: 268, at: "times.find((time) => time > now)", how: "behind" },
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

/** The pools' panel, at a trigger that is called all the time. */
const poolsPictures = [
  { name: "pools-light", theme: "light" },
  { name: "pools-dark", theme: "dark" },
] as const

/** Resolves when `look` gives true. */
async function until(look: () => boolean): Promise<void> {
  while (!look()) await new Promise((resolve) => setImmediate(resolve))
}

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

async function take(
  browser: Browser,
  url: string,
  writers: readonly SharedText[],
  picture: Picture,
) {
  const { name, width, height, theme, act } = picture
  const context = await browser.newContext({
    viewport: { width, height },
    deviceScaleFactor: width < 640 ? 2 : 1.5,
    colorScheme: theme,
    reducedMotion: "reduce",
    isMobile: width < 640,
    hasTouch: width < 640,
  })
  await context.addInitScript(
    `localStorage.setItem("quartet.self", JSON.stringify({ name: "Ada Lovelace", hue: 24 }))`,
  )
  const page = await context.newPage()
  await page.goto(`${url}/#${id}`)
  await page.locator(".tok-keyword").first().waitFor()
  await page.locator(".state-words").filter({ hasText: "Saved" }).waitFor()
  await act(page)
  gather(writers)
  await page.locator(".cm-remoteSelection").first().waitFor()
  await page
    .locator(".cm-remoteCaret")
    .nth(people.length - 1)
    .waitFor()
  const path = join(images, `${name}.png`)
  await page.screenshot({ path })
  process.stdout.write(`${path}: ${Math.round(statSync(path).size / 1_000)} KB\n`)
  await context.close()
}

/** Apps that handle a trigger, one that calls it, and one that is away. Gives what ends them. */
async function work(url: string): Promise<() => Promise<void>> {
  const input = {
    type: "object",
    required: ["width"],
    properties: {
      width: { type: "integer", description: "In px" },
      format: { enum: ["avif", "webp", "png"] },
      sharpen: { type: "boolean" },
    },
  }
  const apps: App[] = []
  const enter = async (app: string): Promise<App> => {
    const one = await connectPools(url).pools({ app, instances: true })
    apps.push(one)
    return one
  }
  for (const [at, concurrency] of [2, 4, 1].entries()) {
    const resize = await enter("resize")
    let count = 0
    const scale = async ({ width }: { width: number }) => {
      count += 1
      await pause(4 + ((count * 7) % 40) * (at + 1))
      if (count % 37 === 0) throw Object.assign(new Error("no image"), { code: "E_IMAGE" })
      return { width, bytes: width * 321 }
    }
    const description = "Scales an image to a width."
    const offer = { input, description, version: "2.1.0", concurrency }
    await resize.handle("image.resize", scale, { ...offer, policy: "least_pending" })
  }
  const mailer = await enter("mailer")
  await mailer.handle("mail.send", () => pause(90), { description: "Sends a letter." })
  await (await enter("reports")).close()
  const web = await enter("web")
  await web.pool("billing").create({ description: "Money, kept apart." })
  const ledger = await enter("ledger")
  await ledger.pool("billing").join()
  await ledger.handle("entry.add", () => true, { pool: "billing" })
  let tick = 0
  const timer = setInterval(() => {
    tick += 1
    const calls = 1 + Math.round(2 + 2 * Math.sin(tick / 40))
    for (let count = 0; count < calls; count++) {
      web.call("image.resize", { width: 640 }).catch(() => {})
    }
    if (tick % 4 === 0) web.call("mail.send", {}).catch(() => {})
  }, 50)
  return async () => {
    clearInterval(timer)
    await Promise.all(apps.map((app) => app.close({ withinMs: 0 })))
  }
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}

/** Two minutes of work first: the curves show so much. */
async function takePools(browser: Browser, url: string): Promise<void> {
  const end = await work(url)
  const pages = await Promise.all(
    poolsPictures.map(async ({ theme }) => {
      const context = await browser.newContext({
        ...{ viewport: { width: 1280, height: 900 }, deviceScaleFactor: 1.5 },
        ...{ colorScheme: theme, reducedMotion: "reduce" },
      })
      const page = await context.newPage()
      await page.goto(`${url}/pools#default/trigger/image.resize`)
      return page
    }),
  )
  await pause(120_000)
  for (const [at, { name }] of poolsPictures.entries()) {
    const page = pages[at]
    if (page === undefined) continue
    await page.bringToFront()
    await page.getByLabel(/^width/).fill("640")
    await page.locator(".explained li").nth(2).waitFor()
    const path = join(images, `${name}.png`)
    await page.screenshot({ path })
    process.stdout.write(`${path}: ${Math.round(statSync(path).size / 1_000)} KB\n`)
    await page.context().close()
  }
  await end()
}

const executablePath = findChromium()
if (executablePath === undefined) {
  process.stderr.write("Chromium is not installed: no pictures were taken\n")
  process.exit(1)
}
const dataDir = mkdtempSync(join(tmpdir(), "quartet-pictures-"))
const server = createServer({
  port: 0,
  operatorsPort: undefined,
  poolsPort: undefined,
  dataDir,
  sqliteUri: join(dataDir, "quartet.db"),
  logLevel: "silent",
  drainSeconds: 0,
})
const { port } = await server.start()
const url = `http://127.0.0.1:${port}`
const browser = await chromium.launch({
  executablePath,
  args: ["--no-sandbox", "--disable-gpu", "--force-color-profile=srgb"],
})
try {
  mkdirSync(images, { recursive: true })
  const writers = people.map((person) => connect(url, person).documents.open(id))
  await write(writers)
  for (const picture of pictures) await take(browser, url, writers, picture)
  await Promise.all(writers.map((writer) => writer.close()))
  await takePools(browser, url)
} finally {
  await browser.close()
  await server.stop()
  rmSync(dataDir, { recursive: true, force: true })
}
