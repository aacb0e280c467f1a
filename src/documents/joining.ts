/**
 * The two ways into a document: what a plain and what an extended editor is told when it joins.
 *
 * What always holds: everything accepted has been journaled and delivered before; state is sent and
 * the editor enrolled in one step, so nothing can fall between what it was told and what it will be
 * told (DC14). The cost follows the size of the text, or of the tail, never that of the past (DC57).
 */
import type { Log } from "../log.ts"
import { weigh } from "../ot/history.ts"
import type { Random } from "../service.ts"
import { limitComponents } from "../wire/documents.ts"
import {
  type By,
  type Element,
  type Info,
  type Join,
  type Present,
  systemUser,
  type ToEditor,
  type Welcome,
} from "../wire/documents-shapes.ts"
import { clientOf } from "./authors.ts"
import type { Document } from "./document.ts"
import { Editor, type Seat } from "./editor.ts"
import { reading } from "./gate.ts"
import { elementOf } from "./plain.ts"
import { unwrittenWarning } from "./scribe.ts"
import { frameBytes, type Settings, type Time, tailBytes, tailOperations } from "./settings.ts"
import type { Shelf, StoredLink } from "./shelf.ts"
import { historyMessages } from "./tails.ts"

export interface JoiningOptions {
  readonly shelf: Shelf
  readonly log: Log
  readonly time: Time
  readonly random: Random
  readonly settings: Settings
}

/** Who it is that nobody has named. */
const anonymous = "Anonymous"

export class Joining {
  readonly #options: JoiningOptions

  constructor(options: JoiningOptions) {
    this.#options = options
  }

  /** Lets a plain editor in (DC12). */
  plain(document: Document, seat: Seat): Editor {
    const editor = new Editor(seat, document.newUser(), { time: this.#options.time })
    editor.send({ Identity: editor.user })
    const past = document.plain.tell(document.history, document.pieces)
    if (past.length > 0) editor.send({ History: { start: 0, operations: past } })
    if (document.language !== undefined) {
      const system: By = { user_id: systemUser, user_name: "System" }
      const language = languageNews(document.language, system)
      editor.send(seat.shape === "rustpad" ? language.rustpad : language.kolabpad)
    }
    for (const { user, info } of document.audience) {
      if (info !== undefined) editor.send({ UserInfo: { id: user, info } })
    }
    for (const user of document.cursors.users()) {
      const data = document.cursors.find(user)
      if (data !== undefined) editor.send({ UserCursor: { id: user, data } })
    }
    this.#enroll(document, editor)
    return editor
  }

  /** Lets an extended editor in (DC13): a Welcome, and the tail that it misses, if that is all. */
  extended(document: Document, seat: Seat, join: Join): Editor {
    const { time } = this.#options
    const client = clientOf(join.client)
    const known = document.authors.find(client)
    const applied = document.authors.applied(client, join.resume, time.now)
    const user = known?.user ?? document.newUser()
    const editor = new Editor(seat, user, { time, client })
    editor.info = infoOf(join)
    document.authors.see({
      client,
      user,
      seq: known?.seq ?? 0,
      name: editor.info?.name ?? known?.name,
      hue: editor.info?.hue ?? known?.hue,
      seenAt: time.now,
    })
    // Enrolled first, so that it stands in its own list; nothing can happen before it is told.
    this.#enroll(document, editor)
    const tail = this.#tail(document, join.resume)
    editor.send({ Welcome: this.#welcome(document, editor, { applied, tail }) })
    const start = document.revision - (tail?.length ?? 0)
    for (const message of historyMessages(start, tail ?? [])) editor.send(message)
    if (document.unwrittenFrom !== undefined) editor.send(unwrittenWarning(document.unwrittenFrom))
    if (editor.info !== undefined) {
      document.audience.tell(
        `user:${user}`,
        infoNews(user, editor.info),
        (other) => other !== editor,
      )
    }
    return editor
  }

  // The elements after where it stands, if they can be had and are few enough (DC58).
  #tail(document: Document, resume: Join["resume"]): readonly Element[] | undefined {
    if (resume === undefined || resume.epoch !== document.epoch) return undefined
    const { revision } = resume
    if (revision > document.revision) return undefined
    const tail = document.tail(revision) ?? this.#storedTail(document, revision)
    if (tail === undefined || tail.length > tailOperations) return undefined
    const bytes = tail.reduce((sum, { operation }) => sum + weigh(operation), 0)
    return bytes > tailBytes ? undefined : tail
  }

  #storedTail(document: Document, revision: number): readonly Element[] | undefined {
    const { shelf, log } = this.#options
    const wanted = document.unsavedFrom - revision
    if (wanted > tailOperations) return undefined
    const past = reading(log, () => shelf.past(document.id, revision, wanted))
    if (past === undefined || past.length !== wanted) return undefined
    return [...past.map(elementOf), ...(document.tail(document.unsavedFrom) ?? [])]
  }

  #welcome(
    document: Document,
    editor: Editor,
    { applied, tail }: { applied: number | null; tail: readonly Element[] | undefined },
  ): Welcome {
    const { shelf, settings } = this.#options
    return {
      id: editor.user,
      role: editor.seat.role,
      epoch: document.epoch,
      revision: document.revision - (tail?.length ?? 0),
      head: document.revision,
      applied,
      fresh: document.revision === 0 && document.length === 0,
      ...(tail === undefined ? { text: document.text } : {}),
      language: document.language ?? null,
      protected: document.otp !== undefined,
      ...(document.otp === undefined || !isFull(editor) ? {} : { otp: document.otp }),
      users: presentIn(document),
      secret: editor.seat.secret,
      durable: shelf.durable,
      saved: document.durable,
      expires_at: isoTime(endFor(document, editor.seat.link)),
      limits: {
        length: settings.textLimit,
        frame: frameBytes(settings.textLimit),
        components: limitComponents,
      },
      server: settings.server,
    }
  }

  #enroll(document: Document, editor: Editor): void {
    editor.told = document.revision
    document.audience.enter(editor)
    document.accessedAt = this.#options.time.now
  }
}

/** The name of an editor as others are told it. */
export function nameOf(editor: Editor | undefined): string {
  return editor?.info?.name ?? anonymous
}

/** That the language is `language` now, and who made it so (DC63). */
export function languageNews(
  language: string,
  by: By,
): Readonly<Record<"kolabpad" | "rustpad" | "extended", ToEditor>> {
  const named: ToEditor = { Language: { language, ...by } }
  return { kolabpad: named, extended: named, rustpad: { Language: language } }
}

/** Who `user` is (DC64); without `info`, that it has left (DC65). */
export function infoNews(
  user: number,
  info: Info | undefined,
): Readonly<Record<"kolabpad" | "rustpad" | "extended", ToEditor>> {
  const told: ToEditor = { UserInfo: { id: user, info: info ?? null } }
  const gone: ToEditor = info === undefined ? { UserInfo: { id: user } } : told
  return { kolabpad: gone, extended: told, rustpad: told }
}

/** Whether `editor` may know by what others come, and change it (DC91). */
export function isFull({ seat }: Editor): boolean {
  return seat.role === "full"
}

/**
 * When `document` ends for who came by `link`, in ms since 1970: when it is deleted, or the link
 * expires. Undefined for never.
 */
export function endFor(document: Document, link: StoredLink | undefined): number | undefined {
  const ends = [document.expiresAt, link?.expiresAt].filter((end) => end !== undefined)
  return ends.length === 0 ? undefined : Math.min(...ends)
}

/** Tells extended editors whether `document` is protected now, and when it ends for each of them. */
export function tellAccess(document: Document): void {
  const isProtected = document.otp !== undefined
  const endOf = (editor: Editor) => endFor(document, editor.seat.link)
  // One message for all who are told the same; most often that is everyone.
  for (const end of new Set([...document.audience].map(endOf))) {
    const extended: ToEditor = { Access: { protected: isProtected, expires_at: isoTime(end) } }
    document.audience.tell("access", { extended }, (editor) => endOf(editor) === end)
  }
}

/** A time as it stands on the wire; null for never. */
export function isoTime(ms: number | undefined): string | null {
  return ms === undefined ? null : new Date(ms).toISOString()
}

// Everyone who has a name or a caret.
function presentIn(document: Document): readonly Present[] {
  const present: Present[] = []
  for (const { user, info } of document.audience) {
    const placed = document.cursors.within(user, document.length)
    if (info === undefined && placed === undefined) continue
    present.push({ id: user, cursors: [], selections: [], ...placed, info: info ?? null })
  }
  return present
}

function infoOf({ name, hue }: Join): Info | undefined {
  return name === undefined ? undefined : { name, hue: hue ?? 0 }
}
