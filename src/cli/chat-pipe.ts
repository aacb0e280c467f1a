/**
 * `quartet chat` in a pipe: sends what comes in, prints what comes, and says by its exit code how
 * that went.
 *
 * What always holds: a message is acknowledged when its line was written to standard output, and
 * not before; the worst of all outcomes is the exit code.
 */
import { createInterface } from "node:readline"
import { text as all } from "node:stream/consumers"
import {
  type Incoming,
  type Operators,
  OperatorsError,
  type Outgoing,
} from "../client/operators-shapes.ts"
import { messageRows, refusalWords } from "./chat-words.ts"
import { visible } from "./terminal.ts"

/** 0 done, 1 refused, 2 misused, 3 login refused, 4 unreachable, 5 outcome unknown. */
export type ExitCode = 0 | 1 | 2 | 3 | 4 | 5

export interface PipeOptions {
  readonly operators: Operators
  /** Whom all of standard input goes to, as one message. */
  readonly send: string | undefined
  /** Whether a message is done when it was answered, or when it has ended. */
  readonly until: "answered" | "ended"
  /** How many messages to print; undefined to go on, 0 for none. */
  readonly receive: number | undefined
  readonly format: "text" | "json"
  /** Ms until the first login must have worked. */
  readonly timeoutMs: number
}

/** Runs until it is done. `login` failed, or the server was away, are exit codes too. */
export async function pipe(options: PipeOptions): Promise<ExitCode> {
  const run = new Pipe(options)
  const code = await run.run()
  options.operators.close()
  return code
}

const unreached =
  "no operators answered: ADDRESS is HOST:PORT of OPERATORS_PORT (9696), or the address of the server's page"

class Pipe {
  readonly #options: PipeOptions
  #worst: ExitCode = 0
  #received = 0
  #isOver = false
  #stop: (code: ExitCode) => void = () => {}
  readonly #stopped: Promise<ExitCode>

  constructor(options: PipeOptions) {
    this.#options = options
    this.#stopped = new Promise((resolve) => {
      this.#stop = (code) => {
        this.#isOver = true
        resolve(code)
      }
    })
  }

  run(): Promise<ExitCode> {
    const { operators, receive, timeoutMs } = this.#options
    const late = setTimeout(() => this.#fail(4, unreached), timeoutMs)
    let isIn = false
    let whyAway = ""
    operators.onState((state, why) => {
      this.#tell({ event: "state", state, why })
      if (state === "ready") {
        clearTimeout(late)
        if (!isIn) void this.#work()
        isIn = true
      } else if (state === "away") {
        whyAway = why
        process.stderr.write(`quartet: ${visible(why)}; trying again\n`)
      } else if (state === "closed") {
        const isUnknown = why.startsWith("nobody is registered as ")
        this.#fail(isIn || whyAway !== "" ? 4 : 3, isUnknown ? `${why}: --register registers` : why)
      }
    })
    operators.onEpoch((lost) => {
      if (lost.length > 0) this.#fail(5, "the server restarted: it is not known what became of it")
    })
    operators.onOwn((message) => this.#tell({ event: "own", ...factsOf(message) }))
    if (receive !== 0) operators.onMessage((message) => this.#hear(message))
    process.stdout.once("error", () => this.#fail(1, "nobody reads the output"))
    for (const signal of ["SIGINT", "SIGTERM"] as const)
      process.once(signal, () => this.#stop(this.#worst))
    return this.#stopped.finally(() => clearTimeout(late))
  }

  async #work(): Promise<void> {
    const { send, format, receive } = this.#options
    try {
      if (send !== undefined) {
        const text = await all(process.stdin)
        await this.#say({ to: send, text: text.replace(/\r\n/g, "\n").replace(/\n$/, "") })
      } else if (format === "json") {
        await this.#sayLines()
      }
    } catch (thrown) {
      return this.#fail(2, thrown instanceof Error ? thrown.message : String(thrown))
    }
    if (receive === 0) this.#stop(this.#worst)
  }

  async #sayLines(): Promise<void> {
    const said: Promise<void>[] = []
    for await (const line of createInterface({ input: process.stdin })) {
      if (line.trim() === "") continue
      const wish = wishOf(line)
      for (;;) {
        try {
          said.push(this.#say(wish))
          break
        } catch (thrown) {
          // There is no end to standard input: it is read as the server takes it.
          if (!(thrown instanceof OperatorsError) || thrown.code !== "too-many") throw thrown
          await this.#options.operators.pending().find(({ state }) => state === "unsent")?.accepted
        }
      }
    }
    await Promise.all(said)
  }

  /** Resolves when it is done as was asked for. Throws at once for what cannot be sent. */
  #say({ to, text, ref }: { to: string; text: string; ref?: string }): Promise<void> {
    const { operators, until } = this.#options
    const message = operators.send(to, text, ref === undefined ? {} : { ref })
    return this.#follow(message, until)
  }

  async #follow(message: Outgoing, until: PipeOptions["until"]): Promise<void> {
    const how = await message.accepted.catch(() => "unknown" as const)
    if (how === "unknown") return this.#worse(5)
    this.#tell({ event: how, ...factsOf(message) })
    if (how === "refused") {
      const { reason = "" } = message
      // What that one says to do is done at a prompt.
      const why = reason === "changed" ? undefined : refusalWords[reason]
      const more = why === undefined ? "" : `: ${why}`
      process.stderr.write(`quartet: refused: ${message.reason}${more}\n`)
      return this.#worse(1)
    }
    const ended = message.ended.then((end) => {
      this.#tell({ event: end, ...factsOf(message) })
      if (until === "ended" && end !== "taken") this.#worse(end === "unknown" ? 5 : 1)
    })
    if (until === "ended") await ended
  }

  async #hear(message: Incoming): Promise<void> {
    const { receive, format } = this.#options
    // What is beyond the number is left for the next one who asks.
    if (receive !== undefined && this.#received >= receive) throw new Error("enough")
    this.#received += 1
    const { waitedSeconds: waited, ...facts } = message
    const line =
      format === "json"
        ? JSON.stringify({ event: "from", ...facts, waited })
        : messageRows({ ...message, at: Date.now() }, Number.POSITIVE_INFINITY).join("\n")
    await written(line)
    if (this.#received !== receive) return
    // The acknowledgement leaves after this has returned; an answer to a later question proves it.
    setTimeout(() => {
      void this.#options.operators.sessions().then(
        () => this.#stop(this.#worst),
        () => this.#stop(this.#worst),
      )
    }, 0)
  }

  #tell(fact: object): void {
    if (this.#options.format === "json" && !this.#isOver)
      process.stdout.write(`${JSON.stringify(fact)}\n`)
  }

  #worse(code: ExitCode): void {
    if (code > this.#worst) this.#worst = code
  }

  #fail(code: ExitCode, sentence: string): void {
    if (this.#isOver) return
    process.stderr.write(`quartet: ${visible(sentence)}\n`)
    this.#stop(code)
  }
}

function factsOf(message: Outgoing): object {
  const { ref, id, target, text, reason, place } = message
  return { ref, id, to: target, text, reason, ...place }
}

function wishOf(line: string): { to: string; text: string; ref?: string } {
  const said: unknown = JSON.parse(line)
  const isObject = typeof said === "object" && said !== null
  const to = isObject && "to" in said ? said.to : undefined
  const text = isObject && "text" in said ? said.text : undefined
  const ref = isObject && "ref" in said ? said.ref : undefined
  const isRef = ref === undefined || typeof ref === "string"
  if (typeof to !== "string" || typeof text !== "string" || !isRef) {
    throw new Error('a line is like {"to":"bob","text":"hello","ref":"r1"}; ref may be left out')
  }
  return { to, text, ...(ref === undefined ? {} : { ref }) }
}

function written(line: string): Promise<void> {
  return new Promise((resolve, reject) => {
    process.stdout.write(`${line}\n`, (problem) => (problem ? reject(problem) : resolve()))
  })
}
