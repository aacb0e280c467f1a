/** The same from a terminal: what is typed there, with a button that copies the way in. */
import type { VNode } from "preact"
import { CopyButton } from "../copy-button.tsx"

/** Where the lines are unless whoever runs the server chose otherwise. */
const usualPort = 9696

interface TerminalProps {
  /** What is typed once it is connected. */
  readonly lines: readonly string[]
}

export function Terminal({ lines }: TerminalProps): VNode {
  const host = location.hostname.replace(/^\[|\]$/g, "")
  const way = `nc ${host} ${usualPort}`
  return (
    <>
      <div class="terminal">
        {/* biome-ignore lint/a11y/noNoninteractiveTabindex: it scrolls */}
        <section tabIndex={0} aria-label="Lines for a terminal">
          <pre>{[way, ...lines].join("\n")}</pre>
        </section>
        <CopyButton label="Copy the way in" text={way} what="The way in" />
      </div>
      <p class="quiet talk-small">{usualPort} unless whoever runs the server chose another port.</p>
    </>
  )
}
