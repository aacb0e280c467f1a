/**
 * The editors that have joined one document, and who of them is told what, and when.
 *
 * What always holds: each editor is told every accepted operation once and in order; nobody waits
 * for anybody, since each has its own place in the window (DC52, DC100); what goes to many is one
 * object. `#lagging` are those to whom something is still to be sent: they are looked at in each
 * tick until they have drained, and nobody else is.
 */
import type { History } from "../ot/history.ts"
import type { Placed, Shape, ToEditor } from "../wire/documents-shapes.ts"
import type { StoredCursors } from "./cursors.ts"
import type { Editor, Reply } from "./editor.ts"
import { Tails } from "./tails.ts"

/** The same news in each shape that knows of it. */
export type News = Readonly<Partial<Record<Shape, ToEditor>>>

/** What an audience needs to know of its document to tell the latest of it. */
export interface Present {
  readonly history: History
  readonly cursors: StoredCursors
  /** What plain revisions have more than ours. */
  readonly offset: number
}

export class Audience {
  readonly #editors = new Set<Editor>()
  readonly #lagging = new Set<Editor>()
  /** How many of them are plain. */
  #plain = 0

  /** How many have joined. */
  get size(): number {
    return this.#editors.size
  }

  /** Whether somebody is still to be sent something that could not be sent yet. */
  get isLagging(): boolean {
    return this.#lagging.size > 0
  }

  [Symbol.iterator](): IterableIterator<Editor> {
    return this.#editors.values()
  }

  /** The editor with this user id. */
  find(user: number): Editor | undefined {
    for (const editor of this.#editors) if (editor.user === user) return editor
    return undefined
  }

  /** From now on `editor` is told what happens. What it was told before must be complete (DC14). */
  enter(editor: Editor): void {
    this.#editors.add(editor)
    if (editor.shape !== "extended") this.#plain += 1
  }

  leave(editor: Editor): void {
    this.#editors.delete(editor)
    if (editor.shape !== "extended") this.#plain -= 1
    this.#lagging.delete(editor)
    for (const other of this.#editors) other.missedCursors.delete(editor.user)
  }

  /** Tells those for whom `isMeant` holds; of several news with one `key` only the newest matters. */
  tell(key: string, news: News, isMeant: (editor: Editor) => boolean = () => true): void {
    for (const editor of this.#editors) {
      const message = news[editor.shape]
      if (message === undefined || !isMeant(editor)) continue
      editor.offer(key, message)
      this.#note(editor)
    }
  }

  /** Answers one of them, after all that it must know before. */
  answer(editor: Editor, reply: Reply): void {
    editor.answer(reply)
    this.#note(editor)
  }

  /** Tells everyone what was accepted since they were told last. */
  deliver(present: Present): void {
    const tails = new Tails(present.history, present.offset)
    for (const editor of this.#editors) this.#sendTail(editor, present.history, tails)
  }

  /** Tells those who have drained what they missed. */
  catchUp(present: Present): void {
    const tails = new Tails(present.history, present.offset)
    for (const editor of [...this.#lagging]) {
      this.#lagging.delete(editor)
      this.#sendTail(editor, present.history, tails)
      if (!editor.isDeaf) editor.sendMissed()
      if (!editor.isDeaf) this.#sendMissedCursors(editor, present)
      this.#note(editor)
    }
  }

  /**
   * Tells the cursors that changed, and settles them. Everything accepted must have been delivered:
   * positions are of the present revision.
   */
  tellCursors({ history, cursors }: Present): void {
    const changed = [...cursors.changed]
    cursors.settle()
    if (changed.length === 0) return
    const audible = new Set(changed.flatMap(([user, to]) => (to === "all" ? [user] : [])))
    // Most often someone has typed, and all who are here follow that by themselves.
    if (audible.size === 0 && this.#plain === 0) return
    const placed = placedOf([...audible], cursors, history.length)
    const extended = cursorsNews(history.revision, placed)
    const users = changed.map(([user]) => user)
    const plain = plainCursors(users, cursors)
    for (const editor of this.#editors) {
      if (editor.isDeaf) {
        const unknown = editor.shape === "extended" ? audible : users
        for (const user of unknown) editor.missedCursors.add(user)
      } else if (editor.shape !== "extended") {
        for (const [user, message] of plain) editor.offer(`cursor:${user}`, message)
      } else {
        const isOne = audible.has(editor.user) // of those who moved: it knows where it is
        const others = isOne ? placed.filter(({ id }) => id !== editor.user) : placed
        if (others.length === 0) continue
        editor.offer("cursors", isOne ? cursorsNews(history.revision, others) : extended)
      }
      this.#note(editor)
    }
  }

  /** Tells extended editors what is true from `revision` on, each once it was told everything up to that. */
  tellAfter(revision: number, key: string, message: ToEditor): void {
    for (const editor of this.#editors) {
      if (editor.shape !== "extended") continue
      if (editor.told < revision) editor.miss(key, message)
      else editor.offer(key, message)
      this.#note(editor)
    }
  }

  /** Tells extended editors that the line is alive, if they have heard nothing for long. */
  tellAlive({ history }: Present): void {
    const message: ToEditor = { Alive: { revision: history.revision } }
    for (const editor of this.#editors) {
      const isWelcome = editor.shape === "extended" && editor.isQuiet && !editor.isDeaf
      if (isWelcome && editor.told === history.revision) editor.send(message)
    }
  }

  #sendTail(editor: Editor, history: History, tails: Tails): void {
    const numbering = editor.shape === "extended" ? "ours" : "plain"
    while (editor.told < history.revision && !editor.isDeaf) {
      const told = tails.after(editor.told, numbering)
      if (told === undefined) {
        return editor.end("stale-revision", "too much has happened meanwhile: join anew")
      }
      editor.send(told.message)
      editor.told = told.end
    }
    editor.sendReplies()
    if (editor.told < history.revision && !editor.isEnded) this.#lagging.add(editor)
  }

  #sendMissedCursors(editor: Editor, { history, cursors }: Present): void {
    const missed = [...editor.missedCursors]
    editor.missedCursors.clear()
    if (editor.shape !== "extended") {
      for (const [user, message] of plainCursors(missed, cursors)) {
        editor.offer(`cursor:${user}`, message)
      }
      return
    }
    const others = missed.filter((user) => user !== editor.user)
    const placed = placedOf(others, cursors, history.length)
    if (placed.length === 0) return
    editor.send(cursorsNews(history.revision, placed))
  }

  #note(editor: Editor): void {
    if (editor.isWaiting && !editor.isEnded) this.#lagging.add(editor)
  }
}

function cursorsNews(revision: number, cursors: readonly Placed[]): ToEditor {
  return { Cursors: { revision, cursors } }
}

function placedOf(
  users: readonly number[],
  cursors: StoredCursors,
  length: number,
): readonly Placed[] {
  return users.flatMap((user) => cursors.within(user, length) ?? [])
}

function plainCursors(
  users: readonly number[],
  cursors: StoredCursors,
): readonly (readonly [user: number, message: ToEditor])[] {
  return users.flatMap((user) => {
    const data = cursors.find(user)
    return data === undefined ? [] : [[user, { UserCursor: { id: user, data } }] as const]
  })
}
