/**
 * Convergence: editors on bad lines to a server that dies end with one text, in which every typed
 * character stands exactly once, unless somebody deleted it or was told that it is not there.
 *
 * A seed is a schedule; a failure prints it. SCHEDULES=100000 makes a longer run, SEED=n one.
 */
import assert from "node:assert/strict"
import { test } from "node:test"
import { seeded } from "./ot-arbitraries.ts"
import { Editor, type Fates, Server, type Weather } from "./ot-world.ts"

const schedules = Number(process.env["SCHEDULES"] ?? 10_000)
const onlySeed = process.env["SEED"]

const calm: Weather = {
  editors: 6,
  steps: 300,
  limit: Number.POSITIVE_INFINITY,
  window: 10,
  cut: 0,
  halfOpen: 0,
  restart: 0,
  kill: 0,
  powerFailure: 0,
  forget: 0,
  unavailable: 0,
  refuse: 0,
  reopen: 0,
  crash: 0,
}

interface Outcome {
  readonly counts: ReadonlyMap<string, number>
  readonly welcomes: { readonly tail: number; readonly text: number }
}

/** Runs the schedule of a seed, heals everything, and checks what came out. */
function run(seed: number, weather: Weather): Outcome {
  const random = seeded(seed)
  const draw = (below: number) => Math.floor(random() * below)
  const fates: Fates = {
    typed: new Set(),
    deleted: new Set(),
    doubtful: new Set(),
    isSure: weather.powerFailure === 0,
  }
  const server = new Server(weather, random)
  const editors = Array.from({ length: 2 + draw(weather.editors - 1) }, (_, index) => {
    return new Editor(`client ${index}`, random, fates)
  })
  let now = 0
  for (let step = 0; step < weather.steps; step += 1) {
    now += draw(500)
    const editor = editors[draw(editors.length)]
    if (editor === undefined) throw new Error("never: at least two editors")
    const chance = random()
    if (chance < 0.2) editor.edit(now)
    else if (chance < 0.43) editor.sendOne(server)
    else if (chance < 0.75) editor.hearOne(now)
    else if (chance < 0.85) server.flush()
    else if (chance < 0.88) editor.keep()
    else if (!editor.isConnected) editor.connect(server, now)
    const strikes = (part: number) => random() < part
    if (strikes(weather.cut)) editor.cut("both ends")
    if (strikes(weather.halfOpen)) editor.cut("half open")
    if (strikes(weather.restart)) server.restart("clean")
    if (strikes(weather.kill)) server.restart("kill")
    if (strikes(weather.powerFailure)) server.restart("power failure")
    if (strikes(weather.forget)) server.forget(`client ${draw(editors.length)}`)
    if (strikes(weather.reopen)) editor.reopen("kept")
    if (strikes(weather.crash)) editor.reopen("crashed")
  }
  heal(server, editors, now)
  for (const editor of editors) {
    assert.equal(editor.pending.text, server.text)
    assert.equal(editor.pending.confirmed, server.text)
    assert.equal(editor.pending.state, "synchronized")
  }
  checkFates(server.text, fates, weather.powerFailure === 0)
  const counts = new Map<string, number>()
  for (const editor of editors) {
    // A tab that died may find an edit it sent in another shape than its old record makes it.
    assert.ok(weather.crash > 0 || !editor.counts.has("fault"), "a fault")
    for (const [what, count] of editor.counts) counts.set(what, (counts.get(what) ?? 0) + count)
  }
  return { counts, welcomes: server.welcomes }
}

// The lines stand, and everyone reads until nothing more comes.
function heal(server: Server, editors: readonly Editor[], now: number): void {
  for (let round = 0, quiet = 0; quiet < 5; round += 1) {
    assert.ok(round < 10_000, "it never comes to rest")
    let isDone = true
    for (const editor of editors) {
      if (!editor.isConnected) editor.connect(server, now)
      editor.sendOne(server)
      if (editor.hearOne(now) || editor.pending.state !== "synchronized") isDone = false
    }
    server.flush()
    quiet = isDone ? quiet + 1 : 0
  }
}

function checkFates(text: string, fates: Fates, isEveryEditKept: boolean): void {
  const { typed, deleted, doubtful, isSure } = fates
  const found = new Map<string, number>()
  for (const point of text) found.set(point, (found.get(point) ?? 0) + 1)
  for (const point of typed) {
    const count = found.get(point) ?? 0
    const name = point.codePointAt(0)?.toString(16)
    assert.ok(count <= 1, `${name} stands ${count} times in the text`)
    if (isSure && deleted.has(point)) assert.equal(count, 0, `${name} was deleted and is there`)
    if (!isEveryEditKept || deleted.has(point) || doubtful.has(point)) continue
    assert.equal(count, 1, `${name} was typed and is not there`)
  }
  for (const point of found.keys()) assert.ok(typed.has(point))
}

/** Runs a share of all schedules in one kind of weather; adds up what happened in them. */
function runAll(share: number, weather: Weather): Outcome {
  const counts = new Map<string, number>()
  const welcomes = { tail: 0, text: 0 }
  const first = onlySeed === undefined ? 1 : Number(onlySeed)
  const last = onlySeed === undefined ? Math.ceil(schedules * share) : first
  for (let seed = first; seed <= last; seed += 1) {
    try {
      const outcome = run(seed, weather)
      for (const [what, count] of outcome.counts) counts.set(what, (counts.get(what) ?? 0) + count)
      welcomes.tail += outcome.welcomes.tail
      welcomes.text += outcome.welcomes.text
    } catch (thrown) {
      throw new Error(`SEED=${seed} fails`, { cause: thrown })
    }
  }
  return { counts, welcomes }
}

// A test whose weather never struck would prove nothing.
function assertHappened({ counts }: Outcome, ...whats: readonly string[]): void {
  if (onlySeed !== undefined) return
  for (const what of whats) assert.ok((counts.get(what) ?? 0) > 0, `${what} never happened`)
}

test("DC30 DC32 editors on good lines converge", () => {
  const outcome = runAll(0.1, calm)
  assertHappened(outcome, "send", "show")
  assert.ok(!outcome.counts.has("refused") && !outcome.counts.has("lost unsure"))
})

test("DC44 DC45 editors whose lines break lose nothing and repeat nothing", () => {
  const outcome = runAll(0.25, { ...calm, cut: 0.04, halfOpen: 0.03 })
  assertHappened(outcome, "send", "show")
  assert.ok(outcome.welcomes.tail > 0 && outcome.welcomes.text > 0)
  assert.ok(!outcome.counts.has("lost unsure") && !outcome.counts.has("lost rolled-back"))
})

test("DC48 a server that restarts or is killed loses no acknowledged edit and repeats none", () => {
  const weather = { ...calm, cut: 0.02, halfOpen: 0.02, restart: 0.008, kill: 0.012 }
  const outcome = runAll(0.25, weather)
  assert.ok(!outcome.counts.has("lost unsure") && !outcome.counts.has("lost rolled-back"))
})

test("DC60 refused edits are taken back and leave all others alone", () => {
  const weather = { ...calm, limit: 30, cut: 0.02, halfOpen: 0.01, refuse: 0.03, unavailable: 0.02 }
  assertHappened(runAll(0.15, weather), "refused")
})

test("DC58 long absence and a short window lead through the whole text", () => {
  const outcome = runAll(0.1, { ...calm, steps: 500, window: 3, cut: 0.05, restart: 0.005 })
  assert.ok(outcome.welcomes.text > outcome.welcomes.tail / 10)
  assertHappened(outcome, "show")
})

test("DC143 tabs that are closed and opened again go on from their record", () => {
  const weather = { ...calm, cut: 0.02, halfOpen: 0.01, kill: 0.004, reopen: 0.04 }
  const outcome = runAll(0.1, weather)
  assert.ok(!outcome.counts.has("lost unsure"))
})

test("DC148 edits in doubt are never doubled: forgotten keys, tabs that died", () => {
  const weather = { ...calm, cut: 0.04, halfOpen: 0.01, forget: 0.05, crash: 0.02 }
  assertHappened(runAll(0.1, weather), "lost unsure")
})

test("DC149 a server that lost acknowledged edits is noticed, and all converge on what it has", () => {
  const weather = { ...calm, cut: 0.02, halfOpen: 0.01, powerFailure: 0.01 }
  assertHappened(runAll(0.1, weather), "lost rolled-back")
})
