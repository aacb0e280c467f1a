/** The newest generation of a block held still: in mapped memory, or by the server. */
import type { Mapping } from "./blocks-mapping.ts"
import type { Seat } from "./blocks-seat.ts"
import type { Pinned, ReadOptions, Snapshot } from "./blocks-shapes.ts"
import { fault } from "./pools-faults.ts"
import { numberIn } from "./pools-frames.ts"

type Read = (options: ReadOptions) => Promise<Snapshot>

/** Pins what is newest now. Rejects with PINNED where the app has a pin already. */
export async function pinned(seat: Seat, read: Read): Promise<Pinned> {
  if (seat.isPinned) throw fault("pinned", "this block is pinned here already: release it first")
  for (;;) {
    await seat.ready()
    const { mapping } = seat
    const { state, cell } = seat.facts
    if (mapping === undefined) return pinnedFar(seat, read)
    if (state === "sealed") return { ...mapping.sealed(), release: async () => {} }
    if (cell === undefined) {
      // Marking needs a cell, and memory that can be written.
      seat.wants.pin = true
      await seat.renew()
      continue
    }
    const found = pinnedHere(seat, mapping, cell)
    if (found === "torn") return pinnedFar(seat, read)
    if (found !== "retired") return found
    await seat.renew()
  }
}

function pinnedHere(seat: Seat, mapping: Mapping, cell: number): Pinned | "torn" | "retired" {
  const taken = mapping.pin(cell)
  switch (taken.is) {
    case "pinned": {
      const letGo = seat.hold(mapping)
      const release = async () => {
        // In another mapping the cell is another's.
        if (seat.mapping === mapping && seat.isPinned) mapping.unpin(cell)
        letGo()
      }
      return { data: taken.data, generation: taken.of.generation, release }
    }
    case "empty":
      throw fault("generation-gone", "nothing has been written yet")
    case "torn":
    case "retired":
      return taken.is
  }
}

async function pinnedFar(seat: Seat, read: Read): Promise<Pinned> {
  const generation = numberIn(await seat.ask("pin"), "generation") ?? 0
  const { data } = await read({ generation })
  return { data, generation, release: async () => void (await seat.ask("unpin")) }
}
