/**
 * Pictures of the relay's panel: a note that a page and three programs write, two of them on
 * y-websocket and one on Hocuspocus, and other rooms beside it.
 */
import { HocuspocusProvider } from "@hocuspocus/provider"
import type { Awareness } from "y-protocols/awareness"
import { WebsocketProvider } from "y-websocket"
import * as Y from "yjs"
import { openWindow, pause, type Studio, shoot, until } from "./screenshots-parts.ts"

/** A room for each theme, since each has an Ada. */
const rooms = { light: "demo/harbour", dark: "demo/wick" } as const
const size = { width: 1280, height: 900 }

const text = `Wick harbour, Saturday 21 November

High water   06:12  3.4 m    18:31  3.6 m
Low water    00:05  0.8 m    12:20  0.9 m

Swell   0.7 m at the bar, read each second
Wind    south west 4, later 5
Sight   good, haze before noon

Arrivals
  11:40  Speedwell, coal, south basin
  17:50  Mary Rose, timber, north quay
  19:15  Provider, herring, market slip

Notes
  The crane is free until four.
  Call the pilot for the Mary Rose at three.
  The gauge at the lock is down: read it by
  hand and write it here.

Next watch:`

/** Who writes, by which library, and behind which words they stand. */
const people = [
  { name: "Grace Hopper", hue: 268, library: "y-websocket", at: "Arrivals" },
  { name: "Alan Turing", hue: 150, library: "y-websocket", at: "free until four" },
  { name: "Tide gauge", hue: 330, library: "hocuspocus", at: "Swell   0.7 m" },
] as const

type Writer = (typeof people)[number] & Replica

interface Replica {
  readonly doc: Y.Doc
  readonly awareness: Awareness
  readonly end: () => void
}

function enter(url: string, name: string, library: "y-websocket" | "hocuspocus"): Replica {
  const doc = new Y.Doc()
  const ws = url.replace("http", "ws")
  if (library === "y-websocket") {
    const line = new WebsocketProvider(`${ws}/yjs`, name, doc, { disableBc: true })
    return { doc, awareness: line.awareness, end: () => line.destroy() }
  }
  const line = new HocuspocusProvider({ url: `${ws}/hocuspocus`, name, document: doc })
  const { awareness } = line
  if (awareness === null) throw new Error("never: it was not told to have none")
  const end = (): void => {
    line.destroy()
    line.configuration.websocketProvider.destroy()
  }
  return { doc, awareness, end }
}

/** Everybody in `room`, with the whole text. */
async function gather(url: string, room: string): Promise<readonly Writer[]> {
  const writers = people.map((person) => ({ ...person, ...enter(url, room, person.library) }))
  writers[0]?.doc.getText("note").insert(0, text)
  await until(() => writers.every(({ doc }) => doc.getText("note").toString() === text))
  for (const { awareness, name, hue } of writers) {
    awareness.setLocalStateField("user", { name, hue, color: `oklch(0.6 0.15 ${hue})` })
  }
  return writers
}

/** Everybody goes to their place; who comes from elsewhere shows their name. */
function move(writers: readonly Writer[]): void {
  for (const { doc, awareness, at } of writers) {
    const note = doc.getText("note")
    const place = (index: number) => Y.createRelativePositionFromTypeIndex(note, index)
    const [start, end] = [place(0), place(text.indexOf(at) + at.length)]
    awareness.setLocalStateField("cursor", { anchor: start, head: start })
    awareness.setLocalStateField("cursor", { anchor: end, head: end })
  }
}

/** The gauge writes what it reads. */
function measure(writers: readonly Writer[], tick: number): void {
  const note = writers.at(-1)?.doc.getText("note")
  const at = text.indexOf("0.7 m") + 2
  note?.doc?.transact(() => {
    note.delete(at, 1)
    note.insert(at, String(5 + (tick % 4)))
  })
}

/** Rooms where programs are busy, and the gauge. Gives what ends them. */
function work(url: string, notes: readonly (readonly Writer[])[]): () => void {
  const crowds = [
    { name: "boards/plan", count: 6 },
    { name: "boards/roster", count: 4 },
    { name: "logs/crane", count: 2 },
  ]
  const busy = crowds.map(({ name, count }) =>
    Array.from({ length: count }, () => enter(url, name, "hocuspocus")),
  )
  let tick = 0
  const timer = setInterval(() => {
    tick += 1
    const changes = Math.round(2 + 2 * Math.sin(tick / 60))
    for (const [at, replicas] of busy.entries()) {
      const replica = replicas[tick % replicas.length]
      if (replica === undefined || at > changes) continue
      replica.doc.getMap("state").set("at", tick)
    }
    if (tick % 20 === 0) for (const writers of notes) measure(writers, tick / 20)
  }, 50)
  return () => {
    clearInterval(timer)
    for (const { end } of [...notes.flat(), ...busy.flat()]) end()
  }
}

/** Light: the note. Dark: beside it a second replica, and below what the server sees. */
export async function takeRelay(studio: Studio): Promise<void> {
  const themes = ["light", "dark"] as const
  const notes = await Promise.all(themes.map((theme) => gather(studio.url, rooms[theme])))
  const end = work(studio.url, notes)
  const pages = await Promise.all(
    themes.map((theme) =>
      openWindow(studio, `relay#${rooms[theme].replace("demo/", "")}`, { ...size, theme }),
    ),
  )
  const dark = pages[1]
  await dark?.getByRole("button", { name: "Second replica", exact: true }).click()
  await dark?.getByRole("button", { name: /server sees/ }).click()
  // The curves show two minutes.
  await pause(120_000)
  for (const [at, theme] of themes.entries()) {
    const [page, writers] = [pages[at], notes[at]]
    if (page === undefined || writers === undefined) continue
    await page.bringToFront()
    await page.locator(".replica .cm-content").first().focus()
    await page.keyboard.press("Control+End")
    move(writers)
    await page.locator(".cm-remoteName", { hasText: "Tide gauge" }).first().waitFor()
    await shoot(page, `relay-${theme}`)
  }
  end()
}
