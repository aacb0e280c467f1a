/**
 * A value that tells those who watch it when it changes: how the page's plain objects and its
 * components meet. What always holds: nobody is told of a change to the same value.
 */
import { useEffect, useReducer } from "preact/hooks"

/** Takes back what the call that returned it did. */
export type Undo = () => void

export class Cell<T> {
  #value: T
  readonly #watchers = new Set<() => void>()

  constructor(value: T) {
    this.#value = value
  }

  get value(): T {
    return this.#value
  }

  set value(value: T) {
    if (Object.is(value, this.#value)) return
    this.#value = value
    // A watcher may stop watching while it is told: the round goes over those of before.
    for (const watcher of [...this.#watchers]) watcher()
  }

  watch(watcher: () => void): Undo {
    this.#watchers.add(watcher)
    return () => this.#watchers.delete(watcher)
  }
}

/** The cell's value; the component is drawn anew when it changes. */
export function useCell<T>(cell: Cell<T>): T {
  const redraw = useRedraw()
  const drawn = cell.value
  useEffect(() => {
    const undo = cell.watch(redraw)
    if (!Object.is(cell.value, drawn)) redraw() // it changed between drawing and watching
    return undo
  }, [cell])
  return drawn
}

/** A function that has the component drawn anew. */
export function useRedraw(): () => void {
  const [, redraw] = useReducer<number, void>((count) => count + 1, 0)
  return redraw as () => void // a reducer's dispatch takes its action, and here there is none
}
