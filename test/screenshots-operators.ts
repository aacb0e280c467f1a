/**
 * Pictures of the operators' panel: Ada talks to Bob, Carol has written meanwhile, and what was
 * written to Dora waits for her.
 */
import type { Page } from "playwright-core"
import { connect, type Operators } from "../src/client/client.ts"
import { openWindow, type Studio, shoot } from "./screenshots-parts.ts"

const themes = ["light", "dark"] as const
/** Who plays whom. */
const casts = {
  light: { ada: "ada", bobs: "bob", carols: "carol", doras: "dora" },
  dark: { ada: "grace", bobs: "alan", carols: "mary", doras: "kay" },
} as const
const size = { width: 1280, height: 700 }

function enter(url: string, callsign: string): Operators {
  const password = () => `${callsign} has a long password`
  const one = connect(url).operators({ callsign, password, register: true })
  // Who hears takes what comes.
  one.onMessage(() => {})
  return one
}

async function signIn(page: Page, callsign: string): Promise<void> {
  const password = `${callsign} has a long password`
  await page.getByLabel("Callsign").fill(callsign)
  await page.getByLabel("Password").fill(password)
  await page.keyboard.press("Enter")
  await page.getByLabel("The same password").fill(password)
  await page.keyboard.press("Enter")
  await page.getByText("Connected").waitFor()
}

/** Says `text` to the conversation that is open, and waits until it stands as `word`. */
async function say(page: Page, text: string, word: RegExp): Promise<void> {
  const field = page.getByRole("textbox", { name: /^Message to/ })
  await field.fill(text)
  await field.press("Enter")
  await page.locator(".talk-line").filter({ hasText: text }).filter({ hasText: word }).waitFor()
}

async function open(page: Page, callsign: string): Promise<void> {
  await page.getByLabel("Write to a callsign").fill(callsign)
  await page.keyboard.press("Enter")
}

/** Resolves when the page has taken it. */
async function hear(from: Operators, to: string, text: string): Promise<void> {
  await from.send(to, text).ended
}

/** What one sees after some minutes of talk; each theme has people of its own. */
async function talk(studio: Studio, theme: (typeof themes)[number]): Promise<void> {
  const { ada, bobs, carols, doras } = casts[theme]
  const [bob, carol, dora] = [bobs, carols, doras].map((name) => enter(studio.url, name))
  if (bob === undefined || carol === undefined || dora === undefined) return
  await dora.sessions()
  dora.close()
  const page = await openWindow(studio, "operators", { ...size, theme })
  await signIn(page, ada)
  await hear(bob, ada, "Are you at the harbour office?")
  await open(page, bobs)
  await say(page, "Since six. The night log is on the desk.", /taken/)
  await hear(carol, ada, "Good morning from the lock.")
  await open(page, carols)
  await say(page, "Good morning. How is the water?", /taken/)
  await open(page, doras)
  await say(page, "The crane key hangs behind the door.", /queued/)
  await say(page, "And the pilot wants to be called at four.", /queued/)
  await open(page, bobs)
  await hear(bob, ada, "Good. The table says 06:12, and I do not believe it.")
  await hear(bob, ada, "Read me the readings, please, the gauge at the bar is down.")
  await say(page, "06:00  3.31 m\n06:10  3.40 m\n06:20  3.38 m", /taken/)
  await hear(bob, ada, "So high water was at 06:12, as the table has it.")
  await say(page, "To the minute. Shall I tell the Mary Rose?", /taken/)
  await hear(bob, ada, "Yes, north quay, on the evening tide.")
  await say(page, "Done. She answered at once, and sends the pilot her thanks.", /taken/)
  await hear(bob, ada, "Then get some sleep.")
  await hear(carol, ada, "0.9 m over the sill, and falling.")
  await hear(carol, ada, "I open at twelve.")
  await page.getByRole("textbox", { name: /^Message to/ }).fill("When the lock is open. Until then")
  await shoot(page, `operators-${theme}`)
  bob.close()
  carol.close()
}

export async function takeOperators(studio: Studio): Promise<void> {
  for (const theme of themes) await talk(studio, theme)
}
