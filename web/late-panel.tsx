/** A part's panel whose contents are loaded when it is first opened; a load that failed can be tried again. */
import type { VNode } from "preact"
import { useState } from "preact/hooks"
import { Later } from "./later.tsx"

interface LatePanelProps<T> {
  readonly class: string
  /** Imports what it shows. */
  readonly load: () => Promise<T>
  readonly children: (loaded: T) => VNode
}

export function LatePanel<T>({ class: kind, load, children }: LatePanelProps<T>): VNode {
  const [isLost, setIsLost] = useState(false)
  return (
    <main class={kind}>
      {isLost ? (
        <button type="button" class="button" onClick={() => setIsLost(false)}>
          Load this panel again
        </button>
      ) : (
        <Later load={load} name="This panel" onFailed={() => setIsLost(true)}>
          {children}
        </Later>
      )}
    </main>
  )
}
