/** The pools' panel as the frame knows it. What it shows, and the SDK with it, is loaded when it is first opened. */
import type { VNode } from "preact"
import type { Panel } from "../frame.tsx"
import { LatePanel } from "../late-panel.tsx"
import { pathOf } from "../panels.ts"

/** The hash of what is open in it, for the rail. Kept by the panel once it is there. */
export const shown = { hash: "" }

export const poolsPanel: Panel = {
  part: "pools",
  title: "Pools",
  icon: "pools",
  address: () => pathOf("pools") + shown.hash,
  fresh: undefined,
  View: () => (
    <LatePanel class="pools" load={() => import("./board.tsx")}>
      {({ Board }): VNode => <Board />}
    </LatePanel>
  ),
}
