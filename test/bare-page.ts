/** A page in Chromium with nothing in it but what a server gives out, for tests of its modules. */
import { after } from "node:test"
import { type Browser, chromium, type Page } from "playwright-core"
import { findChromium } from "./needs.ts"

let browser: Browser | undefined
after(() => browser?.close())

/** An empty page of the server at `url`: what it imports and connects to is that server's. */
export async function barePage(url: string): Promise<Page> {
  browser ??= await chromium.launch({
    executablePath: findChromium() ?? "",
    args: [
      ...["--no-sandbox", "--disable-gpu"],
      "--disable-features=LocalNetworkAccessChecks,LocalNetworkAccessChecksWebSockets",
    ],
  })
  const page = await browser.newPage()
  await page.route(`${url}/bare`, (route) =>
    route.fulfill({ body: "<!doctype html><title>app</title>", contentType: "text/html" }),
  )
  await page.goto(`${url}/bare`)
  return page
}
