/**
 * Links to a document with a role and an end (DC89): one is made, those there are are listed, and
 * any of them can be revoked.
 *
 * What always holds: a link is shown once, when it was made; the list knows only what it is called.
 */
import type { VNode } from "preact"
import { useCallback, useEffect, useRef, useState } from "preact/hooks"
import type { Link, NewLink, SharedText } from "../../src/client/client.ts"
import { Icon } from "../icons.tsx"
import { LinkCard } from "./share-link.tsx"
import { momentOf, untilOf } from "./share-times.ts"

/** What a link lets its holder do. */
export type LinkRole = Link["role"]

/** When a link may end, in hours from now; undefined for never. */
const ends: readonly (readonly [name: string, hours: number | undefined])[] = [
  ["In an hour", 1],
  ["In a day", 24],
  ["In a week", 7 * 24],
  ["In 30 days", 30 * 24],
  ["In a year", 365 * 24],
  ["When it is revoked", undefined],
]
const usualEnd = "In a week"
/** What the server keeps of a label. */
const limitLabel = 64

const roleWords: Readonly<Record<LinkRole, string>> = { edit: "Can edit", read: "Can only read" }

interface MakeProps {
  readonly text: SharedText
  readonly role: LinkRole
  /** Nothing can be asked of the server now. */
  readonly isOff: boolean
  readonly onMade: () => void
}

/** The form that makes a link, and in its place the link that was made. */
export function MakeLink({ text, role, isOff, onMade }: MakeProps): VNode {
  const [made, setMade] = useState<NewLink>()
  const [problem, setProblem] = useState("")
  const [isAsking, setIsAsking] = useState(false)
  const make = async (form: HTMLFormElement): Promise<void> => {
    const filled = new FormData(form)
    const hours = ends.find(([name]) => name === filled.get("ends"))?.[1]
    const label = `${filled.get("label") ?? ""}`.trim()
    setIsAsking(true)
    try {
      setMade(await text.link(role, { ...(hours && { hours }), ...(label && { label }) }))
      setProblem("")
      onMade()
    } catch (refused) {
      setProblem(sentenceOf(refused))
    }
    setIsAsking(false)
  }
  if (made !== undefined) return <Made made={made} onAnother={() => setMade(undefined)} />
  return (
    <form
      class="link-form"
      onSubmit={(event) => {
        event.preventDefault()
        void make(event.currentTarget)
      }}
    >
      <p class="quiet">
        {role === "edit"
          ? "Who has this link can read and write, and sees neither the document’s id nor its other links."
          : "Who has this link can read along and change nothing. It does not tell the document’s id."}
      </p>
      <div class="link-fields">
        <label class="link-field">
          <span>Ends</span>
          <select class="field" name="ends">
            {ends.map(([name]) => (
              <option key={name} selected={name === usualEnd}>
                {name}
              </option>
            ))}
          </select>
        </label>
        <label class="link-field link-label">
          <span>
            For whom <span class="quiet">(optional)</span>
          </span>
          <input
            class="field"
            name="label"
            maxLength={limitLabel}
            placeholder="The reviewers"
            autocomplete="off"
          />
        </label>
        <button type="submit" class="button button-prime" disabled={isOff || isAsking}>
          Make link
        </button>
      </div>
      <Problem sentence={problem} />
    </form>
  )
}

function Made({ made, onAnother }: { readonly made: NewLink; onAnother(): void }): VNode {
  const { role, label, expiresAt } = made
  const ref = useRef<HTMLDivElement>(null)
  // The button that made it is gone: the focus goes to what it gave.
  useEffect(() => ref.current?.querySelector("input")?.focus(), [])
  return (
    <div class="link-made" ref={ref}>
      <LinkCard link={addressOf(made.link)} label="The new link" />
      <p class="quiet">
        {roleWords[role]}
        {label !== "" && `, for ${label}`}
        {expiresAt !== undefined && `, until ${momentOf(expiresAt)}`}. Copy it now: it is not shown
        again.
      </p>
      <button type="button" class="text-button" onClick={onAnother}>
        Make another
      </button>
    </div>
  )
}

/** What the list of links is: not yet known, known, or refused and why. */
type Listing =
  | { readonly kind: "asked" }
  | { readonly kind: "known"; readonly links: readonly Link[] }
  | { readonly kind: "refused"; readonly sentence: string }

/** The links of a document, and how to have them listed anew. */
export function useLinks(text: SharedText): readonly [listing: Listing, again: () => void] {
  const [listing, setListing] = useState<Listing>({ kind: "asked" })
  const ask = useCallback(() => {
    text.links().then(
      (links) => setListing({ kind: "known", links }),
      (refused) => setListing({ kind: "refused", sentence: sentenceOf(refused) }),
    )
  }, [text])
  useEffect(ask, [ask])
  return [listing, ask]
}

interface LinksProps {
  readonly text: SharedText
  readonly listing: Listing
  readonly isOff: boolean
  readonly onRevoked: () => void
}

/** The links there are; nothing where there is none. */
export function Links({ text, listing, isOff, onRevoked }: LinksProps): VNode | null {
  if (listing.kind === "asked") return null
  if (listing.kind === "refused") {
    return <Problem sentence={`The links cannot be listed: ${listing.sentence}`} />
  }
  if (listing.links.length === 0) return null
  return (
    <section class="share-part" aria-labelledby="links-words">
      <h3 id="links-words">
        Links <span class="quiet">{listing.links.length}</span>
      </h3>
      <ul class="links">
        {listing.links.toReversed().map((link) => (
          <Row key={link.ref} text={text} link={link} isOff={isOff} onRevoked={onRevoked} />
        ))}
      </ul>
    </section>
  )
}

interface RowProps {
  readonly text: SharedText
  readonly link: Link
  readonly isOff: boolean
  readonly onRevoked: () => void
}

/** One link. Revoking asks first, in its place: whoever came by it is put out at once. */
function Row({ text, link, isOff, onRevoked }: RowProps): VNode {
  const { ref, role, label, expiresAt, createdAt } = link
  const [state, setState] = useState<"kept" | "doubted" | "asked">("kept")
  const [problem, setProblem] = useState("")
  const act = useRef<HTMLButtonElement>(null)
  const isFirst = useRef(true)
  useEffect(() => {
    if (!isFirst.current) act.current?.focus() // the button that was pressed is gone
    isFirst.current = false
  }, [state === "kept"])
  const name = label === "" ? `Made on ${momentOf(createdAt)}` : label
  const revoke = async (): Promise<void> => {
    setState("asked")
    try {
      await text.revoke(ref)
      onRevoked()
    } catch (refused) {
      setProblem(sentenceOf(refused))
      setState("kept")
    }
  }
  return (
    <li class="link-row">
      <Icon name={role === "edit" ? "pencil" : "follow"} />
      <span class="link-words">
        <span class="link-name" data-named={label !== ""}>
          {name}
        </span>
        <span class="quiet">
          {state === "kept"
            ? `${roleWords[role]}, ${expiresAt === undefined ? "until revoked" : `ends ${untilOf(expiresAt, Date.now())}`}`
            : "Who came by it is put out at once."}
        </span>
        <Problem sentence={problem} />
      </span>
      {state === "kept" ? (
        <button
          ref={act}
          type="button"
          class="text-button"
          aria-label={`Revoke: ${name}`}
          disabled={isOff}
          onClick={() => setState("doubted")}
        >
          Revoke
        </button>
      ) : (
        <span class="link-doubt">
          <button type="button" class="text-button" onClick={() => setState("kept")}>
            Keep
          </button>
          <button
            ref={act}
            type="button"
            class="button"
            aria-label={`Revoke it now: ${name}`}
            disabled={state === "asked"}
            onClick={() => void revoke()}
          >
            Revoke
          </button>
        </span>
      )}
    </li>
  )
}

/** Why something was not done; a screen reader is told as it comes. */
export function Problem({ sentence }: { readonly sentence: string }): VNode {
  return (
    <p class="share-problem" role="status">
      {sentence}
    </p>
  )
}

/** Why the server did not do it, as a sentence with what to do. */
export function sentenceOf(refused: unknown): string {
  if (!(refused instanceof Error)) return "The server did not answer."
  switch (refused.cause) {
    case 409:
      return "There are as many links as there may be: revoke one first."
    case 429:
      return "That was a lot at once: try again in a minute."
    case 403:
      return "The server does not take you for an editor of this document: reload the page."
    case 503:
      return `The server cannot do it now: ${refused.message}.`
  }
  return refused instanceof TypeError ? "There is no line to the server." : `${refused.message}.`
}

// Under the page's own address, wherever it is served.
function addressOf(link: string): string {
  return new URL(`#${link}`, location.href).href
}
