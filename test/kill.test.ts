/**
 * The server as a process that is killed and stopped while editors type, on real files: what was
 * acknowledged is there, what was sent is there once. ROUNDS says how often (15 unless told).
 *
 * There is no seed: when a kill strikes is up to the kernel. What a failure prints is what is wrong
 * with the text, and that needs no repetition to be understood.
 */
import assert from "node:assert/strict"
import { spawn } from "node:child_process"
import { once } from "node:events"
import { readFileSync, watch, writeFileSync } from "node:fs"
import { join } from "node:path"
import { type TestContext, test } from "node:test"
import { pathToFileURL } from "node:url"
import { connect, Operation, type SharedText } from "../src/client/client.ts"
import { codePointCount } from "../src/ot/codepoints.ts"
import { assertOnce, Bell, Host, type Line, longLine, Marks } from "./fault-parts.ts"
import { startServer, temporaryDirectory } from "./harness.ts"
import { RawEditor } from "./raw-editor.ts"

const rounds = Number(process.env["ROUNDS"] ?? 15)
/** So many rounds are played on one set of files, by one set of editors. */
const chapterRounds = 15
/** A round ends after at most so many events that editors hear of. */
const longestRound = 3_000

/** How a life of the server ends. After "cut short" the next one is killed too, while it starts. */
type Ending = "kill" | "stop" | "cut short"
const endings: readonly Ending[] = ["kill", "kill", "stop", "cut short", "kill"]

/** Documents, and how many editors of the SDK and by hand type in each. */
const documents = [
  { id: "crowded", shared: 9, raw: 2 },
  { id: "quiet", shared: 4, raw: 2 },
  { id: "visited", shared: 0, raw: 1 },
  { id: "alone", shared: 1, raw: 0 },
]

/** A document, and all who type in it. */
interface Place {
  readonly id: string
  readonly marks: Marks
  readonly shared: SharedText[]
  readonly raw: RawEditor[]
  /** As of the last start; "" before it was stored. */
  epoch: string
}

/** One set of files and of editors. */
class World {
  readonly bell = new Bell()
  readonly host: Host
  readonly places: readonly Place[]
  /** What editors were told that no editor should ever hear. */
  readonly complaints: string[] = []
  isTyping = true
  /** What editors far away have to the host. */
  readonly line: Line
  #editors = 0

  constructor(host: Host, line: Line) {
    this.host = host
    this.line = line
    this.places = documents.map(({ id, shared, raw }) => {
      const place: Place = { id, marks: new Marks(), shared: [], raw: [], epoch: "" }
      for (let count = 0; count < shared; count += 1) place.shared.push(this.#share(place))
      for (let count = 0; count < raw; count += 1) place.raw.push(this.#write(place))
      return place
    })
  }

  get shared(): readonly SharedText[] {
    return this.places.flatMap(({ shared }) => shared)
  }

  get raw(): readonly RawEditor[] {
    return this.places.flatMap(({ raw }) => raw)
  }

  /** Editors by hand come when they are told to; the others come back by themselves. */
  comeBack(): void {
    for (const editor of this.raw) editor.come()
  }

  /** Resolves when everybody is here, with nothing on its way, and all of a document show the same. */
  async settle(): Promise<void> {
    this.isTyping = false
    // They would all come by themselves, but after many lives that were short it may take them 10 s.
    for (const text of this.shared) text.hurry()
    await this.bell.until("all edits are acknowledged", () => {
      return (
        this.shared.every(({ state }) => state === "synchronized") &&
        this.raw.every((editor) => editor.isHere && editor.flight === undefined)
      )
    })
    await this.bell.until("all editors of a document are at one revision", () => {
      return this.places.every(({ shared, raw }) => {
        const revisions = [...shared, ...raw].map(({ revision }) => revision)
        return new Set(revisions).size <= 1
      })
    })
  }

  // Every other one sits far away. Each types twice whenever it has nothing on its way, so that one
  // edit waits behind the other, and once each time it could not come back.
  #share({ id, marks }: Place): SharedText {
    const number = this.#editors++
    const url = number % 2 === 0 ? this.host.url : this.line.url
    const text = connect(url).documents.open(id, { name: `editor ${number}` })
    const type = () => {
      if (!this.isTyping || text.state === "closed") return
      const length = codePointCount(text.text)
      const at = Math.floor(Math.random() * (length + 1))
      text.edit(Operation.from([at, marks.next(), length - at]))
    }
    text.on("state", (state) => {
      if (state === "synchronized") for (const _ of [1, 2]) type()
      this.bell.ring()
    })
    text.on("change", this.bell.ring)
    text.on("closed", ({ comesBack, code, sentence }) => {
      if (!comesBack) this.complaints.push(`closed for good: ${code} ${sentence}`)
      type()
    })
    text.on("lost", ({ why }) => this.complaints.push(`lost: ${why}`))
    text.on("emptied", () => this.complaints.push("emptied"))
    text.on("refused", ({ code, sentence }) => this.complaints.push(`refused: ${code} ${sentence}`))
    return text
  }

  // One that is alone in its document leaves after every third edit and comes again at once, so
  // that texts are saved, and the journal is let go of, at any moment.
  #write(place: Place): RawEditor {
    const isVisitor = place.id === "visited"
    let left = 0
    const next = () => {
      if (!this.isTyping) return undefined
      left += 1
      if (isVisitor && left % 3 === 0) queueMicrotask(() => editor.come())
      return place.marks.next()
    }
    const { id } = place
    const editor = new RawEditor({ url: this.host.url, id, bell: this.bell, next })
    return editor
  }
}

/** Plays so many rounds on fresh files. Resolves with figures for a person. */
async function chapter(t: TestContext, count: number): Promise<string> {
  const host = await Host.start(t, { MAX_DOCUMENT_SIZE_KB: "16384" })
  const world = new World(host, await longLine(t, host))
  t.after(() => Promise.all(world.shared.map((text) => text.close())))
  world.comeBack()
  for (let round = 0; round < count; round += 1) {
    await playRound(world, endings[round % endings.length] ?? "kill")
  }
  await world.settle()
  let edits = 0
  for (const place of world.places) {
    const text = await host.text(place.id)
    assertOnce(text, place.marks.typed)
    for (const each of place.shared) assert.ok(each.text === text, "all show the server's text")
    for (const each of place.raw) assertOnce([...each.marks.keys()].join(""), place.marks.typed)
    edits += place.marks.typed.length
  }
  assert.deepEqual(world.complaints, [])
  for (const text of world.shared) await text.close()
  for (const editor of world.raw) editor.drop()
  assert.equal(await host.end("SIGTERM"), 0)
  const arrived = world.raw.reduce((sum, { fates }) => sum + fates.arrived, 0)
  const lost = world.raw.reduce((sum, { fates }) => sum + fates.lost, 0)
  return `${edits} edits; by hand ${arrived} had arrived unacknowledged, ${lost} had not`
}

async function playRound(world: World, ending: Ending): Promise<void> {
  const { host, bell } = world
  // Early moments are likelier: then some are not back yet, and others resend.
  const end = bell.rings + Math.floor(Math.random() ** 2 * longestRound)
  await bell.until("enough has happened", () => bell.rings >= end)
  const ended = host.end(ending === "stop" ? "SIGTERM" : "SIGKILL")
  // A machine that dies takes with it what was on its way.
  if (ending !== "stop") world.line.cut()
  const code = await ended
  if (ending === "stop") {
    assert.equal(code, 0)
    assert.equal(host.logged("documents flushed")[0]?.["failed"], 0)
  }
  if (ending === "cut short") await startInVain(host)
  // What anyone was told, or was told to be saved, until now: nobody is back yet.
  const told = world.places.map((place) => ({ place, ...toldIn(place) }))
  await host.start()
  for (const { place, marks, saved, revision } of told) {
    const now = await host.about(place.id)
    const found = [...(await host.text(place.id))]
    const present = new Set(found)
    const lost = [...marks].filter((mark) => !present.has(mark))
    assert.deepEqual(lost, [], `acknowledged in ${place.id} and lost by a ${ending}`)
    assert.equal(present.size, found.length, `repeated in ${place.id} after a ${ending}`)
    assert.ok(now.revision >= saved, `saved at ${saved}, found at ${now.revision}`)
    assert.ok(now.revision >= revision, `told of ${revision}, found at ${now.revision}`)
    const isSame = now.epoch === place.epoch
    if (place.epoch !== "") assert.equal(isSame, ending === "stop", `${place.id} after a ${ending}`)
    // One that is not stored has another each time.
    place.epoch = now.revision === 0 ? "" : now.epoch
  }
  assert.deepEqual(world.complaints, [])
  world.comeBack()
}

/** What was acknowledged to anyone in a document: marks, and revisions. */
function toldIn({ shared, raw }: Place) {
  const confirmed = shared.flatMap((text) => [...text.record.confirmed])
  const marks = new Set([...confirmed, ...raw.flatMap((editor) => [...editor.marks.keys()])])
  const saved = Math.max(...[...shared, ...raw].map((each) => each.saved))
  const revision = Math.max(...[...shared, ...raw].map((each) => each.revision))
  return { marks, saved, revision }
}

/** Starts a server on these files and kills it on its way, after so many of its touches to them. */
async function startInVain(host: Host): Promise<void> {
  const main = join(import.meta.dirname, "../src/main.ts")
  const env = {
    PATH: process.env["PATH"],
    OPERATORS_PORT: "0",
    POOLS_PORT: "0",
    ...host.environment,
  }
  const child = spawn(process.execPath, [main, "serve"], {
    env,
    stdio: ["ignore", "ignore", "pipe"],
  })
  const exited = once(child, "exit")
  let touches = 1 + Math.floor(Math.random() * 24)
  const watcher = watch(host.directory, () => {
    touches -= 1
    if (touches === 0) child.kill("SIGKILL")
  })
  // Also when it touches them less often than that.
  child.stderr.on("data", () => child.kill("SIGKILL"))
  await exited
  watcher.close()
}

test("DC48 DC50 DC59 editors who type through kills and stops lose nothing and repeat nothing", async (t) => {
  for (let played = 0; played < rounds; played += chapterRounds) {
    const count = Math.min(chapterRounds, rounds - played)
    t.diagnostic(`${count} rounds: ${await chapter(t, count)}`)
  }
})

test("DC44 DC48 DC59 an edit whose fate its editor does not know is there once, after a kill and after a stop", async (t) => {
  for (const ending of ["SIGKILL", "SIGTERM"] as const) {
    const host = await Host.start(t)
    const bell = new Bell()
    const marks = new Marks()
    const editor = () => new RawEditor({ url: host.url, id: "notes", bell })
    const [applied, unread, other] = [editor(), editor(), editor()]
    const all = [applied, unread, other]
    for (const each of all) each.come()
    await bell.until("all are here", () => all.every(({ isHere }) => isHere))
    // Applied, and never told to its author; others' edits lie over it.
    applied.pause()
    applied.type(marks.next())
    await bell.until("others have it", () => other.marks.size === 1)
    other.type(marks.next())
    await bell.until("and one over it", () => other.marks.size === 2)
    applied.drop()
    // In the kernel's hands: the process that would read it is asleep, or dies in its sleep.
    host.server.process.kill("SIGSTOP")
    unread.type(marks.next())
    await unread.handedOver()
    const ended = host.end(ending)
    host.server.process.kill("SIGCONT")
    assert.equal(await ended, ending === "SIGKILL" ? null : 0)
    unread.drop()
    await host.start()
    for (const each of all) each.come()
    await bell.until("all fates are known", () => {
      return all.every((each) => each.isHere && each.flight === undefined && each.marks.size === 3)
    })
    assertOnce(await host.text("notes"), marks.typed)
    assert.deepEqual(applied.fates, { arrived: 1, lost: 0 })
    if (ending === "SIGKILL") assert.deepEqual(unread.fates, { arrived: 0, lost: 1 })
    for (const each of all) each.drop()
  }
})

/**
 * Runs in the server: keeps the files as they were when each wait for the disk began, and tells
 * the number of the last one that came to its end. A power failure right then would leave just that.
 */
const keeper = (from: string, to: string) => `
  import fs from "node:fs"
  import { syncBuiltinESMExports } from "node:module"
  const [from, to] = ${JSON.stringify([from, to])}
  const { fdatasync } = fs
  let count = 0
  fs.fdatasync = (file, answer) => {
    const number = ++count
    fs.mkdirSync(to + "/" + number)
    for (const name of ["quartet.db", "quartet.db-wal"]) {
      fs.copyFileSync(from + "/" + name, to + "/" + number + "/" + name)
    }
    // A disk that is slow: meanwhile more is typed, which it has not.
    setTimeout(() => fdatasync(file, (problem) => {
      fs.writeFileSync(to + "/next", String(number))
      fs.renameSync(to + "/next", to + "/last")
      answer(problem)
    }), 30)
  }
  syncBuiltinESMExports()`

test("DC49 DC50 what was told to be saved is on the disk itself, whenever the power fails", async (t) => {
  const [data, disk] = [temporaryDirectory(t), temporaryDirectory(t)]
  const module = join(disk, "keeper.mjs")
  writeFileSync(module, keeper(data, disk))
  // Before the first wait for the disk there is nothing on it.
  writeFileSync(join(disk, "last"), "0")
  const environment = { DATA_DIR: data, NODE_OPTIONS: `--import=${pathToFileURL(module)}` }
  const host = await Host.start(t, environment)
  const bell = new Bell()
  const marks = new Map(["notes", "plan"].map((id) => [id, new Marks()]))
  /** For each Saved: its document and revision, what the disk had when it came, and who heard it. */
  const saves: { id: string; revision: number; kept: string; editor: RawEditor }[] = []
  const editors = [...marks].flatMap(([id, own]) =>
    [1, 2].map(() => {
      let left = 0
      // Types ten times, then rests until that is saved: else most syncs would go without a Saved.
      const editor: RawEditor = new RawEditor({
        url: host.url,
        id,
        bell,
        next: () => (left-- > 0 ? own.next() : undefined),
        heard(message) {
          if ("Saved" in message) {
            const { revision } = message.Saved
            saves.push({ id, revision, kept: readFileSync(join(disk, "last"), "utf8"), editor })
          }
          if (editor.flight === undefined && editor.saved === editor.revision) {
            left = 10
            editor.type(own.next())
          }
        },
      })
      return editor
    }),
  )
  for (const editor of editors) editor.come()
  await bell.until("much was saved", () => saves.length >= 150)
  for (const editor of editors) editor.drop()
  await host.end("SIGKILL")
  const byKept = Map.groupBy(saves, ({ kept }) => kept)
  let lost = 0
  for (const [kept, told] of byKept) {
    const after = await startServer(t, { dataDir: join(disk, kept) })
    for (const { id, revision, editor } of told) {
      const { text, revision: found } = await connect(after.url).documents.read(id)
      assert.ok(found >= revision, `${revision} was called saved, the disk has ${found}`)
      const present = new Set(text)
      const missing = [...editor.marks].filter(([mark]) => !present.has(mark))
      lost += missing.length
      assert.deepEqual(
        missing.filter(([, at]) => at <= revision),
        [],
      )
    }
    await after.stop()
  }
  assert.ok(lost > 0, "a disk that was never behind would prove nothing")
  t.diagnostic(`${byKept.size} power failures`)
})
