/**
 * What the operators' panel has to do with the page around it: keys, the window's title, the rail's
 * dots, what is read out, the palette, and the browser's question before the tab closes.
 */
import { useEffect, useRef } from "preact/hooks"
import { announce } from "../announcer.tsx"
import { useCell } from "../cell.ts"
import { type Choice, type Line, line, offer } from "../desk.ts"
import { hasNews, openPart } from "../panels.ts"
import type { Contact } from "./contact.ts"
import { isCallsign } from "./contacts.tsx"
import { ring } from "./sound.ts"
import { standingOf } from "./standing.ts"
import type { Talks } from "./talks.ts"

/** So much of a message is read out; who wants the rest goes there. */
const spokenLength = 200

/** What is on the screen counts as read. */
export function useSeen(talks: Talks): void {
  const part = useCell(openPart)
  useEffect(() => {
    talks.isSeen = () => openPart.value === "operators" && document.visibilityState === "visible"
    const look = (): void => talks.read()
    look()
    document.addEventListener("visibilitychange", look)
    return () => document.removeEventListener("visibilitychange", look)
  }, [talks, part])
}

interface KeysOf {
  readonly talks: Talks
  readonly field: { current: HTMLTextAreaElement | null }
  readonly choose: () => void
  readonly visit: (contact: Contact) => void
}

/** The keys of the whole panel. */
export function useKeys(of: KeysOf): void {
  const latest = useRef(of)
  latest.current = of
  useEffect(() => {
    const onKeyDown = (event: KeyboardEvent): void => {
      if (openPart.value !== "operators" || event.isComposing || event.defaultPrevented) return
      if (document.querySelector("dialog[open]") !== null) return
      if (keyDone(event, latest.current)) event.preventDefault()
    }
    addEventListener("keydown", onKeyDown)
    return () => removeEventListener("keydown", onKeyDown)
  }, [])
}

/** Does what the key stands for; false if it stands for nothing here. */
function keyDone({ key, altKey, target }: KeyboardEvent, of: KeysOf): boolean {
  const { talks, field, choose, visit } = of
  const isWriting = target instanceof HTMLInputElement || target instanceof HTMLTextAreaElement
  if (altKey && (key === "ArrowDown" || key === "ArrowUp")) {
    const next = talks.next(key === "ArrowDown" ? 1 : -1)
    if (next !== undefined) visit(next)
    return true
  }
  if (key === "/" && !isWriting) {
    choose()
    return true
  }
  if (key !== "Escape" || field.current === null || field.current === target) return false
  field.current.focus()
  return true
}

/** Says that something came which nobody saw: to a screen reader, by the dot in the rail, by a tone. */
export function useUnread(talks: Talks): void {
  useEffect(() => {
    talks.onHeard = ({ sender, text }, how) => {
      announce(`from ${sender}`, `${sender}: ${text.slice(0, spokenLength)}`)
      if (how === "seen") return
      hasNews("operators")
      ring()
    }
    return () => {
      talks.onHeard = () => {}
    }
  }, [talks])
}

/** The browser asks before the page goes while that would lose something. */
export function useAskBeforeLeaving(talks: Talks): void {
  useEffect(() => {
    const ask = (event: BeforeUnloadEvent): void => {
      if (talks.wouldLose) event.preventDefault()
    }
    addEventListener("beforeunload", ask)
    return () => removeEventListener("beforeunload", ask)
  }, [talks])
}

const out: Line = { tone: "busy", words: "Not signed in" }

/** While this panel is open the window's title and the rail's dot are its own. */
export function useTitle(talks: Talks | undefined): void {
  const isOpen = useCell(openPart) === "operators"
  useEffect(() => {
    if (!isOpen) return
    const tell = (): void => {
      const unread = talks?.unread ?? 0
      const name = talks?.open.value?.name
      const whom = name === undefined ? "" : `${name} · `
      document.title = `${unread === 0 ? "" : `(${unread}) `}${whom}Operators · Quartet`
      line.value = talks === undefined ? out : standingOf(talks)
    }
    tell()
    return talks?.changes.watch(tell)
  }, [isOpen, talks])
}

interface Acts {
  readonly talks: Talks
  readonly write: (callsign: string) => void
  readonly visit: (contact: Contact) => void
}

interface Offered extends Acts {
  readonly side: () => void
}

/** What the palette offers here. */
export function useOffer(of: Offered): void {
  const latest = useRef(of)
  latest.current = of
  useEffect(() => {
    return offer((query) => {
      if (openPart.value !== "operators") return []
      const { side } = latest.current
      return [
        ...choicesFor(query, latest.current),
        { group: "Operators", title: "Sessions and this line", words: "side end", run: side },
      ]
    })
  }, [])
}

/** The contacts, and whoever's callsign is typed. A text that begins with a slash can be written too. */
export function choicesFor(query: string, { talks, write, visit }: Acts): readonly Choice[] {
  const known = talks.contacts.map((contact) => ({
    group: "Contacts",
    title: contact.name,
    detail: contact.unread > 0 ? `${contact.unread} not read` : (contact.generation ?? ""),
    isChosen: contact === talks.open.value,
    run: () => visit(contact),
  }))
  const open = talks.open.value
  const word = query.trim()
  const isNew =
    isCallsign(word) && !known.some(({ title }) => title.toLowerCase() === word.toLowerCase())
  const fresh = { title: `Write to ${word}`, words: word, run: () => write(word) }
  const text = {
    title: `Begin a message with ${word}`,
    run: () => {
      if (open === undefined) return
      talks.putBack(open, word)
      visit(open)
    },
  }
  return [
    ...known,
    ...(isNew ? [fresh] : []),
    ...(open !== undefined && word.startsWith("/") ? [text] : []),
  ]
}
