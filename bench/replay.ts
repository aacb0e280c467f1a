/**
 * A planned session, sent by its writers as fast as the server takes it.
 *
 * Each writer sends an edit as soon as he has heard all of the others' that it was written after,
 * and the server has accepted all that stand before it in the file: so its order is the file's.
 * His own he need not have heard, up to a limit. All editors are plain ones, who hear of nothing
 * but edits; in a session that is too long for them (DC55) extended ones.
 */
import { type Place, Room } from "./editors.ts"
import type { Plan } from "./trace.ts"

/** Edits that were sent and that nobody has heard yet. */
const inFlight = 256
/** A server may end plain editors once so much has happened. */
const plainLimit = 50_000

/** Lets the writers and `readers` more editors in. All of them keep what they hear. */
export function openReplay(
  target: Place,
  { agents, edits }: Plan,
  { id, readers }: { readonly id: string; readonly readers: number },
): Promise<Room> {
  const editors = agents + readers
  const shape = edits.length < plainLimit ? ({ shape: "plain" } as const) : {}
  return Room.open(target, { id, editors, text: "", ...shape, mirrors: editors })
}

/** Resolves with the number of edits, once everybody in the room has heard all of them. */
export async function replay(room: Room, plan: Plan): Promise<number> {
  const waits = waitsOf(plan)
  const writers = room.editors.slice(0, plan.agents)
  let next = 0
  const send = () => {
    const messages: string[][] = writers.map(() => [])
    for (; next < plan.edits.length && next - room.revision < inFlight; next += 1) {
      const edit = plan.edits[next]
      const wait = waits[next]
      const writer = writers[edit?.agent ?? 0]
      if (edit === undefined || wait === undefined || writer === undefined) break
      if (room.revision < wait.accepted || writer.revision < wait.heard) break
      const operation = JSON.stringify(edit.operation).slice(1, -1)
      messages[edit.agent]?.push(writer.message(edit.revision, operation))
    }
    for (const [agent, writer] of writers.entries()) writer.send(...(messages[agent] ?? []))
  }
  room.onHeard = send
  send()
  await room.reach(plan.edits.length)
  return plan.edits.length
}

/** Rejects if the text on the server is not what the plan ends with; the room has compared it with everyone's. */
export async function checkReplay({ target, options }: Room, plan: Plan): Promise<void> {
  if (target.kind === "floor" || (await target.text(options.id)) === plan.text) return
  throw new Error("the replayed text is not the recorded one")
}

/** What an edit waits for: so many must have been accepted, and so many its writer must have heard. */
interface Wait {
  readonly accepted: number
  readonly heard: number
}

function waitsOf({ agents, edits }: Plan): readonly Wait[] {
  // Of each writer and revision: the first revision that holds all of the others' before it.
  const others: number[][] = Array.from({ length: agents }, () => [0])
  for (const [index, { agent }] of edits.entries()) {
    for (const [at, own] of others.entries()) {
      own.push(at === agent ? (own[index] ?? 0) : index + 1)
    }
  }
  return edits.map(({ agent, revision }, index) => ({
    accepted: others[agent]?.[index] ?? 0,
    heard: others[agent]?.[revision] ?? 0,
  }))
}
