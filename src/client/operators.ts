/**
 * A callsign on a server of operators: logs in, again whenever the line was lost, and keeps what
 * the server was not told yet.
 *
 * What always holds: an answer with a ref belongs to that message; an answer without one belongs to
 * the login, or to the one question that is open, which a `$ ping` of its own ends. Our own lines
 * keep within the rate that `$ hello` told, so that the server never reads us later.
 */
import { isCallsign, isTooLong, type RefusalReason } from "../wire/operators.ts"
import { type Heard, parseHeard, usualLimits } from "../wire/operators-heard.ts"
import type { Limits } from "../wire/operators-told.ts"
import { Listeners } from "./listeners.ts"
import { Inbox } from "./operators-inbox.ts"
import { byes, type Login, LoginSteps } from "./operators-login.ts"
import { Outbox, type OwnMessage } from "./operators-outbox.ts"
import { Pace } from "./operators-pace.ts"
import { type Question, Questions } from "./operators-questions.ts"
import {
  type Incoming,
  type Line,
  type OpenLine,
  type Operators,
  OperatorsError,
  type OperatorsOptions,
  type Outgoing,
  type OwnSession,
  type SendOptions,
} from "./operators-shapes.ts"
import type { Ending } from "./socket.ts"

/** After so long without a word we ask for one, which also keeps circuits of Tor alive. */
const askMs = 25_000
/** After so long the line is given up: two such questions went unanswered. */
const silenceMs = 75_000
const watchMs = 5_000
const refPattern = /^(?!-$)[A-Za-z0-9_-]{1,32}$/

interface Events {
  readonly own: (message: Outgoing) => void
  readonly state: (state: Operators["state"], why: string) => void
  readonly epoch: (lost: readonly Outgoing[]) => void
}

export class OperatorsSession implements Operators {
  readonly #open: OpenLine
  readonly #listeners = new Listeners<Events>()
  readonly #outbox = new Outbox()
  readonly #inbox = new Inbox(() => this.#flushSoon())
  readonly #questions = new Questions()
  readonly #pace = new Pace(() => this.#flush())
  readonly #login: LoginSteps
  #line: Line | undefined
  #state: Operators["state"] = "connecting"
  #callsign: string
  #generation = ""
  #epoch = ""
  #session = 0
  #limits: Limits = usualLimits
  #bye: string | undefined
  #heardAt = 0
  #isFlushDue = false
  #timer: ReturnType<typeof setTimeout> | undefined
  #rest: ReturnType<typeof setTimeout> | undefined

  /** Throws TypeError for what cannot be a callsign. */
  constructor(open: OpenLine, options: OperatorsOptions) {
    if (!isCallsign(options.callsign)) {
      throw new TypeError(`"${options.callsign}" cannot be a callsign`)
    }
    this.#open = open
    this.#callsign = options.callsign
    this.#login = new LoginSteps(options, {
      say: (line) => this.#say(line),
      ended: (how) => this.#onLogin(how),
    })
    // Later, so that whoever makes this one can listen first.
    queueMicrotask(() => this.#connect())
  }

  get callsign(): string {
    return this.#callsign
  }

  get generation(): string {
    return this.#generation
  }

  get epoch(): string {
    return this.#epoch
  }

  get limits(): Limits {
    return this.#limits
  }

  get state(): Operators["state"] {
    return this.#state
  }

  send(target: string, text: string, options: SendOptions = {}): Outgoing {
    const { ref = drawnRef(), generation: pin } = options
    if (this.#state === "closed") throw new OperatorsError("closed", "it was closed")
    if (!isCallsign(target)) throw new OperatorsError("bad-line", `nobody can be called ${target}`)
    const isPin = pin === undefined || /^[0-9a-f]{8}$/.test(pin)
    if (!refPattern.test(ref) || !isPin) throw new OperatorsError("bad-line", "no ref, or no pin")
    const wanted = { target, text, ref, pin }
    const message = this.#outbox.add(wanted, (each) => this.#recall(each))
    // The server could not name the ref of a line that is too long, so it is not said at all.
    if (isTooLong(text)) {
      const refused = { kind: "refused", ref, reason: "too-long", seconds: undefined } as const
      this.#outbox.withhold(message)
      this.#outbox.answer(refused)
    }
    this.#flushSoon()
    return message
  }

  pending(): readonly Outgoing[] {
    return this.#outbox.pending
  }

  async sessions(): Promise<readonly OwnSession[]> {
    const heard = await this.#ask("$ sessions")
    if (heard?.kind !== "sessions") throw refusal(heard)
    return heard.rows.map((row) => ({
      number: row.number,
      openSeconds: row.open,
      quietSeconds: row.quiet,
      mode: row.mode === "classic" ? "classic" : "extended",
      here: row.number === this.#session,
    }))
  }

  async end(session: number): Promise<void> {
    const heard = await this.#ask(`$ end ${session}`)
    if (heard?.kind !== "ended") throw refusal(heard)
  }

  async deleteAccount(): Promise<void> {
    const heard = await this.#ask("$ die")
    if (heard?.kind !== "bye") throw refusal(heard)
  }

  onMessage(listener: (message: Incoming) => void | Promise<void>): () => void {
    return this.#inbox.on(listener)
  }

  onOwn(listener: Events["own"]): () => void {
    return this.#listeners.on("own", listener)
  }

  onState(listener: Events["state"]): () => void {
    return this.#listeners.on("state", listener)
  }

  onEpoch(listener: Events["epoch"]): () => void {
    return this.#listeners.on("epoch", listener)
  }

  close(): void {
    this.#end("closed by this program")
  }

  #connect(): void {
    if (this.#state === "closed") return
    this.#line = this.#open({
      opened: () => this.#onOpened(),
      heard: (line) => this.#hear(parseHeard(line)),
      lost: (ending) => this.#onLost(ending),
    })
  }

  #onOpened(): void {
    this.#heardAt = Date.now()
    this.#bye = undefined
    this.#pace.renew(usualLimits)
    this.#login.greet()
    this.#watch()
  }

  #onLost(ending: Ending): void {
    clearTimeout(this.#timer)
    this.#login.drop()
    this.#inbox.drop()
    this.#questions.renew()
    if (this.#state === "closed") return
    if (!ending.comesBack) return this.#end(ending.sentence)
    this.#become("away", this.#bye === "closing" ? "the server stops" : ending.sentence)
  }

  #hear(heard: Heard): void {
    this.#heardAt = Date.now()
    if (heard.kind === "ping") return void this.#say("$ pong")
    if (heard.kind === "bye") return this.#onBye(heard.reason)
    if (this.#state !== "ready") {
      if (heard.kind === "hello") this.#onHello(heard)
      return this.#login.hear(heard)
    }
    if (heard.kind === "from") {
      const { id, sender, generation, text, waited: waitedSeconds } = heard
      return this.#inbox.receive({ id, sender, generation, text, waitedSeconds })
    }
    if (heard.kind === "own") return this.#onOwn(heard)
    if (heard.kind === "over") this.#outbox.over(heard.id, heard.outcome)
    const isAnswer = ["sent", "queued", "known", "refused"].includes(heard.kind)
    if (isAnswer && "ref" in heard && this.#outbox.answer(heard)) return
    if (this.#questions.hear(heard) === "answered") this.#flush()
  }

  #onHello({ epoch, limits }: { readonly epoch: string; readonly limits: Limits }): void {
    const before = this.#epoch
    this.#epoch = epoch
    this.#limits = limits
    this.#pace.renew(limits)
    if (before === epoch || before === "") return this.#outbox.renew()
    this.#inbox.forget()
    const lost = this.#outbox.lose()
    this.#listeners.tell("epoch", lost)
  }

  #onLogin(how: Login): void {
    if (how.kind === "closed") return this.#end(how.why)
    if (how.kind === "rest") {
      this.#line?.close()
      this.#onLost({ code: 1000, sentence: how.why, comesBack: true })
      this.#rest = setTimeout(() => this.#connect(), how.seconds * 1_000)
      return
    }
    if (how.kind === "again") return void this.#line?.rejoin()
    this.#line?.settle()
    this.#callsign = how.callsign
    this.#generation = how.generation
    this.#session = how.session
    this.#become("ready", "")
    this.#flush()
  }

  #onOwn(heard: Extract<Heard, { kind: "own" }>): void {
    const { target, text, ref, id, generation } = heard
    const wanted = { target, text, ref, pin: undefined }
    const message = this.#outbox.other(wanted, { id, generation }, (each) => this.#recall(each))
    this.#listeners.tell("own", message)
  }

  #onBye(reason: string): void {
    this.#bye = reason
    if (reason === "deleted") this.#questions.hear({ kind: "bye", reason })
    const why = byes[reason]
    if (why !== undefined) this.#end(why)
  }

  async #recall(message: OwnMessage): Promise<boolean> {
    if (this.#outbox.withdraw(message) === "done") return true
    if (message.id === undefined) {
      const how = await message.accepted.catch(() => "refused" as const)
      if (how === "refused" || message.id === undefined) return false
    }
    if (!message.isOver) await this.#ask(`$ recall ${message.id}`)
    return message.state === "recalled"
  }

  #ask(line: string): Promise<Question["answer"]> {
    if (this.#state === "closed") return Promise.reject(closed())
    const answer = this.#questions.add(line)
    this.#flushSoon()
    return answer
  }

  /** What is due in this turn leaves together: a whole mailbox takes few `got`. */
  #flushSoon(): void {
    if (this.#isFlushDue) return
    this.#isFlushDue = true
    setTimeout(() => {
      this.#isFlushDue = false
      this.#flush()
    }, 0)
  }

  #flush(): void {
    if (this.#state !== "ready") return
    for (let got = this.#inbox.next(); got !== undefined; got = this.#inbox.next()) this.#say(got)
    while ((this.#questions.hasNext || this.#outbox.hasNext) && this.#pace.take()) {
      // First the messages: what is asked about one of them comes after it.
      const lines = this.#outbox.hasNext ? [this.#outbox.next()] : this.#questions.next()
      for (const line of lines) if (line !== undefined) this.#say(line)
    }
  }

  #say(line: string): void {
    // Not said if there is no line: the next login begins anew with all that still counts.
    this.#line?.send(line)
  }

  #watch(): void {
    clearTimeout(this.#timer)
    if (this.#state === "closed") return
    const quietMs = Date.now() - this.#heardAt
    // While a person thinks about a password the server says nothing.
    if (quietMs >= silenceMs && !this.#login.isAsking) return void this.#line?.rejoin()
    if (quietMs >= askMs && this.#state === "ready") this.#say("$ ping here")
    this.#timer = setTimeout(() => this.#watch(), watchMs)
  }

  #become(state: Operators["state"], why: string): void {
    if (this.#state === state && state !== "away") return
    this.#state = state
    this.#listeners.tell("state", state, why)
  }

  #end(why: string): void {
    if (this.#state === "closed") return
    clearTimeout(this.#timer)
    clearTimeout(this.#rest)
    this.#pace.stop()
    this.#login.drop()
    this.#line?.close()
    this.#state = "closed"
    this.#outbox.close()
    this.#questions.close(closed())
    this.#listeners.tell("state", "closed", why)
  }
}

function closed(): OperatorsError {
  return new OperatorsError("closed", "it was closed")
}

function refusal(heard: Heard | undefined): OperatorsError {
  const reason: RefusalReason = heard?.kind === "refused" ? heard.reason : "bad-line"
  return new OperatorsError(reason, `the server refused it: ${reason}`)
}

function drawnRef(): string {
  return crypto.randomUUID().replaceAll("-", "")
}
