/**
 * What the tests of Pending say it with: what happened in one line, what came of it in another.
 */
import assert from "node:assert/strict"
import type { Accepted, Effect, Effects, Greeting } from "../src/ot/effects.ts"
import { type Component, Operation } from "../src/ot/operation.ts"
import { Pending } from "../src/ot/pending.ts"

type Row = readonly Component[]

export const me = 7

export function by(id: number, components: Row): Accepted {
  return { id, operation: Operation.from(components) }
}

/** A pending that stands synchronized on `text` at revision 10, as user 7. */
export function synchronized(text: string, more: Partial<Greeting> = {}): Pending {
  const pending = new Pending("key")
  const shown = pending.welcome({ ...greeting, text, ...more }, 0)
  assert.deepEqual(told(shown), text === "" ? [] : [["show", "others", [text]]])
  assert.equal(pending.state, "synchronized")
  return pending
}

/** A Welcome to user 7 at revision 10, with no tail and, as it stands, no text. */
export const greeting: Greeting = {
  id: me,
  epoch: "e.1",
  revision: 10,
  head: 10,
  applied: 0,
  fresh: false,
}

/** Effects in short, for comparison. */
export function told(effects: Effects): readonly (readonly unknown[])[] {
  return effects.map(short)
}

function short(effect: Effect): readonly unknown[] {
  switch (effect.kind) {
    case "send":
      return ["send", effect.seq, effect.revision, effect.operation.components]
    case "show":
      return ["show", effect.by, effect.operation.components]
    case "refused":
      return ["refused", effect.code, effect.inserted]
    case "lost":
      return ["lost", effect.why, effect.mine, effect.server]
    case "emptied":
      return ["emptied", effect.text]
    case "fault":
      return ["fault"]
  }
}

export function types(
  pending: Pending,
  components: Row,
  now = 1_000,
): readonly (readonly unknown[])[] {
  return told(pending.local(Operation.from(components), now))
}

export function hears(pending: Pending, start: number, ...elements: readonly Accepted[]) {
  return told(pending.history(start, elements, 2_000))
}
