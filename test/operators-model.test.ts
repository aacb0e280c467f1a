/** Random scripts against a small model of what operators promise each other. */
import assert from "node:assert/strict"
import { test } from "node:test"
import fc from "fast-check"
import { limits } from "../src/operators/limits.ts"
import { type End, Exchange } from "./operators-parts.ts"

const names = ["ada", "bob", "cleo"] as const
type Name = (typeof names)[number]
type Mode = "classic" | "extended"

type Deed =
  | { readonly do: "come"; readonly who: Name; readonly mode: Mode }
  | { readonly do: "leave" | "got"; readonly at: number }
  | { readonly do: "send"; readonly at: number; readonly to: Name }
  | { readonly do: "recall"; readonly at: number; readonly which: number }
  | { readonly do: "die"; readonly at: number }
  | { readonly do: "wait"; readonly hours: number }

/** A session as the model has it. */
interface Seat {
  readonly end: End
  readonly who: Name
  readonly mode: Mode
  /** Numbers of the messages it must have heard, in order. */
  readonly heard: number[]
  isOpen: boolean
}

/** A message that has not come to its end. */
interface Kept {
  readonly number: number
  readonly from: Name
  readonly to: Name
  readonly bytes: number
  readonly since: number
  state: "waiting" | "handed"
}

class Model {
  readonly exchange = new Exchange({ limits: { quietMs: Number.POSITIVE_INFINITY } })
  readonly seats: Seat[] = []
  kept: Kept[] = []
  /** Ids by number, as far as somebody was told. */
  readonly ids = new Map<number, string>()
  #sent = 0

  constructor() {
    for (const name of names) this.exchange.member(name).leaves()
  }

  open(who?: Name): readonly Seat[] {
    return this.seats.filter((seat) => seat.isOpen && (who === undefined || seat.who === who))
  }

  perform(deed: Deed): void {
    if (deed.do === "come") return this.#come(deed.who, deed.mode)
    if (deed.do === "wait") return this.#wait(deed.hours * 3_600_000)
    const seat = this.open()[deed.at % Math.max(1, this.open().length)]
    if (seat === undefined) return
    if (deed.do === "leave") {
      seat.isOpen = false
      seat.end.leaves()
    } else if (deed.do === "send") {
      this.#send(seat, deed.to)
    } else if (deed.do === "got") {
      this.#got(seat)
    } else if (deed.do === "recall") {
      this.#recall(seat, deed.which)
    } else {
      this.#die(seat)
    }
  }

  #come(who: Name, mode: Mode): void {
    if (this.open(who).length >= limits.sessionsPerCallsign) return
    const end = this.exchange.come()
    if (mode === "extended") end.says("$ quartet")
    end.says(`$ ${who} ${who}`)
    end.says(`$ ${who} ${who}`)
    const seat: Seat = { end, who, mode, heard: [], isOpen: true }
    this.seats.push(seat)
    const mine = this.kept.filter((each) => each.to === who)
    for (const each of mine) {
      seat.heard.push(each.number)
      each.state = "handed"
    }
    if (mode === "classic") this.kept = this.kept.filter((each) => each.to !== who)
  }

  #send(seat: Seat, to: Name): void {
    const number = this.#sent++
    const text = `n${number}`
    const isRegistered = this.exchange.service.accounts.find(to, this.exchange.now) !== undefined
    seat.end.says(seat.mode === "extended" ? `$ send r${number} ${to} ${text}` : `${to} ${text}`)
    if (!isRegistered) return
    const there = this.open(to)
    for (const each of there) each.heard.push(number)
    if (there.some((each) => each.mode === "classic")) return
    const state = there.length > 0 ? "handed" : "waiting"
    const bytes = text.length + limits.messageBytes
    this.kept.push({ number, from: seat.who, to, bytes, since: this.exchange.now, state })
  }

  #got(seat: Seat): void {
    if (seat.mode === "classic") return
    this.learn()
    for (const number of seat.heard.slice(-64)) {
      const id = this.ids.get(number)
      if (id !== undefined) seat.end.says(`$ got ${id}`)
      this.kept = this.kept.filter((each) => each.number !== number || id === undefined)
    }
  }

  #recall(seat: Seat, which: number): void {
    if (seat.mode === "classic") return
    this.learn()
    const mine = this.kept.filter((each) => each.from === seat.who && this.ids.has(each.number))
    const found = mine[which % Math.max(1, mine.length)]
    if (found === undefined) return
    seat.end.says(`$ recall ${this.ids.get(found.number)}`)
    if (found.state === "waiting") this.kept = this.kept.filter((each) => each !== found)
  }

  #die(seat: Seat): void {
    seat.end.says("$ die")
    for (const each of this.open(seat.who)) each.isOpen = false
    this.kept = this.kept.filter((each) => each.from !== seat.who && each.to !== seat.who)
  }

  #wait(ms: number): void {
    this.exchange.pass(ms, 1_800_000)
    this.kept = this.kept.filter((each) => this.exchange.now - each.since < limits.expiryMs)
  }

  /** Which id each number has, out of what was told. */
  learn(): void {
    for (const { end } of this.seats) {
      for (const line of end.heard) {
        const words = line.split(" ")
        const text = words[1] === "from" || words[1] === "own" ? words.at(-1) : words[2]
        const id = words[1] === "from" || words[1] === "own" ? words[4] : words[3]
        if (!/^\$ (from|own|sent|queued) /.test(line) || id === undefined) continue
        const number = /^[nr](\d+)$/.exec(text ?? "")?.[1]
        const own = words[1] === "own" ? id : undefined
        if (number !== undefined) this.ids.set(Number(number), own ?? id)
      }
    }
  }

  check(): void {
    const { counts } = this.exchange.service
    assert.deepEqual(this.exchange.faults, [])
    assert.deepEqual(this.exchange.broken, [])
    assert.equal(counts.sessions, this.open().length, "no closed session in any set")
    assert.equal(counts.letters, this.kept.length)
    assert.equal(
      counts.letterBytes,
      this.kept.reduce((sum, each) => sum + each.bytes, 0),
    )
    for (const seat of this.seats) {
      const { heard } = seat.end
      assert.equal(seat.end.isOpen, seat.isOpen)
      if (seat.mode === "classic") assert.ok(heard.every((line) => /^\w+: n\d+$/.test(line)))
      const texts = heard.flatMap((line) => {
        const isOne = seat.mode === "classic" || line.startsWith("$ from ")
        return isOne ? [Number(/n(\d+)$/.exec(line)?.[1])] : []
      })
      assert.deepEqual(texts, seat.heard, "each delivery, in order, and no other")
      const ends = heard.flatMap(
        (line) => /^\$ (?:taken|expired|dropped|recalled) (\S+)/.exec(line)?.[1] ?? [],
      )
      assert.equal(new Set(ends).size, ends.length, "one end")
    }
  }
}

const who = fc.constantFrom(...names)
const at = fc.nat({ max: 20 })
const deed: fc.Arbitrary<Deed> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constant("come" as const),
      who,
      mode: fc.constantFrom<Mode>("classic", "extended", "extended"),
    }),
  },
  { weight: 2, arbitrary: fc.record({ do: fc.constant("leave" as const), at }) },
  { weight: 8, arbitrary: fc.record({ do: fc.constant("send" as const), at, to: who }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant("got" as const), at }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant("recall" as const), at, which: at }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("die" as const), at }) },
  {
    weight: 1,
    arbitrary: fc.record({ do: fc.constant("wait" as const), hours: fc.constantFrom(1, 24, 100) }),
  },
)

test("OP7 OP18 OP19 OP61 OP62 OP63 whatever happens in whichever order, each message is delivered as promised", () => {
  fc.assert(
    fc.property(fc.array(deed, { minLength: 10, maxLength: 60, size: "max" }), (deeds) => {
      const model = new Model()
      for (const each of deeds) {
        model.perform(each)
        model.check()
      }
    }),
    { numRuns: 300 },
  )
})
