/**
 * Loads of the operators' bench that are moments: logins, a rush to one callsign, a mailbox handed
 * over, and a flood beside others.
 */
import { spawn } from "node:child_process"
import { once } from "node:events"
import { text as whole } from "node:stream/consumers"
import { setTimeout as sleep } from "node:timers/promises"
import { median, quantile } from "./figures.ts"
import { callsignOf, type Dialect, Far, type Heard, readText, textOf } from "./operators-far.ts"
import { Crowd, type Figures } from "./operators-loads.ts"
import type { Server } from "./operators-servers.ts"
import { onServerCore } from "./processes.ts"

const silent: Heard = { text: () => {} }
/** Who logs in again and again, at the same time. */
const loggingIn = 8
/** Whose password Mosquitto is to know. */
export const loginCallsigns = Array.from({ length: loggingIn }, (_, at) => callsignOf(at))
const loginSeconds = 5
const senders = 100
const each = 40
/** Of which the middle one counts. */
const rushes = 15
const absent = 9_000
const patienceMs = 120_000

/** Logins, one after the other on eight lines, while two others talk. */
export async function logins(server: Server, dialect: Dialect): Promise<Figures> {
  const login = async (number: number) => {
    const password = callsignOf(number)
    const far = await Far.open({
      ...{ port: server.port, number, dialect, password },
      heard: silent,
    })
    far.close()
  }
  for (let number = 0; number < loggingIn; number += 1) await login(number)
  const talk = server.kind === "quartet" ? await Talk.open(server, { pairs: 1 }) : undefined
  const cpuMs = server.cpuMs
  const began = performance.now()
  let done = 0
  const lines = loginCallsigns.map(async (_, number) => {
    while (performance.now() - began < loginSeconds * 1_000) {
      await login(number)
      done += 1
    }
  })
  await talk?.for(loginSeconds * 1_000, 10)
  await Promise.all(lines)
  const perSecond = (done / (performance.now() - began)) * 1_000
  const cost = { perSecond, cpuMs: (server.cpuMs - cpuMs) / done }
  return talk === undefined ? cost : { ...cost, p99Ms: talk.p99Ms }
}

/** What the servers' core takes for a hash when nothing else is asked of it. */
export async function hashesAlone(): Promise<{ perSecond: number; cpuMs: number }> {
  const script = `const { argon2 } = require("node:crypto")
    const options = { message: "x", nonce: Buffer.alloc(16), memory: 19456, passes: 2, parallelism: 1, tagLength: 32 }
    let done = 0
    const began = performance.now()
    const used = process.cpuUsage()
    const next = () => argon2("argon2id", options, () => {
      done += 1
      if (performance.now() - began < 3000) return next()
      const { user, system } = process.cpuUsage(used)
      const perSecond = done / (performance.now() - began) * 1000
      console.log(JSON.stringify({ perSecond, cpuMs: (user + system) / 1000 / done }))
    })
    next()`
  const [program, ...words] = onServerCore([process.execPath, "-e", script])
  const child = spawn(program, words, { stdio: ["ignore", "pipe", "inherit"] })
  return JSON.parse(await whole(child.stdout))
}

/** Pairs of classic sessions, one of whom says something now and then, timed. */
class Talk {
  readonly #pairs: readonly Far[]
  readonly #latencies: number[] = []
  #written = 0

  private constructor(pairs: readonly Far[], onText: (take: (text: string) => void) => void) {
    this.#pairs = pairs
    onText((text) => this.#latencies.push(readText(text)[1]))
  }

  static async open(server: Server, { pairs }: { readonly pairs: number }): Promise<Talk> {
    let take = (_: string) => {}
    const heard = { text: (text: string) => take(text) }
    const fars: Far[] = []
    for (let number = 100; number < 100 + 2 * pairs; number += 1) {
      fars.push(await Far.open({ port: server.port, number, dialect: "classic", heard }))
    }
    return new Talk(fars, (set) => {
      take = set
    })
  }

  get p99Ms(): number {
    return quantile(this.#latencies, 0.99)
  }

  /** What was timed so far does not count. */
  reset(): void {
    this.#latencies.length = 0
    this.#written = 0
  }

  /** Somebody says something every `everyMs`, by turns; resolves when all has come. */
  async for(ms: number, everyMs: number): Promise<void> {
    const half = this.#pairs.length / 2
    const began = performance.now()
    for (let turn = 0; performance.now() - began < ms; turn += 1) {
      const far = this.#pairs[turn % half]
      if (far === undefined) throw new Error("never: it was opened")
      far.send(callsignOf(far.number + half), textOf(far.number))
      this.#written += 1
      await sleep(Math.max(0, began + (turn + 1) * everyMs - performance.now()))
    }
    await until(() => this.#latencies.length === this.#written)
  }
}

/** One connection writes without end, to somebody who does not read; and passwords are hashed. */
export async function flood(server: Server): Promise<Figures> {
  const port = server.port
  const deaf = await Far.open({ port, number: 1, dialect: "classic", heard: silent })
  const loud = await Far.open({ port, number: 2, dialect: "classic", heard: silent })
  const talk = await Talk.open(server, { pairs: 40 })
  // The same with nothing else going on here: what the machine alone adds.
  await talk.for(5_000, 15)
  const quietP99Ms = talk.p99Ms
  talk.reset()
  let isOver = false
  deaf.socket.pause()
  const lines = `${callsignOf(1)} ${".".repeat(80)}\n`.repeat(700)
  const write = () => {
    while (!isOver && loud.socket.write(lines));
  }
  loud.socket.on("drain", write)
  write()
  const hashing = (async () => {
    while (!isOver) {
      const far = await Far.open({ port, number: 3, dialect: "extended", heard: silent })
      far.close()
    }
  })()
  await talk.for(10_000, 15)
  isOver = true
  await hashing
  return { p99Ms: talk.p99Ms, quietP99Ms }
}

/** A hundred write forty messages each, all at once, to one who is not there. */
export async function fanInAbsent(server: Server): Promise<Figures> {
  let answered = 0
  let queued = 0
  const heard = {
    ...silent,
    answer: (word: string) => {
      if (word !== "queued" && word !== "refused") return
      answered += 1
      if (word === "queued") queued += 1
    },
  }
  const { port } = server
  const fars: Far[] = []
  for (let number = 0; number < senders; number += 1) {
    fars.push(await Far.open({ port, number, dialect: "extended", heard }))
  }
  const watch = await Watch.open(server)
  const rush = async (target: number) => {
    await register(server, target)
    answered = 0
    queued = 0
    watch.begin()
    const began = performance.now()
    for (const far of fars) far.sendAll(messages(far, target))
    await until(() => answered === senders * each)
    const allMs = performance.now() - began
    if (queued !== 256) throw new Error(`${queued} were accepted`)
    return { allMs, stallMs: watch.end() }
  }
  const all: Awaited<ReturnType<typeof rush>>[] = []
  for (let time = 0; time < rushes; time += 1) all.push(await rush(absent + time))
  return {
    allMs: median(all.map(({ allMs }) => allMs)),
    stallMs: median(all.map(({ stallMs }) => stallMs)),
  }
}

/** Registers somebody who is gone when it resolves: ended by the server, so it knows. */
async function register({ port }: Server, number: number): Promise<void> {
  const far = await Far.open({ port, number, dialect: "extended", heard: silent })
  const closed = once(far.socket, "close")
  far.say("$ end 1")
  await closed
}

/** The same to one who is there. */
export async function fanInLive(server: Server, dialect: Dialect): Promise<Figures> {
  const latencies: number[] = []
  const newest = new Map<number, number>()
  const heard = {
    ...silent,
    text: (text: string) => {
      const [number, agoMs] = readText(text)
      const at = Number(text.split(" ")[1])
      if (at < (newest.get(number) ?? 0)) throw new Error("out of order")
      newest.set(number, at)
      latencies.push(agoMs)
    },
  }
  const crowd = await Crowd.open(server, senders, dialect)
  await Far.open({ port: server.port, number: absent, dialect, heard })
  const seconds: number[] = []
  const slowest: number[] = []
  for (let time = 0; time < rushes; time += 1) {
    latencies.length = 0
    const began = performance.now()
    for (const far of crowd.far) far.sendAll(messages(far, absent))
    await until(() => latencies.length === senders * each)
    seconds.push((performance.now() - began) / 1_000)
    slowest.push(quantile(latencies, 0.99))
  }
  return { perSecond: (senders * each) / median(seconds), p99Ms: median(slowest) }
}

function messages(far: Far, target: number): readonly (readonly [string, string])[] {
  return Array.from({ length: each }, () => [callsignOf(target), textOf(far.number)] as const)
}

/** What waits is handed over at a login: from `welcome` to the last message. */
export async function handOver(server: Server): Promise<Figures> {
  const { port } = server
  const all: number[] = []
  for (let time = 0; time < rushes; time += 1) {
    const number = absent + time
    await register(server, number)
    const fars: Far[] = []
    let queued = 0
    const answer = (word: string) => {
      if (word === "queued") queued += 1
    }
    // Others each time: a callsign's refs are remembered.
    for (let sender = 4 * time; sender < 4 * (time + 1); sender += 1) {
      const dialect = "extended"
      const far = await Far.open({ port, number: sender, dialect, heard: { ...silent, answer } })
      fars.push(far)
      for (let count = 0; count < 64; count += 1) far.send(callsignOf(number), textOf(sender))
    }
    await until(() => queued === 256)
    let welcomedAt = 0
    let came = 0
    const heard: Heard = {
      text: () => {
        came += 1
      },
      answer: (word) => {
        if (word === "welcome") welcomedAt = performance.now()
      },
    }
    await Far.open({ port, number, dialect: "extended", heard })
    await until(() => came === 256)
    all.push(performance.now() - welcomedAt)
    for (const far of fars) far.close()
  }
  return { ms: median(all) }
}

/** Asks every 2 ms whether the server is there. What this process itself delays counts too. */
class Watch {
  #askedAt: number | undefined
  #longestMs = 0
  readonly #far: Far

  private constructor(far: Far) {
    this.#far = far
    setInterval(() => this.#ask(), 2).unref()
  }

  static async open({ port }: Server): Promise<Watch> {
    let watch: Watch | undefined
    const heard: Heard = {
      ...silent,
      answer: (word) => {
        if (word === "pong") watch?.hear()
      },
    }
    watch = new Watch(await Far.open({ port, number: 8_000, dialect: "extended", heard }))
    return watch
  }

  begin(): void {
    this.#longestMs = 0
  }

  /** An answer that is still to come counts as late as it is. */
  end(): number {
    return Math.max(this.#longestMs, performance.now() - (this.#askedAt ?? performance.now()))
  }

  hear(): void {
    this.#longestMs = Math.max(this.#longestMs, performance.now() - (this.#askedAt ?? 0))
    this.#askedAt = undefined
  }

  #ask(): void {
    if (this.#askedAt !== undefined) return
    this.#askedAt = performance.now()
    this.#far.say("$ ping here")
  }
}

async function until(holds: () => boolean): Promise<void> {
  const since = performance.now()
  while (!holds()) {
    if (performance.now() - since > patienceMs) throw new Error(`it never came to ${holds}`)
    await new Promise((resolve) => setImmediate(resolve))
  }
}
