/**
 * The relay's panel as the frame knows it. What it shows, and Yjs with it, is loaded when it is
 * first opened, so that it costs nothing to those who write documents.
 */
import type { VNode } from "preact"
import type { Panel } from "../frame.tsx"
import { LatePanel } from "../late-panel.tsx"
import { goTo, openPart, pathOf } from "../panels.ts"
import { formatNote, fresh, go, place } from "./place.ts"

export const relayPanel: Panel = {
  part: "relay",
  title: "Relay",
  icon: "relay",
  address: () => pathOf("relay") + formatNote(place.value),
  fresh: { title: "New note", run: newNote },
  View: Relay,
}

function newNote(): void {
  const address = fresh()
  if (openPart.value === "relay") return go(address)
  place.value = address
  goTo("relay", pathOf("relay") + formatNote(address))
}

function Relay(): VNode {
  return (
    <LatePanel class="relay" load={() => import("./room.tsx")}>
      {({ Room }) => <Room onNew={newNote} />}
    </LatePanel>
  )
}
