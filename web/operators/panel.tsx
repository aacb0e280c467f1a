/** The operators' panel as the frame knows it. What it shows is loaded when it is first opened. */
import type { VNode } from "preact"
import type { Panel } from "../frame.tsx"
import { LatePanel } from "../late-panel.tsx"
import { pathOf } from "../panels.ts"

export const operatorsPanel: Panel = {
  part: "operators",
  title: "Operators",
  icon: "operators",
  // Whom one talks to is nobody's to read: the address says no more than this.
  address: () => pathOf("operators"),
  fresh: undefined,
  View: () => (
    <LatePanel class="talk" load={() => import("./talk.tsx")}>
      {({ Talk }): VNode => <Talk />}
    </LatePanel>
  ),
}
