/**
 * A part of the page that is loaded when it is first shown. Nothing is drawn until it is there;
 * a load that fails is told, and whoever wanted it is asked to take it away again.
 */
import type { VNode } from "preact"
import { useEffect, useState } from "preact/hooks"
import { tell } from "./notices.tsx"

interface LaterProps<T> {
  /** Imports it. The browser itself remembers what it has loaded. */
  readonly load: () => Promise<T>
  /** What it is called when it cannot be loaded: "The share sheet". */
  readonly name: string
  readonly onFailed: () => void
  readonly children: (loaded: T) => VNode
}

export function Later<T>({ load, name, onFailed, children }: LaterProps<T>): VNode | null {
  const [loaded, setLoaded] = useState<{ readonly part: T }>()
  useEffect(() => {
    let isWanted = true
    load().then(
      (part) => isWanted && setLoaded({ part }),
      () => {
        if (!isWanted) return
        tell("later", `${name} could not be loaded: there is no line to the server`)
        onFailed()
      },
    )
    return () => {
      isWanted = false
    }
  }, [])
  return loaded === undefined ? null : children(loaded.part)
}
