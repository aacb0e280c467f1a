/** Pictures of the pools' panel: apps that call each other all the time, at one trigger. */
import { type App, connect } from "../src/client/pools.ts"
import { openWindow, pause, type Studio, shoot } from "./screenshots-parts.ts"

const themes = ["light", "dark"] as const
const size = { width: 1280, height: 900 }

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
    const one = await connect(url).pools({ app, instances: true })
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

/** Two minutes of work first: the curves show so much. */
export async function takePools(studio: Studio): Promise<void> {
  const end = await work(studio.url)
  const pages = await Promise.all(
    themes.map((theme) =>
      openWindow(studio, "pools#default/trigger/image.resize", { ...size, theme }),
    ),
  )
  await pause(120_000)
  for (const [at, theme] of themes.entries()) {
    const page = pages[at]
    if (page === undefined) continue
    await page.bringToFront()
    await page.getByLabel(/^width/).fill("640")
    await page.locator(".explained").getByText("chosen").waitFor()
    await shoot(page, `pools-${theme}`)
  }
  await end()
}
