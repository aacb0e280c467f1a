/**
 * Operators: plain text between callsigns. The folder's door.
 *
 * One line comes in, is read where it stands, and is answered: extended sessions hear one line for
 * each of theirs, classic ones nothing but deliveries. What always holds: a message lies in memory
 * only; every line is one step over shared state, and the one thing that is waited for is a hash;
 * a session that has ended is in no set, whatever its socket still does.
 */
import type { Log } from "../log.ts"
import type { Connection, Random, Service } from "../service.ts"
import type { Store } from "../store.ts"
import { WireError } from "../wire/error.ts"
import { type FromOperator, type Line, noRef, parseLine } from "../wire/operators.ts"
import { type Bye, told } from "../wire/operators-told.ts"
import { Accounts, type Row } from "./accounts.ts"
import { farewells, helloOf } from "./greeting.ts"
import { Bucket, limits as defaults, type Limits, Tries } from "./limits.ts"
import { Logins, type Registration } from "./logins.ts"
import type { Operator } from "./operator.ts"
import { type Derive, Passwords } from "./passwords.ts"
import { Post } from "./post.ts"
import { Roster } from "./roster.ts"
import type { Cost } from "./secret.ts"
import { Block, type Member, Session } from "./session.ts"
import { Strangers } from "./strangers.ts"

export interface OperatorsOptions {
  readonly store: Store
  readonly log: Log
  readonly random: Random
  /** Hashes beside the event loop. */
  readonly derive: Derive
  readonly cost: Cost
  /** How many hashes may run at a time. */
  readonly hashConcurrency: number
  readonly registration: Registration
  /** Marks this start: 16 hexadecimal digits. */
  readonly epoch: string
  /** Called when nothing more may be believed: a damaged file, a sum that does not come out. */
  readonly broken: (thrown: unknown) => void
  readonly limits?: Partial<Limits>
  /** ms since 1970. */
  readonly now: number
}

export class Operators implements Service<Line, string> {
  readonly #options: OperatorsOptions
  readonly #limits: Limits
  readonly #accounts: Accounts
  readonly #passwords: Passwords
  readonly #roster: Roster
  readonly #post: Post
  readonly #logins: Logins
  readonly #strangers: Strangers
  readonly #sessions = new Map<Connection<string>, Session>()
  // Those whose next line comes later.
  readonly #deferred = new Set<Session>()
  #now: number

  constructor(options: OperatorsOptions) {
    const { store, random, broken, derive, cost, log, registration, now } = options
    this.#options = options
    this.#now = now
    this.#limits = { ...defaults, ...options.limits }
    const limits = this.#limits
    this.#accounts = new Accounts(store, { random, limit: limits.accounts, broken })
    this.#roster = new Roster(limits, (operator) => this.#dismiss(operator))
    this.#post = new Post({
      accounts: this.#accounts,
      roster: this.#roster,
      limits,
      random,
      broken,
    })
    this.#strangers = new Strangers(limits)
    this.#passwords = new Passwords({
      derive,
      random,
      cost,
      concurrency: options.hashConcurrency,
      waiting: limits.hashWaiting,
      waitingPerCircuit: limits.hashWaitingPerCircuit,
    })
    this.#logins = new Logins({
      accounts: this.#accounts,
      passwords: this.#passwords,
      tries: new Tries(limits, now),
      limits,
      registration,
      cost,
      log,
      enter: (session, row) => this.#enter(session, row),
      expel: (session) => this.#farewell(session, "failures"),
      decided: (session) => this.#endIfLate(session),
    })
    this.tick(now)
  }

  /** The table, for invitations. */
  get accounts(): Accounts {
    return this.#accounts
  }

  /** How much is kept for strangers and members, in pieces: what tests hold against the limits. */
  get counts() {
    return {
      sessions: this.#sessions.size,
      strangers: this.#strangers.size,
      operators: this.#roster.size,
      letters: this.#post.mailboxes.size,
      letterBytes: this.#post.mailboxes.bytes,
      hashes: this.#passwords.size,
    }
  }

  open(connection: Connection<string>): void {
    const { connections, connectionsPerCircuit, strangers } = this.#limits
    if (this.#sessions.size >= connections) {
      throw new WireError("too-many", `there are ${connections} connections already`)
    }
    const session = new Session(connection, this.#now, this.#pace())
    if (this.#strangers.ofCircuit(session.circuit) >= connectionsPerCircuit) {
      throw new WireError(
        "too-many",
        `there are ${connectionsPerCircuit} from this circuit already`,
      )
    }
    const oldest = this.#strangers.size >= strangers ? this.#strangers.oldest : undefined
    if (oldest !== undefined) this.#farewell(oldest, "full")
    this.#sessions.set(connection, session)
    this.#strangers.add(session)
  }

  receive(connection: Connection<string>, line: Line): void {
    const session = this.#sessions.get(connection)
    // It was ended a moment ago, and its socket had read on.
    if (session === undefined) return
    session.heardAt = this.#now
    const said = parseLine(line, session.mode, session.stage)
    if (isFree(said, session) || session.pace?.take(this.#now) !== false) {
      return this.#hear(session, said)
    }
    session.deferred = { said, release: connection.hold() }
    this.#deferred.add(session)
  }

  close(connection: Connection<string>): void {
    const session = this.#sessions.get(connection)
    if (session !== undefined) this.#leave(session)
  }

  tick(now: number): void {
    this.#now = now
    this.#logins.tick(now)
    this.#post.tick(now)
    for (const session of this.#strangers.overdue(now)) this.#farewell(session, "late")
    for (const session of this.#deferred) this.#goOn(session)
    for (const session of this.#sessions.values()) this.#listen(session)
  }

  /** Says goodbye to everyone. Mailboxes are not saved. */
  stop(): void {
    for (const session of [...this.#sessions.values()]) this.#farewell(session, "closing")
  }

  health(): { readonly ok: boolean } {
    return { ok: true }
  }

  #pace(): Bucket | undefined {
    const { messagesPerSecond, messageBurst: burst } = this.#limits
    if (messagesPerSecond === 0) return undefined
    return new Bucket({ burst, refillMs: 1000 / messagesPerSecond }, this.#now)
  }

  /** What was above its rate is heard now, when there is room again. */
  #goOn(session: Session): void {
    const { deferred } = session
    if (deferred === undefined || session.pace?.take(this.#now) === false) return
    this.#deferred.delete(session)
    session.deferred = undefined
    deferred.release()
    this.#hear(session, deferred.said)
  }

  #hear(session: Session, said: FromOperator): void {
    session.lines += 1
    const { standing } = session
    switch (standing.stage) {
      case "gone":
        return
      case "member":
        return this.#hearMember(session, standing, said)
      case "stranger": {
        if (said.kind === "invite") {
          standing.invite = said.token
          session.tell(told.noted)
        } else if (said.kind === "login") {
          this.#logins.ask(session, standing, said)
        } else {
          this.#hearAnyone(session, said)
        }
        this.#endIfLate(session)
      }
    }
  }

  #hearAnyone(session: Session, said: FromOperator): void {
    if (said.kind === "extend") {
      session.mode = "extended"
      const { epoch, registration } = this.#options
      session.tell(told.hello(helloOf(this.#limits, { epoch, registration })))
    } else if (said.kind === "ping") {
      session.tell(told.pong(said.word))
    } else if (said.kind === "refused") {
      session.tell(told.refused(said.ref, said.reason))
    }
  }

  #hearMember(session: Session, member: Member, said: FromOperator): void {
    const { operator } = member
    switch (said.kind) {
      case "message":
        return this.#post.send(operator, session, said)
      case "begin":
        member.block = new Block(said.target, said.first)
        return
      case "more":
        return member.block?.add(said.line)
      case "finish":
        return this.#finish(session, member)
      case "got":
        return this.#post.got(operator, said.ids)
      case "recall":
        return this.#post.recall(operator, session, said.id)
      case "waiting":
        return session.tell(told.waiting([...operator.outgoing].map(({ fate }) => fate.id)))
      case "sessions":
        return session.tell(told.sessions(operator.rows(this.#now)))
      case "end":
        return this.#endOwn(session, operator, said.number)
      case "die":
        return this.#die(session, operator)
      case "nothing":
      case "refused":
      case "extend":
      case "ping":
      case "pong":
      case "invite":
      case "login":
        return this.#hearAnyone(session, said)
    }
  }

  /** A message of several lines is whole. */
  #finish(session: Session, member: Member): void {
    const { block, operator } = member
    if (block === undefined) return
    member.block = undefined
    if (block.fault !== undefined) return session.tell(told.refused(noRef, block.fault))
    const { target, text } = block
    const message = { kind: "message", ref: noRef, target, generation: undefined, text } as const
    this.#post.send(operator, session, message)
  }

  #enter(session: Session, row: Row): void {
    const operator = this.#roster.of(row)
    if (operator.sessions.size >= this.#limits.sessionsPerCallsign) {
      const [quietest] = [...operator.sessions].sort((a, b) => a.heardAt - b.heardAt)
      if (quietest !== undefined) this.#farewell(quietest, "replaced")
    }
    const number = operator.nextNumber()
    session.standing = { stage: "member", operator, number, block: undefined }
    this.#strangers.enter(session)
    operator.tell(told.session("opened", number))
    operator.sessions.add(session)
    const waiting = operator.mailbox.size
    session.tell(told.welcome(operator.name, operator.mark, { session: number, waiting }))
    this.#post.handOver(operator, session)
  }

  #endOwn(session: Session, operator: Operator, number: number): void {
    const found = [...operator.sessions].find(
      ({ standing }) => standing.stage === "member" && standing.number === number,
    )
    if (found === undefined) return session.tell(told.refused(noRef, "gone"))
    session.tell(told.ended(number))
    this.#farewell(found, "ended")
  }

  #die(session: Session, operator: Operator): void {
    if (this.#accounts.remove(operator) === "away") {
      return session.tell(told.refused(noRef, "busy"))
    }
    this.#roster.remove(operator)
  }

  /** Its account is gone. First its sessions, so that nobody is told about their own end. */
  #dismiss(operator: Operator): void {
    const sessions = [...operator.sessions]
    operator.sessions.clear()
    for (const session of sessions) this.#farewell(session, "deleted")
    this.#post.drop(operator)
  }

  /** Says why, as far as it is told anything, and ends it. */
  #farewell(session: Session, reason: Bye): void {
    session.tell(told.bye(reason))
    this.#leave(session)
    session.connection.close(farewells[reason])
  }

  /** Takes it out of everything. Its unfinished message and registration go with it. */
  #leave(session: Session): void {
    const { standing, connection } = session
    this.#sessions.delete(connection)
    this.#strangers.remove(session)
    this.#deferred.delete(session)
    this.#passwords.drop(session)
    session.standing = { stage: "gone" }
    if (standing.stage !== "member") return
    const { operator, number } = standing
    if (operator.sessions.delete(session)) operator.tell(told.session("closed", number))
  }

  #endIfLate(session: Session): void {
    const { standing, lines } = session
    if (standing.stage !== "stranger" || standing.isAsked) return
    if (lines >= this.#limits.strangerLines) this.#farewell(session, "late")
  }

  /** An extended session that says nothing is asked whether it is there, and then closed. */
  #listen(session: Session): void {
    const { mode, standing, heardAt } = session
    if (mode === "classic" || standing.stage !== "member") return
    const { pingMs, quietMs } = this.#limits
    if (this.#now - heardAt >= quietMs) return this.#farewell(session, "quiet")
    if (this.#now - Math.max(heardAt, session.pingedAt) < pingMs) return
    session.pingedAt = this.#now
    session.tell(told.ping)
  }
}

/** Whether a line counts in bytes only, which are net's to count. */
function isFree(said: FromOperator, { stage }: Session): boolean {
  if (stage === "block") return said.kind === "more"
  return said.kind === "got" || said.kind === "pong" || said.kind === "ping"
}
