/** The operators' panel in a browser, for tests: its fields, and the people at the other end. */
import { connect } from "node:net"
import type { TestContext } from "node:test"
import type { Page } from "playwright-core"
import type { Started } from "./harness.ts"
import { until } from "./net-parts.ts"
import { Peer } from "./operators-stage.ts"

/** No rate: what is tested here is the page. */
export const settings = { operatorsPort: 0, operatorsRate: 0 } as const

export const field = (page: Page) => page.getByRole("textbox", { name: /^Message to/ })

export async function send(page: Page, text: string): Promise<void> {
  await field(page).fill(text)
  await field(page).press("Enter")
}

/** A plain socket to the operators' port. */
export async function stream(t: TestContext, { operators }: Started): Promise<Peer> {
  const [host = "", port] = (operators[0] ?? "").split(":")
  const peer = await Peer.stream(connect({ host, port: Number(port), noDelay: true }))
  t.after(() => peer.leaves())
  return peer
}

/** Somebody with netcat, whose password is the callsign: registered if need be. */
export async function netcat(t: TestContext, server: Started, callsign: string): Promise<Peer> {
  const peer = await stream(t, server)
  peer.says(`$ ${callsign} ${callsign}`)
  peer.says(`$ ${callsign} ${callsign}`)
  peer.says(`${callsign} marker`)
  await until(() => peer.lines.includes(`${callsign}: marker`))
  peer.lines.length = 0
  return peer
}

/** Waits until the server has let go of a far end that leaves. */
export async function gone(peer: Peer): Promise<void> {
  peer.leaves()
  await until(() => peer.isOver)
}
