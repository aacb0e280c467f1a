/**
 * The relay's panel as the frame knows it. What it shows, and Yjs with it, is loaded when it is
 * first opened, so that it costs nothing to those who write documents.
 */
import type { VNode } from "preact"
import { useState } from "preact/hooks"
import type { Panel } from "../frame.tsx"
import { Later } from "../later.tsx"
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
  const [isLost, setIsLost] = useState(false)
  return (
    <main class="relay">
      {isLost ? (
        <p class="relay-lost">
          The relay's panel could not be loaded.{" "}
          <button type="button" class="button" onClick={() => setIsLost(false)}>
            Try again
          </button>
        </p>
      ) : (
        <Later
          load={() => import("./room.tsx")}
          name="The relay's panel"
          onFailed={() => setIsLost(true)}
        >
          {({ Room }) => <Room onNew={newNote} />}
        </Later>
      )}
    </main>
  )
}
