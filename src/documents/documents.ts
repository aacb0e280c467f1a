/**
 * The documents part: one text, many editors. Its door.
 *
 * It says who may come, finds or makes the document, and hands what is said to those who know
 * what to do with it: `hearing` takes messages in, `publishing` journals and tells what was accepted,
 * `saver` writes whole texts, `upkeep` lets documents go. What always holds: each connection that
 * `open` let in is one visit, in one document, until `close`; a document is in memory once.
 */
import type { Log } from "../log.ts"
import type { Metrics } from "../metrics.ts"
import type { Connection, Random, Service, Wake } from "../service.ts"
import type { FromEditor } from "../wire/documents.ts"
import {
  documentsProtocol,
  type Join,
  type Shape,
  type ToEditor,
} from "../wire/documents-shapes.ts"
import { type Code, WireError } from "../wire/error.ts"
import { checkId, handshakeTokens, newSecret } from "./access.ts"
import { clientOf } from "./authors.ts"
import { Document } from "./document.ts"
import type { Editor, Seat } from "./editor.ts"
import { type Admission, type Caller, Gate, reading } from "./gate.ts"
import { Hearing } from "./hearing.ts"
import { infoNews, Joining } from "./joining.ts"
import { Links } from "./links.ts"
import { measure } from "./measures.ts"
import { Playback } from "./playback.ts"
import { type Claimant, type Proved, prove } from "./proof.ts"
import { Protection } from "./protection.ts"
import { Publishing } from "./publishing.ts"
import { Residents } from "./residents.ts"
import { Retention } from "./retention.ts"
import { Saver } from "./saver.ts"
import { Scribe } from "./scribe.ts"
import { joinMs, type Settings, settled } from "./settings.ts"
import type { Shelf } from "./shelf.ts"
import { Upkeep } from "./upkeep.ts"
import { type View, viewOf } from "./view.ts"
import { Writing } from "./writing.ts"

export interface DocumentsOptions {
  readonly shelf: Shelf
  readonly log: Log
  readonly metrics: Metrics
  readonly wake: Wake
  readonly random: Random
  readonly settings?: Partial<Settings>
}

/** A connection, and what it came for. */
interface Visit {
  readonly seat: Seat
  readonly document: Document
  readonly openedAt: number
  /** Undefined until an extended editor has joined. */
  editor: Editor | undefined
}

export class Documents implements Service<FromEditor, ToEditor> {
  /** Who may reach what. */
  readonly gate: Gate
  /** Sets and removes OTPs. */
  readonly protection: Protection
  /** Makes and revokes links. */
  readonly links: Links
  /** Says for how long a document is kept. */
  readonly retention: Retention
  /** Gives the past of documents. */
  readonly playback: Playback
  /** Takes what programs write over HTTP. */
  readonly writing: Writing
  readonly #options: DocumentsOptions
  readonly #settings: Settings
  readonly #time = { now: 0 }
  readonly #visits = new Map<Connection<ToEditor>, Visit>()
  /** Extended editors that have not joined, in the order in which they came. */
  readonly #unjoined = new Set<Visit>()
  readonly #residents: Residents
  readonly #scribe: Scribe
  readonly #saver: Saver
  readonly #publishing: Publishing
  readonly #hearing: Hearing
  readonly #joining: Joining
  readonly #upkeep: Upkeep
  #startedAt: number | undefined
  #isStopping = false

  constructor(options: DocumentsOptions) {
    const { shelf, log, wake, random } = options
    const time = this.#time
    const settings = settled(options.settings, shelf)
    const given = { shelf, log, time, random, wake, settings }
    this.#options = options
    this.#settings = settings
    this.#residents = new Residents(time, settings.idleBytes)
    this.gate = new Gate({ ...given, residents: this.#residents })
    this.#scribe = new Scribe(given)
    const lose = (document: Document) => this.#kill(document, "unavailable", "it was overtaken")
    this.#saver = new Saver({ ...given, scribe: this.#scribe, lose })
    const parts = { ...given, scribe: this.#scribe, saver: this.#saver, residents: this.#residents }
    this.#publishing = new Publishing(parts)
    const publishing = this.#publishing
    this.#hearing = new Hearing({ ...parts, publishing })
    this.#joining = new Joining(given)
    this.protection = new Protection({ ...parts, publishing, gate: this.gate })
    this.links = new Links({ ...parts, publishing })
    this.retention = new Retention({ ...parts, publishing })
    const { gate, links } = this
    const look = (name: string, caller: Caller) => this.#look(gate.admit(name, caller))
    this.playback = new Playback({ ...given, look })
    const load = (id: string, caller: Caller) => this.#load(id, caller)
    const drop = (document: Document) => this.#drop(document)
    const deleted = (document: Document) => this.#kill(document, "deleted", "it was deleted")
    const ways = { load, deleted, edits: this.#hearing.edits }
    this.writing = new Writing({ ...parts, ...ways, publishing, gate, playback: this.playback })
    this.#upkeep = new Upkeep({ ...parts, drop, deleted })
    const [hearing, upkeep, editors] = [this.#hearing, this.#upkeep, () => this.#visits.size]
    measure(options.metrics, { ...parts, gate, links, hearing, publishing, upkeep, editors })
  }

  open(connection: Connection<ToEditor>): void {
    if (this.#isStopping) throw new WireError("going-away", "stopping")
    const { params } = connection
    const name = params.get("path") ?? ""
    checkId(name)
    const caller = { address: params.get("address") ?? "", tokens: handshakeTokens(params) }
    this.gate.take(this.gate.joins, caller.address)
    const { id, role, link } = this.gate.admit(name, caller)
    const resident = this.#residents.find(id)
    if (resident !== undefined && resident.connections.size >= this.#settings.editorLimit) {
      throw new WireError("too-many", "too many editors")
    }
    const document = resident ?? this.#load(id, caller)
    const seat: Seat = {
      connection,
      shape: this.#shapeOf(params),
      role,
      link,
      secret: newSecret(this.#options.random),
      cookie: params.get("cookie"),
    }
    const visit: Visit = { seat, document, openedAt: this.#time.now, editor: undefined }
    this.#visits.set(connection, visit)
    this.links.enter(seat, (sentence) => endVisit(visit, "forbidden", sentence))
    document.connections.add(connection)
    document.accessedAt = this.#time.now
    this.#residents.becameHot(document)
    if (seat.shape === "extended") {
      this.#unjoined.add(visit)
      return
    }
    this.#publishing.now(document)
    visit.editor = this.#joining.plain(document, seat)
  }

  receive(connection: Connection<ToEditor>, message: FromEditor): void {
    const visit = this.#visits.get(connection)
    // Once it stops, what editors say is not taken; they say it again where they come next (DC81).
    if (visit === undefined || this.#isStopping) return
    const { document, editor } = visit
    if (editor !== undefined) {
      if (!editor.isEnded) this.#hearing.hear(document, editor, message)
    } else if (message.kind === "join") {
      this.#join(visit, message.join)
    } else {
      const first = "the first message is a Join"
      throw new WireError("bad-message", message.kind === "unreadable" ? message.sentence : first)
    }
  }

  close(connection: Connection<ToEditor>): void {
    const visit = this.#visits.get(connection)
    if (visit !== undefined) this.#leave(visit)
  }

  tick(now: number): void {
    this.#time.now = now
    this.#startedAt ??= now
    this.gate.tick(now)
    this.#endUnjoined()
    this.links.tick()
    this.#hearing.tick()
    this.#publishing.tick()
    if (this.#isStopping) return
    this.#saver.tick(this.#residents.hot())
    this.#upkeep.tick()
  }

  /** Journals, tells and saves all there is. The connections stay, and nothing they say is taken. */
  stop(): void {
    if (this.#isStopping) return
    this.#isStopping = true
    this.writing.stop()
    const { shelf, log } = this.#options
    this.#publishing.all()
    if (!shelf.durable) return
    const all = [...this.#residents]
    for (const document of all) this.#hearing.settle(document)
    const changed = all.filter((document) => document.isChanged)
    const outcomes = this.#saver.saveAll(changed)
    const flushed = outcomes.filter((outcome) => outcome === "saved").length
    const failed = outcomes.length - flushed
    log.info("documents flushed", { flushed, skipped: all.length - changed.length, failed })
    // What is in memory only is lost now: then the next start must draw new epochs (DC59).
    if (!all.some((document) => document.isUnwritten)) this.#scribe.markClean()
  }

  /** For `/health`: whether what is accepted can be written down. */
  health(): { readonly ok: boolean; readonly documents: number; readonly editors: number } {
    const [documents, editors] = [this.#residents.size, this.#visits.size]
    return { ok: this.#scribe.isHealthy, documents, editors }
  }

  /** For `/api/stats` (DC98). Throws "unavailable" when the store cannot be read. */
  stats(): Readonly<Record<"start_time" | "num_documents" | "database_size", number>> {
    return {
      start_time: Math.floor((this.#startedAt ?? 0) / 1_000),
      num_documents: this.#residents.size,
      database_size: reading(this.#options.log, () => this.#options.shelf.count()),
    }
  }

  /**
   * The document that `name`, an id or a link, leads to, as `caller` may see it (DC93). Loads nothing
   * into memory, and is no use of the document (DC9). Throws what `open` throws.
   */
  view(name: string, caller: Caller): View {
    const admission = this.gate.admit(name, caller)
    return viewOf(this.#look(admission), admission)
  }

  /**
   * The editor with the full role that `claimant` has proved to be, in the document that `name`, an
   * id or a link, leads to; undefined for a stranger (DC86). Throws like `Gate.seek`.
   */
  prove(name: string, claimant: Claimant & Caller): Proved | undefined {
    return prove(this.#residents.find(this.gate.seek(name, claimant).id), claimant)
  }

  #shapeOf(params: ReadonlyMap<string, string>): Shape {
    if (params.get("protocol") === documentsProtocol) return "extended"
    const dialect = params.get("dialect")
    return dialect === "rustpad" || dialect === "kolabpad" ? dialect : this.#settings.dialect
  }

  // All of it is journaled. Undefined for one that is unknown; a cold one stays cold.
  #look({ id }: Pick<Admission, "id">): Document | undefined {
    const resident = this.#residents.find(id)
    if (resident !== undefined) this.#publishing.now(resident)
    return resident ?? this.#read(id)
  }

  // The document as it is stored, in no one's memory yet.
  #read(id: string): Document | undefined {
    const { shelf, log } = this.#options
    const stored = reading(log, () => shelf.load(id))
    if (stored === undefined) return undefined
    const [settings, time] = [this.#settings, this.#time]
    return new Document({ id, epoch: stored.epoch, stored, settings, time })
  }

  // From the shelf, or made here. Throws "unavailable" or "flooding".
  #load(id: string, { address }: Caller): Document {
    const read = this.#read(id)
    if (read === undefined) this.gate.take(this.gate.newDocuments, address)
    const [settings, time] = [this.#settings, this.#time]
    const epoch = read?.epoch ?? this.#options.shelf.newEpoch()
    const document = read ?? new Document({ id, epoch, stored: undefined, settings, time })
    this.#residents.add(document)
    this.#scribe.loaded(document)
    return document
  }

  #join(visit: Visit, join: Join): void {
    const { document, seat } = visit
    this.#unjoined.delete(visit)
    this.#publishing.now(document)
    const known = document.authors.find(clientOf(join.client))
    const older = known && document.audience.find(known.user)
    if (older !== undefined) {
      // Before the newcomer is told anything: from here on nothing that the older one says is read.
      older.end("taken", "this client has joined again on another connection")
      const left = this.#visits.get(older.seat.connection)
      if (left !== undefined) this.#leave(left)
    }
    visit.editor = this.#joining.extended(document, seat, join)
    this.#publishing.watch(document)
  }

  #leave(visit: Visit): void {
    const { document, editor, seat } = visit
    this.#visits.delete(seat.connection)
    this.#unjoined.delete(visit)
    this.links.leave(seat)
    document.connections.delete(seat.connection)
    if (document.isDead) return
    if (editor !== undefined) {
      document.audience.leave(editor)
      document.cursors.remove(editor.user)
      document.audience.tell(`user:${editor.user}`, infoNews(editor.user, undefined))
      this.#publishing.watch(document)
    }
    document.accessedAt = this.#time.now
    if (document.connections.size === 0) this.#becomeIdle(document)
  }

  #becomeIdle(document: Document): void {
    this.#publishing.now(document)
    this.#publishing.forget(document)
    this.#hearing.settle(document)
    // A save that fails is tried again by the saver; the journal has the edits meanwhile.
    if (document.isChanged) this.#saver.save(document)
    else if (document.isStored) this.#scribe.touch(document)
    if (!document.isDead) this.#residents.becameIdle(document)
  }

  // Closes whoever is in it, and takes it out of memory (DC28).
  #kill(document: Document, code: Code, sentence: string): void {
    for (const connection of document.connections) {
      const visit = this.#visits.get(connection)
      if (visit === undefined) connection.close(code, sentence)
      else endVisit(visit, code, sentence)
    }
    this.#drop(document)
  }

  #drop(document: Document): void {
    document.isDead = true
    this.#residents.remove(document)
    this.#saver.forget(document)
    this.#publishing.forget(document)
    this.#hearing.forget(document)
  }

  #endUnjoined(): void {
    for (const visit of this.#unjoined) {
      if (this.#time.now - visit.openedAt < joinMs) return
      this.#unjoined.delete(visit)
      visit.seat.connection.close("timed-out", "no Join came")
    }
  }
}

function endVisit({ editor, seat }: Visit, code: Code, sentence: string): void {
  if (editor === undefined) seat.connection.close(code, sentence)
  else editor.end(code, sentence)
}
