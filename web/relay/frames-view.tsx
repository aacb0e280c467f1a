/** The newest frames of a replica's line, as the server sees them. Closed, it is one line. */
import type { VNode } from "preact"
import { useCell } from "../cell.ts"
import { Icon } from "../more-icons.tsx"
import type { Frames } from "./frames.ts"

interface FramesProps {
  readonly frames: Frames
  readonly isSealed: boolean
  readonly isOpen: boolean
  readonly onSwitch: () => void
}

export function FramesView({ frames, isSealed, isOpen, onSwitch }: FramesProps): VNode {
  return (
    <section class="frames" aria-label="What the server sees">
      <button type="button" class="frames-switch" aria-expanded={isOpen} onClick={onSwitch}>
        <Icon name={isOpen ? "down" : "right"} />
        What the server sees
        <span class="quiet frames-hint">
          {isSealed ? "names, sizes and noise" : "in an encrypted note, noise"}
        </span>
      </button>
      {isOpen && <List frames={frames} />}
    </section>
  )
}

function List({ frames }: { readonly frames: Frames }): VNode {
  const seen = useCell(frames.seen)
  return (
    // Reached by Tab, so that it can be scrolled without a mouse.
    // biome-ignore lint/a11y/noNoninteractiveTabindex: it scrolls
    <ol class="frames-list" aria-label="Newest frames first" tabIndex={0}>
      {seen.length === 0 && (
        <li class="quiet">Nothing has crossed this line yet. Type something.</li>
      )}
      {/* By their places: what comes on top must not push the others about. */}
      {seen.map(({ way, what, bytes, text }, at) => (
        <li key={at} class="frame" data-way={way}>
          <span class="frame-way">
            <Icon name={way === "sent" ? "up" : "down"} />
            <span class="unseen">{way}</span>
          </span>
          <span class="frame-what">{what}</span>
          <span class="frame-bytes">{bytes.toLocaleString("en")} B</span>
          <code class="frame-text">{text}</code>
        </li>
      ))}
    </ol>
  )
}
