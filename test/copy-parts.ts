/** Live replicas of Yjs rooms, copies in a real store, and a store that fails when told to. */
import * as Y from "yjs"
import { Log } from "../src/log.ts"
import type { Copy, CopyShelf } from "../src/relay/copies.ts"
import { Seal } from "../src/relay/copies-seal.ts"
import { SqliteCopies } from "../src/relay/copies-sqlite.ts"
import { relayOptions } from "../src/relay/limits.ts"
import { openStore, type Store } from "../src/store.ts"
import type { RelayWorld, Visit, YjsEnd } from "./relay-parts.ts"

/** Copies in a store, by default a fresh one in memory. */
export function copiesIn(
  store: Store = openStore({ uri: ":memory:" }),
  { bounds = {}, key }: { bounds?: { copyTotalBytes?: number }; key?: string } = {},
): SqliteCopies {
  const log = new Log("silent")
  const chance = (length: number) => crypto.getRandomValues(new Uint8Array(length))
  const seal = key === undefined ? undefined : new Seal(key, chance)
  const options = { ...relayOptions({}), ...bounds }
  return new SqliteCopies({ store, log, wake: () => {}, bounds: options, seal })
}

/** A shelf whose store does not answer well while `isBroken`. */
export class BreakableCopies implements CopyShelf {
  readonly keeps = true
  isBroken = false
  readonly #shelf: SqliteCopies

  constructor(shelf: SqliteCopies) {
    this.#shelf = shelf
  }

  get(...[key, answer]: Parameters<CopyShelf["get"]>): void {
    if (this.isBroken) queueMicrotask(() => answer("away"))
    else this.#shelf.get(key, answer)
  }

  put(...[key, copy, answer]: Parameters<CopyShelf["put"]>): void {
    if (this.isBroken) queueMicrotask(() => answer("away"))
    else this.#shelf.put(key, copy, answer)
  }

  remove(...[key, answer]: Parameters<CopyShelf["remove"]>): void {
    this.#shelf.remove(key, answer)
  }

  tick(now: number): void {
    this.#shelf.tick(now)
  }
}

/** What is kept of a room; undefined for nothing. */
export async function copyOf(
  shelf: CopyShelf & { tick(now: number): void },
  key: string,
  now: number,
): Promise<Copy | undefined> {
  return new Promise((resolve, reject) => {
    shelf.get(key, (found) => (found === "away" ? reject(new Error("away")) : resolve(found)))
    shelf.tick(now)
  })
}

export function documentWith(text: string): Y.Doc {
  const doc = new Y.Doc()
  doc.getText("t").insert(0, text)
  return doc
}

export function textOf(doc: Y.Doc): string {
  return doc.getText("t").toString()
}

/** The text in a copy. */
export function textIn(copy: Copy | undefined): string | undefined {
  if (copy === undefined) return undefined
  const doc = new Y.Doc()
  Y.applyUpdate(doc, copy.bytes)
  return textOf(doc)
}

/** A replica that does what y-websocket does: it answers, and takes up what it is told. */
export class Live {
  readonly end: YjsEnd
  readonly doc: Y.Doc
  /** The vectors that it was asked with, as clocks by client; and what it was told, by kind. */
  readonly asked: Map<number, number>[] = []
  readonly told: string[] = []
  answers: "at once" | "never" = "at once"

  private constructor(end: YjsEnd, doc: Y.Doc) {
    this.end = end
    this.doc = doc
    doc.on("update", (update: Uint8Array, origin: unknown) => {
      if (origin !== this) end.update(update)
    })
  }

  /** Comes to a room with what `doc` has. */
  static async comes(world: RelayWorld, doc = new Y.Doc(), visit: Visit = {}): Promise<Live> {
    const live = new Live(world.comes(visit), doc)
    live.end.step1(doc)
    await world.settle()
    live.heed()
    return live
  }

  get isSynced(): boolean {
    return this.told.includes("step2")
  }

  types(text: string): void {
    this.doc.getText("t").insert(this.doc.getText("t").length, text)
  }

  /** Does with what it was told what its client does. */
  heed(): void {
    for (const message of this.end.take()) {
      this.told.push(message.kind)
      if (message.kind === "step1") {
        this.asked.push(Y.decodeStateVector(message.vector))
        if (this.answers === "at once") this.end.step2(this.doc, message.vector)
      } else if (message.kind === "step2" || message.kind === "update") {
        Y.applyUpdate(this.doc, message.update, this)
      }
    }
  }
}

/** Lets time pass for a world and those who live in it. */
export async function live(world: RelayWorld, ms: number, ...replicas: Live[]): Promise<void> {
  const until = world.now + ms
  while (world.now < until) {
    await world.pass(Math.min(100, until - world.now))
    for (const replica of replicas) replica.heed()
    await world.settle()
    for (const replica of replicas) replica.heed()
  }
}
