/**
 * What the relay's panel shows: a note that works at once, a second replica of it beside the first,
 * what crosses the line, how to bring an app of one's own, and how the relay does.
 */
import type { VNode } from "preact"
import { useEffect, useMemo, useRef, useState } from "preact/hooks"
import { RoomKey } from "../../src/client/sealed.ts"
import { Cell, useCell } from "../cell.ts"
import { copy } from "../clipboard.ts"
import { type Choice, line, offer } from "../desk.ts"
import { drawSelf } from "../documents/names.ts"
import { Icon } from "../more-icons.tsx"
import { openPart } from "../panels.ts"
import { chosenSelf, drawnSelf, type Self } from "../preferences.ts"
import { Apps } from "./apps.tsx"
import { FramesView } from "./frames-view.tsx"
import { Note } from "./note.ts"
import { go, type NoteAddress, place } from "./place.ts"
import { Present } from "./present.tsx"
import { ReplicaView } from "./replica-view.tsx"
import { Rooms } from "./rooms.tsx"
import { Traffic } from "./traffic.tsx"
import "./side.css"
import "./relay.css"

/** Opens rooms that want one. Kept for as long as this page is open, and nowhere else. */
const token = new Cell<string | undefined>(undefined)

/** The key of each note that was encrypted here, so that it is the same when one comes back. */
const keys = new Map<string, string>()
/** What the next note begins with, if it is under this key: a text that was just encrypted. */
let carried: { readonly key: string; readonly text: string } | undefined

interface RoomProps {
  readonly onNew: () => void
}

export function Room({ onNew }: RoomProps): VNode {
  const address = useCell(place)
  if (address.key !== undefined && !isKey(address.key)) return <BadKey onNew={onNew} />
  return <Opened key={`${address.name} ${address.key}`} address={address} onNew={onNew} />
}

interface OpenedProps extends RoomProps {
  readonly address: NoteAddress
}

function Opened({ address, onNew }: OpenedProps): VNode {
  const note = useNote(address, "first")
  const [isBeside, setIsBeside] = useState(false)
  const [isSeen, setIsSeen] = useState(address.key !== undefined)
  const besideButton = useRef<HTMLButtonElement>(null)
  const isSealed = address.key !== undefined
  const copyLink = (): void => void copy(location.href, "Link")
  const seal = (): void => (isSealed ? open(address) : encrypt(address, note))
  const acts: Acts = {
    onNew,
    copyLink,
    seal: canSeal ? seal : undefined,
    beside: () => setIsBeside((before) => !before),
    frames: () => setIsSeen((before) => !before),
  }
  useFrame(note, address)
  useOffer(acts, { isSealed, isBeside, isSeen })
  const closeBeside = (): void => {
    setIsBeside(false)
    besideButton.current?.focus()
  }
  return (
    <>
      <header class="top-line relay-line">
        <Name address={address} />
        <span class="top-line-space" />
        <Present note={note} />
        <SealSwitch isSealed={isSealed} onClick={acts.seal} />
        <button
          ref={besideButton}
          type="button"
          class="icon-button"
          aria-label="Second replica"
          aria-pressed={isBeside}
          data-hint={isBeside ? "Close the second replica" : "Open a second replica beside"}
          onClick={acts.beside}
        >
          <Icon name="beside" />
        </button>
        <button type="button" class="button button-prime share-button" onClick={copyLink}>
          <Icon name="link" />
          <span class="share-word">Copy link</span>
        </button>
      </header>
      <div class="relay-body">
        <div class="relay-notes">
          <div class="replicas">
            <ReplicaView
              note={note}
              label={`Text of the note ${address.name}`}
              title={isBeside ? "This replica" : undefined}
              onToken={admit(note)}
              onBeside={isBeside ? undefined : acts.beside}
              onCopy={copyLink}
            />
            {isBeside && <Beside address={address} onClose={closeBeside} />}
          </div>
          <FramesView
            frames={note.frames}
            isSealed={isSealed}
            isOpen={isSeen}
            onSwitch={acts.frames}
          />
        </div>
        <aside class="relay-side" aria-label="About this relay">
          <Apps address={address} hasToken={useCell(token) !== undefined} />
          <Traffic />
          <Rooms />
        </aside>
      </div>
    </>
  )
}

interface BesideProps {
  readonly address: NoteAddress
  readonly onClose: () => void
}

function Beside({ address, onClose }: BesideProps): VNode {
  const note = useNote(address, "second")
  return (
    <ReplicaView
      note={note}
      label={`Text of the note ${address.name}, second replica`}
      title="Second replica"
      onToken={admit(note)}
      onClose={onClose}
    />
  )
}

function Name({ address }: { readonly address: NoteAddress }): VNode {
  return (
    <h1 class="name">
      <button
        type="button"
        class="line-button"
        data-hint="Copy the room's name"
        onClick={() => void copy(`demo/${address.name}`, "Name")}
      >
        <span class="unseen">Note in room </span>
        <span class="name-id">
          <span class="quiet">demo/</span>
          {address.name}
        </span>
        <Icon name="copy" />
      </button>
    </h1>
  )
}

interface SealProps {
  readonly isSealed: boolean
  readonly onClick: (() => void) | undefined
}

function SealSwitch({ isSealed, onClick }: SealProps): VNode {
  const hint = isSealed ? "The server sees noise" : "Hide the text from the server"
  return (
    <button
      type="button"
      role="switch"
      class="line-button seal"
      aria-label="Encrypted"
      aria-checked={isSealed}
      disabled={onClick === undefined}
      data-hint={onClick === undefined ? "Needs https, or the machine itself" : hint}
      onClick={onClick}
    >
      <Icon name="lock" />
      <span class="seal-word">{isSealed ? "Encrypted" : "Encrypt"}</span>
    </button>
  )
}

/** A link that lost a part of itself on the way. */
function BadKey({ onNew }: RoomProps): VNode {
  return (
    <div class="relay-lost">
      <h1>This link is not whole</h1>
      <p class="quiet">
        The key at its end has 43 letters, digits, - and _. Ask for the link again, or begin a note.
      </p>
      <button type="button" class="button button-prime" onClick={onNew}>
        New note
      </button>
    </div>
  )
}

/** WebCrypto is there on https and on loopback only, whatever its type says. */
const canSeal = globalThis.isSecureContext

function isKey(text: string): boolean {
  return /^[\w-]{43}$/.test(text)
}

/** The same note where only who has the link can read it: with what stands in it. */
function encrypt({ name }: NoteAddress, note: Note): void {
  const known = keys.get(name)
  if (known !== undefined) return go({ name, key: known })
  const key = RoomKey.random().toText()
  if (key === undefined) throw new Error("never: a key of bytes has a text")
  keys.set(name, key)
  carried = { key, text: note.text.toString() }
  go({ name, key })
}

/** Nothing is taken along: what was encrypted is not shown to the server. */
function open({ name }: NoteAddress): void {
  go({ name, key: undefined })
}

function admit(note: Note): (text: string) => void {
  return (text) => {
    token.value = text
    note.admit(text)
  }
}

function useNote(address: NoteAddress, which: "first" | "second"): Note {
  const note = useMemo(() => {
    const isNew = carried !== undefined && carried.key === address.key
    const begins = isNew ? (carried?.text ?? "") : ""
    if (isNew) carried = undefined
    const self = selfFor(which)
    const tells = which === "first" ? "others" : "nothing"
    return new Note({ address, self, token: token.value, begins, tells })
  }, [])
  useEffect(() => chosenSelf.watch(() => note.show(selfFor(which))), [])
  useEffect(() => () => note.destroy(), [])
  return note
}

/** The second replica is the same visitor in the opposite colour. */
function selfFor(which: "first" | "second"): Self {
  const self = chosenSelf.value ?? drawnSelf(drawSelf)
  if (which === "first") return self
  return { name: `${self.name}, beside`, hue: (self.hue + 180) % 360 }
}

/** While this panel is open the window's title and the rail's dot are its own. */
function useFrame(note: Note, { name }: NoteAddress): void {
  const isOpen = useCell(openPart) === "relay"
  useEffect(() => {
    if (!isOpen) return
    document.title = `${name} · Relay · Quartet`
    line.value = note.standing.value
    return note.standing.watch(() => {
      line.value = note.standing.value
    })
  }, [isOpen])
}

interface Acts {
  readonly onNew: () => void
  readonly copyLink: () => void
  readonly seal: (() => void) | undefined
  readonly beside: () => void
  readonly frames: () => void
}

interface Shown {
  readonly isSealed: boolean
  readonly isBeside: boolean
  readonly isSeen: boolean
}

/** What the palette offers here. */
function useOffer(acts: Acts, shown: Shown): void {
  const latest = useRef({ acts, shown })
  latest.current = { acts, shown }
  useEffect(() => {
    const offered = (): readonly Choice[] =>
      openPart.value === "relay" ? choicesIn(latest.current.acts, latest.current.shown) : []
    return offer(offered)
  }, [])
}

function choicesIn(acts: Acts, { isSealed, isBeside, isSeen }: Shown): readonly Choice[] {
  const group = "Note"
  const { seal } = acts
  const sealing = isSealed ? "Back to the open note" : "Encrypt this note"
  return [
    { group, title: "Copy the link", words: "share send", run: acts.copyLink },
    { group, title: "New note", words: "create empty room", run: acts.onNew },
    {
      group,
      title: isBeside ? "Close the second replica" : "Open a second replica",
      words: "beside split tab",
      run: acts.beside,
    },
    ...(seal === undefined
      ? []
      : [{ group, title: sealing, words: "encrypted key lock", run: seal }]),
    {
      group,
      title: isSeen ? "Hide what the server sees" : "Show what the server sees",
      words: "frames wire bytes",
      run: acts.frames,
    },
  ]
}
