/** What the shelf promises, over a file and over memory. */
import assert from "node:assert/strict"
import { type TestContext, test } from "node:test"
import fc from "fast-check"
import type { JournalEntry, Shelf } from "../src/documents/shelf.ts"
import { visitShelf } from "../src/documents/shelf-sqlite.ts"
import { codePointCount } from "../src/ot/codepoints.ts"
import { openStore, type Store } from "../src/store.ts"
import { begin, clientOf, Draft, fillDisk, kinds, opened, rowsIn, start } from "./shelf-world.ts"

const dayMs = 24 * 60 * 60 * 1_000

/** A document with these edits, appended one by one and not saved. */
function written(shelf: Shelf, id: string, ...texts: string[]): Draft {
  const draft = new Draft(shelf, id)
  for (const text of texts) shelf.append([draft.type(text)], start)
  return draft
}

/** One that is saved too. */
function saved(shelf: Shelf, id: string, text = id): Draft {
  const draft = written(shelf, id, text)
  assert.equal(shelf.save([draft.snapshot()]).size, 0)
  return draft
}

for (const [kind, place] of Object.entries(kinds)) {
  const on = (t: TestContext, playbackBytes?: number) => opened(t, place(t), playbackBytes)

  test(`DC7 an unknown document is absent, a stored one comes back as it was (${kind})`, (t) => {
    const { shelf } = on(t)
    assert.equal(shelf.load("notes"), undefined)
    const draft = new Draft(shelf, "notes")
    draft.language = "c++"
    draft.otp = "secret"
    draft.authorsFloor = 17
    shelf.append([draft.type("h🎉i\u0301\n", "ada")], start)
    assert.equal(shelf.save([draft.snapshot()]).size, 0)
    const row = { user: 0, seq: 1, name: "ada", hue: 180, seenAt: start }
    assert.deepEqual(shelf.load("notes"), {
      id: "notes",
      text: "h🎉i\u0301\n",
      language: "c++",
      otp: "secret",
      epoch: draft.epoch,
      revision: 1,
      nextUser: 1,
      authors: [{ client: clientOf("ada"), ...row }],
      authorsFloor: 17,
      accessedAt: start,
      retentionDays: undefined,
    })
  })

  test(`DC5 the OTP is known without the text (${kind})`, (t) => {
    const { shelf } = on(t)
    const draft = saved(shelf, "notes")
    assert.equal(shelf.otp("nothing"), undefined)
    assert.equal(shelf.otp("notes"), null)
    draft.otp = "secret"
    shelf.save([draft.snapshot()])
    assert.equal(shelf.otp("notes"), "secret")
    draft.otp = undefined
    shelf.save([draft.snapshot()])
    assert.equal(shelf.otp("notes"), null)
  })

  test(`DC84 a document is protected before anything was written in it (${kind})`, (t) => {
    const { shelf } = on(t)
    const draft = new Draft(shelf, "notes")
    draft.otp = "secret"
    assert.equal(shelf.save([draft.snapshot()]).size, 0)
    assert.equal(shelf.otp("notes"), "secret")
    shelf.append([draft.type("hello")], start)
    assert.equal(shelf.load("notes")?.text, "hello")
    assert.equal(shelf.load("notes")?.otp, "secret")
  })

  test(`DC87 only a file keeps an OTP over a restart, and says so (${kind})`, (t) => {
    assert.equal(on(t).shelf.durable, kind === "file")
  })

  test(`DC47 what was appended is loaded, saved or not (${kind})`, (t) => {
    const { shelf } = on(t)
    const draft = written(shelf, "notes", "one ", "two ")
    assert.equal(shelf.count(), 1)
    assert.equal(shelf.load("notes")?.text, "one two ")
    shelf.save([draft.snapshot()])
    shelf.append([draft.type("three"), draft.edit([3, -1, 9])], start)
    const loaded = shelf.load("notes")
    assert.equal(loaded?.text, "onetwo three")
    assert.equal(loaded?.revision, 4)
    assert.equal(loaded?.nextUser, 4)
    assert.equal(loaded?.epoch, draft.epoch)
  })

  test(`DC44 the numbers of authors are in the journal (${kind})`, (t) => {
    const { store, shelf } = on(t)
    const draft = new Draft(shelf, "notes")
    shelf.append([draft.type("a", "ada"), draft.type("b", "bob")], start)
    shelf.save([draft.snapshot()])
    shelf.append([draft.type("c", "ada"), draft.type("d", "eve")], start + 5)
    for (const known of [shelf, begin(store).shelf]) {
      const authors = known.load("notes")?.authors ?? []
      const rows = authors.map(({ client, user, seq, name }) => [client, user, seq, name])
      assert.deepEqual(
        rows.sort((a, b) => Number(a[1]) - Number(b[1])),
        [
          [clientOf("bob"), 1, 2, "bob"],
          [clientOf("ada"), 2, 3, "ada"],
          [clientOf("eve"), 3, 4, undefined],
        ],
      )
    }
  })

  test(`DC48 a document that left memory unsaved keeps its authors and its past (${kind})`, (t) => {
    const { shelf } = on(t)
    const first = new Draft(shelf, "notes")
    shelf.append([first.type("one ", "ada"), first.type("two ", "bob")], start)
    // Its editors were closed and it left memory; now it is loaded again and goes on.
    const loaded = shelf.load("notes")
    assert.equal(loaded?.revision, 2)
    first.past = []
    first.authors.clear()
    shelf.append([first.type("three", "eve")], start)
    assert.equal(shelf.save([first.snapshot()]).size, 0)
    const stored = shelf.load("notes")
    assert.equal(stored?.text, "one two three")
    const seqs = stored?.authors.map(({ seq }) => seq)
    assert.deepEqual(seqs?.sort(), [1, 2, 3])
    assert.equal(shelf.past("notes", 0, 10)?.length, 3)
  })

  test(`DC80 a save replaces no newer revision, no other epoch and no deleted row (${kind})`, (t) => {
    const { store, shelf } = on(t)
    const draft = saved(shelf, "overtaken")
    const old = { ...draft.snapshot(), text: "old" }
    shelf.append([draft.type("!")], start)
    shelf.save([draft.snapshot()])
    const deleted = saved(shelf, "deleted").snapshot()
    store.prepare("DELETE FROM document WHERE id = 'deleted'").run()
    const other = { ...saved(shelf, "other").snapshot(), epoch: shelf.newEpoch() }
    const good = saved(shelf, "good")
    good.language = "go"
    const refused = shelf.save([old, deleted, other, good.snapshot()])
    assert.deepEqual(refused, new Set(["overtaken", "deleted", "other"]))
    assert.equal(shelf.load("overtaken")?.text, "overtaken!")
    assert.equal(shelf.load("deleted"), undefined)
    assert.equal(shelf.load("other")?.text, "other")
    assert.equal(shelf.load("good")?.language, "go")
  })

  test(`DC29 what another program deleted is missing, and is not made again (${kind})`, (t) => {
    const { store, shelf } = on(t)
    const draft = saved(shelf, "notes")
    written(shelf, "other", "kept")
    store.prepare("DELETE FROM document WHERE id = 'notes'").run()
    shelf.append([draft.type("more")], start)
    assert.equal(shelf.load("notes"), undefined)
    assert.deepEqual(shelf.missing(["notes", "other", "notés"]), ["notes", "notés"])
    assert.deepEqual(shelf.save([draft.snapshot()]), new Set(["notes"]))
    assert.equal(shelf.count(), 1)
    assert.equal(begin(store).shelf.load("notes"), undefined)
  })

  test(`DC78 the journal is kept as far back as a document needs it (${kind})`, (t) => {
    const { store, shelf } = on(t)
    const [ada, bob, eve] = ["ada", "bob", "eve"].map((id) => new Draft(shelf, id)) as [
      Draft,
      Draft,
      Draft,
    ] // three are made
    shelf.append([ada.type("1"), bob.type("1")], start)
    shelf.append([bob.type("2")], start)
    shelf.append([ada.type("2"), eve.type("1")], start)
    shelf.save([ada.snapshot()])
    assert.equal(rowsIn(store, "journal"), 3)
    shelf.save([bob.snapshot()])
    assert.equal(rowsIn(store, "journal"), 1)
    shelf.append([ada.type("3")], start)
    shelf.save([eve.snapshot()])
    assert.equal(rowsIn(store, "journal"), 1)
    shelf.save([ada.snapshot(), bob.snapshot()])
    assert.equal(rowsIn(store, "journal"), 0)
  })

  test(`DC78 the journal is kept for no document that is gone (${kind})`, (t) => {
    const { store, shelf } = on(t)
    for (const gone of ["removed", "expired", "missing", "refused"]) {
      const draft = written(shelf, gone, "text")
      if (gone === "expired") shelf.expire(start + 2 * dayMs, 1, new Set())
      if (gone === "missing" || gone === "refused")
        store.prepare("DELETE FROM document WHERE id = :gone").run({ gone })
      if (gone === "removed") shelf.remove(gone)
      if (gone === "missing") shelf.missing([gone])
      if (gone === "refused") shelf.save([draft.snapshot()])
      saved(shelf, "another")
      assert.equal(rowsIn(store, "journal"), 0, gone)
      shelf.remove("another")
    }
  })

  test(`DC78 whatever is edited, saved, dropped and restarted, no edit is lost or repeated (${kind})`, (t) => {
    const action = fc.record({
      what: fc.constantFrom("edit", "edit", "edit", "save", "reload", "remove", "kill", "stop"),
      documents: fc.uniqueArray(fc.constantFrom("a", "b", "c"), { minLength: 1 }),
      edits: fc.array(fc.record({ at: fc.nat(), text: fc.constantFrom("x", "🎉", "") }), {
        minLength: 1,
        maxLength: 3,
      }),
    })
    const check = fc.property(fc.array(action, { maxLength: 30 }), (actions) => {
      const store = openStore({ uri: place(t) })
      try {
        const play = new Play(store)
        play.run(actions)
        play.end()
      } finally {
        store.close()
      }
    })
    fc.assert(check, { numRuns: kind === "file" ? 30 : 200 })
  })

  test(`DC62 a change of language is stored once the document is (${kind})`, (t) => {
    const { shelf } = on(t)
    shelf.setLanguage("notes", "go")
    assert.equal(shelf.count(), 0)
    saved(shelf, "notes")
    shelf.setLanguage("notes", "go")
    assert.equal(shelf.load("notes")?.language, "go")
  })

  test(`DC59 every epoch is another one (${kind})`, (t) => {
    const { shelf } = on(t)
    const epochs = new Set(Array.from({ length: 1_000 }, () => shelf.newEpoch()))
    assert.equal(epochs.size, 1_000)
    for (const epoch of epochs) assert.match(epoch, /^[\w-]{12}\.[\w-]{12}$/)
  })

  test(`DC59 epochs stay over a clean stop, and change after any other (${kind})`, (t) => {
    const { store, shelf } = on(t)
    const draft = saved(shelf, "notes")
    shelf.markClean()
    const clean = begin(store).shelf
    assert.equal(clean.load("notes")?.epoch, draft.epoch)
    const killed = begin(store).shelf
    const epoch = killed.load("notes")?.epoch ?? ""
    assert.notEqual(epoch, draft.epoch)
    assert.equal(epoch.split(".")[0], draft.epoch.split(".")[0])
    assert.equal(killed.newEpoch().split(".")[1], epoch.split(".")[1])
  })

  test(`DC46 authors up to the floor are forgotten (${kind})`, (t) => {
    const { shelf } = on(t)
    const draft = new Draft(shelf, "notes")
    shelf.append([draft.type("a", "ada"), draft.type("b", "bob")], start)
    const snapshot = draft.snapshot()
    const [ada, bob] = snapshot.authors
    assert(ada !== undefined && bob !== undefined)
    const authors = [ada, { ...bob, seenAt: start + 1 }]
    shelf.save([{ ...snapshot, authors, authorsFloor: start }])
    const loaded = shelf.load("notes")
    assert.deepEqual(loaded?.authors, [{ ...bob, seenAt: start + 1 }])
    assert.equal(loaded?.authorsFloor, start)
  })

  test(`DC46 authors of a cold document are forgotten after 30 days, and when is remembered (${kind})`, (t) => {
    const { shelf } = on(t)
    for (const id of ["cold", "hot"]) {
      const draft = new Draft(shelf, id)
      shelf.append([draft.type("a", "ada")], start)
      shelf.save([draft.snapshot()])
    }
    assert.equal(shelf.expire(start + 30 * dayMs, 0, new Set(["hot"])), 0)
    assert.equal(shelf.load("cold")?.authors.length, 1)
    shelf.expire(start + 30 * dayMs + 1, 0, new Set(["hot"]))
    assert.deepEqual(shelf.load("cold")?.authors, [])
    assert.equal(shelf.load("cold")?.authorsFloor, start)
    assert.equal(shelf.load("hot")?.authors.length, 1)
  })

  test(`DC27 a document is deleted when its retention is over, if it is not in memory (${kind})`, (t) => {
    const { store, shelf } = on(t)
    for (const id of ["old", "hot", "short", "long", "touched"]) saved(shelf, id)
    const keep = new Set(["hot"])
    shelf.setRetention("short", 1)
    shelf.setRetention("long", 100)
    shelf.touch("touched", start + 5 * dayMs)
    // A save that comes late, as after a kill, does not make it any older.
    const { epoch } = shelf.load("touched") ?? { epoch: "" }
    const late = { ...new Draft(shelf, "touched").snapshot(start), epoch, revision: 1 }
    assert.equal(shelf.save([late]).size, 0)
    const at = (days: number) => shelf.expire(start + days * dayMs + 1, 10, keep)
    const left = () => ["old", "hot", "short", "long", "touched"].filter((id) => shelf.load(id))
    assert.equal(at(0.9), 0)
    assert.equal(at(1), 1)
    assert.deepEqual(left(), ["old", "hot", "long", "touched"])
    assert.equal(at(9.9), 0)
    assert.equal(at(10), 1)
    assert.deepEqual(left(), ["hot", "long", "touched"])
    assert.equal(at(15), 1)
    assert.equal(shelf.expire(start + 99 * dayMs, 0, keep), 0)
    assert.equal(at(100), 1)
    assert.deepEqual(left(), ["hot"])
    for (const table of ["history", "milestone"]) assert.equal(rowsIn(store, table), 1, table)
    shelf.setRetention("hot", undefined)
    assert.equal(shelf.expire(start + 1000 * dayMs, 0.5, new Set()), 1)
  })

  test(`DC27 documents are deleted some at a time (${kind})`, (t) => {
    const { store, shelf } = on(t)
    const drafts = Array.from({ length: 600 }, (_, index) => new Draft(shelf, `${index}`))
    shelf.append(
      drafts.map((draft) => draft.type("text", "ada")),
      start,
    )
    shelf.save(drafts.map((draft) => draft.snapshot()))
    const expire = () => shelf.expire(start + 2 * dayMs, 1, new Set())
    const counts = [expire(), expire(), expire(), expire()]
    // A row each of document, history, milestone and author.
    assert.deepEqual(counts, [250, 250, 100, 0])
    for (const table of ["document", "history", "milestone", "author"]) {
      assert.equal(rowsIn(store, table), 0, table)
    }
  })

  test(`DC27 links that are over are deleted, and with a document all of its own (${kind})`, (t) => {
    const { store, shelf } = on(t)
    const link = store.prepare("INSERT INTO link VALUES (:hash, :id, 'read', NULL, :until, 0)")
    saved(shelf, "notes")
    saved(shelf, "other")
    link.run({ hash: Buffer.from("1"), id: "notes", until: start + 1 })
    link.run({ hash: Buffer.from("2"), id: "notes", until: null })
    link.run({ hash: Buffer.from("3"), id: "other", until: start + 2 })
    shelf.expire(start + 1, 0, new Set())
    assert.equal(rowsIn(store, "link"), 2)
    shelf.remove("notes")
    assert.equal(rowsIn(store, "link"), 1)
    assert.equal(shelf.count(), 1)
    assert.equal(shelf.past("notes", 0, 10), undefined)
  })

  test(`DC51 a commit that fails keeps nothing of it, and what was journaled (${kind})`, (t) => {
    const { store, shelf } = on(t)
    const draft = written(shelf, "notes", "kept")
    const refill = fillDisk(store)
    const large = "x".repeat(50_000)
    const lost = new Draft(shelf, "lost")
    const edits = () => [lost.type("lost"), new Draft(shelf, "notes").type(large)]
    assert.throws(() => shelf.append(edits(), start), /full/)
    assert.equal(store.healthy, false)
    const failing = { ...draft.snapshot(), text: large }
    assert.throws(() => shelf.save([failing]), /full/)
    assert.equal(shelf.load("notes")?.text, "kept")
    assert.equal(shelf.load("lost"), undefined)
    refill()
    // Its editors came back to the journaled state and go on from there.
    shelf.append([draft.type("!")], start)
    assert.equal(store.healthy, true)
    assert.equal(shelf.load("notes")?.text, "kept!")
    assert.equal(shelf.save([draft.snapshot()]).size, 0)
    assert.equal(begin(store).shelf.load("notes")?.text, "kept!")
    assert.equal(shelf.past("notes", 0, 10)?.length, 2)
  })

  test(`DC8 a row that is no text is not taken for an empty document (${kind})`, (t) => {
    const { store, shelf } = on(t)
    saved(shelf, "notes")
    store.prepare("UPDATE document SET text = x'00ff'").run()
    assert.throws(() => shelf.load("notes"), /not text/)
  })

  test(`DC50 what was written is synced (${kind})`, async (t) => {
    const { store, shelf } = on(t)
    written(shelf, "notes", "text")
    const answered = new Promise<void>((resolve) => shelf.sync(resolve))
    store.tick(start + 50)
    await answered
  })
}

interface Action {
  readonly what: "edit" | "save" | "reload" | "remove" | "kill" | "stop"
  readonly documents: readonly string[]
  readonly edits: readonly { readonly at: number; readonly text: string }[]
}

/** Plays actions on a shelf and on a plain map of texts, and compares. */
class Play {
  #store: Store
  #shelf: Shelf
  readonly #drafts = new Map<string, Draft>()

  constructor(store: Store) {
    this.#store = store
    this.#shelf = begin(store).shelf
  }

  run(actions: readonly Action[]): void {
    for (const action of actions) {
      this.#do(action)
      this.#compare()
    }
  }

  #do({ what, documents, edits }: Action): void {
    if (what === "edit") this.#edit(documents, edits)
    if (what === "save") {
      const drafts = documents.flatMap((id) => this.#drafts.get(id) ?? [])
      assert.equal(this.#shelf.save(drafts.map((draft) => draft.snapshot())).size, 0)
    }
    if (what === "reload") for (const id of documents) this.#reload(id)
    if (what === "remove") {
      for (const id of documents) {
        this.#shelf.remove(id)
        this.#drafts.delete(id)
      }
    }
    if (what === "stop") this.#shelf.markClean()
    if (what === "kill" || what === "stop") this.#restart()
  }

  #edit(documents: readonly string[], edits: Action["edits"]): void {
    const entries: JournalEntry[] = []
    for (const id of documents) {
      const draft = this.#drafts.get(id) ?? new Draft(this.#shelf, id)
      this.#drafts.set(id, draft)
      for (const { at, text } of edits) {
        const length = codePointCount(draft.text)
        const place = at % (length + 1)
        const deleted = text === "" ? Math.min(1, length - place) : 0
        entries.push(draft.edit([place, text, -deleted, length - place - deleted], "ada"))
      }
    }
    this.#shelf.append(entries, start)
  }

  // It leaves memory and comes back: what it knew of its past and its authors is gone.
  #reload(id: string): void {
    const draft = this.#drafts.get(id)
    if (draft === undefined) return
    assert.equal(this.#shelf.load(id)?.text, draft.text)
    draft.past = []
    draft.authors.clear()
  }

  // Each document goes on in the epoch that the shelf has for it now.
  #restart(): void {
    this.#shelf = begin(this.#store).shelf
    for (const [id, draft] of this.#drafts) {
      const epoch = this.#shelf.load(id)?.epoch
      assert(epoch !== undefined)
      const next = Object.assign(new Draft(this.#shelf, id), { ...draft, epoch, past: [] })
      this.#drafts.set(id, next)
    }
  }

  // A visitor sees what is stored and journaled, and leaves the shelf as it is.
  #compare(): void {
    const visitor = visitShelf(this.#store)
    assert.equal(visitor.count(), this.#drafts.size)
    for (const [id, draft] of this.#drafts) {
      const { text, revision, nextUser, authors } = visitor.load(id) ?? {}
      assert.equal(text, draft.text)
      assert.deepEqual([revision, nextUser], [draft.revision, draft.nextUser])
      assert.deepEqual([authors?.length, authors?.[0]?.seq], [1, draft.revision])
      const past = visitor.past(id, 0, 1_000) ?? []
      assert.deepEqual(past, draft.all.slice(0, past.length))
    }
  }

  /** Saves all and looks whether the whole past is there. */
  end(): void {
    this.#do({ what: "save", documents: [...this.#drafts.keys()], edits: [] })
    assert.equal(rowsIn(this.#store, "journal"), 0)
    for (const [id, draft] of this.#drafts) {
      assert.deepEqual(this.#shelf.past(id, 0, 1_000), draft.all)
    }
  }
}
