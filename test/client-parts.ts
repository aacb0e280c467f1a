/** What tests of the SDK share: texts that are left when the test ends, and waiting for them. */
import assert from "node:assert/strict"
import { join } from "node:path"
import type { TestContext } from "node:test"
import {
  connect,
  type OfflineRecord,
  type OfflineStore,
  type OpenOptions,
  type SharedText,
  type TextEvents,
} from "../src/client/client.ts"
import { lastingPort, type Started, startServer, temporaryDirectory } from "./harness.ts"

const events = [
  "change",
  "state",
  "editors",
  "access",
  "saved",
  "refused",
  "lost",
  "emptied",
  "closed",
  "kept",
] as const satisfies readonly (keyof TextEvents)[]

/** Opens a document; it is left when the test ends. */
export function open(
  t: TestContext,
  server: { url: string },
  id: string,
  options: OpenOptions = {},
) {
  const text = connect(server.url).documents.open(id, options)
  t.after(() => text.close())
  return text
}

/** Resolves as soon as `holds` does, looking after each event of these texts. */
export function until(texts: readonly SharedText[], holds: () => boolean): Promise<void> {
  return new Promise((resolve) => {
    const forget: (() => void)[] = []
    const look = () => {
      if (!holds()) return
      for (const undo of forget) undo()
      resolve()
    }
    for (const text of texts) for (const event of events) forget.push(text.on(event, look))
    look()
  })
}

export function isSynchronized(...texts: readonly SharedText[]): boolean {
  return texts.every((text) => text.state === "synchronized")
}

/** Resolves when all of these show the same and the server has it. */
export async function agree(...texts: readonly SharedText[]): Promise<string> {
  const [first] = texts
  const isAgreed = () =>
    isSynchronized(...texts) &&
    texts.every((text) => text.text === first?.text && text.revision === first.revision)
  await until(texts, isAgreed)
  return first?.text ?? ""
}

export function next<E extends keyof TextEvents>(text: SharedText, event: E) {
  return new Promise<Parameters<TextEvents[E]>[0]>((resolve) => {
    const forget = text.on(event, ((value: Parameters<TextEvents[E]>[0]) => {
      forget()
      resolve(value)
    }) as TextEvents[E]) // the one argument of each of them
  })
}

/** A store that forgets with the test. It keeps copies, as every store does. */
export class MemoryStore implements OfflineStore {
  readonly #records = new Map<string, string>()
  /** When each write came, in ms. */
  readonly writes: number[] = []

  get size(): number {
    return this.#records.size
  }

  /** The only record there is. */
  get only(): OfflineRecord {
    const [text] = this.#records.values()
    assert.ok(text !== undefined && this.size === 1, `${this.size} records`)
    return JSON.parse(text)
  }

  async load(id: string): Promise<OfflineRecord | undefined> {
    const text = this.#records.get(id)
    return text === undefined ? undefined : JSON.parse(text)
  }

  async save(record: OfflineRecord): Promise<void> {
    this.writes.push(performance.now())
    this.#records.set(record.id, JSON.stringify(record))
  }

  async remove(id: string): Promise<void> {
    this.#records.delete(id)
  }
}

/** A database that lasts as long as the test. */
export function databaseFile(t: TestContext): string {
  return join(temporaryDirectory(t), "quartet.db")
}

/** A server on a port of its own that may be stopped and started again at the same address. */
export async function restartable(t: TestContext, config: { readonly sqliteUri?: string } = {}) {
  const port = await lastingPort()
  let server = await startServer(t, { ...config, port })
  const { url } = server
  return {
    url,
    stop: () => server.stop(),
    async start(): Promise<Started> {
      server = await startServer(t, { ...config, port })
      return server
    },
  }
}
