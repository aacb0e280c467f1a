/** What all makers of pictures share: where the pictures lie, a window to look through, and waits. */
import { writeFileSync } from "node:fs"
import { join } from "node:path"
import type { Browser, Page } from "playwright-core"
import { smaller } from "./screenshots-png.ts"

/** Where the README finds them. */
export const images = join(import.meta.dirname, "../docs/images")

/** A real server, and the browser that looks at it. */
export interface Studio {
  readonly browser: Browser
  /** `http://127.0.0.1:PORT`, without a slash at the end. */
  readonly url: string
}

export interface Window {
  readonly width: number
  readonly height: number
  readonly theme: "light" | "dark"
}

/** A window at `path`, as Ada Lovelace has it; below 640 px a phone. */
export async function openWindow(studio: Studio, path: string, window: Window): Promise<Page> {
  const { width, height, theme } = window
  const isPhone = width < 640
  const context = await studio.browser.newContext({
    viewport: { width, height },
    deviceScaleFactor: isPhone ? 2 : 1.5,
    colorScheme: theme,
    reducedMotion: "reduce",
    isMobile: isPhone,
    hasTouch: isPhone,
  })
  await context.addInitScript(
    `localStorage.setItem("quartet.self", JSON.stringify({ name: "Ada Lovelace", hue: 24 }))`,
  )
  const page = await context.newPage()
  await page.goto(`${studio.url}/${path}`)
  return page
}

/** Writes what the window shows as `name`.png, and closes the window. */
export async function shoot(page: Page, name: string): Promise<void> {
  const path = join(images, `${name}.png`)
  const picture = smaller(await page.screenshot())
  writeFileSync(path, picture)
  process.stdout.write(`${path}: ${Math.round(picture.length / 1_000)} KB\n`)
  await page.context().close()
}

export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}

/** Resolves when `look` gives true. */
export async function until(look: () => boolean): Promise<void> {
  while (!look()) await pause(10)
}
