/** The page's beginning: draws the frame with the panels of the parts that run. */
import { render } from "preact"
import { documentsPanel } from "./documents/panel.tsx"
import { Frame, type Panel } from "./frame.tsx"
import { keepPage } from "./keeping.ts"
import { operatorsPanel } from "./operators/panel.tsx"
import { panelParts } from "./panels.ts"
import { poolsPanel } from "./pools/panel.tsx"
import { relayPanel } from "./relay/panel.tsx"

/** Every panel there is, in the order of the rail. */
const panels: readonly Panel[] = [documentsPanel, relayPanel, operatorsPanel, poolsPanel]

const page = document.getElementById("page")
if (page === null) throw new Error("never: index.html has the element that the page is drawn in")
followViewport()
render(<Frame panels={panels.filter(({ part }) => panelParts.includes(part))} />, page)
keepPage()

/**
 * Keeps the page as high as what can be seen of it: where an on-screen keyboard covers the page
 * instead of shrinking it, the line being typed would lie under it.
 */
function followViewport(): void {
  const viewport = window.visualViewport
  viewport?.addEventListener("resize", () => {
    const height = viewport.scale === 1 ? `${viewport.height}px` : ""
    document.documentElement.style.setProperty("--view-height", height)
  })
}
