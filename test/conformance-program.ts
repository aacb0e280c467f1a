/**
 * The SDK's side of a conformance story: apps by name, what they began by label, and the works that
 * their triggers do. The words are those of test/conformance/pools/README.md.
 */
import assert from "node:assert/strict"
import { type App, type CallContext, keyFromSeed, type PoolsError } from "../src/client/pools.ts"
import type { AppOptions, Emit, Stream, Undo } from "../src/client/pools-shapes.ts"
import { eventually } from "./harness.ts"

/** Connects an app to the far end of the story. */
export type Connect = (options: AppOptions) => Promise<App>

type Options = Record<string, unknown>

/** What was begun under a label. */
interface Begun {
  readonly result: Promise<unknown>
  readonly cancel: () => void
  readonly values?: AsyncIterator<unknown>
}

interface Hold {
  readonly end: (value: unknown) => void
}

/** One app of a story. */
export class Program {
  readonly #connect: Connect
  readonly #name: string
  readonly #begun = new Map<string, Begun>()
  readonly #heard = new Map<string, Options[]>()
  readonly #holds = new Map<string, Hold[]>()
  readonly #counts = new Map<string, { begun: number; stopped: number }>()
  readonly faults: { readonly error: PoolsError; readonly about: string }[] = []
  #app: App | undefined
  #refused: unknown

  constructor(name: string, connect: Connect) {
    this.#name = name
    this.#connect = connect
  }

  async close(): Promise<void> {
    await this.#app?.close({ withinMs: 0 })
  }

  /** Does one step. Rejects when it is not as the story says. */
  async does(verb: string, rest: string): Promise<void> {
    switch (verb) {
      case "connect":
        return this.#connects(objectIn(rest))
      case "state":
        return void (await eventually(() => this.#app?.state === rest || undefined))
      case "refused": {
        const refused = await eventually(() => this.#refused)
        return contains(errorAsTold(refused), objectIn(rest))
      }
      case "gives":
      case "has":
      case "done":
      case "fails":
      case "next":
      case "end":
      case "hears":
        return this.#sees(verb, rest)
      case "release": {
        const [trigger, value] = split(rest, 2)
        const hold = await eventually(() => this.#holds.get(trigger)?.shift())
        return hold.end(JSON.parse(value))
      }
      case "working":
      case "stopped": {
        const [trigger, count] = split(rest, 2)
        const which = verb === "working" ? "begun" : "stopped"
        await eventually(() => this.#countsOf(trigger)[which] === Number(count) || undefined)
        return
      }
      case "cancel":
        return this.#of(rest).cancel()
      case "undo": {
        // What `handle` and `on` give.
        const undo = (await this.#of(rest).result) as Undo
        undo().catch(() => {})
        return
      }
    }
    this.#begins(verb, rest)
  }

  #connects(options: Options): void {
    const { key, ...rest } = options
    const connecting = async () => {
      const own = typeof key === "string" ? { key: await keyFromSeed(Buffer.from(key, "hex")) } : {}
      this.#app = await this.#connect({
        ...(camel(rest) as Partial<AppOptions>), // the story's words are the SDK's
        ...own,
        app: this.#name,
        onFault: (error, about) => void this.faults.push({ error, about }),
      })
    }
    connecting().catch((thrown: unknown) => {
      this.#refused = thrown
    })
  }

  #begins(verb: string, rest: string): void {
    const [label, ...words] = split(rest, verb === "handle" || verb === "pool" ? 4 : 3)
    const { app } = this
    const [first = "", second = "{}", third = "{}"] = words
    switch (verb) {
      case "call":
      case "stream": {
        const { payload, ...asked } = objectIn(second)
        const stopping = new AbortController()
        const options = { ...camel(asked), signal: stopping.signal }
        if (verb === "call") {
          const result = app.call(first, payload, options)
          return this.#note(label, { result, cancel: () => stopping.abort() })
        }
        const stream: Stream<unknown> = app.stream(first, payload, options)
        const values = stream[Symbol.asyncIterator]()
        return this.#note(label, {
          ...{ result: stream.result, values },
          cancel: () => stream.cancel(),
        })
      }
      case "emit": {
        const { payload, ...asked } = objectIn(second)
        return this.#note(label, app.emit(first, payload, camel(asked)))
      }
      case "handle":
        return this.#note(
          label,
          app.handle(first, this.#workOf(first, second), camel(objectIn(third))),
        )
      case "on": {
        const heard: Options[] = []
        this.#heard.set(label, heard)
        const listen = (payload: unknown, emit: Emit) => void heard.push({ ...emit, payload })
        return this.#note(label, app.on(first, listen, camel(objectIn(second))))
      }
      case "pool":
        return this.#note(label, this.#poolDoes(first, second, objectIn(third)))
      case "admin":
        return this.#note(label, app.admin(first, objectIn(second)))
      case "explain":
        return this.#note(label, app.explain(first, camel(objectIn(second))))
      case "drain":
        return this.#note(label, app.drain())
      case "close":
        return this.#note(label, app.close())
    }
    throw new Error(`a program cannot ${verb}`)
  }

  get app(): App {
    if (this.#app === undefined) throw new Error(`${this.#name} is not connected`)
    return this.#app
  }

  #note(label: string, begun: Promise<unknown> | Begun): void {
    const own = begun instanceof Promise ? { result: begun, cancel: () => {} } : begun
    own.result.catch(() => {}) // its line looks at it
    this.#begun.set(label, own)
  }

  #of(label: string): Begun {
    const begun = this.#begun.get(label)
    if (begun === undefined) throw new Error(`nothing was begun as ${label}`)
    return begun
  }

  async #sees(verb: string, rest: string): Promise<void> {
    const [label, expected] = split(rest, 2)
    if (verb === "hears") {
      const emit = await eventually(() => this.#heard.get(label)?.shift())
      return contains(emit, objectIn(expected))
    }
    const { result, values } = this.#of(label)
    switch (verb) {
      case "gives":
        return assert.deepEqual((await result) ?? null, JSON.parse(expected))
      case "has":
        return contains(await result, JSON.parse(expected))
      case "done":
        return void (await result)
      case "fails": {
        const told = await result.then(
          (value) => assert.fail(`it gave ${JSON.stringify(value)}`),
          errorAsTold,
        )
        return contains(told, objectIn(expected))
      }
      case "next":
        return assert.deepEqual(await values?.next(), { done: false, value: JSON.parse(expected) })
      case "end":
        return assert.equal((await values?.next())?.done, true)
    }
  }

  #poolDoes(operation: string, name: string, fields: Options): Promise<unknown> {
    const pool = this.app.pool(name)
    switch (operation) {
      case "create": {
        const { pool_type: type, ...rest } = fields
        return pool.create({ ...rest, ...(type === "global" ? { type } : {}) })
      }
      case "join":
        return pool.join()
      case "leave":
        return pool.leave()
      case "members":
        return pool.members()
      case "set_rights":
        return pool.setRights(fields["rights"] ?? {})
      case "destroy":
        return pool.destroy(fields["force"] === true ? "force" : "empty")
    }
    throw new Error(`pools have no ${operation}`)
  }

  #workOf(trigger: string, work: string) {
    const counts = this.#countsOf(trigger)
    return (input: unknown, call: CallContext): unknown => {
      counts.begun++
      call.signal.addEventListener("abort", () => {
        // What was answered is over as well; only what was not is stopped.
        if (call.signal.reason?.message !== "it was answered") counts.stopped++
      })
      if (work.startsWith("ask:")) return asked(call, work.slice(4), input)
      switch (work) {
        case "echo":
          return input
        case "fail": {
          const { message, code } = input as { message: string; code: string } // as the story says
          throw Object.assign(new Error(message), { code })
        }
        case "decline":
          return call.unavailable()
        case "count":
          return counted(Number(input))
        case "gather":
          return listed(call.input)
        case "hold":
          return new Promise((resolve, reject) => {
            const holds = this.#holds.get(trigger) ?? []
            this.#holds.set(trigger, holds)
            const hold = { end: resolve }
            holds.push(hold)
            call.signal.addEventListener("abort", () => {
              if (holds.includes(hold)) holds.splice(holds.indexOf(hold), 1)
              reject(new Error("stopped"))
            })
          })
      }
      throw new Error(`there is no work ${work}`)
    }
  }

  #countsOf(trigger: string) {
    const counts = this.#counts.get(trigger) ?? { begun: 0, stopped: 0 }
    this.#counts.set(trigger, counts)
    return counts
  }
}

async function asked(call: CallContext, other: string, input: unknown): Promise<unknown> {
  try {
    return await call.call(other, input)
  } catch (thrown) {
    const { message, code } = thrown as PoolsError // calls reject with nothing else
    throw Object.assign(new Error(message), { code })
  }
}

async function listed(values: AsyncIterable<unknown>): Promise<unknown[]> {
  const all: unknown[] = []
  for await (const value of values) all.push(value)
  return all
}

async function* counted(last: number) {
  for (let number = 1; number <= last; number++) yield number
  return "counted"
}

/** An error in the words of the stories. */
function errorAsTold(thrown: unknown): Options {
  const error = thrown as PoolsError // what a story waits for is one
  return {
    ...{ code: error.code, retry: error.retry, message: error.message, reason: error.reason },
    ...{ retry_after_ms: error.retryAfterMs, execution_uncertain: error.executionUncertain },
    ...{ handler_code: error.handlerCode, field: error.field, detail: error.detail },
  }
}

/** Options in the SDK's words. */
function camel(options: Options): object {
  const own: Readonly<Record<string, string>> = { ttl: "ttlMs", wait: "waitMs" }
  return Object.fromEntries(
    Object.entries(options).map(([name, value]) => [
      own[name] ?? name.replace(/_([a-z])/g, (_, letter: string) => letter.toUpperCase()),
      value,
    ]),
  )
}

/** The first words of a text, and what is left of it. */
function split(text: string, parts: number): [string, string, ...string[]] {
  const words = text.split(" ")
  const rest = words.slice(parts - 1).join(" ")
  const [first = "", second = "", ...more] = [...words.slice(0, parts - 1), rest]
  return [first, second === "" ? "{}" : second, ...more.filter((each) => each !== "")]
}

function objectIn(text: string): Options {
  return JSON.parse(text === "" ? "{}" : text)
}

function contains(actual: unknown, expected: unknown): void {
  assert.partialDeepStrictEqual(
    JSON.parse(JSON.stringify(actual ?? null)),
    expected as Record<string, unknown>, // JSON of the story
  )
}
